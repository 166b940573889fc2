/*
 * errno to CW_E… codes, and the system's text for an errno.
 */
#if defined(__linux__)
#define _POSIX_C_SOURCE 200809L /* the strerror_r that returns an int */
#endif

#include "../common/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int32_t cw_code_of(int number);
int32_t cw_fail_errno(int number);

int32_t cw_code_of(int number) {
  switch (number) {
    case EEXIST: return CW_EEXISTS;
    case ENOENT: return CW_ENOTFOUND;
    case EACCES:
    case EPERM: return CW_EDENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return CW_ENOSPACE;
#if defined(__FreeBSD__)
    case EMLINK: /* what O_NOFOLLOW gives there */
#endif
    case ELOOP: return CW_ELINK;
    case ENOTDIR:
    case EISDIR:
    case ENXIO: return CW_ETYPE;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return CW_ELIMIT;
    case ETIMEDOUT: return CW_ETIMEOUT;
    case EBUSY:
    case ENOTEMPTY:
    case ETXTBSY: return CW_EBUSY;
    case ENOSYS:
    case EOPNOTSUPP: return CW_EUNSUPPORTED;
    case EINVAL:
    case ENAMETOOLONG: return CW_EARGUMENT;
    case EROFS: return CW_EREADONLY;
    default: return CW_ESYSTEM;
  }
}

int32_t cw_fail_errno(int number) {
  return cw_fail(cw_code_of(number), number);
}

int32_t cw_fail_memory(void) {
  return cw_fail_errno(ENOMEM);
}

int32_t cw_error_text(int32_t number, char *out, uint32_t capacity) {
  if (!out || capacity == 0) return cw_fail(CW_EARGUMENT, 0);
  if (strerror_r(number, out, capacity) != 0) snprintf(out, capacity, "error %d", (int)number);
  return (int32_t)strlen(out);
}
