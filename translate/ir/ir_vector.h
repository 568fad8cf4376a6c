/* What VECTOR operations of the IR say about themselves.
 *
 * A VECTOR is a call of a helper, which is its meaning, with a description of what the helper does
 * while the guest's vector configuration is the one that was expected when the block was made.
 * A host that can do that in place compares the configuration first and calls the helper when
 * it is another one, or whenever something is unusual: a NaN, an access that crosses a page.
 *
 * The configuration is a *key*: a u32 of guest state (struct guest_vector). The description is
 * the constant operand d, packed. */
#ifndef METIC_TRANSLATE_IR_VECTOR_H
#define METIC_TRANSLATE_IR_VECTOR_H

#include "translate/ir/ir.h"

enum ir_vector_op {
#define IRVECTOR(name, text, doc) IR_VECTOR_##name,
#include "translate/ir/ir_vector.def"
#undef IRVECTOR
    IR_VECTOR_OP_COUNT,
};

/* What of the key must be as expected. */
enum ir_vector_guard {
    IR_VECTOR_TYPE,  /* the type; and all elements of the group, or the first `count` ones */
    IR_VECTOR_VALID, /* any legal type, and to begin with element 0 */
    IR_VECTOR_START, /* to begin with element 0 */
    IR_VECTOR_FULL,  /* nothing: it is sure to be TYPE's, with all elements */
    IR_VECTOR_PART,  /* nothing: it is sure to be TYPE's, with fewer elements */
};

enum ir_vector_second { IR_VECTOR_GROUP, IR_VECTOR_SCALAR, IR_VECTOR_FLOAT };

struct ir_vector {
    u8 op;         /* enum ir_vector_op */
    u8 guard;      /* enum ir_vector_guard */
    u8 second;     /* enum ir_vector_second: what b is */
    u8 sew;        /* log2 of an element's bytes */
    u8 group_log2; /* log2 of the bytes of a group of such elements */
    u8 count;      /* of an operation element by element, guard PART: the group's first so many ones
                      alone; of fields: all elements, where these fill no power of two; 0: the
                      guest's state says */
    u8 type;       /* of the key: GUEST_VECTOR_TYPE */
    bool masked;   /* elements whose bit of the register file's first register is clear are left */
    u8 d, a, b;    /* groups: 16-byte units from the register file's start, below 64; b of accesses
                      to fields: how many these are, and then sizes are those of all together */
};

static inline u64 ir_vector_pack(const struct ir_vector *v)
{
    return v->op | (u64)v->guard << 8 | (u64)v->second << 11 | (u64)v->sew << 13 |
           (u64)v->group_log2 << 15 | (u64)v->masked << 19 | (u64)v->d << 20 | (u64)v->a << 26 |
           (u64)v->b << 32 | (u64)v->type << 38 | (u64)v->count << 46;
}

static inline struct ir_vector ir_vector_unpack(u64 packed)
{
    return (struct ir_vector){
        .op = (u8)packed,
        .guard = packed >> 8 & 7,
        .second = packed >> 11 & 3,
        .sew = packed >> 13 & 3,
        .group_log2 = packed >> 15 & 15,
        .masked = packed >> 19 & 1,
        .d = packed >> 20 & 63,
        .a = packed >> 26 & 63,
        .b = packed >> 32 & 63,
        .type = (u8)(packed >> 38),
        .count = (u8)(packed >> 46),
    };
}

/* That of the VECTOR `insn`. */
static inline struct ir_vector ir_vector_of(const struct ir *ir, const struct ir_insn *insn)
{
    return ir_vector_unpack(ir->insns[insn->d].imm);
}

/* Appends one: the helper takes `word`, `row`, `scalar` and something it ignores. Its result. Of
 * what it may change beside vector registers, the caller tells by ir_forget(). */
ir_ref ir_vector(struct ir *ir, const struct helper *helper, ir_ref word, ir_ref row,
                 ir_ref scalar, const struct ir_vector *v);

static inline bool ir_vector_is_memory(unsigned op)
{
    return op <= IR_VECTOR_STORE;
}

/* A load whose fault may make the vector shorter. */
static inline bool ir_vector_may_shorten(unsigned op)
{
    return op == IR_VECTOR_LOAD_FIRST || op == IR_VECTOR_LOAD_FIELDS_FIRST;
}

static inline bool ir_vector_is_store(unsigned op)
{
    return op == IR_VECTOR_STORE || op == IR_VECTOR_STORE_FIELDS;
}

/* Whether element i of the result comes of elements i alone, so that groups may be cut. */
static inline bool ir_vector_is_by_element(unsigned op)
{
    return op == IR_VECTOR_LOAD || op == IR_VECTOR_STORE ||
           (op >= IR_VECTOR_ADD && op <= IR_VECTOR_MERGE) ||
           (op >= IR_VECTOR_FADD && op <= IR_VECTOR_FSGNJX);
}

/* Whether it is known how many elements it is of. */
static inline bool ir_vector_is_counted(const struct ir_vector *v)
{
    return v->guard == IR_VECTOR_FULL || (v->guard == IR_VECTOR_PART && v->count != 0);
}

/* A load or store of a known number of bytes, and how many these are. */
static inline bool ir_vector_is_access(const struct ir_vector *v)
{
    return ir_vector_is_memory(v->op) && ir_vector_is_counted(v);
}

static inline unsigned ir_vector_bytes(const struct ir_vector *v)
{
    return v->count != 0 ? (unsigned)v->count << v->sew : 1u << v->group_log2;
}

/* Sure to be done in place: of integers, with nothing to compare. */
static inline bool ir_vector_is_sure(const struct ir_vector *v)
{
    return ir_vector_is_counted(v) && v->second != IR_VECTOR_FLOAT &&
           !ir_vector_is_memory(v->op) && v->op < IR_VECTOR_FADD;
}

#endif
