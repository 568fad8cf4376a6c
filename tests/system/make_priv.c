/* Steps that change privilege: ecall, ebreak, mret, sret, fences, wfi, under every mix of mstatus
 * and delegation; and steps with interrupts. */
#include "tests/system/steps.h"

enum { CAUSES_DELEGABLE = 0xb1ff }; /* all but ecalls from S and M, which end the step */

/* mstatus with everything random but MIE (the driver's own is off), FS and MPP. */
static u64 status(struct program *p, u64 priv)
{
    u64 random = (u64)7 << 17 | (u64)7 << 20 | 1 << 8 | 1 << 7 | 1 << 5 | 1 << 1;
    return (rnd(p) & random) | priv << 11 | (u64)3 << 13;
}

static void random_environment(struct program *p, u64 priv)
{
    step_set(p, STEP_MSTATUS, status(p, priv));
    step_set(p, STEP_MEDELEG, rnd(p) & CAUSES_DELEGABLE);
    step_set(p, STEP_MTVEC, M_VECTORS + rnd_below(p, 2));
    step_set(p, STEP_STVEC, S_VECTORS + rnd_below(p, 2));
    step_set(p, STEP_SCAUSE, rnd_value(p));
    step_set(p, STEP_STVAL, rnd_value(p));
}

/* Registers from which loads and stores go wrong or right. */
static u64 pointer(struct program *p)
{
    static const u64 pointers[] = {DATA, DATA + 0xffd, DATA + 1, 0x300000, 0x300001,
                                   0xffffffff80000000, 0, 1};
    return RND_OF(p, pointers);
}

/* mret or sret to the instruction behind it, into a random mode. */
static u64 trap_return(struct program *p, u64 priv)
{
    bool machine = priv == PRIV_M && rnd_one_in(p, 2);
    u64 to = machine ? rnd_priv(p) : rnd_below(p, 2);
    u64 mask = machine ? 3 << 11 : 1 << 8;
    u64 field = machine ? to << 11 : to << 8;
    u32 csr = machine ? 0x300 : 0x100;
    step_set_x(p, 20, mask);
    step_set_x(p, 21, field);
    step_insn(p, enc_csr(CSRRC, 0, csr, 20));
    step_insn(p, enc_csr(CSRRS, 0, csr, 21));
    step_insn(p, 0x00000b17);                        /* auipc x22,0 */
    step_insn(p, enc_i(0x13, 0, 22, 22, 16));        /* addi x22,x22,16 */
    step_insn(p, enc_csr(CSRRW, 0, machine ? 0x341 : 0x141, 22));
    step_insn(p, machine ? INSN_MRET : INSN_SRET);
    return to;
}

/* Left out: sfence.w.inval and sfence.inval.ir where that may be U-mode, which QEMU lets pass;
 * registers of the ACLINT, to which accesses of another size may fail or not; cbo.* where nothing
 * is, which QEMU does not notice. */
static void one_insn(struct program *p, bool sure)
{
    static const u32 insns[] = {
        INSN_ECALL, INSN_EBREAK, INSN_MRET, INSN_SRET, 0x12000073, /* sfence.vma */
        0x12b50073,             /* sfence.vma a0,a1 */
        0x16000073, 0x18000073, 0x18100073, /* sinval.vma, sfence.w.inval, sfence.inval.ir */
        0x00000000, 0xffffffff, 0x00009002, /* illegal, c.ebreak */
        0x0000100f, 0x0ff0000f, 0x0100000f, /* fence.i, fence, pause */
        0x0041200f, 0x0001200f, 0x0011200f, 0x0021200f, /* cbo.zero, inval, clean, flush (sp) */
        0x00d00073, 0x01d00073, /* wrs.nto, wrs.sto */
        0x30200073, 0x7b200073, /* mret, dret */
        0x00053583, 0x00b53023, 0x00a5a5af, 0x10a5252f, /* ld, sd, amoadd, lr.w with funct5 */
    };
    u32 insn = RND_OF(p, insns);
    bool passes = !sure && (insn & ~(u32)0x100000) == 0x18000073;
    step_insn(p, passes ? INSN_NOP : insn);
}

void make_priv(struct program *p)
{
    u64 priv = step_begin(p, rnd_priv(p));
    random_environment(p, priv);
    step_set(p, STEP_MENVCFG, rnd(p) & ((u64)0xd1 | (u64)1 << 63));
    step_set(p, STEP_SENVCFG, rnd(p) & 0xd1);
    step_set_x(p, 10, pointer(p));
    step_set_x(p, 11, pointer(p));
    bool sure = priv == PRIV_S; /* never U without our knowing */
    if (priv != PRIV_U && rnd_one_in(p, 2)) {
        priv = trap_return(p, priv);
        sure = false;
    }
    do {
        one_insn(p, sure && priv == PRIV_S);
        if (rnd_one_in(p, 3)) {
            static const u16 csrs[] = {0x100, 0x300, 0x141, 0x341, 0x142, 0xc00, 0x344};
            u32 csr = RND_OF(p, csrs);
            step_insn(p, enc_csr(CSRRS, csr == 0xc00 ? 0 : 12, csr, 0));
        }
    } while (step_has_room(p, 2) && rnd_one_in(p, 2));
    step_end(p);
}

/* --- interrupts --- */

enum { OURS = 0x2aaa }; /* without those of the hypervisor extension, see make_csr.c */

/* Reads or changes something interrupts depend on. A timer is far in the past or future. */
static void touch(struct program *p)
{
    static const u16 csrs[] = {0x100, 0x104, 0x144, 0x300, 0x303, 0x304, 0x344};
    u32 csr = RND_OF(p, csrs);
    u32 op = 1 + (u32)rnd_below(p, 3);
    u32 source = 11 + (u32)rnd_below(p, 6);
    if (csr == 0x300) { /* only MIE and SIE: x20 */
        op = CSRRS + (u32)rnd_below(p, 2);
        source = 20;
    }
    bool differs = csr == 0x303 || (csr == 0x144 && step_get(p, STEP_MENVCFG) != 0);
    step_insn(p, enc_csr(op, differs ? 0 : 10, csr, source));
}

/* An interrupt of the future must not stop wfi for ever: only where something is enabled. */
static bool wakes(struct program *p)
{
    u64 enabled = step_get(p, STEP_MIE);
    return (step_get(p, STEP_MSIP) & 1 && enabled & 1 << 3) ||
           (step_get(p, STEP_MTIMECMP) == 0 && enabled & 1 << 7);
}

void make_irq(struct program *p)
{
    u64 priv = step_begin(p, rnd_priv(p));
    random_environment(p, priv);
    step_set(p, STEP_MSTATUS, step_get(p, STEP_MSTATUS) & ~((u64)1 << 17));
    step_set(p, STEP_MIDELEG, rnd_one_in(p, 4) ? rnd_value(p) : rnd(p));
    step_set(p, STEP_MIE, rnd_one_in(p, 3) ? 0 : rnd(p) & rnd(p) & OURS);
    step_set(p, STEP_MIP, rnd_one_in(p, 3) ? 0 : rnd(p) & rnd(p) & OURS);
    step_set(p, STEP_MENVCFG, rnd(p) & (u64)1 << 63);
    bool sstc = step_get(p, STEP_MENVCFG) != 0;
    step_set(p, STEP_STIMECMP, sstc && rnd_one_in(p, 3) ? 0 : ~(u64)0);
    step_set(p, STEP_MTIMECMP, rnd_one_in(p, 4) ? 0 : ~(u64)0);
    step_set(p, STEP_MSIP, rnd_one_in(p, 4));
    step_set_x(p, 20, rnd(p) & 0xaa);
    for (unsigned i = 11; i < 17; i++) {
        step_set_x(p, i, rnd(p) & (rnd_one_in(p, 2) ? OURS : OURS & 0x222));
    }
    if (wakes(p) && rnd_one_in(p, 2)) {
        step_insn(p, INSN_WFI);
    }
    if (priv != PRIV_U && rnd_one_in(p, 3)) {
        trap_return(p, priv);
        step_set_x(p, 20, step_get(p, STEP_X(20)) | (rnd(p) & 0xaa));
    }
    for (u64 i = rnd_below(p, 5); i > 0 && step_has_room(p, 2); i--) {
        touch(p);
        if (rnd_one_in(p, 3)) {
            step_insn(p, INSN_NOP);
        }
    }
    step_end(p);
}
