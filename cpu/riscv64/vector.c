/* See vector.h: finding the shape, vtype and vl, and what the shapes share. */
#include "cpu/riscv64/vector_ops.h"

#include "cpu/base/bits.h"
#include "cpu/fpu.h"
#include "cpu/riscv64/decode.h"

#include <string.h>

enum source { SOURCE_NONE, SOURCE_VECTOR, SOURCE_SCALAR, SOURCE_FLOAT };

/* What a row's format says of its source that is not vs2. */
#define SOURCE_V_V SOURCE_NONE
#define SOURCE_V_VV SOURCE_VECTOR
#define SOURCE_V_VX SOURCE_SCALAR
#define SOURCE_V_VI SOURCE_SCALAR
#define SOURCE_V_VU SOURCE_SCALAR
#define SOURCE_V_VF SOURCE_FLOAT
#define SOURCE_V_LOAD SOURCE_SCALAR
#define SOURCE_V_STRIDED SOURCE_SCALAR
#define SOURCE_V_INDEXED SOURCE_SCALAR

struct vector_row {
    vector_shape_fn *shape;
    const struct vector_op *op;
    u8 source;
};

static const struct vector_row rows[RISCV_INSN_COUNT] = {
#define INSN(name, pattern, format, extension, assembly, flags, lowering)
#define VINSN(name, pattern, format, assembly, flags, shape, op)                                   \
    [RISCV_INSN_##name] = {vector_##shape, &riscv64_vop_##op, SOURCE_##format},
#include "cpu/riscv64/rv_v.def"
#undef INSN
#undef VINSN
};

/* --- vtype and vl --- */

/* Of the small groups, all that hold an element are supported, as in QEMU; the manual asks only for
 * SEW up to LMUL * ELEN. */
u64 riscv64_vector_legal_vtype(u64 vtype, unsigned vlenb)
{
    unsigned sew = (unsigned)bits_get(vtype, 3, 3);
    int lmul = (int)((s64)(vtype << 61) >> 61);
    bool legal = (vtype & ~(u64)VTYPE_LEGAL_BITS) == 0 && sew <= 3 && lmul != -4 &&
                 (lmul >= 0 || vlenb >> -lmul >> sew != 0);
    return legal ? vtype : VTYPE_VILL;
}

u32 riscv64_vector_vlmax(u64 vtype, unsigned vlenb)
{
    unsigned sew = (unsigned)bits_get(vtype, 3, 3);
    int lmul = (int)((s64)(vtype << 61) >> 61);
    u32 elements = vlenb >> sew;
    return lmul >= 0 ? elements << lmul : elements >> -lmul;
}

void riscv64_vector_key_update(struct riscv64_state *state)
{
    u32 key = (u32)state->vtype & VTYPE_LEGAL_BITS;
    key |= state->vtype & VTYPE_VILL ? RISCV_VECTOR_KEY_VILL : 0;
    key |= state->vstart != 0 ? RISCV_VECTOR_KEY_VSTART : 0;
    if (state->vlenb != 0 && !(state->vtype & VTYPE_VILL) &&
        state->vl == riscv64_vector_vlmax(state->vtype, state->vlenb)) {
        key |= RISCV_VECTOR_KEY_FULL;
    }
    state->cache.vector_key = key;
}

void riscv64_vector_set(struct riscv64_state *state, u64 avl, u64 vtype)
{
    state->vtype = riscv64_vector_legal_vtype(vtype, state->vlenb);
    state->vl = 0;
    if (!(state->vtype & VTYPE_VILL)) {
        u32 vlmax = riscv64_vector_vlmax(state->vtype, state->vlenb);
        state->vl = avl < vlmax ? avl : vlmax;
    }
    state->vstart = 0;
    riscv64_vector_key_update(state);
}

void riscv64_vector_reset(struct riscv64_state *state)
{
    memset(state->v, 0, sizeof(state->v));
    state->vlenb = (u8)(state->vcpu.features & RISCV_FEATURE_VLENB);
    state->vxrm = state->vxsat = 0;
    riscv64_vector_set(state, 0, VTYPE_VILL);
}

void riscv64_vector_loaded(struct riscv64_state *state)
{
    state->vlenb = (u8)(state->vcpu.features & RISCV_FEATURE_VLENB);
    state->vxrm &= 3;
    state->vxsat &= 1;
    if (state->vlenb == 0) {
        state->mstatus &= ~MSTATUS_VS;
    }
    u64 vl = state->vl, vstart = state->vstart;
    riscv64_vector_set(state, vl, state->vtype);
    state->vstart = vstart & (8 * RISCV_MAX_VLENB - 1);
    riscv64_vector_key_update(state);
}

/* --- carrying out --- */

/* Whole registers are loaded and stored whatever vtype is. */
static bool needs_no_vtype(const struct vector_row *row)
{
    return row->shape == vector_whole_load || row->shape == vector_whole_store;
}

static void fill(struct vector_exec *e, const struct vector_row *row)
{
    u32 word = e->word;
    e->op = row->op;
    e->vd = word >> 7 & 31;
    e->vs1 = word >> 15 & 31;
    e->vs2 = word >> 20 & 31;
    e->fields = (u8)((word >> 29) + 1);
    e->masked = !(word >> 25 & 1);
    e->vector_source = row->source == SOURCE_VECTOR;
    e->float_source = row->source == SOURCE_FLOAT;
    e->sew = (u8)bits_get(e->state->vtype, 3, 3);
    e->lmul = (s8)((s64)(e->state->vtype << 61) >> 61);
    e->vl = (u32)e->state->vl;
    e->vstart = (u32)e->state->vstart;
}

u64 riscv64_vector_execute(struct riscv64_state *state, u32 word, unsigned id, u64 scalar,
                           u64 stride)
{
    const struct vector_row *row = &rows[id];
    struct vector_exec e = {.state = state, .word = word, .scalar = scalar, .stride = stride};
    bool vill = (state->vtype & VTYPE_VILL) != 0;
    fill(&e, row);
    if ((vill && !needs_no_vtype(row)) || !row->shape(&e)) {
        vcpu_raise(&state->vcpu, RISCV_CAUSE_ILLEGAL, word);
        return 0;
    }
    if (!state->vcpu.exception_pending && state->vstart != 0) {
        state->vstart = 0;
        riscv64_vector_key_update(state);
    }
    return e.result;
}

/* Its shape says so, of a vector unit nobody needs, where there are no elements to do anything
 * with. Whole registers are accessed whatever vl is: from behind their end. */
bool riscv64_vector_legal(u32 word, unsigned id, u64 vtype, unsigned vlenb)
{
    const struct vector_row *row = &rows[id];
    struct riscv64_state state;
    struct vector_exec e = {.state = &state, .word = word};
    memset(state.v, 0, sizeof(state.v));
    state.vlenb = (u8)vlenb;
    state.vtype = vtype;
    state.vl = 0;
    state.vstart = needs_no_vtype(row) ? VECTOR_MAX_GROUP_BYTES : 0;
    state.vxrm = state.vxsat = state.frm = 0;
    state.vcpu.fpu_flags = 0;
    state.vcpu.exception_pending = 0;
    fill(&e, row);
    return row->shape(&e);
}

/* --- shared by the shapes --- */

bool vector_wide_overlap_ok(unsigned d, int d_lmul, unsigned s, int s_lmul)
{
    unsigned d_regs = vector_regs(d_lmul), s_regs = vector_regs(s_lmul);
    if (!vector_overlap(d, d_regs, s, s_regs)) {
        return true;
    }
    return d_regs > s_regs && s_lmul >= 0 && d < s && s + s_regs == d + d_regs;
}

void vector_put_element(u8 *group, u32 i, unsigned sew, u64 value)
{
    st_le(group + ((size_t)i << sew), value, 1u << sew);
}

void vector_splat(void *to, unsigned sew, u64 value, u32 count)
{
    u64 all = sew == 0   ? (value & 0xff) * 0x0101010101010101u
              : sew == 1 ? (value & 0xffff) * 0x0001000100010001u
              : sew == 2 ? (value & 0xffffffff) * 0x0000000100000001u
                         : value;
    size_t bytes = (size_t)count << sew;
    for (size_t at = 0; at < bytes; at += sizeof(all)) {
        memcpy((u8 *)to + at, &all, sizeof(all));
    }
}

void vector_extend(void *to, unsigned to_sew, const void *from, unsigned from_sew, bool is_signed,
                   u32 count)
{
    for (u32 i = 0; i < count; i++) {
        u64 value = vector_element(from, i, from_sew);
        value = is_signed ? bits_sext(value, 8u << from_sew) : value;
        vector_put_element(to, i, to_sew, value);
    }
}

void vector_merge(const struct vector_exec *e, const void *results, unsigned sew)
{
    u8 *vd = vector_reg(e, e->vd);
    if (!e->masked && e->vstart < e->vl) {
        size_t first = (size_t)e->vstart << sew;
        memcpy(vd + first, (const u8 *)results + first, ((size_t)e->vl << sew) - first);
        return;
    }
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (vector_active(e, i)) {
            vector_put_element(vd, i, sew, vector_element(results, i, sew));
        }
    }
}

void vector_merge_bits(const struct vector_exec *e, const u8 *results)
{
    u8 mask[RISCV_MAX_VLENB], *vd = vector_reg(e, e->vd);
    memcpy(mask, vector_reg(e, 0), e->state->vlenb); /* vd may be v0 */
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (!e->masked || vector_bit(mask, i)) {
            vector_put_bit(vd, i, results[i] & 1);
        }
    }
}

u64 vector_scalar(const struct vector_exec *e)
{
    return e->float_source && e->sew == 2 ? fpu_unbox_f32(e->scalar) : e->scalar;
}
