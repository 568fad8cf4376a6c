/* Shapes of the floating-point vector instructions; their element operations are in
 * vector_fp_ops.c. Elements that are not active raise no flags. A reserved frm makes all of them
 * illegal, which the translator knows. See vector.h. */
#include "cpu/riscv64/vector_ops.h"

#include "cpu/fpu.h"

struct work {
    _Alignas(32) u8 results[VECTOR_MAX_GROUP_BYTES];
    _Alignas(32) u8 first[VECTOR_MAX_GROUP_BYTES];
    _Alignas(32) u8 second[VECTOR_MAX_GROUP_BYTES];
    u32 flags;
};

static struct vector_lanes lanes_of(const struct vector_exec *e, struct work *work)
{
    work->flags = 0;
    struct vector_lanes lanes = {
        .d = work->results,
        .a = vector_reg(e, e->vs2),
        .b = e->vector_source ? vector_reg(e, e->vs1) : work->second,
        .c = vector_reg(e, e->vd),
        .mask = e->masked ? vector_reg(e, 0) : NULL,
        .first = e->vstart,
        .count = e->vl,
        .rm = e->state->frm,
        .flags = &work->flags,
    };
    if (e->float_source) {
        vector_splat(work->second, e->sew, vector_scalar(e), e->vl);
    }
    return lanes;
}

static void raise_flags(struct vector_exec *e, const struct work *work)
{
    e->state->vcpu.fpu_flags |= work->flags;
}

static bool groups_aligned(const struct vector_exec *e)
{
    return vector_aligned(e->vd, e->lmul) && vector_aligned(e->vs2, e->lmul) &&
           (!e->vector_source || vector_aligned(e->vs1, e->lmul)) && vector_sources_ok(e);
}

static bool has_width(const struct vector_exec *e)
{
    return e->op->kernel[e->sew] != NULL;
}

bool vector_fp(struct vector_exec *e)
{
    struct work work;
    if (!has_width(e) || !vector_mask_ok(e) || !groups_aligned(e)) {
        return false;
    }
    struct vector_lanes lanes = lanes_of(e, &work);
    if (!e->vector_source && !e->float_source) {
        lanes.b = lanes.a; /* one operand: anything readable */
    }
    e->op->kernel[e->sew](&lanes);
    vector_merge(e, work.results, e->sew);
    raise_flags(e, &work);
    return true;
}

bool vector_fp_compare(struct vector_exec *e)
{
    struct work work;
    bool vs2_ok = e->vd == e->vs2 || vector_wide_overlap_ok(e->vd, 0, e->vs2, e->lmul);
    bool vs1_ok = !e->vector_source || e->vd == e->vs1 ||
                  vector_wide_overlap_ok(e->vd, 0, e->vs1, e->lmul);
    if (!has_width(e) || !vs1_ok || !vs2_ok || !vector_aligned(e->vs2, e->lmul) ||
        (e->vector_source && !vector_aligned(e->vs1, e->lmul))) {
        return false;
    }
    struct vector_lanes lanes = lanes_of(e, &work);
    e->op->kernel[e->sew](&lanes);
    vector_merge_bits(e, work.results);
    raise_flags(e, &work);
    return true;
}

/* --- widening: active singles become doubles, which a signalling NaN survives as invalid --- */

static void widen_active(const struct vector_lanes *lanes, const void *from, void *to)
{
    for (u32 i = lanes->first; i < lanes->count; i++) {
        if (lanes->mask == NULL || vector_bit(lanes->mask, i)) {
            u32 narrow = (u32)vector_element(from, i, 2);
            vector_put_element(to, i, 3, fpu_f32_to_f64(narrow, lanes->flags));
        }
    }
}

static bool narrow_source_ok(const struct vector_exec *e, unsigned source)
{
    return vector_aligned(source, e->lmul) && vector_sources_ok(e) &&
           (!vector_accumulates(e) || vector_widths_apart(e->vd, source, e->lmul)) &&
           vector_wide_overlap_ok(e->vd, e->lmul + 1, source, e->lmul);
}

static bool widen(struct vector_exec *e, bool first_is_wide)
{
    struct work work;
    bool apart = !first_is_wide || !e->vector_source ||
                 vector_widths_apart(e->vs2, e->vs1, e->lmul);
    if (e->sew != 2 || e->lmul > 2 || !apart || !vector_sources_ok(e) ||
        !vector_aligned(e->vd, e->lmul + 1) || !vector_mask_ok(e) ||
        (e->vector_source && !narrow_source_ok(e, e->vs1)) ||
        !(first_is_wide ? vector_aligned(e->vs2, e->lmul + 1) : narrow_source_ok(e, e->vs2))) {
        return false;
    }
    struct vector_lanes lanes = lanes_of(e, &work);
    _Alignas(32) u8 second[VECTOR_MAX_GROUP_BYTES];
    widen_active(&lanes, lanes.b, second);
    lanes.b = second;
    if (!first_is_wide) {
        widen_active(&lanes, lanes.a, work.first);
        lanes.a = work.first;
    }
    e->op->kernel[3](&lanes);
    vector_merge(e, work.results, 3);
    raise_flags(e, &work);
    return true;
}

bool vector_fp_widen(struct vector_exec *e)
{
    return widen(e, false);
}

bool vector_fp_widen_w(struct vector_exec *e)
{
    return widen(e, true);
}

/* --- conversions --- */

static bool convert(struct vector_exec *e, unsigned to_sew, bool towards_zero)
{
    struct work work;
    struct vector_lanes lanes = lanes_of(e, &work);
    if (towards_zero) {
        lanes.rm = FPU_RTZ;
    }
    e->op->kernel[e->sew](&lanes);
    vector_merge(e, work.results, to_sew);
    raise_flags(e, &work);
    return true;
}

static bool convert_same(struct vector_exec *e, bool towards_zero)
{
    return has_width(e) && vector_mask_ok(e) && groups_aligned(e) &&
           convert(e, e->sew, towards_zero);
}

static bool convert_wide(struct vector_exec *e, bool towards_zero)
{
    return has_width(e) && e->lmul <= 2 && vector_aligned(e->vd, e->lmul + 1) &&
           vector_mask_ok(e) && narrow_source_ok(e, e->vs2) &&
           convert(e, e->sew + 1u, towards_zero);
}

static bool convert_narrow(struct vector_exec *e, bool towards_zero)
{
    bool overlap_ok = e->vd == e->vs2 ||
                      vector_wide_overlap_ok(e->vd, e->lmul, e->vs2, e->lmul + 1);
    return has_width(e) && e->lmul <= 2 && vector_aligned(e->vs2, e->lmul + 1) && overlap_ok &&
           vector_aligned(e->vd, e->lmul) && vector_mask_ok(e) && vector_sources_ok(e) &&
           convert(e, e->sew, towards_zero);
}

bool vector_fp_convert(struct vector_exec *e)
{
    return convert_same(e, false);
}

bool vector_fp_convert_rtz(struct vector_exec *e)
{
    return convert_same(e, true);
}

bool vector_fp_convert_wide(struct vector_exec *e)
{
    return convert_wide(e, false);
}

bool vector_fp_convert_wide_rtz(struct vector_exec *e)
{
    return convert_wide(e, true);
}

bool vector_fp_convert_narrow(struct vector_exec *e)
{
    return convert_narrow(e, false);
}

bool vector_fp_convert_narrow_rtz(struct vector_exec *e)
{
    return convert_narrow(e, true);
}

/* --- reductions: in order, which suits the unordered ones, too --- */

static void reduce(struct vector_exec *e, struct vector_lanes *lanes, struct work *work,
                   unsigned sew)
{
    if (e->vl == 0) {
        return;
    }
    u64 result = vector_element(vector_reg(e, e->vs1), 0, sew);
    lanes->d = &result;
    e->op->kernel[sew](lanes);
    vector_put_element(vector_reg(e, e->vd), 0, sew, result);
    raise_flags(e, work);
}

bool vector_fp_reduce(struct vector_exec *e)
{
    struct work work;
    if (!has_width(e) || !vector_aligned(e->vs2, e->lmul) || e->vstart != 0) {
        return false;
    }
    struct vector_lanes lanes = lanes_of(e, &work);
    reduce(e, &lanes, &work, e->sew);
    return true;
}

bool vector_fp_reduce_wide(struct vector_exec *e)
{
    struct work work;
    if (e->sew != 2 || !vector_aligned(e->vs2, e->lmul) || e->vstart != 0) {
        return false;
    }
    struct vector_lanes lanes = lanes_of(e, &work);
    _Alignas(32) u8 wide[2 * VECTOR_MAX_GROUP_BYTES];
    widen_active(&lanes, lanes.a, wide);
    lanes.a = wide;
    reduce(e, &lanes, &work, 3);
    return true;
}
