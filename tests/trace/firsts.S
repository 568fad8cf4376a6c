# Code that is met for the first time and goes another way each time: past branches to what tier 0
# does not run, to a fault behind a branch, to a branch's target, to the end. 64 copies, 4 rounds of
# each. Bare metal, M-mode.
    .globl _start
_start:
    la t0, trap
    csrw mtvec, t0
    li s0, 0
    li s1, 4
    la s2, _start
again: # 0x80000020 at the latest
    .balign 64
    .globl copies
copies: # 0x80000040
    .rept 64
    li t1, 1
    mv a0, s2
    beqz s0, 1f      # the first round
    addi a1, a1, 1
    bne s0, t1, 2f   # the third and fourth
    li a0, 0
    addi a2, a2, 1
    lw a3, 0(a0)     # the second: faults
    j 3f
1:  addi a1, a1, 2
    beqz s1, 3f      # never
    csrr a4, mscratch
    j 3f
2:  addi a1, a1, 3
    bgtu s0, t1, 3f  # always
    addi a1, a1, 5
3:  addi a5, a5, 1
    .balign 64
    .endr
    addi s0, s0, 1
    bltu s0, s1, again
#include "finish.inc"
    .balign 4
trap:
    csrr t0, mepc
    addi t0, t0, 2   # the compressed lw
    csrw mepc, t0
    mret
