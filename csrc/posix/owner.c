/* The ends of threads: see common/owned.h. */
#include "posix.h"

#include "../common/owned.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

void cw_owners_lock(void) {
  pthread_mutex_lock(&lock);
}

void cw_owners_unlock(void) {
  pthread_mutex_unlock(&lock);
}

static void ended(void *unused) {
  (void)unused;
  cw_owner_ended();
}

/* The key's destructor and threads run code of this library: it must stay
 * loaded, whatever its user thinks. musl never unloads, and would open the path
 * again, which may be that of a descriptor. */
static void stay_loaded(void) {
#if !defined(__linux__) || defined(__GLIBC__)
  Dl_info self;
  if (dladdr((void *)&lock, &self) != 0 && self.dli_fname) {
    dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
#endif
}

static void set_up(void) {
  key_error = pthread_key_create(&key, ended);
  stay_loaded();
}

int32_t cw_owner_attend(void) {
  pthread_once(&once, set_up);
  int number = key_error == 0 ? pthread_setspecific(key, &key) : key_error; /* anything but NULL */
  return number == 0 ? CW_OK : cw_fail_errno(number);
}

uint64_t cw_owner_thread(void) {
  return (uint64_t)(uintptr_t)pthread_self();
}

uint64_t cw_owner_process(void) {
  return (uint64_t)getpid();
}
