# A loop whose jump goes to 32 places in turn, 20,000 times to each: more than the places that even
# a way which is known for many has, and for so long that the loop is hot. What a target does is one
# instruction more than the one before it does, so that each is a block of another length.
    .globl _start
_start:
    la s0, targets
    li s1, 32 * 20000
    li s2, 0
again:
    andi t0, s2, 31
    slli t0, t0, 8
    add t0, t0, s0
    addi s2, s2, 1
    jr t0
    .balign 256
targets:
    .set n, 0
    .rept 32
    .balign 256
    .rept n
    addi a0, a0, 1
    .endr
    beq s2, s1, end
    j again
    .set n, n + 1
    .endr
    .balign 256
end:
#include "finish.inc"
