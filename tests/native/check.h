/*
 * What every test program uses: a check, a watchdog, a directory of its own,
 * children, and a page shared with them.
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
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static char scratch[64];
static pid_t scratch_owner;

static inline int remove_entry(const char *path, const struct stat *found, int kind,
                               struct FTW *walk) {
  (void)found;
  (void)kind;
  (void)walk;
  return remove(path);
}

static inline void remove_scratch(void) {
  if (getpid() == scratch_owner) nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void bark(int number) {
  static const char text[] = "the watchdog ended this test\n";
  (void)number;
  ssize_t ignored = write(2, text, sizeof text - 1);
  (void)ignored;
  remove_scratch();
  _exit(1);
}

/* Begins a test program: the watchdog, and an empty directory at `scratch`. */
static inline void begin(void) {
  setvbuf(stdout, NULL, _IONBF, 0); /* children would print what is left again */
  signal(SIGALRM, bark);
  alarm(WATCHDOG_SECONDS);
  const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(scratch, sizeof scratch, "%s/causeway-test-XXXXXX", place);
  CHECK(mkdtemp(scratch) != NULL);
  scratch_owner = getpid();
  atexit(remove_scratch);
}

/* A path below the scratch directory, good for the next PATHS calls. */
#define PATHS 64
static inline const char *in_scratch(const char *name) {
  static char paths[PATHS][256];
  static unsigned next;
  char *path = paths[next++ % PATHS];
  snprintf(path, 256, "%s/%s", scratch, name);
  return path;
}

/* fork, with a watchdog for the child, too. */
static inline pid_t fork_child(void) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) alarm(WATCHDOG_SECONDS);
  return child;
}

/* How a child ended: its exit code, or minus the signal. */
static inline int end_of(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A page of words, zero at first, that children share. */
static inline _Atomic uint32_t *shared_words(void) {
  void *page = mmap(NULL, CW_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
  CHECK(page != MAP_FAILED);
  return page;
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

static inline void make_file(const char *path, mode_t mode, off_t size) {
  int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, size) == 0);
  CHECK(fchmod(fd, mode) == 0);
  close(fd);
}

static inline _Atomic uint32_t *word_of(const cw_segment *segment, uint32_t offset) {
  return (_Atomic uint32_t *)((uintptr_t)segment->base + offset);
}

/* Where the tests' nodes have their words. */
enum { BELL = 64, BLOCK = 128, DEATHS = 192, COUNT = 256 };

#endif
