/* See steps.h: random numbers and the making of one step. */
#include "tests/system/steps.h"

#include <stdlib.h>
#include <string.h>

u64 rnd(struct program *p)
{
    p->random += 0x9e3779b97f4a7c15u;
    u64 z = p->random;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

u64 rnd_below(struct program *p, u64 below)
{
    return (rnd(p) >> 11) % below;
}

u64 rnd_value(struct program *p)
{
    switch (rnd_below(p, 8)) {
    case 0: return 0;
    case 1: return ~(u64)0;
    case 2: return (u64)1 << rnd_below(p, 64);
    case 3: return ~((u64)1 << rnd_below(p, 64));
    case 4: return rnd_below(p, 32);
    case 5: return rnd(p) & rnd(p) & rnd(p);
    default: return rnd(p);
    }
}

u64 rnd_priv(struct program *p)
{
    static const u8 privs[] = {PRIV_U, PRIV_S, PRIV_S, PRIV_M};
    return RND_OF(p, privs);
}

static u64 step_address(const struct program *p)
{
    return STEPS + (u64)p->count * STEP_BYTES;
}

void step_set(struct program *p, unsigned offset, u64 value)
{
    ram_set(p, step_address(p) + offset, value);
}

u64 step_get(struct program *p, unsigned offset)
{
    return ld_le64(ram_at(p, step_address(p) + offset));
}

void step_set_x(struct program *p, unsigned reg, u64 value)
{
    step_set(p, STEP_X(reg), value);
}

u64 step_begin(struct program *p, u64 priv)
{
    if (p->count >= STEPS_MAX) {
        abort();
    }
    memset(ram_at(p, step_address(p)), 0, STEP_BYTES);
    p->code_words = 0;
    for (unsigned i = 1; i < 32; i++) {
        step_set_x(p, i, i == 3 || i == 4 ? 0 : rnd_value(p));
    }
    step_set_x(p, 2, DATA + 0x1000);
    step_set(p, STEP_MSTATUS, priv << 11 | (u64)3 << 13);
    step_set(p, STEP_MTVEC, M_VECTORS);
    step_set(p, STEP_STVEC, S_VECTORS);
    step_set(p, STEP_MCOUNTEREN, 0xffffffff);
    step_set(p, STEP_SCOUNTEREN, 0xffffffff);
    step_set(p, STEP_MSTATEEN0, ~(u64)0);
    step_set(p, STEP_STIMECMP, ~(u64)0);
    step_set(p, STEP_MTIMECMP, ~(u64)0);
    step_set(p, STEP_FENCE_ADDRESS, ~(u64)0);
    step_set(p, STEP_PC, step_next_pc(p, PRIV_M));
    if (p->count == 0 || p->pmp_changed) {
        step_set(p, STEP_PMP, PMP_SETS);
        p->pmp_changed = false;
    }
    return priv;
}

u64 step_next_pc(struct program *p, u64 priv)
{
    u64 address = step_address(p) + STEP_CODE + 4 * p->code_words;
    bool alias = priv == PRIV_U && step_get(p, STEP_SATP) >> 60 != 0;
    return address + (alias ? U_ALIAS : 0);
}

void step_insn(struct program *p, u32 word)
{
    if (!step_has_room(p, 1)) {
        abort();
    }
    st_le32(ram_at(p, step_address(p) + STEP_CODE + 4 * p->code_words), word);
    p->code_words++;
}

void step_end(struct program *p)
{
    for (unsigned i = p->code_words; i < STEP_CODE_WORDS; i++) {
        st_le32(ram_at(p, step_address(p) + STEP_CODE + 4 * i), INSN_ECALL);
    }
    p->count++;
}
