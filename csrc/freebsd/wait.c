/*
 * Sleeping on a word of shared memory: _umtx_op, the operations that work
 * between processes.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <sys/types.h>
#include <sys/umtx.h>

int32_t cw_wait(void *base, uint32_t offset, uint32_t expected, uint32_t timeout_us) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  void *word = (void *)(uintptr_t)cw_word_at(base, offset);
  struct timespec time = {
    .tv_sec = (time_t)(timeout_us / 1000000u),
    .tv_nsec = (long)(timeout_us % 1000000u) * 1000,
  };
  void *size = timeout_us == CW_FOREVER ? NULL : (void *)sizeof time;
  void *limit = timeout_us == CW_FOREVER ? NULL : &time;
  if (_umtx_op(word, UMTX_OP_WAIT_UINT, expected, size, limit) == 0) return CW_OK;
  return errno == EINTR ? CW_OK : cw_fail_errno(errno);
}

int32_t cw_wake(void *base, uint32_t offset) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  void *word = (void *)(uintptr_t)cw_word_at(base, offset);
  if (_umtx_op(word, UMTX_OP_WAKE, INT_MAX, NULL, NULL) != 0) return cw_fail_errno(errno);
  return CW_OK;
}
