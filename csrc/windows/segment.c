/*
 * Segments: files of whole pages, mapped for reading and writing.
 *
 * Guaranteed: every page of a segment made here has its place on the disk; a
 * reparse point, anything but a file, and another user's file are never mapped.
 * The system itself refuses to shorten a mapped file.
 */
#include "shared.h"

#define ACCESS (GENERIC_READ | GENERIC_WRITE)

static int32_t map(HANDLE file, uint64_t size, cw_segment *out) {
  HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READWRITE, (DWORD)(size >> 32), (DWORD)size,
                                      NULL);
  if (!mapping) return cw_fail_windows(GetLastError());
  void *base = MapViewOfFile(mapping, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, (SIZE_T)size);
  DWORD number = GetLastError();
  CloseHandle(mapping); /* the view keeps it */
  if (!base) return cw_fail_windows(number);
  out->base = (uint64_t)(uintptr_t)base;
  out->size = size;
  out->handle = (int64_t)(uintptr_t)file;
  return CW_OK;
}

/* Where space can't be set aside (Wine): what is written has its place. */
static int32_t fill(HANDLE file, uint64_t size) {
  static const BYTE zeros[CW_PAGE];
  while (size > 0) {
    DWORD step = size < sizeof zeros ? (DWORD)size : (DWORD)sizeof zeros;
    DWORD written = 0;
    if (!WriteFile(file, zeros, step, &written, NULL)) return cw_fail_windows(GetLastError());
    if (written == 0) return cw_fail(CW_ENOSPACE, ERROR_DISK_FULL);
    size -= written;
  }
  return CW_OK;
}

static int32_t reserve(HANDLE file, uint64_t size) {
  FILE_ALLOCATION_INFO allocation = {.AllocationSize.QuadPart = (LONGLONG)size};
  FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = (LONGLONG)size};
  if (!SetFileInformationByHandle(file, FileAllocationInfo, &allocation, sizeof allocation)) {
    int32_t status = cw_fail_windows(GetLastError());
    return status == CW_EUNSUPPORTED ? fill(file, size) : status;
  }
  return SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end)
           ? CW_OK
           : cw_fail_windows(GetLastError());
}

int32_t cw_segment_create(const char *path, uint32_t pages, cw_segment *out) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  if (pages == 0) return cw_fail(CW_EARGUMENT, 0);
  /* TEMPORARY: pages are written to the disk only when memory is short. */
  DWORD flags = FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_OPEN_REPARSE_POINT;
  HANDLE file = CreateFileW(wide, ACCESS, CW_SHARE_ALL, NULL, CREATE_NEW, flags, NULL);
  if (file == INVALID_HANDLE_VALUE) return cw_fail_windows(GetLastError());
  uint64_t size = (uint64_t)pages * CW_PAGE;
  status = reserve(file, size);
  if (status >= 0) status = map(file, size, out);
  if (status < 0) {
    int32_t number = cw_last_error();
    CloseHandle(file);
    cw_remove(wide, false);
    cw_fail(status, number);
  }
  return status;
}

static int32_t check_file(HANDLE file, uint64_t *size) {
  BY_HANDLE_FILE_INFORMATION found;
  if (GetFileType(file) != FILE_TYPE_DISK) return cw_fail(CW_ETYPE, 0);
  if (!GetFileInformationByHandle(file, &found)) return cw_fail_windows(GetLastError());
  if (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) return cw_fail(CW_ELINK, 0);
  *size = (uint64_t)found.nFileSizeHigh << 32 | found.nFileSizeLow;
  if (*size == 0 || *size % CW_PAGE != 0) return cw_fail(CW_ESIZE, 0);
  return cw_check_owner(file);
}

int32_t cw_segment_open(const char *path, cw_segment *out) {
  WCHAR wide[CW_PATH_SPACE];
  int32_t status = cw_wide_path(path, wide);
  if (status < 0) return status;
  HANDLE file = CreateFileW(wide, ACCESS, CW_SHARE_ALL, NULL, OPEN_EXISTING,
                            FILE_FLAG_OPEN_REPARSE_POINT, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    status = cw_fail_windows(GetLastError());
    if (status != CW_EDENIED) return status;
    DWORD attributes = GetFileAttributesW(wide); /* only chooses the error */
    if (attributes == INVALID_FILE_ATTRIBUTES) return status;
    if (attributes & FILE_ATTRIBUTE_REPARSE_POINT) return cw_fail(CW_ELINK, ERROR_ACCESS_DENIED);
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? cw_fail(CW_ETYPE, ERROR_ACCESS_DENIED) : status;
  }
  uint64_t size = 0;
  status = check_file(file, &size);
  if (status >= 0) status = map(file, size, out);
  if (status < 0) CloseHandle(file);
  return status;
}

int32_t cw_segment_release_handle(cw_segment *segment) {
  HANDLE file = cw_handle_of(segment->handle);
  if (file) CloseHandle(file); /* its locks go with it */
  segment->handle = -1;
  return CW_OK;
}

int32_t cw_segment_close(cw_segment *segment) {
  int32_t status = CW_OK;
  void *base = (void *)(uintptr_t)segment->base;
  if (base) {
    cw_doorbell_forget(base);
    if (!UnmapViewOfFile(base)) status = cw_fail_windows(GetLastError());
  }
  cw_segment_release_handle(segment);
  segment->base = 0;
  segment->size = 0;
  return status;
}
