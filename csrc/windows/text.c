/* Text: from what the system gives to UTF-8, as the core reads it. */
#include "shared.h"

int32_t cw_narrow(const WCHAR *text, char *out, uint32_t capacity) {
  int room = capacity > INT32_MAX ? INT32_MAX : (int)capacity;
  int length = room > 0 ? WideCharToMultiByte(CP_UTF8, 0, text, -1, out, room, NULL, NULL) : 0;
  return length > 0 ? length - 1 : cw_fail(CW_ESIZE, (int32_t)GetLastError());
}
