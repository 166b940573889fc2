/* What the acquirers need: see common/acquirer.h. */
#include "posix.h"

#include "../common/acquirer.h"

#include <pthread.h>
#include <signal.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

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
