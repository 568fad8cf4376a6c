/* Entry of the demo, in S-mode: a0 = hart id, a1 = device tree. */
#include "roms/common/linux_image.h"

#define STACK_BYTES 32768

    .section .text.entry, "ax"
    .globl  _start
_start:
    linux_image_header 1f

1:  csrw    sie, zero
    la      t0, unexpected_trap
    csrw    stvec, t0
    li      t0, 1 << 13                 /* sstatus.FS: initial */
    csrs    sstatus, t0
    fscsr   zero
    la      t0, bss_start
    la      t1, bss_end
2:  bgeu    t0, t1, 3f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       2b
3:  la      sp, stack_top
    tail    demo_main

    .balign 4
unexpected_trap:
    la      sp, stack_top
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    tail    demo_trap

    .section .stacks, "aw", @nobits
    .balign 16
    .skip   STACK_BYTES
stack_top:
