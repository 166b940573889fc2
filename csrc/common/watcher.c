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
#include "watcher.h"

#include "bell.h"
#include "owned.h"

#include <stdlib.h>

/* How long cw_watcher_stop waits for a callback that is running. */
#define CALLBACK_GRACE_US 2000u

struct cw_watcher {
  cw_bell bell;
  cw_word users;
  int64_t handle;
  cw_watcher_system *system;
};

static void destroy(cw_watcher *watcher) {
  if (watcher->system) cw_watcher_free(watcher->system);
  free(watcher);
}

static void leave(cw_watcher *watcher) {
  if (atomic_fetch_sub(&watcher->users, 1) == 1) destroy(watcher);
}

void cw_watcher_attend_bell(cw_watcher *watcher) {
  cw_bell_attend(&watcher->bell);
  leave(watcher);
}

void cw_watcher_attend_deaths(cw_watcher *watcher) {
  for (bool hint = false; cw_watcher_learn(watcher->system, &hint);) {
    if (hint) cw_bell_hint(&watcher->bell);
  }
  leave(watcher);
}

/* The callback of a watcher that notifies through a pipe. */
static void notify(void *argument) {
  cw_watcher_notify(((cw_watcher *)argument)->system);
}

static void halt(cw_watcher *watcher) {
  cw_bell_close(&watcher->bell);
  cw_watcher_halt(watcher->system);
}

/* Its owner's thread ends. */
static void abandon(int64_t value) {
  cw_watcher *watcher = (cw_watcher *)(intptr_t)value;
  halt(watcher);
  cw_watcher_detach(watcher->system);
  cw_lease_abandon(watcher->handle);
  leave(watcher);
}

/* ------------------------------------------------------------------- start */

/* Both threads or none. */
static int32_t start_threads(cw_watcher *watcher) {
  watcher->users = 3;
  int32_t status = cw_watcher_start_thread(watcher->system, CW_BELL_THREAD, watcher);
  if (status < 0) return status;
  status = cw_watcher_start_thread(watcher->system, CW_DEATHS_THREAD, watcher);
  if (status >= 0) return status;
  int32_t number = cw_last_error();
  cw_word *bell = cw_word_at(watcher->bell.base, watcher->bell.bell);
  uint32_t was = atomic_load(bell);
  cw_bell_close(&watcher->bell);
  cw_watcher_join(watcher->system, CW_BELL_THREAD);
  atomic_store(bell, was);
  return cw_fail(status, number);
}

static int32_t start(cw_watcher *watcher, const char *directory, int32_t notify_fd) {
  int32_t status = cw_watcher_equip(directory, notify_fd, &watcher->system);
  if (status < 0) return status;
  status = cw_owned_add(abandon, (intptr_t)watcher);
  if (status < 0) return status;
  status = start_threads(watcher);
  if (status < 0) free(cw_owned_take(abandon, (intptr_t)watcher));
  return status;
}

static bool is_word(const cw_segment *segment, uint32_t offset) {
  return offset % 4 == 0 && (uint64_t)offset + 4 <= segment->size;
}

int32_t cw_watcher_start(const cw_segment *segment, uint32_t bell_offset, uint32_t block_offset,
                         uint32_t deaths_offset, uint32_t ready_offset, const char *directory,
                         cw_callback callback, void *argument, int32_t notify_fd, uint64_t *out) {
  if (!directory || (!callback && notify_fd < 0) || !is_word(segment, bell_offset) ||
      !is_word(segment, block_offset) || !is_word(segment, deaths_offset) ||
      !is_word(segment, ready_offset)) {
    return cw_fail(CW_EARGUMENT, 0);
  }
  cw_watcher *watcher = calloc(1, sizeof *watcher);
  if (!watcher) return cw_fail_memory();
  watcher->bell = (cw_bell){
    .base = (void *)(uintptr_t)segment->base,
    .bell = bell_offset,
    .block = block_offset,
    .deaths = deaths_offset,
    .ready = ready_offset,
    .callback = callback ? callback : notify,
    .argument = callback ? argument : watcher,
  };
  watcher->handle = segment->handle;
  int32_t status = start(watcher, directory, callback ? -1 : notify_fd);
  if (status < 0) {
    int32_t number = cw_last_error();
    destroy(watcher);
    return cw_fail(status, number);
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
  cw_watcher_join(watcher->system, CW_BELL_THREAD);
  cw_watcher_join(watcher->system, CW_DEATHS_THREAD);
  leave(watcher);
  return CW_OK;
}
