/* What a thread has taken and must give back: when it ends without doing so (a
 * worker that is terminated), it is given back for it. */
#ifndef CAUSEWAY_OWNED_H
#define CAUSEWAY_OWNED_H

#include "internal.h"

typedef struct cw_owned cw_owned;
typedef void cw_owned_end(int64_t value);

/* From now on the calling thread owns `value`. When the thread ends, `end` is
 * called for all that it owns, what it took first at first. 0 or a CW_E…. */
int32_t cw_owned_add(cw_owned_end *end, int64_t value);

/* Takes that back, in any thread: free() the result, or put it back. NULL: there
 * is no such thing, or its thread is ending. */
cw_owned *cw_owned_take(cw_owned_end *end, int64_t value);
void cw_owned_put_back(cw_owned *owned);

/* ------------------------------------------------------ one per system ---- */

/* One for all of the process: it is held for moments, and not often. */
void cw_owners_lock(void);
void cw_owners_unlock(void);

/* Lets cw_owner_ended be called when the calling thread ends. 0 or a CW_E…. */
int32_t cw_owner_attend(void);
void cw_owner_ended(void);

uint64_t cw_owner_thread(void);
uint64_t cw_owner_process(void);

#endif
