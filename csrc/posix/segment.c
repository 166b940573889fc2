/*
 * Segments: files of whole pages, mapped for reading and writing.
 *
 * Guaranteed: every page of a segment made here is reserved, so touching it
 * can't fail for want of space; a file that is a link, no regular file,
 * another user's or open to others is never mapped. Not guaranteed: that
 * nobody with our own user id truncates the file under the mapping.
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* O_NONBLOCK: opening a FIFO must not wait for its other end. */
#define OPEN_FLAGS (O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int32_t map(int fd, uint64_t size, cw_segment *out) {
  int flags = MAP_SHARED | cw_map_flags(size);
  void *base = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (base == MAP_FAILED) return cw_fail_errno(errno);
  out->base = (uint64_t)(uintptr_t)base;
  out->size = size;
  out->handle = fd;
  return CW_OK;
}

static int32_t fill(int fd, uint64_t size, cw_segment *out) {
  if (fchmod(fd, 0600) != 0) return cw_fail_errno(errno); /* whatever the umask says */
  int number = cw_reserve(fd, size);
  return number == 0 ? map(fd, size, out) : cw_fail_errno(number);
}

int32_t cw_segment_create(const char *path, uint32_t pages, cw_segment *out) {
  if (pages == 0) return cw_fail(CW_EARGUMENT, 0);
  int fd = open(path, OPEN_FLAGS | O_CREAT | O_EXCL, 0600);
  if (fd < 0) return cw_fail_errno(errno);
  int32_t status = fill(fd, (uint64_t)pages * CW_PAGE, out);
  if (status < 0) {
    unlink(path);
    close(fd);
  }
  return status;
}

static int32_t check_file(int fd, uint64_t *size) {
  struct stat found;
  if (fstat(fd, &found) != 0) return cw_fail_errno(errno);
  if (!S_ISREG(found.st_mode)) return cw_fail(CW_ETYPE, 0);
  if (found.st_uid != geteuid()) return cw_fail(CW_ENOTOWNER, 0);
  if (found.st_mode & (S_IRWXG | S_IRWXO)) return cw_fail(CW_EMODE, 0);
  if (found.st_size <= 0 || found.st_size % CW_PAGE != 0) return cw_fail(CW_ESIZE, 0);
  *size = (uint64_t)found.st_size;
  return CW_OK;
}

int32_t cw_segment_open(const char *path, cw_segment *out) {
  int fd = open(path, OPEN_FLAGS);
  if (fd < 0) return cw_fail_errno(errno);
  uint64_t size = 0;
  int32_t status = check_file(fd, &size);
  if (status >= 0) status = map(fd, size, out);
  if (status < 0) close(fd);
  return status;
}

int32_t cw_segment_release_handle(cw_segment *segment) {
  cw_handle_close(segment->handle, true);
  segment->handle = -1;
  return CW_OK;
}

int32_t cw_segment_close(cw_segment *segment) {
  int32_t status = CW_OK;
  if (segment->base != 0 &&
      munmap((void *)(uintptr_t)segment->base, (size_t)segment->size) != 0) {
    status = cw_fail_errno(errno);
  }
  cw_handle_close(segment->handle, false);
  segment->handle = -1;
  segment->base = 0;
  segment->size = 0;
  return status;
}
