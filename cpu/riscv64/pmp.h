/* Physical memory protection: 16 regions at 4-byte granularity (privileged manual, section 3.7).
 *
 * The registers are in the hart's state; riscv64_pmp_update turns them into a list of active
 * ranges, which the checks walk in priority order. Smepmp is left out. */
#ifndef METIC_CPU_RISCV64_PMP_H
#define METIC_CPU_RISCV64_PMP_H

#include "cpu/riscv64/state.h"

enum riscv_pmp_bits {
    PMP_R = 1,
    PMP_W = 2,
    PMP_X = 4,
    PMP_A = 3 << 3,
    PMP_A_TOR = 1 << 3,
    PMP_A_NA4 = 2 << 3,
    PMP_A_NAPOT = 3 << 3,
    PMP_L = 1 << 7,
};

/* Recomputes the active ranges from pmpcfg and pmpaddr. TLBs are the caller's concern. */
void riscv64_pmp_update(struct riscv64_state *state);

/* What PMP permits at [gpa, gpa+size) to privilege `priv`: PMP_R | PMP_W | PMP_X bits. 0 also when
 * an entry matches only part of the bytes. size_bytes is at least 1. */
unsigned riscv64_pmp_permits(const struct riscv64_state *state, gpa_t gpa, u64 size_bytes,
                             unsigned priv);

/* True when one entry, or none, decides for every byte of the 4 KiB page that holds gpa. */
bool riscv64_pmp_page_uniform(const struct riscv64_state *state, gpa_t gpa);

/* Narrows [*first, *last], which holds gpa, to a part around gpa in which one entry (or none)
 * decides for S and U, and returns what it permits. */
unsigned riscv64_pmp_window(const struct riscv64_state *state, gpa_t gpa, gpa_t *first,
                            gpa_t *last);

/* WARL writes to configuration register `index` (0, 2: eight entries each) and address `entry`. */
u64 riscv64_pmpcfg_read(const struct riscv64_state *state, unsigned index);
void riscv64_pmpcfg_write(struct riscv64_state *state, unsigned index, u64 value);
void riscv64_pmpaddr_write(struct riscv64_state *state, unsigned entry, u64 value);

/* True when writes to address `entry` are ignored: it is locked, or it is the lower end of a locked
 * TOR entry. */
bool riscv64_pmpaddr_locked(const struct riscv64_state *state, unsigned entry);

#endif
