/*
 * The runtime directory: made, checked, locked, listed, removed.
 *
 * Checks are made on an open descriptor, so what was checked is what was
 * opened. What later calls find at the same path isn't checked again: nobody
 * but its owner can replace a directory whose parent is sticky or private,
 * which is what the parent has to be.
 */
#include "posix.h"

#include "../common/owned.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

int32_t cw_directory_is_chosen(void) {
  const char *chosen = getenv("CAUSEWAY_DIR");
  return chosen && chosen[0];
}

int32_t cw_directory_default(char *out, uint32_t capacity, uint32_t ignore_chosen) {
  const char *chosen = ignore_chosen ? NULL : getenv("CAUSEWAY_DIR");
  int length;
  if (chosen && chosen[0]) {
    if (chosen[0] != '/') return cw_fail(CW_EARGUMENT, 0);
    length = snprintf(out, capacity, "%s", chosen);
  } else {
    char parent[512];
    int32_t status = cw_temporary_directory(parent, sizeof parent);
    if (status < 0) return status;
    length = snprintf(out, capacity, "%s/causeway-%lu", parent, (unsigned long)geteuid());
  }
  if (length < 0 || (uint32_t)length >= capacity) return cw_fail(CW_ESIZE, 0);
  return length;
}

int32_t cw_directory_descriptor(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) return fd;
  int number = errno;
  /* Linux answers ENOTDIR for a link as well. Either way nothing was opened:
   * this look only chooses the error. */
  struct stat link;
  if (number == ENOTDIR && lstat(path, &link) == 0 && S_ISLNK(link.st_mode)) {
    return cw_fail(CW_ELINK, ELOOP);
  }
  return cw_fail_errno(number);
}

static int32_t check_directory(int fd) {
  struct stat found;
  if (fstat(fd, &found) != 0) return cw_fail_errno(errno);
  if (found.st_uid != geteuid()) return cw_fail(CW_ENOTOWNER, 0);
  if (found.st_mode & (S_IWGRP | S_IWOTH)) return cw_fail(CW_EMODE, 0);
  if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) return cw_fail_errno(errno);
  return CW_OK;
}

/* mkdir's mode goes through the umask, which may have taken even our own bits. */
static int32_t open_made(const char *path) {
  int32_t fd = cw_directory_descriptor(path);
  if (fd == CW_EDENIED && fchmodat(AT_FDCWD, path, 0700, AT_SYMLINK_NOFOLLOW) == 0) {
    fd = cw_directory_descriptor(path);
  }
  if (fd >= 0 && fchmod(fd, 0700) != 0) {
    int number = errno;
    close(fd);
    return cw_fail_errno(number);
  }
  return fd;
}

int32_t cw_directory_prepare(const char *path) {
  bool made = mkdir(path, 0700) == 0;
  if (!made && errno != EEXIST) return cw_fail_errno(errno);
  int32_t fd = made ? open_made(path) : cw_directory_descriptor(path);
  if (fd < 0) return fd;
  int32_t status = check_directory(fd);
  close(fd);
  return status < 0 ? status : made;
}

/* Takes the lock of an open directory: 0 or an errno. */
static int lock_descriptor(int fd, uint64_t deadline) {
  int operation = deadline == UINT64_MAX ? LOCK_EX : LOCK_EX | LOCK_NB;
  for (unsigned turn = 0; flock(fd, operation) != 0;) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return errno;
    if (cw_expired(deadline)) return ETIMEDOUT;
    cw_back_off(turn++);
  }
  return 0;
}

/* Does the path still name what was opened? 1, 0 or a CW_E…. */
static int32_t still_named(const char *path, int fd) {
  struct stat opened;
  struct stat named;
  if (fstat(fd, &opened) != 0 || lstat(path, &named) != 0) return cw_fail_errno(errno);
  return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* Also when the thread that holds it ends: a worker can be terminated anywhere. */
static void end_lock(int64_t handle) {
  /* Closing alone isn't enough while a child between fork and exec shares it. */
  flock((int)handle, LOCK_UN);
  close((int)handle);
}

int32_t cw_directory_lock(const char *path, uint32_t timeout_us) {
  uint64_t deadline = cw_deadline(timeout_us);
  for (;;) {
    int32_t fd = cw_directory_descriptor(path);
    if (fd < 0) return fd;
    int number = lock_descriptor(fd, deadline);
    if (number != 0) {
      close(fd);
      return cw_fail_errno(number);
    }
    /* While we waited the directory may have been removed, and even made anew. */
    int32_t named = still_named(path, fd);
    int32_t status = named == 1 ? cw_owned_add(end_lock, fd) : named;
    if (named == 1 && status >= 0) return fd;
    close(fd);
    if (status < 0) return status;
  }
}

int32_t cw_directory_unlock(int32_t handle) {
  cw_owned *owned = cw_owned_take(end_lock, handle);
  if (!owned) return cw_fail(CW_EARGUMENT, 0);
  free(owned);
  end_lock(handle);
  return CW_OK;
}

int32_t cw_directory_list(const char *path, char *out, uint32_t capacity) {
  int32_t fd = cw_directory_descriptor(path);
  if (fd < 0) return fd;
  DIR *stream = fdopendir(fd);
  if (!stream) {
    int number = errno;
    close(fd);
    return cw_fail_errno(number);
  }
  size_t used = 0;
  struct dirent *entry;
  while ((errno = 0, entry = readdir(stream)) != NULL) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    size_t length = strlen(name) + 1;
    if (used + length <= capacity) memcpy(out + used, name, length);
    used += length;
  }
  int number = errno;
  closedir(stream);
  if (number != 0) return cw_fail_errno(number);
  return used > INT32_MAX ? cw_fail(CW_ELIMIT, 0) : (int32_t)used;
}

int32_t cw_directory_remove(const char *path) {
  if (rmdir(path) == 0) return CW_OK;
  int number = errno;
  struct stat link;
  if (number == ENOTDIR && lstat(path, &link) == 0 && S_ISLNK(link.st_mode)) {
    return cw_fail(CW_ELINK, number);
  }
  return number == EEXIST ? cw_fail(CW_EBUSY, number) : cw_fail_errno(number);
}

int32_t cw_directory_space(const char *path, uint64_t *out) {
  struct statvfs space;
  if (statvfs(path, &space) != 0) return cw_fail_errno(errno);
  bool limited = space.f_blocks != 0; /* a tmpfs without a limit says 0 */
  out[0] = limited ? (uint64_t)space.f_bavail * space.f_frsize : INT64_MAX;
  out[1] = limited ? (uint64_t)space.f_blocks * space.f_frsize : INT64_MAX;
  return CW_OK;
}

int32_t cw_file_remove(const char *path) {
  if (unlink(path) == 0) return CW_OK;
  int number = errno;
  struct stat found;
  /* Linux says EISDIR, POSIX and the others EPERM. */
  if (number == EPERM && lstat(path, &found) == 0 && S_ISDIR(found.st_mode)) number = EISDIR;
  return cw_fail_errno(number);
}

int32_t cw_file_rename(const char *from, const char *to) {
  return rename(from, to) == 0 ? CW_OK : cw_fail_errno(errno);
}

int32_t cw_file_link(const char *from, const char *to) {
  return link(from, to) == 0 ? CW_OK : cw_fail_errno(errno);
}
