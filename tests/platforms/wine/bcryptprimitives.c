/*
 * bcryptprimitives.dll as far as Bun needs it: Wine 8 has none, Windows always does.
 * Lies beside bun.exe, where it is found first.
 */
#include <windows.h>

/* What advapi32 calls RtlGenRandom in its headers only. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
  for (SIZE_T done = 0; done < length;) {
    ULONG step = length - done > 0x10000 ? 0x10000 : (ULONG)(length - done);
    if (!SystemFunction036(data + done, step)) return FALSE;
    done += step;
  }
  return TRUE;
}
