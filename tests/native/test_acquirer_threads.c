/* Acquirers: taking counts for an event loop, giving back what nobody wants. */
#include "check.h"

#include <pthread.h>

enum { READY = 512, SUMMARY = 516, TOP = 520 };

static char name[64];
static cw_segment node;
static const uint32_t bits[6] = {READY, 1u << 5, SUMMARY, 1, TOP, 1u << 31};

static cw_semaphore *opened(uint32_t initial) {
  uint64_t out;
  CHECK_IS(cw_semaphore_open(name, CW_SEMAPHORE_CREATE, initial, &out), CW_OK);
  return (cw_semaphore *)(uintptr_t)out;
}

typedef struct acquirer {
  cw_acquirer *native;
  _Atomic uint32_t *taken;
} acquirer;

static acquirer open_acquirer(cw_semaphore *semaphore) {
  uint64_t out[2];
  CHECK_IS(cw_acquirer_open(semaphore, &node, BELL, BLOCK, bits, out), CW_OK);
  return (acquirer){(cw_acquirer *)(uintptr_t)out[0], (_Atomic uint32_t *)(uintptr_t)out[1]};
}

static uint32_t left(cw_semaphore *semaphore) {
  uint32_t count = 0;
  while (cw_semaphore_wait(semaphore, 0) == CW_OK) count++;
  return count;
}

static void arguments(void) {
  cw_semaphore *semaphore = opened(0);
  uint64_t out[2];
  uint32_t odd[6] = {READY + 1, 1, SUMMARY, 1, TOP, 1};
  uint32_t outside[6] = {READY, 1, SUMMARY, 1, CW_PAGE, 1};
  CHECK_IS(cw_acquirer_open(semaphore, &node, BELL, BLOCK, odd, out), CW_EARGUMENT);
  CHECK_IS(cw_acquirer_open(semaphore, &node, BELL, BLOCK, outside, out), CW_EARGUMENT);
  CHECK_IS(cw_acquirer_open(semaphore, &node, BELL + 2, BLOCK, bits, out), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
}

static void takes_what_is_wanted(void) {
  cw_semaphore *semaphore = opened(0);
  acquirer one = open_acquirer(semaphore);
  atomic_store(word_of(&node, BELL), CW_PARKED);
  CHECK_IS(cw_acquirer_want(one.native, 2), CW_OK);
  for (int i = 0; i < 3; i++) CHECK_IS(cw_semaphore_post(semaphore), CW_OK);
  UNTIL(atomic_load(one.taken) == 2);
  UNTIL(atomic_load(word_of(&node, BELL)) == CW_RUNG);
  CHECK_IS(atomic_load(word_of(&node, READY)), 1u << 5);
  CHECK_IS(atomic_load(word_of(&node, SUMMARY)), 1);
  CHECK_IS(atomic_load(word_of(&node, TOP)), 1u << 31);
  CHECK_IS(left(semaphore), 1);
  /* The thread has ended, and another one starts. */
  CHECK_IS(cw_acquirer_want(one.native, 3), CW_OK);
  CHECK_IS(cw_semaphore_post(semaphore), CW_OK);
  UNTIL(atomic_load(one.taken) == 3);
  CHECK_IS(cw_acquirer_close(one.native, 1), CW_OK); /* two weren't used */
  CHECK_IS(left(semaphore), 2);
  CHECK_IS(cw_acquirer_close(one.native, 1), CW_EARGUMENT);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
}

static void gives_back(void) {
  cw_semaphore *semaphore = opened(0);
  for (int i = 0; i < 20; i++) {
    acquirer one = open_acquirer(semaphore);
    acquirer two = open_acquirer(semaphore);
    CHECK_IS(cw_acquirer_want(one.native, 1), CW_OK);
    CHECK_IS(cw_acquirer_want(two.native, 1), CW_OK);
    if (i % 2 == 0) pause_ms(1);
    CHECK_IS(cw_semaphore_post(semaphore), CW_OK);
    CHECK_IS(cw_acquirer_want(one.native, 0), CW_OK); /* not any more */
    CHECK_IS(cw_acquirer_close(two.native, 0), CW_OK);
    CHECK_IS(cw_acquirer_close(one.native, 0), CW_OK);
    CHECK_IS(cw_semaphore_wait(semaphore, 20000000), CW_OK);
  }
  CHECK_IS(left(semaphore), 0);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
}

static void *leave_open(void *argument) {
  cw_semaphore *semaphore = argument;
  acquirer one = open_acquirer(semaphore);
  acquirer two = open_acquirer(semaphore);
  CHECK_IS(cw_acquirer_want(one.native, 5), CW_OK);
  CHECK_IS(cw_acquirer_want(two.native, 5), CW_OK);
  return NULL;
}

static void ends_with_its_thread(void) {
  cw_semaphore *semaphore = opened(0);
  pthread_t thread;
  CHECK_IS(pthread_create(&thread, NULL, leave_open, semaphore), 0);
  CHECK_IS(pthread_join(thread, NULL), 0);
  for (int i = 0; i < 3; i++) CHECK_IS(cw_semaphore_post(semaphore), CW_OK);
  for (int i = 0; i < 3; i++) CHECK_IS(cw_semaphore_wait(semaphore, 20000000), CW_OK);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
}

static void *post_many(void *argument) {
  for (int i = 0; i < 1000; i++) CHECK_IS(cw_semaphore_post(argument), CW_OK);
  return NULL;
}

static void under_load(void) {
  cw_semaphore *semaphore = opened(0);
  acquirer all[3];
  pthread_t posting[2];
  for (int i = 0; i < 3; i++) all[i] = open_acquirer(semaphore);
  for (int i = 0; i < 2; i++) CHECK_IS(pthread_create(&posting[i], NULL, post_many, semaphore), 0);
  uint32_t sum = 0;
  for (uint32_t wanted = 1; sum < 1500; wanted++) {
    sum = 0;
    for (int i = 0; i < 3; i++) {
      CHECK_IS(cw_acquirer_want(all[i].native, 10 * wanted), CW_OK);
      sum += atomic_load(all[i].taken);
    }
    pause_ms(1);
  }
  for (int i = 0; i < 2; i++) CHECK_IS(pthread_join(posting[i], NULL), 0);
  for (int i = 0; i < 3; i++) CHECK_IS(cw_acquirer_close(all[i].native, 0), CW_OK);
  for (int i = 0; i < 2000; i++) CHECK_IS(cw_semaphore_wait(semaphore, 20000000), CW_OK);
  CHECK_IS(left(semaphore), 0);
  CHECK_IS(cw_semaphore_close(semaphore), CW_OK);
}

static void unlink_name(void) {
  cw_semaphore_unlink(name);
}

int main(void) {
  begin();
  snprintf(name, sizeof name, "causeway-test-acquirer-%ld", (long)getpid());
  atexit(unlink_name);
  CHECK_IS(cw_segment_create(in_scratch("node"), 1, &node), CW_OK);
  arguments();
  takes_what_is_wanted();
  gives_back();
  ends_with_its_thread();
  under_load();
  pause_ms(CW_ACQUIRER_TURN_US / 1000 + 200); /* threads that end free what they used */
  return 0;
}
