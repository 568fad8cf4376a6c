/* The guest half of the differential tests: runs the steps of steps.h one after the other, each
 * from the machine state its record asks for, and writes down how each ended. Every step ends with
 * a trap into M-mode; a trap delegated to S-mode arrives on a page of ecalls and so ends here too.
 * Steps may clobber every general register; MPRV may be set on arrival, so no load comes before it
 * is clear. */
#include "tests/system/layout.h"

    .option norvc
    .option norelax
    .text
    .globl _start
_start:
    csrr    t0, mhartid             /* a second hart is there only to make QEMU's atomics atomic */
    bnez    t0, park
    li      sp, CONTEXT
    csrw    mscratch, sp
    li      t0, CLINT_MTIMECMP
    li      t1, -1
    sd      t1, 0(t0)
    csrw    mie, zero
    li      t0, 3 << 13
    csrs    mstatus, t0
    j       next

/* The vector table of M-mode: entry 4 * cause leaves its address + 4 in tp. */
    .org    M_VECTORS - RAM_BASE
    .rept   64
    jal     tp, trap
    .endr

/* That of S-mode: only ecalls, whose mepc tells which. */
    .org    S_VECTORS - RAM_BASE
    .rept   1024
    ecall
    .endr

    .org    DRIVER - RAM_BASE
trap:
    csrrw   sp, mscratch, sp
    lui     gp, 0x20                /* MPRV */
    csrrc   gp, mstatus, gp
    sd      t0, CONTEXT_T0(sp)
    sd      t1, CONTEXT_T1(sp)
    ld      t0, CONTEXT_LOG(sp)     /* t0: the log's next entry */
    sd      gp, LOG_MSTATUS(t0)
    sd      tp, LOG_SLOT(t0)
    csrr    t1, mscratch
    sd      t1, LOG_SP(t0)
    sd      x1, LOG_X(1)(t0)
    ld      t1, CONTEXT_T0(sp)
    sd      t1, LOG_X(5)(t0)
    ld      t1, CONTEXT_T1(sp)
    sd      t1, LOG_X(6)(t0)
    .irp    n, 7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, LOG_X(\n)(t0)
    .endr
    csrw    mscratch, sp
    .macro  log_csr name, offset
    csrr    t1, \name
    sd      t1, \offset(t0)
    .endm
    log_csr mcause, LOG_MCAUSE
    log_csr mepc, LOG_MEPC
    log_csr mtval, LOG_MTVAL
    log_csr mip, LOG_MIP
    log_csr scause, LOG_SCAUSE
    log_csr sepc, LOG_SEPC
    log_csr stval, LOG_STVAL
    log_csr satp, LOG_SATP
    li      t1, 3 << 13
    csrs    mstatus, t1
    log_csr fcsr, LOG_FCSR
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    fsd     f\n, LOG_F(\n)(t0)
    .endr
    ld      t1, CONTEXT_STEP(sp)
    sd      t1, LOG_STEP(t0)
    addi    t0, t0, LOG_BYTES
    sd      t0, CONTEXT_LOG(sp)
    addi    t1, t1, STEP_BYTES
    sd      t1, CONTEXT_STEP(sp)
    /* A pointer to an atomic leftover: dropped by an SC that fails or not. */
    addi    t0, sp, CONTEXT_DUMMY
    sc.d    t0, zero, (t0)

next:
    li      t0, CONTEXT
    ld      sp, CONTEXT_STEP(t0)    /* sp: the step */
    ld      t1, CONTEXT_END(t0)
    bgeu    sp, t1, finish

    /* A change to memory (a page-table entry), then the fence asked for. */
    ld      t0, STEP_PATCH_ADDRESS(sp)
    beqz    t0, 1f
    ld      t1, STEP_PATCH_VALUE(sp)
    sd      t1, 0(t0)
1:
    .macro  set_csr name, offset
    ld      t0, \offset(sp)
    csrw    \name, t0
    .endm
    li      t0, (3 << 11)
    csrs    mstatus, t0             /* no TVM, TW or SUM effects while in M-mode */
    set_csr satp, STEP_SATP
    set_csr menvcfg, STEP_MENVCFG
    set_csr senvcfg, STEP_SENVCFG
    set_csr mcounteren, STEP_MCOUNTEREN
    set_csr scounteren, STEP_SCOUNTEREN
    set_csr mtvec, STEP_MTVEC
    set_csr stvec, STEP_STVEC
    set_csr medeleg, STEP_MEDELEG
    set_csr mideleg, STEP_MIDELEG
    set_csr stimecmp, STEP_STIMECMP
    set_csr mip, STEP_MIP
    set_csr mie, STEP_MIE
    set_csr sepc, STEP_SEPC
    set_csr scause, STEP_SCAUSE
    set_csr stval, STEP_STVAL
    set_csr sscratch, STEP_SSCRATCH
    set_csr mstateen0, STEP_MSTATEEN0
    set_csr mepc, STEP_PC
    .irp    n, 0,1,2,3,4,5,6,7
    fld     f\n, STEP_X(10 + \n)(sp)
    .endr
    .irp    n, 8,9,10,11,12,13,14,15
    fld     f\n, STEP_X(10 + \n)(sp)
    .endr
    set_csr fcsr, STEP_FCSR

    li      t0, CLINT_MSIP
    ld      t1, STEP_MSIP(sp)
    sw      t1, 0(t0)
    li      t0, CLINT_MTIMECMP
    ld      t1, STEP_MTIMECMP(sp)
    sd      t1, 0(t0)

    ld      t0, STEP_PMP(sp)        /* a set of PMP registers, or 0 */
    beqz    t0, 2f
    csrw    pmpcfg0, zero
    csrw    pmpcfg2, zero
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    ld      t1, 8 * \n(t0)
    csrw    pmpaddr\n, t1
    .endr
    ld      t1, 128(t0)
    csrw    pmpcfg0, t1
    ld      t1, 136(t0)
    csrw    pmpcfg2, t1
2:
    ld      t0, STEP_FENCE_ADDRESS(sp)
    li      t1, -1
    bne     t0, t1, 3f
    sfence.vma
    j       4f
3:
    sfence.vma t0, zero
4:
    fence.i
    ld      tp, STEP_MSTATUS(sp)    /* last, for MPRV may be in it */
    li      gp, 0
    .irp    n, 1,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, STEP_X(\n)(sp)
    .endr
    ld      sp, STEP_X(2)(sp)
    csrw    mstatus, tp
    li      tp, 0
    mret

finish:
    li      t0, FINISHER
    li      t1, 0x5555
    sw      t1, 0(t0)
park:
    wfi
    j       park
