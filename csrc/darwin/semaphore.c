/*
 * Named semaphores on macOS: the kernel's own. Whose one is can't be asked there;
 * those that are made here are closed to others.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>

int32_t cw_sem_open(const char *name, uint32_t flags, uint32_t initial, sem_t **out) {
  int how = (flags & CW_SEMAPHORE_CREATE ? O_CREAT : 0) |
            (flags & CW_SEMAPHORE_EXCLUSIVE ? O_EXCL : 0);
  *out = how ? sem_open(name, how, 0600, initial) : sem_open(name, 0);
  return *out == SEM_FAILED ? cw_fail_errno(errno) : CW_OK;
}

int cw_sem_close(sem_t *sem) {
  return sem_close(sem);
}
