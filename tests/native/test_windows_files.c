/* Windows: paths of any kind, directories and their locks, segments, and what
 * is removed or renamed while it is open and mapped. */
#include "check.h"

#if defined(_WIN32)

static cw_segment created(const char *path, uint32_t pages) {
  cw_segment segment;
  CHECK_IS(cw_segment_create(path, pages, &segment), CW_OK);
  return segment;
}

static void default_place(void) {
  char path[WIDE_SPACE];
  SetEnvironmentVariableW(L"CAUSEWAY_DIR", NULL);
  int32_t length = cw_directory_default(path, sizeof path, 0);
  CHECK(length > 0 && (size_t)length == strlen(path));
  CHECK(strcmp(path + length - 9, "\\causeway") == 0);
  CHECK_IS(cw_directory_is_chosen(), 0);
  CHECK_IS(cw_directory_default(path, (uint32_t)length, 0), CW_ESIZE);
  CHECK_IS(cw_directory_default(path, (uint32_t)length + 1, 0), length);
  SetEnvironmentVariableW(L"CAUSEWAY_DIR", wide("D:\\\xc3\xa4"));
  CHECK_IS(cw_directory_default(path, sizeof path, 0), 5);
  CHECK(strcmp(path, "D:\\\xc3\xa4") == 0);
  CHECK_IS(cw_directory_is_chosen(), 1);
  SetEnvironmentVariableW(L"CAUSEWAY_DIR", L"relative\\path");
  CHECK_IS(cw_directory_default(path, sizeof path, 0), CW_EARGUMENT);
  SetEnvironmentVariableW(L"CAUSEWAY_DIR", L"D:relative");
  CHECK_IS(cw_directory_default(path, sizeof path, 0), CW_EARGUMENT);
  SetEnvironmentVariableW(L"CAUSEWAY_DIR", NULL);
}

/* The same file by all its names. */
static void spelled_otherwise(void) {
  static const char *const spellings[] = {
    "folder/file", "folder\\file", "folder//file", "./folder/./file", "folder/../folder/file",
    "none/../folder\\file", "FOLDER/File", "folder/file.", "folder./file ",
  };
  CHECK_IS(cw_directory_prepare(in_scratch("folder")), 1);
  cw_segment segment = created(in_scratch("folder/file"), 1);
  for (unsigned i = 0; i < sizeof spellings / sizeof *spellings; i++) {
    cw_segment other;
    CHECK_IS(cw_segment_open(in_scratch(spellings[i]), &other), CW_OK);
    CHECK_IS(cw_segment_close(&other), CW_OK);
  }
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  CHECK_IS(cw_file_remove(in_scratch("folder/file")), CW_OK);
  CHECK_IS(cw_directory_remove(in_scratch("folder")), CW_OK);
}

/* Over 260 characters in all, and names that are devices elsewhere. */
static void long_and_odd(void) {
  char path[1024];
  size_t at = (size_t)snprintf(path, sizeof path, "%s", scratch);
  for (int i = 0; i < 3; i++) {
    path[at++] = '/';
    memset(path + at, 'a' + i, 150);
    path[at += 150] = 0;
    CHECK_IS(cw_directory_prepare(path), 1);
  }
  strcpy(path + at, "/segment");
  cw_segment segment = created(path, 1);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  strcpy(path + at, "/con");
  CHECK_IS(cw_directory_prepare(path), 1);
  CHECK_IS(cw_directory_prepare(path), 0);
  strcpy(path + at, "/con/nul");
  segment = created(path, 1);
  CHECK_IS(segment.size, CW_PAGE);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  CHECK_IS(cw_file_remove(path), CW_OK);
  CHECK_IS(cw_segment_open("C:\\\xff", &segment), CW_EARGUMENT); /* no UTF-8 */
}

static void directories(void) {
  char names[512];
  const char *path = in_scratch("list");
  CHECK_IS(cw_directory_prepare(in_scratch("none/inner")), CW_ENOTFOUND);
  CHECK_IS(cw_directory_list(path, names, sizeof names), CW_ENOTFOUND);
  CHECK_IS(cw_directory_prepare(path), 1);
  CHECK_IS(cw_directory_prepare(path), 0);
  CHECK_IS(cw_directory_list(path, names, sizeof names), 0);
  make_file(in_scratch("list/a"), 0);
  make_file(in_scratch("list/\xc3\xa4\xc3\xb6"), 0);
  CHECK_IS(cw_directory_list(path, names, sizeof names), 7);
  memset(names, '?', sizeof names);
  CHECK_IS(cw_directory_list(path, names, 6), 7);
  CHECK(names[6] == '?');
  CHECK_IS(cw_directory_list(in_scratch("list/a"), names, sizeof names), CW_ETYPE);
  CHECK_IS(cw_directory_prepare(in_scratch("list/a")), CW_ETYPE);
  CHECK_IS(cw_directory_remove(in_scratch("list/a")), CW_ETYPE);
  CHECK_IS(cw_file_remove(path), CW_ETYPE);
  CHECK_IS(cw_directory_remove(path), CW_EBUSY);
  CHECK_IS(cw_file_rename(in_scratch("list/a"), in_scratch("list/\xc3\xa4\xc3\xb6")), CW_OK);
  CHECK_IS(cw_file_rename(in_scratch("list/a"), in_scratch("list/b")), CW_ENOTFOUND);
  CHECK_IS(cw_file_link(in_scratch("list/a"), in_scratch("list/b")), CW_ENOTFOUND);
  CHECK_IS(cw_file_link(in_scratch("list/\xc3\xa4\xc3\xb6"), in_scratch("list/b")), CW_OK);
  CHECK_IS(cw_file_link(in_scratch("list/\xc3\xa4\xc3\xb6"), in_scratch("list/b")), CW_EEXISTS);
  CHECK_IS(cw_file_remove(in_scratch("list/b")), CW_OK);
  CHECK_IS(cw_file_remove(in_scratch("list/a")), CW_ENOTFOUND);
  CHECK_IS(cw_file_remove(in_scratch("list/\xc3\xa4\xc3\xb6")), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_ENOTFOUND);
}

/* A lock keeps others out, and neither renaming nor removing in there. */
static void locked(void) {
  char names[64];
  const char *path = in_scratch("lock");
  CHECK_IS(cw_directory_lock(path, 0), CW_ENOTFOUND);
  CHECK_IS(cw_directory_prepare(path), 1);
  int32_t first = cw_directory_lock(path, 0);
  CHECK(first >= 0);
  CHECK_IS(cw_directory_lock(path, 0), CW_ETIMEOUT);
  uint64_t before = clock_ns();
  CHECK_IS(cw_directory_lock(path, 30000), CW_ETIMEOUT);
  CHECK(clock_ns() - before >= 30000000u);
  CHECK_IS(cw_directory_list(scratch, names, sizeof names), (int)strlen("lock") + 1);
  cw_segment segment = created(in_scratch("lock/new"), 1);
  CHECK_IS(cw_file_rename(in_scratch("lock/new"), in_scratch("lock/old")), CW_OK);
  CHECK_IS(cw_directory_list(path, names, sizeof names), 4);
  CHECK_IS(cw_file_remove(in_scratch("lock/old")), CW_OK);
  CHECK_IS(cw_segment_close(&segment), CW_OK);
  CHECK_IS(cw_directory_remove(path), CW_OK);
  CHECK_IS(cw_directory_unlock(first), CW_OK);
  CHECK_IS(cw_directory_lock(path, 0), CW_ENOTFOUND);
  CHECK_IS(cw_directory_list(scratch, names, sizeof names), 0);
  CHECK(!exists(in_scratch("lock.lock")));
}

static void segments(void) {
  const char *path = in_scratch("segment");
  cw_segment one = created(path, 3);
  cw_segment two;
  CHECK_IS(one.size, 3 * CW_PAGE);
  const unsigned char *bytes = (const unsigned char *)(uintptr_t)one.base;
  for (uint64_t i = 0; i < one.size; i++) CHECK(bytes[i] == 0);
  CHECK_IS(cw_segment_create(path, 3, &two), CW_EEXISTS);
  CHECK_IS(cw_segment_open(path, &two), CW_OK);
  CHECK_IS(two.size, one.size);
  CHECK(two.base != one.base);
  *word_of(&one, BELL) = 42;
  CHECK_IS(*word_of(&two, BELL), 42);
  CHECK_IS(cw_segment_release_handle(&two), CW_OK);
  CHECK_IS(two.handle, -1);
  *word_of(&two, BELL) = 43;
  CHECK_IS(*word_of(&one, BELL), 43);
  CHECK_IS(cw_segment_close(&one), CW_OK);
  CHECK_IS(cw_segment_close(&two), CW_OK);
  CHECK(one.base == 0 && one.size == 0 && one.handle == -1);
  CHECK_IS(cw_file_remove(path), CW_OK);
  cw_segment large = created(path, 4096);
  *word_of(&large, (uint32_t)large.size - 4) = 1;
  CHECK_IS(cw_segment_close(&large), CW_OK);
  CHECK_IS(cw_file_remove(path), CW_OK);
}

static void refused(void) {
  cw_segment segment;
  CHECK_IS(cw_segment_create(in_scratch("x"), 0, &segment), CW_EARGUMENT);
  CHECK_IS(cw_segment_create(in_scratch("none/x"), 1, &segment), CW_ENOTFOUND);
  CHECK_IS(cw_segment_open(in_scratch("none/x"), &segment), CW_ENOTFOUND);
  CHECK_IS(cw_segment_open(in_scratch("x"), &segment), CW_ENOTFOUND);
  CHECK_IS(cw_segment_open(scratch, &segment), CW_ETYPE);
  make_file(in_scratch("empty"), 0);
  make_file(in_scratch("odd"), CW_PAGE + 1);
  CHECK_IS(cw_segment_open(in_scratch("empty"), &segment), CW_ESIZE);
  CHECK_IS(cw_segment_open(in_scratch("odd"), &segment), CW_ESIZE);
  CHECK_IS(cw_file_remove(in_scratch("empty")), CW_OK);
  CHECK_IS(cw_file_remove(in_scratch("odd")), CW_OK);
}

/* Its name is free at once, and its memory stays for those who have it. */
static void removed_in_use(bool handle_open) {
  const char *path = in_scratch("used");
  cw_segment one = created(path, 1);
  cw_segment two;
  CHECK_IS(cw_segment_open(path, &two), CW_OK);
  *word_of(&one, BELL) = 1;
  if (!handle_open) {
    CHECK_IS(cw_segment_release_handle(&one), CW_OK);
    CHECK_IS(cw_segment_release_handle(&two), CW_OK);
  }
  CHECK_IS(cw_file_remove(path), CW_OK);
  CHECK_IS(cw_file_remove(path), CW_ENOTFOUND);
  cw_segment other;
  CHECK_IS(cw_segment_open(path, &other), CW_ENOTFOUND);
  other = created(path, 2);
  CHECK_IS(*word_of(&other, BELL), 0);
  *word_of(&one, BELL) = 2;
  CHECK_IS(*word_of(&two, BELL), 2);
  CHECK_IS(cw_segment_close(&one), CW_OK);
  CHECK_IS(*word_of(&two, BELL), 2);
  CHECK_IS(cw_segment_close(&two), CW_OK);
  CHECK_IS(cw_segment_close(&other), CW_OK);
  CHECK_IS(cw_file_remove(path), CW_OK);
}

static void renamed_in_use(void) {
  cw_segment one = created(in_scratch("before"), 1);
  CHECK_IS(cw_lease_take(&one), CW_OK);
  CHECK_IS(cw_file_rename(in_scratch("before"), in_scratch("after")), CW_OK);
  cw_segment two;
  CHECK_IS(cw_segment_open(in_scratch("before"), &two), CW_ENOTFOUND);
  CHECK_IS(cw_segment_open(in_scratch("after"), &two), CW_OK);
  CHECK_IS(cw_lease_test(&two), 1);
  CHECK_IS(cw_lease_take(&two), CW_EBUSY);
  CHECK_IS(cw_lease_test(&one), CW_EARGUMENT);
  CHECK_IS(cw_segment_release_handle(&one), CW_OK);
  CHECK_IS(cw_lease_test(&two), 0);
  CHECK_IS(cw_lease_take(&two), CW_OK);
  CHECK_IS(cw_segment_close(&one), CW_OK);
  CHECK_IS(cw_segment_close(&two), CW_OK);
  CHECK_IS(cw_file_remove(in_scratch("after")), CW_OK);
}

/* Somebody keeps it for a moment in a way that refuses us. */
static DWORD WINAPI let_go(LPVOID file) {
  Sleep(50);
  CloseHandle(file);
  return 0;
}

static HANDLE kept(const char *path) {
  HANDLE file = CreateFileW(wide(path), GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
  CHECK(file != INVALID_HANDLE_VALUE);
  return CreateThread(NULL, 0, let_go, file, 0, NULL);
}

static void kept_for_a_moment(void) {
  make_file(in_scratch("kept"), CW_PAGE);
  HANDLE thread = kept(in_scratch("kept"));
  CHECK_IS(cw_file_rename(in_scratch("kept"), in_scratch("kept2")), CW_OK);
  CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
  CloseHandle(thread);
  thread = kept(in_scratch("kept2"));
  CHECK_IS(cw_file_remove(in_scratch("kept2")), CW_OK);
  CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
  CloseHandle(thread);
}

static void space(void) {
  uint64_t bytes[2];
  CHECK_IS(cw_directory_space(scratch, bytes), CW_OK);
  CHECK(bytes[0] > 0 && bytes[0] <= bytes[1]);
}

int main(void) {
  begin();
  default_place();
  spelled_otherwise();
  directories();
  locked();
  long_and_odd();
  segments();
  refused();
  removed_in_use(true);
  removed_in_use(false);
  renamed_in_use();
  kept_for_a_moment();
  space();
  return 0;
}

#else
int main(void) {
  SKIP("Windows' files", "this is no Windows");
  return 0;
}
#endif
