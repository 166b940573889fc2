/*
 * Named semaphores on FreeBSD: files in /tmp, which libc maps. It checks their
 * size and contents; their owner is checked here, first: /tmp is sticky, so no
 * other user can put another file in the place of ours.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

static int32_t check_file(const char *name) {
  char path[sizeof "/tmp" + NAME_MAX + 1];
  struct stat found;
  snprintf(path, sizeof path, "/tmp%s", name);
  if (lstat(path, &found) != 0) return errno == ENOENT ? CW_OK : cw_fail_errno(errno);
  if (found.st_uid != geteuid()) return cw_fail(CW_ENOTOWNER, 0);
  if (!S_ISREG(found.st_mode)) return cw_fail(CW_ETYPE, 0);
  return found.st_mode & (S_IWGRP | S_IWOTH) ? cw_fail(CW_EMODE, 0) : CW_OK;
}

int32_t cw_sem_open(const char *name, uint32_t flags, uint32_t initial, sem_t **out) {
  int how = (flags & CW_SEMAPHORE_CREATE ? O_CREAT : 0) |
            (flags & CW_SEMAPHORE_EXCLUSIVE ? O_EXCL : 0);
  int32_t status = check_file(name);
  if (status < 0) return status;
  *out = how ? sem_open(name, how, 0600, initial) : sem_open(name, 0);
  return *out == SEM_FAILED ? cw_fail_errno(errno) : CW_OK;
}

int cw_sem_close(sem_t *sem) {
  return sem_close(sem);
}
