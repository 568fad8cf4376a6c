# A hot loop that needs more registers than there are, so that where the stream ends is in memory
# meanwhile: it walks over more pages than the TLB has, leaves by branches, an indirect jump and the
# end of each walk, and writes more than a ring holds.
    .globl _start
_start:
    lla a5, base
    li a4, 0x200000
    add a4, a4, a5
    li sp, 4096 + 8
    lla a2, usual
    mv s0, a5
    li s1, 0x1234567
    li ra, 60000
again:
    ld a0, 0(s0)
    add t0, s1, a0
    xor t1, s1, a1
    add t2, s1, t0
    xor a1, t1, t2
    sub t0, s1, a1
    add t1, s1, ra
    sd t0, 8(s0)
    xor t2, s1, t1
    add a0, s1, t2
    andi t0, a0, 63
    beqz t0, seldom
back:
    lw t1, 12(s0)
    add s1, s1, a0
    sw s1, 4(s0)
    jr a2
usual:
    add s0, s0, sp
    bgeu s0, a4, around
    addi ra, ra, -1
    bnez ra, again
    j end
around:
    sub s0, s0, a4
    add s0, s0, a5
    andi s0, s0, -8
    lla a2, other
    j again
other:
    lla a2, usual
    addi s1, s1, 77
    jr a2
seldom:
    addi a1, a1, 5
    sb a1, 3(s0)
    j back
end:
#include "finish.inc"
    .balign 4096
base:
