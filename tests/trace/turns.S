# Bare metal, for tests/trace/check_trace.sh: two harts add to a counter, 20,000 times each, and so
# take many turns; then hart 0 powers off. What each addition found tells the order of all.
    .globl  _start, counter
_start:
    lla     s1, counter
    li      t0, 20000
    li      a0, 1
add:
    amoadd.w a1, a0, (s1)
    addi    t0, t0, -1
    bnez    t0, add
    csrr    a2, mhartid
    bnez    a2, park
    li      a4, 40000
poll:
    lw      a3, 0(s1)
    bne     a3, a4, poll
    lui     a0, 0x100
    lui     a5, 5
    addi    a5, a5, 0x555
    sw      a5, 0(a0)
park:
    j       park

    .balign 4096
counter:
    .word   0
