/* The watcher: rings to callbacks or bytes, its end, and the end of its owner. */
#include "watched.h"

#include <pthread.h>
#if !defined(_WIN32)
#include <sys/resource.h>
#endif

static void calls_back(void) {
  watched node = {0};
  create_node(&node, "called");
  watch(&node, count_call, -1);
  for (uint32_t i = 1; i <= 2000; i++) {
    CHECK(!ring(&node)); /* awake */
    *word_of(&node.segment, BELL) = CW_PARKED;
    CHECK(ring(&node));
    while (node.calls != i) cw_pause(10);
    CHECK_IS(*word_of(&node.segment, BELL), CW_AWAKE);
  }
  CHECK_IS(stop(&node), CW_OK);
  CHECK_IS(*word_of(&node.segment, BELL), CW_CLOSED);
  CHECK_IS(node.calls, 2000);
  CHECK_IS(stop(&node), CW_EARGUMENT);
  CHECK_IS(cw_segment_close(&node.segment), CW_OK);
}

/* The owner wakes by itself just as it is rung. Both want the bell: whoever
 * changes it from RUNG to AWAKE is the one. */
static void owner_is_faster(void) {
  watched node = {0};
  create_node(&node, "faster");
  watch(&node, count_call, -1);
  uint32_t taken = 0;
  for (int i = 0; i < 2000; i++) {
    *word_of(&node.segment, BELL) = CW_PARKED;
    CHECK(ring(&node));
    uint32_t rung = CW_RUNG;
    if (atomic_compare_exchange_strong(word_of(&node.segment, BELL), &rung, CW_AWAKE)) taken++;
  }
  UNTIL(node.calls + taken == 2000);
  CHECK_IS(stop(&node), CW_OK);
  CHECK_IS(node.calls + taken, 2000);
  CHECK_IS(cw_segment_close(&node.segment), CW_OK);
}

/* The two ends of a pipe: its reader, and who fills it beside the watcher. */
#if defined(_WIN32)
typedef HANDLE pipe_end;

static pipe_end reader_of(const int32_t *ends) {
  char name[64];
  snprintf(name, sizeof name, "\\\\.\\pipe\\causeway-%ld-%ld", (long)GetCurrentProcessId(),
           (long)ends[0]);
  HANDLE reader = CreateFileW(wide(name), GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
  CHECK(reader != INVALID_HANDLE_VALUE);
  CHECK(CreateFileW(wide(name), GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL) ==
        INVALID_HANDLE_VALUE); /* only once */
  return reader;
}

static bool read_byte(pipe_end reader) {
  char byte;
  DWORD there = 0;
  CHECK(PeekNamedPipe(reader, NULL, 0, NULL, &there, NULL));
  return there > 0 && ReadFile(reader, &byte, 1, &there, NULL) && there == 1;
}

static bool write_byte(int32_t writer) {
  DWORD written = 0;
  return WriteFile((HANDLE)(intptr_t)writer, "x", 1, &written, NULL) && written == 1;
}

static void close_reader(pipe_end reader) {
  CHECK(CloseHandle(reader));
}
#else
typedef int pipe_end;

static pipe_end reader_of(const int32_t *ends) {
  return ends[0];
}

static bool read_byte(pipe_end reader) {
  char byte;
  return read(reader, &byte, 1) == 1;
}

static bool write_byte(int32_t writer) {
  return write(writer, "x", 1) == 1;
}

static void close_reader(pipe_end reader) {
  CHECK(close(reader) == 0);
}
#endif

static void writes_bytes(void) {
  int32_t ends[2];
  watched node = {0};
  create_node(&node, "piped");
  CHECK_IS(cw_pipe_open(ends), CW_OK);
  pipe_end reader = reader_of(ends);
  watch(&node, NULL, ends[1]);
  for (int i = 0; i < 100; i++) {
    *word_of(&node.segment, BELL) = CW_PARKED;
    CHECK(ring(&node));
    UNTIL(read_byte(reader));
  }
  while (write_byte(ends[1])) continue; /* full: a notice is there already */
  *word_of(&node.segment, BELL) = CW_PARKED;
  CHECK(ring(&node));
  UNTIL(*word_of(&node.segment, BELL) == CW_AWAKE);
  close_reader(reader); /* nobody reads: no harm */
  *word_of(&node.segment, BELL) = CW_PARKED;
  CHECK(ring(&node));
  UNTIL(*word_of(&node.segment, BELL) == CW_AWAKE);
  CHECK_IS(stop(&node), CW_OK);
  CHECK_IS(cw_descriptor_close(ends[1]), CW_OK);
  CHECK_IS(cw_segment_close(&node.segment), CW_OK);
}

static void stops_at_once(void) {
  for (int i = 0; i < 200; i++) {
    char name[32];
    watched node = {0};
    snprintf(name, sizeof name, "stopped-%d", i);
    create_node(&node, name);
    watch(&node, count_call, -1);
    if (i % 2) {
      *word_of(&node.segment, BELL) = CW_PARKED;
      ring(&node);
    }
    CHECK_IS(stop(&node), CW_OK);
    CHECK(node.calls <= 1);
    CHECK_IS(cw_segment_close(&node.segment), CW_OK);
  }
}

static void wrong_arguments(void) {
  watched node = {0};
  uint64_t out;
  create_node(&node, "wrong");
  CHECK_IS(cw_watcher_start(&node.segment, 2, BLOCK, DEATHS, RINGS, scratch, count_call, &node, -1, &out),
           CW_EARGUMENT);
  CHECK_IS(cw_watcher_start(&node.segment, BELL, CW_PAGE, DEATHS, RINGS, scratch, count_call, &node, -1,
                            &out),
           CW_EARGUMENT);
  CHECK(cw_watcher_start(&node.segment, BELL, BLOCK, DEATHS, RINGS, scratch, NULL, NULL, -1, &out) < 0);
  CHECK_IS(*word_of(&node.segment, BELL), CW_AWAKE);
  CHECK_IS(cw_segment_close(&node.segment), CW_OK);
}

/* Another process overwrites the bell: nobody rings, and it is heard nevertheless. */
static void bell_is_overwritten(void) {
  const uint32_t garbage[] = {CW_AWAKE, CW_CLOSED, 77};
  watched nodes[3] = {0};
  for (int i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "overwritten-%d", i);
    create_node(&nodes[i], name);
    watch(&nodes[i], count_call, -1);
    *word_of(&nodes[i].segment, BELL) = CW_PARKED;
    cw_pause(1000);
    *word_of(&nodes[i].segment, BELL) = garbage[i];
    *word_of(&nodes[i].segment, RINGS) = 1;
    CHECK(!ring(&nodes[i]));
  }
  for (int i = 0; i < 3; i++) {
    while (nodes[i].calls == 0) {
      CHECK_IS(cw_wake((void *)(uintptr_t)nodes[i].segment.base, BELL), CW_OK);
      cw_pause(10000);
    }
    CHECK_IS(stop(&nodes[i]), CW_OK);
    CHECK_IS(cw_segment_close(&nodes[i].segment), CW_OK);
  }
}

/* A callback that waits for the thread which stops the watcher. */
static _Atomic uint32_t in_callback, may_return;

static void callback_that_waits(void *argument) {
  count_call(argument);
  in_callback = 1;
  UNTIL(may_return);
}

static void stops_around_a_callback(void) {
  watched node = {0};
  create_node(&node, "waits");
  watch(&node, callback_that_waits, -1);
  *word_of(&node.segment, BELL) = CW_PARKED;
  CHECK(ring(&node));
  UNTIL(in_callback);
  CHECK_IS(stop(&node), CW_EBUSY);
  CHECK_IS(stop(&node), CW_EBUSY);
  may_return = 1;
  int32_t status;
  while ((status = stop(&node)) == CW_EBUSY) continue;
  CHECK_IS(status, CW_OK);
  CHECK_IS(node.calls, 1);
  CHECK_IS(cw_segment_close(&node.segment), CW_OK);
}

/* ------------------------------------------------ an owner that just ends */

static watched abandoned[2];

static void *owner(void *unused) {
  create_node(&abandoned[0], "abandoned-0");
  create_node(&abandoned[1], "abandoned-1");
  watch(&abandoned[0], count_call, -1);
  watch(&abandoned[1], count_call, -1);
  return unused; /* no stop: a worker that was terminated */
}

static void owner_ends(void) {
  watched other = {0};
  create_node(&other, "other");
  watch(&other, count_call, -1);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, owner, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  for (int i = 0; i < 2; i++) {
    char name[32];
    snprintf(name, sizeof name, "abandoned-%d", i);
    cw_segment segment;
    CHECK_IS(cw_segment_open(in_scratch(name), &segment), CW_OK);
    CHECK_IS(cw_lease_test(&segment), 0);
    CHECK_IS(*word_of(&segment, BELL), CW_CLOSED);
    CHECK_IS(cw_segment_close(&segment), CW_OK);
    CHECK_IS(stop(&abandoned[i]), CW_EARGUMENT);
    abandoned[i].segment.handle = -1; /* the shim closed it */
    CHECK_IS(cw_segment_close(&abandoned[i].segment), CW_OK);
  }
  UNTIL(*word_of(&other.segment, DEATHS) > 0);
  CHECK_IS(stop(&other), CW_OK);
  CHECK_IS(cw_segment_close(&other.segment), CW_OK);
}

/* Started by one thread, stopped by another; then the first one ends. */
static watched handed_over;
static _Atomic uint32_t handed;

static void *first_owner(void *unused) {
  create_node(&handed_over, "handed");
  watch(&handed_over, count_call, -1);
  handed = 1;
  UNTIL(handed == 2);
  return unused;
}

static void stopped_by_another_thread(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, first_owner, NULL) == 0);
  UNTIL(handed == 1);
  CHECK_IS(stop(&handed_over), CW_OK);
  handed = 2;
  CHECK(pthread_join(thread, NULL) == 0);
  int64_t handle = handed_over.segment.handle & INT32_MAX; /* left open */
#if defined(_WIN32)
  DWORD flags;
  CHECK(GetHandleInformation((HANDLE)(intptr_t)handle, &flags));
#else
  CHECK(fcntl((int)handle, F_GETFD) >= 0);
#endif
  CHECK_IS(cw_segment_close(&handed_over.segment), CW_OK);
}

#if !defined(_WIN32)
/* No inotify to be had, here for want of a descriptor: it ticks. */
static void ticks_without_inotify(void) {
  watched node = {0};
  create_node(&node, "ticking");
  struct rlimit before;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  int next = dup(0);
  close(next);
  struct rlimit few = {.rlim_cur = (rlim_t)next + 2, .rlim_max = before.rlim_max};
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0); /* two for the watcher's own pipe */
  watch(&node, count_call, -1);
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
  UNTIL(*word_of(&node.segment, DEATHS) >= 2);
  CHECK_IS(stop(&node), CW_OK);
  CHECK_IS(cw_segment_close(&node.segment), CW_OK);
}
#endif

int main(void) {
  begin();
  wrong_arguments();
  calls_back();
  owner_is_faster();
  writes_bytes();
  stops_at_once();
  bell_is_overwritten();
  stops_around_a_callback();
  owner_ends();
  stopped_by_another_thread();
#if !defined(_WIN32)
  ticks_without_inotify();
#endif
  return 0;
}
