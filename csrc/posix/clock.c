/*
 * The monotonic clock, and sleeping by it. The clock is the machine's: values
 * of several processes can be compared, those of two boots can't.
 */
#include "posix.h"

#include <errno.h>
#include <time.h>

#define LONGEST_BACK_OFF_US 2000u

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int32_t cw_clock(uint64_t *out) {
  *out = now();
  return CW_OK;
}

void cw_sleep(uint32_t microseconds) {
  struct timespec time = {
    .tv_sec = (time_t)(microseconds / 1000000u),
    .tv_nsec = (long)(microseconds % 1000000u) * 1000,
  };
  nanosleep(&time, NULL);
}

uint64_t cw_deadline(uint32_t timeout_us) {
  return timeout_us == CW_FOREVER ? UINT64_MAX : now() + (uint64_t)timeout_us * 1000u;
}

bool cw_expired(uint64_t deadline) {
  return deadline != UINT64_MAX && now() >= deadline;
}

void cw_back_off(unsigned turn) {
  uint32_t time = turn < 6 ? 50u << turn : LONGEST_BACK_OFF_US;
  cw_sleep(time);
}
