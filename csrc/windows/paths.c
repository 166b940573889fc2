/*
 * Paths: from UTF-8 as the core writes it to what the system takes at any length.
 *
 * The form that begins with \\?\ lifts the limit of 260 and turns off all that
 * Windows makes of a path: names of devices in any folder (a channel may be
 * called `con`), slashes, dots. What of that is wanted is done here.
 */
#include "shared.h"

#include <string.h>

static bool is_slash(WCHAR c) {
  return c == L'\\' || c == L'/';
}

static bool has_drive(const WCHAR *path) {
  WCHAR letter = path[0] | 0x20;
  return letter >= L'a' && letter <= L'z' && path[1] == L':' && is_slash(path[2]);
}

static bool is_share(const WCHAR *path) {
  return is_slash(path[0]) && is_slash(path[1]) && path[2] && !is_slash(path[2]) &&
         path[2] != L'?' && path[2] != L'.';
}

bool cw_is_absolute(const WCHAR *path) {
  return has_drive(path) || (is_slash(path[0]) && is_slash(path[1]));
}

/* The components of a path, with one backslash before each. `.` goes, `..` takes
 * one back, but none of the first `fixed`. Returns the length or 0: too long. */
static size_t add_components(WCHAR *out, size_t room, const WCHAR *from, unsigned fixed) {
  size_t starts[256];
  unsigned depth = 0;
  size_t length = 0;
  while (*from) {
    while (is_slash(*from)) from++;
    size_t count = 0;
    while (from[count] && !is_slash(from[count])) count++;
    const WCHAR *name = from;
    from += count;
    if (count == 2 && name[0] == L'.' && name[1] == L'.') {
      if (depth > fixed) length = starts[--depth];
      continue;
    }
    /* Windows ignores dots and spaces at the end, so for other programs, too. */
    while (count > 0 && (name[count - 1] == L'.' || name[count - 1] == L' ')) count--;
    if (count == 0) continue;
    if (depth == 256 || length + count + 2 > room) return 0;
    starts[depth++] = length;
    out[length++] = L'\\';
    memcpy(out + length, name, count * sizeof *name);
    length += count;
  }
  if (depth == 0) out[length++] = L'\\';
  out[length] = 0;
  return length;
}

/* Of a drive or a share: \\?\C:\… or \\?\UNC\server\share\…. */
static int32_t lift(const WCHAR *path, WCHAR *out) {
  static const WCHAR drive[] = L"\\\\?\\C:";
  static const WCHAR share[] = L"\\\\?\\UNC";
  bool on_drive = has_drive(path);
  size_t begin = (on_drive ? sizeof drive : sizeof share) / sizeof *drive - 1;
  memcpy(out, on_drive ? drive : share, begin * sizeof *out);
  if (on_drive) out[4] = path[0];
  const WCHAR *rest = on_drive ? path + 2 : path;
  size_t room = CW_PATH_SPACE - begin;
  return add_components(out + begin, room, rest, on_drive ? 0 : 2) > 0 ? CW_OK
                                                                       : cw_fail(CW_EARGUMENT, 0);
}

int32_t cw_wide_path(const char *path, WCHAR *out) {
  WCHAR given[CW_PATH_SPACE];
  if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, given, CW_PATH_SPACE)) {
    return cw_fail(CW_EARGUMENT, (int32_t)GetLastError());
  }
  if (has_drive(given) || is_share(given)) return lift(given, out);
  WCHAR full[CW_PATH_SPACE];
  DWORD length = GetFullPathNameW(given, CW_PATH_SPACE, full, NULL);
  if (length == 0) return cw_fail_windows(GetLastError());
  if (length >= CW_PATH_SPACE) return cw_fail(CW_EARGUMENT, 0);
  if (has_drive(full) || is_share(full)) return lift(full, out);
  memcpy(out, full, (length + 1) * sizeof *out); /* \\?\… and \\.\… as they are */
  return CW_OK;
}
