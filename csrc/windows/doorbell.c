/*
 * Sleeping on a word of shared memory, which Windows can't do between
 * processes: a named manual-reset event per word instead, named after the
 * segment's random id and the word's offset.
 *
 * A sleeper resets the event, then looks at the word, then sleeps. A waker has
 * changed the word before it sets the event, so the sleeper sees one or the
 * other, as long as it is the only one. When there are several, one may reset
 * the event just before another sleeps: therefore nobody sleeps longer than
 * LONGEST_SLEEP_MS without looking at the word again.
 *
 * The names are those of a logon session (Local\): processes of one user in two
 * sessions don't wake each other.
 */
#include "shared.h"

#include <string.h>

#define LONGEST_SLEEP_MS 100u
#define CACHED 64

typedef struct entry {
  unsigned char id[CW_ID_LENGTH];
  uint32_t offset;
  uint32_t users;
  uint64_t last; /* when it was used, by `uses` */
  HANDLE event;  /* NULL: a free place */
} entry;

static SRWLOCK lock = SRWLOCK_INIT;
static entry cache[CACHED]; /* under `lock`, as is */
static uint64_t uses;

/* Adds bytes as hexadecimal digits. By hand: swprintf would triple the library. */
static WCHAR *add_hex(WCHAR *at, const void *bytes, unsigned count) {
  static const char digits[] = "0123456789abcdef";
  for (unsigned i = 0; i < count; i++) {
    unsigned char byte = ((const unsigned char *)bytes)[i];
    *at++ = (WCHAR)digits[byte >> 4];
    *at++ = (WCHAR)digits[byte & 15];
  }
  return at;
}

static HANDLE open_event(const unsigned char *id, uint32_t offset) {
  static const WCHAR prefix[] = L"Local\\causeway-";
  WCHAR name[sizeof prefix / sizeof *prefix + 2 * (CW_ID_LENGTH + sizeof offset)];
  memcpy(name, prefix, sizeof prefix);
  WCHAR *end = name + sizeof prefix / sizeof *prefix - 1;
  end = add_hex(end, id, CW_ID_LENGTH);
  *add_hex(end, &offset, sizeof offset) = 0;
  return CreateEventW(NULL, TRUE, FALSE, name);
}

static bool is_for(const entry *place, const unsigned char *id, uint32_t offset) {
  return place->event && place->offset == offset && memcmp(place->id, id, CW_ID_LENGTH) == 0;
}

/* The word's place, or the one to use for it, or NULL when all are in use. */
static entry *find_place(const unsigned char *id, uint32_t offset) {
  entry *best = NULL;
  for (int i = 0; i < CACHED; i++) {
    entry *place = &cache[i];
    if (is_for(place, id, offset)) return place;
    if (place->users > 0) continue;
    if (!best || !place->event || (best->event && place->last < best->last)) best = place;
  }
  return best;
}

/* An event and, unless *place is NULL, its place in the cache. */
static HANDLE acquire(const void *base, uint32_t offset, entry **place) {
  const unsigned char *id = (const unsigned char *)base + CW_ID_OFFSET;
  AcquireSRWLockExclusive(&lock);
  entry *found = find_place(id, offset);
  if (found && !is_for(found, id, offset)) {
    if (found->event) CloseHandle(found->event);
    memcpy(found->id, id, CW_ID_LENGTH);
    found->offset = offset;
    found->event = open_event(id, offset);
  }
  HANDLE event = found ? found->event : open_event(id, offset);
  if (!event) found = NULL;
  if (found) {
    found->users++;
    found->last = ++uses;
  }
  ReleaseSRWLockExclusive(&lock);
  *place = found;
  return event;
}

static void release(HANDLE event, entry *place) {
  if (!place) {
    CloseHandle(event);
    return;
  }
  AcquireSRWLockExclusive(&lock);
  place->users--;
  ReleaseSRWLockExclusive(&lock);
}

void cw_doorbell_forget(const void *base) {
  const unsigned char *id = (const unsigned char *)base + CW_ID_OFFSET;
  AcquireSRWLockExclusive(&lock);
  for (int i = 0; i < CACHED; i++) {
    entry *place = &cache[i];
    if (place->users > 0 || !is_for(place, id, place->offset)) continue;
    CloseHandle(place->event);
    place->event = NULL;
  }
  ReleaseSRWLockExclusive(&lock);
}

static int32_t wait_on(HANDLE event, cw_word *word, uint32_t expected, uint32_t timeout_us) {
  uint64_t deadline = cw_deadline(timeout_us);
  ResetEvent(event);
  for (;;) {
    if (atomic_load(word) != expected) return CW_OK;
    DWORD left = cw_milliseconds_until(deadline);
    if (left == 0) return cw_fail(CW_ETIMEOUT, WAIT_TIMEOUT);
    DWORD slice = left < LONGEST_SLEEP_MS ? left : LONGEST_SLEEP_MS;
    DWORD result = WaitForSingleObject(event, slice);
    if (result == WAIT_OBJECT_0) return CW_OK;
    if (result != WAIT_TIMEOUT) return cw_fail_windows(GetLastError());
  }
}

int32_t cw_wait(void *base, uint32_t offset, uint32_t expected, uint32_t timeout_us) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  cw_word *word = cw_word_at(base, offset);
  if (atomic_load(word) != expected) return CW_OK;
  entry *place;
  HANDLE event = acquire(base, offset, &place);
  if (!event) return cw_fail_windows(GetLastError());
  int32_t status = wait_on(event, word, expected, timeout_us);
  release(event, place);
  return status;
}

int32_t cw_wake(void *base, uint32_t offset) {
  if (offset % 4 != 0) return cw_fail(CW_EARGUMENT, 0);
  entry *place;
  HANDLE event = acquire(base, offset, &place);
  if (!event) return cw_fail_windows(GetLastError());
  SetEvent(event);
  release(event, place);
  return CW_OK;
}
