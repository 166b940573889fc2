/*
 * Files and folders that go or get another name while somebody uses them.
 *
 * Windows by itself refuses to remove a file that is mapped, and keeps the name
 * of one that is open until it is closed. Since Windows 10 1607 NTFS can do as
 * POSIX does, if asked without the check that DeleteFile adds to it: the name is
 * free at once, and what is mapped stays until it is unmapped. Where that can't
 * be had (FAT, network shares, Wine) the file gets another name first, in the
 * user's temporary directory or beside, and goes with the last who has it open.
 */
#include "shared.h"

#include <string.h>

/* For so long another program (a virus scanner, a backup) may have a file open in
 * a way that keeps others out. */
#define PATIENCE_US 500000u

/* For so long somebody may list a directory, which then can't be removed (Wine). */
#define LOOK_US 50000u

#define OPEN_ANYTHING (FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS)

static HANDLE open_to_change(const WCHAR *path) {
  return CreateFileW(path, DELETE | FILE_READ_ATTRIBUTES, CW_SHARE_ALL, NULL, OPEN_EXISTING,
                     OPEN_ANYTHING, NULL);
}

int32_t cw_check_directory(HANDLE file) {
  BY_HANDLE_FILE_INFORMATION found;
  if (!GetFileInformationByHandle(file, &found)) return cw_fail_windows(GetLastError());
  if (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) return cw_fail(CW_ELINK, 0);
  if (!(found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) return cw_fail(CW_ETYPE, 0);
  return CW_OK;
}

/* ----------------------------------------------------------------- removing */

static bool remove_as_posix(HANDLE file) {
  FILE_DISPOSITION_INFO_EX how = {
    .Flags = FILE_DISPOSITION_FLAG_DELETE | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS,
  };
  return SetFileInformationByHandle(file, FileDispositionInfoEx, &how, sizeof how);
}

/* A name for what is removed, in the folder `at` ends with. */
static int32_t add_gone_name(WCHAR *at, size_t room) {
  static const WCHAR digits[] = L"0123456789abcdef";
  unsigned char random[8];
  WCHAR name[] = L"causeway-0000000000000000" CW_GONE_ENDING;
  int32_t status = cw_random(random, sizeof random);
  if (status < 0) return status;
  for (unsigned i = 0; i < 16; i++) name[9 + i] = digits[random[i / 2] >> (i % 2 * 4) & 15];
  if (room < sizeof name / sizeof *name) return cw_fail(CW_EARGUMENT, 0);
  memcpy(at, name, sizeof name);
  return CW_OK;
}

/* Moves it to the temporary directory if that is on the same volume. */
static bool move_far(const WCHAR *path, WCHAR *aside) {
  DWORD length = GetTempPathW(CW_PATH_SPACE, aside);
  if (length == 0 || length >= CW_PATH_SPACE) return false;
  if (add_gone_name(aside + length, CW_PATH_SPACE - length) < 0) return false;
  return MoveFileExW(path, aside, 0);
}

static bool move_beside(const WCHAR *path, WCHAR *aside) {
  const WCHAR *last = wcsrchr(path, L'\\');
  size_t length = last ? (size_t)(last - path) + 1 : 0;
  memcpy(aside, path, length * sizeof *path);
  if (add_gone_name(aside + length, CW_PATH_SPACE - length) < 0) return false;
  return MoveFileExW(path, aside, 0);
}

/* Frees the name; the file goes when nobody has it open or mapped any more. */
static int32_t remove_aside(const WCHAR *path) {
  WCHAR aside[CW_PATH_SPACE];
  if (!move_far(path, aside) && !move_beside(path, aside)) return cw_fail_windows(GetLastError());
  /* Unlike a removal, this isn't refused while it is mapped. */
  HANDLE file = CreateFileW(aside, DELETE, CW_SHARE_ALL, NULL, OPEN_EXISTING,
                            FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_DELETE_ON_CLOSE, NULL);
  if (file == INVALID_HANDLE_VALUE) return cw_fail_windows(GetLastError());
  CloseHandle(file);
  return CW_OK;
}

/* A directory that somebody looks at goes when he has looked. Who removes it under
 * its lock keeps the lock until then: Wine lets others open it in between. */
static void until_gone(const WCHAR *path) {
  uint64_t deadline = cw_deadline(PATIENCE_US);
  for (unsigned turn = 0; GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES; turn++) {
    if (cw_milliseconds_until(deadline) == 0) return;
    cw_back_off(turn);
  }
}

/* An empty directory whose name is free when nobody has it open any more. */
static int32_t remove_late(HANDLE directory) {
  FILE_DISPOSITION_INFO how = {.DeleteFile = TRUE};
  return SetFileInformationByHandle(directory, FileDispositionInfo, &how, sizeof how)
           ? CW_OK
           : cw_fail_windows(GetLastError());
}

int32_t cw_remove(const WCHAR *path, bool directory) {
  HANDLE file = open_to_change(path);
  if (file == INVALID_HANDLE_VALUE) return cw_fail_windows(GetLastError());
  int32_t status = cw_check_directory(file);
  if (!directory) status = status == CW_OK ? cw_fail(CW_ETYPE, 0) : CW_OK;
  bool removed = status == CW_OK && remove_as_posix(file);
  bool late = status == CW_OK && !removed && directory;
  if (late) status = remove_late(file);
  CloseHandle(file);
  if (late && status == CW_OK) until_gone(path);
  return status == CW_OK && !removed && !directory ? remove_aside(path) : status;
}

int32_t cw_directory_remove(const char *path) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  uint64_t deadline = cw_deadline(LOOK_US);
  for (unsigned turn = 0;; turn++) {
    status = cw_remove(wide, true);
    bool looked_at = status == CW_EBUSY && cw_last_error() == ERROR_SHARING_VIOLATION;
    if (!looked_at || cw_milliseconds_until(deadline) == 0) return status;
    cw_back_off(turn);
  }
}

int32_t cw_file_remove(const char *path) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  uint64_t deadline = cw_deadline(PATIENCE_US);
  for (unsigned turn = 0;; turn++) {
    status = cw_remove(wide, false);
    if (status != CW_EBUSY || cw_milliseconds_until(deadline) == 0) return status;
    cw_back_off(turn);
  }
}

/* ----------------------------------------------------------------- renaming */

/* Also over a file that is open or mapped. */
static bool rename_as_posix(const WCHAR *from, const WCHAR *to) {
  union {
    FILE_RENAME_INFO info;
    BYTE space[sizeof(FILE_RENAME_INFO) + CW_PATH_SPACE * sizeof(WCHAR)];
  } how;
  HANDLE file = open_to_change(from);
  if (file == INVALID_HANDLE_VALUE) return false;
  size_t bytes = wcslen(to) * sizeof *to;
  memset(&how.info, 0, sizeof how.info);
  how.info.Flags = FILE_RENAME_FLAG_REPLACE_IF_EXISTS | FILE_RENAME_FLAG_POSIX_SEMANTICS;
  how.info.FileNameLength = (DWORD)bytes;
  memcpy(how.info.FileName, to, bytes + sizeof *to);
  DWORD size = (DWORD)(offsetof(FILE_RENAME_INFO, FileName) + bytes + sizeof *to);
  bool renamed = SetFileInformationByHandle(file, FileRenameInfoEx, &how, size);
  CloseHandle(file);
  return renamed;
}

static int32_t rename_once(const WCHAR *from, const WCHAR *to) {
  if (rename_as_posix(from, to)) return CW_OK;
  /* Not over what is mapped, then: CW_EDENIED. */
  return MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING) ? CW_OK
                                                          : cw_fail_windows(GetLastError());
}

/* Runs `once` on two paths, again while another process has one of the files open for a moment. */
static int32_t with_paths(const char *from, const char *to,
                          int32_t (*once)(const WCHAR *, const WCHAR *)) {
  WCHAR old[CW_PATH_SPACE];
  WCHAR new[CW_PATH_SPACE];
  int32_t status = cw_wide_path(from, old);
  if (status >= 0) status = cw_wide_path(to, new);
  if (status < 0) return status;
  uint64_t deadline = cw_deadline(PATIENCE_US);
  for (unsigned turn = 0;; turn++) {
    status = once(old, new);
    if (status != CW_EBUSY || cw_milliseconds_until(deadline) == 0) return status;
    cw_back_off(turn);
  }
}

int32_t cw_file_rename(const char *from, const char *to) {
  return with_paths(from, to, rename_once);
}

static int32_t link_once(const WCHAR *from, const WCHAR *to) {
  return CreateHardLinkW(to, from, NULL) ? CW_OK : cw_fail_windows(GetLastError());
}

int32_t cw_file_link(const char *from, const char *to) {
  return with_paths(from, to, link_once);
}
