/*
 * The acquirer: a thread that waits for a semaphore on behalf of an event loop.
 *
 * Guaranteed: what it takes is told or posted back; after cw_acquirer_close
 * nothing touches the node's memory. A thread that waits for a system's
 * semaphore can't be ended from outside without losing a wake-up, so it waits
 * in turns, and who closes doesn't wait for it: the last user frees.
 *
 * Not guaranteed: that a count taken by a process that dies is given back. That
 * is how the system's semaphores are.
 */
#include "acquirer.h"

#include "bell.h"
#include "owned.h"

#include <stdlib.h>

struct cw_acquirer {
  cw_word taken; /* read by the owner; written under the lock, as is all the rest */
  uint32_t wanted;
  uint32_t bell, block, bits[6];
  void *base;
  cw_semaphore *semaphore;
  bool running, closed;
};

static void destroy(cw_acquirer *acquirer) {
  cw_semaphore_close(acquirer->semaphore);
  free(acquirer);
}

static bool is_wanted(const cw_acquirer *acquirer) {
  return !acquirer->closed && (int32_t)(acquirer->wanted - acquirer->taken) > 0;
}

static void tell(cw_acquirer *acquirer) {
  atomic_fetch_add(&acquirer->taken, 1);
  for (int i = 0; i < 6; i += 2) {
    atomic_fetch_or(cw_word_at(acquirer->base, acquirer->bits[i]), acquirer->bits[i + 1]);
  }
  cw_bell_ring(acquirer->base, acquirer->bell, acquirer->block);
}

/* Waits for one turn. Called and returns with the lock held. */
static void take(cw_acquirer *acquirer) {
  cw_acquirers_unlock();
  int32_t status = cw_semaphore_wait(acquirer->semaphore, CW_ACQUIRER_TURN_US);
  /* Something is wrong with it: don't burn a core. */
  if (status < 0 && status != CW_ETIMEOUT) cw_sleep(CW_ACQUIRER_TURN_US);
  cw_acquirers_lock();
  if (status < 0) return;
  if (is_wanted(acquirer)) tell(acquirer);
  else cw_semaphore_post(acquirer->semaphore);
}

void cw_acquirer_attend(cw_acquirer *acquirer) {
  cw_acquirers_lock();
  while (is_wanted(acquirer)) take(acquirer);
  acquirer->running = false;
  bool closed = acquirer->closed;
  cw_acquirers_unlock();
  if (closed) destroy(acquirer);
}

static void end(cw_acquirer *acquirer, uint32_t used) {
  cw_acquirers_lock();
  acquirer->closed = true;
  uint32_t surplus = acquirer->taken - used;
  bool running = acquirer->running;
  /* `used` is the owner's word: no more than was taken can be given back. */
  if ((int32_t)surplus < 0) surplus = 0;
  while (surplus-- > 0) cw_semaphore_post(acquirer->semaphore);
  cw_acquirers_unlock();
  if (!running) destroy(acquirer);
}

/* What was told to the thread may have been used: nothing is given back. */
static void abandon(int64_t value) {
  cw_acquirer *acquirer = (cw_acquirer *)(intptr_t)value;
  end(acquirer, acquirer->taken);
}

int32_t cw_acquirer_open(cw_semaphore *semaphore, const cw_segment *segment, uint32_t bell_offset,
                         uint32_t block_offset, const uint32_t *bits, uint64_t *out) {
  uint32_t offsets[] = {bell_offset, block_offset, bits[0], bits[2], bits[4]};
  for (int i = 0; i < 5; i++) {
    if (offsets[i] % 4 != 0 || (uint64_t)offsets[i] + 4 > segment->size) {
      return cw_fail(CW_EARGUMENT, 0);
    }
  }
  cw_acquirer *acquirer = calloc(1, sizeof *acquirer);
  if (!acquirer) return cw_fail_memory();
  acquirer->base = (void *)(uintptr_t)segment->base;
  acquirer->bell = bell_offset;
  acquirer->block = block_offset;
  for (int i = 0; i < 6; i++) acquirer->bits[i] = bits[i];
  acquirer->semaphore = semaphore;
  int32_t status = cw_owned_add(abandon, (intptr_t)acquirer);
  if (status < 0) {
    free(acquirer);
    return status;
  }
  cw_semaphore_share(semaphore);
  out[0] = (uint64_t)(uintptr_t)acquirer;
  out[1] = (uint64_t)(uintptr_t)&acquirer->taken;
  return CW_OK;
}

int32_t cw_acquirer_want(cw_acquirer *acquirer, uint32_t total) {
  int32_t status = CW_OK;
  cw_acquirers_lock();
  acquirer->wanted = total;
  if (!acquirer->running && is_wanted(acquirer)) {
    status = cw_acquirer_start(acquirer);
    acquirer->running = status >= 0;
  }
  cw_acquirers_unlock();
  return status;
}

int32_t cw_acquirer_close(cw_acquirer *acquirer, uint32_t used) {
  cw_owned *owned = cw_owned_take(abandon, (intptr_t)acquirer);
  if (!owned) return cw_fail(CW_EARGUMENT, 0);
  free(owned);
  end(acquirer, used);
  return CW_OK;
}
