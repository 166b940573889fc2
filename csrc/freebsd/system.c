/*
 * Where FreeBSD has its own way: reserving space, randomness, names of threads,
 * the temporary directory.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pthread_np.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int32_t cw_temporary_directory(char *out, size_t capacity) {
  const char *place = getenv("TMPDIR");
  if (!place || place[0] != '/') place = "/tmp";
  int length = snprintf(out, capacity, "%s", place);
  return (size_t)length < capacity ? CW_OK : cw_fail(CW_ESIZE, 0);
}

int cw_reserve(int fd, uint64_t size) {
  if (ftruncate(fd, (off_t)size) != 0) return errno;
  int number;
  do number = posix_fallocate(fd, 0, (off_t)size);
  while (number == EINTR);
  /* EINVAL: what file systems say that can't. */
  bool unable = number == EINVAL || number == EOPNOTSUPP;
  return unable ? cw_write_zeros(fd, 0, size) : number;
}

int cw_map_flags(uint64_t size) {
  (void)size;
  return MAP_NOSYNC; /* nobody needs the pages on disk */
}

void cw_thread_name(const char *name) {
  pthread_set_name_np(pthread_self(), name);
}

int32_t cw_random(void *out, uint32_t length) {
  if (length > 256) return cw_fail(CW_EARGUMENT, 0);
  return getentropy(out, length) == 0 ? CW_OK : cw_fail_errno(errno);
}
