/* cw_wait and cw_wake: time-outs, and wakes that race with going to sleep. */
#include "check.h"

#include <pthread.h>

static cw_segment node;

static int32_t wait_on(uint32_t offset, uint32_t expected, uint32_t timeout_us) {
  return cw_wait((void *)(uintptr_t)node.base, offset, expected, timeout_us);
}

static int32_t wake(uint32_t offset) {
  return cw_wake((void *)(uintptr_t)node.base, offset);
}

static void times_out(void) {
  *word_of(&node, BELL) = 7;
  CHECK_IS(wait_on(BELL, 7, 0), CW_ETIMEOUT);
  CHECK_IS(wait_on(BELL, 6, UINT32_MAX), CW_OK);
  CHECK_IS(wait_on(BELL, 6, 0), CW_OK);
  CHECK_IS(wait_on(BELL + 1, 7, 0), CW_EARGUMENT);
  CHECK_IS(wake(BELL + 1), CW_EARGUMENT);
  CHECK_IS(wake(BELL), CW_OK); /* nobody sleeps */
  uint64_t before = clock_ns();
  int32_t status;
  do status = wait_on(BELL, 7, 20000);
  while (status == CW_OK); /* may wake for no reason */
  CHECK_IS(status, CW_ETIMEOUT);
  CHECK(clock_ns() - before >= 20000000u);
}

#if !defined(_WIN32)
static void nothing(int number) {
  (void)number;
}

static void *interrupt(void *main_thread) {
  for (int i = 0; i < 20; i++) {
    pause_ms(1);
    pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
  }
  return NULL;
}

static void signals_are_no_errors(void) {
  struct sigaction action = {.sa_handler = nothing};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  pthread_t self = pthread_self();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, interrupt, &self) == 0);
  for (int i = 0; i < 30; i++) {
    int32_t status = wait_on(BELL, 7, 1000);
    CHECK(status == CW_OK || status == CW_ETIMEOUT);
  }
  CHECK(pthread_join(thread, NULL) == 0);
}
#endif

/* A wake without a pause between it and the sleeper's look must not be lost:
 * the sleeper would never see the end. */
#define LAST 20000u

static void *follow(void *unused) {
  uint32_t seen = 0;
  while ((seen = *word_of(&node, BLOCK)) != LAST) wait_on(BLOCK, seen, UINT32_MAX);
  return unused;
}

static void race(void) {
  pthread_t threads[3];
  *word_of(&node, BLOCK) = 0;
  for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, follow, NULL) == 0);
  for (uint32_t i = 1; i <= LAST; i++) {
    *word_of(&node, BLOCK) = i;
    wake(BLOCK);
  }
  for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(void) {
  begin();
  CHECK_IS(cw_segment_create(in_scratch("node"), 1, &node), CW_OK);
  CHECK_IS(cw_random((void *)(uintptr_t)(node.base + CW_ID_OFFSET), 16), CW_OK);
  times_out();
#if !defined(_WIN32)
  signals_are_no_errors();
#endif
  race();
  CHECK_IS(cw_segment_close(&node), CW_OK);
  return 0;
}
