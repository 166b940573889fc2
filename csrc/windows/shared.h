/* What the Windows files share. Comes before any header of the system. */
#ifndef CAUSEWAY_WINDOWS_H
#define CAUSEWAY_WINDOWS_H

#include "../common/internal.h"

#define WIN32_LEAN_AND_MEAN
#define UNICODE
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif
#include <windows.h>

#define CW_PATH_SPACE 2048 /* UTF-16 units, with NUL */

int32_t cw_code_of(DWORD number);
int32_t cw_fail_windows(DWORD number);

/* UTF-8 to an absolute UTF-16 path without the limit of 260. 0 or a CW_E…. */
int32_t cw_wide_path(const char *path, WCHAR *out);

/* UTF-16 to UTF-8: the length without NUL, or CW_ESIZE. */
int32_t cw_narrow(const WCHAR *text, char *out, uint32_t capacity);

/* 0 when the open file or directory is this user's, else a CW_E…. */
int32_t cw_check_owner(HANDLE file);

/* Closes what is cached for the doorbells of a segment. */
void cw_doorbell_forget(const void *base);

static inline HANDLE cw_handle_of(int64_t handle) {
  return handle < 0 ? NULL : (HANDLE)(uintptr_t)(handle & ~CW_LEASED);
}

static inline DWORD cw_milliseconds(uint32_t timeout_us) {
  return timeout_us == CW_FOREVER ? INFINITE : timeout_us / 1000u + (timeout_us % 1000u != 0);
}

/* In milliseconds; UINT64_MAX is never. */
uint64_t cw_deadline(uint32_t timeout_us);

/* Sleeps a little longer at every turn, up to about 2 ms. */
void cw_back_off(unsigned turn);

#endif
