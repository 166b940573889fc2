/*
 * GetLastError to CW_E… codes, and the system's text for it.
 */
#include "shared.h"

/* Of ntdll: what GetLastError was made from, which is more exact. */
LONG NTAPI RtlGetLastNtStatus(void);
#define DELETE_PENDING ((LONG)0xC0000056)

int32_t cw_code_of(DWORD number) {
  switch (number) {
    case ERROR_ALREADY_EXISTS:
    case ERROR_FILE_EXISTS: return CW_EEXISTS;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE: return CW_ENOTFOUND;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD: return CW_EDENIED;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case ERROR_DISK_QUOTA_EXCEEDED:
    case ERROR_FILE_TOO_LARGE: return CW_ENOSPACE;
    case ERROR_CANT_RESOLVE_FILENAME: return CW_ELINK;
    case ERROR_DIRECTORY: return CW_ETYPE;
    case ERROR_TOO_MANY_OPEN_FILES:
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_MAX_THRDS_REACHED: return CW_ELIMIT;
    case WAIT_TIMEOUT:
    case ERROR_TIMEOUT: return CW_ETIMEOUT;
    case ERROR_DIR_NOT_EMPTY:
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
    case ERROR_BUSY: return CW_EBUSY;
    case ERROR_NOT_SUPPORTED:
    case ERROR_CALL_NOT_IMPLEMENTED: return CW_EUNSUPPORTED;
    case ERROR_INVALID_PARAMETER:
    case ERROR_INVALID_NAME:
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_BAD_PATHNAME: return CW_EARGUMENT;
    case ERROR_WRITE_PROTECT: return CW_EREADONLY;
    default: return CW_ESYSTEM;
  }
}

/* Is it being removed? The system only says that access is denied. */
static bool is_going(DWORD number) {
  return number == ERROR_ACCESS_DENIED && RtlGetLastNtStatus() == DELETE_PENDING;
}

bool cw_is_going(void) {
  return is_going(GetLastError());
}

int32_t cw_fail_windows(DWORD number) {
  /* What is being removed is gone for us. */
  return cw_fail(is_going(number) ? CW_ENOTFOUND : cw_code_of(number), (int32_t)number);
}

int32_t cw_fail_memory(void) {
  return cw_fail_windows(ERROR_NOT_ENOUGH_MEMORY);
}

int32_t cw_error_text(int32_t number, char *out, uint32_t capacity) {
  WCHAR text[512];
  if (!out || capacity == 0) return cw_fail(CW_EARGUMENT, 0);
  DWORD how = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
  DWORD length = FormatMessageW(how, NULL, (DWORD)number, 0, text, 512, NULL);
  while (length > 0 && (text[length - 1] <= L' ' || text[length - 1] == L'.')) text[--length] = 0;
  int32_t written = length > 0 ? cw_narrow(text, out, capacity) : 0;
  if (written > 0) return written;
  out[0] = 0; /* no text, or no room for it */
  return 0;
}
