/* Folding, sharing, forwarding and the dead pass never change what a block computes: random
 * expressions are built twice from one recipe, plainly and with everything on, and both run on the
 * interpreter from the same state. What folding should achieve is checked rule by rule. */
#include "cpu/base/bits.h"
#include "translate/ir/ir.h"
#include "translate/ir/ir_eval.h"
#include "translate/opt/dead.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 8, RECIPE_STEPS = 60, RECIPES = 4000, RUNS = 6 };

struct state {
    struct vcpu vcpu;
    u64 in[INPUTS];
    u64 out[RECIPE_STEPS];
};

static u64 random_next(u64 *seed)
{
    *seed += 0x9e3779b97f4a7c15u;
    u64 z = *seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static u64 random_below(u64 *seed, u64 limit)
{
    return random_next(seed) % limit;
}

/* Values where rules go wrong: small, near powers of two, extended, and anything. */
static u64 random_value(u64 *seed)
{
    static const u64 special[] = {0, 1, 2, 7, 8, 31, 32, 63, 64, 0xff, 0xffff, 0xffffffff,
                                  0x7fffffff, 0x80000000, 0x8000000000000000u, 0x3ff0000000000000u};
    u64 value = special[random_below(seed, ARRAY_LEN(special))];
    switch (random_below(seed, 6)) {
    case 0: return 0 - value;
    case 1: return ~value - 1;
    case 2: return random_next(seed);
    case 3: return bits_sext(random_next(seed), 32);
    case 4: return BIT(random_below(seed, 64));
    default: return value;
    }
}

/* One step: an operation on results of earlier steps, chosen by type when it is built. */
struct step {
    u8 op, type, sub;
    u64 pick[4];
    u64 imm;
};

static const u8 step_ops[] = {
    IR_CONST,  IR_CONST,   IR_CONST,  IR_GET,     IR_GET,     IR_GET,    IR_ADD,     IR_SUB,
    IR_MUL,    IR_MULH_SS, IR_MULH_SU, IR_MULH_UU, IR_DIV_S,  IR_DIV_U,  IR_REM_S,   IR_REM_U,
    IR_AND,    IR_AND,     IR_OR,     IR_XOR,     IR_ANDN,    IR_SHL,    IR_SHL,     IR_SHR,
    IR_SHR,    IR_SAR,     IR_SAR,    IR_ROTR,    IR_CLZ,     IR_CTZ,    IR_POPCNT,  IR_BSWAP,
    IR_ORC_B,  IR_SEXT,    IR_SEXT,   IR_ZEXT,    IR_ZEXT,    IR_TRUNC,  IR_TRUNC,   IR_SETCC,
    IR_SETCC,  IR_SELECT,  IR_SELECT, IR_FADD,    IR_FSUB,    IR_FMUL,   IR_FNEG,    IR_FSGNJ,
    IR_FCMP,   IR_FCLASS,  IR_FBITS,  IR_FBITS,   IR_FUNBOX,  IR_FBOX,   IR_SET,     IR_FCVT_FF,
};

static void recipe_make(struct step *steps, u64 seed)
{
    for (unsigned i = 0; i < RECIPE_STEPS; i++) {
        struct step *step = &steps[i];
        step->op = i < 4 ? (u8)IR_GET : step_ops[random_below(&seed, ARRAY_LEN(step_ops))];
        step->type = (u8)random_below(&seed, 2);
        step->sub = (u8)random_next(&seed);
        step->imm = random_value(&seed);
        for (unsigned j = 0; j < 4; j++) {
            step->pick[j] = random_next(&seed);
        }
    }
}

struct build {
    struct ir *ir;
    ir_ref refs[RECIPE_STEPS];
    u8 types[RECIPE_STEPS];
    unsigned count;
};

/* An earlier result of `type`, a recent one more often; else a state word read as that type. */
static ir_ref operand(struct build *b, enum ir_type type, u64 pick)
{
    for (unsigned i = 0; i < b->count; i++) {
        unsigned index = (unsigned)((b->count * 2 - 1 - (pick % 4) - i) % b->count);
        if (b->types[index] == type) {
            return b->refs[index];
        }
    }
    u32 offset = (u32)(offsetof(struct state, in) + pick % INPUTS * 8);
    return ir_get(b->ir, type, offset, type == IR_I32 || type == IR_F32 ? 4 : 8);
}

static ir_ref build_leaf(struct build *b, const struct step *step, enum ir_type type)
{
    u32 offset = (u32)(offsetof(struct state, in) + step->pick[0] % INPUTS * 8);
    if (step->op == IR_CONST) {
        return ir_const(b->ir, type, step->imm);
    }
    unsigned size_bytes = 1u << (step->sub % (type == IR_I32 ? 3 : 4));
    return ir_get(b->ir, type, offset + (size_bytes == 1 ? step->sub / 8 % 8 : 0), size_bytes);
}

/* A write to an input word, so that later reads are forwarded or must not be. */
static ir_ref build_set(struct build *b, const struct step *step, enum ir_type type)
{
    ir_ref value = operand(b, type, step->pick[1]);
    unsigned size_bytes = 1u << (step->sub % (type == IR_I32 ? 3 : 4));
    u32 offset = (u32)(offsetof(struct state, in) + step->pick[0] % INPUTS * 8);
    ir_set(b->ir, offset + (size_bytes == 1 ? step->sub / 8 % 8 : 0), size_bytes, value);
    return value;
}

static ir_ref build_int(struct build *b, const struct step *step, enum ir_type *type)
{
    static const u8 widths[] = {8, 16, 32};
    enum ir_op op = (enum ir_op)step->op;
    enum ir_cond cond = (enum ir_cond)(step->sub % (IR_GE_U + 1));
    switch (op) {
    case IR_SEXT:
    case IR_ZEXT: {
        ir_ref a = operand(b, step->sub & 64 ? IR_I32 : IR_I64, step->pick[0]);
        return ir_op1(b->ir, op, *type, widths[step->sub % 3], a);
    }
    case IR_TRUNC:
        *type = IR_I32;
        return ir_op1(b->ir, op, *type, 0, operand(b, IR_I64, step->pick[0]));
    case IR_SETCC: {
        ir_ref a = operand(b, *type, step->pick[0]);
        ir_ref setcc = ir_setcc(b->ir, cond, *type, a, operand(b, *type, step->pick[1]));
        *type = IR_I64;
        return setcc;
    }
    case IR_SELECT: {
        ir_ref a = operand(b, IR_I64, step->pick[0]);
        ir_ref d = operand(b, IR_I64, step->pick[1]);
        ir_ref c = operand(b, *type, step->pick[2]);
        return ir_select(b->ir, cond, a, d, *type, c, operand(b, *type, step->pick[3]));
    }
    default: break;
    }
    if (op >= IR_MULH_SS && op <= IR_MULH_UU) {
        *type = IR_I64;
    }
    ir_ref a = operand(b, *type, step->pick[0]);
    if (ir_op_info[op].args == 1) {
        return ir_op1(b->ir, op, *type, 0, a);
    }
    return ir_op2(b->ir, op, *type, 0, a, operand(b, *type, step->pick[1]));
}

static ir_ref build_float(struct build *b, const struct step *step, enum ir_type *type)
{
    enum ir_type f = *type == IR_I32 ? IR_F32 : IR_F64;
    enum ir_op op = (enum ir_op)step->op;
    ir_ref a;
    switch (op) {
    case IR_FBITS:
        if (step->sub & 1) {
            a = operand(b, f, step->pick[0]);
            return ir_op1(b->ir, op, *type, 0, a);
        }
        a = operand(b, *type, step->pick[0]);
        *type = f;
        return ir_op1(b->ir, op, f, 0, a);
    case IR_FUNBOX:
        a = operand(b, IR_I64, step->pick[0]);
        *type = IR_F32;
        return ir_op1(b->ir, op, IR_F32, 0, a);
    case IR_FBOX:
        a = operand(b, IR_F32, step->pick[0]);
        *type = IR_I64;
        return ir_op1(b->ir, op, IR_I64, 0, a);
    case IR_FCVT_FF:
        a = operand(b, f == IR_F32 ? IR_F64 : IR_F32, step->pick[0]);
        *type = f;
        return ir_fp(b->ir, op, f, 0, IR_ROUND_DYN, a, IR_REF_NONE, IR_REF_NONE);
    default: break;
    }
    a = operand(b, f, step->pick[0]);
    *type = op == IR_FCMP || op == IR_FCLASS ? IR_I64 : f;
    if (ir_op_info[op].args == 1) {
        return ir_op1(b->ir, op, f, 0, a);
    }
    return ir_op2(b->ir, op, f, op == IR_FCMP || op == IR_FSGNJ ? step->sub % 3 : 0, a,
                  operand(b, f, step->pick[1]));
}

static void build_step(struct build *b, const struct step *step)
{
    enum ir_type type = (enum ir_type)step->type;
    ir_ref ref;
    if (step->op == IR_CONST || step->op == IR_GET) {
        ref = build_leaf(b, step, type);
    } else if (step->op == IR_SET) {
        ref = build_set(b, step, type);
    } else if (step->op >= IR_FADD) {
        ref = build_float(b, step, &type);
    } else {
        ref = build_int(b, step, &type);
    }
    b->refs[b->count] = ref;
    b->types[b->count++] = (u8)type;
}

/* Every result ends in its own word of state. */
static void recipe_build(struct ir *ir, const struct step *steps, bool no_fold)
{
    struct build b = {.ir = ir};
    ir_reset(ir, NULL);
    ir->no_fold = no_fold;
    ir_begin_insn(ir, 0, 4);
    for (unsigned i = 0; i < RECIPE_STEPS; i++) {
        build_step(&b, &steps[i]);
    }
    for (unsigned i = 0; i < RECIPE_STEPS; i++) {
        bool half = b.types[i] == IR_I32 || b.types[i] == IR_F32;
        ir_set(ir, (u32)(offsetof(struct state, out) + i * 8), half ? 4 : 8, b.refs[i]);
    }
    ir_jump(ir, 4);
}

static void dump(const struct ir *ir)
{
    char text[200];
    for (unsigned i = 0; i < ir->count; i++) {
        ir_print_insn(ir, i, text, sizeof(text));
        cr_log_error("%4u  %s", i, text);
    }
}

static void state_fill(struct state *state, u64 seed)
{
    memset(state, 0, sizeof(*state));
    state->vcpu.deadline = ~(u64)0;
    state->vcpu.fpu_round = (u32)random_below(&seed, 5);
    for (unsigned i = 0; i < INPUTS; i++) {
        state->in[i] = random_value(&seed);
    }
}

static void compare(const struct ir *plain, const struct ir *folded, u64 recipe_seed, u64 run_seed)
{
    struct state a;
    struct state b;
    state_fill(&a, run_seed);
    state_fill(&b, run_seed);
    enum ir_exit exit_a = ir_interp_run(plain->insns, plain->count, &a.vcpu);
    enum ir_exit exit_b = ir_interp_run(folded->insns, folded->count, &b.vcpu);
    bool same = exit_a == exit_b && memcmp(a.in, b.in, sizeof(a.in)) == 0 &&
                memcmp(a.out, b.out, sizeof(a.out)) == 0 &&
                a.vcpu.fpu_flags == b.vcpu.fpu_flags;
    for (unsigned i = 0; i < RECIPE_STEPS && !same; i++) {
        if (a.out[i] != b.out[i]) {
            cr_log_error("step %u: %llx, folded %llx", i, (unsigned long long)a.out[i],
                         (unsigned long long)b.out[i]);
        }
    }
    if (!same) {
        dump(plain);
        dump(folded);
    }
    cr_assert(same, "recipe seed %llu, run seed %llu", (unsigned long long)recipe_seed,
              (unsigned long long)run_seed);
}

static void check_recipe(struct ir *plain, struct ir *folded, u64 seed)
{
    struct step steps[RECIPE_STEPS];
    char why[200] = "";
    recipe_make(steps, seed);
    recipe_build(plain, steps, true);
    recipe_build(folded, steps, false);
    cr_assert(ir_verify(plain, why, sizeof(why)), "seed %llu: %s", (unsigned long long)seed, why);
    bool good = ir_verify(folded, why, sizeof(why));
    if (!good) {
        dump(folded);
    }
    cr_assert(good, "seed %llu: %s", (unsigned long long)seed, why);
    for (unsigned run = 0; run < RUNS; run++) {
        compare(plain, folded, seed, seed * RUNS + run);
    }
    opt_dead(folded);
    cr_assert(ir_verify(folded, why, sizeof(why)), "seed %llu: %s", (unsigned long long)seed, why);
    compare(plain, folded, seed, seed * RUNS);
}

Test(ir_fold, random_recipes_keep_their_meaning)
{
    struct ir *plain = calloc(1, sizeof(*plain));
    struct ir *folded = calloc(1, sizeof(*folded));
    const char *chosen = getenv("METIC_TEST_SEED");
    u64 first = chosen != NULL ? strtoull(chosen, NULL, 0) : 1;
    u64 plain_total = 0;
    u64 folded_total = 0;
    for (u64 seed = first; seed < first + (chosen != NULL ? 1 : RECIPES); seed++) {
        check_recipe(plain, folded, seed);
        plain_total += plain->count;
        folded_total += folded->count;
    }
    cr_assert_lt(folded_total, plain_total);
    free(plain);
    free(folded);
}

/* --- shifts of shifts --- */

/* (x << c) >> d with every pair of counts, of both kinds and widths: out[0] is what is right. */
static void build_shifts(struct ir *ir, bool no_fold, enum ir_type type, enum ir_op right,
                         const unsigned counts[2])
{
    unsigned size_bytes = type == IR_I32 ? 4 : 8;
    ir_reset(ir, NULL);
    ir->no_fold = no_fold;
    ir_begin_insn(ir, 0, 4);
    ir_ref x = ir_get(ir, type, (u32)offsetof(struct state, in), size_bytes);
    x = ir_op2(ir, IR_SHL, type, 0, x, ir_const(ir, type, counts[0]));
    x = ir_op2(ir, right, type, 0, x, ir_const(ir, type, counts[1]));
    ir_set(ir, (u32)offsetof(struct state, out), size_bytes, x);
    ir_jump(ir, 4);
}

Test(ir_fold, shifts_left_and_right_again_keep_their_meaning)
{
    struct ir *plain = calloc(1, sizeof(*plain));
    struct ir *folded = calloc(1, sizeof(*folded));
    for (unsigned n = 0; n < 4 * 64 * 64; n++) {
        enum ir_type type = n & 1 ? IR_I64 : IR_I32;
        unsigned bits = type == IR_I64 ? 64 : 32, counts[2] = {n / 4 % 64, n / 256};
        if (counts[0] < bits && counts[1] < bits) {
            enum ir_op right = n & 2 ? IR_SHR : IR_SAR;
            build_shifts(plain, true, type, right, counts);
            build_shifts(folded, false, type, right, counts);
            opt_dead(folded);
            for (unsigned run = 0; run < RUNS; run++) {
                compare(plain, folded, n, n * RUNS + run);
            }
        }
    }
    free(plain);
    free(folded);
}

static unsigned operations(const struct ir *ir)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ir->count; i++) {
        count += !ir->insns[i].dead && ir->insns[i].op >= IR_ADD && ir->insns[i].op <= IR_TRUNC;
    }
    return count;
}

Test(ir_fold, shifts_left_and_right_again_become_extensions_and_masks)
{
    static const struct {
        enum ir_op right;
        unsigned counts[2], operations;
        enum ir_op first;
    } cases[] = {
        {IR_SHR, {32, 32}, 1, IR_ZEXT}, {IR_SHR, {32, 30}, 2, IR_ZEXT},
        {IR_SAR, {32, 29}, 2, IR_SEXT}, {IR_SHR, {56, 60}, 2, IR_ZEXT},
        {IR_SHR, {49, 49}, 1, IR_AND},  {IR_SHR, {49, 48}, 2, IR_AND},
        {IR_SHR, {20, 20}, 2, IR_SHL},  {IR_SAR, {49, 49}, 2, IR_SHL},
        {IR_SHR, {49, 50}, 2, IR_SHL},
    };
    struct ir *ir = calloc(1, sizeof(*ir));
    for (unsigned n = 0; n < ARRAY_LEN(cases); n++) {
        build_shifts(ir, false, IR_I64, cases[n].right, cases[n].counts);
        opt_dead(ir);
        unsigned i = 0;
        while (ir->insns[i].dead || ir->insns[i].op < IR_ADD || ir->insns[i].op > IR_TRUNC) {
            i++;
        }
        cr_expect_eq(operations(ir), cases[n].operations, "case %u", n);
        cr_expect_eq(ir->insns[i].op, cases[n].first, "case %u", n);
    }
    free(ir);
}

/* Only then opt_gather, a pass over all of it, has something to look for. */
Test(ir_fold, an_or_of_less_than_words_may_put_a_word_together)
{
    static const struct {
        unsigned mem;
        bool pieces;
    } cases[] = {
        {IR_MEM_8, true},   {IR_MEM_16, true},  {IR_MEM_32, true},
        {IR_MEM_64, false}, {IR_MEM_32 | IR_MEM_SIGNED, false},
    };
    struct ir *ir = calloc(1, sizeof(*ir));
    for (unsigned n = 0; n < 2 * ARRAY_LEN(cases); n++) {
        ir_reset(ir, NULL);
        ir_begin_insn(ir, 0, 4);
        ir_ref other = ir_get(ir, IR_I64, 256, 8);
        ir_ref loaded = ir_load(ir, IR_I64, cases[n / 2].mem, ir_get(ir, IR_I64, 264, 8));
        cr_expect_not(ir->has_pieces, "case %u", n);
        ir_op2(ir, IR_OR, IR_I64, 0, n % 2 ? other : loaded, n % 2 ? loaded : other);
        cr_expect_eq(ir->has_pieces, cases[n / 2].pieces, "case %u", n);
    }
    free(ir);
}
