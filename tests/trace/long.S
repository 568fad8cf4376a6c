# A loop of 1.2 thousand million instructions: its counters are summed up on the way
# (PROBE_SUM_INSNS). Bare metal, M-mode.
    .globl _start
_start:
    li s1, 600000000
    j again
    .balign 64
again: # 0x80000040
    addi s1, s1, -1
    bnez s1, again
#include "finish.inc"
