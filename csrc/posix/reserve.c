/*
 * Reserving space by writing zeros, for file systems that can't do it otherwise.
 */
#include "posix.h"

#include <errno.h>
#include <unistd.h>

int cw_write_zeros(int fd, uint64_t from, uint64_t to) {
  static char zeros[CW_PAGE]; /* not const, so that it takes no room in the library */
  while (from < to) {
    uint64_t left = to - from;
    ssize_t wrote = pwrite(fd, zeros, left < CW_PAGE ? left : CW_PAGE, (off_t)from);
    if (wrote > 0) from += (uint64_t)wrote;
    else if (wrote == 0) return ENOSPC;
    else if (errno != EINTR) return errno;
  }
  return 0;
}
