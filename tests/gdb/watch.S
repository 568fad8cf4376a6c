# Bare metal, for tests/gdb/check_points.sh: every hart stores how often it went round into each of
# the 32 bytes around a page's end, and loads each of those around another one.
    .globl  _start, edge, source
_start:
    lla     s3, edge
    lla     s5, source
    sub     s5, s5, s3
    addi    s4, s3, 16
    addi    s3, s3, -16
round:
    addi    s0, s0, 1
    mv      s2, s3
next:
    add     s6, s2, s5
    sb      s0, 0(s2)
    lbu     a0, 0(s6)
    addi    s2, s2, 1
    bne     s2, s4, next
    j       round

    .balign 4096
    .zero   4096
edge:
    .zero   4096
    .zero   4096
source:
    .zero   32
