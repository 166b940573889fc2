/* What the shim's own files share, on every system. */
#ifndef CAUSEWAY_INTERNAL_H
#define CAUSEWAY_INTERNAL_H

#include "../causeway.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define CW_FOREVER UINT32_MAX
#define CW_ID_LENGTH 16u

/* Set in cw_segment.handle while that handle holds its segment's lease. */
#define CW_LEASED (INT64_C(1) << 40)

/* A word of shared memory. Always accessed as an atomic, seq_cst like the
 * Atomics of JavaScript. */
typedef _Atomic uint32_t cw_word;

static inline cw_word *cw_word_at(void *base, uint32_t offset) {
  return (cw_word *)(void *)((unsigned char *)base + offset);
}

/* Remembers the system's error number for this thread and returns `code`. */
int32_t cw_fail(int32_t code, int32_t number);

/* The same, for a process that has no memory left. */
int32_t cw_fail_memory(void);

/* One more user of a semaphore, who calls cw_semaphore_close. */
void cw_semaphore_share(cw_semaphore *semaphore);

/* Lets the calling thread sleep about that long. */
void cw_sleep(uint32_t microseconds);

/* A point in time `timeout_us` from now, on cw_clock; UINT64_MAX is never. */
uint64_t cw_deadline(uint32_t timeout_us);
bool cw_expired(uint64_t deadline);

/* Sleeps a little longer at every turn, up to about 2 ms. */
void cw_back_off(unsigned turn);

#endif
