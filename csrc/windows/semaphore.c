/*
 * Named semaphores: CreateSemaphore on Local\ + name, so per logon session.
 * They go with the last handle; a count taken by a process that dies is lost.
 */
#include "shared.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LIMIT 250 /* as on other systems */
#define NAME_SPACE (NAME_LIMIT + 8)

static int32_t write_name(const char *name, WCHAR *out) {
  static const WCHAR prefix[] = L"Local\\";
  size_t length = strlen(name);
  if (length == 0 || length > NAME_LIMIT || strpbrk(name, "/\\")) return cw_fail(CW_EARGUMENT, 0);
  memcpy(out, prefix, sizeof prefix);
  int done = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, out + 6, NAME_SPACE - 6);
  return done ? CW_OK : cw_fail(CW_EARGUMENT, (int32_t)GetLastError());
}

struct cw_semaphore {
  HANDLE handle;
  cw_word users; /* who opened it, and an acquirer */
};

static HANDLE handle_of(cw_semaphore *semaphore) {
  return semaphore->handle;
}

void cw_semaphore_share(cw_semaphore *semaphore) {
  atomic_fetch_add(&semaphore->users, 1);
}

int32_t cw_semaphore_open(const char *name, uint32_t flags, uint32_t initial, uint64_t *out) {
  WCHAR full[NAME_SPACE];
  bool create = flags & CW_SEMAPHORE_CREATE;
  bool exclusive = flags & CW_SEMAPHORE_EXCLUSIVE;
  int32_t status = write_name(name, full);
  if (status < 0) return status;
  if (flags > 3 || (exclusive && !create) || initial > LONG_MAX) return cw_fail(CW_EARGUMENT, 0);
  SetLastError(ERROR_SUCCESS);
  HANDLE handle = create ? CreateSemaphoreW(NULL, (LONG)initial, LONG_MAX, full)
                         : OpenSemaphoreW(SEMAPHORE_MODIFY_STATE | SYNCHRONIZE, FALSE, full);
  DWORD number = GetLastError();
  if (!handle) return cw_fail_windows(number);
  if (exclusive && number == ERROR_ALREADY_EXISTS) {
    CloseHandle(handle);
    return cw_fail_windows(number);
  }
  cw_semaphore *semaphore = malloc(sizeof *semaphore);
  if (!semaphore) {
    CloseHandle(handle);
    return cw_fail_memory();
  }
  *semaphore = (cw_semaphore){.handle = handle, .users = 1};
  out[0] = (uint64_t)(uintptr_t)semaphore;
  return CW_OK;
}

int32_t cw_semaphore_post(cw_semaphore *semaphore) {
  if (ReleaseSemaphore(handle_of(semaphore), 1, NULL)) return CW_OK;
  return cw_fail_windows(GetLastError());
}

int32_t cw_semaphore_wait(cw_semaphore *semaphore, uint32_t timeout_us) {
  uint64_t deadline = cw_deadline(timeout_us);
  for (;;) {
    DWORD left = cw_milliseconds_until(deadline);
    DWORD result = WaitForSingleObject(handle_of(semaphore), left);
    if (result == WAIT_OBJECT_0) return CW_OK;
    if (result != WAIT_TIMEOUT) return cw_fail_windows(GetLastError());
    if (left == 0) return cw_fail(CW_ETIMEOUT, WAIT_TIMEOUT);
  }
}

int32_t cw_semaphore_close(cw_semaphore *semaphore) {
  if (atomic_fetch_sub(&semaphore->users, 1) > 1) return CW_OK;
  BOOL closed = CloseHandle(handle_of(semaphore));
  DWORD number = closed ? ERROR_SUCCESS : GetLastError();
  free(semaphore);
  return closed ? CW_OK : cw_fail_windows(number);
}

int32_t cw_semaphore_unlink(const char *name) {
  WCHAR full[NAME_SPACE];
  return write_name(name, full);
}
