/* Guest sequences whose host code check_golden.sh compares with host.txt. Each is a block of its
 * own: it begins at a global symbol and ends with the first jump that is not a branch. All but the
 * last ones lie in one page, so that most jumps out are short. */
    .option norvc
    .macro sequence name
    .balign 64
    .globl g_\name
g_\name:
    .endm

    .text
    .globl _start
_start:
    li      t0, 0x6000          /* mstatus.FS */
    csrs    mstatus, t0
    li      t0, 0x100000        /* the finisher: pass */
    li      t1, 0x5555
    sw      t1, 0(t0)
0:  j       0b

/* integer, pinned and unpinned registers */
    sequence add_pinned
    add     a0, a1, a2
    j       over
    sequence add_same
    add     a0, a0, a1
    j       over
    sequence add_unpinned
    add     s10, s9, s11
    j       over
    sequence add_imm
    addi    a0, a1, -1
    j       over
    sequence add_word
    addw    a0, a1, a2
    j       over
    sequence increment_word
    addiw   a0, a0, 1
    j       over
    sequence sub_reversed
    sub     a0, a1, a0
    j       over
    sequence constant
    lui     a0, 0x12345
    addiw   a0, a0, 0x678
    j       over
    sequence address
    auipc   a0, 0x10
    addi    a0, a0, 16
    j       over
    sequence zero_destination
    add     x0, a1, a2
    lw      x0, 0(a1)
    j       over
    sequence move
    mv      a0, a1
    mv      a2, a0
    j       over
    sequence shifts
    slli    a0, a0, 3
    srl     a1, a1, a2
    sraiw   a3, a3, 4
    j       over
    sequence zero_extend
    slli    a0, a0, 32
    srli    a0, a0, 32
    slli    a1, a1, 49
    srli    a1, a1, 49
    slli    a2, a3, 56
    srli    a2, a2, 60
    slli    a4, a5, 32
    srli    a4, a4, 30
    add     a4, a4, a0
    slli    a3, a3, 32
    srai    a3, a3, 29
    j       over
    sequence set_less
    slt     a0, a1, a2
    sltiu   a3, a4, 1
    sltu    t1, a0, a1
    add     t1, t1, a4
    j       over
    sequence multiply
    mul     a0, a1, a2
    mulhu   a3, a1, a2
    j       over
    sequence divide
    div     a0, a1, a2
    j       over
    sequence remainder_word
    remuw   a0, a1, a2
    j       over
    sequence overwritten
    li      a0, 1
    li      a0, 2
    j       over

/* bit manipulation and conditional operations */
    .option arch, +zba, +zbb, +zbs
    sequence shift_add
    sh2add  a0, a1, a2
    add.uw  a3, a1, a2
    j       over
    sequence rotate
    rori    a0, a0, 7
    rolw    a1, a1, a2
    j       over
    sequence rotate_by_shifts
    slli    a4, a1, 64-14
    srli    a5, a1, 14
    or      a5, a5, a4
    srliw   a4, a2, 25
    slliw   a3, a2, 7
    xor     a3, a4, a3
    li      a4, 0
    j       over
    sequence table_word
    slli    a5, a5, 3
    add     a5, a5, a4
    ld      a0, 8(a5)
    j       over
    sequence counts
    clz     a0, a1
    ctz     a2, a3
    cpop    a4, a5
    j       over
    sequence extremes
    max     a0, a1, a2
    minu    a3, a1, a2
    j       over
    sequence bytes
    rev8    a0, a0
    orc.b   a1, a1
    j       over
    sequence single_bits
    bset    a0, a0, a1
    bexti   a2, a3, 5
    j       over
    sequence select
    .insn r 0x33, 5, 7, a0, a1, a2  /* czero.eqz */
    .insn r 0x33, 7, 7, a3, a1, a2  /* czero.nez */
    or      a0, a0, a3
    j       over

/* memory */
    sequence load
    ld      a0, 8(a1)
    j       over
    sequence load_byte
    lb      a0, 0(a1)
    j       over
    sequence load_unsigned_half
    lhu     a0, 2(a1)
    j       over
    sequence loads_near
    ld      a0, 0(a2)
    ld      a1, 8(a2)
    lw      a3, 16(a2)
    j       over
    sequence store
    sd      a0, 8(a1)
    j       over
    sequence store_zero
    sw      zero, 0(a1)
    j       over
    sequence read_modify_write
    lw      a0, 0(a1)
    addiw   a0, a0, 1
    sw      a0, 0(a1)
    j       over
    sequence prologue
    addi    sp, sp, -32
    sd      ra, 24(sp)
    sd      s0, 16(sp)
    mv      s0, a0
    j       over
    sequence epilogue
    ld      ra, 24(sp)
    ld      s0, 16(sp)
    addi    sp, sp, 32
    j       over

/* control transfer */
    sequence branch_forward
    beq     a0, a1, 1f
    addi    a0, a0, 1
1:  j       over
    sequence branch_zero
    bnez    a0, 1f
    addi    a0, a0, 1
1:  j       over
    sequence loop
1:  addi    a0, a0, -1
    bnez    a0, 1b
    j       over
    sequence sum_loop
1:  ld      a2, 0(a0)
    addi    a0, a0, 8
    add     a3, a3, a2
    bne     a0, a1, 1b
    j       over
    sequence copy_loop
1:  lbu     a3, 0(a1)
    addi    a1, a1, 1
    sb      a3, 0(a0)
    addi    a0, a0, 1
    bnez    a3, 1b
    j       over
    sequence jump_in_page
    j       g_add_pinned
    sequence jump_to_other_page
    j       g_far
    sequence call
    jal     ra, g_add_pinned
    sequence call_far
    auipc   ra, 0x100
    jalr    ra, 8(ra)
    sequence call_itself
    auipc   ra, 0
    jalr    ra, 0(ra)
    sequence call_indirect
    jalr    ra, 0(a5)
    sequence return
    ret

/* atomics */
    sequence atomic_add
    amoadd.w a0, a1, (a2)
    j       over
    sequence atomic_swap_ordered
    amoswap.d.aqrl a0, a1, (a2)
    j       over
    sequence compare_and_swap
1:  lr.w    a0, (a2)
    bne     a0, a3, 2f
    sc.w    a4, a1, (a2)
    bnez    a4, 1b
2:  j       over
    sequence fence
    fence   rw, rw
    j       over

/* floating point */
    sequence fp_add
    fadd.d  fa0, fa1, fa2
    j       over
    sequence fp_fused
    fmadd.d fa0, fa1, fa2, fa3
    j       over
    sequence fp_single
    fmul.s  fa0, fa1, fa2
    j       over
    sequence fp_load_store
    fld     fa0, 0(a0)
    fsd     fa0, 8(a0)
    j       over
    sequence fp_compare_branch
    flt.d   a0, fa0, fa1
    bnez    a0, 1f
    nop
1:  j       over
    sequence fp_convert
    fcvt.d.w fa0, a0
    fcvt.w.d a1, fa1, rtz
    j       over
    sequence fp_move
    fmv.x.d a0, fa0
    fneg.d  fa1, fa2
    j       over

/* system */
    sequence csr_read
    csrr    a0, mscratch
    j       over
    sequence csr_swap
    csrrw   sp, mscratch, sp
    j       over
    sequence system_call
    ecall
    sequence read_time
    csrr    a0, time
    j       over

over:
    j       over
    .balign 4096
    .globl g_far
g_far:
    ret

/* words of bytes, in the second page */
    sequence word_of_bytes
    lbu     a4, 1(a1)
    lbu     a3, 0(a1)
    lbu     a5, 2(a1)
    slli    a4, a4, 8
    or      a4, a4, a3
    ld      a2, 0(a2)
    lbu     a3, 3(a1)
    slli    a5, a5, 16
    or      a4, a4, a5
    slli    a3, a3, 24
    or      a4, a4, a3
    li      a5, 0
    j       over_here
    sequence word_swapped
    lbu     a0, 0(a1)
    lbu     a4, 1(a1)
    lbu     a3, 2(a1)
    slliw   a0, a0, 24
    slli    a4, a4, 16
    or      a0, a0, a4
    lbu     a4, 3(a1)
    slli    a3, a3, 8
    or      a0, a0, a3
    or      a0, a0, a4
    li      a4, 0
    j       over_here
    sequence fp_floor
    frflags a4
    fcvt.l.d a5, fa0, rdn
    fcvt.d.l fa5, a5, rdn
    fsflags a4
    j       over_here
    sequence fp_round_away
    fcvt.w.d a0, fa0, rmm
    j       over_here
    sequence divide_both
    remu    a3, a1, a2
    divu    a0, a1, a2
    j       over_here
over_here:
    j       over_here
