/*
 * The runtime directory: made, checked, locked, listed, removed.
 *
 * The lock is an open handle of the directory itself which has the right to add
 * files and doesn't share that right with other handles. No file is needed, the
 * directory can be removed while it is locked, and the handle goes with its
 * process. (Adding a file by its path opens no such handle.)
 *
 * Mode bits don't exist; see system.c for what is checked instead. Renaming
 * replaces a file that is there unless somebody has it mapped.
 */
#include "shared.h"

#include <string.h>

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define OPEN_DIRECTORY (FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)

int32_t cw_directory_is_chosen(void) {
  WCHAR first[2];
  return GetEnvironmentVariableW(L"CAUSEWAY_DIR", first, 2) > 0;
}

int32_t cw_directory_default(char *out, uint32_t capacity) {
  WCHAR path[CW_PATH_SPACE];
  DWORD length = GetEnvironmentVariableW(L"CAUSEWAY_DIR", path, CW_PATH_SPACE);
  if (length == 0) {
    static const WCHAR name[] = L"causeway";
    length = GetTempPathW(CW_PATH_SPACE, path); /* ends with a backslash */
    if (length == 0) return cw_fail_windows(GetLastError());
    if (length + sizeof name / sizeof *name > CW_PATH_SPACE) return cw_fail(CW_ESIZE, 0);
    memcpy(path + length, name, sizeof name);
  }
  if (length >= CW_PATH_SPACE) return cw_fail(CW_ESIZE, 0);
  return cw_narrow(path, out, capacity);
}

/* Is it a directory and no link? */
static int32_t check_kind(HANDLE directory) {
  BY_HANDLE_FILE_INFORMATION found;
  if (!GetFileInformationByHandle(directory, &found)) return cw_fail_windows(GetLastError());
  if (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) return cw_fail(CW_ELINK, 0);
  if (!(found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) return cw_fail(CW_ETYPE, 0);
  return CW_OK;
}

int32_t cw_directory_prepare(const char *path) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  bool made = CreateDirectoryW(wide, NULL);
  if (!made && GetLastError() != ERROR_ALREADY_EXISTS) return cw_fail_windows(GetLastError());
  HANDLE directory = CreateFileW(wide, READ_CONTROL | FILE_READ_ATTRIBUTES, SHARE_ALL, NULL,
                                 OPEN_EXISTING, OPEN_DIRECTORY, NULL);
  if (directory == INVALID_HANDLE_VALUE) return cw_fail_windows(GetLastError());
  status = check_kind(directory);
  if (status >= 0) status = cw_check_owner(directory);
  CloseHandle(directory);
  return status < 0 ? status : made;
}

int32_t cw_directory_lock(const char *path, uint32_t timeout_us) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  uint64_t deadline = cw_deadline(timeout_us);
  HANDLE directory;
  for (unsigned turn = 0;; turn++) {
    /* Opened by its path each time: what is got is what is there now. */
    directory = CreateFileW(wide, FILE_ADD_FILE | FILE_READ_ATTRIBUTES,
                            FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                            OPEN_DIRECTORY, NULL);
    if (directory != INVALID_HANDLE_VALUE) break;
    if (GetLastError() != ERROR_SHARING_VIOLATION) return cw_fail_windows(GetLastError());
    if (GetTickCount64() >= deadline) return cw_fail(CW_ETIMEOUT, WAIT_TIMEOUT);
    cw_back_off(turn);
  }
  status = check_kind(directory);
  if (status >= 0) return (int32_t)(intptr_t)directory; /* 32 bits of a handle count */
  CloseHandle(directory);
  return status;
}

int32_t cw_directory_unlock(int32_t handle) {
  return CloseHandle((HANDLE)(intptr_t)handle) ? CW_OK : cw_fail_windows(GetLastError());
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

int32_t cw_directory_list(const char *path, char *out, uint32_t capacity) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  size_t end = wcslen(wide);
  if (end + 3 > CW_PATH_SPACE) return cw_fail(CW_EARGUMENT, 0);
  memcpy(wide + end, L"\\*", 3 * sizeof *wide);
  WIN32_FIND_DATAW entry;
  HANDLE search = FindFirstFileW(wide, &entry);
  if (search == INVALID_HANDLE_VALUE) return cw_fail_windows(GetLastError());
  uint32_t used = 0;
  do {
    const WCHAR *name = entry.cFileName;
    if (wcscmp(name, L".") != 0 && wcscmp(name, L"..") != 0) add_name(name, out, capacity, &used);
  } while (FindNextFileW(search, &entry));
  DWORD number = GetLastError();
  FindClose(search);
  return number == ERROR_NO_MORE_FILES ? (int32_t)used : cw_fail_windows(number);
}

int32_t cw_directory_remove(const char *path) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  return RemoveDirectoryW(wide) ? CW_OK : cw_fail_windows(GetLastError());
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

int32_t cw_file_remove(const char *path) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  return DeleteFileW(wide) ? CW_OK : cw_fail_windows(GetLastError());
}

int32_t cw_file_rename(const char *from, const char *to) {
  WCHAR old[CW_PATH_SPACE];
  WCHAR new[CW_PATH_SPACE];
  int32_t status = cw_wide_path(from, old);
  if (status >= 0) status = cw_wide_path(to, new);
  if (status < 0) return status;
  return MoveFileExW(old, new, MOVEFILE_REPLACE_EXISTING) ? CW_OK : cw_fail_windows(GetLastError());
}
