/*
 * The version, this thread's last error, and the spin-loop hint.
 */
#include "internal.h"

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
/* `yield` does nothing on most cores; `isb` takes about as long as x86's pause. */
#define RELAX() __asm__ volatile("isb" ::: "memory")
#else
#define RELAX() atomic_signal_fence(memory_order_seq_cst)
#endif

static _Thread_local int32_t last_error;

int32_t cw_abi(void) {
  return CW_ABI;
}

int32_t cw_fail(int32_t code, int32_t number) {
  last_error = number;
  return code;
}

int32_t cw_last_error(void) {
  return last_error;
}

int32_t cw_pause(uint32_t times) {
  for (uint32_t i = 0; i < times; i++) RELAX();
  return CW_OK;
}
