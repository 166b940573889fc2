/* Named semaphores: opened, shared by processes, timed, taken away. */
#include "check.h"

#if defined(__linux__)
#include <semaphore.h>
#endif

static char name[64];

static cw_semaphore *opened(uint32_t flags, uint32_t initial) {
  uint64_t out;
  CHECK_IS(cw_semaphore_open(name, flags, initial, &out), CW_OK);
  return (cw_semaphore *)(uintptr_t)out;
}

static void names(void) {
  uint64_t out;
  char longest[252];
  memset(longest, 'x', sizeof longest);
  longest[251] = 0;
  CHECK_IS(cw_semaphore_open("", CW_SEMAPHORE_CREATE, 0, &out), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_open("a/b", CW_SEMAPHORE_CREATE, 0, &out), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_open("a\\b", CW_SEMAPHORE_CREATE, 0, &out), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_open(longest, CW_SEMAPHORE_CREATE, 0, &out), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_open(name, CW_SEMAPHORE_EXCLUSIVE, 0, &out), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_open(name, CW_SEMAPHORE_CREATE, UINT32_MAX, &out), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_open(name, 0, 0, &out), CW_ENOTFOUND);
#if !defined(_WIN32) /* names go with their last user there */
  CHECK_IS(cw_semaphore_unlink(name), CW_ENOTFOUND);
#endif
}

static void counts(void) {
  uint64_t out;
  cw_semaphore *one = opened(CW_SEMAPHORE_CREATE | CW_SEMAPHORE_EXCLUSIVE, 2);
  CHECK_IS(cw_semaphore_open(name, CW_SEMAPHORE_CREATE | CW_SEMAPHORE_EXCLUSIVE, 2, &out),
           CW_EEXISTS);
  cw_semaphore *two = opened(CW_SEMAPHORE_CREATE, 9); /* is there: 9 doesn't count */
  CHECK_IS(cw_semaphore_wait(one, 0), CW_OK);
  CHECK_IS(cw_semaphore_wait(two, UINT32_MAX), CW_OK);
  CHECK_IS(cw_semaphore_wait(one, 0), CW_ETIMEOUT);
  uint64_t before = clock_ns();
  CHECK_IS(cw_semaphore_wait(one, 30000), CW_ETIMEOUT);
  CHECK(clock_ns() - before >= 30000000u);
  CHECK_IS(cw_semaphore_post(two), CW_OK);
  CHECK_IS(cw_semaphore_wait(one, 1000000), CW_OK);
  CHECK_IS(cw_semaphore_close(two), CW_OK);
  CHECK_IS(cw_semaphore_close(one), CW_OK);
}

#if !defined(_WIN32) /* see test_windows_processes.c */
static void between_processes(uint32_t timeout_us) {
  cw_semaphore *semaphore = opened(0, 0);
  pid_t child = fork_child();
  if (child == 0) {
    cw_semaphore *own = opened(0, 0);
    for (int i = 0; i < 50; i++) CHECK_IS(cw_semaphore_post(own), CW_OK);
    CHECK_IS(cw_semaphore_close(own), CW_OK);
    CHECK_IS(cw_semaphore_close(semaphore), CW_OK); /* the parent's, copied */
    exit(0);
  }
  for (int i = 0; i < 50; i++) CHECK_IS(cw_semaphore_wait(semaphore, timeout_us), CW_OK);
  CHECK_IS(end_of(child), 0);
  CHECK_IS(cw_semaphore_wait(semaphore, 0), CW_ETIMEOUT);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
}

#if defined(__linux__)
#if defined(__GLIBC__)
#define PLACE "/dev/shm/sem."
#else
#define PLACE "/dev/shm/"
#endif

static char path[300];

static void write_file(size_t bytes, mode_t mode) {
  static const char zeros[64];
  unlink(path);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0);
  CHECK(write(fd, zeros, bytes) == (ssize_t)bytes);
  CHECK(fchmod(fd, mode) == 0);
  close(fd);
}

static void refused(int32_t code) {
  uint64_t out;
  CHECK_IS(cw_semaphore_open(name, 0, 0, &out), code);
  CHECK_IS(cw_semaphore_open(name, CW_SEMAPHORE_CREATE, 1, &out), code);
  CHECK_IS(cw_semaphore_open(name, CW_SEMAPHORE_CREATE | CW_SEMAPHORE_EXCLUSIVE, 1, &out),
           CW_EEXISTS);
}

/* What has the name of a semaphore and is none, or not ours alone. */
static void foreign_files(void) {
  struct stat facts;
  snprintf(path, sizeof path, PLACE "%s", name);
  write_file(0, 0600);
  refused(CW_ESIZE);
  write_file(sizeof(sem_t) - 1, 0600);
  refused(CW_ESIZE);
  write_file(sizeof(sem_t), 0620);
  refused(CW_EMODE);
  write_file(sizeof(sem_t), 0602);
  refused(CW_EMODE);
  if (geteuid() == 0) {
    write_file(sizeof(sem_t), 0600);
    CHECK(chown(path, 65534, 65534) == 0);
    refused(CW_ENOTOWNER);
    write_file(0, 0666);
    CHECK(chown(path, 65534, 65534) == 0);
    refused(CW_ENOTOWNER);
  }
  unlink(path);
  CHECK(symlink("/dev/null", path) == 0);
  refused(CW_ELINK);
  unlink(path);
  CHECK(mkfifo(path, 0600) == 0);
  refused(CW_ETYPE);
  unlink(path);
  CHECK(mkdir(path, 0700) == 0);
  refused(CW_ETYPE);
  rmdir(path);
  /* One that another program of ours made, which others may read. */
  write_file(sizeof(sem_t), 0644);
  cw_semaphore *semaphore = opened(0, 0);
  CHECK_IS(cw_semaphore_wait(semaphore, 0), CW_ETIMEOUT);
  CHECK_IS(cw_semaphore_post(semaphore), CW_OK);
  CHECK_IS(cw_semaphore_wait(semaphore, 0), CW_OK);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
  CHECK_IS(cw_semaphore_unlink(name), CW_OK);
  /* The system's own functions take what is made here. */
  semaphore = opened(CW_SEMAPHORE_CREATE | CW_SEMAPHORE_EXCLUSIVE, 1);
  CHECK(stat(path, &facts) == 0 && (facts.st_mode & 0777) == 0600);
  char full[80];
  snprintf(full, sizeof full, "/%s", name);
  sem_t *same = sem_open(full, 0);
  CHECK(same != SEM_FAILED);
  CHECK(sem_trywait(same) == 0);
  CHECK_IS(cw_semaphore_wait(semaphore, 0), CW_ETIMEOUT);
  CHECK(sem_post(same) == 0);
  CHECK_IS(cw_semaphore_wait(semaphore, 0), CW_OK);
  CHECK(sem_close(same) == 0);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
  CHECK_IS(cw_semaphore_unlink(name), CW_OK);
}
#endif

static void unlink_name(void) {
  if (getpid() == scratch_owner) cw_semaphore_unlink(name);
}
#endif

int main(void) {
  begin();
  snprintf(name, sizeof name, "causeway-test-semaphore-%ld", (long)getpid());
#if !defined(_WIN32)
  atexit(unlink_name);
#endif
  names();
  counts();
#if !defined(_WIN32)
  between_processes(UINT32_MAX);
  between_processes(30000000);
  CHECK_IS(cw_semaphore_unlink(name), CW_OK);
  CHECK_IS(cw_semaphore_unlink(name), CW_ENOTFOUND);
#endif
#if defined(__linux__)
  foreign_files();
#endif
  return 0;
}
