/*
 * Paths, owners, clock, randomness; and what Windows doesn't have.
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

int32_t cw_wide_path(const char *path, WCHAR *out) {
  WCHAR given[CW_PATH_SPACE];
  if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, given, CW_PATH_SPACE)) {
    return cw_fail(CW_EARGUMENT, (int32_t)GetLastError());
  }
  /* \\?\ lifts the limit of 260, and wants a path without / or .. in it. */
  WCHAR *full = out + 4;
  DWORD length = GetFullPathNameW(given, CW_PATH_SPACE - 4, full, NULL);
  if (length == 0) return cw_fail_windows(GetLastError());
  if (length >= CW_PATH_SPACE - 4) return cw_fail(CW_EARGUMENT, 0);
  if (full[0] == L'\\' && full[1] == L'\\') {
    memmove(out, full, (length + 1) * sizeof *full);
  } else {
    memcpy(out, L"\\\\?\\", 4 * sizeof *out);
  }
  return CW_OK;
}

static bool is_ours(HANDLE token, TOKEN_INFORMATION_CLASS kind, PSID owner) {
  union {
    TOKEN_USER user;
    TOKEN_OWNER owner;
    BYTE space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  } found;
  DWORD length;
  if (!GetTokenInformation(token, kind, &found, sizeof found, &length)) return false;
  return EqualSid(owner, kind == TokenUser ? found.user.User.Sid : found.owner.Owner);
}

int32_t cw_check_owner(HANDLE file) {
  PSID owner;
  PSECURITY_DESCRIPTOR descriptor;
  DWORD number = GetSecurityInfo(file, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL,
                                 NULL, NULL, &descriptor);
  if (number != ERROR_SUCCESS) return cw_fail_windows(number);
  HANDLE token;
  bool ours = false;
  if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
    ours = is_ours(token, TokenUser, owner) || is_ours(token, TokenOwner, owner);
    CloseHandle(token);
  }
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

uint64_t cw_deadline(uint32_t timeout_us) {
  return timeout_us == CW_FOREVER ? UINT64_MAX : GetTickCount64() + cw_milliseconds(timeout_us);
}

void cw_sleep(uint32_t microseconds) {
  Sleep(cw_milliseconds(microseconds));
}

void cw_back_off(unsigned turn) {
  Sleep(turn < 4 ? 0 : turn < 16 ? 1 : 2);
}

int32_t cw_random(void *out, uint32_t length) {
  if (length > 256) return cw_fail(CW_EARGUMENT, 0);
  NTSTATUS status = BCryptGenRandom(NULL, out, length, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
  return status >= 0 ? CW_OK : cw_fail(CW_ESYSTEM, (int32_t)status);
}

int32_t cw_pipe_open(int32_t *out) {
  (void)out;
  return cw_fail(CW_EUNSUPPORTED, 0);
}

int32_t cw_descriptor_close(int32_t descriptor) {
  (void)descriptor;
  return cw_fail(CW_EUNSUPPORTED, 0);
}
