/* Between the files that carry out vector operations in place (emit_vector*.c). */
#ifndef METIC_TRANSLATE_TO_X86_64_EMIT_VECTOR_H
#define METIC_TRANSLATE_TO_X86_64_EMIT_VECTOR_H

#include "translate/ir/ir_vector.h"
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/asm_vector.h"

enum { VEC_CHUNKS_MAX = 4, VEC_FAILS_MAX = 4 };

/* One VECTOR while code for it is emitted, which happens twice: for all elements of the group in
 * the body, and for the first `count` ones in the cold part.
 *
 * A group is worked on in chunks, one vector register each; all results are there before the first
 * is stored, so that sources may be destinations and an operation can still fail. */
struct vec {
    struct compile *c;
    struct asm_buf *a;   /* where code goes now */
    const struct ir_insn *insn;
    struct ir_vector v;
    bool evex;           /* AVX-512; else AVX2, whose masks are vectors (emit_vector_avx2.c) */
    bool partial;        /* only the first `count` elements */
    unsigned sew;        /* log2 of the bytes of an element of the result */
    unsigned group_bytes; /* of the result */
    unsigned chunk_bytes, chunks;
    unsigned rounds;     /* that many become one; chunk_bytes is of all of them */
    unsigned scalar;     /* general register, or NO_REG */
    bool is_const;       /* and then its value is this */
    s64 value;
    unsigned result;     /* general register, or NO_REG */
    unsigned temp[2];    /* general registers, free */
    struct access access; /* of a load or store, */
    struct asm_mem host;  /*   which is here */
    u8 in_a[2], in_b[2], in_d[2]; /* operands, kept (emit_vector_keep.c) */
    u8 r[VEC_CHUNKS_MAX], t[2], s; /* vector registers: results, scratch, the scalar repeated */
    u8 mask;             /* a vector register more, where AVX2 masks */
    u32 fails[VEC_FAILS_MAX]; /* jumps in `a` to the helper */
    unsigned fail_count;
    bool finds;          /* groups may be in registers, VEC_FINDS */
};

/* Emits the operation. */
typedef void vec_fn(struct vec *x);

/* How an operation is done; by log2 of the bytes of the result's elements. */
struct vec_row {
    vec_fn *emit;
    struct asm_vop op[4];
    u8 avx2, avx512; /* bit n: elements of that width can be done so */
    u8 imm;          /* what the function says */
    u16 flags;
};

enum vec_flag {
    VEC_COMMUTES = 1,
    VEC_TEMPS = 2,     /* needs general registers */
    VEC_NO_MASK = 4,   /* not when masked */
    VEC_NO_PART = 8,   /* not when partial */
    VEC_RESULT = 16,   /* has one in a general register */
    VEC_SHORT_PART = 32, /* partial only with groups of up to 64 elements */
    VEC_SUB = 64,      /* the second operation of two subtracts */
    VEC_SWAP = 128,    /* of the scalar and a */
    VEC_IMM = 256,     /* a constant scalar needs no register */
    VEC_KEEPS = 512,   /* from registers that are kept to such ones (emit_vector_keep.c) */
    VEC_VBMI = 1024,   /* bytes, and what `imm` chunks hold, at most */
    VEC_FINDS = 2048,  /* its function looks for groups where they are kept; so do VEC_KEEPS' */
    VEC_BITS = 4096,   /* its results are no elements, but bits */
    VEC_BLENDS = 8192, /* under masks or partial without AVX-512, too (emit_vector_avx2.c) */
};

/* Each of the emit_vector_ file of that name: the rows of some operations; no `emit` where it is
 * not one of theirs. */
extern const struct vec_row vec_int_rows[IR_VECTOR_OP_COUNT];
extern const struct vec_row vec_move_rows[IR_VECTOR_OP_COUNT];
extern const struct vec_row vec_fp_rows[IR_VECTOR_OP_COUNT];
extern const struct vec_row vec_permute_rows[IR_VECTOR_OP_COUNT];
extern const struct vec_row vec_fixed_rows[IR_VECTOR_OP_COUNT];
extern const struct vec_row vec_carry_rows[IR_VECTOR_OP_COUNT];
extern const struct vec_row vec_divide_rows[IR_VECTOR_OP_COUNT];
extern const struct vec_row vec_convert_rows[IR_VECTOR_OP_COUNT];
const struct vec_row *vec_row_of(unsigned op);

/* --- data in THUNK_VECTOR_DATA --- */
enum vec_const {
    VEC_COUNT_8, VEC_COUNT_16, VEC_COUNT_32, VEC_COUNT_64, /* width - 1 in each element */
    VEC_SIGN_8, VEC_SIGN_32, VEC_SIGN_64, VEC_ONES, VEC_HALF_32, VEC_CONST_COUNT,
};

enum vec_table {
    VEC_NUMBERS_AT = 8 * VEC_CONST_COUNT,  /* bytes 0, 1, 2, ... 255 */
    VEC_SPREAD_AT = VEC_NUMBERS_AT + 256,  /* 32 bytes: 0 to 3, 8 of each */
    VEC_BITS_8_AT = VEC_SPREAD_AT + 32,    /* bytes 1, 2, 4, ... 128, four times */
    VEC_BITS_16_AT = VEC_BITS_8_AT + 32,   /* 1 << i, of each width */
    VEC_BITS_32_AT = VEC_BITS_16_AT + 32,
    VEC_BITS_64_AT = VEC_BITS_32_AT + 32,
};

/* AVX-512's comparison of unsigned elements of 1 << sew bytes to a mask; which one follows, u8. */
static inline struct asm_vop vec_compare_op(unsigned sew)
{
    return (struct asm_vop){3, 1, sew & 1, sew < 2 ? 0x3e : 0x1e};
}

static inline struct asm_vop vec_add_op(unsigned sew)
{
    return vec_int_rows[IR_VECTOR_ADD].op[sew];
}

static inline struct asm_vop vec_sub_op(unsigned sew)
{
    return vec_int_rows[IR_VECTOR_SUB].op[sew];
}

/* The move, of a register or from memory, whose mask is of elements of 1 << sew bytes. */
static inline struct asm_vop vec_move_op(unsigned sew)
{
    return (struct asm_vop){1, sew < 2 ? 3 : 2, sew & 1, 0x6f};
}

static inline struct asm_vhow vec_how(const struct vec *x)
{
    return (struct asm_vhow){
        .length = x->chunk_bytes == 64 ? 2 : x->chunk_bytes == 32 ? 1 : 0, .evex = x->evex};
}

static inline struct asm_vhow vec_under(const struct vec *x, unsigned mask)
{
    struct asm_vhow how = vec_how(x);
    how.mask = (u8)mask;
    how.zero = mask != 0;
    return how;
}

/* Where in guest state the group begins. */
static inline u32 vec_offset(const struct vec *x, unsigned unit)
{
    return x->c->context->guest->vector->file + 16 * unit;
}

/* Chunk j, of that many bytes, of the group at `unit`. */
static inline struct asm_mem vec_at(const struct vec *x, unsigned unit, unsigned j, unsigned bytes)
{
    return state_at(vec_offset(x, unit) + j * bytes);
}

static inline struct asm_mem vec_chunk(const struct vec *x, unsigned unit, unsigned j)
{
    return vec_at(x, unit, j, x->chunk_bytes);
}

static inline const u8 *vec_const(const struct vec *x, enum vec_const which)
{
    return thunk(x->c, THUNK_VECTOR_DATA) + 8 * which;
}

/* --- emit_vector.c --- */
vec_fn vec_move_memory;
/* Chunk j of what a load or store is of. */
struct asm_mem vec_host_at(const struct vec *x, unsigned j);
void vec_load(struct vec *x, unsigned reg, unsigned unit, unsigned j);
/* An instruction whose last source is chunk j, or that of so many bytes, of the group. */
void vec_rm(struct vec *x, struct asm_vop op, struct asm_vhow how, unsigned reg, unsigned vvvv,
            unsigned unit, unsigned j);
void vec_rm_of(struct vec *x, struct asm_vop op, struct asm_vhow how, unsigned reg, unsigned vvvv,
               unsigned unit, unsigned j, unsigned bytes);
void vec_copy(struct vec *x, unsigned to, unsigned from);
/* reg = one element of memory, repeated. */
void vec_broadcast(struct vec *x, unsigned reg, struct asm_mem mem);
/* reg = chunk j of group b, or the scalar repeated, which is in x->s. */
void vec_load_b(struct vec *x, unsigned reg, unsigned j);
/* reg = all ones; elements that a mask register has, where there is one. */
void vec_ones(struct vec *x, unsigned reg, unsigned mask);
/* All results to group d, as mask and count say. */
void vec_store_results(struct vec *x);
/* reg = the scalar, as often as it fits, in elements of 1 << sew bytes. The first one fails when it
 * is a single that is not boxed. */
void vec_splat(struct vec *x, unsigned reg, unsigned sew);
void vec_repeat(struct vec *x, unsigned reg, unsigned sew);
/* Flags: NE when the scalar, which is to be a single, is not boxed. */
void vec_compare_box(struct vec *x);
/* The flags' condition means that only the helper can do it. */
void vec_fail_if(struct vec *x, enum asm_cc cc);
/* Only the helper can do it, always. */
void vec_fail(struct vec *x);
/* dst = first op a repeated constant. Without AVX-512 it takes t[1]. */
void vec_op_const(struct vec *x, struct asm_vop op, unsigned dst, unsigned first,
                  enum vec_const which);
/* With the scalar repeated in x->s, or group b: dst = first op b of chunk j. */
void vec_op_b(struct vec *x, struct asm_vop op, struct asm_vhow how, unsigned dst, unsigned first,
              unsigned j);

/* emit_vector_move.c: reg = the numbers of chunk j's elements. */
void vec_numbers(struct vec *x, unsigned reg, unsigned j);
/* Bits of mask registers [2, 2 + chunks) to register d, as mask and count say. */
void vec_store_bits(struct vec *x);

/* emit_vector_int.c: shifts elements of 1 << sew bytes, at least 2, by a constant. */
enum vec_shift { VEC_LEFT, VEC_RIGHT, VEC_ARITHMETIC };
void vec_shift_imm(struct vec *x, unsigned reg, unsigned sew, enum vec_shift kind, unsigned count);
/* dst = reg, doublewords, shifted without sign. */
void vec_shift_to(struct vec *x, unsigned dst, unsigned reg, enum vec_shift kind, unsigned count);
/* dst = reg shifted element by element by `counts`; those from the width on shift all out. */
void vec_shift_each(struct vec *x, unsigned dst, unsigned reg, unsigned counts, unsigned sew,
                    enum vec_shift kind);
/* reg = chunk j of a group of elements of 1 << from bytes, extended to 1 << to. */
void vec_extend(struct vec *x, unsigned reg, unsigned unit, unsigned j, unsigned from, unsigned to,
                bool is_signed);

/* emit_vector_carry.c: r[j] = the high half of a * b, as one of the three operations has it. Takes
 * t[0], t[1] and VEC_SPARE, which finding parts of what is kept takes, too. */
enum { VEC_SPARE = 31 };
void vec_multiply_high(struct vec *x, unsigned j, unsigned op);

/* emit_vector_fp.c: notes whether `reg` has NaNs, under a mask. */
void vec_note_nan(struct vec *x, bool is_first, unsigned mask, unsigned reg);
/* All results to group d, unless something was noted: then it is the helper's. */
void vec_store_noted(struct vec *x);
/* The canonical NaN, in elements of `reg` that the mask has. */
void vec_load_nan(const struct vec *x, struct asm_buf *a, unsigned reg, unsigned mask);
/* The invalid operation that 0 times infinity is, which the host forgets where a NaN is added; in
 * elements that mask 3 has. Takes mask 1. AVX-512 alone. */
void vec_raise_invalid(const struct vec *x, struct asm_buf *a, unsigned zero, unsigned infinity,
                       unsigned scratch);
/* Notes where r[j] is what the host answers when there is no such integer, under a mask. */
void vec_note_no_integer(struct vec *x, unsigned j, unsigned mask, bool is_signed);

/* --- emit_vector_mask.c --- */
/* The mask register with the active elements of chunk j; 0: all are. `by_mask`: v.masked counts. */
unsigned vec_mask(struct vec *x, unsigned j, bool by_mask);
/* Whether the mask says which elements are active: it may be an operand. */
bool vec_masks_results(const struct vec *x);
/* temp[1] = a bit for each element of chunk j that is one of the first `count`; others have none,
 * or are behind the chunk. */
void vec_count_mask(struct vec *x, unsigned j);
/* Whether vec_mask gives any. */
bool vec_is_masked(const struct vec *x, bool by_mask);
/* A mask register gets these bits. Takes temp[1]. */
void vec_set_mask(struct vec *x, unsigned mask, u64 bits);

/* --- emit_vector_avx2.c: without AVX-512 --- */
/* Whether results are chosen by such a mask. */
bool vec_blends(const struct vec *x, bool by_mask);
/* reg = the mask of chunk j, as elements: the instruction's, of the first `count` ones, or both. */
void vec_widen_mask(struct vec *x, unsigned reg, unsigned j, bool by_mask);
/* dst = one or the other register, as the mask in a third one says. */
void vec_choose(struct vec *x, unsigned dst, unsigned clear, unsigned set, unsigned mask);
/* Words or doublewords of memory to a register and of a register to memory, where the mask in
 * another one says. */
void vec_load_memory_active(struct vec *x, unsigned reg, struct asm_mem mem, unsigned mask);
void vec_store_active(struct vec *x, struct asm_mem mem, unsigned reg, unsigned mask);
/* reg = chunk j of a group, or of b; where x->mask is clear it is 0. */
void vec_load_active(struct vec *x, unsigned reg, unsigned unit, unsigned j);
void vec_load_active_b(struct vec *x, unsigned reg, unsigned j);
/* The same of b or a, floats; where it is clear they are finite and not 0. Takes t[0]. */
void vec_load_divisors(struct vec *x, unsigned reg, unsigned j, bool of_b);
/* The elements' signs are what is set in register d, or clear. `reg` is scratch, and t[1]. */
void vec_collect_bits(struct vec *x, unsigned j, unsigned reg, bool inverted);
/* temp[1]'s low bits to word n of register d, as the mask says. Takes temp[0]. */
void vec_store_word(struct vec *x, unsigned n, unsigned bits);
/* The operation, a comparison of integers: t[0] and t[1] are scratch. */
void vec_compare_lanes(struct vec *x);

/* --- emit_vector_rounds.c --- */
/* Before and behind a VECTOR: which of the rounds that become one it belongs to. Only in the first
 * one there is something to do. */
unsigned vec_rounds_begin(const struct compile *c);
void vec_rounds_end(struct compile *c);
static inline bool vec_rounds_are_merged(const struct compile *c)
{
    return c->keeps_vectors && c->rounds.merged > 1;
}

/* --- emit_vector_keep.c --- */
/* Whether the operation goes from kept registers to such ones, if it is sure of its group. */
bool vec_keep_is_plain(const struct ir_vector *v);
bool vec_keep_reads_a(unsigned op);
bool vec_keep_reads_d(unsigned op);
/* Behind rounds that became one: registers have what the last of them left. */
void vec_keep_turn(struct compile *c);
/* True when the operation can be done from registers that are kept to such ones: they have been
 * claimed. Otherwise it finds what is kept (x->finds), and its results will be, or all that was
 * kept is where it belongs. */
bool vec_keep_begin(struct vec *x, const struct vec_row *row);
void vec_keep_emit(struct vec *x, const struct vec_row *row);
/* Where x->finds: */
/* The register that has those bytes of guest state, from its first byte on; NO_REG: memory has. */
unsigned vec_kept(struct vec *x, u32 offset, unsigned bytes);
/* They are going to be read from memory; to be written there. */
void vec_keep_clean(struct vec *x, u32 offset, u32 bytes);
void vec_keep_lose(struct vec *x, u32 offset, u32 bytes);
/* r[j] is chunk j of group d now. */
void vec_keep_put(struct vec *x, unsigned j);

/* --- vector_call.c: what THUNK_VECTOR calls, as access_call --- */
enum { /* the stub's bytes, after SITE_REG */
    VSITE_POISON = 6,
    VSITE_ROW = 7,    /* u16 */
    VSITE_WORD = 9,   /* u32 */
    VSITE_VALUE = 13, /* u64, with SITE_CONST */
    VSITE_HELPER = 21, /* const struct helper * */
    VSITE_BYTES = 29,  /* and then, with SITE_FAR in VSITE_POISON, the page's distance, s64 */
};
const u8 *vector_call(struct vcpu *vcpu, u8 *frame, const u8 *stub, const struct host_slow *slow);

#endif
