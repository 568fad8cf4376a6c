/* V: vset*vl*, and every other vector instruction as a call of the vector unit
 * (cpu/riscv64/vector.h), which knows vtype, vl and the mask only when it runs.
 *
 * Most calls say what they do while vtype is the one expected, so that the host may do it in
 * place (translate/ir/ir_vector.h). What is expected is what a vset of the block made it, or what
 * it is when the block is translated; the host compares. */
#include "cpu/base/bits.h"
#include "cpu/riscv64/vector.h"
#include "translate/from_riscv64/lower_fp.h"
#include "translate/host.h"
#include "translate/ir/ir_vector.h"

static u32 at(size_t offset)
{
    return (u32)offset;
}

static unsigned vlenb(const struct lower *l)
{
    return 16 * ((l->mode & RISCV_MODE_VLEN) >> RISCV_MODE_VLEN_SHIFT);
}

/* --- vset*vl* --- */

enum {
    VTYPE_AT = offsetof(struct riscv64_state, vtype),
    VL_AT = offsetof(struct riscv64_state, vl),
};

/* What is known of lower.vector_key beside what it says. */
enum {
    KEY_IS_SURE = 1 << 16,   /* nothing can have changed it since the vset that says so */
    KEY_WAS_FULL = 1 << 17,  /* vl was VLMAX when the block was made */
    KEY_COUNT_SHIFT = 18,    /* if it is sure and vl below VLMAX: vl, which fits 8 bits */
};

/* The key is to be `key` from here on. */
static void expect_key(struct lower *l, u32 key)
{
    l->vector_key = key | (l->vector_key & (u32)KEY_WAS_FULL);
}

static void set_length(struct lower *l, const struct riscv_insn *insn, ir_ref vl, ir_ref key)
{
    ir_set(l->ir, VL_AT, 8, vl);
    ir_set(l->ir, at(offsetof(struct riscv64_state, cache.vector_key)), 8, key);
    lower_set_x(l, insn->rd, vl);
}

/* In a trace whose vectors were full: leaves it where they are not. So what follows has constant
 * lengths, and asks nothing. */
static void follow_full(struct lower *l, const struct riscv_insn *insn, ir_ref avl, u64 vtype,
                        ir_ref vlmax)
{
    set_length(l, insn, avl, ir_i64(l->ir, vtype));
    ir_exit_if(l->ir, IR_LT_U, avl, vlmax, l->offset + (s64)l->length_bytes);
    set_length(l, insn, vlmax, ir_i64(l->ir, vtype | RISCV_VECTOR_KEY_FULL));
}

/* min(AVL, VLMAX), and the key. */
static void set_minimum(struct lower *l, const struct riscv_insn *insn, ir_ref avl, u64 vtype,
                        ir_ref vlmax)
{
    ir_ref vl = ir_select(l->ir, IR_LT_U, avl, vlmax, IR_I64, avl, vlmax);
    ir_ref part = ir_i64(l->ir, vtype), full = ir_i64(l->ir, vtype | RISCV_VECTOR_KEY_FULL);
    set_length(l, insn, vl, ir_select(l->ir, IR_LT_U, avl, vlmax, IR_I64, part, full));
}

/* What a known vtype makes of an application vector length. */
static void set_known(struct lower *l, const struct riscv_insn *insn, ir_ref avl, u64 vtype)
{
    u64 most = riscv64_vector_vlmax(vtype, vlenb(l));
    ir_ref vlmax = ir_i64(l->ir, most);
    bool is_const = l->ir->insns[avl].op == IR_CONST;
    bool is_full = is_const && l->ir->insns[avl].imm >= most;
    bool follows = !is_const && l->follow && (l->vector_key & KEY_WAS_FULL);
    ir_set(l->ir, VTYPE_AT, 8, ir_i64(l->ir, vtype));
    ir_set(l->ir, at(offsetof(struct riscv64_state, vstart)), 8, ir_i64(l->ir, 0));
    if (follows) {
        follow_full(l, insn, avl, vtype, vlmax);
    } else {
        set_minimum(l, insn, avl, vtype, vlmax);
    }
    u32 count = is_const && !is_full ? (u32)l->ir->insns[avl].imm << KEY_COUNT_SHIFT : 0;
    expect_key(l, (u32)vtype | (is_full || follows ? (u32)RISCV_VECTOR_KEY_FULL : 0u) |
                      (is_const || follows ? (u32)KEY_IS_SURE : 0u) | count);
}

static void set_any(struct lower *l, const struct riscv_insn *insn, ir_ref avl, ir_ref vtype)
{
    lower_set_x(l, insn->rd, ir_call(l->ir, &riscv64_helper_vector_set, avl, vtype, IR_REF_NONE,
                                     IR_REF_NONE));
    expect_key(l, RISCV_VECTOR_KEY_VILL); /* nobody knows */
}

/* rs1 is x0: as long as possible, or, when rd is x0 too, as long as before. */
static ir_ref wanted_length(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->rs1 != 0) {
        return lower_get_x(l, insn->rs1);
    }
    return insn->rd != 0 ? ir_i64(l->ir, ~(u64)0) : ir_get(l->ir, IR_I64, VL_AT, 8);
}

static void set_immediate(struct lower *l, const struct riscv_insn *insn, ir_ref avl)
{
    u64 vtype = (u64)insn->imm;
    if (riscv64_vector_legal_vtype(vtype, vlenb(l)) == vtype) {
        set_known(l, insn, avl, vtype);
    } else {
        set_any(l, insn, avl, ir_i64(l->ir, vtype));
    }
}

void riscv64_lower_vsetvli(struct lower *l, const struct riscv_insn *insn)
{
    set_immediate(l, insn, wanted_length(l, insn));
}

void riscv64_lower_vsetivli(struct lower *l, const struct riscv_insn *insn)
{
    set_immediate(l, insn, ir_i64(l->ir, insn->rs1));
}

void riscv64_lower_vsetvl(struct lower *l, const struct riscv_insn *insn)
{
    set_any(l, insn, wanted_length(l, insn), lower_get_x(l, insn->rs2));
}

void lower_begin_vector(struct lower *l)
{
    l->vector_key |= l->vector_key & RISCV_VECTOR_KEY_FULL ? (u32)KEY_WAS_FULL : 0u;
}

/* --- everything else --- */

enum operand { OPERAND_NONE, OPERAND_X, OPERAND_F, OPERAND_IMM, OPERAND_ADDRESS, OPERAND_STRIDED };

#define OPERAND_V_V OPERAND_NONE
#define OPERAND_V_VV OPERAND_NONE
#define OPERAND_V_VX OPERAND_X
#define OPERAND_V_VF OPERAND_F
#define OPERAND_V_VI OPERAND_IMM
#define OPERAND_V_VU OPERAND_IMM
#define OPERAND_V_LOAD OPERAND_ADDRESS
#define OPERAND_V_INDEXED OPERAND_ADDRESS
#define OPERAND_V_STRIDED OPERAND_STRIDED

static const u8 operands[RISCV_INSN_COUNT] = {
#define INSN(name, pattern, format, extension, assembly, flags, lowering)
#define VINSN(name, pattern, format, assembly, flags, shape, op)                                   \
    [RISCV_INSN_##name] = OPERAND_##format,
#include "cpu/riscv64/rv_v.def"
#undef INSN
#undef VINSN
};

static ir_ref scalar(struct lower *l, const struct riscv_insn *insn)
{
    switch ((enum operand)operands[insn->id]) {
    case OPERAND_X:
    case OPERAND_ADDRESS:
    case OPERAND_STRIDED: return lower_get_x(l, insn->rs1);
    case OPERAND_F: return lower_get_f_image(l, insn->rs1);
    case OPERAND_IMM: return lower_imm(l, insn);
    default: return ir_i64(l->ir, 0);
    }
}

static const struct helper *helper_of(const struct riscv_insn *insn)
{
    return insn->flags & RV_MEMORY                         ? &riscv64_helper_vector_memory
           : insn->flags & (RV_X_RESULT | RV_F_RESULT) ? &riscv64_helper_vector_result
           : insn->flags & RV_WRITES_FP                ? &riscv64_helper_vector_fp
                                                       : &riscv64_helper_vector;
}

/* --- in place --- */

enum { NOT_IN_PLACE = 0 };

static const u8 in_place[RISCV_INSN_COUNT] = {
#define IN_PLACE(row, op) [RISCV_INSN_##row] = IR_VECTOR_##op + 1,
#include "translate/from_riscv64/in_place.def"
#undef IN_PLACE
};

static unsigned log2_of(u64 value)
{
    return 63 - (unsigned)__builtin_clzll(value | 1);
}

static u8 unit(const struct lower *l, unsigned number)
{
    return (u8)(number * vlenb(l) / 16);
}

/* The bytes of a group of elements of the width v->sew, when vtype is the one expected. */
static unsigned group_log2(const struct lower *l, const struct ir_vector *v)
{
    return log2_of((u64)riscv64_vector_vlmax(v->type, vlenb(l)) << v->sew);
}

/* Loads and stores: elements have the width that the instruction names. */
static void describe_memory(const struct lower *l, const struct riscv_insn *insn,
                            struct ir_vector *v)
{
    unsigned width = insn->word >> 12 & 7;
    bool whole = (insn->word >> 20 & 31) == 8;
    v->sew = (u8)(width == 0 ? 0 : width - 4);
    v->a = v->b = v->d;
    v->second = IR_VECTOR_SCALAR;
    v->guard = whole ? IR_VECTOR_START : v->guard;
    v->group_log2 = (u8)(whole ? log2_of((u64)(insn->nf + 1) * vlenb(l)) : group_log2(l, v));
}

/* A group of so many elements: `count` says so unless they fill it. */
static void set_elements(struct ir_vector *v, unsigned elements)
{
    unsigned bytes = elements << v->sew;
    v->group_log2 = (u8)log2_of(2 * bytes - 1);
    v->count = (u8)(bytes == 1u << v->group_log2 ? 0 : elements);
}

/* So many elements make a smaller group, or the first ones of such a one. */
static void shorten(struct ir_vector *v, unsigned count)
{
    set_elements(v, count);
    v->guard = v->count == 0 ? (u8)IR_VECTOR_FULL : v->guard;
}

/* Groups of whole registers, so that they lie one behind the other; false: they are not. */
static bool describe_fields(const struct lower *l, const struct riscv_insn *insn,
                            struct ir_vector *v)
{
    unsigned each_bytes = 1u << v->group_log2;
    v->b = (u8)(insn->nf + 1);
    set_elements(v, v->b * (each_bytes >> v->sew));
    return each_bytes >= vlenb(l);
}

static bool writes_flags(const struct riscv_insn *insn)
{
    return (insn->flags & RV_FP_FLAGS) == RV_FP_FLAGS;
}

static enum ir_vector_guard guard_of(const struct lower *l)
{
    return !(l->vector_key & KEY_IS_SURE)           ? IR_VECTOR_TYPE
           : l->vector_key & RISCV_VECTOR_KEY_FULL ? IR_VECTOR_FULL
                                                   : IR_VECTOR_PART;
}

/* What the instruction does while vtype is as expected; false: nothing that can be said. */
static bool describe(const struct lower *l, const struct riscv_insn *insn, struct ir_vector *v)
{
    unsigned op = in_place[insn->id];
    bool unknown = l->vector_key & RISCV_VECTOR_KEY_VILL;
    bool watched = l->mode & (RISCV_MODE_TRACE | VCPU_MODE_PROBE);
    bool slow_rounding = writes_flags(insn) && (l->mode & RISCV_MODE_FRM_SLOW);
    if (op == NOT_IN_PLACE || unknown || watched || slow_rounding ||
        !riscv64_vector_legal(insn->word, insn->id, l->vector_key & VTYPE_LEGAL_BITS, vlenb(l))) {
        return false;
    }
    enum operand operand = (enum operand)operands[insn->id];
    *v = (struct ir_vector){
        .op = (u8)(op - 1),
        .guard = (u8)guard_of(l),
        .second = operand == OPERAND_NONE ? IR_VECTOR_GROUP
                  : operand == OPERAND_F  ? IR_VECTOR_FLOAT
                                          : IR_VECTOR_SCALAR,
        .type = l->vector_key & VTYPE_LEGAL_BITS,
        .sew = (u8)bits_get(l->vector_key, 3, 3),
        .masked = (insn->word >> 25 & 1) == 0,
        .d = unit(l, insn->word >> 7 & 31),
        .a = unit(l, insn->word >> 20 & 31),
        .b = unit(l, insn->word >> 15 & 31),
    };
    v->group_log2 = (u8)group_log2(l, v);
    if (ir_vector_is_memory(v->op)) {
        describe_memory(l, insn, v);
        if (insn->nf != 0 && v->guard != IR_VECTOR_START && !describe_fields(l, insn, v)) {
            return false;
        }
    } else if (v->op == IR_VECTOR_COPY) {
        v->guard = IR_VECTOR_VALID;
        v->group_log2 = (u8)log2_of((u64)((insn->word >> 15 & 31) + 1) * vlenb(l));
    }
    unsigned count = l->vector_key >> KEY_COUNT_SHIFT;
    if (v->guard == IR_VECTOR_PART && count != 0 && ir_vector_is_by_element(v->op)) {
        shorten(v, count);
    }
    return l->host != NULL && l->host->does_vector != NULL &&
           l->host->does_vector(l->host_context, v);
}

/* A load that may change vl. */
static bool is_fault_first(const struct riscv_insn *insn)
{
    return (insn->flags & RV_MEMORY) != 0 && (insn->word >> 20 & 31) == 16 &&
           (insn->word >> 26 & 3) == 0;
}

/* Behind such a load: a trace whose vectors were full is left where it shortened them. */
static void follow_fault_first(struct lower *l)
{
    ir_forget(l->ir, VL_AT);
    ir_forget(l->ir, at(offsetof(struct riscv64_state, vstart)));
    ir_forget(l->ir, at(offsetof(struct riscv64_state, cache.vector_key)));
    u64 vtype = l->vector_key & VTYPE_LEGAL_BITS;
    ir_ref vlmax = ir_i64(l->ir, riscv64_vector_vlmax(vtype, vlenb(l)));
    bool sure = l->follow && (l->vector_key & KEY_IS_SURE) &&
                (l->vector_key & RISCV_VECTOR_KEY_FULL);
    if (!sure) {
        l->vector_key &= ~(u32)KEY_IS_SURE;
        return;
    }
    ir_exit_if(l->ir, IR_NE, ir_get(l->ir, IR_I64, VL_AT, 8), vlmax,
               l->offset + (s64)l->length_bytes);
    ir_set(l->ir, VL_AT, 8, vlmax);
}

void riscv64_lower_vector(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->flags & RV_FP && l->mode & RISCV_MODE_FRM_BAD) {
        lower_end_illegal(l, insn);
        return;
    }
    bool strided = operands[insn->id] == OPERAND_STRIDED;
    ir_ref stride = strided ? lower_get_x(l, insn->rs2) : ir_i64(l->ir, 0);
    struct ir_vector v;
    ir_ref word = lower_word(l, insn), row = ir_i64(l->ir, insn->id), from = scalar(l, insn);
    ir_ref result = describe(l, insn, &v)
                        ? ir_vector(l->ir, helper_of(insn), word, row, from, &v)
                        : ir_call(l->ir, helper_of(insn), word, row, from, stride);
    if (is_fault_first(insn)) {
        follow_fault_first(l);
    }
    if (insn->flags & RV_X_RESULT) {
        lower_set_x(l, insn->rd, result);
    } else if (insn->flags & RV_F_RESULT) {
        lower_set_f_image(l, insn->rd, result);
    }
}
