/* The runtime directory: where it is, what is refused, its lock, its list. */
#include "check.h"

static mode_t mode_of(const char *path) {
  struct stat found;
  CHECK(lstat(path, &found) == 0);
  return found.st_mode & 07777;
}

static void default_place(void) {
  char path[256];
  unsetenv("CAUSEWAY_DIR");
  int32_t length = cw_directory_default(path, sizeof path, 0);
  CHECK(length > 0 && (size_t)length == strlen(path) && path[0] == '/');
  CHECK_IS(cw_directory_is_chosen(), 0);
  CHECK_IS(cw_directory_default(path, (uint32_t)length, 0), CW_ESIZE);
  CHECK_IS(cw_directory_default(path, (uint32_t)length + 1, 0), length);
  setenv("CAUSEWAY_DIR", "/somewhere", 1);
  CHECK_IS(cw_directory_default(path, sizeof path, 0), 10);
  CHECK(strcmp(path, "/somewhere") == 0);
  CHECK_IS(cw_directory_is_chosen(), 1);
  CHECK_IS(cw_directory_default(path, sizeof path, 1), length);
  setenv("CAUSEWAY_DIR", "relative", 1);
  CHECK_IS(cw_directory_default(path, sizeof path, 0), CW_EARGUMENT);
  setenv("CAUSEWAY_DIR", "", 1);
  CHECK_IS(cw_directory_default(path, sizeof path, 0), length);
}

static void made_private(void) {
  static const mode_t masks[] = {0, 022, 0777};
  for (unsigned i = 0; i < 3; i++) {
    const char *path = in_scratch("made");
    mode_t before = umask(masks[i]);
    CHECK_IS(cw_directory_prepare(path), 1);
    umask(before);
    CHECK_IS(mode_of(path), 0700);
    CHECK_IS(cw_directory_prepare(path), 0);
    CHECK_IS(cw_directory_remove(path), CW_OK);
  }
  CHECK_IS(cw_directory_prepare(in_scratch("none/made")), CW_ENOTFOUND);
}

static void refused(void) {
  const char *real = in_scratch("real");
  const char *link = in_scratch("link");
  const char *file = in_scratch("file");
  CHECK_IS(cw_directory_prepare(real), 1);
  CHECK(symlink(real, link) == 0);
  make_file(file, 0600, 0);
  CHECK_IS(cw_directory_prepare(link), CW_ELINK);
  CHECK_IS(cw_directory_lock(link, 0), CW_ELINK);
  CHECK_IS(cw_directory_remove(link), CW_ELINK);
  CHECK_IS(cw_directory_prepare(file), CW_ETYPE);
  CHECK_IS(cw_directory_lock(file, 0), CW_ETYPE);
  CHECK(chmod(real, 0720) == 0);
  CHECK_IS(cw_directory_prepare(real), CW_EMODE);
  CHECK(chmod(real, 0702) == 0);
  CHECK_IS(cw_directory_prepare(real), CW_EMODE);
  CHECK(chmod(real, 0700) == 0);
  CHECK_IS(cw_directory_prepare(real), 0);
  if (geteuid() == 0) {
    CHECK(chown(real, 12345, 12345) == 0);
    CHECK_IS(cw_directory_prepare(real), CW_ENOTOWNER);
  } else {
    SKIP("another user's directory", "needs root to give one away");
  }
}

/* Root may do anything, so this has to be done by somebody else. */
static void not_writable(void) {
  pid_t child = fork_child();
  if (child == 0) {
    CHECK(chmod(scratch, 0755) == 0 || geteuid() != 0);
    const char *path = in_scratch("locked");
    CHECK_IS(cw_directory_prepare(path), 1);
    if (geteuid() == 0) {
      CHECK(chown(path, 12345, 12345) == 0);
      CHECK(setgid(12345) == 0 && setuid(12345) == 0);
    }
    CHECK(chmod(path, 0500) == 0);
    CHECK_IS(cw_directory_prepare(path), CW_EDENIED);
    CHECK_IS(cw_directory_prepare(in_scratch("locked/inner")), CW_EDENIED);
    exit(0);
  }
  CHECK_IS(end_of(child), 0);
}

static void locked(void) {
  const char *path = in_scratch("lock");
  CHECK_IS(cw_directory_lock(path, 0), CW_ENOTFOUND);
  CHECK_IS(cw_directory_prepare(path), 1);
  int32_t first = cw_directory_lock(path, 0);
  CHECK(first >= 0);
  CHECK(fcntl(first, F_GETFD) & FD_CLOEXEC);
  CHECK_IS(cw_directory_lock(path, 0), CW_ETIMEOUT);
  uint64_t before = clock_ns();
  CHECK_IS(cw_directory_lock(path, 30000), CW_ETIMEOUT);
  CHECK(clock_ns() - before >= 30000000u);
  CHECK_IS(cw_directory_unlock(first), CW_OK);
  int32_t second = cw_directory_lock(path, UINT32_MAX);
  CHECK(second >= 0);
  CHECK_IS(cw_directory_unlock(second), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_OK);
}

/* The holder is killed: the lock is free at once. */
static void lock_of_the_dead(uint32_t timeout_us) {
  const char *path = in_scratch("dead");
  CHECK_IS(cw_directory_prepare(path), 1);
  _Atomic uint32_t *words = shared_words();
  pid_t child = fork_child();
  if (child == 0) {
    CHECK(cw_directory_lock(path, 0) >= 0);
    words[0] = 1;
    for (;;) pause();
  }
  UNTIL(words[0] == 1);
  CHECK_IS(cw_directory_lock(path, 0), CW_ETIMEOUT);
  kill(child, SIGKILL);
  int32_t lock = cw_directory_lock(path, timeout_us);
  CHECK(lock >= 0);
  CHECK_IS(end_of(child), -SIGKILL);
  CHECK_IS(cw_directory_unlock(lock), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_OK);
}

/* The directory goes, or is made anew, while somebody waits for its lock. */
static void lock_of_the_removed(bool made_anew, uint32_t timeout_us) {
  const char *path = in_scratch("gone");
  CHECK_IS(cw_directory_prepare(path), 1);
  int32_t lock = cw_directory_lock(path, 0);
  CHECK(lock >= 0);
  _Atomic uint32_t *words = shared_words();
  pid_t child = fork_child();
  if (child == 0) {
    close(lock);
    words[0] = 1;
    int32_t got = cw_directory_lock(path, timeout_us);
    if (!made_anew) exit(got == CW_ENOTFOUND ? 0 : 1);
    CHECK(got >= 0);
    CHECK_IS(cw_directory_lock(path, 0), CW_ETIMEOUT);
    exit(0);
  }
  UNTIL(words[0] == 1);
  pause_ms(20); /* most likely it waits by now; the outcome is the same if not */
  CHECK_IS(cw_directory_remove(path), CW_OK);
  if (made_anew) CHECK_IS(cw_directory_prepare(path), 1);
  CHECK_IS(cw_directory_unlock(lock), CW_OK);
  CHECK_IS(end_of(child), 0);
  if (made_anew) CHECK_IS(cw_directory_remove(path), CW_OK);
}

/* Many processes, one lock: nobody is in there with another. */
static void one_at_a_time(void) {
  const char *path = in_scratch("one");
  CHECK_IS(cw_directory_prepare(path), 1);
  _Atomic uint32_t *words = shared_words();
  pid_t children[4];
  for (int c = 0; c < 4; c++) {
    children[c] = fork_child();
    if (children[c] != 0) continue;
    for (int i = 0; i < 100; i++) {
      int32_t lock = cw_directory_lock(path, c % 2 ? UINT32_MAX : 30000000);
      CHECK(lock >= 0);
      CHECK_IS(words[0]++, 0);
      words[1] = words[1] + 1;
      words[0]--;
      CHECK_IS(cw_directory_unlock(lock), CW_OK);
    }
    exit(0);
  }
  for (int c = 0; c < 4; c++) CHECK_IS(end_of(children[c]), 0);
  CHECK_IS(words[1], 400);
}

static void listed(void) {
  char names[4096];
  const char *path = in_scratch("list");
  CHECK_IS(cw_directory_list(path, names, sizeof names), CW_ENOTFOUND);
  CHECK_IS(cw_directory_prepare(path), 1);
  CHECK_IS(cw_directory_list(path, names, sizeof names), 0);
  make_file(in_scratch("list/a"), 0600, 0);
  make_file(in_scratch("list/\xc3\xa4\xc3\xb6"), 0600, 0);
  CHECK_IS(cw_directory_list(path, names, sizeof names), 7);
  size_t first = strlen(names) + 1;
  CHECK(strcmp(names, "a") == 0 || strcmp(names + first, "a") == 0);
  memset(names, '?', sizeof names);
  CHECK_IS(cw_directory_list(path, names, 6), 7);
  CHECK(names[6] == '?');
  CHECK_IS(cw_directory_list(path, NULL, 0), 7);
  CHECK_IS(cw_directory_remove(path), CW_EBUSY);
  CHECK_IS(cw_file_rename(in_scratch("list/a"), in_scratch("list/\xc3\xa4\xc3\xb6")), CW_OK);
  CHECK_IS(cw_file_link(in_scratch("list/a"), in_scratch("list/b")), CW_ENOTFOUND);
  CHECK_IS(cw_file_link(in_scratch("list/\xc3\xa4\xc3\xb6"), in_scratch("list/b")), CW_OK);
  CHECK_IS(cw_file_link(in_scratch("list/\xc3\xa4\xc3\xb6"), in_scratch("list/b")), CW_EEXISTS);
  CHECK_IS(cw_file_remove(in_scratch("list/b")), CW_OK);
  CHECK_IS(cw_file_remove(in_scratch("list/a")), CW_ENOTFOUND);
  CHECK_IS(cw_file_remove(in_scratch("list/\xc3\xa4\xc3\xb6")), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_ENOTFOUND);
}

static void space(void) {
  uint64_t bytes[2];
  CHECK_IS(cw_directory_space(scratch, bytes), CW_OK);
  CHECK(bytes[0] > 0 && bytes[0] <= bytes[1]);
  CHECK_IS(cw_directory_space(in_scratch("nothing"), bytes), CW_ENOTFOUND);
}

int main(void) {
  begin();
  default_place();
  made_private();
  refused();
  not_writable();
  locked();
  lock_of_the_dead(30000000);
  lock_of_the_dead(UINT32_MAX);
  lock_of_the_removed(false, 30000000);
  lock_of_the_removed(false, UINT32_MAX);
  lock_of_the_removed(true, 30000000);
  lock_of_the_removed(true, UINT32_MAX);
  one_at_a_time();
  listed();
  space();
  return 0;
}
