/*
 * Named semaphores on Linux: files of one sem_t in /dev/shm, in glibc and in
 * musl, which give them different names.
 *
 * sem_open takes whatever is there: a file of no bytes, which is SIGBUS when it
 * is touched, and one of another user with any count. So the file is opened here,
 * checked through its descriptor, and that descriptor is mapped.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__GLIBC__)
#define PLACE "/dev/shm/sem."
#else /* musl */
#define PLACE "/dev/shm/"
#endif
#define OPEN_FLAGS (O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Somebody removes it again and again. */
#define ATTEMPTS 100

static int32_t check_file(int fd) {
  struct stat found;
  if (fstat(fd, &found) != 0) return cw_fail_errno(errno);
  if (!S_ISREG(found.st_mode)) return cw_fail(CW_ETYPE, 0);
  if (found.st_uid != geteuid()) return cw_fail(CW_ENOTOWNER, 0);
  /* Others may read it: many programs make theirs with 0644. */
  if (found.st_mode & (S_IWGRP | S_IWOTH)) return cw_fail(CW_EMODE, 0);
  return found.st_size >= (off_t)sizeof(sem_t) ? CW_OK : cw_fail(CW_ESIZE, 0);
}

static int32_t fail_to_open(const char *path, int number) {
  struct stat found;
  bool foreign = lstat(path, &found) == 0 && found.st_uid != geteuid();
  return foreign ? cw_fail(CW_ENOTOWNER, number) : cw_fail_errno(number);
}

static int32_t map_existing(const char *path, sem_t **out) {
  int fd = open(path, OPEN_FLAGS);
  if (fd < 0) return fail_to_open(path, errno);
  int32_t status = check_file(fd);
  if (status >= 0) {
    void *base = mmap(NULL, sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) status = cw_fail_errno(errno);
    else *out = base;
  }
  close(fd);
  return status;
}

int32_t cw_sem_open(const char *name, uint32_t flags, uint32_t initial, sem_t **out) {
  char path[sizeof PLACE + NAME_MAX];
  snprintf(path, sizeof path, PLACE "%s", name + 1);
  int32_t status = CW_OK;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    bool made = false;
    if (flags & CW_SEMAPHORE_CREATE) {
      sem_t *fresh = sem_open(name, O_CREAT | O_EXCL, 0600, initial);
      made = fresh != SEM_FAILED;
      if (made) sem_close(fresh);
      else if (errno != EEXIST || flags & CW_SEMAPHORE_EXCLUSIVE) return cw_fail_errno(errno);
    }
    status = map_existing(path, out);
    if (status != CW_ENOTFOUND || !(flags & CW_SEMAPHORE_CREATE)) return status;
  }
  return status;
}

int cw_sem_close(sem_t *sem) {
  return munmap(sem, sizeof *sem);
}
