/* Steps that read and write CSRs: every one of csr.def, and numbers without one. */
#include "tests/system/steps.h"

/* What is compared of a CSR, and what may be written to it. */
struct csr_rule {
    u16 first, last;
    u64 compare, write;
};

#define ALL (~(u64)0)
/* Interrupts of the hypervisor extension, which QEMU knows although it is switched off. */
#define NOT_OURS ((u64)0x1444)
#define OURS ((u64)0x2aaa)

/* First match counts. Documented differences stand here.
 * Counters run on in their own pace: only the right to read them is compared.
 * mhpmevent: events start counting and overflow at a time of the host's; flags alone are written.
 * menvcfg: CDE is there in QEMU without the extension. sepc, mepc: QEMU keeps bit 0. pmpaddr: it
 * keeps more than 54 bits. stimecmp: it raises STIP even while STCE is off.
 * mtvec, stvec: QEMU ignores writes with mode 2 or 3, metic clears bit 1. senvcfg, menvcfg: QEMU
 * stores the reserved CBIE 2. sstateen: it has a bit 63. sip: it hides STIP while STCE is on.
 * sstatus, mstatus: QEMU lets UXL be changed.
 * pmpcfg: a lock would outlast the step, QEMU stores the reserved W without R and bits 5, 6.
 * misa: QEMU lets letters be switched off, metic does not. */
static const struct csr_rule rules[] = {
    {0xc00, 0xc1f, 0, ALL},
    {0xb00, 0xb1f, 0, ALL},
    {0x323, 0x33f, 0, 0},
    {0x320, 0x322, 0, 0},
    {0x3a0, 0x3af, 0x9d9d9d9d9d9d9d9d, 0x1d1d1d1d1d1d1d1d},
    {0x301, 0x301, 0, 0},
    {0x302, 0x302, 0xb3ff, 0xb3ff},
    {0x105, 0x105, ALL, ~(u64)2},
    {0x305, 0x305, ALL, ~(u64)2},
    {0x10a, 0x10a, ALL, 0xc1},
    {0x10c, 0x10f, 0, 0},
    {0x30c, 0x30c, (u64)3 << 62, (u64)3 << 62},
    {0x100, 0x100, ALL, ~((u64)0xf << 32)},
    {0x300, 0x300, ALL, ~((u64)0xf << 32)},
    {0x144, 0x144, OURS & ~(u64)0x20, ~NOT_OURS},
    {0x104, 0x104, OURS, ~NOT_OURS},
    {0x141, 0x141, ALL, ~(u64)1},
    {0x341, 0x341, ALL, ~(u64)1},
    {0x30a, 0x30a, 0xe0000000000000f1, 0xe0000000000000c1},
    {0x3b0, 0x3bf, ((u64)1 << 54) - 1, ((u64)1 << 54) - 1},
    {0x303, 0x304, OURS, ~NOT_OURS},
    {0x344, 0x344, OURS, ~NOT_OURS},
    {0xf11, 0xf13, 0, 0},
    {0x7a0, 0x7af, 0, 0},
    {0x000, 0xfff, ALL, ALL},
};

static const u16 numbers[] = {
#define CSR(number, name, privilege, flags, storage, read_mask, write_mask, reset, guard, read, \
            write, documentation) number,
#define CSR_VIEW(number, name, privilege, flags, guard, read, write, documentation) number,
#define CSR_FAMILY(number, count, name, first, step, privilege, flags, guard, read, write, \
                   documentation) number, number + count - 1, number + count / 2,
#include "cpu/riscv64/csr.def"
#undef CSR
#undef CSR_VIEW
#undef CSR_FAMILY
};

static const struct csr_rule *rule_of(u32 csr)
{
    const struct csr_rule *rule = rules;
    while (csr < rule->first || csr > rule->last) {
        rule++;
    }
    return rule;
}

/* QEMU has mstateen0h and such for RV64 too. It has 16 PMP entries, to the rest it denies access
 * where the manual lets them be zero. Its mcontext belongs to triggers, which metic has none of. */
static bool is_left_out(u32 csr)
{
    return csr == 0x7a8 || (csr >= 0x310 && csr <= 0x31f) || (csr >= 0x3a4 && csr <= 0x3af) ||
           (csr >= 0x3c0 && csr <= 0x3ef);
}

static bool is_pmp(u32 csr)
{
    return csr >= 0x3a0 && csr <= 0x3ef;
}

/* CSRs that driver.S itself depends on: put back before the step ends. */
static bool is_restored(u32 csr)
{
    return csr == 0x305 || csr == 0x340;
}

static u64 csr_value(struct program *p, u32 csr, u64 write)
{
    if (csr == 0x14d) { /* nothing close to the present */
        static const u64 times[] = {ALL, (u64)1 << 63, 0x1234567800000000, 0};
        bool enabled = step_get(p, STEP_MENVCFG) >> 63;
        return times[rnd_below(p, enabled ? 4 : 3)];
    }
    return (rnd_value(p) & write) | (csr < 4); /* QEMU: to set no bit is not to write */
}

/* csrr of something that shows what was written in another light. */
static u32 related(struct program *p)
{
    static const u16 views[] = {0x300, 0x100, 0x180,
                                0x141, 0x105, 0x003, 0x002, 0x001, 0x10a};
    return RND_OF(p, views);
}

static void csr_access(struct program *p, u32 csr)
{
    const struct csr_rule *rule = rule_of(csr);
    u32 op = (u32)rnd_below(p, 6);
    op += op >= 3 ? 2 : 1;
    op = csr == 0x14d ? CSRRW : op;
    u32 source = op >= CSRRWI ? (rule->write == ALL ? (u32)rnd_below(p, 32) : 0)
                              : (u32)(rnd_one_in(p, 4) ? 0 : 11);
    u32 rd = rule->compare == 0 || rnd_one_in(p, 8) ? 0 : 10;
    if (rule->write == 0) { /* read only, by csrrs rd,csr,x0 */
        op = CSRRS;
        source = 0;
    }
    source = csr == 0x14d ? 11 : source;
    step_insn(p, enc_csr(op, rd, csr, source));
    step_insn(p, enc_csr(CSRRS, rule->compare == 0 ? 0 : 12, csr, 0));
    if (rule->compare != 0 && rule->compare != ALL) { /* x14 has the mask */
        step_set_x(p, 14, rule->compare);
        step_insn(p, enc_r(0x33, 7, 0, 10, 10, 14));
        step_insn(p, enc_r(0x33, 7, 0, 12, 12, 14));
    }
}

static u64 envcfg(struct program *p)
{
    u64 value = rnd_value(p);
    return (value >> 4 & 3) == 2 ? value | 1 << 4 : value;
}

void make_csr(struct program *p)
{
    u64 priv = step_begin(p, rnd_priv(p));
    u32 csr = rnd_one_in(p, 16) ? (u32)rnd_below(p, 0x1000) : RND_OF(p, numbers);
    if (priv != PRIV_M && rnd_one_in(p, 2)) { /* more of those that it may touch */
        csr &= priv == PRIV_S ? 0xdff : 0xcff;
    }
    u64 status = step_get(p, STEP_MSTATUS) & ~((u64)3 << 13);
    status |= rnd(p) & ((u64)3 << 13 | 0x7a | (u64)1 << 8 | (u64)7 << 18 | (u64)7 << 20);
    step_set(p, STEP_MSTATUS, (status | 8) ^ 8);
    if (rnd_one_in(p, 3)) {
        step_set(p, STEP_MCOUNTEREN, rnd_value(p));
        step_set(p, STEP_SCOUNTEREN, rnd_value(p));
        step_set(p, STEP_MSTATEEN0, rnd_value(p));
    }
    step_set(p, STEP_MENVCFG, envcfg(p));
    step_set(p, STEP_SENVCFG, envcfg(p));
    step_set(p, STEP_MIDELEG, rnd_value(p));
    step_set(p, STEP_MEDELEG, rnd_value(p) & 0xa1fc);
    if (csr == 0x105) {
        step_set(p, STEP_MEDELEG, 0); /* there is no telling where a trap would go */
    }
    step_set(p, STEP_FCSR, rnd_below(p, 256));
    step_set_x(p, 11, csr_value(p, csr, rule_of(csr)->write));
    if (is_restored(csr)) {
        step_insn(p, enc_csr(CSRRS, 28, csr, 0));
    }
    if (!is_left_out(csr)) {
        csr_access(p, csr);
    }
    if (is_restored(csr)) {
        step_insn(p, enc_csr(CSRRW, 0, csr, 28));
    } else if (rnd_one_in(p, 2)) {
        step_insn(p, enc_csr(CSRRS, 13, related(p), 0));
    }
    p->pmp_changed = is_pmp(csr);
    step_end(p);
}
