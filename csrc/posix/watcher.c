/* The watcher's threads: see common/watcher.h. */
#include "posix.h"

#include "../common/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Only touched pages count. The bell thread's stack has to carry the runtime's
 * callback, and both carry the thread-local data of the whole program. */
#define BELL_STACK (256u << 10)
#define DEATHS_STACK (64u << 10)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_FACTOR 16u
#else
#define STACK_FACTOR 1u
#endif

struct cw_watcher_system {
  pthread_t threads[2];
  int notify;  /* our own copy of the pipe's end, or -1 */
  int stop[2]; /* ends the deaths thread */
  cw_deaths *deaths;
  bool has_looked;
  cw_deaths_poll want;
};

static void close_if_open(int fd) {
  if (fd >= 0) close(fd);
}

void cw_watcher_free(cw_watcher_system *system) {
  close_if_open(system->notify);
  close_if_open(system->stop[0]);
  close_if_open(system->stop[1]);
  if (system->deaths) cw_deaths_close(system->deaths);
  free(system);
}

static int copy_notify(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -1;
  return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int32_t cw_watcher_equip(const char *directory, int32_t notify, cw_watcher_system **out) {
  cw_watcher_system *system = calloc(1, sizeof *system);
  if (!system) return cw_fail_memory();
  *out = system;
  system->want = (cw_deaths_poll){.readable = false, .descriptor = -1, .timeout_ms = -1};
  system->notify = system->stop[0] = system->stop[1] = -1;
  if (notify >= 0 && (system->notify = copy_notify(notify)) < 0) return cw_fail_errno(errno);
  int32_t ends[2];
  int32_t status = cw_pipe_open(ends);
  if (status < 0) return status;
  system->stop[0] = ends[0];
  system->stop[1] = ends[1];
  system->deaths = cw_deaths_open(directory);
  return system->deaths ? CW_OK : cw_fail_errno(errno);
}

static void *attend_bell(void *watcher) {
  cw_thread_name("causeway-bell");
  cw_watcher_attend_bell(watcher);
  return NULL;
}

static void *attend_deaths(void *watcher) {
  cw_thread_name("causeway-deaths");
  cw_watcher_attend_deaths(watcher);
  return NULL;
}

static int create(pthread_t *thread, size_t stack, void *(*run)(void *), void *argument) {
  pthread_attr_t attributes;
  int number = pthread_attr_init(&attributes);
  if (number != 0) return number;
  size_t least = (size_t)PTHREAD_STACK_MIN;
  pthread_attr_setstacksize(&attributes, STACK_FACTOR * (stack > least ? stack : least));
  number = pthread_create(thread, &attributes, run, argument);
  /* Too small for the program's thread-local data, says glibc. */
  if (number == EINVAL) number = pthread_create(thread, NULL, run, argument);
  pthread_attr_destroy(&attributes);
  return number;
}

int32_t cw_watcher_start_thread(cw_watcher_system *system, cw_watcher_thread which,
                                cw_watcher *watcher) {
  bool is_bell = which == CW_BELL_THREAD;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int number = create(&system->threads[which], is_bell ? BELL_STACK : DEATHS_STACK,
                      is_bell ? attend_bell : attend_deaths, watcher);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return number == 0 ? CW_OK : cw_fail_errno(number);
}

void cw_watcher_join(cw_watcher_system *system, cw_watcher_thread which) {
  pthread_join(system->threads[which], NULL);
}

void cw_watcher_detach(cw_watcher_system *system) {
  pthread_detach(system->threads[CW_BELL_THREAD]);
  pthread_detach(system->threads[CW_DEATHS_THREAD]);
}

/* The first look needs no reason: some may have died before. */
bool cw_watcher_learn(cw_watcher_system *system, bool *hint) {
  if (system->has_looked) {
    struct pollfd fds[2] = {
      {.fd = system->stop[0], .events = POLLIN},
      {.fd = system->want.descriptor, .events = POLLIN}, /* -1 is skipped */
    };
    poll(fds, 2, system->want.timeout_ms);
    if (fds[0].revents) return false;
    system->want.readable = fds[1].revents != 0;
  }
  system->has_looked = true;
  *hint = cw_deaths_step(system->deaths, &system->want);
  return true;
}

static void put_byte(int fd) {
  ssize_t ignored = write(fd, "!", 1); /* full, or nobody reads: fine */
  (void)ignored;
}

void cw_watcher_halt(cw_watcher_system *system) {
  put_byte(system->stop[1]);
}

void cw_watcher_notify(cw_watcher_system *system) {
  put_byte(system->notify);
}

void cw_lease_abandon(int64_t handle) {
  cw_handle_close(handle | CW_LEASED, true);
}
