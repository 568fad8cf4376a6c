/* See imsic.h; and the CSRs of Smaia and Ssaia (AIA 1.0, chapters 2, 3 and 5). Interrupt priorities
 * cannot be set: every iprio byte is a read-only zero, which the specification allows, and then the
 * order is the default one and every priority reads as 1. Virtual interrupts (mvien) are left out
 * in the same way. */
#include "cpu/riscv64/imsic.h"

#include "cpu/riscv64/csr_fns.h"
#include "cpu/riscv64/trap.h"

#include <string.h>

enum {
    WORDS = RISCV_IMSIC_WORDS,

    SELECT_IPRIO_FIRST = 0x30,
    SELECT_IPRIO_LAST = 0x3f,
    SELECT_DELIVERY = 0x70,
    SELECT_THRESHOLD = 0x72,
    SELECT_EIP = 0x80,
    SELECT_EIE = 0xc0,
    SELECT_LAST = 0xff,
    SELECT_WORDS = 0x40, /* numbers of an array */

    TOP_SHIFT = 16, /* of the identity in the top registers */
    DEFAULT_PRIORITY = 1,
};

static const struct {
    unsigned irq;
} files[RISCV_IMSIC_FILES] = {{RISCV_IRQ_MEI}, {RISCV_IRQ_SEI}};

static u64 *pending_word(struct riscv64_state *state, unsigned file, unsigned word)
{
    return &state->imsic_eip[file * WORDS + word];
}

/* The most urgent number that is pending, enabled and below the threshold; 0: none. */
static u32 imsic_top(struct riscv64_state *state, unsigned file)
{
    u32 threshold = state->imsic_threshold[file];
    for (unsigned w = 0; w < WORDS; w++) {
        u64 pending = __atomic_load_n(pending_word(state, file, w), __ATOMIC_ACQUIRE);
        u64 ready = pending & state->imsic_eie[file * WORDS + w];
        if (ready != 0) {
            u32 number = w * 64 + (u32)__builtin_ctzll(ready);
            return threshold == 0 || number < threshold ? number : 0;
        }
    }
    return 0;
}

void riscv64_imsic_update(struct riscv64_state *state)
{
    for (unsigned file = 0; state->has_aia && file < RISCV_IMSIC_FILES; file++) {
        u64 bit = BIT(files[file].irq);
        if (state->imsic_delivery[file] != 0 && imsic_top(state, file) != 0) {
            atomic_fetch_or(&state->vcpu.irq_lines, bit);
        } else {
            atomic_fetch_and(&state->vcpu.irq_lines, ~bit);
        }
    }
}

void riscv64_message(struct vcpu *vcpu, unsigned file, u32 number)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (!state->has_aia || file >= RISCV_IMSIC_FILES || number == 0 || number > RISCV_IMSIC_IDS) {
        return;
    }
    u64 bit = BIT(number % 64);
    u64 before = __atomic_fetch_or(pending_word(state, file, number / 64), bit, __ATOMIC_SEQ_CST);
    if ((before & bit) == 0) {
        vcpu_kick(vcpu, VCPU_REQUEST_IRQ);
    }
}

void riscv64_imsic_reset(struct riscv64_state *state)
{
    memset(state->imsic_eip, 0, sizeof(state->imsic_eip));
    memset(state->imsic_eie, 0, sizeof(state->imsic_eie));
    memset(state->imsic_delivery, 0, sizeof(state->imsic_delivery));
    memset(state->imsic_threshold, 0, sizeof(state->imsic_threshold));
    memset(state->cache.topei_insns, 0xff, sizeof(state->cache.topei_insns)); /* nothing read */
    riscv64_imsic_update(state);
}

/* --- which CSR is of which level --- */

static unsigned file_of(unsigned number)
{
    return (number >> 8 & 3) == RISCV_M ? RISCV_IMSIC_M : RISCV_IMSIC_S;
}

static bool permitted(const struct riscv64_state *state, u64 stateen)
{
    return state->has_aia && (state->priv == RISCV_M || (state->mstateen[0] & stateen) != 0);
}

bool riscv64_csr_guard_aia(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return permitted(state, STATEEN_AIA);
}

bool riscv64_csr_guard_aia_indirect(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return permitted(state, STATEEN_CSRIND);
}

bool riscv64_csr_guard_imsic(const struct riscv64_state *state, unsigned number)
{
    (void)number;
    return permitted(state, STATEEN_IMSIC);
}

/* --- registers by number --- */

/* What the select register leads to: a word of memory, or a zero that cannot be written. */
struct ireg {
    u64 *word;     /* shared with other threads when it is one of eip */
    u32 *small;    /* a 32-bit one instead */
    u64 mask;      /* writable bits */
};

static bool find_array(struct riscv64_state *state, unsigned file, u32 select, struct ireg *ireg)
{
    u32 index = select % SELECT_WORDS;
    if (index % 2 != 0) {
        return false; /* the odd halves do not exist with 64-bit registers */
    }
    *ireg = (struct ireg){NULL, NULL, index == 0 ? ~(u64)1 : ~(u64)0};
    if (index / 2 < WORDS) {
        ireg->word = select < SELECT_EIE ? pending_word(state, file, index / 2)
                                         : &state->imsic_eie[file * WORDS + index / 2];
    }
    return true;
}

static bool find_ireg(struct riscv64_state *state, unsigned number, struct ireg *ireg)
{
    unsigned file = file_of(number);
    u32 select = file == RISCV_IMSIC_M ? state->miselect : state->siselect;
    bool imsic_permitted = permitted(state, STATEEN_IMSIC);
    if (select >= SELECT_IPRIO_FIRST && select <= SELECT_IPRIO_LAST) {
        *ireg = (struct ireg){NULL, NULL, 0};
        return select % 2 == 0 && permitted(state, STATEEN_AIA);
    }
    switch (select) {
    case SELECT_DELIVERY:
        *ireg = (struct ireg){NULL, &state->imsic_delivery[file], 1};
        return imsic_permitted;
    case SELECT_THRESHOLD:
        *ireg = (struct ireg){NULL, &state->imsic_threshold[file], RISCV_IMSIC_IDS};
        return imsic_permitted;
    default:
        return select >= SELECT_EIP && select <= SELECT_LAST && imsic_permitted &&
               find_array(state, file, select, ireg);
    }
}

bool riscv64_csr_read_ireg(struct riscv64_state *state, unsigned number, u64 *value)
{
    struct ireg ireg;
    if (!find_ireg(state, number, &ireg)) {
        return false;
    }
    *value = ireg.small != NULL  ? *ireg.small
             : ireg.word != NULL ? __atomic_load_n(ireg.word, __ATOMIC_ACQUIRE)
                                 : 0;
    return true;
}

bool riscv64_ireg_modify(struct riscv64_state *state, unsigned number, u64 set, u64 clear)
{
    struct ireg ireg;
    if (!find_ireg(state, number, &ireg)) {
        return false;
    }
    if (ireg.small != NULL) {
        *ireg.small = (u32)((*ireg.small & ~clear) | (set & ireg.mask));
    } else if (ireg.word != NULL) {
        __atomic_fetch_and(ireg.word, ~(clear & ~set), __ATOMIC_SEQ_CST);
        __atomic_fetch_or(ireg.word, set & ireg.mask, __ATOMIC_SEQ_CST);
    }
    riscv64_imsic_update(state);
    return true;
}

bool riscv64_csr_write_ireg(struct riscv64_state *state, unsigned number, u64 value)
{
    return riscv64_ireg_modify(state, number, value, ~value);
}

/* --- the most urgent interrupt --- */

bool riscv64_csr_read_topei(struct riscv64_state *state, unsigned number, u64 *value)
{
    unsigned file = file_of(number);
    u32 top = imsic_top(state, file);
    state->cache.topei_number[file] = top;
    state->cache.topei_insns[file] = state->vcpu.insns;
    *value = (u64)top << TOP_SHIFT | top;
    return true;
}

/* Claims what the same instruction read, though something more urgent may have come since; or what
 * is on top now when it read nothing. The value written does not matter (3.9). */
bool riscv64_csr_write_topei(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)value;
    unsigned file = file_of(number);
    u32 top = state->cache.topei_insns[file] == state->vcpu.insns
                  ? state->cache.topei_number[file]
                  : imsic_top(state, file);
    state->cache.topei_insns[file] = ~(u64)0;
    if (top != 0) {
        __atomic_fetch_and(pending_word(state, file, top / 64), ~BIT(top % 64), __ATOMIC_SEQ_CST);
    }
    riscv64_imsic_update(state);
    return true;
}

/* Major interrupts by urgency, whatever the global enable says (2.4, 5.2). */
bool riscv64_csr_read_topi(struct riscv64_state *state, unsigned number, u64 *value)
{
    u64 pending;
    riscv64_csr_read_mip(state, CSR_MIP, &pending);
    pending &= state->mie;
    pending &= file_of(number) == RISCV_IMSIC_M ? ~state->mideleg : state->mideleg;
    unsigned irq = riscv64_most_urgent(pending);
    *value = irq != 0 ? (u64)irq << TOP_SHIFT | DEFAULT_PRIORITY : 0;
    return true;
}

/* --- mvip: with mvien zero, other names for bits of mip (5.3) --- */

static u64 mvip_bits(const struct riscv64_state *state)
{
    u64 timer = state->menvcfg & MENVCFG_STCE ? 0 : BIT(RISCV_IRQ_STI);
    return BIT(RISCV_IRQ_SSI) | BIT(RISCV_IRQ_SEI) | timer;
}

bool riscv64_csr_read_mvip(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = (riscv64_mip(state) & BIT(RISCV_IRQ_SSI)) | (state->mip_soft & mvip_bits(state));
    return true;
}

bool riscv64_csr_write_mvip(struct riscv64_state *state, unsigned number, u64 value)
{
    (void)number;
    riscv64_mip_modify(state, CSR_MIP, value & mvip_bits(state), ~value & mvip_bits(state));
    return true;
}

/* --- mstateen0, of which three bits are there with these registers alone --- */

bool riscv64_csr_write_mstateen0(struct riscv64_state *state, unsigned number, u64 value)
{
    u64 mask = riscv64_csr_find(number)->write_mask;
    mask |= state->has_aia ? STATEEN_IMSIC | STATEEN_AIA | STATEEN_CSRIND : 0;
    state->mstateen[0] = (state->mstateen[0] & ~mask) | (value & mask);
    return true;
}
