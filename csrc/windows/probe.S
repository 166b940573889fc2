/*
 * The stack probe of x64, in the build by Zig only.
 *
 * A thread's stack grows page by page, as its lowest page is touched, so a
 * function with a larger frame has each page of it touched first: the compiler
 * calls this with the size in rax and every register to be kept. Other
 * toolchains bring their own. Zig's comes with 40 KB of mathematics in one
 * section, which the linker can't take apart.
 */
#if defined(__x86_64__)
    .text
    .globl ___chkstk_ms
___chkstk_ms:
    push %r10
    push %r11
    lea 24(%rsp), %r10 /* the caller's stack pointer */
    mov %rax, %r11
next:
    cmp $4096, %r11
    jbe last
    sub $4096, %r10
    sub $4096, %r11
    test %r10, (%r10)
    jmp next
last:
    sub %r11, %r10
    test %r10, (%r10)
    pop %r11
    pop %r10
    ret
#endif
