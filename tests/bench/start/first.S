# The first instructions that a machine executes say so on its UART; then it sleeps for good.
    .section .text.start, "ax"
    .globl _start
_start:
    bnez    a0, sleep
    li      t0, 0x10000000
    li      t1, '!'
    sb      t1, 0(t0)
sleep:
    wfi
    j       sleep
