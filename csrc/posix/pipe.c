/*
 * The pipe that carries a watcher's notices to a runtime's event loop.
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(__APPLE__) /* has no pipe2: a fork in between may inherit both ends */
static int prepare(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return errno;
  return fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ? errno : 0;
}

static int open_pipe(int ends[2]) {
  if (pipe(ends) != 0) return errno;
  int number = prepare(ends[0]);
  if (number == 0) number = prepare(ends[1]);
  if (number != 0) {
    close(ends[0]);
    close(ends[1]);
  }
  return number;
}
#else
static int open_pipe(int ends[2]) {
  return pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : errno;
}
#endif

int32_t cw_pipe_open(int32_t *out) {
  int ends[2];
  int number = open_pipe(ends);
  if (number != 0) return cw_fail_errno(number);
  out[0] = ends[0];
  out[1] = ends[1];
  return CW_OK;
}

int32_t cw_descriptor_close(int32_t descriptor) {
  /* Never again after EINTR: the descriptor is gone and may be somebody else's. */
  if (close(descriptor) != 0 && errno != EINTR) return cw_fail_errno(errno);
  return CW_OK;
}
