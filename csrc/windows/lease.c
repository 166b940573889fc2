/*
 * Leases: LockFileEx on a byte far behind the end of a segment's file.
 *
 * Guaranteed: at most one handle holds the lease, and the system drops it when
 * the handle is closed or its process has ended. It may take a moment to do so
 * after the end, says Microsoft.
 */
#include "shared.h"

#define LEASE_BYTE_HIGH 0x40000000u

/* A tester holds a shared lock for a moment. How often to look past that. */
#define ATTEMPTS 120u

/* 0 or the system's error. */
static DWORD lock(HANDLE file, DWORD exclusively) {
  OVERLAPPED where = {.OffsetHigh = LEASE_BYTE_HIGH};
  DWORD how = exclusively | LOCKFILE_FAIL_IMMEDIATELY;
  return LockFileEx(file, how, 0, 1, 0, &where) ? 0 : GetLastError();
}

static void unlock(HANDLE file) {
  OVERLAPPED where = {.OffsetHigh = LEASE_BYTE_HIGH};
  UnlockFileEx(file, 0, 1, 0, &where);
}

static bool is_held(DWORD number) {
  return number == ERROR_LOCK_VIOLATION || number == ERROR_IO_PENDING;
}

int32_t cw_lease_take(cw_segment *segment) {
  HANDLE file = cw_handle_of(segment->handle);
  if (!file) return cw_fail(CW_EARGUMENT, 0);
  if (segment->handle & CW_LEASED) return CW_OK;
  for (unsigned i = 0; i < ATTEMPTS; i++) {
    DWORD number = lock(file, LOCKFILE_EXCLUSIVE_LOCK);
    if (number == 0) {
      segment->handle |= CW_LEASED;
      return CW_OK;
    }
    if (!is_held(number)) return cw_fail_windows(number);
    /* If it can be shared, then there are only testers: try again. */
    if (lock(file, 0) != 0) break;
    unlock(file);
    cw_back_off(i);
  }
  return cw_fail(CW_EBUSY, ERROR_LOCK_VIOLATION);
}

int32_t cw_lease_test(cw_segment *segment) {
  HANDLE file = cw_handle_of(segment->handle);
  /* A handle's locks conflict with each other: one's own would look held. */
  if (!file || (segment->handle & CW_LEASED)) return cw_fail(CW_EARGUMENT, 0);
  DWORD number = lock(file, 0);
  if (is_held(number)) return 1;
  if (number != 0) return cw_fail_windows(number);
  unlock(file);
  return 0;
}
