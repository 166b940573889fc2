/*
 * Where Linux has its own way: reserving and populating pages, randomness,
 * names of threads, the runtime directory's place.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A call that signals interrupt undoes what it has done: reserve in steps that
 * are short enough to get through. */
#define RESERVE_STEP (4u << 20)

/* Up to here all pages are mapped at once rather than by a fault each. */
#define POPULATE_LIMIT (4u << 20)

int32_t cw_temporary_directory(char *out, size_t capacity) {
  const char *place = "/dev/shm";
  if (access(place, F_OK) != 0) {
    place = getenv("TMPDIR");
    if (!place || place[0] != '/') place = "/tmp";
  }
  int length = snprintf(out, capacity, "%s", place);
  return (size_t)length < capacity ? CW_OK : cw_fail(CW_ESIZE, 0);
}

/* Step by step, a hopeless size would first take all there is. */
static bool is_hopeless(int fd, uint64_t size) {
  struct statvfs space;
  if (fstatvfs(fd, &space) != 0 || space.f_blocks == 0) return false;
  return size / space.f_frsize > space.f_bfree;
}

int cw_reserve(int fd, uint64_t size) {
  if (is_hopeless(fd, size)) return ENOSPC;
  int result;
  do result = ftruncate(fd, (off_t)size);
  while (result != 0 && errno == EINTR);
  if (result != 0) return errno;
  for (uint64_t at = 0; at < size;) {
    uint64_t step = size - at < RESERVE_STEP ? size - at : RESERVE_STEP;
    if (fallocate(fd, 0, (off_t)at, (off_t)step) == 0) at += step;
    else if (errno == EOPNOTSUPP) return cw_write_zeros(fd, at, size);
    else if (errno != EINTR) return errno;
  }
  return 0;
}

int cw_map_flags(uint64_t size) {
  return size <= POPULATE_LIMIT ? MAP_POPULATE : 0;
}

void cw_thread_name(const char *name) {
  prctl(PR_SET_NAME, name, 0, 0, 0);
}

int32_t cw_random(void *out, uint32_t length) {
  if (length > 256) return cw_fail(CW_EARGUMENT, 0);
  /* The system call: glibc 2.17 has no getrandom. Up to 256 bytes come whole. */
  while (syscall(SYS_getrandom, out, (size_t)length, 0u) != (long)length) {
    if (errno != EINTR) return cw_fail_errno(errno);
  }
  return CW_OK;
}
