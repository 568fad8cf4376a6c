# M-mode: makes the tables, drops to S-mode, and takes every trap there is.
    .section .text.start, "ax"
    .globl  _start
_start:
    bnez    a0, sleep
    la      sp, stack_end
    csrw    mscratch, sp
    la      t0, trap
    csrw    mtvec, t0
    li      t0, 0x6600              # FP, vectors
    csrs    mstatus, t0
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 31
    csrw    pmpcfg0, t0
    call    make_tables
    la      t0, root
    srli    t0, t0, 12
    li      t1, 8
    slli    t1, t1, 60
    or      t0, t0, t1
    csrw    satp, t0
    sfence.vma
    li      t0, 0x1800
    csrc    mstatus, t0
    li      t0, 0x800               # MPP: S
    csrs    mstatus, t0
    la      t0, supervisor
    csrw    mepc, t0
    mret
supervisor:
    la      sp, supervisor_stack_end
    call    supervisor_main
    li      t0, 0x100000
    li      t1, 0x5555
    sw      t1, 0(t0)
sleep:
    wfi
    j       sleep

    .balign 4
trap:
    csrrw   sp, mscratch, sp
    addi    sp, sp, -256
    .irp    n, 1, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    sd      x\n, (8 * \n)(sp)
    .endr
    csrr    a0, mcause
    csrr    a1, mtval
    csrr    a2, vstart
    call    on_trap
    bnez    a0, 1f                  # again, from vstart on
    csrw    vstart, zero
    csrr    t0, mepc
    addi    t0, t0, 4
    csrw    mepc, t0
1:
    .irp    n, 1, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    ld      x\n, (8 * \n)(sp)
    .endr
    addi    sp, sp, 256
    csrrw   sp, mscratch, sp
    mret

    .bss
    .balign 16
    .space  16384
stack_end:
    .space  16384
supervisor_stack_end:
