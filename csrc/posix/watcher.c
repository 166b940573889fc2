/*
 * The watcher: a thread that sleeps on the doorbell, and one that learns of
 * deaths.
 *
 * A watcher is used by three: its owner and its two threads. The last of them
 * frees it, so that an owner which ends without cw_watcher_stop (a terminated
 * worker) needn't wait for anybody.
 *
 * Not guaranteed: that the callback isn't running any more when such an owner
 * is gone. A runtime that frees callbacks when it terminates a worker has to
 * stop the watcher before.
 */
#include "posix.h"

#include "../common/bell.h"
#include "../common/owned.h"

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

/* How long cw_watcher_stop waits for a callback that is running. */
#define CALLBACK_GRACE_US 2000u

struct cw_watcher {
  cw_bell bell;
  pthread_t bell_thread, deaths_thread;
  cw_word users;
  int64_t handle;
  int notify;  /* our own copy of the pipe's end, or -1 */
  int stop[2]; /* ends the deaths thread */
  cw_deaths *deaths;
};

/* ---------------------------------------------------------------- threads */

static void close_if_open(int fd) {
  if (fd >= 0) close(fd);
}

static void destroy(cw_watcher *watcher) {
  close_if_open(watcher->notify);
  close_if_open(watcher->stop[0]);
  close_if_open(watcher->stop[1]);
  if (watcher->deaths) cw_deaths_close(watcher->deaths);
  free(watcher);
}

static void leave(cw_watcher *watcher) {
  if (atomic_fetch_sub(&watcher->users, 1) == 1) destroy(watcher);
}

static void *attend_bell(void *argument) {
  cw_watcher *watcher = argument;
  cw_thread_name("causeway-bell");
  cw_bell_attend(&watcher->bell);
  leave(watcher);
  return NULL;
}

static void *attend_deaths(void *argument) {
  cw_watcher *watcher = argument;
  cw_thread_name("causeway-deaths");
  cw_deaths_poll want = {.readable = false, .descriptor = -1, .timeout_ms = -1};
  for (;;) {
    if (cw_deaths_step(watcher->deaths, &want)) cw_bell_hint(&watcher->bell);
    struct pollfd fds[2] = {
      {.fd = watcher->stop[0], .events = POLLIN},
      {.fd = want.descriptor, .events = POLLIN}, /* -1 is skipped */
    };
    poll(fds, 2, want.timeout_ms);
    if (fds[0].revents) break;
    want.readable = fds[1].revents != 0;
  }
  leave(watcher);
  return NULL;
}

/* The callback of a watcher that notifies through a pipe. */
static void notify(void *argument) {
  cw_watcher *watcher = argument;
  ssize_t ignored = write(watcher->notify, "!", 1); /* full, or nobody reads: fine */
  (void)ignored;
}

static int start_thread(pthread_t *thread, size_t stack, void *(*run)(void *), void *argument) {
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

/* ------------------------------------------------------------------ owners */

static void halt(cw_watcher *watcher) {
  cw_bell_close(&watcher->bell);
  ssize_t ignored = write(watcher->stop[1], "!", 1);
  (void)ignored;
}

/* Its owner's thread ends. */
static void abandon(int64_t value) {
  cw_watcher *watcher = (cw_watcher *)(intptr_t)value;
  halt(watcher);
  pthread_detach(watcher->bell_thread);
  pthread_detach(watcher->deaths_thread);
  cw_handle_close(watcher->handle | CW_LEASED, true);
  leave(watcher);
}

/* ------------------------------------------------------------------- start */

static int copy_notify(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -1;
  return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Everything but the threads: 0 or an errno. */
static int equip(cw_watcher *watcher, const char *directory, int32_t notify_fd) {
  if (!watcher->bell.callback) {
    watcher->bell.callback = notify;
    watcher->bell.argument = watcher;
    watcher->notify = copy_notify(notify_fd);
    if (watcher->notify < 0) return errno;
  }
  int32_t ends[2];
  if (cw_pipe_open(ends) < 0) return cw_last_error();
  watcher->stop[0] = ends[0];
  watcher->stop[1] = ends[1];
  watcher->deaths = cw_deaths_open(directory);
  return watcher->deaths ? 0 : errno;
}

/* Both threads or none: 0 or an errno. */
static int start_threads(cw_watcher *watcher) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  watcher->users = 3;
  int number = start_thread(&watcher->bell_thread, BELL_STACK, attend_bell, watcher);
  if (number == 0) {
    number = start_thread(&watcher->deaths_thread, DEATHS_STACK, attend_deaths, watcher);
    if (number != 0) {
      uint32_t was = atomic_load(cw_word_at(watcher->bell.base, watcher->bell.bell));
      cw_bell_close(&watcher->bell);
      pthread_join(watcher->bell_thread, NULL);
      atomic_store(cw_word_at(watcher->bell.base, watcher->bell.bell), was);
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return number;
}

static bool is_word(const cw_segment *segment, uint32_t offset) {
  return offset % 4 == 0 && (uint64_t)offset + 4 <= segment->size;
}

int32_t cw_watcher_start(const cw_segment *segment, uint32_t bell_offset, uint32_t block_offset,
                         uint32_t deaths_offset, const char *directory, cw_callback callback,
                         void *argument, int32_t notify_fd, uint64_t *out) {
  if (!directory || !is_word(segment, bell_offset) || !is_word(segment, block_offset) ||
      !is_word(segment, deaths_offset)) {
    return cw_fail(CW_EARGUMENT, 0);
  }
  cw_watcher *watcher = calloc(1, sizeof *watcher);
  if (!watcher) return cw_fail_memory();
  watcher->bell = (cw_bell){
    .base = (void *)(uintptr_t)segment->base,
    .bell = bell_offset,
    .block = block_offset,
    .deaths = deaths_offset,
    .callback = callback,
    .argument = argument,
  };
  watcher->handle = segment->handle;
  watcher->notify = watcher->stop[0] = watcher->stop[1] = -1;
  int32_t status = cw_owned_add(abandon, (intptr_t)watcher);
  if (status < 0) {
    destroy(watcher);
    return status;
  }
  int number = equip(watcher, directory, notify_fd);
  if (number == 0) number = start_threads(watcher);
  if (number != 0) {
    free(cw_owned_take(abandon, (intptr_t)watcher));
    destroy(watcher);
    return cw_fail_errno(number);
  }
  out[0] = (uint64_t)(uintptr_t)watcher;
  return CW_OK;
}

/* -------------------------------------------------------------------- stop */

/* False when the callback doesn't return: it may be waiting for this very
 * thread, so waiting longer could be for ever. */
static bool wait_for_bell(cw_watcher *watcher) {
  uint64_t deadline = cw_deadline(CALLBACK_GRACE_US);
  while (!atomic_load(&watcher->bell.ended)) {
    /* Again and again, in case somebody has overwritten the bell. */
    cw_bell_close(&watcher->bell);
    if (atomic_load(&watcher->bell.calling) && cw_expired(deadline)) return false;
    cw_back_off(0);
  }
  return true;
}

int32_t cw_watcher_stop(cw_watcher *watcher) {
  cw_owned *owned = cw_owned_take(abandon, (intptr_t)watcher);
  if (!owned) return cw_fail(CW_EARGUMENT, 0);
  halt(watcher);
  if (!wait_for_bell(watcher)) {
    cw_owned_put_back(owned);
    return cw_fail(CW_EBUSY, 0);
  }
  free(owned);
  pthread_join(watcher->bell_thread, NULL);
  pthread_join(watcher->deaths_thread, NULL);
  leave(watcher);
  return CW_OK;
}
