/* cw_wait and cw_wake between two processes. */
#include "check.h"

#define ROUNDS 5000u

static cw_segment node;

static void until_equal(uint32_t offset, uint32_t wanted) {
  for (;;) {
    uint32_t seen = *word_of(&node, offset);
    if (seen == wanted) return;
    CHECK_IS(cw_wait((void *)(uintptr_t)node.base, offset, seen, UINT32_MAX), CW_OK);
  }
}

static void tell(uint32_t offset, uint32_t value) {
  *word_of(&node, offset) = value;
  CHECK_IS(cw_wake((void *)(uintptr_t)node.base, offset), CW_OK);
}

/* The child maps the file anew: its addresses are others. */
static void ping_pong(const char *path) {
  pid_t child = fork_child();
  if (child == 0) {
    cw_segment other;
    CHECK_IS(cw_segment_open(path, &other), CW_OK);
    node = other;
    for (uint32_t i = 1; i <= ROUNDS; i++) {
      until_equal(BELL, i);
      tell(BLOCK, i);
    }
    exit(0);
  }
  for (uint32_t i = 1; i <= ROUNDS; i++) {
    tell(BELL, i);
    until_equal(BLOCK, i);
  }
  CHECK_IS(end_of(child), 0);
}

/* One wake is for everybody who sleeps. */
static void wakes_all(const char *path) {
  enum { SLEEPERS = 6 };
  pid_t children[SLEEPERS];
  *word_of(&node, BELL) = 0;
  for (int c = 0; c < SLEEPERS; c++) {
    children[c] = fork_child();
    if (children[c] != 0) continue;
    CHECK_IS(cw_segment_open(path, &node), CW_OK);
    (*word_of(&node, COUNT))++;
    until_equal(BELL, 1);
    exit(0);
  }
  UNTIL(*word_of(&node, COUNT) == SLEEPERS);
  pause_ms(20); /* most likely all sleep by now; the outcome is the same if not */
  tell(BELL, 1);
  for (int c = 0; c < SLEEPERS; c++) CHECK_IS(end_of(children[c]), 0);
}

int main(void) {
  begin();
  const char *path = in_scratch("node");
  CHECK_IS(cw_segment_create(path, 1, &node), CW_OK);
  CHECK_IS(cw_random((void *)(uintptr_t)(node.base + CW_ID_OFFSET), 16), CW_OK);
  ping_pong(path);
  wakes_all(path);
  CHECK_IS(cw_segment_close(&node), CW_OK);
  return 0;
}
