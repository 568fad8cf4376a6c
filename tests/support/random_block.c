/* Random numbers that find mistakes, and random blocks of IR over all its operations. */
#include "tests/support/random_block.h"
#include "translate/opt/dead.h"

#include <criterion/criterion.h>

/* --- random numbers (splitmix64) --- */

static u64 random_state;

void rnd_seed(u64 seed)
{
    random_state = seed;
}

u64 rnd(void)
{
    u64 z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

unsigned below(unsigned n)
{
    return (unsigned)(rnd() % n);
}

u64 random_int(void)
{
    static const u64 special[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff,
                                  0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~(u64)0,
                                  (u64)-2, 0xffffffff80000000};
    switch (below(4)) {
    case 0: return special[below(ARRAY_LEN(special))];
    case 1: return below(64);
    case 2: return (u64)(s64)(s32)rnd();
    default: return rnd();
    }
}

u64 random_f64(void)
{
    static const u64 special[] = {
        0, 0x8000000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
        0x7ff0000000000001, 0xfff8000000000123, 1, 0x8000000000000001, 0x000fffffffffffff,
        0x0010000000000000, 0x7fefffffffffffff, 0x3ff0000000000000, 0xbff0000000000000,
        0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000000000, 0xc1e0000000200000,
        0x41efffffffe00000, 0x41effffffff00000, 0x41f0000000000000, 0x43e0000000000000,
        0xc3e0000000000000, 0x43f0000000000000, 0xbfe0000000000000, 0x3fe0000000000000,
        0xbfb0000000000000, 0x47efffffe0000000, 0x36a0000000000000, 0x380fffffe0000000};
    switch (below(4)) {
    case 0: return special[below(ARRAY_LEN(special))];
    case 1: {
        double d = (double)(s64)below(2000) / 16.0 - 60.0;
        u64 bits;
        memcpy(&bits, &d, 8);
        return bits;
    }
    case 2: return (rnd() & 0x800fffffffffffff) | (u64)(1023 - 40 + below(110)) << 52;
    default: return rnd();
    }
}

u32 random_f32(void)
{
    static const u32 special[] = {0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001,
                                  0xffc00123, 1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff,
                                  0x3f800000, 0xbf800000, 0x4effffff, 0x4f000000, 0xcf000000,
                                  0xcf000001, 0x4f7fffff, 0x4f800000, 0x5f000000, 0xdf000000,
                                  0x5f800000, 0xbf000000, 0x3f000000};
    switch (below(3)) {
    case 0: return special[below(ARRAY_LEN(special))];
    case 1: return ((u32)rnd() & 0x807fffff) | (127 - 20 + below(70)) << 23;
    default: return (u32)rnd();
    }
}

/* --- helpers --- */

static struct rig_hart *hart_of(struct vcpu *vcpu)
{
    return (struct rig_hart *)(void *)vcpu;
}

static u64 help_pure(struct vcpu *vcpu, u64 a, u64 b, u64 c, u64 d)
{
    (void)vcpu;
    return a + 3 * b + 5 * c + 7 * d;
}

static u64 help_read(struct vcpu *vcpu, u64 a)
{
    u64 sum = a;
    for (unsigned n = 0; n < 32; n++) {
        sum = sum * 31 + hart_of(vcpu)->x[n] + hart_of(vcpu)->f[n];
    }
    return sum;
}

static u64 help_write(struct vcpu *vcpu, u64 a, u64 b)
{
    struct rig_hart *hart = hart_of(vcpu);
    hart->x[10 + (a & 3)] += b;
    hart->x[20 + (b & 7)] ^= a;
    hart->f[b & 31] = a;
    return hart->x[12];
}

static u64 help_raise(struct vcpu *vcpu, u64 a, u64 b)
{
    if ((a & 7) == 0) {
        vcpu_raise(vcpu, RIG_CAUSE_HELPER, b ^ vcpu->pc);
    }
    return vcpu->pc + vcpu->insns;
}

static u64 help_skip(struct vcpu *vcpu, u64 a)
{
    hart_of(vcpu)->x[1] = vcpu->pc + a * vcpu->insns;
    return 0;
}

static u64 help_fpu(struct vcpu *vcpu, u64 a, u64 b)
{
    u64 old = vcpu->fpu_flags;
    vcpu->fpu_flags = (u32)((old ^ a) & 31);
    return old * 8 + vcpu->fpu_round + b;
}

#define FN(fn) ((u64(*)(void))(void (*)(void))(fn))
static const struct helper helpers[] = {
    {"pure", FN(help_pure), 4, true, HELPER_PURE},
    {"read", FN(help_read), 1, true, HELPER_READS_STATE},
    {"write", FN(help_write), 2, true, HELPER_READS_STATE | HELPER_WRITES_STATE},
    {"raise", FN(help_raise), 2, true, HELPER_MAY_RAISE},
    {"skip", FN(help_skip), 1, false, HELPER_NEEDS_PC | HELPER_READS_STATE | HELPER_WRITES_STATE},
    {"fpu", FN(help_fpu), 2, true, HELPER_FPU},
};

/* --- building a block --- */

enum { POOL = 24 };

struct builder {
    struct ir *ir;
    ir_ref pool[4][POOL];
    unsigned count[4];
    bool host_rounding;
    ir_ref base; /* several accesses go near the same address */
    unsigned mix; /* which classes of operations this block prefers */
    unsigned division; /* the last operation of build_division, or 0; its operands */
    enum ir_type division_type;
    ir_ref dividend, divisor;
    unsigned taken_back; /* instructions that ir_skip_end may take back */
};

static void keep(struct builder *b, enum ir_type type, ir_ref ref)
{
    unsigned at = b->count[type] < POOL ? b->count[type]++ : below(POOL);
    b->pool[type][at] = ref;
}

static ir_ref any(struct builder *b, enum ir_type type)
{
    if (b->count[type] != 0 && below(8) != 0) {
        return b->pool[type][below(b->count[type])];
    }
    ir_ref ref;
    if (below(3) == 0) {
        u64 bits = type == IR_F64   ? random_f64()
                   : type == IR_F32 ? random_f32()
                   : type == IR_I32 ? (u32)random_int()
                                    : random_int();
        ref = ir_const(b->ir, type, bits);
    } else if (type == IR_F64 || (type == IR_I64 && below(4) == 0)) {
        ref = ir_get(b->ir, type, RIG_F(below(8)), 8);
    } else if (type == IR_F32) {
        ir_ref image = ir_get(b->ir, IR_I64, RIG_F(8 + below(8)), 8);
        ref = ir_op1(b->ir, IR_FUNBOX, IR_F32, 0, image);
    } else if (type == IR_I64) {
        ref = below(6) == 0
                  ? ir_get(b->ir, IR_I64, (u32)offsetof(struct rig_hart, small) + below(8),
                           1u << below(2))
                  : ir_get(b->ir, IR_I64, RIG_X(1 + below(24)), 8);
    } else {
        ref = ir_op1(b->ir, IR_TRUNC, IR_I32, 0, ir_get(b->ir, IR_I64, RIG_X(1 + below(24)), 8));
    }
    keep(b, type, ref);
    return ref;
}

static enum ir_type int_type(void)
{
    return below(3) == 0 ? IR_I32 : IR_I64;
}

static enum ir_type float_type(void)
{
    return below(2) ? IR_F32 : IR_F64;
}

/* A sum with the carry of a comparison, which mostly nothing else uses. */
static ir_ref build_carry(struct builder *b, enum ir_type type)
{
    ir_ref x = any(b, type), y = any(b, type);
    ir_ref carry = ir_setcc(b->ir, below(2) ? IR_LT_U : IR_GT_U, type, x, y);
    if (below(4) == 0) {
        keep(b, IR_I64, carry);
    }
    if (below(2)) { /* something in between */
        keep(b, type, ir_op2(b->ir, below(2) ? IR_MUL : IR_XOR, type, 0, any(b, type), x));
    }
    ir_ref other = any(b, IR_I64);
    return below(2) ? ir_op2(b->ir, IR_ADD, IR_I64, 0, other, carry)
                    : ir_op2(b->ir, IR_ADD, IR_I64, 0, carry, other);
}

/* Quotient and remainder of the same operands, in either order, mostly some instructions apart. */
static void build_division(struct builder *b)
{
    static const u8 others[] = {IR_REM_S, IR_REM_U, IR_DIV_S, IR_DIV_U};
    _Static_assert(IR_DIV_S + 3 == IR_REM_U, "the order of `others`");
    if (b->division == 0) {
        b->division = IR_DIV_S + below(4);
        b->division_type = int_type();
        b->dividend = any(b, b->division_type);
        b->divisor = below(4) == 0 ? ir_const(b->ir, b->division_type, below(3) - 1u)
                                   : any(b, b->division_type);
    } else {
        b->division = others[b->division - IR_DIV_S];
    }
    keep(b, b->division_type, ir_op2(b->ir, (enum ir_op)b->division, b->division_type, 0,
                                     b->dividend, b->divisor));
    b->division = below(4) == 0 ? 0 : b->division;
}

static void build_integer(struct builder *b)
{
    static const u8 ops[] = {IR_ADD, IR_SUB, IR_MUL, IR_DIV_S, IR_DIV_U, IR_REM_S, IR_REM_U, IR_AND,
                             IR_OR, IR_XOR, IR_ANDN, IR_SHL, IR_SHR, IR_SAR, IR_ROTR, IR_ADD,
                             IR_AND, IR_SHL, IR_SUB};
    static const u8 high[] = {IR_MULH_SS, IR_MULH_SU, IR_MULH_UU};
    static const u8 unary[] = {IR_CLZ, IR_CTZ, IR_POPCNT, IR_BSWAP, IR_ORC_B};
    enum ir_type type = int_type();
    switch (below(9)) {
    case 8:
        build_division(b);
        break;
    case 0:
        keep(b, IR_I64,
             ir_op2(b->ir, (enum ir_op)high[below(3)], IR_I64, 0, any(b, IR_I64), any(b, IR_I64)));
        break;
    case 1:
        keep(b, type, ir_op1(b->ir, (enum ir_op)unary[below(5)], type, 0, any(b, type)));
        break;
    case 2: {
        enum ir_type from = int_type();
        unsigned bits = 8u << below(3);
        if (bits == 32 && type == IR_I32) {
            bits = 8;
        }
        keep(b, type, ir_op1(b->ir, below(2) ? IR_SEXT : IR_ZEXT, type, bits, any(b, from)));
        break;
    }
    case 3:
        keep(b, IR_I32, ir_op1(b->ir, IR_TRUNC, IR_I32, 0, any(b, IR_I64)));
        break;
    case 4: {
        ir_ref flag = below(3) == 0 ? build_carry(b, type)
                                    : ir_setcc(b->ir, (enum ir_cond)below(10), type,
                                               any(b, type), any(b, type));
        keep(b, IR_I64, flag);
        break;
    }
    case 5: {
        enum ir_type of = below(4) == 0 ? float_type() : type;
        keep(b, of, ir_select(b->ir, (enum ir_cond)below(10), any(b, IR_I64), any(b, IR_I64), of,
                              any(b, of), any(b, of)));
        break;
    }
    default:
        keep(b, type, ir_op2(b->ir, (enum ir_op)ops[below(ARRAY_LEN(ops))], type, 0, any(b, type),
                             any(b, type)));
        break;
    }
}

static enum ir_round random_round(void)
{
    return below(3) == 0 ? (enum ir_round)below(5) : IR_ROUND_DYN;
}

static void build_convert(struct builder *b, enum ir_type type)
{
    enum ir_type other = int_type();
    switch (below(5)) {
    case 0:
        keep(b, type, ir_fp(b->ir, IR_FCVT_FF, type, 0, random_round(),
                            any(b, type == IR_F32 ? IR_F64 : IR_F32), IR_REF_NONE, IR_REF_NONE));
        break;
    case 1:
        keep(b, other,
             ir_fp(b->ir, IR_FCVT_FI, other, below(2), below(2) ? IR_ROUND_RTZ : random_round(),
                   any(b, type), IR_REF_NONE, IR_REF_NONE));
        break;
    case 2:
        keep(b, type, ir_fp(b->ir, IR_FCVT_IF, type, below(2), random_round(), any(b, other),
                            IR_REF_NONE, IR_REF_NONE));
        break;
    case 3: {
        enum ir_type to = type == IR_F64 ? IR_I64 : IR_I32;
        if (below(2)) {
            keep(b, to, ir_op1(b->ir, IR_FBITS, to, 0, any(b, type)));
        } else {
            keep(b, type, ir_op1(b->ir, IR_FBITS, type, 0, any(b, to)));
        }
        break;
    }
    default:
        if (below(2)) {
            keep(b, IR_I64, ir_op1(b->ir, IR_FBOX, IR_I64, 0, any(b, IR_F32)));
        } else {
            keep(b, IR_F32, ir_op1(b->ir, IR_FUNBOX, IR_F32, 0, any(b, IR_I64)));
        }
        break;
    }
}

static void build_float(struct builder *b)
{
    static const u8 ops[] = {IR_FADD, IR_FSUB, IR_FMUL, IR_FDIV, IR_FSQRT, IR_FMADD};
    enum ir_type type = float_type();
    switch (below(8)) {
    case 0:
        keep(b, type,
             ir_op2(b->ir, below(2) ? IR_FMIN : IR_FMAX, type, 0, any(b, type), any(b, type)));
        break;
    case 1:
        keep(b, type,
             below(3) == 0 ? ir_op1(b->ir, IR_FNEG, type, 0, any(b, type))
                           : ir_op2(b->ir, IR_FSGNJ, type, below(3), any(b, type), any(b, type)));
        break;
    case 2:
        keep(b, IR_I64, below(4) == 0
                            ? ir_op1(b->ir, IR_FCLASS, type, 0, any(b, type))
                            : ir_op2(b->ir, IR_FCMP, type, below(3), any(b, type), any(b, type)));
        break;
    case 3:
    case 4:
        build_convert(b, type);
        break;
    default: {
        enum ir_op op = (enum ir_op)ops[below(ARRAY_LEN(ops))];
        unsigned args = ir_op_info[op].args;
        keep(b, type,
             ir_fp(b->ir, op, type, 0, random_round(), any(b, type),
                   args > 1 ? any(b, type) : IR_REF_NONE, args > 2 ? any(b, type) : IR_REF_NONE));
        break;
    }
    }
}

/* At an index that cannot be large, in a table that a register points to. */
static ir_ref table_address(struct builder *b)
{
    ir_ref index = ir_op2(b->ir, IR_AND, IR_I64, 0, any(b, IR_I64),
                          ir_i64(b->ir, below(2) ? 0xff : 0x7ff));
    if (below(2)) {
        index = ir_op2(b->ir, IR_ADD, IR_I64, 0, index, ir_i64(b->ir, below(64)));
    }
    if (below(2)) {
        index = ir_op2(b->ir, IR_SHL, IR_I64, 0, index, ir_i64(b->ir, below(4)));
    }
    ir_ref table = ir_get(b->ir, IR_I64, RIG_X(RANDOM_BLOCK_TABLE), 8);
    return ir_op2(b->ir, IR_ADD, IR_I64, 0, table, index);
}

static ir_ref random_address(struct builder *b, unsigned size_bytes)
{
    if (below(4) == 0) {
        return table_address(b);
    }
    if (b->base != IR_REF_NONE && below(2)) {
        s64 offset = below(4) == 0 ? (s64)below(8192) - 4096 : (s64)below(8) * 8;
        return ir_op2(b->ir, IR_ADD, IR_I64, 0, b->base, ir_i64(b->ir, (u64)offset));
    }
    u64 base = RIG_RAM_GVA + below(RIG_RAM_BYTES + 4096);
    switch (below(16)) {
    case 0: base = RIG_RAM_GVA + PAGE_BYTES * below(RIG_PAGES + 2) - below(8); break;
    case 1: break;
    case 2: base = random_int(); break;
    default: base &= ~(u64)(size_bytes - 1); break;
    }
    if (below(2)) {
        return ir_i64(b->ir, base);
    }
    u64 mask = below(2) ? 0xff8 : 0x7ff8;
    if (below(4) == 0) { /* near a page's end, where groups of accesses straddle */
        mask = 0x38;
        base |= 0xf80;
    }
    ir_ref low = ir_op2(b->ir, IR_AND, IR_I64, 0, any(b, IR_I64), ir_i64(b->ir, mask));
    b->base = ir_op2(b->ir, IR_ADD, IR_I64, 0, low, ir_i64(b->ir, base & ~(u64)0x7f));
    return b->base;
}

static void build_memory(struct builder *b)
{
    unsigned size = below(4);
    ir_ref address = random_address(b, 1u << size);
    switch (below(8)) {
    case 0: {
        enum ir_type type = int_type();
        keep(b, type, ir_amo(b->ir, (enum ir_amo)below(9), type, address, any(b, type)));
        break;
    }
    case 1: {
        enum ir_type type = int_type();
        ir_ref expected = any(b, type);
        if (below(2)) {
            expected = ir_load_aligned(b->ir, type, type == IR_I32 ? 2 : 3, address);
        }
        keep(b, type, ir_cas(b->ir, type, address, expected, any(b, type)));
        break;
    }
    case 2:
    case 3:
    case 4: {
        enum ir_type type = size == 3 ? (below(3) == 0 ? IR_F64 : IR_I64)
                            : size == 2 ? (below(3) == 0 ? IR_F32 : int_type())
                                        : int_type();
        unsigned sign = type < IR_F32 && size != 3 && below(2) ? IR_MEM_SIGNED : 0;
        keep(b, type, below(4) == 0 ? ir_load_aligned(b->ir, type, size | sign, address)
                                    : ir_load(b->ir, type, size | sign, address));
        break;
    }
    case 5:
        ir_fence(b->ir, below(256));
        break;
    default: {
        enum ir_type type = size == 3   ? (below(3) == 0 ? IR_F64 : IR_I64)
                            : size == 2 ? (below(3) == 0 ? IR_F32 : int_type())
                                        : int_type();
        ir_store(b->ir, size, address, any(b, type));
        break;
    }
    }
}

static void build_call(struct builder *b)
{
    const struct helper *helper = &helpers[below(ARRAY_LEN(helpers))];
    ir_ref args[4];
    for (unsigned n = 0; n < 4; n++) {
        args[n] = n < helper->arg_count ? any(b, IR_I64) : IR_REF_NONE;
    }
    ir_ref result = ir_call(b->ir, helper, args[0], args[1], args[2], args[3]);
    if (helper->has_result) {
        keep(b, IR_I64, result);
    }
}

static void build_sets(struct builder *b)
{
    for (unsigned n = below(3); n-- > 0;) {
        switch (below(8)) {
        case 0:
            ir_set(b->ir, RIG_F(below(8)), 8, any(b, IR_F64));
            break;
        case 1:
            ir_set(b->ir, RIG_F(8 + below(8)), 8,
                   ir_op1(b->ir, IR_FBOX, IR_I64, 0, any(b, IR_F32)));
            break;
        case 2:
            ir_set(b->ir, (u32)offsetof(struct rig_hart, small) + 4 * below(8), 1u << below(3),
                   any(b, int_type()));
            break;
        case 3:
            ir_set(b->ir, RIG_F(below(8)), 8, any(b, IR_I64));
            break;
        default:
            ir_set(b->ir, RIG_X(1 + below(24)), 8, any(b, IR_I64));
            break;
        }
    }
}

/* Some of the last instructions may not have run, nor set what they set; each only once, and never
 * all of the block: it may be a loop, that has to come to its deadline. */
static void build_skip(struct builder *b)
{
    unsigned kept = 2 + b->taken_back; /* a JUMP_NEXT retires one less */
    unsigned most = b->ir->insn_total > kept ? b->ir->insn_total - kept : 0;
    most = most < 7 ? most : 7;
    if (most == 0) {
        return;
    }
    ir_skip_begin(b->ir, (enum ir_cond)below(10), any(b, IR_I64),
                  below(3) == 0 ? ir_i64(b->ir, 0) : any(b, IR_I64));
    for (unsigned n = below(4); n-- > 0;) {
        build_integer(b);
        ir_set(b->ir, RIG_X(1 + below(24)), 8, any(b, IR_I64));
    }
    unsigned insns = 1 + below(most);
    ir_skip_end(b->ir, insns);
    b->taken_back += insns;
}

static s64 random_target(void)
{
    switch (below(4)) {
    case 0: return 0x100;
    case 1: return (s64)below(4096) & ~1;
    default: return (s64)(s32)((u32)rnd() & 0x1fffe) - 0x10000;
    }
}

static ir_ref random_pc(struct builder *b)
{
    return ir_op2(b->ir, IR_AND, IR_I64, 0, any(b, IR_I64), ir_i64(b->ir, ~(u64)1));
}

/* An indirect jump in the middle, that mostly leads where a trace expects it to. */
static void build_exit_unless(struct builder *b)
{
    s64 expected = (s64)below(4096) & ~(s64)1;
    ir_ref target = any(b, IR_I64); /* odd ones, too */
    if (below(3) != 0) {
        target = ir_op2(b->ir, IR_ADD, IR_I64, 0, ir_pc_page(b->ir),
                        ir_i64(b->ir, (u64)expected + (below(4) == 0)));
        keep(b, IR_I64, target);
    }
    ir_exit_unless(b->ir, target, expected);
}

/* `raises`: it ends in RAISE, and so may not write registers. */
static void build_insn(struct builder *b, bool raises)
{
    unsigned ops = 1 + below(4);
    for (unsigned n = 0; n < ops; n++) {
        if (below(3) < b->mix) {
            build_float(b);
        } else {
            build_integer(b);
        }
    }
    switch (below(6)) {
    case 0:
    case 1: build_memory(b); break;
    case 2:
        if (below(3) == 0) {
            build_call(b);
        }
        break;
    case 3:
        if (below(4) == 0 && b->mix) {
            keep(b, IR_I64, ir_fenv_flags(b->ir));
        }
        break;
    default: break;
    }
    build_integer(b);
    if (raises) {
        ir_raise(b->ir, below(20), any(b, IR_I64));
        return;
    }
    build_sets(b);
    if (below(8) == 0) {
        build_skip(b);
    }
    if (below(16) == 0 && b->mix) {
        ir_fenv_set(b->ir, ir_op2(b->ir, IR_AND, IR_I64, 0, any(b, IR_I64), ir_i64(b->ir, 31)),
                    ir_i64(b->ir, below(b->host_rounding ? 4 : 5)));
    }
    if (below(12) == 0) {
        ir_look(b->ir, random_target());
    }
    if (below(6) == 0) {
        ir_exit_if(b->ir, (enum ir_cond)below(10), any(b, IR_I64), any(b, IR_I64), random_target());
    }
    if (below(12) == 0) {
        build_exit_unless(b);
    }
}

static void build_end(struct builder *b)
{
    switch (below(5)) {
    case 0: ir_jump_ind(b->ir, IR_JUMP_PLAIN, random_pc(b)); break;
    case 1: ir_leave(b->ir, random_pc(b), below(2)); break;
    case 2: ir_jump_next(b->ir, random_target()); break;
    default: ir_jump(b->ir, random_target()); break;
    }
}

void random_block(struct rig *rig, bool host_rounding)
{
    struct builder b = {.ir = rig->ir, .host_rounding = host_rounding, .base = IR_REF_NONE,
        .mix = below(4)};
    ir_reset(rig->ir, &rig_guest);
    rig->ir->no_fold = below(2);
    unsigned insns = 1 + below(12);
    u32 offset = 0x100;
    for (unsigned n = 0; n < insns; n++) {
        ir_begin_insn(rig->ir, offset, 4);
        if (n == 0 && below(4) == 0) {
            ir_poll(rig->ir, below(4));
        }
        bool last = n + 1 == insns;
        bool raises = last && below(6) == 0;
        build_insn(&b, raises);
        if (last && !raises) {
            build_end(&b);
        }
        offset += 4;
    }
    char why[256];
    cr_assert(!rig->ir->overflow);
    cr_assert(ir_verify(rig->ir, why, sizeof(why)), "%s", why);
    if (below(4) != 0) {
        opt_dead(rig->ir);
    }
}
