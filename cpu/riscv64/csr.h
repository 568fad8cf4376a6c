/* Control and status registers: one row per register (or per numbered family) in csr.def.
 *
 * Everything static about a CSR is in its row: number, least privilege, storage, masks, reset
 * value. What depends on other state is a guard (may this hart touch it now), a read or a write
 * function. Privileged manual, chapters 2 to 4 and 12. Owned by the hart's thread. */
#ifndef METIC_CPU_RISCV64_CSR_H
#define METIC_CPU_RISCV64_CSR_H

#include "cpu/riscv64/state.h"

/* Bits of mstatus that decide how data accesses are translated (with MPP, while MPRV is set). */
#define MSTATUS_TRANSLATION (MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR)
/* What sstatus shows and lets change. */
#define SSTATUS_WRITABLE                                                                  \
    (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_VS | MSTATUS_SUM |   \
     MSTATUS_MXR)
#define SSTATUS_READABLE (SSTATUS_WRITABLE | MSTATUS_UXL | MSTATUS_SD)
/* Of what may be written, what a hart without a vector unit has not. */
#define MSTATUS_ABSENT(has_vector) ((has_vector) ? (u64)0 : MSTATUS_VS)

enum riscv_csr_flags {
    RISCV_CSR_NONE = 0,
    /* Storage with masks and nothing else: no guard, no function, no effect on anything but later
     * reads and traps. Translated code may load offset & read_mask, and store
     * (old & ~write_mask) | (new & write_mask), once the privilege is known to suffice. */
    RISCV_CSR_PLAIN = 1,
    /* A write may change the block mode or translations: end the block with LEAVE. */
    RISCV_CSR_LEAVE = 2,
    /* A write may make an interrupt deliverable: end the block with LEAVE sub 1. */
    RISCV_CSR_IRQ = 4,
};

/* A guard or function that answers false means: illegal instruction. `number` distinguishes the
 * members of a family and views of the same storage. */
typedef bool riscv_csr_guard_fn(const struct riscv64_state *state, unsigned number);
typedef bool riscv_csr_read_fn(struct riscv64_state *state, unsigned number, u64 *value);
typedef bool riscv_csr_write_fn(struct riscv64_state *state, unsigned number, u64 value);

struct riscv_csr {
    const char *name; /* a family's without its number: "pmpaddr" */
    u16 number;       /* the first of the family */
    u8 count;         /* members of the family, 1 for a single register */
    u8 first_index;   /* number in the name of the first member: 3 for hpmcounter3 */
    u8 step;          /* between members' indices: 2 for pmpcfg, else 1 */
    u8 privilege;     /* least: RISCV_U, _S, _M */
    u8 flags;         /* enum riscv_csr_flags */
    u8 size_bytes;    /* of the storage: 4 or 8, or 0: none */
    u32 offset;       /* of the storage in struct riscv64_state */
    u64 read_mask, write_mask, reset;
    riscv_csr_guard_fn *guard; /* may be NULL */
    riscv_csr_read_fn *read;   /* NULL: storage & read_mask */
    riscv_csr_write_fn *write; /* NULL: masked store */
    const char *doc;
};

/* The row of CSR `number` (0..4095), or NULL when there is no such register. */
const struct riscv_csr *riscv64_csr_find(unsigned number);

/* All rows, in csr.def's order, for listings. */
const struct riscv_csr *riscv64_csr_rows(unsigned *count);

/* The register's name ("mhpmcounter7"), or "0x7c0" for a number without a row, written into
 * `buffer`; returns buffer. */
const char *riscv64_csr_name(unsigned number, char *buffer, size_t buffer_bytes);

/* What helper csr_told is told of an access. */
enum { CSR_TELL_READS = 1, CSR_TELL_WRITES = 2, CSR_TELL_SET = 4, CSR_TELL_CLEAR = 8 };

/* True when the number's top two bits make it read-only. */
static inline bool riscv64_csr_is_read_only(unsigned number)
{
    return (number >> 10 & 3) == 3;
}

/* Reads or writes with every check an instruction makes, from the current privilege. False: the
 * instruction is illegal; nothing is raised yet and nothing changed. A write applies the WARL rules
 * and the register's effects (mode, TLBs, timer, counters). vcpu.insns must be exact. */
bool riscv64_csr_read(struct riscv64_state *state, unsigned number, u64 *value);
bool riscv64_csr_write(struct riscv64_state *state, unsigned number, u64 value);

/* csrrs's and csrrc's write: sets and clears bits of what software may modify (for mip that is
 * not what it reads). */
bool riscv64_csr_modify(struct riscv64_state *state, unsigned number, u64 set, u64 clear);

/* The same for a debugger, past privilege and guards. False: no such register, or it cannot be
 * written. */
bool riscv64_csr_debug_read(struct riscv64_state *state, unsigned number, u64 *value);
bool riscv64_csr_debug_write(struct riscv64_state *state, unsigned number, u64 value);

/* Gives every CSR its reset value. */
void riscv64_csr_reset(struct riscv64_state *state);

/* Views and pieces that traps, helpers and the describer share. */
u64 riscv64_mstatus_view(const struct riscv64_state *state); /* with SD */
void riscv64_mstatus_set(struct riscv64_state *state, u64 mstatus); /* storage, and mode */
void riscv64_mstatus_changed(struct riscv64_state *state, u64 before); /* the mode after a change */
u64 riscv64_mip(const struct riscv64_state *state);          /* every pending interrupt */

#endif
