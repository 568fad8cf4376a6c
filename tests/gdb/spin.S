# Bare metal, for tests/gdb/check_gdb.sh: every hart goes round the same loop for ever and counts in
# s0, and together they count in `shared` by a load-reserved and a store-conditional.
    .globl  _start, loop, retry, shared
_start:
    lla     s1, shared
loop:
    addi    s0, s0, 1
retry:
    lr.w    a0, (s1)
    addi    a0, a0, 1
    sc.w    a1, a0, (s1)
    bnez    a1, retry
    j       loop

    .balign 4096
shared:
    .word   0
