/*
 * Where macOS has its own way: reserving space, randomness, names of threads,
 * the user's temporary directory.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int32_t cw_temporary_directory(char *out, size_t capacity) {
  /* Not $TMPDIR first: it differs between a terminal and a service. */
  size_t length = confstr(_CS_DARWIN_USER_TEMP_DIR, out, capacity);
  if (length == 0 || length > capacity) {
    const char *place = getenv("TMPDIR");
    if (!place || place[0] != '/') place = "/tmp";
    length = (size_t)snprintf(out, capacity, "%s", place) + 1;
    if (length > capacity) return cw_fail(CW_ESIZE, 0);
  }
  size_t end = strlen(out);
  while (end > 1 && out[end - 1] == '/') out[--end] = 0;
  return CW_OK;
}

int cw_reserve(int fd, uint64_t size) {
  fstore_t store = {
    .fst_flags = F_ALLOCATEALL,
    .fst_posmode = F_PEOFPOSMODE,
    .fst_length = (off_t)size,
  };
  bool reserved = fcntl(fd, F_PREALLOCATE, &store) != -1;
  if (!reserved && errno != ENOTSUP && errno != EINVAL) return errno;
  if (ftruncate(fd, (off_t)size) != 0) return errno;
  return reserved ? 0 : cw_write_zeros(fd, 0, size);
}

int cw_map_flags(uint64_t size) {
  (void)size;
  return 0;
}

void cw_thread_name(const char *name) {
  pthread_setname_np(name);
}

int32_t cw_random(void *out, uint32_t length) {
  if (length > 256) return cw_fail(CW_EARGUMENT, 0);
  return getentropy(out, length) == 0 ? CW_OK : cw_fail_errno(errno);
}
