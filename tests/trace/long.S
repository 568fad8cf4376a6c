# A loop of 1.4 thousand million rounds: as blocks they are counted each, and that is summed up on
# the way (PROBE_SUM_COUNT); a trace of it counts several at once. Bare metal, M-mode.
    .globl _start
_start:
    li s1, 1400000000
    j again
    .balign 64
again: # 0x80000040
    addi s1, s1, -1
    bnez s1, again
#include "finish.inc"
