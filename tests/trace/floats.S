# A hot loop whose registers are floats of 32 bits: NaN boxes of what it computes and loads are
# told, and go to memory and to integer registers.
    .globl _start
_start:
    li t0, 0x6000
    csrs mstatus, t0
    la s0, numbers
    li s1, 5000
    flw fa0, 0(s0)
again:
    flw fa1, 4(s0)
    fmul.s fa2, fa1, fa0
    fadd.s fa0, fa0, fa1
    fsd fa2, 8(s0)
    fmv.x.d a0, fa0
    fmv.x.d a1, fa2
    fneg.s fa3, fa2
    fmin.s fa4, fa3, fa0
    fsd fa4, 16(s0)
    addi s1, s1, -1
    bnez s1, again
#include "finish.inc"
    .balign 8
numbers:
    .float 1.5, 0.25
    .zero 16
