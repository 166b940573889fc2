/*
 * Sleeping on a word of shared memory: os_sync_wait_on_address (macOS 14.4),
 * looked up at run time, or else __ulock_wait, which it is made of and which
 * older systems have under a private name. Both are told that the word is
 * shared, and go by the page, not the address.
 */
#include "../posix/posix.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

/* os/os_sync_wait_on_address.h and os/clock.h, which older SDKs don't have. */
#define SYNC_SHARED 1u
#define CLOCK_OF_MACH_ABSOLUTE_TIME 32u

/* sys/ulock.h of the kernel. */
#define UL_COMPARE_AND_WAIT_SHARED 3u
#define ULF_WAKE_ALL 0x00000100u

typedef int sync_wait(void *, uint64_t, size_t, uint32_t);
typedef int sync_wait_timeout(void *, uint64_t, size_t, uint32_t, uint32_t, uint64_t);
typedef int sync_wake(void *, size_t, uint32_t);
typedef int ulock_wait(uint32_t, void *, uint64_t, uint32_t);
typedef int ulock_wake(uint32_t, void *, uint64_t);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static sync_wait *os_wait;
static sync_wait_timeout *os_wait_timeout;
static sync_wake *os_wake;
static ulock_wait *old_wait;
static ulock_wake *old_wake;

/* C has no cast from an object pointer to a function pointer; dlsym needs it. */
static void find(const char *name, void *function) {
  *(void **)function = dlsym(RTLD_DEFAULT, name);
}

static void find_all(void) {
  find("os_sync_wait_on_address", &os_wait);
  find("os_sync_wait_on_address_with_timeout", &os_wait_timeout);
  find("os_sync_wake_by_address_all", &os_wake);
  find("__ulock_wait", &old_wait);
  find("__ulock_wake", &old_wake);
}

static bool is_new(void) {
  return os_wait && os_wait_timeout && os_wake;
}

static int wait_on(cw_word *word, uint32_t expected, uint32_t timeout_us) {
  bool forever = timeout_us == CW_FOREVER;
  void *address = (void *)(uintptr_t)word;
  if (!is_new()) { /* 0 is for ever there */
    return old_wait(UL_COMPARE_AND_WAIT_SHARED, address, expected, forever ? 0 : timeout_us);
  }
  if (forever) return os_wait(address, expected, 4, SYNC_SHARED);
  return os_wait_timeout(address, expected, 4, SYNC_SHARED, CLOCK_OF_MACH_ABSOLUTE_TIME,
                         (uint64_t)timeout_us * 1000u);
}

int32_t cw_wait(void *base, uint32_t offset, uint32_t expected, uint32_t timeout_us) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  cw_word *word = cw_word_at(base, offset);
  if (atomic_load(word) != expected) return CW_OK;
  if (timeout_us == 0) return cw_fail(CW_ETIMEOUT, ETIMEDOUT);
  pthread_once(&once, find_all);
  if (!is_new() && !(old_wait && old_wake)) return cw_fail(CW_EUNSUPPORTED, 0);
  if (wait_on(word, expected, timeout_us) >= 0) return CW_OK;
  /* EFAULT: the page was being moved. The caller looks again. */
  if (errno == EINTR || errno == EFAULT || errno == EAGAIN) return CW_OK;
  return cw_fail_errno(errno);
}

int32_t cw_wake(void *base, uint32_t offset) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  void *address = (void *)(uintptr_t)cw_word_at(base, offset);
  pthread_once(&once, find_all);
  for (;;) {
    int result;
    if (is_new()) result = os_wake(address, 4, SYNC_SHARED);
    else if (old_wake) result = old_wake(UL_COMPARE_AND_WAIT_SHARED | ULF_WAKE_ALL, address, 0);
    else return cw_fail(CW_EUNSUPPORTED, 0);
    if (result >= 0 || errno == ENOENT) return CW_OK; /* ENOENT: nobody sleeps */
    if (errno != EINTR && errno != EFAULT) return cw_fail_errno(errno);
  }
}
