/*
 * Leases: flock on a segment's open file.
 *
 * Guaranteed: at most one open file holds the lease, and the system drops it
 * when the last process that has this open file is gone, however it went. Not
 * guaranteed: that a child which was forked and never executes another program
 * doesn't keep it, since it shares the open file.
 */
#include "posix.h"

#include <errno.h>
#include <sched.h>
#include <sys/file.h>
#include <unistd.h>

/* A tester holds a shared lock for a moment. How often to look past that: first
 * at once, then in turns of up to 2 ms. */
#define ATTEMPTS 120u
#define ATTEMPTS_AT_ONCE 20u

static int lock(int fd, int operation) {
  int result;
  do result = flock(fd, operation);
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int32_t cw_lease_take(cw_segment *segment) {
  int fd = cw_descriptor_of(segment->handle);
  if (fd < 0) return cw_fail(CW_EARGUMENT, 0);
  for (unsigned i = 0; i < ATTEMPTS; i++) {
    int number = lock(fd, LOCK_EX | LOCK_NB);
    if (number == 0) {
      segment->handle |= CW_LEASED;
      return CW_OK;
    }
    if (number != EWOULDBLOCK) return cw_fail_errno(number);
    /* If it can be shared, then there are only testers: try again. */
    if (lock(fd, LOCK_SH | LOCK_NB) != 0) break;
    lock(fd, LOCK_UN);
    if (i < ATTEMPTS_AT_ONCE) sched_yield();
    else cw_back_off(i - ATTEMPTS_AT_ONCE);
  }
  return cw_fail(CW_EBUSY, EWOULDBLOCK);
}

int32_t cw_lease_test(cw_segment *segment) {
  int fd = cw_descriptor_of(segment->handle);
  /* A shared lock would replace the lease that this handle itself holds. */
  if (fd < 0 || (segment->handle & CW_LEASED)) return cw_fail(CW_EARGUMENT, 0);
  int number = lock(fd, LOCK_SH | LOCK_NB);
  if (number == EWOULDBLOCK) return 1;
  if (number != 0) return cw_fail_errno(number);
  lock(fd, LOCK_UN);
  return 0;
}

void cw_handle_close(int64_t handle, bool mapped) {
  int fd = cw_descriptor_of(handle);
  if (fd < 0) return;
  if (handle & CW_LEASED) {
    /* Closing isn't enough: mappings and children between fork and exec keep
     * the open file, and with it the lock, alive. */
    lock(fd, LOCK_UN);
    if (mapped) cw_lease_tell(fd);
  }
  close(fd);
}
