/* What the tests use of Windows. See check.h. */
#ifndef CAUSEWAY_TESTS_CHECK_WINDOWS_H
#define CAUSEWAY_TESTS_CHECK_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#define UNICODE
#ifdef _WIN32_WINNT
#undef _WIN32_WINNT
#endif
#define _WIN32_WINNT 0x0A00
#include <windows.h>

#define WIDE_SPACE 1024

static char scratch[WIDE_SPACE];

/* For calls of the system: UTF-16 in one of a few buffers. */
static inline const WCHAR *wide(const char *text) {
  static _Thread_local WCHAR buffers[4][WIDE_SPACE];
  static _Thread_local unsigned next;
  WCHAR *out = buffers[next++ % 4];
  CHECK(MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, out, WIDE_SPACE) > 0);
  return out;
}

/* With what is in it. It must hold nothing that anybody still uses. */
static inline void remove_tree(const char *path) {
  char names[8192];
  char inner[WIDE_SPACE];
  int32_t bytes = cw_directory_list(path, names, sizeof names);
  for (int32_t at = 0; at < bytes; at += (int32_t)strlen(names + at) + 1) {
    snprintf(inner, sizeof inner, "%s/%s", path, names + at);
    if (cw_file_remove(inner) == CW_ETYPE) remove_tree(inner);
  }
  cw_directory_remove(path);
}

static inline void remove_scratch(void) {
  remove_tree(scratch);
}

static inline DWORD WINAPI bark(LPVOID unused) {
  (void)unused;
  Sleep(WATCHDOG_SECONDS * 1000);
  fprintf(stderr, "the watchdog ended this test\n");
  TerminateProcess(GetCurrentProcess(), 1);
  return 0;
}

static inline void start_watchdog(void) {
  HANDLE thread = CreateThread(NULL, 0, bark, NULL, 0, NULL);
  CHECK(thread != NULL);
  CloseHandle(thread);
}

/* Begins a test program: the watchdog, and an empty directory at `scratch`,
 * whose name is no ASCII as a user's may not be. */
static inline void begin(void) {
  WCHAR place[WIDE_SPACE];
  char parent[WIDE_SPACE];
  setvbuf(stdout, NULL, _IONBF, 0);
  start_watchdog();
  CHECK(GetTempPathW(WIDE_SPACE, place) > 0);
  CHECK(WideCharToMultiByte(CP_UTF8, 0, place, -1, parent, sizeof parent, NULL, NULL) > 0);
  snprintf(scratch, sizeof scratch, "%scauseway-t\xc3\xa9st-\xe6\xb8\xac-%ld", parent,
           (long)GetCurrentProcessId());
  remove_scratch(); /* of one that was stopped: process ids come again */
  CHECK_IS(cw_directory_prepare(scratch), 1);
  atexit(remove_scratch);
}

/* Starts this program again: its main sees the role and the argument. */
static inline HANDLE start_child(const char *role, const char *argument) {
  WCHAR self[WIDE_SPACE];
  WCHAR command[2 * WIDE_SPACE];
  STARTUPINFOW start = {.cb = sizeof start};
  PROCESS_INFORMATION child;
  CHECK(GetModuleFileNameW(NULL, self, WIDE_SPACE) > 0);
  int length = swprintf(command, 2 * WIDE_SPACE, L"test %ls \"%ls\"", wide(role), wide(argument));
  CHECK(length > 0);
  CHECK(CreateProcessW(self, command, NULL, NULL, FALSE, 0, NULL, NULL, &start, &child));
  CloseHandle(child.hThread);
  return child.hProcess;
}

/* In a child: the argument it was given, as UTF-8. */
static inline void begin_child(char *argument, size_t capacity) {
  WCHAR line[2 * WIDE_SPACE];
  start_watchdog();
  const WCHAR *found = wcschr(GetCommandLineW(), L'"');
  CHECK(found != NULL);
  size_t length = wcscspn(found + 1, L"\"");
  memcpy(line, found + 1, length * sizeof *line);
  line[length] = 0;
  CHECK(WideCharToMultiByte(CP_UTF8, 0, line, -1, argument, (int)capacity, NULL, NULL) > 0);
}

static inline void kill_child(HANDLE child) {
  CHECK(TerminateProcess(child, 77));
}

/* How a child ended; 77 when it was killed. */
static inline int end_of(HANDLE child) {
  DWORD code;
  CHECK(WaitForSingleObject(child, INFINITE) == WAIT_OBJECT_0);
  CHECK(GetExitCodeProcess(child, &code));
  CloseHandle(child);
  return (int)code;
}

static inline void make_file(const char *path, DWORD size) {
  HANDLE file = CreateFileW(wide(path), GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
  CHECK(file != INVALID_HANDLE_VALUE);
  CHECK(SetFilePointer(file, (LONG)size, NULL, FILE_BEGIN) == size && SetEndOfFile(file));
  CloseHandle(file);
}

static inline bool exists(const char *path) {
  return GetFileAttributesW(wide(path)) != INVALID_FILE_ATTRIBUTES;
}

#endif
