/* The ends of threads: see common/owned.h. */
#include "shared.h"

#include "../common/owned.h"

static SRWLOCK lock = SRWLOCK_INIT;
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static DWORD slot = FLS_OUT_OF_INDEXES;

void cw_owners_lock(void) {
  AcquireSRWLockExclusive(&lock);
}

void cw_owners_unlock(void) {
  ReleaseSRWLockExclusive(&lock);
}

static void WINAPI ended(PVOID value) {
  if (value && !cw_process_ends()) cw_owner_ended();
}

static BOOL CALLBACK set_up(PINIT_ONCE unused, PVOID argument, PVOID *context) {
  (void)unused;
  (void)argument;
  (void)context;
  slot = FlsAlloc(ended);
  cw_pin();
  return TRUE;
}

int32_t cw_owner_attend(void) {
  InitOnceExecuteOnce(&once, set_up, NULL, NULL);
  if (slot == FLS_OUT_OF_INDEXES) return cw_fail_windows(ERROR_NO_SYSTEM_RESOURCES);
  /* Anything but NULL. */
  return FlsSetValue(slot, &slot) ? CW_OK : cw_fail_windows(GetLastError());
}

uint64_t cw_owner_thread(void) {
  return GetCurrentThreadId();
}

uint64_t cw_owner_process(void) {
  return GetCurrentProcessId();
}
