/* Segments: made whole or not at all; opened only when they are what they should be. */
#include "check.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static void created(void) {
  const char *path = in_scratch("segment");
  cw_segment one;
  cw_segment two;
  mode_t before = umask(0777);
  CHECK_IS(cw_segment_create(path, 3, &one), CW_OK);
  umask(before);
  CHECK_IS(one.size, 3 * CW_PAGE);
  CHECK(fcntl((int)one.handle, F_GETFD) & FD_CLOEXEC);
  struct stat found;
  CHECK(stat(path, &found) == 0);
  CHECK_IS(found.st_mode & 07777, 0600);
  CHECK(found.st_blocks * 512 >= found.st_size);
  const unsigned char *bytes = (const unsigned char *)(uintptr_t)one.base;
  for (uint64_t i = 0; i < one.size; i++) CHECK(bytes[i] == 0);
  CHECK_IS(cw_segment_create(path, 3, &two), CW_EEXISTS);

  CHECK_IS(cw_segment_open(path, &two), CW_OK);
  CHECK_IS(two.size, one.size);
  CHECK(two.base != one.base);
  CHECK(fcntl((int)two.handle, F_GETFD) & FD_CLOEXEC);
  *word_of(&one, BELL) = 42;
  CHECK_IS(*word_of(&two, BELL), 42);
  CHECK_IS(cw_segment_release_handle(&two), CW_OK);
  CHECK_IS(two.handle, -1);
  CHECK_IS(cw_segment_release_handle(&two), CW_OK);
  *word_of(&two, BELL) = 43;
  CHECK_IS(*word_of(&one, BELL), 43);
  CHECK_IS(cw_segment_close(&one), CW_OK);
  CHECK_IS(cw_segment_close(&two), CW_OK);
  CHECK(one.base == 0 && one.size == 0 && one.handle == -1);
  CHECK_IS(cw_file_remove(path), CW_OK);
}

static void large(void) {
  cw_segment segment;
  const char *path = in_scratch("large");
  CHECK_IS(cw_segment_create(path, 4096, &segment), CW_OK); /* several steps to reserve */
  *word_of(&segment, (uint32_t)segment.size - 4) = 1;
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  CHECK_IS(cw_file_remove(path), CW_OK);
}

static void not_created(void) {
  cw_segment segment;
  const char *path = in_scratch("segment");
  CHECK_IS(cw_segment_create(path, 0, &segment), CW_EARGUMENT);
  CHECK_IS(cw_segment_create(in_scratch("none/segment"), 1, &segment), CW_ENOTFOUND);
  int32_t status = cw_segment_create(path, UINT32_MAX, &segment); /* 16 TiB */
  CHECK(status == CW_ENOSPACE || status == CW_ELIMIT);
  CHECK(access(path, F_OK) != 0);
  CHECK(symlink(in_scratch("target"), path) == 0);
  CHECK_IS(cw_segment_create(path, 1, &segment), CW_EEXISTS);
  CHECK(access(in_scratch("target"), F_OK) != 0);
  CHECK(unlink(path) == 0);
}

static void refused_type(void) {
  cw_segment segment;
  make_file(in_scratch("file"), 0600, CW_PAGE);
  CHECK(symlink(in_scratch("file"), in_scratch("link")) == 0);
  CHECK(mkfifo(in_scratch("fifo"), 0600) == 0);
  CHECK(mkdir(in_scratch("directory"), 0700) == 0);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", in_scratch("socket"));
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(server, (struct sockaddr *)&name, sizeof name) == 0);
  CHECK_IS(cw_segment_open(in_scratch("link"), &segment), CW_ELINK);
  CHECK_IS(cw_segment_open(in_scratch("fifo"), &segment), CW_ETYPE);
  CHECK_IS(cw_segment_open(in_scratch("directory"), &segment), CW_ETYPE);
  CHECK_IS(cw_segment_open(in_scratch("socket"), &segment), CW_ETYPE);
  CHECK_IS(cw_segment_open("/dev/null", &segment), CW_ETYPE);
  CHECK_IS(cw_segment_open(in_scratch("nothing"), &segment), CW_ENOTFOUND);
  close(server);
}

static void refused_file(void) {
  cw_segment segment;
  const char *path = in_scratch("file");
  static const mode_t modes[] = {0644, 0620, 0601};
  for (unsigned i = 0; i < 3; i++) {
    CHECK(chmod(path, modes[i]) == 0);
    CHECK_IS(cw_segment_open(path, &segment), CW_EMODE);
  }
  CHECK(chmod(path, 0600) == 0);
  CHECK(truncate(path, 0) == 0);
  CHECK_IS(cw_segment_open(path, &segment), CW_ESIZE);
  CHECK(truncate(path, CW_PAGE + 1) == 0);
  CHECK_IS(cw_segment_open(path, &segment), CW_ESIZE);
  CHECK(truncate(path, CW_PAGE) == 0);
  CHECK_IS(cw_segment_open(path, &segment), CW_OK);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  if (geteuid() == 0) {
    CHECK(chown(path, 12345, 12345) == 0);
    CHECK_IS(cw_segment_open(path, &segment), CW_ENOTOWNER);
  } else {
    SKIP("another user's file", "needs root to give one away");
  }
}

/* Nothing may be left open by a refusal: then it would run out here. */
static void leaks_nothing(void) {
  pid_t child = fork_child();
  if (child == 0) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 32;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    refused_type();
    cw_segment segment;
    for (int i = 0; i < 100; i++) {
      CHECK_IS(cw_segment_open(in_scratch("fifo"), &segment), CW_ETYPE);
      CHECK_IS(cw_segment_create(in_scratch("fifo"), 1, &segment), CW_EEXISTS);
    }
    cw_segment many[40];
    int count = 0;
    int32_t status;
    while ((status = cw_segment_open(in_scratch("file"), &many[count])) == CW_OK) count++;
    CHECK_IS(status, CW_ELIMIT);
    while (count > 0) CHECK_IS(cw_segment_close(&many[--count]), CW_OK);
    exit(0);
  }
  CHECK_IS(end_of(child), 0);
}

int main(void) {
  begin();
  created();
  large();
  not_created();
  leaks_nothing();
  refused_file();
  return 0;
}
