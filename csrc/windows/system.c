/*
 * Owners, clock, randomness, the end of the process.
 *
 * An owner is compared with the user of this process and with the owner it
 * gives to new files (for an administrator that is the group). Access lists
 * are not looked at: a directory made here inherits its parent's, and that of
 * the user's temporary directory keeps other users out.
 */
#include "shared.h"

#include <aclapi.h>
#include <bcrypt.h>
#include <string.h>

PSID cw_user_of_process(cw_user *space) {
  HANDLE token;
  DWORD length;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return NULL;
  bool known = GetTokenInformation(token, TokenUser, space, sizeof *space, &length);
  DWORD number = GetLastError();
  CloseHandle(token);
  SetLastError(number);
  return known ? space->token.User.Sid : NULL;
}

/* The owner of what this process makes: an administrator's may be the group. */
static bool is_usual_owner(PSID owner) {
  union {
    TOKEN_OWNER token;
    BYTE space[sizeof(TOKEN_OWNER) + SECURITY_MAX_SID_SIZE];
  } usual;
  HANDLE token;
  DWORD length;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return false;
  bool known = GetTokenInformation(token, TokenOwner, &usual, sizeof usual, &length);
  CloseHandle(token);
  return known && EqualSid(owner, usual.token.Owner);
}

int32_t cw_check_owner(HANDLE file) {
  PSID owner;
  PSECURITY_DESCRIPTOR descriptor;
  DWORD number = GetSecurityInfo(file, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL,
                                 NULL, NULL, &descriptor);
  if (number != ERROR_SUCCESS) return cw_fail_windows(number);
  cw_user space;
  PSID user = cw_user_of_process(&space);
  bool ours = (user && EqualSid(owner, user)) || is_usual_owner(owner);
  LocalFree(descriptor);
  return ours ? CW_OK : cw_fail(CW_ENOTOWNER, 0);
}

int32_t cw_clock(uint64_t *out) {
  LARGE_INTEGER count;
  LARGE_INTEGER frequency;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&frequency);
  uint64_t ticks = (uint64_t)count.QuadPart;
  uint64_t rate = (uint64_t)frequency.QuadPart;
  /* In two parts, or it overflows after a few days. */
  *out = ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate;
  return CW_OK;
}

static uint64_t now(void) {
  uint64_t out;
  cw_clock(&out);
  return out;
}

uint64_t cw_deadline(uint32_t timeout_us) {
  return timeout_us == CW_FOREVER ? UINT64_MAX : now() + (uint64_t)timeout_us * 1000u;
}

DWORD cw_milliseconds_until(uint64_t deadline) {
  if (deadline == UINT64_MAX) return INFINITE;
  uint64_t before = now();
  return before < deadline ? (DWORD)((deadline - before + 999999u) / 1000000u) : 0;
}

bool cw_expired(uint64_t deadline) {
  return cw_milliseconds_until(deadline) == 0;
}

void cw_sleep(uint32_t microseconds) {
  Sleep(microseconds / 1000u + (microseconds % 1000u != 0));
}

void cw_back_off(unsigned turn) {
  Sleep(turn < 4 ? 0 : turn < 16 ? 1 : 2);
}

int32_t cw_random(void *out, uint32_t length) {
  if (length > 256) return cw_fail(CW_EARGUMENT, 0);
  NTSTATUS status = BCryptGenRandom(NULL, out, length, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
  return status >= 0 ? CW_OK : cw_fail(CW_ESYSTEM, (int32_t)status);
}

void cw_pin(void) {
  static const char here = 0;
  HMODULE pinned;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     (LPCWSTR)(const void *)&here, &pinned);
}

/* Of ntdll. */
BOOLEAN NTAPI RtlDllShutdownInProgress(void);

bool cw_process_ends(void) {
  return RtlDllShutdownInProgress();
}
