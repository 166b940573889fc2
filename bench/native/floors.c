/*
 * What two processes in C can do on this machine at best, with nothing around it:
 *
 *   round trip   a number in a cache line, there and back, both spinning
 *   memcpy       within one process, of a size that a cache holds, or doesn't
 *   ring         bytes through a ring of 1 MiB: copied in by one process, out by the other
 *
 * floors <ms>: measures each for about so long and prints one line of JSON, times in ns.
 */
#if defined(__linux__)
#define _GNU_SOURCE
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WATCHDOG_SECONDS 60
/* Spins before a process lets others run: on one CPU the partner may be waiting for it. */
#define SPINS 1000
#define MAX_ROUND_TRIPS 4000000
#define RING (1u << 20)
/* What is copied at a time, as a transport of pieces would. */
#define PIECE (1u << 16)

typedef struct {
  _Alignas(128) _Atomic uint64_t ask;
  _Alignas(128) _Atomic uint64_t answer;
} line_pair;

typedef struct {
  _Alignas(128) _Atomic uint64_t written;
  _Alignas(128) _Atomic uint64_t read;
  _Alignas(128) unsigned char bytes[RING];
} ring;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void relax(unsigned *spins) {
  if (++*spins % SPINS == 0) sched_yield();
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void *shared(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  return memory;
}

/* A second process; the parent's death or the watchdog ends it. */
static pid_t start(void (*run)(void *), void *with) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) return child;
  alarm(WATCHDOG_SECONDS);
  run(with);
  _exit(0);
}

static void join(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) {
    fprintf(stderr, "the second process ended with %d\n", status);
    exit(1);
  }
}

/* ---------------------------------------------------------------- round trip */

#define OVER UINT64_MAX

static void answer_all(void *with) {
  line_pair *lines = with;
  unsigned spins = 0;
  for (uint64_t seen = 0;;) {
    uint64_t asked = atomic_load_explicit(&lines->ask, memory_order_acquire);
    if (asked == OVER) return;
    if (asked == seen) relax(&spins);
    else atomic_store_explicit(&lines->answer, seen = asked, memory_order_release);
  }
}

static int by_value(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static void ask_one(line_pair *lines, uint64_t number) {
  unsigned spins = 0;
  atomic_store_explicit(&lines->ask, number, memory_order_release);
  while (atomic_load_explicit(&lines->answer, memory_order_acquire) != number) relax(&spins);
}

static void round_trips(uint64_t ns) {
  line_pair *lines = shared(sizeof *lines);
  uint32_t *times = malloc(MAX_ROUND_TRIPS * sizeof *times);
  if (times == NULL) fail("malloc");
  pid_t child = start(answer_all, lines);
  uint64_t number = 0, clock_cost = UINT64_MAX;
  for (; number < 10000;) ask_one(lines, ++number);
  for (int i = 0; i < 1000; i++) {
    uint64_t begin = now(), cost = now() - begin;
    if (cost < clock_cost) clock_cost = cost;
  }
  /* The mean without looks at the clock, then single ones for the median. */
  uint64_t begin = now(), count = 0;
  while (now() - begin < ns / 2) {
    for (int i = 0; i < 1000; i++) ask_one(lines, ++number);
    count += 1000;
  }
  double mean = (double)(now() - begin) / (double)count;
  uint32_t timed = 0;
  for (uint64_t end = now() + ns / 2, last = 0; timed < MAX_ROUND_TRIPS && last < end; timed++) {
    uint64_t from = now();
    ask_one(lines, ++number);
    last = now();
    uint64_t time = last - from - clock_cost;
    times[timed] = (int64_t)time < 0 ? 0 : time > UINT32_MAX ? UINT32_MAX : (uint32_t)time;
  }
  atomic_store(&lines->ask, OVER);
  join(child);
  qsort(times, timed, sizeof *times, by_value);
  printf("\"round trip\": {\"p50\": %u, \"mean\": %.1f, \"p99\": %u}", times[timed / 2], mean,
         times[(uint64_t)timed * 99 / 100]);
  free(times);
  munmap(lines, sizeof *lines);
}

/* -------------------------------------------------------------------- memcpy */

/* Not inlined and not left out, whatever the compiler knows of its result. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;

static void copies(size_t size, const char *name, uint64_t ns) {
  unsigned char *from = malloc(size), *to = malloc(size);
  if (from == NULL || to == NULL) fail("malloc");
  memset(from, 1, size);
  memset(to, 2, size);
  uint64_t begin = now(), bytes = 0, end = begin;
  for (; end - begin < ns; end = now()) {
    for (size_t done = 0; done < 16u << 20; done += size) {
      copy(to, from, size);
      bytes += size;
    }
  }
  if (memcmp(from, to, size) != 0) exit(1);
  printf(", \"%s\": {\"bytes/s\": %.0f}", name, (double)bytes / (double)(end - begin) * 1e9);
  free(from);
  free(to);
}

/* ---------------------------------------------------------------------- ring */

typedef struct {
  ring *ring;
  uint64_t ns;
} ring_run;

/* Writes for so long, then a last piece that begins with 1. */
static void write_all(void *with) {
  ring *to = ((ring_run *)with)->ring;
  uint64_t end = now() + ((ring_run *)with)->ns;
  unsigned char *piece = calloc(1, PIECE);
  if (piece == NULL) fail("calloc");
  unsigned spins = 0;
  for (uint64_t written = 0; piece[0] == 0; written += PIECE) {
    while (written + PIECE - atomic_load_explicit(&to->read, memory_order_acquire) > RING) relax(&spins);
    piece[0] = now() >= end;
    copy(to->bytes + written % RING, piece, PIECE);
    atomic_store_explicit(&to->written, written + PIECE, memory_order_release);
  }
  free(piece);
}

static void two_copies(uint64_t ns) {
  ring_run run = {shared(sizeof(ring)), ns};
  memset(run.ring->bytes, 0, RING);
  unsigned char *piece = calloc(1, PIECE);
  if (piece == NULL) fail("calloc");
  pid_t child = start(write_all, &run);
  unsigned spins = 0;
  uint64_t begin = now(), read = 0;
  for (; piece[0] == 0; read += PIECE) {
    while (atomic_load_explicit(&run.ring->written, memory_order_acquire) == read) relax(&spins);
    copy(piece, run.ring->bytes + read % RING, PIECE);
    atomic_store_explicit(&run.ring->read, read + PIECE, memory_order_release);
  }
  double seconds = (double)(now() - begin) / 1e9;
  join(child);
  printf(", \"ring\": {\"bytes/s\": %.0f}", (double)read / seconds);
  free(piece);
  munmap(run.ring, sizeof(ring));
}

int main(int count, char **args) {
  uint64_t ns = count > 1 ? strtoull(args[1], NULL, 10) * 1000000u : 0;
  if (ns == 0) {
    fprintf(stderr, "usage: floors <ms>\n");
    return 2;
  }
  alarm(WATCHDOG_SECONDS);
  printf("{");
  fflush(stdout); /* or a child would have it, too */
  round_trips(ns);
  fflush(stdout);
  copies(64u << 10, "memcpy 64 KiB", ns);
  copies(1u << 20, "memcpy 1 MiB", ns);
  copies(16u << 20, "memcpy 16 MiB", ns);
  fflush(stdout);
  two_copies(ns);
  printf("}\n");
  return 0;
}
