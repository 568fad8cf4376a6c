/* Shapes of the vector instructions that move elements: to and from scalars, slides, gathers,
 * compress, whole registers. See vector.h. */
#include "cpu/riscv64/vector_ops.h"

#include "cpu/fpu.h"

#include <string.h>

/* --- element 0 --- */

bool vector_to_x(struct vector_exec *e)
{
    u64 value = vector_element(vector_reg(e, e->vs2), 0, e->sew);
    unsigned unused_bits = 64 - (8u << e->sew);
    e->result = (u64)((s64)(value << unused_bits) >> unused_bits);
    return true;
}

bool vector_to_f(struct vector_exec *e)
{
    if (e->sew < 2) {
        return false;
    }
    u64 value = vector_element(vector_reg(e, e->vs2), 0, e->sew);
    e->result = e->sew == 2 ? fpu_box_f32((u32)value) : value;
    return true;
}

bool vector_to_first(struct vector_exec *e)
{
    if (e->float_source && e->sew < 2) {
        return false;
    }
    if (e->vstart < e->vl) {
        vector_put_element(vector_reg(e, e->vd), 0, e->sew, vector_scalar(e));
    }
    return true;
}

/* --- slides --- */

static bool slide_ok(const struct vector_exec *e)
{
    return vector_mask_ok(e) && vector_sources_ok(e) && vector_aligned(e->vd, e->lmul) &&
           vector_aligned(e->vs2, e->lmul);
}

/* Elements below the offset keep their values. */
bool vector_slide_up(struct vector_exec *e)
{
    if (!slide_ok(e) || e->vd == e->vs2) {
        return false;
    }
    u64 first = e->vstart > e->scalar ? e->vstart : e->scalar;
    const u8 *vs2 = vector_reg(e, e->vs2);
    for (u64 i = first; i < e->vl; i++) {
        if (vector_active(e, (u32)i)) {
            vector_put_element(vector_reg(e, e->vd), (u32)i, e->sew,
                               vector_element(vs2, (u32)(i - e->scalar), e->sew));
        }
    }
    return true;
}

/* Zeroes come from behind VLMAX. The source is always ahead of what is written. */
bool vector_slide_down(struct vector_exec *e)
{
    if (!slide_ok(e)) {
        return false;
    }
    const u8 *vs2 = vector_reg(e, e->vs2);
    u32 vlmax = vector_vlmax(e);
    for (u32 i = e->vstart; i < e->vl; i++) {
        bool inside = e->scalar < vlmax && i + (u32)e->scalar < vlmax;
        if (vector_active(e, i)) {
            u64 value = inside ? vector_element(vs2, i + (u32)e->scalar, e->sew) : 0;
            vector_put_element(vector_reg(e, e->vd), i, e->sew, value);
        }
    }
    return true;
}

static bool slide1_ok(const struct vector_exec *e)
{
    return slide_ok(e) && (!e->float_source || e->sew >= 2);
}

bool vector_slide1_up(struct vector_exec *e)
{
    if (!slide1_ok(e) || e->vd == e->vs2) {
        return false;
    }
    const u8 *vs2 = vector_reg(e, e->vs2);
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (vector_active(e, i)) {
            u64 value = i == 0 ? vector_scalar(e) : vector_element(vs2, i - 1, e->sew);
            vector_put_element(vector_reg(e, e->vd), i, e->sew, value);
        }
    }
    return true;
}

bool vector_slide1_down(struct vector_exec *e)
{
    if (!slide1_ok(e)) {
        return false;
    }
    const u8 *vs2 = vector_reg(e, e->vs2);
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (vector_active(e, i)) {
            u64 value = i == e->vl - 1 ? vector_scalar(e) : vector_element(vs2, i + 1, e->sew);
            vector_put_element(vector_reg(e, e->vd), i, e->sew, value);
        }
    }
    return true;
}

/* --- gathers --- */

/* indices: a group of elements of index_sew, or NULL: the scalar each time. */
static void gather(struct vector_exec *e, const u8 *indices, unsigned index_sew)
{
    const u8 *vs2 = vector_reg(e, e->vs2);
    u32 vlmax = vector_vlmax(e);
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (vector_active(e, i)) {
            u64 index = indices != NULL ? vector_element(indices, i, index_sew) : e->scalar;
            u64 value = index < vlmax ? vector_element(vs2, (u32)index, e->sew) : 0;
            vector_put_element(vector_reg(e, e->vd), i, e->sew, value);
        }
    }
}

bool vector_gather(struct vector_exec *e)
{
    if (!slide_ok(e) || e->vd == e->vs2 ||
        (e->vector_source && (e->vd == e->vs1 || !vector_aligned(e->vs1, e->lmul)))) {
        return false;
    }
    gather(e, e->vector_source ? vector_reg(e, e->vs1) : NULL, e->sew);
    return true;
}

bool vector_gather16(struct vector_exec *e)
{
    int index_lmul = 1 - e->sew + e->lmul;
    unsigned regs = vector_regs(e->lmul);
    if (!slide_ok(e) || e->vd == e->vs2 || index_lmul < -3 || index_lmul > 3 ||
        !vector_aligned(e->vs1, index_lmul) ||
        vector_overlap(e->vd, regs, e->vs1, vector_regs(index_lmul)) ||
        (e->sew != 1 && vector_overlap(e->vs2, regs, e->vs1, vector_regs(index_lmul)))) {
        return false;
    }
    gather(e, vector_reg(e, e->vs1), 1);
    return true;
}

bool vector_compress(struct vector_exec *e)
{
    unsigned regs = vector_regs(e->lmul);
    if (!vector_aligned(e->vd, e->lmul) || !vector_aligned(e->vs2, e->lmul) || e->vd == e->vs2 ||
        vector_overlap(e->vd, regs, e->vs1, 1) || e->vstart != 0) {
        return false;
    }
    const u8 *vs2 = vector_reg(e, e->vs2), *wanted = vector_reg(e, e->vs1);
    u32 count = 0;
    for (u32 i = 0; i < e->vl; i++) {
        if (vector_bit(wanted, i)) {
            vector_put_element(vector_reg(e, e->vd), count++, e->sew,
                               vector_element(vs2, i, e->sew));
        }
    }
    return true;
}

/* vmv<n>r.v: n - 1 stands in the field of vs1. vstart counts elements of SEW. */
bool vector_move_whole(struct vector_exec *e)
{
    unsigned regs = e->vs1 + 1u;
    if (((e->vd | e->vs2) & (regs - 1)) != 0) {
        return false;
    }
    size_t bytes = (size_t)regs * e->state->vlenb, first = (size_t)e->vstart << e->sew;
    if (first < bytes) {
        memmove(vector_reg(e, e->vd) + first, vector_reg(e, e->vs2) + first, bytes - first);
    }
    return true;
}
