/* See owned.h. */
#include "owned.h"

#include <stdlib.h>

struct cw_owned {
  cw_owned *next;
  cw_owned_end *end;
  int64_t value;
  uint64_t thread;
  uint64_t process;
};

static cw_owned *first; /* under the lock, the oldest at first */

static void append(cw_owned *owned) {
  owned->next = NULL;
  cw_owned **link = &first;
  while (*link) link = &(*link)->next;
  *link = owned;
}

static cw_owned *unlink_at(cw_owned **link) {
  cw_owned *found = *link;
  if (found) *link = found->next;
  return found;
}

int32_t cw_owned_add(cw_owned_end *end, int64_t value) {
  int32_t status = cw_owner_attend();
  if (status < 0) return status;
  cw_owned *owned = malloc(sizeof *owned);
  if (!owned) return cw_fail_memory();
  *owned = (cw_owned){
    .end = end, .value = value, .thread = cw_owner_thread(), .process = cw_owner_process()};
  cw_owned_put_back(owned);
  return CW_OK;
}

cw_owned *cw_owned_take(cw_owned_end *end, int64_t value) {
  cw_owners_lock();
  cw_owned **link = &first;
  while (*link && ((*link)->end != end || (*link)->value != value)) link = &(*link)->next;
  cw_owned *found = unlink_at(link);
  cw_owners_unlock();
  return found;
}

void cw_owned_put_back(cw_owned *owned) {
  cw_owners_lock();
  append(owned);
  cw_owners_unlock();
}

/* A forked child has a copy of the list, but what its parent owns is none of its
 * business. */
static cw_owned *take_own(void) {
  uint64_t thread = cw_owner_thread();
  uint64_t process = cw_owner_process();
  cw_owners_lock();
  cw_owned **link = &first;
  while (*link && ((*link)->thread != thread || (*link)->process != process)) {
    link = &(*link)->next;
  }
  cw_owned *found = unlink_at(link);
  cw_owners_unlock();
  return found;
}

void cw_owner_ended(void) {
  for (cw_owned *owned; (owned = take_own()) != NULL; free(owned)) owned->end(owned->value);
}
