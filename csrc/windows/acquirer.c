/* What the acquirers need: see common/acquirer.h. */
#include "shared.h"

#include "../common/acquirer.h"

static SRWLOCK lock = SRWLOCK_INIT;
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static DWORD own_slot = FLS_OUT_OF_INDEXES;

void cw_acquirers_lock(void) {
  AcquireSRWLockExclusive(&lock);
}

void cw_acquirers_unlock(void) {
  ReleaseSRWLockExclusive(&lock);
}

static DWORD WINAPI attend(LPVOID acquirer) {
  cw_acquirer_attend(acquirer);
  return 0;
}

int32_t cw_acquirer_start(cw_acquirer *acquirer) {
  HANDLE thread = CreateThread(NULL, 0, attend, acquirer, 0, NULL);
  if (!thread) return cw_fail_windows(GetLastError());
  CloseHandle(thread);
  return CW_OK;
}

static void WINAPI thread_ended(PVOID first) {
  if (!cw_process_ends()) cw_acquirers_abandon(first);
}

static BOOL CALLBACK set_up(PINIT_ONCE unused, PVOID argument, PVOID *context) {
  (void)unused;
  (void)argument;
  (void)context;
  own_slot = FlsAlloc(thread_ended);
  cw_pin();
  return TRUE;
}

cw_acquirer *cw_acquirers_own(void) {
  InitOnceExecuteOnce(&once, set_up, NULL, NULL);
  return own_slot != FLS_OUT_OF_INDEXES ? FlsGetValue(own_slot) : NULL;
}

int32_t cw_acquirers_set_own(cw_acquirer *first) {
  if (own_slot == FLS_OUT_OF_INDEXES) return cw_fail_windows(ERROR_NO_SYSTEM_RESOURCES);
  return FlsSetValue(own_slot, first) ? CW_OK : cw_fail_windows(GetLastError());
}
