# A thousand times an interrupt waits and is let in: it is taken right behind the instruction that
# lets it, in the middle of straight code. Bare metal, M-mode.
    .globl _start
_start:
    la t0, trap
    csrw mtvec, t0
    li t2, 0x2000000 # msip
    li t3, 1
    csrwi mie, 8
    li s1, 1000
    j again
    .balign 64
again: # 0x80000040
    sw t3, 0(t2)
    j enable
    .balign 64
enable: # 0x80000080
    addi a0, a0, 1
    csrsi mstatus, 8
    addi a1, a1, 1
    csrci mstatus, 8
    addi s1, s1, -1
    bnez s1, again
#include "finish.inc"
    .balign 64
trap:
    sw zero, 0(t2)
    mret
