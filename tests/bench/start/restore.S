# Fills 32 MiB of memory, so that a snapshot has what a booted system would have, and then says '!'
# on the UART for ever: the first one after a restore tells that it runs.
    .section .text.start, "ax"
    .globl _start
_start:
    li      t0, 0x82000000
    li      t1, 0x84000000
fill:
    sd      t0, 0(t0)
    addi    t0, t0, 64
    bltu    t0, t1, fill
    li      t0, 0x10000000
    li      t1, '!'
say:
    sb      t1, 0(t0)
    j       say
