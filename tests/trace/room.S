# Bare metal, for tests/trace/check_room.sh: as many words in a trace of blocks as there can be for
# so many instructions. A page of branches that are always taken, each over an instruction that
# never runs, 500 times; then the machine is off.
    .globl  _start, page
    .option rvc
_start:
    li      a0, 0
    li      s0, 500
    j       page

    .balign 4096
page:
    .rept 1000
    c.beqz  a0, 1f
    c.nop
1:
    .endr
    addi    s0, s0, -1
    beqz    s0, off
    j       page
off:
    lui     a0, 0x100
    lui     a5, 5
    addi    a5, a5, 0x555
    sw      a5, 0(a0)
stop:
    j       stop
