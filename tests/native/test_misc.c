/* The version, errors, clock, randomness, pipes. */
#include "check.h"

#if defined(_WIN32)
#define NO_FILE 2 /* ERROR_FILE_NOT_FOUND */
#else
#define NO_FILE ENOENT
#endif

static void errors(void) {
  char text[128];
  cw_segment segment;
  CHECK_IS(cw_segment_open(in_scratch("nothing"), &segment), CW_ENOTFOUND);
  CHECK_IS(cw_last_error(), NO_FILE);
  CHECK_IS(cw_error_text(NO_FILE, text, sizeof text), strlen(text));
  CHECK(strlen(text) > 0);
#if !defined(_WIN32) /* it has no text for what is no number of its own */
  CHECK(strcmp(text, strerror(NO_FILE)) == 0);
  CHECK(cw_error_text(123456, text, sizeof text) > 0);
#endif
  CHECK(cw_error_text(NO_FILE, text, 5) < 5);
  CHECK(strlen(text) < 5);
  CHECK_IS(cw_error_text(NO_FILE, text, 0), CW_EARGUMENT);
}

static void clock_goes_on(void) {
  uint64_t before = clock_ns();
  for (int i = 0; i < 1000; i++) {
    uint64_t after = clock_ns();
    CHECK(after >= before);
    before = after;
  }
}

static void randomness(void) {
  unsigned char a[256] = {0};
  unsigned char b[256] = {0};
  CHECK_IS(cw_random(a, sizeof a), CW_OK);
  CHECK_IS(cw_random(b, sizeof b), CW_OK);
  CHECK(memcmp(a, b, sizeof a) != 0);
  CHECK_IS(cw_random(a, 0), CW_OK);
  CHECK_IS(cw_random(a, 257), CW_EARGUMENT);
}

#if !defined(_WIN32) /* test_watcher_threads.c has what there is to it */
static void pipes(void) {
  int32_t ends[2];
  char byte = 0;
  CHECK_IS(cw_pipe_open(ends), CW_OK);
  CHECK(read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
  while (write(ends[1], "x", 1) == 1) continue;
  CHECK(errno == EAGAIN);
  CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
  for (int i = 0; i < 2; i++) {
    CHECK(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
    CHECK_IS(cw_descriptor_close(ends[i]), CW_OK);
  }
  CHECK(cw_descriptor_close(ends[0]) < 0);
}
#endif

int main(void) {
  begin();
  CHECK_IS(cw_abi(), CW_ABI);
  CHECK_IS(cw_pause(1000), CW_OK);
  errors();
  clock_goes_on();
  randomness();
#if !defined(_WIN32)
  pipes();
#endif
  return 0;
}
