/* Claims: seen by all others, gone with their holder, there when the files aren't. */
#include "check.h"

#include <pthread.h>

static int32_t claims_of(const char *directory) {
  int32_t claims = cw_claims_open(directory);
  CHECK(claims >= 0);
  return claims;
}

#define ALL CW_CLAIM_GENERATIONS

static void generations(const char *directory) {
  int32_t one = claims_of(directory);
  int32_t two = claims_of(directory);
  CHECK_IS(cw_claim_find(two, "mutex/m", 0, ALL), CW_ENOTFOUND);
  CHECK_IS(cw_claim_take(one, "mutex/m", 5), CW_OK);
  CHECK_IS(cw_claim_find(two, "mutex/m", 0, ALL), 5);
  CHECK_IS(cw_claim_find(two, "mutex/m", 0, 5), CW_ENOTFOUND);
  CHECK_IS(cw_claim_find(two, "mutex/m", 5, 1), 5);
  CHECK_IS(cw_claim_find(two, "mutex/m", 6, ALL - 6), CW_ENOTFOUND);
  CHECK_IS(cw_claim_find(two, "mutex/n", 0, ALL), CW_ENOTFOUND);
  CHECK_IS(cw_claim_find(one, "mutex/m", 0, ALL), CW_ENOTFOUND); /* its own */
  CHECK_IS(cw_claim_take(two, "mutex/m", 5), CW_OK);
  CHECK_IS(cw_claim_find(one, "mutex/m", 0, ALL), 5);
  /* Neighbours are one lock for the system, and two claims here. */
  CHECK_IS(cw_claim_take(one, "mutex/m", 4), CW_OK);
  CHECK_IS(cw_claim_take(one, "mutex/m", 6), CW_OK);
  CHECK_IS(cw_claim_find(two, "mutex/m", 5, 1), 5);
  CHECK_IS(cw_claim_drop(one, "mutex/m", 4), CW_OK);
  CHECK_IS(cw_claim_drop(one, "mutex/m", 5), CW_OK);
  CHECK_IS(cw_claim_find(two, "mutex/m", 0, ALL), 6);
  CHECK_IS(cw_claim_drop(one, "mutex/m", 6), CW_OK);
  CHECK_IS(cw_claim_find(two, "mutex/m", 0, ALL), CW_ENOTFOUND);
  CHECK_IS(cw_claim_take(one, "mutex/m", ALL - 1), CW_OK);
  CHECK_IS(cw_claim_find(two, "mutex/m", 1, ALL - 1), (int32_t)(ALL - 1));
  CHECK_IS(cw_claim_take(one, "mutex/m", ALL), CW_EARGUMENT);
  CHECK_IS(cw_claim_find(two, "mutex/m", 1, ALL), CW_EARGUMENT);
  CHECK_IS(cw_claims_close(one), CW_OK);
  CHECK_IS(cw_claim_find(two, "mutex/m", 0, ALL), CW_ENOTFOUND);
  CHECK_IS(cw_claims_close(two), CW_OK);
}

static void goes_with_its_holder(const char *directory, int how) {
  int32_t claims = claims_of(directory);
  _Atomic uint32_t *words = shared_words();
  words[0] = 0;
  pid_t child = fork_child();
  if (child == 0) {
    CHECK_IS(cw_claim_take(claims_of(directory), "nodes/1", 0), CW_OK);
    words[0] = 1;
    for (;;) pause();
  }
  UNTIL(words[0] == 1);
  kill(child, SIGSTOP);
  CHECK_IS(cw_claim_find(claims, "nodes/1", 0, ALL), 0);
  kill(child, how);
  kill(child, SIGCONT);
  CHECK_IS(end_of(child), -how);
  CHECK_IS(cw_claim_find(claims, "nodes/1", 0, ALL), CW_ENOTFOUND);
  CHECK_IS(cw_claims_close(claims), CW_OK);
}

static void *leave_open(void *unused) {
  const char *directory = in_scratch("claims");
  CHECK_IS(cw_claim_take(claims_of(directory), "mutex/m", 3), CW_OK);
  CHECK(cw_directory_lock(directory, 0) >= 0);
  return unused; /* a worker that is terminated */
}

static void goes_with_its_thread(const char *directory) {
  int32_t claims = claims_of(directory);
  pthread_t thread;
  CHECK_IS(pthread_create(&thread, NULL, leave_open, NULL), 0);
  CHECK_IS(pthread_join(thread, NULL), 0);
  CHECK_IS(cw_claim_find(claims, "mutex/m", 0, ALL), CW_ENOTFOUND);
  int32_t lock = cw_directory_lock(directory, 0);
  CHECK(lock >= 0);
  CHECK_IS(cw_directory_unlock(lock), CW_OK);
  CHECK_IS(cw_directory_unlock(lock), CW_EARGUMENT);
  CHECK_IS(cw_claims_close(claims), CW_OK);
  CHECK_IS(cw_claims_close(claims), CW_EARGUMENT);
}

static void holds_in_a_removed_directory(const char *parent) {
  char path[4096];
  snprintf(path, sizeof path, "%s/gone", parent);
  CHECK_IS(cw_claims_open(path), CW_ENOTFOUND);
  CHECK_IS(cw_directory_prepare(path), 1);
  int32_t one = claims_of(path);
  int32_t two = claims_of(path);
  CHECK_IS(cw_claim_take(one, "a", 0), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_OK);
  CHECK_IS(cw_claim_find(two, "a", 0, ALL), 0);
  CHECK_IS(cw_claims_close(one), CW_OK);
  CHECK_IS(cw_claim_find(two, "a", 0, ALL), CW_ENOTFOUND);
  CHECK_IS(cw_claims_close(two), CW_OK);
}

int main(void) {
  begin();
  const char *directory = in_scratch("claims");
  CHECK_IS(cw_directory_prepare(directory), 1);
  int32_t claims = cw_claims_open(directory);
  if (claims == CW_EUNSUPPORTED) {
    puts("skipped: no claims on this system");
    return 0;
  }
  CHECK_IS(cw_claims_close(claims), CW_OK);
  generations(directory);
  goes_with_its_holder(directory, SIGTERM);
  goes_with_its_holder(directory, SIGKILL);
  goes_with_its_thread(directory);
  holds_in_a_removed_directory(directory);
  return 0;
}
