/*
 * CSR numbers are part of the instruction, so an index becomes a jump into a row of instruction
 * pairs (8 bytes each). Index 3..31.
 */
    .option norvc

    .macro row instruction
    addi    a0, a0, -3
    slli    a0, a0, 3
    la      t0, 1f
    add     t0, t0, a0
    jr      t0
1:
    .set    n, 3
    .rept   29
    \instruction
    ret
    .set    n, n + 1
    .endr
    .endm

    .text
    .balign 4
    .globl  hpm_counter_read
hpm_counter_read:
    row     "csrr a0, 0xb00 + n"

    .globl  hpm_counter_write
hpm_counter_write:
    row     "csrw 0xb00 + n, a1"

    .globl  hpm_event_read
hpm_event_read:
    row     "csrr a0, 0x320 + n"

    .globl  hpm_event_write
hpm_event_write:
    row     "csrw 0x320 + n, a1"
