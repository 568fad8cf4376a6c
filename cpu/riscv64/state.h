/* The architectural state of a RISC-V 64 hart (RV64GCV and its privileged architecture).
 *
 * Names are the manual's. A CSR member holds exactly the bits software reads unless its comment
 * says otherwise; views (sstatus, sie, sip, fcsr) have no storage of their own.
 *
 * Left out: the hypervisor extension, big-endian modes, debug mode and triggers,
 * NMIs, double traps. */
#ifndef METIC_CPU_RISCV64_STATE_H
#define METIC_CPU_RISCV64_STATE_H

#include "cpu/guest.h"
#include "cpu/state.h"
#include "cpu/vcpu.h"

enum { RISCV_U = 0, RISCV_S = 1, RISCV_M = 3 };

enum { RISCV_FRM_RNE = 0, RISCV_FRM_RMM = 4 }; /* larger values of frm are reserved */

enum { RISCV_PMP_ENTRIES = 16, RISCV_HPM_COUNTERS = 32, RISCV_CBO_BLOCK_BYTES = 64 };
enum { RISCV_MAX_VLENB = 32 }; /* bytes of a vector register */

/* Interrupt files (imsic.h): one for M, one for S; numbers of messages; words of their bits. */
enum { RISCV_IMSIC_FILES = 2, RISCV_IMSIC_IDS = 255, RISCV_IMSIC_WORDS = 4 };

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
#define MSTATUS_VS ((u64)3 << 9)
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
enum { MSTATUS_FS_SHIFT = 13, MSTATUS_MPP_SHIFT = 11, MSTATUS_VS_SHIFT = 9 };

/* Block mode bits (vcpu->mode): what changes the meaning of an instruction and is known when a
 * block is translated. riscv64_mode_update recomputes them whenever a source of theirs changes. */
enum riscv_mode_bits {
    RISCV_MODE_PRIV = 3,          /* current privilege */
    RISCV_MODE_FS = 1 << 2,       /* mstatus.FS is not off: programs that begin to compute, and
                                     every switch to one, would change more */
    RISCV_MODE_FRM_OTHER = 1 << 3, /* frm is not RNE: an instruction's own RNE is not the host's */
    RISCV_MODE_FRM_SLOW = 1 << 4, /* frm is RMM or reserved: dynamic rounding is not a host mode */
    RISCV_MODE_TRACE = VCPU_MODE_TRACE, /* every instruction reports itself (commit log) */
    RISCV_MODE_FRM_BAD = 1 << 6,  /* frm holds a reserved value: dynamic rounding is illegal */
    RISCV_MODE_COUNT = VCPU_MODE_COUNT, /* exact deadlines: POLL at every block start */
    RISCV_MODE_VS = 3 << 8,       /* mstatus.VS: 0 off, 1 on but not dirty (also for 2), 3 dirty */
    RISCV_MODE_VLEN = 3 << 10,    /* 0: no vector unit; 1: VLEN is 128; 2: 256 */
};
enum { RISCV_MODE_VS_SHIFT = 8, RISCV_MODE_VLEN_SHIFT = 10 };

/* Bits of cache.vector_key beside vtype's low eight: what a vector instruction depends on, in one
 * word that translated code compares. */
enum riscv_vector_key {
    RISCV_VECTOR_KEY_FULL = GUEST_VECTOR_FULL,      /* vl is VLMAX */
    RISCV_VECTOR_KEY_VILL = GUEST_VECTOR_ILLEGAL,
    RISCV_VECTOR_KEY_VSTART = GUEST_VECTOR_STARTED, /* vstart is not 0 */
};

/* What follows from the saved state or the machine and makes it quick to use. */
struct riscv64_pmp_range {
    gpa_t first, last; /* inclusive */
    u8 cfg;
};

/* Which TLB spaces served a privilege and its surroundings last. */
struct riscv64_context {
    u64 satp, status; /* other bits of mstatus that decide */
    u32 mode;
    u8 frm;
    struct tlb_selection selection;
};

enum { RISCV_CONTEXTS = 16 }; /* by privilege, mstatus.SUM, and whether FS is off */

struct riscv64_cache {
    struct riscv64_context contexts[RISCV_CONTEXTS];
    /* Part of a RAM region around where page tables were last read, in which PMP permits S and U
     * the same everywhere (PMP_R | PMP_W | PMP_X bits). Empty after PMP changed. */
    u8 *ram_host;
    gpa_t ram_gpa;
    u64 ram_bytes;
    u64 ram_pte_bytes; /* a page-table entry may be read at offsets below this one */
    unsigned ram_permits;
    struct memory_region *ram_region;
    /* The leaf that riscv64_find_plain found last, and PTE_G if one above it has that. */
    const u64 *plain_pte;
    u64 plain_global;
    /* Active PMP entries, in priority order. */
    struct riscv64_pmp_range pmp[RISCV_PMP_ENTRIES];
    unsigned pmp_count;
    /* Overflows up to this count of instructions have been taken note of; the next comes at.. */
    u64 overflow_checked_insns;
    u64 overflow_next_insns; /* ~0: none */
    /* What a read of mtopei or stopei found, and at which instruction, of which a write is part. */
    u64 topei_insns[RISCV_IMSIC_FILES];
    u32 topei_number[RISCV_IMSIC_FILES];
    u64 vector_key; /* enum riscv_vector_key | vtype, below 2^32 */
};

/* All members between `vcpu` and `cache` are saved, without padding but before v (state.c proves
 * it). */
struct riscv64_state {
    struct vcpu vcpu; /* first: generated code addresses both from one base */
    u64 x[32];        /* x[0] is never written and stays 0 */
    u64 f[32];        /* NaN-boxed images */

    u64 mstatus;      /* SD is computed on read */
    u64 medeleg, mideleg, mie;
    u64 mip_soft;     /* bits software set: SSIP, STIP, SEIP, LCOFIP */
    u64 mtvec, mscratch, mepc, mcause, mtval;
    u64 stvec, sscratch, sepc, scause, stval, satp, senvcfg;
    u64 stimecmp, menvcfg;
    u64 mstateen[4];
    u64 mcyclecfg, minstretcfg;
    u64 mhpmevent[RISCV_HPM_COUNTERS]; /* [3..31] */
    /* A running counter holds (value - vcpu.insns); a stopped one its value. See counters.h.
     * [0] cycle, [2] instret, [3..31] programmable */
    u64 mhpmcounter[RISCV_HPM_COUNTERS];
    u64 pmpaddr[RISCV_PMP_ENTRIES];
    u64 last_trap_pc, last_trap_cause; /* for describe(); not architectural */
    u32 scounteren, mcounteren, mcountinhibit;
    u32 counters_running;  /* which counters count in the current privilege */
    u32 counters_filtered; /* which have a privilege filter */
    u8 priv;               /* RISCV_U, _S, _M */
    u8 frm;                /* fcsr.frm as written (0..7); fflags live in vcpu.fpu_flags */
    bool stip_timer;       /* Sstc comparator output */
    u8 always_zero;
    u8 pmpcfg[RISCV_PMP_ENTRIES];
    /* The interrupt files, M's words before S's. Any thread may set bits of eip, atomically. */
    u64 imsic_eip[RISCV_IMSIC_FILES * RISCV_IMSIC_WORDS];
    u64 imsic_eie[RISCV_IMSIC_FILES * RISCV_IMSIC_WORDS];
    u32 imsic_delivery[RISCV_IMSIC_FILES], imsic_threshold[RISCV_IMSIC_FILES];
    u32 miselect, siselect;
    u64 vtype, vl, vstart;
    _Alignas(64) u64 v[32 * RISCV_MAX_VLENB / 8]; /* 32 registers of vlenb bytes, one behind the
                                                     other, where the host's lie well */
    u8 vxrm, vxsat;
    u8 vlenb; /* bytes of a vector register; 0: there is no vector unit */
    u8 vector_zero[5];

    struct riscv64_cache cache;
    bool has_aia; /* the machine has message-signalled interrupts; set before the first reset */
};

extern const struct guest riscv64_guest;

/* The saved members, and of the vcpu those that are architectural; offsets from the state. */
extern const struct state_list riscv64_state_list;

/* After the saved members were loaded: brings caches, mode, TLB selection and timer in line. */
void riscv64_state_loaded(struct riscv64_state *state);

/* Features of a hart (vcpu->features): the bytes of a vector register, 0 for none, and which of the
 * larger address spaces are absent. The AIA follows from the board and is a feature of the ISA
 * string alone. */
enum {
    RISCV_FEATURE_VLENB = 0xff,
    RISCV_FEATURE_AIA = 0x100,
    RISCV_FEATURE_NO_SV57 = 0x200,
    RISCV_FEATURE_NO_SV48 = 0x400, /* then no Sv57 either */
};

static inline struct riscv64_state *riscv64_of(struct vcpu *vcpu)
{
    return (struct riscv64_state *)(void *)vcpu;
}

static inline const struct riscv64_state *riscv64_of_const(const struct vcpu *vcpu)
{
    return (const struct riscv64_state *)(const void *)vcpu;
}

/* Recomputes vcpu->mode and selects the TLB and fetch spaces after priv, mstatus, satp or frm
 * changed. */
void riscv64_mode_update(struct riscv64_state *state);

#endif
