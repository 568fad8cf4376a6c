# Trap handlers and the way into S and U and back. An ecall with a7 = 0 ends what enter() began; any
# other is counted and returned from, as are page faults, machine timer and software interrupts.
    .option norvc
    .globl trap_count, enter, set_vectors, do_ecall_u_s, do_ecall_s_m
    .bss
    .align 4
trap_count:     .dword 0
m_save:         .zero 8 * 4
s_save:         .zero 8 * 4
context:        .zero 8 * 16

    .text
    .align 2
set_vectors:
    la      t0, m_vector
    csrw    mtvec, t0
    la      t0, s_vector
    csrw    stvec, t0
    la      t0, m_save
    csrw    mscratch, t0
    ret

# enter(mode, fn, count): runs fn(count) in S, or for 'U' at its user address in U.
enter:
    la      t0, context
    sd      ra, 0(t0)
    sd      sp, 8(t0)
    sd      s0, 16(t0)
    sd      s1, 24(t0)
    sd      s2, 32(t0)
    sd      s3, 40(t0)
    sd      s4, 48(t0)
    sd      s5, 56(t0)
    sd      s6, 64(t0)
    sd      s7, 72(t0)
    sd      s8, 80(t0)
    sd      s9, 88(t0)
    sd      s10, 96(t0)
    sd      s11, 104(t0)
    la      t1, s_save
    csrw    sscratch, t1
    la      ra, leave
    li      t0, 0x1800
    csrc    mstatus, t0
    li      t1, 'S'
    beq     a0, t1, 1f
    li      t1, 0x80000000
    add     a1, a1, t1
    add     ra, ra, t1
    add     sp, sp, t1
    j       2f
1:
    li      t0, 0x800
    csrs    mstatus, t0
2:
    csrw    mepc, a1
    mv      a0, a2
    mret
leave:
    li      a7, 0
    ecall

    .align 2
m_vector:
    csrrw   t0, mscratch, t0
    sd      t1, 0(t0)
    sd      t2, 8(t0)
    sd      t3, 16(t0)
    csrr    t1, mcause
    bltz    t1, m_interrupt
    li      t2, 9
    bne     t1, t2, m_unknown
    beqz    a7, m_leave
    csrr    t1, mepc
    addi    t1, t1, 4
    csrw    mepc, t1
m_counted:
    la      t1, trap_count
    ld      t2, 0(t1)
    addi    t2, t2, 1
    sd      t2, 0(t1)
    ld      t3, 16(t0)
    ld      t2, 8(t0)
    ld      t1, 0(t0)
    csrrw   t0, mscratch, t0
    mret
m_interrupt:
    andi    t1, t1, 15
    li      t2, 7
    beq     t1, t2, 1f
    li      t1, 0x2000000
    sw      zero, 0(t1)
    j       m_counted
1:
    li      t1, 0x2004000
    li      t2, -1
    sd      t2, 0(t1)
    j       m_counted
m_leave:
    csrrw   t0, mscratch, t0
    la      t0, context
    ld      ra, 0(t0)
    ld      sp, 8(t0)
    ld      s0, 16(t0)
    ld      s1, 24(t0)
    ld      s2, 32(t0)
    ld      s3, 40(t0)
    ld      s4, 48(t0)
    ld      s5, 56(t0)
    ld      s6, 64(t0)
    ld      s7, 72(t0)
    ld      s8, 80(t0)
    ld      s9, 88(t0)
    ld      s10, 96(t0)
    ld      s11, 104(t0)
    li      t1, 0x1800
    csrs    mstatus, t1
    ret
m_unknown:
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    la      sp, stack_end
    call    guest_trap

    .align 2
s_vector:
    csrrw   t0, sscratch, t0
    sd      t1, 0(t0)
    sd      t2, 8(t0)
    sd      t3, 16(t0)
    csrr    t1, scause
    bltz    t1, s_unknown
    li      t2, 8
    bne     t1, t2, 1f
    beqz    a7, s_leave
1:
    csrr    t1, sepc
    addi    t1, t1, 4
    csrw    sepc, t1
    la      t1, trap_count
    ld      t2, 0(t1)
    addi    t2, t2, 1
    sd      t2, 0(t1)
    ld      t3, 16(t0)
    ld      t2, 8(t0)
    ld      t1, 0(t0)
    csrrw   t0, sscratch, t0
    sret
s_leave:
    ecall
s_unknown:
    li      a7, 0
    li      a0, -1
    ecall

    .align 2
do_ecall_u_s:
do_ecall_s_m:
    li      a7, 1
1:
    ecall
    addi    a0, a0, -1
    bnez    a0, 1b
    la      t0, trap_count
    ld      a0, 0(t0)
    ret
