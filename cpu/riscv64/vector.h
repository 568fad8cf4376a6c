/* The vector unit (unprivileged manual, chapter "V"; ELEN 64, VLEN 128 or 256).
 *
 * Every vector instruction but vset*vl* is carried out here, element by element, whatever vtype,
 * vl, vstart and mask are: riscv64_vector_execute finds the instruction's row of rv_v.def, its
 * shape checks what is legal and does it. Agnostic elements are left undisturbed, as the manual
 * permits and QEMU does; so are all elements past vl.
 *
 * The register file is one array of bytes: element i of register n, SEW bits wide, is at byte
 * n * vlenb + i * SEW / 8, so a group of registers is one longer register.
 *
 * Left out: half precision (Zvfh), the vector cryptography extensions. */
#ifndef METIC_CPU_RISCV64_VECTOR_H
#define METIC_CPU_RISCV64_VECTOR_H

#include "cpu/base/bits.h"
#include "cpu/riscv64/state.h"

enum { VECTOR_MAX_GROUP_BYTES = 8 * RISCV_MAX_VLENB };

#define VTYPE_VILL ((u64)1 << 63)
enum { VTYPE_LEGAL_BITS = 0xff };

/* A group of elements as element operations see it. Sources may be longer than count. */
struct vector_lanes {
    void *d;             /* results; apart from the sources */
    const void *a, *b;   /* vs2; vs1 or the scalar, repeated */
    const void *c;       /* vd as it was */
    const u8 *mask;      /* bit i: element i is active; NULL: all are */
    const u8 *carry;     /* bit i: carry into element i; NULL: none */
    u32 first, count;    /* elements [first, count) matter */
    u32 rm;              /* rounding: frm (FP) or vxrm (fixed point) */
    u32 *flags;          /* FPU_* raised (FP), 1 for saturation (fixed point) */
};

typedef void vector_kernel(const struct vector_lanes *lanes);

/* What is done with one element, by log2 of its bytes: NULL where the width has no such
 * operation. A reduction's makes d[0] of d[0] and the active elements of a. */
struct vector_op {
    vector_kernel *kernel[4];
};

/* One instruction on its way. */
struct vector_exec {
    struct riscv64_state *state;
    const struct vector_op *op;
    u32 word;
    u8 vd, vs1, vs2;
    u8 fields;     /* of a segment, 1 to 8 */
    bool masked;
    bool vector_source; /* vs1 is a vector, not a scalar */
    bool float_source;
    u8 sew;        /* log2 of its bytes */
    s8 lmul;       /* log2 */
    u32 vl, vstart;
    u64 scalar;    /* x or f register, immediate, or address */
    u64 stride;
    u64 result;    /* for the x or f register */
};

/* What a row of rv_v.def names as its shape. False: the instruction is illegal. A memory access
 * that faults leaves the exception pending and answers true. */
typedef bool vector_shape_fn(struct vector_exec *e);

/* Carries out the instruction `word`, whose row is `id`; scalar and stride as in struct
 * vector_exec. Raises what the instruction raises. Returns what an x or f destination gets. */
u64 riscv64_vector_execute(struct riscv64_state *state, u32 word, unsigned id, u64 scalar,
                           u64 stride);

/* True when the instruction `word`, whose row is `id`, is legal under that (legal) vtype and
 * vstart 0. */
bool riscv64_vector_legal(u32 word, unsigned id, u64 vtype, unsigned vlenb);

/* vset*vl*: the new vtype, and vl for an application vector length. An unsupported vtype sets vill
 * and vl 0. */
void riscv64_vector_set(struct riscv64_state *state, u64 avl, u64 vtype);

/* The vtype that `vtype` asks for: itself, or vill alone. */
u64 riscv64_vector_legal_vtype(u64 vtype, unsigned vlenb);

/* Elements of a legal vtype's register group. */
u32 riscv64_vector_vlmax(u64 vtype, unsigned vlenb);

/* Brings cache.vector_key in line after vl, vtype or vstart changed. */
void riscv64_vector_key_update(struct riscv64_state *state);

/* The vector unit after reset, of the size the hart's features say. */
void riscv64_vector_reset(struct riscv64_state *state);

/* Loaded state is not trusted: makes vtype, vl and vstart legal ones of this hart. */
void riscv64_vector_loaded(struct riscv64_state *state);

/* --- shared by the shapes' files --- */

static inline u8 *vector_reg(const struct vector_exec *e, unsigned number)
{
    return (u8 *)e->state->v + (size_t)number * e->state->vlenb;
}

static inline bool vector_bit(const u8 *bits, u32 i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static inline bool vector_active(const struct vector_exec *e, u32 i)
{
    return !e->masked || vector_bit(vector_reg(e, 0), i);
}

static inline void vector_put_bit(u8 *bits, u32 i, bool value)
{
    u8 bit = (u8)(1u << (i % 8));
    bits[i / 8] = value ? bits[i / 8] | bit : bits[i / 8] & (u8)~bit;
}

static inline u32 vector_vlmax(const struct vector_exec *e)
{
    u32 elements = (u32)e->state->vlenb >> e->sew;
    return e->lmul >= 0 ? elements << e->lmul : elements >> -e->lmul;
}

static inline unsigned vector_regs(int lmul)
{
    return lmul <= 0 ? 1u : 1u << lmul;
}

static inline bool vector_aligned(unsigned reg, int lmul)
{
    return (reg & (vector_regs(lmul) - 1)) == 0;
}

static inline bool vector_overlap(unsigned a, unsigned a_regs, unsigned b, unsigned b_regs)
{
    return a < b + b_regs && b < a + a_regs;
}

/* The destination rule for another element width than the source's: apart, or, when wider, over
 * its highest part. */
bool vector_wide_overlap_ok(unsigned d, int d_lmul, unsigned s, int s_lmul);

/* A masked instruction may not write v0. */
static inline bool vector_mask_ok(const struct vector_exec *e)
{
    return !e->masked || e->vd != 0;
}

/* No register may be a source with two element widths: nor v0, as mask and as data. Where QEMU
 * permits that (reductions, comparisons, carries) it is permitted here. */
static inline bool vector_sources_ok(const struct vector_exec *e)
{
    return !e->masked || (e->vs2 != 0 && !(e->vector_source && e->vs1 == 0));
}

/* The same of a wide source and a narrow one. */
static inline bool vector_widths_apart(unsigned wide, unsigned narrow, int lmul)
{
    return !vector_overlap(wide, vector_regs(lmul + 1), narrow, vector_regs(lmul));
}

/* A widening instruction that adds to vd. */
static inline bool vector_accumulates(const struct vector_exec *e)
{
    return e->word >> 28 == 15;
}

static inline u64 vector_element(const u8 *group, u32 i, unsigned sew)
{
    return ld_le(group + ((size_t)i << sew), 1u << sew);
}

void vector_put_element(u8 *group, u32 i, unsigned sew, u64 value);

/* Repeats the scalar over `count` elements. */
void vector_splat(void *to, unsigned sew, u64 value, u32 count);

/* Copies count elements, each extended from `from_sew` to `to_sew`. */
void vector_extend(void *to, unsigned to_sew, const void *from, unsigned from_sew, bool is_signed,
                   u32 count);

/* Puts results [vstart, vl) into group vd where active. */
void vector_merge(const struct vector_exec *e, const void *results, unsigned sew);

/* Puts result bytes (0 or 1) into the bits of mask register vd. */
void vector_merge_bits(const struct vector_exec *e, const u8 *results);

/* The scalar operand as an element: unboxed when it is a single float. */
u64 vector_scalar(const struct vector_exec *e);

#endif
