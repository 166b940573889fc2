/* What the watcher needs of a system. */
#ifndef CAUSEWAY_WATCHER_H
#define CAUSEWAY_WATCHER_H

#include "internal.h"

/* The system's part of a watcher: its two threads, what ends them, and where it
 * notifies without a callback. */
typedef struct cw_watcher_system cw_watcher_system;

typedef enum cw_watcher_thread { CW_BELL_THREAD, CW_DEATHS_THREAD } cw_watcher_thread;

/* What each thread does; it ends with that. */
void cw_watcher_attend_bell(cw_watcher *watcher);
void cw_watcher_attend_deaths(cw_watcher *watcher);

/* Everything but the threads. 0 or a CW_E…; it is to be freed in any case.
 * `notify` is a pipe's end, or -1. */
int32_t cw_watcher_equip(const char *directory, int32_t notify, cw_watcher_system **out);
/* Its threads have ended, or were never started. */
void cw_watcher_free(cw_watcher_system *system);

/* Starts a thread, with room on its stack for the runtime's callback if it is the
 * bell's. 0 or a CW_E…. */
int32_t cw_watcher_start_thread(cw_watcher_system *system, cw_watcher_thread which,
                                cw_watcher *watcher);
/* Waits for the end of a thread. */
void cw_watcher_join(cw_watcher_system *system, cw_watcher_thread which);
/* Nobody will wait for the threads. */
void cw_watcher_detach(cw_watcher_system *system);

/* Sleeps until some process may have died; then `hint` is true. False: it was
 * halted. */
bool cw_watcher_learn(cw_watcher_system *system, bool *hint);
/* Ends cw_watcher_learn, from now on. */
void cw_watcher_halt(cw_watcher_system *system);

/* Writes a byte to the pipe, unless it is full. */
void cw_watcher_notify(cw_watcher_system *system);

/* Gives up a lease whose segment stays mapped, and closes its handle. */
void cw_lease_abandon(int64_t handle);

#endif
