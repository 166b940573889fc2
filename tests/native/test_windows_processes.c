/* Windows: what holds between processes. Children are this program again, as
 * Windows has no fork. */
#include "check.h"

#if defined(_WIN32)

#define ROUNDS 2000u
#define SLEEPERS 4

static cw_segment opened(const char *path) {
  cw_segment segment;
  CHECK_IS(cw_segment_open(path, &segment), CW_OK);
  return segment;
}

/* A page for both sides, at <scratch>/shared. */
static cw_segment shared;

static _Atomic uint32_t *word(uint32_t offset) {
  return word_of(&shared, offset);
}

static void make_shared(void) {
  CHECK_IS(cw_segment_create(in_scratch("shared"), 1, &shared), CW_OK);
  CHECK_IS(cw_random((void *)(uintptr_t)(shared.base + CW_ID_OFFSET), 16), CW_OK);
}

static void until_equal(uint32_t offset, uint32_t wanted) {
  for (;;) {
    uint32_t seen = *word(offset);
    if (seen == wanted) return;
    CHECK_IS(cw_wait((void *)(uintptr_t)shared.base, offset, seen, UINT32_MAX), CW_OK);
  }
}

static void say(uint32_t offset, uint32_t value) {
  *word(offset) = value;
  CHECK_IS(cw_wake((void *)(uintptr_t)shared.base, offset), CW_OK);
}

/* -------------------------------------------------------------- the children */

static void child_pongs(void) {
  for (uint32_t i = 1; i <= ROUNDS; i++) {
    until_equal(BELL, i);
    say(BLOCK, i);
  }
}

static void child_sleeps(void) {
  (*word(COUNT))++;
  until_equal(BELL, 1);
}

static void child_holds(void) {
  cw_segment own = opened(in_scratch("leased"));
  CHECK_IS(cw_lease_take(&own), CW_OK);
  (*word(COUNT))++;
  for (;;) Sleep(1000);
}

static void child_locks(void) {
  CHECK(cw_directory_lock(in_scratch("locked"), 0) >= 0);
  (*word(COUNT))++;
  for (;;) Sleep(1000);
}

static void child_takes_turns(void) {
  for (int i = 0; i < 100; i++) {
    int32_t lock = cw_directory_lock(in_scratch("locked"), i % 2 ? UINT32_MAX : 30000000);
    CHECK(lock >= 0);
    CHECK_IS((*word(COUNT))++, 0);
    *word(BLOCK) = *word(BLOCK) + 1;
    (*word(COUNT))--;
    CHECK_IS(cw_directory_unlock(lock), CW_OK);
  }
}

static void child_tests(void) {
  cw_segment own = opened(in_scratch("leased"));
  while (*word(BELL) == 0) CHECK(cw_lease_test(&own) >= 0);
}

static void child_maps(void) {
  cw_segment own = opened(in_scratch("mapped"));
  CHECK_IS(cw_segment_release_handle(&own), CW_OK);
  (*word(COUNT))++;
  until_equal(BELL, 1);
  *word_of(&own, BELL) += 1; /* its name is gone */
  CHECK_IS(cw_segment_close(&own), CW_OK);
}

static char semaphore_name[64];

static cw_semaphore *open_semaphore(uint32_t flags) {
  uint64_t out;
  CHECK_IS(cw_semaphore_open(semaphore_name, flags, 0, &out), CW_OK);
  return (cw_semaphore *)(uintptr_t)out;
}

static void child_posts(void) {
  snprintf(semaphore_name, sizeof semaphore_name, "causeway-test-%u", *word(COUNT));
  cw_semaphore *semaphore = open_semaphore(0);
  for (int i = 0; i < 50; i++) CHECK_IS(cw_semaphore_post(semaphore), CW_OK);
}

static const struct {
  const WCHAR *role;
  void (*run)(void);
} children[] = {
  {L" pongs ", child_pongs}, {L" sleeps ", child_sleeps}, {L" holds ", child_holds},
  {L" locks ", child_locks}, {L" turns ", child_takes_turns}, {L" tests ", child_tests},
  {L" maps ", child_maps},   {L" posts ", child_posts},
};

static bool ran_as_child(void) {
  for (unsigned i = 0; i < sizeof children / sizeof *children; i++) {
    if (!wcsstr(GetCommandLineW(), children[i].role)) continue;
    begin_child(scratch, sizeof scratch);
    shared = opened(in_scratch("shared"));
    children[i].run();
    return true;
  }
  return false;
}

static HANDLE start(const char *role) {
  return start_child(role, scratch);
}

/* ----------------------------------------------------------------- the tests */

static void ping_pong(void) {
  HANDLE child = start("pongs");
  for (uint32_t i = 1; i <= ROUNDS; i++) {
    say(BELL, i);
    until_equal(BLOCK, i);
  }
  CHECK_IS(end_of(child), 0);
}

static void wakes_all(void) {
  HANDLE all[SLEEPERS];
  *word(BELL) = 0;
  *word(COUNT) = 0;
  for (int i = 0; i < SLEEPERS; i++) all[i] = start("sleeps");
  UNTIL(*word(COUNT) == SLEEPERS);
  pause_ms(20); /* most likely all sleep by now; the outcome is the same if not */
  say(BELL, 1);
  for (int i = 0; i < SLEEPERS; i++) CHECK_IS(end_of(all[i]), 0);
}

static void lease_dies_with_its_holder(void) {
  cw_segment segment;
  CHECK_IS(cw_segment_create(in_scratch("leased"), 1, &segment), CW_OK);
  for (int i = 0; i < 5; i++) {
    *word(COUNT) = 0;
    HANDLE child = start("holds");
    UNTIL(*word(COUNT) == 1);
    CHECK_IS(cw_lease_test(&segment), 1);
    kill_child(child);
    CHECK_IS(end_of(child), 77);
    UNTIL(cw_lease_test(&segment) == 0); /* the system may take a moment */
  }
  *word(BELL) = 0;
  HANDLE testers[2] = {start("tests"), start("tests")};
  for (int i = 0; i < 500; i++) {
    cw_segment own = opened(in_scratch("leased"));
    CHECK_IS(cw_lease_take(&own), CW_OK);
    CHECK_IS(cw_segment_close(&own), CW_OK);
  }
  *word(BELL) = 1;
  for (int i = 0; i < 2; i++) CHECK_IS(end_of(testers[i]), 0);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  CHECK_IS(cw_file_remove(in_scratch("leased")), CW_OK);
}

static void lock_dies_with_its_holder(void) {
  const char *path = in_scratch("locked");
  CHECK_IS(cw_directory_prepare(path), 1);
  *word(COUNT) = 0;
  HANDLE child = start("locks");
  UNTIL(*word(COUNT) == 1);
  CHECK_IS(cw_directory_lock(path, 0), CW_ETIMEOUT);
  kill_child(child);
  int32_t lock = cw_directory_lock(path, UINT32_MAX);
  CHECK(lock >= 0);
  CHECK_IS(end_of(child), 77);
  CHECK_IS(cw_directory_unlock(lock), CW_OK);

  HANDLE all[3];
  *word(COUNT) = 0;
  *word(BLOCK) = 0;
  for (int i = 0; i < 3; i++) all[i] = start("turns");
  for (int i = 0; i < 3; i++) CHECK_IS(end_of(all[i]), 0);
  CHECK_IS(*word(BLOCK), 300);
  CHECK_IS(cw_directory_remove(path), CW_OK);
}

/* What another process has mapped is removed, and its name is free. */
static void removes_what_another_maps(void) {
  cw_segment segment;
  *word(COUNT) = 0;
  *word(BELL) = 0;
  CHECK_IS(cw_segment_create(in_scratch("mapped"), 1, &segment), CW_OK);
  HANDLE child = start("maps");
  UNTIL(*word(COUNT) == 1);
  *word_of(&segment, BELL) = 41;
  CHECK_IS(cw_file_remove(in_scratch("mapped")), CW_OK);
  cw_segment other;
  CHECK_IS(cw_segment_create(in_scratch("mapped"), 1, &other), CW_OK);
  say(BELL, 1);
  CHECK_IS(end_of(child), 0);
  CHECK_IS(*word_of(&segment, BELL), 42);
  CHECK_IS(*word_of(&other, BELL), 0);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  CHECK_IS(cw_segment_close(&other), CW_OK);
  CHECK_IS(cw_file_remove(in_scratch("mapped")), CW_OK);
}

static void semaphores(void) {
  *word(COUNT) = (uint32_t)GetCurrentProcessId();
  snprintf(semaphore_name, sizeof semaphore_name, "causeway-test-%u", *word(COUNT));
  cw_semaphore *semaphore = open_semaphore(CW_SEMAPHORE_CREATE);
  HANDLE child = start("posts");
  for (int i = 0; i < 50; i++) CHECK_IS(cw_semaphore_wait(semaphore, UINT32_MAX), CW_OK);
  CHECK_IS(end_of(child), 0);
  CHECK_IS(cw_semaphore_wait(semaphore, 0), CW_ETIMEOUT);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
}

int main(void) {
  if (ran_as_child()) return 0;
  begin();
  make_shared();
  ping_pong();
  wakes_all();
  lease_dies_with_its_holder();
  lock_dies_with_its_holder();
  removes_what_another_maps();
  semaphores();
  CHECK_IS(cw_segment_close(&shared), CW_OK);
  return 0;
}

#else
int main(void) {
  SKIP("Windows' processes", "this is no Windows");
  return 0;
}
#endif
