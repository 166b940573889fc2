/* Leases: one holder, gone with it however it ends, seen by everybody. */
#include "check.h"

static cw_segment opened(const char *path) {
  cw_segment segment;
  CHECK_IS(cw_segment_open(path, &segment), CW_OK);
  return segment;
}

static void one_holder(const char *path) {
  cw_segment one = opened(path);
  cw_segment two = opened(path);
  cw_segment three = opened(path);
  CHECK_IS(cw_lease_test(&two), 0);
  CHECK_IS(cw_lease_take(&one), CW_OK);
  CHECK_IS(cw_lease_take(&one), CW_OK);
  CHECK_IS(cw_lease_take(&two), CW_EBUSY);
  CHECK_IS(cw_lease_test(&one), CW_EARGUMENT); /* and still has it */
  for (int i = 0; i < 100; i++) {
    CHECK_IS(cw_lease_test(&two), 1);
    CHECK_IS(cw_lease_test(&three), 1);
  }
  CHECK_IS(cw_segment_close(&one), CW_OK);
  CHECK_IS(cw_lease_test(&two), 0);
  CHECK_IS(cw_lease_take(&two), CW_OK);
  CHECK_IS(cw_lease_test(&three), 1);
  CHECK_IS(cw_segment_release_handle(&two), CW_OK); /* its mapping goes on */
  CHECK_IS(cw_lease_test(&three), 0);
  CHECK_IS(cw_lease_take(&two), CW_EARGUMENT);
  CHECK_IS(cw_segment_close(&two), CW_OK);
  CHECK_IS(cw_segment_close(&three), CW_OK);
}

static void dies_with_its_holder(const char *path, int how) {
  cw_segment segment = opened(path);
  _Atomic uint32_t *words = shared_words();
  pid_t child = fork_child();
  if (child == 0) {
    cw_segment own = opened(path);
    CHECK_IS(cw_lease_take(&own), CW_OK);
    words[0] = 1;
    if (how == 0) _exit(0);
    for (;;) pause();
  }
  UNTIL(words[0] == 1);
  if (how != 0) {
    CHECK_IS(cw_lease_test(&segment), 1);
    kill(child, how);
  }
  CHECK_IS(end_of(child), -how);
  CHECK_IS(cw_lease_test(&segment), 0);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
}

/* A holder that is stopped isn't dead. */
static void survives_a_stop(const char *path) {
  cw_segment segment = opened(path);
  _Atomic uint32_t *words = shared_words();
  pid_t child = fork_child();
  if (child == 0) {
    cw_segment own = opened(path);
    CHECK_IS(cw_lease_take(&own), CW_OK);
    words[0] = 1;
    for (;;) pause();
  }
  UNTIL(words[0] == 1);
  kill(child, SIGSTOP);
  int status;
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  CHECK_IS(cw_lease_test(&segment), 1);
  kill(child, SIGKILL);
  CHECK_IS(end_of(child), -SIGKILL);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
}

/* The holder starts another program and is killed: the program doesn't keep it. */
static void not_inherited(const char *path) {
  cw_segment segment = opened(path);
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t child = fork_child();
  if (child == 0) {
    cw_segment own = opened(path);
    CHECK_IS(cw_lease_take(&own), CW_OK);
    close(ends[0]);
    pid_t grandchild = fork();
    if (grandchild == 0) {
      dup2(ends[1], 1);
      execl("/bin/sh", "sh", "-c", "echo $$; exec sleep 30", (char *)NULL);
      _exit(1);
    }
    for (;;) pause();
  }
  close(ends[1]);
  char text[32] = "";
  CHECK(read(ends[0], text, sizeof text - 1) > 0);
  pid_t grandchild = (pid_t)atoi(text);
  CHECK(grandchild > 0);
  CHECK_IS(cw_lease_test(&segment), 1);
  kill(child, SIGKILL);
  CHECK_IS(end_of(child), -SIGKILL);
  int32_t held = cw_lease_test(&segment);
  CHECK(kill(grandchild, 0) == 0);
  kill(grandchild, SIGKILL);
  CHECK_IS(held, 0);
  close(ends[0]);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
}

/* While others test without pause, whoever takes a free lease gets it. */
static void testers_are_no_holders(const char *path) {
  _Atomic uint32_t *words = shared_words();
  pid_t children[2];
  for (int c = 0; c < 2; c++) {
    children[c] = fork_child();
    if (children[c] != 0) continue;
    cw_segment own = opened(path);
    while (words[0] == 0) CHECK(cw_lease_test(&own) >= 0);
    exit(0);
  }
  for (int i = 0; i < 500; i++) {
    cw_segment segment = opened(path);
    CHECK_IS(cw_lease_take(&segment), CW_OK);
    CHECK_IS(cw_segment_close(&segment), CW_OK);
  }
  words[0] = 1;
  for (int c = 0; c < 2; c++) CHECK_IS(end_of(children[c]), 0);
}

int main(void) {
  begin();
  const char *path = in_scratch("leased");
  cw_segment segment;
  CHECK_IS(cw_segment_create(path, 1, &segment), CW_OK);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  one_holder(path);
  dies_with_its_holder(path, 0);
  dies_with_its_holder(path, SIGTERM);
  dies_with_its_holder(path, SIGKILL);
  survives_a_stop(path);
  not_inherited(path);
  testers_are_no_holders(path);
  return 0;
}
