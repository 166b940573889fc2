/* Hints of deaths. The children are there before the watcher's threads are. */
#include "watched.h"

#include <sys/resource.h>

#define CHILDREN 40

static pid_t children[CHILDREN];
static _Atomic uint32_t *words; /* [c]: 1 it holds its lease, 2 it may exit */

static void hold_a_lease(int c) {
  char name[32];
  cw_segment segment;
  snprintf(name, sizeof name, "child-%d", c);
  CHECK_IS(cw_segment_create(in_scratch(name), 1, &segment), CW_OK);
  CHECK_IS(cw_lease_take(&segment), CW_OK);
  words[c] = 1;
  UNTIL(words[c] == 2);
  CHECK_IS(cw_file_remove(in_scratch(name)), CW_OK);
  exit(0); /* without closing */
}

static bool is_free(int c) {
  char name[32];
  cw_segment segment;
  snprintf(name, sizeof name, "child-%d", c);
  int32_t status = cw_segment_open(in_scratch(name), &segment);
  if (status == CW_ENOTFOUND) return true;
  CHECK_IS(status, CW_OK);
  int32_t held = cw_lease_test(&segment);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  return held == 0;
}

/* Waits for a hint after which the child is found dead: only hints make it
 * look, as they would a reactor. */
static void learn_of(watched *node, int c, uint32_t seen) {
  uint64_t before = clock_ns();
  for (;;) {
    UNTIL(*word_of(&node->segment, DEATHS) != seen);
    seen = *word_of(&node->segment, DEATHS);
    if (is_free(c)) break;
  }
  printf("child %d: %.1f ms\n", c, (double)(clock_ns() - before) / 1e6);
}

static void killed_one_by_one(watched *node) {
  for (int c = 0; c < 5; c++) {
    uint32_t seen = *word_of(&node->segment, DEATHS);
    uint32_t calls = node->calls;
    *word_of(&node->segment, BELL) = CW_PARKED;
    kill(children[c], SIGKILL);
    learn_of(node, c, seen);
    UNTIL(node->calls != calls); /* a parked owner is rung */
    CHECK_IS(end_of(children[c]), -SIGKILL);
  }
}

static void removes_and_exits(watched *node) {
  uint32_t seen = *word_of(&node->segment, DEATHS);
  words[5] = 2;
  learn_of(node, 5, seen);
  CHECK_IS(end_of(children[5]), 0);
}

/* An owner that is blocked is told by its block word. */
static void blocked_owner(watched *node) {
  uint32_t seen = *word_of(&node->segment, DEATHS);
  uint32_t block = *word_of(&node->segment, BLOCK);
  *word_of(&node->segment, BELL) = CW_BLOCKED;
  kill(children[6], SIGKILL);
  while (*word_of(&node->segment, BLOCK) == block) {
    CHECK_IS(cw_wait((void *)(uintptr_t)node->segment.base, BLOCK, block, UINT32_MAX), CW_OK);
  }
  CHECK_IS(*word_of(&node->segment, BELL), CW_AWAKE);
  learn_of(node, 6, seen);
  CHECK_IS(end_of(children[6]), -SIGKILL);
}

/* More than the watcher can keep in mind, at once. */
static void killed_together(watched *node) {
  uint32_t seen = *word_of(&node->segment, DEATHS);
  for (int c = 7; c < CHILDREN; c++) kill(children[c], SIGKILL);
  for (int c = 7; c < CHILDREN; c++) {
    while (!is_free(c)) {
      UNTIL(*word_of(&node->segment, DEATHS) != seen);
      seen = *word_of(&node->segment, DEATHS);
    }
  }
  for (int c = 7; c < CHILDREN; c++) CHECK_IS(end_of(children[c]), -SIGKILL);
}

#if defined(__linux__)
/* Looking at a living node, closing it again, is no death. */
static void peers_are_quiet(watched *node) {
  watched living = {0};
  create_node(&living, "living");
  pause_ms(20);
  uint32_t seen = *word_of(&node->segment, DEATHS);
  for (int i = 0; i < 2000; i++) {
    cw_segment segment;
    CHECK_IS(cw_segment_open(in_scratch("living"), &segment), CW_OK);
    CHECK_IS(cw_lease_test(&segment), 1);
    CHECK_IS(cw_segment_close(&segment), CW_OK);
  }
  pause_ms(20);
  CHECK_IS(*word_of(&node->segment, DEATHS), seen);
  CHECK_IS(cw_segment_close(&living.segment), CW_OK);
  UNTIL(*word_of(&node->segment, DEATHS) != seen);
}

#if defined(__SANITIZE_THREAD__)
static void costs_nothing(void) {
  SKIP("idle costs nothing", "the thread sanitizer has a thread of its own that wakes up");
}
#else
static long sleeps(void) {
  struct rusage used;
  CHECK(getrusage(RUSAGE_SELF, &used) == 0);
  return used.ru_nvcsw;
}

/* Idle, it doesn't even wake up. */
static void costs_nothing(void) {
  pause_ms(1500); /* the last suspects are let go */
  long before = sleeps();
  pause_ms(300);
  CHECK(sleeps() - before <= 2); /* our own */
}
#endif
#endif

int main(void) {
  begin();
  words = shared_words();
  for (int c = 0; c < CHILDREN; c++) {
    children[c] = fork_child();
    if (children[c] == 0) hold_a_lease(c);
  }
  for (int c = 0; c < CHILDREN; c++) UNTIL(words[c] == 1);
  watched node = {0};
  create_node(&node, "node");
  watch(&node, count_call, -1);
  killed_one_by_one(&node);
  removes_and_exits(&node);
  blocked_owner(&node);
  killed_together(&node);
#if defined(__linux__)
  peers_are_quiet(&node);
  costs_nothing();
#endif
  CHECK_IS(stop(&node), CW_OK);
  CHECK_IS(cw_segment_close(&node.segment), CW_OK);
  return 0;
}
