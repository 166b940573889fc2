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

/* How every handle of ours is opened that isn't a lock: whoever holds it open
 * keeps nobody from opening, renaming or removing. */
#define CW_SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* Endings of names that are no business of a directory's users: locks, and
 * removed files that somebody still uses. cw_directory_list leaves them out. */
#define CW_LOCK_ENDING L".lock"
#define CW_GONE_ENDING L".gone"

int32_t cw_code_of(DWORD number);
int32_t cw_fail_windows(DWORD number);

/* Something removed that somebody has still open: its name isn't free yet. To
 * be asked right after a call that failed. */
bool cw_is_going(void);

/* UTF-8 to an absolute UTF-16 path without the limit of 260. 0 or a CW_E…. */
int32_t cw_wide_path(const char *path, WCHAR *out);

/* Does it name the same place whatever folder and drive are the current ones? */
bool cw_is_absolute(const WCHAR *path);

/* Removes a file, or an empty directory. 0 or a CW_E…. */
int32_t cw_remove(const WCHAR *path, bool directory);

/* Is the open file a directory and no link? 0 or a CW_E…. */
int32_t cw_check_directory(HANDLE file);

/* UTF-16 to UTF-8: the length without NUL, or CW_ESIZE. */
int32_t cw_narrow(const WCHAR *text, char *out, uint32_t capacity);

/* 0 when the open file or directory is this user's, else a CW_E…. */
int32_t cw_check_owner(HANDLE file);

/* The user of this process, in `space`; NULL with GetLastError. */
typedef union cw_user {
  TOKEN_USER token;
  BYTE space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
} cw_user;
PSID cw_user_of_process(cw_user *space);

/* Closes what is cached for the doorbells of a segment. */
void cw_doorbell_forget(const void *base);

static inline HANDLE cw_handle_of(int64_t handle) {
  return handle < 0 ? NULL : (HANDLE)(uintptr_t)(handle & ~CW_LEASED);
}

/* How long to wait for the deadline, at least 1 until it is over, INFINITE for never. The system's
 * own timeouts may be over up to a tick of 16 ms too early. */
DWORD cw_milliseconds_until(uint64_t deadline);

/* Keeps this library loaded for ever: threads and the system's callbacks run its code. */
void cw_pin(void);

/* At the end of the process the other threads are gone, perhaps in the middle
 * of a critical section: touch nothing then. */
bool cw_process_ends(void);

/* Writes a byte to a pipe of cw_pipe_open unless it is full. */
void cw_pipe_notify(HANDLE pipe);

#endif
