/* What the tests use of POSIX. See check.h. */
#ifndef CAUSEWAY_TESTS_CHECK_POSIX_H
#define CAUSEWAY_TESTS_CHECK_POSIX_H

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

static inline void make_file(const char *path, mode_t mode, off_t size) {
  int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, size) == 0);
  CHECK(fchmod(fd, mode) == 0);
  close(fd);
}

#endif
