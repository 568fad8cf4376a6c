/* See csr.h: the table, and what is common to all registers. */
#include "cpu/riscv64/csr.h"

#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/csr_fns.h"
#include "cpu/riscv64/imsic.h"
#include "cpu/riscv64/pmp.h"
#include "cpu/riscv64/trap.h"
#include "cpu/riscv64/vector.h"

#include <stdio.h>
#include <string.h>

#define riscv64_csr_guard_none NULL
#define riscv64_csr_read_none NULL
#define riscv64_csr_write_none NULL

#define ALL (~(u64)0)
#define SENVCFG_MASK (ENVCFG_FIOM | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE)
#define MENVCFG_MASK (SENVCFG_MASK | MENVCFG_ADUE | MENVCFG_PBMTE | MENVCFG_STCE)
#define ISELECT_MASK 0x1ffu
#define HPM_FILTER_MASK (HPM_MINH | HPM_SINH | HPM_UINH)
#define MSTATUS_WRITABLE                                                                        \
    (MSTATUS_SIE | MSTATUS_MIE | MSTATUS_SPIE | MSTATUS_MPIE | MSTATUS_SPP | MSTATUS_MPP |      \
     MSTATUS_FS | MSTATUS_VS | MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM |         \
     MSTATUS_TW |                                                                               \
     MSTATUS_TSR)
#define MSTATUS_RESET ((u64)2 << 32 | (u64)2 << 34) /* UXL, SXL: 64 bits */

#define STATE_AT(member) offsetof(struct riscv64_state, member)
#define STATE_SIZE(member) sizeof(((struct riscv64_state *)0)->member)

static const struct riscv_csr rows[] = {
#define CSR(number_, name_, priv_, flags_, member_, read_mask_, write_mask_, reset_, guard_,      \
            read_, write_, doc_)                                                                  \
    {.name = #name_, .number = number_, .count = 1, .step = 1, .privilege = RISCV_##priv_,        \
     .flags = RISCV_CSR_##flags_, .size_bytes = STATE_SIZE(member_), .offset = STATE_AT(member_), \
     .read_mask = read_mask_, .write_mask = write_mask_, .reset = reset_,                         \
     .guard = riscv64_csr_guard_##guard_, .read = riscv64_csr_read_##read_,                       \
     .write = riscv64_csr_write_##write_, .doc = doc_},
#define CSR_FAMILY(number_, count_, name_, index_, step_, priv_, flags_, guard_, read_, write_, \
                   doc_)                                                                        \
    {.name = #name_, .number = number_, .count = count_, .first_index = index_, .step = step_,  \
     .privilege = RISCV_##priv_, .flags = RISCV_CSR_##flags_,                                   \
     .guard = riscv64_csr_guard_##guard_, .read = riscv64_csr_read_##read_,                     \
     .write = riscv64_csr_write_##write_, .doc = doc_},
#define CSR_VIEW(number_, name_, priv_, flags_, guard_, read_, write_, doc_) \
    CSR_FAMILY(number_, 1, name_, 0, 1, priv_, flags_, guard_, read_, write_, doc_)
#include "cpu/riscv64/csr.def"
#undef CSR
#undef CSR_FAMILY
#undef CSR_VIEW
};

enum row_index {
#define CSR(number, ...) ROW_##number,
#define CSR_FAMILY(number, ...) ROW_##number,
#define CSR_VIEW(number, ...) ROW_##number,
#include "cpu/riscv64/csr.def"
#undef CSR
#undef CSR_FAMILY
#undef CSR_VIEW
    ROW_COUNT
};

_Static_assert(ROW_COUNT == ARRAY_LEN(rows) && ROW_COUNT < 255, "row_of holds a row's index + 1");

static const u8 row_of[4096] = {
#define CSR(number, ...) [number] = ROW_##number + 1,
#define CSR_FAMILY(number, count, ...) [number... number + count - 1] = ROW_##number + 1,
#define CSR_VIEW(number, ...) [number] = ROW_##number + 1,
#include "cpu/riscv64/csr.def"
#undef CSR
#undef CSR_FAMILY
#undef CSR_VIEW
};

const struct riscv_csr *riscv64_csr_find(unsigned number)
{
    if (number >= ARRAY_LEN(row_of) || row_of[number] == 0) {
        return NULL;
    }
    return &rows[row_of[number] - 1];
}

const struct riscv_csr *riscv64_csr_rows(unsigned *count)
{
    *count = ARRAY_LEN(rows);
    return rows;
}

/* A single register's name holds its number already ("mstateen0"), unless it is one of a family
 * whose members are rows of their own (pmpcfg). */
const char *riscv64_csr_name(unsigned number, char *buffer, size_t buffer_bytes)
{
    const struct riscv_csr *csr = riscv64_csr_find(number);
    if (csr == NULL) {
        snprintf(buffer, buffer_bytes, "0x%x", number);
    } else if (csr->count == 1 && csr->step == 1) {
        snprintf(buffer, buffer_bytes, "%s", csr->name);
    } else {
        unsigned index = csr->first_index + (number - csr->number) * csr->step;
        snprintf(buffer, buffer_bytes, "%s%u", csr->name, index);
    }
    return buffer;
}

static u64 storage_get(const struct riscv64_state *state, const struct riscv_csr *csr)
{
    const u8 *at = (const u8 *)state + csr->offset;
    if (csr->size_bytes == sizeof(u32)) {
        u32 value;
        memcpy(&value, at, sizeof(value));
        return value;
    }
    u64 value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static void storage_set(struct riscv64_state *state, const struct riscv_csr *csr, u64 value)
{
    u8 *at = (u8 *)state + csr->offset;
    if (csr->size_bytes == sizeof(u32)) {
        u32 narrow = (u32)value;
        memcpy(at, &narrow, sizeof(narrow));
    } else {
        memcpy(at, &value, sizeof(value));
    }
}

/* The row when the current privilege may touch the register now, else NULL. */
static const struct riscv_csr *find_permitted(const struct riscv64_state *state, unsigned number)
{
    const struct riscv_csr *csr = riscv64_csr_find(number);
    if (csr == NULL || state->priv < csr->privilege ||
        (csr->guard != NULL && !csr->guard(state, number))) {
        return NULL;
    }
    return csr;
}

static bool row_read(struct riscv64_state *state, const struct riscv_csr *csr, unsigned number,
                     u64 *value)
{
    if (csr->read != NULL) {
        return csr->read(state, number, value);
    }
    *value = storage_get(state, csr) & csr->read_mask;
    return true;
}

static bool row_write(struct riscv64_state *state, const struct riscv_csr *csr, unsigned number,
                      u64 value)
{
    if (csr->write != NULL) {
        return csr->write(state, number, value);
    }
    u64 kept = storage_get(state, csr) & ~csr->write_mask;
    storage_set(state, csr, kept | (value & csr->write_mask));
    return true;
}

bool riscv64_csr_read(struct riscv64_state *state, unsigned number, u64 *value)
{
    const struct riscv_csr *csr = find_permitted(state, number);
    return csr != NULL && row_read(state, csr, number, value);
}

bool riscv64_csr_write(struct riscv64_state *state, unsigned number, u64 value)
{
    const struct riscv_csr *csr = find_permitted(state, number);
    return csr != NULL && !riscv64_csr_is_read_only(number) && row_write(state, csr, number, value);
}

bool riscv64_csr_modify(struct riscv64_state *state, unsigned number, u64 set, u64 clear)
{
    const struct riscv_csr *csr = find_permitted(state, number);
    u64 value;
    if (csr == NULL || riscv64_csr_is_read_only(number)) {
        return false;
    }
    if (number == CSR_MIP || number == CSR_SIP) {
        riscv64_mip_modify(state, number, set, clear);
        return true;
    }
    if (number == CSR_MIREG || number == CSR_SIREG) {
        return riscv64_ireg_modify(state, number, set, clear);
    }
    return row_read(state, csr, number, &value) &&
           row_write(state, csr, number, (value & ~clear) | set);
}

bool riscv64_csr_debug_read(struct riscv64_state *state, unsigned number, u64 *value)
{
    const struct riscv_csr *csr = riscv64_csr_find(number);
    if (csr != NULL && !row_read(state, csr, number, value)) {
        *value = 0; /* sireg with nothing selected: there, as far as a debugger is concerned */
    }
    return csr != NULL;
}

bool riscv64_csr_debug_write(struct riscv64_state *state, unsigned number, u64 value)
{
    const struct riscv_csr *csr = riscv64_csr_find(number);
    return csr != NULL && !riscv64_csr_is_read_only(number) && row_write(state, csr, number, value);
}

void riscv64_csr_reset(struct riscv64_state *state)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].size_bytes != 0) {
            storage_set(state, &rows[i], rows[i].reset);
        }
    }
    memset(state->pmpcfg, 0, sizeof(state->pmpcfg));
    memset(state->pmpaddr, 0, sizeof(state->pmpaddr));
    memset(state->mhpmevent, 0, sizeof(state->mhpmevent));
    memset(state->mhpmcounter, 0, sizeof(state->mhpmcounter));
    state->mip_soft = 0;
    state->stip_timer = false;
    state->frm = 0;
    state->vcpu.fpu_flags = 0;
    state->vcpu.fpu_round = 0;
    state->counters_running = 0;
    state->cache.overflow_next_insns = ALL;
    state->vcpu.irq_hint = 1; /* device lines may be up */
    riscv64_counters_update(state, state->vcpu.insns);
    riscv64_pmp_update(state);
    riscv64_imsic_reset(state);
}

bool riscv64_csr_read_zero(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)state;
    (void)number;
    *value = 0;
    return true;
}

bool riscv64_csr_read_one(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)state;
    (void)number;
    *value = 1;
    return true;
}

bool riscv64_csr_write_ignore(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)state;
    (void)number;
    (void)value;
    return true;
}
