/*
 * What every test program uses: a check, a watchdog, a directory of its own,
 * and a node's words. What is the system's own (children, files that aren't of
 * the library) is in check_posix.h and check_windows.h.
 */
#ifndef CAUSEWAY_TESTS_CHECK_H
#define CAUSEWAY_TESTS_CHECK_H

#if defined(__linux__)
#define _GNU_SOURCE
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include <causeway.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCHDOG_SECONDS 40

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                            \
    }                                                                     \
  } while (0)

#define CHECK_IS(actual, expected)                                               \
  do {                                                                           \
    long long check_a = (long long)(actual), check_e = (long long)(expected);    \
    if (check_a != check_e) {                                                    \
      fprintf(stderr, "%s:%d: %s is %lld, not %s (%lld)\n", __FILE__, __LINE__, #actual, \
              check_a, #expected, check_e);                                      \
      exit(1);                                                                   \
    }                                                                            \
  } while (0)

#define SKIP(what, why) printf("skipped: %s: %s\n", what, why)

#if defined(_WIN32)
#include "check_windows.h"
#else
#include "check_posix.h"
#endif

/* A path below the scratch directory, good for the next PATHS calls. */
#define PATHS 64
#define PATH_SPACE 1200
static inline const char *in_scratch(const char *name) {
  static char paths[PATHS][PATH_SPACE];
  static unsigned next;
  char *path = paths[next++ % PATHS];
  snprintf(path, PATH_SPACE, "%s/%s", scratch, name);
  return path;
}

static inline void pause_ms(long milliseconds) {
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  while (nanosleep(&time, &time) != 0 && errno == EINTR) continue;
}

/* Waits until it is so; the watchdog ends it otherwise. */
#define UNTIL(condition) \
  while (!(condition)) pause_ms(1)

static inline uint64_t clock_ns(void) {
  uint64_t now;
  CHECK_IS(cw_clock(&now), CW_OK);
  return now;
}

static inline _Atomic uint32_t *word_of(const cw_segment *segment, uint32_t offset) {
  return (_Atomic uint32_t *)((uintptr_t)segment->base + offset);
}

/* Where the tests' nodes have their words. */
enum { BELL = 64, BLOCK = 128, DEATHS = 192, COUNT = 256, RINGS = 320 };

#endif
