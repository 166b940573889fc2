/*
 * The watcher: a thread that sleeps on the doorbell, and one that ticks, since
 * Windows doesn't tell when a lease is dropped.
 *
 * A watcher is used by three: its owner and its two threads. The last of them
 * frees it, so that an owner which ends without cw_watcher_stop (a terminated
 * worker) needn't wait for anybody.
 *
 * Not guaranteed: that the callback isn't running any more when such an owner
 * is gone. A runtime that frees callbacks when it terminates a worker has to
 * stop the watcher before.
 */
#include "shared.h"

#include "../common/bell.h"
#include "../common/owned.h"

#include <stdlib.h>

#define BELL_STACK (256u << 10)
#define DEATHS_STACK (64u << 10)

/* How long cw_watcher_stop waits for a callback that is running. */
#define CALLBACK_GRACE_MS 2u

struct cw_watcher {
  cw_bell bell;
  cw_word users;
  int64_t handle;
  HANDLE notify; /* our own copy of the pipe's end, or NULL */
  HANDLE stop, bell_thread, deaths_thread;
};

/* ---------------------------------------------------------------- threads */

static void destroy(cw_watcher *watcher) {
  if (watcher->bell_thread) CloseHandle(watcher->bell_thread);
  if (watcher->deaths_thread) CloseHandle(watcher->deaths_thread);
  if (watcher->stop) CloseHandle(watcher->stop);
  if (watcher->notify) CloseHandle(watcher->notify);
  free(watcher);
}

static void leave(cw_watcher *watcher) {
  if (atomic_fetch_sub(&watcher->users, 1) == 1) destroy(watcher);
}

static DWORD WINAPI attend_bell(LPVOID argument) {
  cw_watcher *watcher = argument;
  cw_bell_attend(&watcher->bell);
  leave(watcher);
  return 0;
}

static DWORD WINAPI attend_deaths(LPVOID argument) {
  cw_watcher *watcher = argument;
  while (WaitForSingleObject(watcher->stop, CW_DEATH_TICK_US / 1000u) == WAIT_TIMEOUT) {
    cw_bell_hint(&watcher->bell);
  }
  leave(watcher);
  return 0;
}

/* The callback of a watcher that notifies through a pipe. */
static void notify(void *argument) {
  cw_watcher *watcher = argument;
  cw_pipe_notify(watcher->notify);
}

static HANDLE start_thread(SIZE_T stack, LPTHREAD_START_ROUTINE run, cw_watcher *watcher) {
  return CreateThread(NULL, stack, run, watcher, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
}

/* ------------------------------------------------------------------ owners */

static void halt(cw_watcher *watcher) {
  cw_bell_close(&watcher->bell);
  SetEvent(watcher->stop);
}

/* Its owner's thread ends. */
static void abandon(int64_t value) {
  cw_watcher *watcher = (cw_watcher *)(intptr_t)value;
  halt(watcher);
  if (cw_handle_of(watcher->handle)) CloseHandle(cw_handle_of(watcher->handle));
  leave(watcher);
}

/* ------------------------------------------------------------------- start */

static DWORD take_notify(cw_watcher *watcher, int32_t descriptor) {
  HANDLE self = GetCurrentProcess();
  HANDLE given = (HANDLE)(intptr_t)descriptor;
  if (!DuplicateHandle(self, given, self, &watcher->notify, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
    return GetLastError();
  }
  watcher->bell.callback = notify;
  watcher->bell.argument = watcher;
  return 0;
}

/* Both threads or none: 0 or the system's error. */
static DWORD equip(cw_watcher *watcher) {
  watcher->stop = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (!watcher->stop) return GetLastError();
  watcher->bell_thread = start_thread(BELL_STACK, attend_bell, watcher);
  if (!watcher->bell_thread) return GetLastError();
  watcher->deaths_thread = start_thread(DEATHS_STACK, attend_deaths, watcher);
  if (watcher->deaths_thread) return 0;
  DWORD number = GetLastError();
  cw_word *word = cw_word_at(watcher->bell.base, watcher->bell.bell);
  uint32_t was = atomic_load(word);
  cw_bell_close(&watcher->bell);
  WaitForSingleObject(watcher->bell_thread, INFINITE);
  atomic_store(word, was);
  return number;
}

static bool is_word(const cw_segment *segment, uint32_t offset) {
  return offset % 4 == 0 && (uint64_t)offset + 4 <= segment->size;
}

int32_t cw_watcher_start(const cw_segment *segment, uint32_t bell_offset, uint32_t block_offset,
                         uint32_t deaths_offset, const char *directory, cw_callback callback,
                         void *argument, int32_t notify_fd, uint64_t *out) {
  (void)directory;
  if (!callback && notify_fd < 0) return cw_fail(CW_EARGUMENT, 0);
  if (!is_word(segment, bell_offset) || !is_word(segment, block_offset) ||
      !is_word(segment, deaths_offset)) {
    return cw_fail(CW_EARGUMENT, 0);
  }
  cw_watcher *watcher = calloc(1, sizeof *watcher);
  if (!watcher) return cw_fail_memory();
  watcher->bell.base = (void *)(uintptr_t)segment->base;
  watcher->bell.bell = bell_offset;
  watcher->bell.block = block_offset;
  watcher->bell.deaths = deaths_offset;
  watcher->bell.callback = callback;
  watcher->bell.argument = argument;
  watcher->handle = segment->handle;
  watcher->users = 3;
  int32_t status = cw_owned_add(abandon, (intptr_t)watcher);
  if (status < 0) {
    destroy(watcher);
    return status;
  }
  DWORD number = callback ? 0 : take_notify(watcher, notify_fd);
  if (number == 0) number = equip(watcher);
  if (number != 0) {
    free(cw_owned_take(abandon, (intptr_t)watcher));
    destroy(watcher);
    return cw_fail_windows(number);
  }
  out[0] = (uint64_t)(uintptr_t)watcher;
  return CW_OK;
}

/* -------------------------------------------------------------------- stop */

/* False when the callback doesn't return: it may be waiting for this very
 * thread, so waiting longer could be for ever. */
static bool wait_for_bell(cw_watcher *watcher) {
  uint64_t deadline = GetTickCount64() + CALLBACK_GRACE_MS;
  while (WaitForSingleObject(watcher->bell_thread, 1) == WAIT_TIMEOUT) {
    /* Again and again, in case somebody has overwritten the bell. */
    cw_bell_close(&watcher->bell);
    if (atomic_load(&watcher->bell.calling) && GetTickCount64() > deadline) return false;
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
  WaitForSingleObject(watcher->deaths_thread, INFINITE);
  leave(watcher);
  return CW_OK;
}
