/*
 * The watcher's threads: see common/watcher.h. That of the deaths ticks, since
 * Windows doesn't tell when a lease is dropped.
 */
#include "shared.h"

#include "../common/watcher.h"

#include <stdlib.h>

#define BELL_STACK (256u << 10)
#define DEATHS_STACK (64u << 10)

struct cw_watcher_system {
  HANDLE threads[2];
  HANDLE notify; /* our own copy of the pipe's end, or NULL */
  HANDLE stop;
};

static void close_if_open(HANDLE handle) {
  if (handle) CloseHandle(handle);
}

void cw_watcher_free(cw_watcher_system *system) {
  close_if_open(system->threads[CW_BELL_THREAD]);
  close_if_open(system->threads[CW_DEATHS_THREAD]);
  close_if_open(system->stop);
  close_if_open(system->notify);
  free(system);
}

static bool copy_notify(cw_watcher_system *system, int32_t descriptor) {
  HANDLE self = GetCurrentProcess();
  HANDLE given = (HANDLE)(intptr_t)descriptor;
  return DuplicateHandle(self, given, self, &system->notify, 0, FALSE, DUPLICATE_SAME_ACCESS);
}

int32_t cw_watcher_equip(const char *directory, int32_t notify, cw_watcher_system **out) {
  (void)directory;
  cw_watcher_system *system = calloc(1, sizeof *system);
  if (!system) return cw_fail_memory();
  *out = system;
  if (notify >= 0 && !copy_notify(system, notify)) return cw_fail_windows(GetLastError());
  system->stop = CreateEventW(NULL, TRUE, FALSE, NULL);
  return system->stop ? CW_OK : cw_fail_windows(GetLastError());
}

static DWORD WINAPI attend_bell(LPVOID watcher) {
  cw_watcher_attend_bell(watcher);
  return 0;
}

static DWORD WINAPI attend_deaths(LPVOID watcher) {
  cw_watcher_attend_deaths(watcher);
  return 0;
}

int32_t cw_watcher_start_thread(cw_watcher_system *system, cw_watcher_thread which,
                                cw_watcher *watcher) {
  bool is_bell = which == CW_BELL_THREAD;
  HANDLE thread =
    CreateThread(NULL, is_bell ? BELL_STACK : DEATHS_STACK, is_bell ? attend_bell : attend_deaths,
                 watcher, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
  system->threads[which] = thread;
  return thread ? CW_OK : cw_fail_windows(GetLastError());
}

void cw_watcher_join(cw_watcher_system *system, cw_watcher_thread which) {
  WaitForSingleObject(system->threads[which], INFINITE);
}

void cw_watcher_detach(cw_watcher_system *system) {
  (void)system; /* nobody has to wait for a thread here */
}

bool cw_watcher_learn(cw_watcher_system *system, bool *hint) {
  *hint = true;
  return WaitForSingleObject(system->stop, CW_DEATH_TICK_US / 1000u) == WAIT_TIMEOUT;
}

void cw_watcher_halt(cw_watcher_system *system) {
  SetEvent(system->stop);
}

void cw_watcher_notify(cw_watcher_system *system) {
  cw_pipe_notify(system->notify);
}

void cw_lease_abandon(int64_t handle) {
  close_if_open(cw_handle_of(handle));
}
