/* Shapes of the integer and fixed-point vector instructions: plain, comparing, carrying, widening,
 * narrowing, extending, reducing, merging. See vector.h. */
#include "cpu/riscv64/vector_ops.h"

#include <string.h>

enum { VXSAT = 1 };

/* Results and the second source, when it must be made, are built beside the register file: a
 * destination may be a source, too. */
struct work {
    _Alignas(32) u8 results[VECTOR_MAX_GROUP_BYTES];
    _Alignas(32) u8 second[VECTOR_MAX_GROUP_BYTES];
    _Alignas(32) u8 first[VECTOR_MAX_GROUP_BYTES];
};

static bool groups_aligned(const struct vector_exec *e)
{
    return vector_aligned(e->vd, e->lmul) && vector_aligned(e->vs2, e->lmul) &&
           (!e->vector_source || vector_aligned(e->vs1, e->lmul));
}

/* vs1's elements, or the scalar as often. */
static const void *second_source(const struct vector_exec *e, struct work *work)
{
    if (e->vector_source) {
        return vector_reg(e, e->vs1);
    }
    vector_splat(work->second, e->sew, vector_scalar(e), e->vl);
    return work->second;
}

static struct vector_lanes lanes_of(const struct vector_exec *e, struct work *work)
{
    return (struct vector_lanes){
        .d = work->results,
        .a = vector_reg(e, e->vs2),
        .b = second_source(e, work),
        .c = vector_reg(e, e->vd),
        .mask = e->masked ? vector_reg(e, 0) : NULL,
        .first = e->vstart,
        .count = e->vl,
    };
}

/* Runs the operation for elements of the width `sew` and keeps its results. */
static bool run(struct vector_exec *e, struct vector_lanes *lanes, unsigned sew)
{
    vector_kernel *kernel = e->op->kernel[sew];
    if (kernel == NULL) {
        return false;
    }
    kernel(lanes);
    vector_merge(e, lanes->d, sew);
    return true;
}

bool vector_element_wise(struct vector_exec *e)
{
    if (!vector_mask_ok(e) || !vector_sources_ok(e) || !groups_aligned(e)) {
        return false;
    }
    struct work work;
    struct vector_lanes lanes = lanes_of(e, &work);
    return run(e, &lanes, e->sew);
}

static bool fixed_point(struct vector_exec *e, struct vector_lanes *lanes)
{
    u32 saturated = 0;
    lanes->rm = e->state->vxrm;
    lanes->flags = &saturated;
    bool done = run(e, lanes, e->sew);
    e->state->vxsat |= (u8)saturated;
    return done;
}

bool vector_fixed(struct vector_exec *e)
{
    if (!vector_mask_ok(e) || !vector_sources_ok(e) || !groups_aligned(e)) {
        return false;
    }
    struct work work;
    struct vector_lanes lanes = lanes_of(e, &work);
    return fixed_point(e, &lanes);
}

/* --- results that are masks --- */

static bool mask_result_ok(const struct vector_exec *e)
{
    bool vs2_ok = e->vd == e->vs2 || vector_wide_overlap_ok(e->vd, 0, e->vs2, e->lmul);
    bool vs1_ok = !e->vector_source || e->vd == e->vs1 ||
                  vector_wide_overlap_ok(e->vd, 0, e->vs1, e->lmul);
    return vs1_ok && vs2_ok && vector_aligned(e->vs2, e->lmul) &&
           (!e->vector_source || vector_aligned(e->vs1, e->lmul));
}

bool vector_compare(struct vector_exec *e)
{
    struct work work;
    if (!mask_result_ok(e)) {
        return false;
    }
    struct vector_lanes lanes = lanes_of(e, &work);
    e->op->kernel[e->sew](&lanes);
    vector_merge_bits(e, work.results);
    return true;
}

/* The mask bit of these is a carry: every element is active. */
bool vector_carry_out(struct vector_exec *e)
{
    struct work work;
    if (!mask_result_ok(e)) {
        return false;
    }
    struct vector_lanes lanes = lanes_of(e, &work);
    lanes.carry = lanes.mask;
    e->op->kernel[e->sew](&lanes);
    e->masked = false;
    vector_merge_bits(e, work.results);
    return true;
}

bool vector_carry(struct vector_exec *e)
{
    if (!vector_mask_ok(e) || !groups_aligned(e)) {
        return false;
    }
    struct work work;
    struct vector_lanes lanes = lanes_of(e, &work);
    lanes.carry = lanes.mask;
    e->masked = false;
    return run(e, &lanes, e->sew);
}

/* --- widening: the sources are extended, and the operation is that of the wider elements --- */

enum first_source { FIRST_SIGNED, FIRST_UNSIGNED, FIRST_WIDE };

static bool wide_result_ok(const struct vector_exec *e)
{
    return e->lmul <= 2 && e->sew < 3 && vector_aligned(e->vd, e->lmul + 1) && vector_mask_ok(e);
}

static bool narrow_source_ok(const struct vector_exec *e, unsigned source)
{
    return vector_aligned(source, e->lmul) &&
           (!vector_accumulates(e) || vector_widths_apart(e->vd, source, e->lmul)) &&
           vector_wide_overlap_ok(e->vd, e->lmul + 1, source, e->lmul);
}

static bool widen(struct vector_exec *e, enum first_source first, bool second_signed)
{
    bool apart = first != FIRST_WIDE || !e->vector_source ||
                 vector_widths_apart(e->vs2, e->vs1, e->lmul);
    if (!wide_result_ok(e) || !vector_sources_ok(e) || !apart ||
        (e->vector_source && !narrow_source_ok(e, e->vs1)) ||
        !(first == FIRST_WIDE ? vector_aligned(e->vs2, e->lmul + 1)
                              : narrow_source_ok(e, e->vs2))) {
        return false;
    }
    struct work work;
    unsigned wide = e->sew + 1u;
    struct vector_lanes lanes = lanes_of(e, &work);
    const void *narrow = lanes.b;
    _Alignas(32) u8 second[VECTOR_MAX_GROUP_BYTES];
    vector_extend(second, wide, narrow, e->sew, second_signed, e->vl);
    lanes.b = second;
    if (first != FIRST_WIDE) {
        vector_extend(work.first, wide, lanes.a, e->sew, first == FIRST_SIGNED, e->vl);
        lanes.a = work.first;
    }
    return run(e, &lanes, wide);
}

bool vector_widen_uu(struct vector_exec *e)
{
    return widen(e, FIRST_UNSIGNED, false);
}

bool vector_widen_ss(struct vector_exec *e)
{
    return widen(e, FIRST_SIGNED, true);
}

bool vector_widen_su(struct vector_exec *e)
{
    return widen(e, FIRST_SIGNED, false);
}

bool vector_widen_us(struct vector_exec *e)
{
    return widen(e, FIRST_UNSIGNED, true);
}

bool vector_widen_wu(struct vector_exec *e)
{
    return widen(e, FIRST_WIDE, false);
}

bool vector_widen_ws(struct vector_exec *e)
{
    return widen(e, FIRST_WIDE, true);
}

/* --- narrowing and extending --- */

bool vector_narrow(struct vector_exec *e)
{
    bool overlap_ok = e->vd == e->vs2 ||
                      vector_wide_overlap_ok(e->vd, e->lmul, e->vs2, e->lmul + 1);
    if (e->lmul > 2 || e->sew >= 3 || !vector_aligned(e->vs2, e->lmul + 1) || !overlap_ok ||
        !vector_aligned(e->vd, e->lmul) || !vector_mask_ok(e) || !vector_sources_ok(e) ||
        (e->vector_source && (!vector_aligned(e->vs1, e->lmul) ||
                              !vector_widths_apart(e->vs2, e->vs1, e->lmul)))) {
        return false;
    }
    struct work work;
    struct vector_lanes lanes = lanes_of(e, &work);
    return fixed_point(e, &lanes);
}

static bool extend(struct vector_exec *e, unsigned factor_log2, bool is_signed)
{
    int from = e->sew - (int)factor_log2, from_lmul = e->lmul - (int)factor_log2;
    if (from < 0 || e->vd == e->vs2 || !vector_aligned(e->vd, e->lmul) ||
        !vector_aligned(e->vs2, from_lmul) || !vector_mask_ok(e) || !vector_sources_ok(e) ||
        !vector_wide_overlap_ok(e->vd, e->lmul, e->vs2, from_lmul)) {
        return false;
    }
    struct work work;
    vector_extend(work.results, e->sew, vector_reg(e, e->vs2), (unsigned)from, is_signed, e->vl);
    vector_merge(e, work.results, e->sew);
    return true;
}

bool vector_extend_z2(struct vector_exec *e)
{
    return extend(e, 1, false);
}

bool vector_extend_z4(struct vector_exec *e)
{
    return extend(e, 2, false);
}

bool vector_extend_z8(struct vector_exec *e)
{
    return extend(e, 3, false);
}

bool vector_extend_s2(struct vector_exec *e)
{
    return extend(e, 1, true);
}

bool vector_extend_s4(struct vector_exec *e)
{
    return extend(e, 2, true);
}

bool vector_extend_s8(struct vector_exec *e)
{
    return extend(e, 3, true);
}

/* --- merging and moving --- */

static bool float_source_ok(const struct vector_exec *e)
{
    return !e->float_source || e->sew >= 2;
}

bool vector_merge_sources(struct vector_exec *e)
{
    if (!vector_mask_ok(e) || !vector_sources_ok(e) || !groups_aligned(e) ||
        !float_source_ok(e)) {
        return false;
    }
    struct work work;
    const u8 *mask = vector_reg(e, 0), *vs2 = vector_reg(e, e->vs2);
    const u8 *second = second_source(e, &work);
    for (u32 i = e->vstart; i < e->vl; i++) {
        const u8 *from = vector_bit(mask, i) ? second : vs2;
        vector_put_element(work.results, i, e->sew, vector_element(from, i, e->sew));
    }
    e->masked = false;
    vector_merge(e, work.results, e->sew);
    return true;
}

bool vector_move(struct vector_exec *e)
{
    if (!vector_aligned(e->vd, e->lmul) || !float_source_ok(e) ||
        (e->vector_source && !vector_aligned(e->vs1, e->lmul))) {
        return false;
    }
    struct work work;
    const void *source = second_source(e, &work);
    if (source != work.second) {
        memcpy(work.results, source, (size_t)e->vl << e->sew);
        source = work.results;
    }
    vector_merge(e, source, e->sew);
    return true;
}

/* --- reductions --- */

/* Of vl 0 nothing is written. */
static void reduce(struct vector_exec *e, const void *elements, unsigned sew)
{
    if (e->vl == 0) {
        return;
    }
    u64 sum = vector_element(vector_reg(e, e->vs1), 0, sew);
    struct vector_lanes lanes = {
        .d = &sum, .a = elements, .count = e->vl,
        .mask = e->masked ? vector_reg(e, 0) : NULL,
    };
    e->op->kernel[sew](&lanes);
    vector_put_element(vector_reg(e, e->vd), 0, sew, sum);
}

bool vector_reduce(struct vector_exec *e)
{
    if (!vector_aligned(e->vs2, e->lmul) || e->vstart != 0) {
        return false;
    }
    reduce(e, vector_reg(e, e->vs2), e->sew);
    return true;
}

static bool reduce_wide(struct vector_exec *e, bool is_signed)
{
    if (!vector_aligned(e->vs2, e->lmul) || e->vstart != 0 || e->sew >= 3) {
        return false;
    }
    _Alignas(32) u8 wide[2 * VECTOR_MAX_GROUP_BYTES];
    vector_extend(wide, e->sew + 1u, vector_reg(e, e->vs2), e->sew, is_signed, e->vl);
    reduce(e, wide, e->sew + 1u);
    return true;
}

bool vector_reduce_wide_u(struct vector_exec *e)
{
    return reduce_wide(e, false);
}

bool vector_reduce_wide_s(struct vector_exec *e)
{
    return reduce_wide(e, true);
}
