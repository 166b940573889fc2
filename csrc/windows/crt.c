/*
 * What the library needs of a C runtime, in the build by Zig only: memory from the
 * system, and the thread-local data of misc.c. Zig would compile the whole of
 * MinGW's for it, which takes minutes; text and memory functions are the system's
 * own, in ntdll.
 */
#include "shared.h"

#include <stdlib.h>

void *malloc(size_t size) {
  return HeapAlloc(GetProcessHeap(), 0, size);
}

void *calloc(size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  return HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, count * size);
}

void free(void *memory) {
  if (memory) HeapFree(GetProcessHeap(), 0, memory);
}

/* The linker puts what is thread-local between the two, and the directory where
 * the system looks for it. */
ULONG _tls_index;
__attribute__((section(".tls"))) char tls_start;
__attribute__((section(".tls$ZZZ"))) char tls_end;
__attribute__((section(".rdata$T"), used)) const IMAGE_TLS_DIRECTORY _tls_used = {
  .StartAddressOfRawData = (ULONG_PTR)&tls_start,
  .EndAddressOfRawData = (ULONG_PTR)&tls_end,
  .AddressOfIndex = (ULONG_PTR)&_tls_index,
};

/* The system calls it when the library is loaded and unloaded. */
BOOL WINAPI _DllMainCRTStartup(HINSTANCE self, DWORD reason, LPVOID reserved) {
  (void)self, (void)reason, (void)reserved;
  return TRUE;
}
