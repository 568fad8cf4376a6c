/* The architectural state of a RISC-V 64 hart (RV64GC and its privileged architecture).
 *
 * Names are the manual's. A CSR member holds exactly the bits software reads unless its comment
 * says otherwise; views (sstatus, sie, sip, fcsr) have no storage of their own. */
#ifndef METIC_CPU_RISCV64_STATE_H
#define METIC_CPU_RISCV64_STATE_H

#include "cpu/vcpu.h"

enum { RISCV_U = 0, RISCV_S = 1, RISCV_M = 3 };

enum { RISCV_PMP_ENTRIES = 16, RISCV_HPM_COUNTERS = 32, RISCV_CBO_BLOCK_BYTES = 64 };

enum riscv_cause {
    RISCV_CAUSE_FETCH_MISALIGNED = 0,
    RISCV_CAUSE_FETCH_ACCESS = 1,
    RISCV_CAUSE_ILLEGAL = 2,
    RISCV_CAUSE_BREAKPOINT = 3,
    RISCV_CAUSE_LOAD_MISALIGNED = 4,
    RISCV_CAUSE_LOAD_ACCESS = 5,
    RISCV_CAUSE_STORE_MISALIGNED = 6,
    RISCV_CAUSE_STORE_ACCESS = 7,
    RISCV_CAUSE_ECALL_U = 8,
    RISCV_CAUSE_ECALL_S = 9,
    RISCV_CAUSE_ECALL_M = 11,
    RISCV_CAUSE_FETCH_PAGE = 12,
    RISCV_CAUSE_LOAD_PAGE = 13,
    RISCV_CAUSE_STORE_PAGE = 15,
};

/* Interrupt numbers = bits of mip/mie and of vcpu->irq_lines (external levels are the lines;
 * software-written bits of mip are in riscv64_state.mip_soft). */
enum riscv_irq {
    RISCV_IRQ_SSI = 1, RISCV_IRQ_MSI = 3, RISCV_IRQ_STI = 5, RISCV_IRQ_MTI = 7,
    RISCV_IRQ_SEI = 9, RISCV_IRQ_MEI = 11, RISCV_IRQ_LCOFI = 13,
};

/* mstatus fields (privileged manual, section 3.1.6). */
#define MSTATUS_SIE ((u64)1 << 1)
#define MSTATUS_MIE ((u64)1 << 3)
#define MSTATUS_SPIE ((u64)1 << 5)
#define MSTATUS_MPIE ((u64)1 << 7)
#define MSTATUS_SPP ((u64)1 << 8)
#define MSTATUS_MPP ((u64)3 << 11)
#define MSTATUS_FS ((u64)3 << 13)
#define MSTATUS_MPRV ((u64)1 << 17)
#define MSTATUS_SUM ((u64)1 << 18)
#define MSTATUS_MXR ((u64)1 << 19)
#define MSTATUS_TVM ((u64)1 << 20)
#define MSTATUS_TW ((u64)1 << 21)
#define MSTATUS_TSR ((u64)1 << 22)
#define MSTATUS_UXL ((u64)3 << 32)
#define MSTATUS_SXL ((u64)3 << 34)
#define MSTATUS_SD ((u64)1 << 63)
enum { MSTATUS_FS_SHIFT = 13, MSTATUS_MPP_SHIFT = 11 };

/* Block mode bits (vcpu->mode): what changes the meaning of an instruction and is known when a
 * block is translated. riscv64_mode_update recomputes them whenever one of their sources changes. */
enum riscv_mode_bits {
    RISCV_MODE_PRIV = 3,          /* current privilege */
    RISCV_MODE_FS = 3 << 2,       /* mstatus.FS: 0 off, 1/2 on but not dirty (normalised to 1), 3 dirty */
    RISCV_MODE_FRM_SLOW = 1 << 4, /* frm is RMM or reserved: dynamic rounding is not a host mode */
    RISCV_MODE_TRACE = 1 << 5,    /* every instruction reports itself (commit log) */
    RISCV_MODE_FRM_BAD = 1 << 6,  /* frm holds a reserved value: dynamic rounding is illegal */
    RISCV_MODE_COUNT = 1 << 7,    /* exact deadlines: POLL at every block start (virtual clock) */
};

struct riscv64_state {
    struct vcpu vcpu; /* first: generated code addresses both from one base */
    u64 x[32];        /* x[0] is never written and stays 0 */
    u64 f[32];        /* NaN-boxed images */

    u8 priv;          /* RISCV_U, _S, _M */
    u8 frm;           /* fcsr.frm as written (0..7); fflags live in vcpu.fpu_flags */
    u64 mstatus;      /* SD is computed on read */
    u64 misa, mvendorid, marchid, mimpid, mhartid, mconfigptr;
    u64 medeleg, mideleg, mie;
    u64 mip_soft;     /* bits software set: SSIP, STIP, SEIP, LCOFIP */
    bool stip_timer;  /* Sstc comparator output */
    u64 mtvec, mscratch, mepc, mcause, mtval;
    u64 stvec, sscratch, sepc, scause, stval, satp, senvcfg;
    u32 scounteren, mcounteren, mcountinhibit, scountovf_unused;
    u64 stimecmp, menvcfg;
    u64 mstateen[4], sstateen[4];
    u64 mcyclecfg, minstretcfg;
    u64 mhpmevent[RISCV_HPM_COUNTERS];   /* [3..31] */
    /* A running counter holds (value - source); a stopped one its value. See csr.c. */
    u64 mhpmcounter[RISCV_HPM_COUNTERS]; /* [0] cycle, [2] instret, [3..31] programmable */
    u8 pmpcfg[RISCV_PMP_ENTRIES];
    u64 pmpaddr[RISCV_PMP_ENTRIES];
    u64 tselect, tdata1, tdata2, tdata3; /* no triggers: reads as the manual's "none" */
    u64 mseccfg;
    u64 last_trap_pc, last_trap_cause;   /* for describe(); not architectural */
};

extern const struct guest riscv64_guest;

static inline struct riscv64_state *riscv64_of(struct vcpu *vcpu)
{
    return (struct riscv64_state *)(void *)vcpu;
}

/* Recomputes vcpu->mode and selects the TLB and fetch spaces after priv, mstatus, satp or frm
 * changed. */
void riscv64_mode_update(struct riscv64_state *state);

#endif
