/* What the acquirers need: see common/acquirer.h. */
#include "posix.h"

#include "../common/acquirer.h"

#include <pthread.h>
#include <signal.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t own_key;
static int own_key_error;

void cw_acquirers_lock(void) {
  pthread_mutex_lock(&lock);
}

void cw_acquirers_unlock(void) {
  pthread_mutex_unlock(&lock);
}

static void *attend(void *acquirer) {
  cw_thread_name("causeway-acquire");
  cw_acquirer_attend(acquirer);
  return NULL;
}

int32_t cw_acquirer_start(cw_acquirer *acquirer) {
  sigset_t all;
  sigset_t before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int number = pthread_create(&thread, NULL, attend, acquirer);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (number != 0) return cw_fail_errno(number);
  pthread_detach(thread);
  return CW_OK;
}

static void thread_ended(void *first) {
  cw_acquirers_abandon(first);
}

static void set_up(void) {
  own_key_error = pthread_key_create(&own_key, thread_ended);
}

cw_acquirer *cw_acquirers_own(void) {
  pthread_once(&once, set_up);
  return own_key_error == 0 ? pthread_getspecific(own_key) : NULL;
}

int32_t cw_acquirers_set_own(cw_acquirer *first) {
  int number = own_key_error == 0 ? pthread_setspecific(own_key, first) : own_key_error;
  return number == 0 ? CW_OK : cw_fail_errno(number);
}
