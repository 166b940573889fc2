/* A full file system is an error and leaves nothing behind; so is one that
 * can't be written. On a small file system of our own, where we may mount one. */
#include "check.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/mount.h>

/* In a mount namespace of its own: it goes with this process. */
static bool mount_small(const char *place) {
  CHECK(mkdir(place, 0700) == 0);
  if (unshare(CLONE_NEWNS) != 0) return false;
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return false;
  return mount("tmpfs", place, "tmpfs", 0, "size=1m,mode=700") == 0;
}

static void full(const char *place) {
  cw_segment first;
  cw_segment second;
  uint64_t before[2];
  uint64_t after[2];
  CHECK_IS(cw_directory_space(place, before), CW_OK);
  CHECK_IS(before[1], 1 << 20);
  CHECK_IS(cw_segment_create(in_scratch("small/too-large"), 257, &first), CW_ENOSPACE);
  CHECK_IS(cw_segment_create(in_scratch("small/a"), 128, &first), CW_OK);
  CHECK_IS(cw_segment_create(in_scratch("small/b"), 129, &second), CW_ENOSPACE);
  CHECK(access(in_scratch("small/b"), F_OK) != 0);
  CHECK_IS(cw_directory_space(place, after), CW_OK);
  CHECK_IS(before[0] - after[0], 128 * CW_PAGE);
  CHECK_IS(cw_segment_create(in_scratch("small/b"), 120, &second), CW_OK);
  memset((void *)(uintptr_t)first.base, 1, first.size); /* no SIGBUS */
  memset((void *)(uintptr_t)second.base, 2, second.size);
  CHECK_IS(cw_segment_close(&first), CW_OK);
  CHECK_IS(cw_segment_close(&second), CW_OK);
}

static void read_only(const char *place) {
  cw_segment segment;
  CHECK(mount("tmpfs", place, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
  CHECK_IS(cw_directory_prepare(place), CW_EREADONLY);
  CHECK_IS(cw_directory_prepare(in_scratch("small/inner")), CW_EREADONLY);
  CHECK_IS(cw_segment_create(in_scratch("small/c"), 1, &segment), CW_EREADONLY);
  CHECK_IS(cw_file_remove(in_scratch("small/a")), CW_EREADONLY);
}

int main(void) {
  begin();
  const char *place = in_scratch("small");
  if (!mount_small(place)) {
    SKIP("a full file system", strerror(errno));
    return 0;
  }
  full(place);
  read_only(place);
  CHECK(umount(place) == 0);
  return 0;
}
#else
int main(void) {
  SKIP("a full file system", "only on Linux a process can mount one for itself");
  return 0;
}
#endif
