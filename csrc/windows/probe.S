/*
 * The stack probe, in the build by Zig only.
 *
 * A thread's stack grows page by page, as its lowest page is touched, so a
 * function with a larger frame has each page of it touched first. The compiler
 * calls this, on x64 with the size in rax and every register to be kept, on
 * arm64 with a sixteenth of it in x15 and x16 and x17 to use. Other toolchains
 * bring their own. Zig's comes with 40 KB of mathematics in one section, which
 * the linker can't take apart.
 */
    .text
#if defined(__x86_64__)
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
#elif defined(__aarch64__)
    .globl __chkstk
__chkstk:
    lsl x16, x15, #4
    mov x17, sp
next:
    cmp x16, #4096
    b.ls last
    sub x17, x17, #4096
    sub x16, x16, #4096
    ldr xzr, [x17]
    b next
last:
    sub x17, x17, x16
    ldr xzr, [x17]
    ret
#endif
