/*
 * Who may have died, on systems that don't tell: a tick every CW_DEATH_TICK_US,
 * whether somebody died or not.
 */
#include "posix.h"

#include <stdlib.h>

struct cw_deaths {
  bool begun;
};

cw_deaths *cw_deaths_open(const char *directory) {
  (void)directory;
  return calloc(1, sizeof(cw_deaths));
}

void cw_deaths_close(cw_deaths *deaths) {
  free(deaths);
}

bool cw_deaths_step(cw_deaths *deaths, cw_deaths_poll *poll) {
  bool begun = deaths->begun;
  deaths->begun = true;
  poll->descriptor = -1;
  poll->timeout_ms = CW_DEATH_TICK_US / 1000u;
  return begun;
}

void cw_lease_tell(int fd) {
  (void)fd; /* the next tick does */
}
