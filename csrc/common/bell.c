/*
 * The doorbell's state machine as far as the watcher takes part in it.
 *
 * Guaranteed: each RUNG the watcher sees and changes to AWAKE itself gives
 * exactly one callback; none begins after cw_bell_close. Not guaranteed: one
 * callback per ring, and no more than rings. Rings that come while the owner is
 * awake or already rung are one, and an owner that takes back its RUNG gets none.
 */
#include "bell.h"

/* If waiting fails for good (it shouldn't), poll rather than burn a core. */
#define POLL_US 1000u

static void call_back(cw_bell *bell) {
  /* Set before looking at `stopping`: cw_bell_close sets `stopping` first and
   * its caller looks at `calling` afterwards, so one of the two is seen. */
  atomic_store(&bell->calling, 1);
  if (!atomic_load(&bell->stopping)) bell->callback(bell->argument);
  atomic_store(&bell->calling, 0);
}

/* Until a look is due that nobody asks for. Counted from the last one and not
 * from the last waking, since hints wake as well, and more often where they tick. */
static uint32_t until_look(uint64_t looked) {
  uint64_t now;
  cw_clock(&now);
  uint64_t passed = (now - looked) / 1000u;
  return passed < CW_BELL_LOOK_US ? (uint32_t)(CW_BELL_LOOK_US - passed) : 0;
}

void cw_bell_attend(cw_bell *bell) {
  cw_word *word = cw_word_at(bell->base, bell->bell);
  cw_word *ready = cw_word_at(bell->base, bell->ready);
  uint64_t looked;
  cw_clock(&looked);
  while (!atomic_load(&bell->stopping)) {
    uint32_t seen = atomic_load(word);
    if (seen == CW_RUNG) {
      if (atomic_compare_exchange_strong(word, &seen, CW_AWAKE)) call_back(bell);
      continue;
    }
    uint32_t left = until_look(looked);
    if (left == 0) {
      /* It may have been overwritten, also with CW_CLOSED, so that nobody rang. */
      if (atomic_load(ready) != 0) call_back(bell);
      cw_clock(&looked);
      continue;
    }
    int32_t status = cw_wait(bell->base, bell->bell, seen, left);
    if (status < 0 && status != CW_ETIMEOUT) cw_sleep(POLL_US);
  }
  atomic_store(&bell->ended, 1);
}

void cw_bell_ring(void *base, uint32_t bell, uint32_t block) {
  cw_word *word = cw_word_at(base, bell);
  for (;;) {
    uint32_t seen = atomic_load(word);
    if (seen == CW_PARKED) {
      if (!atomic_compare_exchange_strong(word, &seen, CW_RUNG)) continue;
      cw_wake(base, bell);
    } else if (seen == CW_BLOCKED) {
      if (!atomic_compare_exchange_strong(word, &seen, CW_AWAKE)) continue;
      atomic_fetch_add(cw_word_at(base, block), 1);
      cw_wake(base, block);
    }
    return;
  }
}

void cw_bell_hint(cw_bell *bell) {
  atomic_fetch_add(cw_word_at(bell->base, bell->deaths), 1);
  cw_bell_ring(bell->base, bell->bell, bell->block);
  /* Who died may have been ringing: the word claimed, the sleeper not yet woken,
   * and no other ringer would do it for him. */
  atomic_fetch_add(cw_word_at(bell->base, bell->block), 1);
  cw_wake(bell->base, bell->block);
  cw_wake(bell->base, bell->bell);
}

void cw_bell_close(cw_bell *bell) {
  atomic_store(&bell->stopping, 1);
  atomic_store(cw_word_at(bell->base, bell->bell), CW_CLOSED);
  cw_wake(bell->base, bell->bell);
}
