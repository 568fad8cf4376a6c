/* Appending to a block's IR: sharing of equal values, forwarding of guest state, and the rows'
 * properties. Simplification of single operations is ir_fold.c's.
 *
 * Everything is one table look-up per append, so building a block takes time linear in it. */
#include "cpu/base/error.h"
#include "translate/ir/ir.h"
#include "translate/ir/ir_eval.h"
#include "translate/ir/ir_fold.h"
#include "translate/ir/ir_vector.h"
#include <string.h>

#define NONE IR_RESULT_NONE
#define SAME IR_RESULT_SAME
#define I64 IR_RESULT_I64
#define I32 IR_RESULT_I32
const struct ir_op_info ir_op_info[IR_OP_COUNT] = {
#define IROP(name, text, args, result, props, doc) {text, args, result, props, doc},
#include "translate/ir/ir.def"
#undef IROP
};
#undef NONE
#undef SAME
#undef I64
#undef I32

_Static_assert(offsetof(struct ir_insn, a) == 4 && offsetof(struct ir_insn, c) == 8,
               "struct packed is these bytes");
_Static_assert(sizeof(struct ir_insn) == 24, "passes and the interpreter walk arrays of these");
_Static_assert(IR_MAX_INSNS < IR_REF_NONE, "a ref names every instruction");

enum { KNOWN_SIZE_SHIFT = 32, KNOWN_GENERATION_SHIFT = 40 };
#define KNOWN_GENERATION_MAX ((u64)1 << 63)

/* A new generation; all of them begin anew before their number has too many bits. */
static void known_clear(struct ir *ir)
{
    if (UNLIKELY(ir->generation == 0 || ir->generation >= KNOWN_GENERATION_MAX)) {
        memset(ir->known, 0, sizeof(ir->known));
        ir->generation = 0;
    }
    ir->generation += (u64)1 << KNOWN_GENERATION_SHIFT;
}

/* What an entry is of. */
static ALWAYS_INLINE u64 known_key(const struct ir *ir, u32 offset, unsigned size_bytes)
{
    return ir->generation | (u64)size_bytes << KNOWN_SIZE_SHIFT | offset;
}

static unsigned known_size_bytes(const struct ir_known *known)
{
    return (u8)(known->key >> KNOWN_SIZE_SHIFT);
}

void ir_reset(struct ir *ir, const struct guest *guest)
{
    ir->count = 0;
    ir->overflow = false;
    ir->no_fold = false;
    ir->constants_last = false;
    ir->keeps_sets = false;
    ir->has_pieces = false;
    ir->marks = IR_MARKS_NONE;
    ir->mark_due = true;
    ir->insn_end = 0;
    ir->guest = guest;
    ir->insn_offset = 0;
    ir->insn_index = 0;
    ir->insn_total = 0;
    ir->share_floor = 0;
    ir->skip.open = false;
    known_clear(ir);
    memset(ir->chain_head, 0xff, sizeof(ir->chain_head));
}

/* --- appending ---
 *
 * Instructions travel by value through inlined functions, so that they are registers until they
 * stand in the array. Built in memory and then copied they cost a failed store-to-load forwarding
 * each, a tenth of translation. */

static ALWAYS_INLINE struct ir_insn insn_make(enum ir_op op, enum ir_type type, unsigned sub,
                                              u64 imm)
{
    return (struct ir_insn){.op = (u8)op, .type = (u8)type, .sub = (u8)sub, .a = IR_REF_NONE,
                            .b = IR_REF_NONE, .c = IR_REF_NONE, .d = IR_REF_NONE, .imm = imm};
}

/* An instruction that is not dead, as it stands in memory. */
struct packed {
    u64 head; /* its first eight bytes */
    u32 tail; /* the four behind them */
    u64 imm;
};

static ALWAYS_INLINE struct packed packed_at(const struct ir_insn *insn)
{
    struct packed packed = {.imm = insn->imm};
    memcpy(&packed.head, insn, sizeof(packed.head));
    memcpy(&packed.tail, &insn->c, sizeof(packed.tail));
    return packed;
}

static ALWAYS_INLINE struct packed packed_of(struct ir_insn insn)
{
    if (METIC_LE16(1) != 1) {
        return packed_at(&insn);
    }
    return (struct packed){
        .head = insn.op | (u64)insn.type << 8 | (u64)insn.sub << 16 | (u64)insn.a << 32 |
                (u64)insn.b << 48,
        .tail = insn.c | (u32)insn.d << 16,
        .imm = insn.imm,
    };
}

static ALWAYS_INLINE void packed_put(struct ir_insn *slot, struct packed packed)
{
    memcpy(slot, &packed.head, sizeof(packed.head));
    memcpy(&slot->c, &packed.tail, sizeof(packed.tail));
    slot->imm = packed.imm;
}

static ALWAYS_INLINE ir_ref append_packed(struct ir *ir, struct packed packed)
{
    if (UNLIKELY(ir->count >= IR_MAX_INSNS)) {
        ir->overflow = true;
        return 0;
    }
    packed_put(&ir->insns[ir->count], packed);
    return (ir_ref)ir->count++;
}

static ALWAYS_INLINE ir_ref append(struct ir *ir, struct ir_insn insn)
{
    return append_packed(ir, packed_of(insn));
}

/* Where a probe may be put. */
static void append_place(struct ir *ir, enum ir_op op)
{
    ir_ref ref = append(ir, insn_make(op, IR_NONE, 0, 0));
    if (!ir->overflow) {
        ir->insns[ref].dead = 1;
    }
}

static ALWAYS_INLINE void append_way(struct ir *ir, struct ir_insn insn)
{
    if (UNLIKELY(ir->marks >= IR_MARKS_FEW)) {
        append_place(ir, IR_PROBE_LEFT);
    }
    append(ir, insn);
    ir->mark_due |= ir->marks == IR_MARKS_UNITS;
}

static ALWAYS_INLINE unsigned share_hash(struct packed x)
{
    u64 key = x.head ^ x.imm ^ (u64)x.tail << 13;
    return (unsigned)(key * 0x9e3779b97f4a7c15u >> 56);
}

static ALWAYS_INLINE bool share_equal(struct packed x, struct packed y)
{
    return x.imm == y.imm && x.head == y.head && x.tail == y.tail;
}

/* Appends unless an equal instruction at or after `floor` exists. */
static ALWAYS_INLINE ir_ref append_shared(struct ir *ir, struct packed packed, unsigned floor)
{
    if (UNLIKELY(ir->no_fold)) {
        return append_packed(ir, packed);
    }
    unsigned chain = share_hash(packed) % IR_CHAINS;
    for (ir_ref ref = ir->chain_head[chain]; ref != IR_REF_NONE && ref >= floor;
         ref = ir->chain_next[ref]) {
        if (share_equal(packed_at(&ir->insns[ref]), packed)) {
            return ref;
        }
    }
    ir_ref ref = append_packed(ir, packed);
    if (LIKELY(!ir->overflow)) {
        ir->chain_next[ref] = ir->chain_head[chain];
        ir->chain_head[chain] = ref;
    }
    return ref;
}

/* Rules see it in memory, and may replace its operands there: seldom, so that it is read in the
 * pieces in which it was written. */
static ALWAYS_INLINE ir_ref append_value(struct ir *ir, struct ir_insn insn)
{
    struct packed packed = packed_of(insn);
    if (LIKELY(!ir->no_fold)) {
        struct ir_insn rule;
        packed_put(&rule, packed);
        ir_ref folded = ir_fold(ir, &rule);
        if (folded != IR_REF_NONE) {
            return folded;
        }
        packed = packed_at(&rule);
        insn.op = rule.op;
    }
    bool environment = (ir_op_info[insn.op].props & IR_E) != 0;
    return append_shared(ir, packed, environment ? ir->share_floor : 0);
}

/* --- instruction boundaries, constants --- */

/* Before an instruction, where something asks for marks. */
static NOINLINE void mark_begin(struct ir *ir, s64 offset_from_page, unsigned length_bytes)
{
    if (ir->marks >= IR_MARKS_FEW && ir->insn_total != 0 &&
        (ir->mark_due || ir->marks == IR_MARKS_ALL)) {
        append_place(ir, IR_PROBE_LEFT);
    }
    ir->mark_due |= ir->marks == IR_MARKS_UNITS && offset_from_page != ir->insn_end;
    ir->insn_end = offset_from_page + length_bytes;
}

void ir_begin_insn(struct ir *ir, s64 offset_from_page, unsigned length_bytes)
{
    if (UNLIKELY(ir->marks != IR_MARKS_NONE)) {
        mark_begin(ir, offset_from_page, length_bytes);
    }
    ir->insn_offset = offset_from_page;
    ir->insn_index = ir->insn_total++;
    struct ir_insn insn = insn_make(IR_INSN, IR_NONE, length_bytes, (u64)offset_from_page);
    insn.a = (ir_ref)ir->insn_index;
    append(ir, insn);
}

void ir_mark_places(struct ir *ir)
{
    unsigned places = ir->marks == IR_MARKS_ALL ? 4 : ir->mark_due;
    for (unsigned i = 0; i < places; i++) {
        append_place(ir, IR_PROBE);
    }
    ir->mark_due = false;
}

ir_ref ir_const(struct ir *ir, enum ir_type type, u64 value)
{
    struct ir_insn insn = insn_make(IR_CONST, type, 0, ir_narrow(type, value));
    return append_shared(ir, packed_of(insn), 0);
}

ir_ref ir_pc_page(struct ir *ir)
{
    /* Constant while the block runs: shared like a pure value. */
    struct ir_insn insn = insn_make(IR_PC_PAGE, IR_I64, 0, 0);
    return append_shared(ir, packed_of(insn), 0);
}

ir_ref ir_insn_count(struct ir *ir)
{
    struct ir_insn insn = insn_make(IR_INSN_COUNT, IR_I64, 0, 0);
    return append(ir, insn);
}

/* --- guest state --- */

static struct ir_known *known_word(struct ir *ir, u32 offset)
{
    return &ir->known[(offset / 8) % IR_KNOWN_WORDS];
}

static bool known_crosses(u32 offset, unsigned size_bytes)
{
    return offset % 8 + size_bytes > 8;
}

/* The value a GET would give, made from a known entry; IR_REF_NONE when it is not simple. */
static ir_ref known_value(struct ir *ir, const struct ir_known *known, enum ir_type type)
{
    enum ir_type have = ir_value_type(&ir->insns[known->value]);
    bool have_float = have == IR_F32 || have == IR_F64;
    bool want_float = type == IR_F32 || type == IR_F64;
    if (have == type && (known->exact || known_size_bytes(known) * 8u == ir_type_bits(type))) {
        return known->value;
    }
    if (have_float != want_float) {
        bool same_bits = ir_type_bits(have) == ir_type_bits(type);
        return same_bits && known_size_bytes(known) * 8u == ir_type_bits(type)
                   ? ir_op1(ir, IR_FBITS, type, 0, known->value)
                   : IR_REF_NONE;
    }
    if (have_float || known_size_bytes(known) == 8) {
        return IR_REF_NONE;
    }
    return ir_op1(ir, IR_ZEXT, type, known_size_bytes(known) * 8u, known->value);
}

/* What the instructions that may be skipped have set the register to, by its number in skip.sets;
 * the count of these when it is none of them. */
static unsigned skip_find(const struct ir *ir, u32 offset)
{
    unsigned n = 0;
    while (n < ir->skip.count && ir->skip.sets[n].offset != offset) {
        n++;
    }
    return n;
}

/* By itself, so that what is known costs ir_get no saved registers. */
static NOINLINE ir_ref get_otherwise(struct ir *ir, struct ir_known *known, enum ir_type type,
                                     u32 offset, unsigned size_bytes)
{
    unsigned n = UNLIKELY(ir->skip.open) ? skip_find(ir, offset) : 0;
    if (UNLIKELY(ir->skip.open) && n < ir->skip.count) {
        return ir->skip.sets[n].value; /* something else took its place in `known` */
    }
    bool tracked = !ir->no_fold && !known_crosses(offset, size_bytes);
    u64 key = known_key(ir, offset, size_bytes);
    if (tracked && known->key == key) {
        ir_ref value = known_value(ir, known, type);
        if (value != IR_REF_NONE) {
            return value;
        }
    }
    struct ir_insn insn = insn_make(IR_GET, type, size_bytes, offset);
    ir_ref ref = append(ir, insn);
    if (tracked && !ir->overflow) {
        *known = (struct ir_known){.key = key, .exact = true, .value = ref};
    }
    return ref;
}

ir_ref ir_get(struct ir *ir, enum ir_type type, u32 offset, unsigned size_bytes)
{
    struct ir_known *known = known_word(ir, offset);
    bool same = known->key == known_key(ir, offset, size_bytes);
    if (LIKELY(same && known->exact && ir->insns[known->value].type == type && !ir->no_fold)) {
        return known->value; /* exact values' types are their instructions' */
    }
    return get_otherwise(ir, known, type, offset, size_bytes);
}

/* A SET that may be skipped waits for ir_skip_end; until then the register is known to hold it. */
static NOINLINE void skip_set(struct ir *ir, u32 offset, unsigned size_bytes, ir_ref value)
{
    unsigned n = skip_find(ir, offset);
    CHECK(n < IR_SKIP_SETS && size_bytes == 8 && ir_value_type(&ir->insns[value]) == IR_I64);
    if (n == ir->skip.count) {
        ir->skip.sets[n].before = ir_get(ir, IR_I64, offset, size_bytes);
        ir->skip.sets[n].offset = offset;
        ir->skip.count++;
    }
    ir->skip.sets[n].value = value;
    *known_word(ir, offset) = (struct ir_known){
        .key = known_key(ir, offset, size_bytes), .exact = true, .value = value,
    };
}

void ir_set(struct ir *ir, u32 offset, unsigned size_bytes, ir_ref value)
{
    if (UNLIKELY(ir->skip.open)) {
        skip_set(ir, offset, size_bytes, value);
        return;
    }
    struct ir_known *known = known_word(ir, offset);
    bool folds = !ir->no_fold && !ir->keeps_sets;
    u64 key = known_key(ir, offset, size_bytes);
    if (folds && known->key == key && known->value == value) {
        return;
    }
    enum ir_type type = ir_value_type(&ir->insns[value]);
    struct ir_insn insn = insn_make(IR_SET, type, size_bytes, offset);
    insn.a = value;
    append(ir, insn);
    if (known_crosses(offset, size_bytes)) {
        known->key = 0;
        known_word(ir, offset + size_bytes - 1)->key = 0;
    } else {
        bool exact = type == ir->insns[value].type && size_bytes * 8u == ir_type_bits(type);
        *known = (struct ir_known){.key = key, .exact = exact, .value = value};
    }
}

/* --- values --- */

ir_ref ir_op1(struct ir *ir, enum ir_op op, enum ir_type type, unsigned sub, ir_ref a)
{
    struct ir_insn insn = insn_make(op, type, sub, 0);
    insn.a = a;
    return append_value(ir, insn);
}

ir_ref ir_op2(struct ir *ir, enum ir_op op, enum ir_type type, unsigned sub, ir_ref a, ir_ref b)
{
    struct ir_insn insn = insn_make(op, type, sub, 0);
    insn.a = a;
    insn.b = b;
    return append_value(ir, insn);
}

ir_ref ir_select(struct ir *ir, enum ir_cond cond, ir_ref a, ir_ref b, enum ir_type type, ir_ref c,
                 ir_ref d)
{
    struct ir_insn insn = insn_make(IR_SELECT, type, cond, 0);
    insn.a = a;
    insn.b = b;
    insn.c = c;
    insn.d = d;
    return append_value(ir, insn);
}

ir_ref ir_setcc(struct ir *ir, enum ir_cond cond, enum ir_type type, ir_ref a, ir_ref b)
{
    return ir_op2(ir, IR_SETCC, type, cond, a, b);
}

ir_ref ir_fp(struct ir *ir, enum ir_op op, enum ir_type type, unsigned sub, enum ir_round round,
             ir_ref a, ir_ref b, ir_ref c)
{
    struct ir_insn insn = insn_make(op, type, sub, round);
    insn.a = a;
    insn.b = b;
    insn.c = c;
    return append_value(ir, insn);
}

ir_ref ir_fenv_flags(struct ir *ir)
{
    struct ir_insn insn = insn_make(IR_FENV_FLAGS, IR_I64, 0, 0);
    return append(ir, insn);
}

void ir_fenv_set(struct ir *ir, ir_ref flags, ir_ref round)
{
    struct ir_insn insn = insn_make(IR_FENV_SET, IR_NONE, 0, 0);
    insn.a = flags;
    insn.b = round;
    append(ir, insn);
    ir->share_floor = ir->count;
}

/* --- guest memory --- */

static ir_ref append_check(struct ir *ir, unsigned mem, unsigned check, ir_ref address)
{
    struct ir_insn insn = insn_make(IR_TLB_CHECK, IR_I64, mem & IR_MEM_SIZE_MASK, check);
    insn.a = address;
    return append(ir, insn);
}

static ir_ref append_access(struct ir *ir, struct ir_insn insn, unsigned check, ir_ref address)
{
    insn.a = append_check(ir, insn.sub, check, address);
    insn.b = address;
    return append(ir, insn);
}

ir_ref ir_load(struct ir *ir, enum ir_type type, unsigned mem, ir_ref address)
{
    return append_access(ir, insn_make(IR_LOAD, type, mem, 0), IR_CHECK_READ, address);
}

ir_ref ir_load_aligned(struct ir *ir, enum ir_type type, unsigned mem, ir_ref address)
{
    return append_access(ir, insn_make(IR_LOAD, type, mem, 0), IR_CHECK_READ | IR_CHECK_ALIGN,
                         address);
}

void ir_store(struct ir *ir, unsigned mem, ir_ref address, ir_ref value)
{
    struct ir_insn insn = insn_make(IR_STORE, ir_value_type(&ir->insns[value]), mem, 0);
    insn.c = value;
    append_access(ir, insn, IR_CHECK_WRITE, address);
}

static const unsigned check_atomic = IR_CHECK_READ | IR_CHECK_WRITE | IR_CHECK_ALIGN;

ir_ref ir_amo(struct ir *ir, enum ir_amo amo, enum ir_type type, ir_ref address, ir_ref value)
{
    struct ir_insn insn = insn_make(IR_AMO, type, type == IR_I32 ? IR_MEM_32 : IR_MEM_64, amo);
    insn.c = value;
    return append_access(ir, insn, check_atomic, address);
}

ir_ref ir_cas(struct ir *ir, enum ir_type type, ir_ref address, ir_ref expected, ir_ref desired)
{
    struct ir_insn insn = insn_make(IR_CAS, type, type == IR_I32 ? IR_MEM_32 : IR_MEM_64, 0);
    insn.c = expected;
    insn.d = desired;
    return append_access(ir, insn, check_atomic, address);
}

void ir_fence(struct ir *ir, unsigned pred_succ)
{
    struct ir_insn insn = insn_make(IR_FENCE, IR_NONE, 0, pred_succ);
    append(ir, insn);
}

/* --- calls and control --- */

ir_ref ir_call(struct ir *ir, const struct helper *helper, ir_ref a, ir_ref b, ir_ref c, ir_ref d)
{
    struct ir_insn insn = insn_make(IR_CALL, helper->has_result ? IR_I64 : IR_NONE, 0,
                                    (u64)(uintptr_t)helper);
    insn.a = a;
    insn.b = b;
    insn.c = c;
    insn.d = d;
    if (helper->flags & HELPER_PURE) {
        return append_shared(ir, packed_of(insn), 0);
    }
    ir_ref ref = append(ir, insn);
    ir->mark_due |= (helper->flags & HELPER_MEMORY) != 0;
    if (helper->flags & HELPER_WRITES_STATE) {
        known_clear(ir);
    }
    if (helper->flags & (HELPER_WRITES_STATE | HELPER_FPU)) {
        ir->share_floor = ir->count;
    }
    return helper->has_result ? ref : IR_REF_NONE;
}

void ir_forget(struct ir *ir, u32 offset)
{
    known_word(ir, offset)->key = 0;
}

ir_ref ir_vector(struct ir *ir, const struct helper *helper, ir_ref word, ir_ref row,
                 ir_ref scalar, const struct ir_vector *v)
{
    struct ir_insn insn = insn_make(IR_VECTOR, helper->has_result ? IR_I64 : IR_NONE, 0,
                                    (u64)(uintptr_t)helper);
    insn.a = word;
    insn.b = row;
    insn.c = scalar;
    insn.d = ir_i64(ir, ir_vector_pack(v));
    ir_ref ref = append(ir, insn);
    ir->share_floor = ir->count;
    return ref;
}

void ir_poll(struct ir *ir, unsigned next_insns)
{
    struct ir_insn insn = insn_make(IR_POLL, IR_NONE, 0, next_insns);
    append(ir, insn);
}

void ir_look(struct ir *ir, s64 next_offset)
{
    struct ir_insn insn = insn_make(IR_LOOK, IR_NONE, 0, (u64)next_offset);
    append_way(ir, insn);
    ir->mark_due = true;
}

void ir_exit_if(struct ir *ir, enum ir_cond cond, ir_ref a, ir_ref b, s64 target_offset)
{
    struct ir_insn insn = insn_make(IR_EXIT_IF, IR_I64, cond, (u64)target_offset);
    insn.a = a;
    insn.b = b;
    if (!ir->no_fold && ir_fold_branch(ir, &insn) == IR_BRANCH_NEVER) {
        return;
    }
    append_way(ir, insn);
}

void ir_skip_begin(struct ir *ir, enum ir_cond cond, ir_ref a, ir_ref b)
{
    ir->skip.open = true;
    ir->skip.cond = (u8)cond;
    ir->skip.a = a;
    ir->skip.b = b;
    ir->skip.count = 0;
}

static void append_unretire(struct ir *ir, unsigned insns)
{
    struct ir_insn insn = insn_make(IR_UNRETIRE, IR_I64, ir->skip.cond, insns);
    insn.a = ir->skip.a;
    insn.b = ir->skip.b;
    if (ir->no_fold || ir_fold_branch(ir, &insn) != IR_BRANCH_NEVER) {
        append(ir, insn);
    }
}

void ir_skip_end(struct ir *ir, unsigned insns)
{
    ir->skip.open = false;
    append_unretire(ir, insns);
    for (unsigned n = 0; n < ir->skip.count; n++) {
        u32 offset = ir->skip.sets[n].offset;
        ir_ref value = ir_select(ir, (enum ir_cond)ir->skip.cond, ir->skip.a, ir->skip.b, IR_I64,
                                 ir->skip.sets[n].before, ir->skip.sets[n].value);
        known_word(ir, offset)->key = 0; /* no SET of what it is known to hold was appended */
        ir_set(ir, offset, 8, value);
    }
}

void ir_exit_unless(struct ir *ir, ir_ref target, s64 expected_offset)
{
    struct ir_insn insn = insn_make(IR_EXIT_UNLESS, IR_NONE, 0, (u64)expected_offset);
    insn.a = target;
    append_way(ir, insn);
}

void ir_exit_page(struct ir *ir, u32 guard, s64 target_offset)
{
    struct ir_insn insn = insn_make(IR_EXIT_PAGE, IR_NONE, 0, (u64)target_offset);
    insn.a = (ir_ref)guard;
    insn.b = (ir_ref)(guard >> 16);
    append_way(ir, insn);
}

void ir_jump(struct ir *ir, s64 target_offset)
{
    struct ir_insn insn = insn_make(IR_JUMP, IR_NONE, 0, (u64)target_offset);
    append_way(ir, insn);
}

void ir_jump_call(struct ir *ir, s64 target_offset)
{
    struct ir_insn insn = insn_make(IR_JUMP, IR_NONE, IR_JUMP_CALL, (u64)target_offset);
    append_way(ir, insn);
}

void ir_jump_next(struct ir *ir, s64 target_offset)
{
    struct ir_insn insn = insn_make(IR_JUMP_NEXT, IR_NONE, 0, (u64)target_offset);
    append_way(ir, insn);
}

void ir_jump_ind(struct ir *ir, enum ir_jump_hint hint, ir_ref target)
{
    struct ir_insn insn = insn_make(IR_JUMP_IND, IR_NONE, hint, 0);
    insn.a = target;
    append_way(ir, insn);
}

void ir_raise(struct ir *ir, u64 cause, ir_ref value)
{
    struct ir_insn insn = insn_make(IR_RAISE, IR_NONE, 0, cause);
    insn.a = value;
    append(ir, insn);
}

void ir_leave(struct ir *ir, ir_ref next_pc, bool look_at_interrupts)
{
    struct ir_insn insn = insn_make(IR_LEAVE, IR_NONE, look_at_interrupts, 0);
    insn.a = next_pc;
    append_way(ir, insn);
}
