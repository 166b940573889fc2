/*
 * Sleeping on a word of shared memory: futex, without PRIVATE, so that it goes
 * by the page and works between processes.
 *
 * A wake that comes after the word was looked at isn't lost: the kernel looks
 * at it again under the lock the waker takes.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int32_t cw_wait(void *base, uint32_t offset, uint32_t expected, uint32_t timeout_us) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  struct timespec time = {
    .tv_sec = (time_t)(timeout_us / 1000000u),
    .tv_nsec = (long)(timeout_us % 1000000u) * 1000,
  };
  const struct timespec *limit = timeout_us == CW_FOREVER ? NULL : &time;
  cw_word *word = cw_word_at(base, offset);
  if (syscall(SYS_futex, word, FUTEX_WAIT, expected, limit, NULL, 0) == 0) return CW_OK;
  if (errno == EAGAIN || errno == EINTR) return CW_OK;
  return cw_fail_errno(errno);
}

int32_t cw_wake(void *base, uint32_t offset) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  cw_word *word = cw_word_at(base, offset);
  if (syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) < 0) return cw_fail_errno(errno);
  return CW_OK;
}
