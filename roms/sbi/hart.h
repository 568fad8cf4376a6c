/*
 * What the firmware keeps per hart and per machine, and how a hart is prepared, parked and sent
 * to the next stage.
 */
#ifndef ROMS_SBI_HART_H
#define ROMS_SBI_HART_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roms/common/sbi_defs.h"
#include "roms/sbi/layout.h"

/* Registers of the interrupted mode; the layout is start.S's. x[0] is not used. */
struct trap_frame {
    uint64_t x[32];
    uint64_t mepc;
    uint64_t mstatus;
};

enum { REG_A0 = 10, REG_A1 = 11, REG_A2 = 12, REG_A6 = 16, REG_A7 = 17 };

enum fence_kind { FENCE_I, FENCE_VMA, FENCE_VMA_ASID };

/* A fence that other harts are asked to carry out; the sender's, valid until all have answered. */
struct fence {
    enum fence_kind kind;
    uint64_t start_gva;
    uint64_t size_bytes;
    uint64_t asid;
};

#define PMU_HW_MAX 32
#define PMU_FW_COUNT 16
#define PMU_UNUSED 0xffffffffu

struct pmu_hart {
    uint32_t hw_event[PMU_HW_MAX];    /* SBI event index or PMU_UNUSED */
    uint32_t fw_event[PMU_FW_COUNT];  /* enum sbi_fw_event or PMU_UNUSED */
    uint64_t fw_value[PMU_FW_COUNT];
    uint32_t hw_started;              /* bit n: counter n */
    uint32_t fw_started;
};

/*
 * One hart. Owned by its hart except for the atomics, which others write, and `fence`, which
 * others read while fence_waits is not zero.
 */
struct hart {
    uint64_t id;
    uint64_t stack_top;
    uint64_t saved_sp;                /* used by trap_entry only */
    uint32_t index;
    bool has_sstc;
    bool has_sscofpmf;
    bool has_time_csr;
    bool wants_adue;                  /* Svadu without Svade in the device tree */
    volatile uint32_t *msip;
    volatile uint64_t *mtimecmp;
    volatile uint32_t *imsic;         /* page of its interrupt file for M; NULL: it has none */
    atomic_uint takes_messages;       /* that file is set up (aia.h) */

    atomic_int state;                 /* enum sbi_hsm_state */
    atomic_uint start_requested;      /* release: the three below are written */
    uint64_t start_addr;
    uint64_t start_a1;
    uint64_t start_mode;

    atomic_uint ipi_requested;        /* raise SSIP here */
    atomic_ulong fence_senders;       /* bit n: harts[n].fence is to be carried out here */
    atomic_uint fence_waits;          /* harts that have not yet carried out this hart's fence */
    struct fence fence;

    struct pmu_hart pmu;
} __attribute__((aligned(HART_BYTES)));   /* start.S steps through the table */

extern struct hart harts[];
extern uint32_t hart_count;
extern uint32_t boot_done;            /* start.S: the other harts may go on */

/* The hart this code runs on. */
static inline struct hart *hart_self(void)
{
    struct hart *self;

    __asm__ volatile("mv %0, tp" : "=r"(self));
    return self;
}

/* The hart with this mhartid; NULL if there is none. */
struct hart *hart_find(uint64_t hart_id);

/* Takes a hart id into the table while booting; NULL when the table is full. */
struct hart *hart_add(uint64_t hart_id);

/* Everything the privileged architecture wants set up before S-mode runs on this hart. */
void hart_setup(struct hart *self);

/* Stops this hart until hart_request_start(); then leaves for the requested address. */
_Noreturn void hart_park(struct hart *self);

/* Asks a hart to leave its park; the caller has moved its state to START_PENDING. */
void hart_request_start(struct hart *hart, uint64_t start_addr, uint64_t a1, uint64_t mode);

/* Enters `mode` at start_addr with a0 = hart id, a1, address translation and interrupts off. */
_Noreturn void hart_enter(struct hart *self, uint64_t start_addr, uint64_t a1, uint64_t mode);

/* The interrupts, as bits of mie, by which other harts reach this one. */
uint64_t hart_ipi_irqs(struct hart *self);

/* trap.c: the handlers that start.S calls. */
void trap_handle(struct trap_frame *frame);
_Noreturn void trap_fatal(uint64_t mcause, uint64_t mepc, uint64_t mtval);

/* start.S */
_Noreturn void enter_lower(uint64_t a0, uint64_t a1);
uint64_t load_below(uint64_t address);
uint32_t load_insn_half(uint64_t address);
uint64_t load_try(uint64_t address);

#endif
