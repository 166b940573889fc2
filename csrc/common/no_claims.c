/*
 * Claims, for systems that have none: FreeBSD, which has no locks of open files,
 * and Windows, where a file that is mapped keeps its name, so that nothing can
 * take a segment away under those that use it.
 */
#include "internal.h"

int32_t cw_claims_open(const char *directory) {
  (void)directory;
  return cw_fail(CW_EUNSUPPORTED, 0);
}

int32_t cw_claims_close(int32_t claims) {
  (void)claims;
  return cw_fail(CW_EUNSUPPORTED, 0);
}

int32_t cw_claim_take(int32_t claims, const char *name, uint32_t generation) {
  (void)name, (void)generation;
  return cw_claims_close(claims);
}

int32_t cw_claim_drop(int32_t claims, const char *name, uint32_t generation) {
  return cw_claim_take(claims, name, generation);
}

int32_t cw_claim_find(int32_t claims, const char *name, uint32_t from, uint32_t count) {
  (void)count;
  return cw_claim_take(claims, name, from);
}
