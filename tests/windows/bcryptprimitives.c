/*
 * For tests under Wine alone; never shipped. Rust's library takes its randomness from bcryptprimitives.dll's ProcessPrng, which every
 * Windows since 10 has and Wine 8.0 has not: without this file netbootd.exe does not start there (c0000135). The bytes come from the
 * function that Wine has for the same purpose.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T length)
{
    while (length > 0) {
        ULONG part = length < 65536 ? (ULONG)length : 65536;
        if (!SystemFunction036(bytes, part))
            return FALSE;
        bytes += part;
        length -= part;
    }
    return TRUE;
}
