/*
 * The pipe that carries a watcher's notices to a runtime's event loop: a named
 * one, since a descriptor of this library is nothing to another one's C library.
 *
 * Guaranteed: only this user can open it, only once, and nobody else can have
 * made it. Its reader opens \\.\pipe\causeway-<process id>-<number> before
 * anything is written.
 */
#include "shared.h"

#include <string.h>

#define ATTEMPTS 100

/* More notices than this are none: they are all the same. */
#define BUFFER 64

#define ACCESS_LIST_SPACE (sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) + SECURITY_MAX_SID_SIZE)

typedef struct own_user {
  cw_user user;
  SECURITY_DESCRIPTOR descriptor;
  SECURITY_ATTRIBUTES attributes;
  union {
    ACL list;
    BYTE space[ACCESS_LIST_SPACE];
  } access;
} own_user;

/* Access for the user of this process and nobody else. Others may read from a
 * pipe by default. */
static bool allow_own_user(own_user *own) {
  PSID user = cw_user_of_process(&own->user);
  own->attributes = (SECURITY_ATTRIBUTES){
    .nLength = sizeof own->attributes,
    .lpSecurityDescriptor = &own->descriptor,
  };
  return user && InitializeAcl(&own->access.list, sizeof own->access, ACL_REVISION) &&
         AddAccessAllowedAce(&own->access.list, ACL_REVISION, GENERIC_ALL, user) &&
         InitializeSecurityDescriptor(&own->descriptor, SECURITY_DESCRIPTOR_REVISION) &&
         SetSecurityDescriptorDacl(&own->descriptor, TRUE, &own->access.list, FALSE);
}

static WCHAR *add_number(WCHAR *at, uint32_t number) {
  WCHAR digits[10];
  int count = 0;
  do digits[count++] = (WCHAR)(L'0' + number % 10);
  while ((number /= 10) > 0);
  while (count > 0) *at++ = digits[--count];
  return at;
}

static HANDLE create(uint32_t number, SECURITY_ATTRIBUTES *attributes) {
  static const WCHAR prefix[] = L"\\\\.\\pipe\\causeway-";
  WCHAR name[sizeof prefix / sizeof *prefix + 24];
  memcpy(name, prefix, sizeof prefix);
  WCHAR *end = add_number(name + sizeof prefix / sizeof *prefix - 1, GetCurrentProcessId());
  *end++ = L'-';
  *add_number(end, number) = 0;
  return CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE,
                          PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_NOWAIT |
                            PIPE_REJECT_REMOTE_CLIENTS,
                          1, BUFFER, BUFFER, 0, attributes);
}

int32_t cw_pipe_open(int32_t *out) {
  own_user own;
  if (!allow_own_user(&own)) return cw_fail_windows(GetLastError());
  for (int i = 0; i < ATTEMPTS; i++) {
    uint32_t number;
    int32_t status = cw_random(&number, sizeof number);
    if (status < 0) return status;
    number &= INT32_MAX;
    HANDLE pipe = create(number, &own.attributes);
    if (pipe != INVALID_HANDLE_VALUE) {
      out[0] = (int32_t)number;
      out[1] = (int32_t)(intptr_t)pipe; /* 32 bits of a handle count */
      return CW_OK;
    }
    DWORD code = GetLastError();
    bool taken = code == ERROR_ACCESS_DENIED || code == ERROR_PIPE_BUSY;
    if (!taken) return cw_fail_windows(code);
  }
  return cw_fail(CW_EEXISTS, ERROR_PIPE_BUSY);
}

int32_t cw_descriptor_close(int32_t descriptor) {
  return CloseHandle((HANDLE)(intptr_t)descriptor) ? CW_OK : cw_fail_windows(GetLastError());
}

void cw_pipe_notify(HANDLE pipe) {
  DWORD written;
  WriteFile(pipe, "!", 1, &written, NULL); /* full, or nobody reads: fine */
}
