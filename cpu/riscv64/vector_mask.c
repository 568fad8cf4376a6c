/* Shapes of the vector instructions that work on masks: logic, counting, first bits, numbering.
 * See vector.h. */
#include "cpu/riscv64/vector_ops.h"

#include <string.h>

/* --- logic, a byte of mask bits at a time --- */

#define MASK_LOGIC(name, value)                                                                    \
    static void name(const struct vector_lanes *l)                                                 \
    {                                                                                              \
        const u8 *va = l->a, *vb = l->b;                                                           \
        u8 *vd = l->d;                                                                             \
        for (u32 i = 0; i < (l->count + 7) / 8; i++) {                                             \
            u8 a = va[i], b = vb[i];                                                               \
            vd[i] = (u8)(value);                                                                   \
        }                                                                                          \
    }                                                                                              \
    const struct vector_op riscv64_vop_##name = {{name, NULL, NULL, NULL}};

MASK_LOGIC(mask_and, a & b)
MASK_LOGIC(mask_nand, ~(a & b))
MASK_LOGIC(mask_andn, a & ~b)
MASK_LOGIC(mask_or, a | b)
MASK_LOGIC(mask_nor, ~(a | b))
MASK_LOGIC(mask_orn, a | ~b)
MASK_LOGIC(mask_xor, a ^ b)
MASK_LOGIC(mask_xnor, ~(a ^ b))

bool vector_mask_logic(struct vector_exec *e)
{
    u8 results[RISCV_MAX_VLENB], *vd = vector_reg(e, e->vd);
    struct vector_lanes lanes = {
        .d = results, .a = vector_reg(e, e->vs2), .b = vector_reg(e, e->vs1), .count = e->vl};
    e->op->kernel[0](&lanes);
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (i % 8 == 0 && e->vl - i >= 8) {
            vd[i / 8] = results[i / 8];
            i += 7;
        } else {
            vector_put_bit(vd, i, vector_bit(results, i));
        }
    }
    return true;
}

/* --- counting and finding: results go to an x register --- */

bool vector_count(struct vector_exec *e)
{
    if (e->vstart != 0) {
        return false;
    }
    const u8 *vs2 = vector_reg(e, e->vs2);
    for (u32 i = 0; i < e->vl; i++) {
        e->result += vector_active(e, i) && vector_bit(vs2, i);
    }
    return true;
}

/* The first active element whose bit is set, or vl. */
static u32 first_set(const struct vector_exec *e)
{
    const u8 *vs2 = vector_reg(e, e->vs2);
    u32 i = 0;
    while (i < e->vl && !(vector_active(e, i) && vector_bit(vs2, i))) {
        i++;
    }
    return i;
}

bool vector_first(struct vector_exec *e)
{
    if (e->vstart != 0) {
        return false;
    }
    u32 first = first_set(e);
    e->result = first < e->vl ? first : ~(u64)0;
    return true;
}

/* --- vmsbf, vmsif, vmsof: bits before, up to, and at the first one --- */

static void set_before(const struct vector_lanes *l)
{
    u8 *d = l->d;
    for (u32 i = 0; i < l->count; i++) {
        d[i] = i < l->first;
    }
}

static void set_including(const struct vector_lanes *l)
{
    u8 *d = l->d;
    for (u32 i = 0; i < l->count; i++) {
        d[i] = i <= l->first;
    }
}

static void set_only(const struct vector_lanes *l)
{
    u8 *d = l->d;
    for (u32 i = 0; i < l->count; i++) {
        d[i] = i == l->first;
    }
}

const struct vector_op riscv64_vop_msbf = {{set_before, NULL, NULL, NULL}};
const struct vector_op riscv64_vop_msif = {{set_including, NULL, NULL, NULL}};
const struct vector_op riscv64_vop_msof = {{set_only, NULL, NULL, NULL}};

bool vector_mask_set(struct vector_exec *e)
{
    if (e->vstart != 0 || !vector_mask_ok(e) || e->vd == e->vs2) {
        return false;
    }
    u8 results[VECTOR_MAX_GROUP_BYTES];
    struct vector_lanes lanes = {.d = results, .first = first_set(e), .count = e->vl};
    e->op->kernel[0](&lanes);
    vector_merge_bits(e, results);
    return true;
}

/* --- viota, vid --- */

bool vector_iota(struct vector_exec *e)
{
    if (e->vstart != 0 || !vector_mask_ok(e) || !vector_aligned(e->vd, e->lmul) ||
        vector_overlap(e->vd, vector_regs(e->lmul), e->vs2, 1)) {
        return false;
    }
    const u8 *vs2 = vector_reg(e, e->vs2);
    u64 count = 0;
    for (u32 i = 0; i < e->vl; i++) {
        if (vector_active(e, i)) {
            vector_put_element(vector_reg(e, e->vd), i, e->sew, count);
            count += vector_bit(vs2, i);
        }
    }
    return true;
}

bool vector_index(struct vector_exec *e)
{
    if (!vector_mask_ok(e) || !vector_aligned(e->vd, e->lmul)) {
        return false;
    }
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (vector_active(e, i)) {
            vector_put_element(vector_reg(e, e->vd), i, e->sew, i);
        }
    }
    return true;
}
