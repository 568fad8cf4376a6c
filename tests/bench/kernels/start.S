# The first hart sets up a stack, the FPU and a trap handler that reports; others sleep.
    .section .text.start, "ax"
    .globl _start
_start:
    bnez    a0, sleep
    la      sp, stack_end
    la      t0, trap
    csrw    mtvec, t0
    li      t0, 0x6600              # FP, and vectors where there are any
    csrs    mstatus, t0
    csrw    fcsr, zero
    call    guest_main
sleep:
    wfi
    j       sleep
    .align  2
trap:
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    guest_trap
    j       sleep
