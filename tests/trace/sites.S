# One function that returns to many places, more than an indirect jump has of its own, a thousand
# times to each; and one that faults on its way in every round.
    .globl _start
_start:
    la t0, trap
    csrw mtvec, t0
    li s1, 1000
again:
    .rept 12
    call leaf
    .endr
    call faults
    addi s1, s1, -1
    bnez s1, again
#include "finish.inc"
    .balign 64
leaf:
    addi a0, a0, 1
    ret
    .balign 64
faults:
    addi a1, a1, 1
    lw a2, 0(zero)
    addi a1, a1, 1
    ret
    .balign 64
trap:
    csrr t1, mepc
    addi t1, t1, 4
    csrw mepc, t1
    mret
