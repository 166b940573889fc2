/* What the acquirers need of a system: a lock, and threads. */
#ifndef CAUSEWAY_ACQUIRER_H
#define CAUSEWAY_ACQUIRER_H

#include "internal.h"

/* One for all acquirers of the process: it is held for moments, and not often. */
void cw_acquirers_lock(void);
void cw_acquirers_unlock(void);

/* Starts a thread that calls cw_acquirer_attend. Called with the lock held: the
 * thread does nothing before its start is noted. 0 or a CW_E…. */
int32_t cw_acquirer_start(cw_acquirer *acquirer);
void cw_acquirer_attend(cw_acquirer *acquirer);

#endif
