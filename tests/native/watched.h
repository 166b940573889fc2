/* A node with a watcher, as the watcher's tests use it. */
#ifndef CAUSEWAY_TESTS_WATCHED_H
#define CAUSEWAY_TESTS_WATCHED_H

#include "check.h"

typedef struct watched {
  cw_segment segment;
  uint64_t watcher;
  _Atomic uint32_t calls;
} watched;

static inline void count_call(void *argument) {
  ((watched *)argument)->calls++;
}

static inline void create_node(watched *node, const char *name) {
  char path[PATH_SPACE];
  snprintf(path, sizeof path, "%s/%s", scratch, name);
  CHECK_IS(cw_segment_create(path, 1, &node->segment), CW_OK);
  CHECK_IS(cw_random((void *)(uintptr_t)(node->segment.base + CW_ID_OFFSET), 16), CW_OK);
  CHECK_IS(cw_lease_take(&node->segment), CW_OK);
}

static inline void watch(watched *node, cw_callback callback, int32_t notify) {
  CHECK_IS(cw_watcher_start(&node->segment, BELL, BLOCK, DEATHS, RINGS, scratch, callback, node,
                            notify, &node->watcher),
           CW_OK);
}

static inline int32_t stop(watched *node) {
  return cw_watcher_stop((cw_watcher *)(uintptr_t)node->watcher);
}

/* What a ringer does. True when it took over the owner's sleep. */
static inline bool ring(watched *node) {
  _Atomic uint32_t *bell = word_of(&node->segment, BELL);
  uint32_t parked = CW_PARKED;
  if (!atomic_compare_exchange_strong(bell, &parked, CW_RUNG)) return false;
  CHECK_IS(cw_wake((void *)(uintptr_t)node->segment.base, BELL), CW_OK);
  return true;
}

#endif
