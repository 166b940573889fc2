/*
 * Claims: locks on bytes far behind the end of a directory, one range of bytes
 * per name. They belong to the directory and not to a file in it, so they hold
 * when every file in it was removed.
 *
 * Guaranteed: a claim goes with the thread that opened its handle; the system
 * drops it when the process is gone, however it went. Two names share a range if their 56-bit
 * hashes are the same. Not guaranteed: anything once the directory itself was
 * removed and made anew: that is another directory.
 */
#include "posix.h"

#include "../common/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* FNV-1a; the range begins at a multiple of CW_CLAIM_GENERATIONS. */
static off_t range_of(const char *name) {
  uint64_t hash = 14695981039346656037u;
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 1099511628211u;
  uint64_t start = (hash >> 1) & ~(uint64_t)(CW_CLAIM_GENERATIONS - 1u);
  /* The last byte of a range has to be an offset, too. */
  return (off_t)(start & ~((uint64_t)1 << 62));
}

static int control(int32_t claims, int command, struct flock *range) {
  int result;
  do result = fcntl(claims, command, range);
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

static int32_t change(int32_t claims, short type, const char *name, uint32_t generation) {
  if (generation >= CW_CLAIM_GENERATIONS) return cw_fail(CW_EARGUMENT, 0);
  struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
  range.l_start = range_of(name) + (off_t)generation;
  int number = control(claims, F_OFD_SETLK, &range);
  return number == 0 ? CW_OK : cw_fail_errno(number);
}

static void end(int64_t claims) {
  /* Closing alone isn't enough while a child between fork and exec shares it. */
  struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  control((int32_t)claims, F_OFD_SETLK, &all);
  close((int)claims);
}

int32_t cw_claims_open(const char *directory) {
  int32_t claims = cw_directory_descriptor(directory);
  int32_t status = claims < 0 ? claims : cw_owned_add(end, claims);
  if (status >= 0) return claims;
  if (claims >= 0) close(claims);
  return status;
}

int32_t cw_claims_close(int32_t claims) {
  cw_owned *owned = cw_owned_take(end, claims);
  if (!owned) return cw_fail(CW_EARGUMENT, 0);
  free(owned);
  end(claims);
  return CW_OK;
}

int32_t cw_claim_take(int32_t claims, const char *name, uint32_t generation) {
  return change(claims, F_RDLCK, name, generation);
}

int32_t cw_claim_drop(int32_t claims, const char *name, uint32_t generation) {
  return change(claims, F_UNLCK, name, generation);
}

int32_t cw_claim_find(int32_t claims, const char *name, uint32_t from, uint32_t count) {
  if (count == 0) return cw_fail(CW_ENOTFOUND, 0);
  if (from >= CW_CLAIM_GENERATIONS || count > CW_CLAIM_GENERATIONS - from) {
    return cw_fail(CW_EARGUMENT, 0);
  }
  off_t start = range_of(name);
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = (off_t)count};
  range.l_start = start + (off_t)from;
  int number = control(claims, F_OFD_GETLK, &range);
  if (number != 0) return cw_fail_errno(number);
  if (range.l_type == F_UNLCK) return cw_fail(CW_ENOTFOUND, 0);
  /* Neighbours are one lock for the system, which may begin before. */
  off_t at = range.l_start - start;
  return at <= (off_t)from ? (int32_t)from : (int32_t)at;
}
