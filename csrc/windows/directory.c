/*
 * The runtime directory: made, checked, locked, listed. files.c removes.
 *
 * The lock of a directory is a file beside it, <name>.lock, open for nobody else
 * and removed by the system when it is closed, also by the end of its process.
 * Not a handle of the directory itself: for a file to be renamed, the system
 * opens the directory it is in, which such a handle would refuse.
 *
 * Mode bits don't exist; see system.c for what is checked instead.
 */
#include "shared.h"

#include "../common/owned.h"

#include <stdlib.h>
#include <string.h>

/* What is being removed may keep its name for a moment. */
#define PATIENCE_US 500000u

#define OPEN_DIRECTORY (FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)

int32_t cw_directory_is_chosen(void) {
  WCHAR first[2];
  return GetEnvironmentVariableW(L"CAUSEWAY_DIR", first, 2) > 0;
}

int32_t cw_directory_default(char *out, uint32_t capacity, uint32_t ignore_chosen) {
  WCHAR path[CW_PATH_SPACE];
  DWORD length =
    ignore_chosen ? 0 : GetEnvironmentVariableW(L"CAUSEWAY_DIR", path, CW_PATH_SPACE);
  if (length == 0) {
    static const WCHAR name[] = L"causeway";
    length = GetTempPathW(CW_PATH_SPACE, path); /* ends with a backslash */
    if (length == 0) return cw_fail_windows(GetLastError());
    if (length + sizeof name / sizeof *name > CW_PATH_SPACE) return cw_fail(CW_ESIZE, 0);
    memcpy(path + length, name, sizeof name);
  }
  if (length >= CW_PATH_SPACE) return cw_fail(CW_ESIZE, 0);
  if (!cw_is_absolute(path)) return cw_fail(CW_EARGUMENT, 0);
  return cw_narrow(path, out, capacity);
}

/* Its handle, or INVALID_HANDLE_VALUE with the thread's last error. */
static HANDLE open_directory(const WCHAR *path, DWORD access) {
  return CreateFileW(path, access, CW_SHARE_ALL, NULL, OPEN_EXISTING, OPEN_DIRECTORY, NULL);
}

static int32_t check_mine(const WCHAR *path) {
  const DWORD look = READ_CONTROL | FILE_READ_ATTRIBUTES;
  /* With the right to add files to it, unless somebody has it open who refuses that. */
  HANDLE directory = open_directory(path, look | FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY);
  if (directory == INVALID_HANDLE_VALUE && GetLastError() == ERROR_SHARING_VIOLATION) {
    directory = open_directory(path, look);
  }
  if (directory == INVALID_HANDLE_VALUE) return cw_fail_windows(GetLastError());
  int32_t status = cw_check_directory(directory);
  if (status >= 0) status = cw_check_owner(directory);
  CloseHandle(directory);
  return status;
}

int32_t cw_directory_prepare(const char *path) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  uint64_t deadline = cw_deadline(PATIENCE_US);
  for (unsigned turn = 0;; turn++) {
    bool made = CreateDirectoryW(wide, NULL);
    DWORD number = made ? ERROR_SUCCESS : GetLastError();
    bool going = !made && cw_is_going();
    if (!made) status = cw_fail_windows(number);
    /* Also if we couldn't make it: it may be there nevertheless. */
    int32_t found = going ? CW_ENOTFOUND : check_mine(wide);
    if (found != CW_ENOTFOUND) return found < 0 ? found : made;
    /* Somebody removes it just now. */
    bool again = made || going || number == ERROR_ALREADY_EXISTS;
    if (!again || cw_milliseconds_until(deadline) == 0) {
      return made ? found : cw_fail(status, (int32_t)number);
    }
    cw_back_off(turn);
  }
}

/* Opens the lock's file for nobody but us. */
static HANDLE open_lock(const WCHAR *path) {
  DWORD flags = FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE | FILE_FLAG_OPEN_REPARSE_POINT;
  return CreateFileW(path, GENERIC_WRITE | DELETE, 0, NULL, OPEN_ALWAYS, flags, NULL);
}

static int32_t take_lock(const WCHAR *path, uint32_t timeout_us, HANDLE *out) {
  uint64_t deadline = cw_deadline(timeout_us);
  for (unsigned turn = 0;; turn++) {
    *out = open_lock(path);
    if (*out != INVALID_HANDLE_VALUE) return CW_OK;
    DWORD number = GetLastError();
    if (number != ERROR_SHARING_VIOLATION && !cw_is_going()) return cw_fail_windows(number);
    if (cw_milliseconds_until(deadline) == 0) return cw_fail(CW_ETIMEOUT, WAIT_TIMEOUT);
    cw_back_off(turn);
  }
}

/* Without a handle, which could keep a directory that is being removed. */
static int32_t check_there(const WCHAR *path) {
  DWORD attributes = GetFileAttributesW(path);
  if (attributes == INVALID_FILE_ATTRIBUTES) return cw_fail_windows(GetLastError());
  if (attributes & FILE_ATTRIBUTE_REPARSE_POINT) return cw_fail(CW_ELINK, 0);
  return attributes & FILE_ATTRIBUTE_DIRECTORY ? CW_OK : cw_fail(CW_ETYPE, 0);
}

/* Also when the thread that holds it ends: a worker can be terminated anywhere. */
static void end_lock(int64_t handle) {
  CloseHandle((HANDLE)(intptr_t)handle);
}

int32_t cw_directory_lock(const char *path, uint32_t timeout_us) {
  WCHAR wide[CW_PATH_SPACE];
  WCHAR beside[CW_PATH_SPACE];
  HANDLE lock;
  int32_t status = cw_wide_path(path, wide);
  if (status >= 0) status = check_there(wide);
  if (status < 0) return status;
  size_t length = wcslen(wide);
  if (length + sizeof CW_LOCK_ENDING / sizeof *wide > CW_PATH_SPACE) return cw_fail(CW_EARGUMENT, 0);
  memcpy(beside, wide, length * sizeof *wide);
  memcpy(beside + length, CW_LOCK_ENDING, sizeof CW_LOCK_ENDING);
  status = take_lock(beside, timeout_us, &lock);
  if (status < 0) return status;
  /* Only who has the lock removes the directory: it stays. */
  status = check_there(wide);
  int32_t handle = (int32_t)(intptr_t)lock; /* 32 bits of a handle count */
  if (status >= 0) status = cw_owned_add(end_lock, handle);
  if (status >= 0) return handle;
  CloseHandle(lock);
  return status;
}

int32_t cw_directory_unlock(int32_t handle) {
  cw_owned *owned = cw_owned_take(end_lock, handle);
  if (!owned) return cw_fail(CW_EARGUMENT, 0);
  free(owned);
  end_lock(handle);
  return CW_OK;
}

static bool ends_with(const WCHAR *name, const WCHAR *ending) {
  size_t length = wcslen(name);
  size_t count = wcslen(ending);
  return length > count && wcscmp(name + length - count, ending) == 0;
}

static bool is_listed(const WCHAR *name) {
  return wcscmp(name, L".") != 0 && wcscmp(name, L"..") != 0 && !ends_with(name, CW_LOCK_ENDING) &&
         !ends_with(name, CW_GONE_ENDING);
}

/* Adds a name to the list if there is room, and to `used` in any case. */
static void add_name(const WCHAR *name, char *out, uint32_t capacity, uint32_t *used) {
  int length = WideCharToMultiByte(CP_UTF8, 0, name, -1, NULL, 0, NULL, NULL);
  if (length <= 0) return;
  if (*used + (uint32_t)length <= capacity) {
    WideCharToMultiByte(CP_UTF8, 0, name, -1, out + *used, length, NULL, NULL);
  }
  *used += (uint32_t)length;
}

/* Somebody who is about to remove the directory keeps others out for a moment. */
static HANDLE begin_search(const WCHAR *pattern, WIN32_FIND_DATAW *entry) {
  uint64_t deadline = cw_deadline(PATIENCE_US);
  for (unsigned turn = 0;; turn++) {
    HANDLE search = FindFirstFileW(pattern, entry);
    if (search != INVALID_HANDLE_VALUE || GetLastError() != ERROR_SHARING_VIOLATION) return search;
    if (cw_milliseconds_until(deadline) == 0) {
      SetLastError(ERROR_SHARING_VIOLATION);
      return search;
    }
    cw_back_off(turn);
  }
}

int32_t cw_directory_list(const char *path, char *out, uint32_t capacity) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  size_t end = wcslen(wide);
  if (end + 3 > CW_PATH_SPACE) return cw_fail(CW_EARGUMENT, 0);
  memcpy(wide + end, L"\\*", 3 * sizeof *wide);
  WIN32_FIND_DATAW entry;
  HANDLE search = begin_search(wide, &entry);
  if (search == INVALID_HANDLE_VALUE) {
    status = cw_fail_windows(GetLastError());
    wide[end] = 0;
    DWORD attributes = GetFileAttributesW(wide); /* only chooses the error */
    bool other = attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY);
    return other ? cw_fail(CW_ETYPE, ERROR_DIRECTORY) : status;
  }
  uint32_t used = 0;
  do {
    if (is_listed(entry.cFileName)) add_name(entry.cFileName, out, capacity, &used);
  } while (FindNextFileW(search, &entry));
  DWORD number = GetLastError();
  FindClose(search);
  return number == ERROR_NO_MORE_FILES ? (int32_t)used : cw_fail_windows(number);
}

int32_t cw_directory_space(const char *path, uint64_t *out) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  ULARGE_INTEGER available;
  ULARGE_INTEGER total;
  if (!GetDiskFreeSpaceExW(wide, &available, &total, NULL)) return cw_fail_windows(GetLastError());
  out[0] = available.QuadPart;
  out[1] = total.QuadPart;
  return CW_OK;
}
