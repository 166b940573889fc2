/* What the acquirers need: see common/acquirer.h. */
#include "shared.h"

#include "../common/acquirer.h"

static SRWLOCK lock = SRWLOCK_INIT;

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
