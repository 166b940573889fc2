/*
 * Named semaphores: sem_open on "/" + name, mode 0600. Each system checks in its
 * own way whose one is that exists (see its semaphore.c).
 *
 * They outlive the processes that use them, and a count taken by a process
 * that dies is lost. Linux takes names of up to 250 bytes. macOS allows 30 with
 * the slash; a longer one becomes "/causeway~" and its 64-bit FNV-1a hash in
 * hexadecimal, which is also what other programs have to open.
 */
#include "posix.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__FreeBSD__)
/* libthr still has the functions of before FreeBSD 9, which take another kind of
 * sem_t than sem_open gives, and a linker that sees libthr before libc and can't
 * tell old from new takes those. */
__asm__(".symver sem_post, sem_post@FBSD_1.2");
__asm__(".symver sem_trywait, sem_trywait@FBSD_1.2");
__asm__(".symver sem_wait, sem_wait@FBSD_1.2");
__asm__(".symver sem_timedwait, sem_timedwait@FBSD_1.2");
#endif

#define NAME_LIMIT 250u
#define NAME_SPACE (NAME_LIMIT + 2)

struct cw_semaphore {
  sem_t *sem;
  cw_word users; /* who opened it, and an acquirer */
};

static sem_t *sem_of(cw_semaphore *semaphore) {
  return semaphore->sem;
}

void cw_semaphore_share(cw_semaphore *semaphore) {
  atomic_fetch_add(&semaphore->users, 1);
}

#if defined(__APPLE__)
static void write_name(const char *name, char *out) {
  if (strlen(name) <= 29) {
    snprintf(out, NAME_SPACE, "/%s", name);
    return;
  }
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
  snprintf(out, NAME_SPACE, "/causeway~%016llx", (unsigned long long)hash);
}

/* There is no sem_timedwait: try, with growing pauses. 0 or an errno. */
static int wait_until(sem_t *sem, uint64_t deadline) {
  for (unsigned turn = 0;; turn++) {
    if (sem_trywait(sem) == 0) return 0;
    if (errno != EAGAIN && errno != EINTR) return errno;
    if (cw_expired(deadline)) return ETIMEDOUT;
    cw_back_off(turn);
  }
}
#else
static void write_name(const char *name, char *out) {
  snprintf(out, NAME_SPACE, "/%s", name);
}

/* sem_timedwait goes by the time of day, which may be set: wait a second at
 * most and look at the monotonic clock in between. 0 or an errno. */
static int wait_until(sem_t *sem, uint64_t deadline) {
  for (;;) {
    uint64_t now;
    cw_clock(&now);
    if (now >= deadline) return sem_trywait(sem) == 0 ? 0 : ETIMEDOUT;
    uint64_t left = deadline - now;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    if (left >= 1000000000u) {
      until.tv_sec += 1;
    } else {
      until.tv_nsec += (long)left;
      until.tv_sec += until.tv_nsec / 1000000000;
      until.tv_nsec %= 1000000000;
    }
    if (sem_timedwait(sem, &until) == 0) return 0;
    if (errno != ETIMEDOUT && errno != EINTR) return errno;
  }
}
#endif

static int32_t check_name(const char *name) {
  size_t length = strlen(name);
  bool fine = length > 0 && length <= NAME_LIMIT && !strpbrk(name, "/\\");
  return fine ? CW_OK : cw_fail(CW_EARGUMENT, 0);
}

int32_t cw_semaphore_open(const char *name, uint32_t flags, uint32_t initial, uint64_t *out) {
  char full[NAME_SPACE];
  if (check_name(name) < 0) return CW_EARGUMENT;
  if (flags > 3 || flags == CW_SEMAPHORE_EXCLUSIVE) return cw_fail(CW_EARGUMENT, 0);
  write_name(name, full);
  sem_t *sem;
  int32_t status = cw_sem_open(full, flags, initial, &sem);
  if (status < 0) return status;
  cw_semaphore *semaphore = malloc(sizeof *semaphore);
  if (!semaphore) {
    cw_sem_close(sem);
    return cw_fail_memory();
  }
  *semaphore = (cw_semaphore){.sem = sem, .users = 1};
  out[0] = (uint64_t)(uintptr_t)semaphore;
  return CW_OK;
}

int32_t cw_semaphore_post(cw_semaphore *semaphore) {
  return sem_post(sem_of(semaphore)) == 0 ? CW_OK : cw_fail_errno(errno);
}

int32_t cw_semaphore_wait(cw_semaphore *semaphore, uint32_t timeout_us) {
  sem_t *sem = sem_of(semaphore);
  if (timeout_us != CW_FOREVER) {
    int number = wait_until(sem, cw_deadline(timeout_us));
    return number == 0 ? CW_OK : cw_fail_errno(number);
  }
  while (sem_wait(sem) != 0) {
    if (errno != EINTR) return cw_fail_errno(errno);
  }
  return CW_OK;
}

int32_t cw_semaphore_close(cw_semaphore *semaphore) {
  if (atomic_fetch_sub(&semaphore->users, 1) > 1) return CW_OK;
  int result = cw_sem_close(sem_of(semaphore));
  free(semaphore);
  return result == 0 ? CW_OK : cw_fail_errno(errno);
}

int32_t cw_semaphore_unlink(const char *name) {
  char full[NAME_SPACE];
  if (check_name(name) < 0) return CW_EARGUMENT;
  write_name(name, full);
  return sem_unlink(full) == 0 ? CW_OK : cw_fail_errno(errno);
}
