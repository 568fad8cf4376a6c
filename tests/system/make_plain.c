/* Steps without translation: atomics, floating point, and words as they come. */
#include "cpu/riscv64/decode.h"
#include "tests/system/steps.h"

/* --- atomics: every width, alignment and place --- */

static u64 place(struct program *p)
{
    static const u64 places[] = {DATA, DATA + 0xff8, DATA + 0x1000, 0x300000, 0x10000000000,
                                 0xffffffffffffff00};
    u64 base = rnd_one_in(p, 3) ? RND_OF(p, places) : DATA + rnd_below(p, 0x2000) * 8;
    return base + (rnd_one_in(p, 2) ? 0 : rnd_below(p, 16));
}

static u32 amo(struct program *p, u32 funct5, u32 rd)
{
    static const u32 widths[] = {2, 3, 2, 3, 2, 3, 2, 3, 0, 1, 4, 7};
    u32 rs2 = funct5 == 2 ? 0 : 11 + (u32)rnd_below(p, 3);
    return enc_r(0x2f, RND_OF(p, widths), funct5 << 2 | (u32)rnd_below(p, 4), rd, 10, rs2);
}

static void atomic_pair(struct program *p)
{
    u32 width = 2 + (u32)rnd_below(p, 2);
    step_insn(p, enc_r(0x2f, width, 2 << 2 | (u32)rnd_below(p, 4), 14, 10, 0));
    if (rnd_one_in(p, 2)) {
        step_insn(p, enc_r(0x33, 0, 0, 11, 11, 14)); /* add */
    }
    step_insn(p, enc_r(0x2f, width, 3 << 2 | (u32)rnd_below(p, 4), 15, 10, 11));
}

void make_atomic(struct program *p)
{
    static const u32 functions[] = {0, 1, 4, 8, 12, 16, 20, 24, 28, 2, 5, 31};
    step_begin(p, rnd_priv(p));
    step_set_x(p, 10, place(p));
    step_set(p, STEP_MEDELEG, rnd(p) & 0xb1ff);
    for (u64 i = rnd_below(p, 6) + 1; i > 0 && step_has_room(p, 5); i--) {
        if (rnd_one_in(p, 4)) {
            atomic_pair(p);
        } else {
            step_insn(p, amo(p, RND_OF(p, functions), 12 + (u32)rnd_below(p, 5)));
        }
        if (rnd_one_in(p, 3)) { /* a plain access, aligned or not */
            step_insn(p, enc_i(0x03, (u32)rnd_below(p, 7), 16, 10, (u32)rnd_below(p, 16)));
            step_insn(p, enc_s(0x23, (u32)rnd_below(p, 4), 10, 12, (u32)rnd_below(p, 16)));
        }
    }
    step_end(p);
}

/* --- rows of the instruction table --- */

/* A random word of a row that has all the flags; 0 when 100 tries found none. */
static u32 word_of(struct program *p, u16 flags, u16 without)
{
    const struct insn_set *set = riscv64_insn_set();
    for (unsigned tries = 0; tries < 100; tries++) {
        const struct insn_row *row = &set->rows[rnd_below(p, set->row_count)];
        u32 mask, match;
        unsigned width_bits = insn_parse_pattern(row->pattern, &mask, &match);
        if ((row->flags & flags) == flags && !(row->flags & without)) {
            u32 word = ((u32)rnd(p) & ~mask) | match;
            return width_bits == 16 ? (word & 0xffff) | 0x00010000 : word; /* with c.nop */
        }
    }
    return 0;
}

static u64 float_value(struct program *p)
{
    static const u64 doubles[] = {
        0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
        0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0x0010000000000000,
        0x000fffffffffffff, 1, 0x7fefffffffffffff, 0x41dfffffffc00000, 0x43e0000000000000};
    static const u32 singles[] = {0, 0x80000000, 0x3f800000, 0x7f800000, 0xff800000, 0x7fc00000,
                                  0x7f800001, 0x00800000, 0x007fffff, 1, 0x7f7fffff, 0x4f000000};
    switch (rnd_below(p, 5)) {
    case 0: return RND_OF(p, doubles);
    case 1: return RND_OF(p, singles) | 0xffffffff00000000;
    case 2: return rnd(p) | 0xffffffff00000000;
    case 3: return (rnd(p) & 0x800fffffffffffff) | (1000 + rnd_below(p, 48)) << 52;
    default: return rnd(p);
    }
}

void make_float(struct program *p)
{
    u64 priv = step_begin(p, rnd_below(p, 2)); /* where PMP keeps stray accesses off devices */
    u64 fs = rnd_one_in(p, 3) ? rnd_below(p, 4) : 1 + rnd_below(p, 3);
    step_set(p, STEP_MSTATUS, priv << 11 | fs << 13);
    step_set(p, STEP_FCSR, rnd_below(p, 32) | rnd_below(p, rnd_one_in(p, 4) ? 8 : 5) << 5);
    for (unsigned i = 10; i < 26; i++) {
        step_set_x(p, i, float_value(p));
    }
    step_set_x(p, 8, DATA + 8 * rnd_below(p, 1000));
    step_set_x(p, 9, DATA + rnd_below(p, 1000));
    while (step_has_room(p, 2)) {
        u32 word = word_of(p, RV_FP, RV_MEMORY);
        if (rnd_one_in(p, 8)) { /* flw, fld, fsw, fsd */
            u32 width = 2 + (u32)rnd_below(p, 2), base = 8 + (u32)rnd_below(p, 2);
            word = rnd_one_in(p, 2) ? enc_i(0x07, width, (u32)rnd_below(p, 32), base, 8)
                                    : enc_s(0x27, width, base, (u32)rnd_below(p, 32), 16);
        }
        if (rnd_one_in(p, 8)) {
            word = enc_csr(1 + (u32)rnd_below(p, 3), 16, 1 + (u32)rnd_below(p, 3), 0);
        }
        if (rnd_one_in(p, 3) && (word & 3) == 3) { /* less often rounding that is illegal */
            word = (word & 0x7f) == 0x53 && (word >> 12 & 7) >= 5 ? word | 7 << 12 : word;
        }
        if (word != 0) {
            step_insn(p, word);
        }
    }
    step_end(p);
}

/* --- words --- */

/* Only data can be written, only it and the steps executed or read: whatever a word does, the
 * driver and the log survive. */
void make_words_pmp(struct program *p)
{
    u64 set = PMP_SETS + 144;
    ram_set(p, set, DATA >> 2 | ((8 << 20) / 8 - 1));
    ram_set(p, set + 8, RAM_BASE >> 2 | ((16 << 20) / 8 - 1));
    ram_set(p, set + 128, 0x1f | 0x1d << 8);
    p->pmp_sets = 2;
}

/* Whether the step ends after it as surely as before: no jump, no sleep. CSRs have their own class;
 * sc without its lr fails without looking at the address in QEMU. */
static bool is_tame(u32 word)
{
    struct riscv_insn insn;
    u8 bytes[4];
    st_le32(bytes, word);
    riscv64_decode(bytes, 4, &insn);
    if (insn.flags & (RV_JUMP | RV_BRANCH) || insn.id == RISCV_INSN_wfi ||
        insn.id == RISCV_INSN_sc_w || insn.id == RISCV_INSN_sc_d) {
        return false;
    }
    bool is_csr = (word & 0x7f) == 0x73 && (word >> 12 & 3) != 0;
    u32 csr = word >> 20;
    return !is_csr || (csr >= 1 && csr <= 3) || csr == 0x140 || csr == 0x142 || csr == 0x143;
}

/* A 16-bit instruction in front of half a word, a word of the table, or anything. */
static u32 any_word(struct program *p)
{
    switch (rnd_below(p, 4)) {
    case 0: return (u32)rnd(p);
    case 1: return ((u32)rnd(p) & 0xffff) | 0x00010000;
    default: return word_of(p, 0, RV_JUMP | RV_BRANCH);
    }
}

/* Whether all of the code, read from its beginning, is tame. (What metic cannot decode is no jump
 * for QEMU either: it has no extension that metic lacks.) */
static bool all_tame(const u8 *code, unsigned code_bytes, bool supervisor)
{
    for (unsigned at = 0; at < code_bytes;) {
        u32 word = ld_le32(code + at);
        /* sfence.w.inval, sfence.inval.ir: see make_priv.c */
        if (!is_tame(word) || (!supervisor && (word & ~(u32)0x100000) == 0x18000073)) {
            return false;
        }
        at += riscv64_insn_length_bytes((u16)word);
    }
    return true;
}

void make_words(struct program *p)
{
    u64 priv = step_begin(p, rnd_below(p, 2));
    step_set(p, STEP_MSTATUS, priv << 11 | rnd_below(p, 4) << 13);
    step_set(p, STEP_PMP, p->count == 0 ? PMP_SETS + 144 : 0);
    step_set(p, STEP_MENVCFG, rnd(p) & 0xd1);
    step_set(p, STEP_SENVCFG, rnd(p) & 0xd1);
    for (unsigned i = 1; i < 32; i++) {
        if (rnd_one_in(p, 2) && i != 3 && i != 4) {
            step_set_x(p, i, DATA + 0x2000 + 8 * rnd_below(p, 4096));
        }
    }
    u8 code[40]; /* at the end ecalls, for what reaches into them */
    unsigned words = 1 + (unsigned)rnd_below(p, 8);
    do {
        for (unsigned i = 0; i < sizeof(code) / 4; i++) {
            st_le32(code + 4 * i, i < words ? any_word(p) : INSN_ECALL);
        }
    } while (!all_tame(code, 4 * words + 2, priv == PRIV_S));
    for (unsigned i = 0; i < words; i++) {
        step_insn(p, ld_le32(code + 4 * i));
    }
    step_end(p);
}
