/* Multiplication, division, shifts and bit counting. */
#include "translate/to_x86_64/compile.h"

static void mark_narrow(struct compile *c, const struct ir_insn *insn)
{
    if (insn->type == IR_I32) {
        c->values[c->at].flags |= VALUE_ZEXT;
    }
}

/* --- multiplication --- */

static void emit_mul_low(struct compile *c, const struct ir_insn *insn)
{
    unsigned width = width_of(insn->type);
    ir_ref a = insn->a;
    ir_ref b = insn->b;
    s64 wide;
    if (value_const(c, a, &wide)) {
        a = insn->b;
        b = insn->a;
    }
    s32 imm;
    unsigned x = alloc_use(c, a);
    if (value_const_s32(c, b, insn->type, &imm)) {
        unsigned dst = alloc_def(c);
        asm_rr(&c->a, asm_fits_s8(imm) ? 0x6b : 0x69, width, dst, x);
        if (asm_fits_s8(imm)) {
            asm_u8(&c->a, (u8)imm);
        } else {
            asm_u32(&c->a, (u32)imm);
        }
        return;
    }
    unsigned y = alloc_use(c, b);
    unsigned dst = alloc_def(c);
    if (dst == y) {
        y = x;
    } else if (dst != x) {
        asm_mov(&c->a, width, dst, x);
    }
    asm_rr(&c->a, 0x0faf, width, dst, y);
}

/* The upper half alone: where both results of mulx go to one register, that is what it has. */
static void emit_mul_high_bmi2(struct compile *c, const struct ir_insn *insn)
{
    alloc_use_in(c, insn->a, RDX);
    unsigned y = alloc_use(c, insn->b);
    unsigned dst = alloc_def(c);
    asm_vex(&c->a, 2, 3, ASM_64, 0xf6, dst, dst, y);
}

static void emit_mul_high(struct compile *c, const struct ir_insn *insn)
{
    if (insn->op == IR_MULH_UU && (c->features & HOST_FEATURE_BMI2)) {
        emit_mul_high_bmi2(c, insn);
        return;
    }
    alloc_use_in(c, insn->a, RAX);
    alloc_take(c, RDX);
    unsigned y = alloc_use(c, insn->b);
    if (insn->op == IR_MULH_SU) {
        unsigned t = alloc_temp(c);
        asm_mov(&c->a, ASM_64, t, RAX);
        asm_shift_imm(&c->a, ASM_SAR, ASM_64, t, 63);
        asm_alu_rr(&c->a, ASM_AND, ASM_64, t, y);
        asm_unary(&c->a, ASM_MUL, ASM_64, y);
        asm_alu_rr(&c->a, ASM_SUB, ASM_64, RDX, t);
    } else {
        asm_unary(&c->a, insn->op == IR_MULH_SS ? ASM_IMUL : ASM_MUL, ASM_64, y);
    }
    alloc_def_in(c, RDX);
}

/* --- division. The host's gives quotient and remainder; where both of the same operands are
 *     wanted, the first to be emitted leaves the other's result in the frame. --- */

/* reg[0]: divisor, 0 or, signed, -1; data: signed << 1 | 64-bit. */
static void stub_div(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    unsigned width = stub->data & 1;
    if (stub->data >> 1) {
        asm_test(a, width, stub->reg[0], stub->reg[0]);
        u32 zero = asm_jcc_short(a, ASM_E);
        asm_unary(a, ASM_NEG, width, RAX);
        asm_alu_rr(a, ASM_XOR, ASM_32, RDX, RDX);
        stub_return(c, stub);
        asm_bind_short(a, zero);
    }
    asm_mov(a, width, RDX, RAX);
    asm_mov_imm(a, RAX, width == ASM_64 ? ~(u64)0 : UINT32_MAX);
    stub_return(c, stub);
}

static unsigned other_result(unsigned op)
{
    switch (op) {
    case IR_DIV_S: return IR_REM_S;
    case IR_DIV_U: return IR_REM_U;
    case IR_REM_S: return IR_DIV_S;
    default: return IR_DIV_U;
    }
}

/* The division not far behind this one that wants its other result, or IR_REF_NONE. */
static unsigned find_other(const struct compile *c, const struct ir_insn *insn)
{
    enum { NEAR = 64 };
    for (unsigned n = c->live_at + 1; n < IR_MAX_INSNS && n <= c->live_at + NEAR; n++) {
        const struct ir_insn *other = &c->ir->insns[c->live[n]];
        if (other->op == other_result(insn->op) && other->type == insn->type &&
            c->values[other->a].root == c->values[insn->a].root &&
            c->values[other->b].root == c->values[insn->b].root) {
            return c->live[n];
        }
    }
    return IR_REF_NONE;
}

/* rax and rdx become quotient and remainder. */
static void divide(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    unsigned width = width_of(insn->type);
    bool is_signed = insn->op == IR_DIV_S || insn->op == IR_REM_S;
    s64 divisor;
    bool easy = value_const(c, insn->b, &divisor) && divisor != 0 && divisor != -1;
    alloc_use_in(c, insn->a, RAX);
    alloc_take(c, RDX);
    unsigned y = alloc_use(c, insn->b);
    struct stub *stub = NULL;
    if (!easy) {
        if (is_signed) {
            asm_lea(a, width, RDX, asm_at(y, 1));
            asm_alu_imm(a, ASM_CMP, width, RDX, 1);
        } else {
            asm_test(a, width, y, y);
        }
        stub = stub_add(c, stub_div, asm_jcc_forward(a, is_signed ? ASM_BE : ASM_E));
        stub->reg[0] = (u8)y;
        stub->data = (is_signed ? 2u : 0u) | width;
    }
    if (is_signed) {
        if (width == ASM_64) {
            asm_u8(a, 0x48);
        }
        asm_u8(a, 0x99); /* cdq, cqo */
    } else {
        asm_alu_rr(a, ASM_XOR, ASM_32, RDX, RDX);
    }
    asm_unary(a, is_signed ? ASM_IDIV : ASM_DIV, width, y);
    if (stub) {
        stub->back = asm_offset(a);
    }
}

static void emit_div(struct compile *c, const struct ir_insn *insn)
{
    mark_narrow(c, insn);
    if (c->divided == c->at) {
        asm_load(&c->a, ASM_64, alloc_def(c), frame_at(FRAME_DIVIDED));
        return;
    }
    bool quotient = insn->op == IR_DIV_S || insn->op == IR_DIV_U;
    unsigned other = find_other(c, insn);
    divide(c, insn);
    if (other != IR_REF_NONE) {
        asm_store(&c->a, ASM_64, frame_at(FRAME_DIVIDED), quotient ? RDX : RAX);
        c->divided = (u16)other;
    }
    alloc_def_in(c, quotient ? RAX : RDX);
}

void emit_muldiv(struct compile *c, const struct ir_insn *insn)
{
    switch (insn->op) {
    case IR_MUL:
        emit_mul_low(c, insn);
        mark_narrow(c, insn);
        break;
    case IR_MULH_SS:
    case IR_MULH_SU:
    case IR_MULH_UU:
        emit_mul_high(c, insn);
        break;
    default:
        emit_div(c, insn);
        break;
    }
}

/* --- shifts --- */

static enum asm_shift shift_of(unsigned op)
{
    switch (op) {
    case IR_SHL: return ASM_SHL;
    case IR_SHR: return ASM_SHR;
    case IR_SAR: return ASM_SAR;
    default: return ASM_ROR;
    }
}

static void shift_imm(struct compile *c, const struct ir_insn *insn, unsigned count)
{
    unsigned width = width_of(insn->type);
    unsigned x = alloc_use(c, insn->a);
    unsigned dst = alloc_def(c);
    if (dst != x && insn->op == IR_ROTR && (c->features & HOST_FEATURE_BMI2)) {
        asm_vex(&c->a, 3, 3, width, 0xf0, dst, 0, x);
        asm_u8(&c->a, count);
        return;
    }
    if (dst != x) {
        asm_mov(&c->a, width, dst, x);
    }
    if (count == 1 && insn->op == IR_SHL) {
        asm_alu_rr(&c->a, ASM_ADD, width, dst, dst);
    } else {
        asm_shift_imm(&c->a, shift_of(insn->op), width, dst, count);
    }
}

static void shift_bmi2(struct compile *c, const struct ir_insn *insn)
{
    unsigned pp = insn->op == IR_SHL ? 1 : insn->op == IR_SHR ? 3 : 2;
    unsigned x = alloc_use(c, insn->a);
    unsigned count = alloc_use(c, insn->b);
    asm_vex(&c->a, 2, pp, width_of(insn->type), 0xf7, alloc_def(c), count, x);
}

void emit_shift(struct compile *c, const struct ir_insn *insn)
{
    unsigned width = width_of(insn->type);
    s64 count;
    mark_narrow(c, insn);
    if (alu_scales(c, (ir_ref)c->at) && !(c->values[c->at].flags & VALUE_COMPUTED) &&
        !value_const(c, insn->a, &count) && !(c->values[insn->a].flags & VALUE_BOXED)) {
        alloc_rename(c, insn->a);
        c->values[c->at].flags |= VALUE_OFFSET;
    } else if (value_const(c, insn->b, &count)) {
        shift_imm(c, insn, (unsigned)count & (width == ASM_64 ? 63 : 31));
    } else if (insn->op != IR_ROTR && (c->features & HOST_FEATURE_BMI2)) {
        shift_bmi2(c, insn);
    } else {
        alloc_use_in(c, insn->b, RCX);
        unsigned x = alloc_use(c, insn->a);
        unsigned t = alloc_temp(c);
        asm_mov(&c->a, width, t, x);
        asm_rr(&c->a, 0xd3, width, (unsigned)shift_of(insn->op), t);
        alloc_def_in(c, t);
    }
}

/* --- counting --- */

/* Zero counts without LZCNT and TZCNT: bsr and bsf say nothing of zero. */
static void count_zeros(struct compile *c, const struct ir_insn *insn, unsigned x)
{
    unsigned width = width_of(insn->type);
    unsigned bits = width == ASM_64 ? 64 : 32;
    bool leading = insn->op == IR_CLZ;
    unsigned t = alloc_temp(c);
    unsigned when_zero = alloc_temp(c);
    asm_rr(&c->a, leading ? 0x0fbd : 0x0fbc, width, t, x);
    asm_mov_imm(&c->a, when_zero, leading ? 2 * bits - 1 : bits);
    asm_cmov(&c->a, ASM_E, width, t, when_zero);
    if (leading) {
        asm_alu_imm(&c->a, ASM_XOR, ASM_32, t, (s32)bits - 1);
    }
    alloc_def_in(c, t);
}

/* Bits by pairs, nibbles, bytes, then all bytes by one multiplication. */
static void count_ones(struct compile *c, const struct ir_insn *insn, unsigned x)
{
    struct asm_buf *a = &c->a;
    unsigned t = alloc_temp(c);
    unsigned u = alloc_temp(c);
    unsigned mask = alloc_temp(c);
    asm_mov(a, width_of(insn->type), t, x);
    asm_mov(a, ASM_64, u, t);
    asm_shift_imm(a, ASM_SHR, ASM_64, u, 1);
    asm_mov_imm(a, mask, 0x5555555555555555u);
    asm_alu_rr(a, ASM_AND, ASM_64, u, mask);
    asm_alu_rr(a, ASM_SUB, ASM_64, t, u);
    asm_mov_imm(a, mask, 0x3333333333333333u);
    asm_mov(a, ASM_64, u, t);
    asm_shift_imm(a, ASM_SHR, ASM_64, u, 2);
    asm_alu_rr(a, ASM_AND, ASM_64, u, mask);
    asm_alu_rr(a, ASM_AND, ASM_64, t, mask);
    asm_alu_rr(a, ASM_ADD, ASM_64, t, u);
    asm_mov(a, ASM_64, u, t);
    asm_shift_imm(a, ASM_SHR, ASM_64, u, 4);
    asm_alu_rr(a, ASM_ADD, ASM_64, t, u);
    asm_mov_imm(a, mask, 0x0f0f0f0f0f0f0f0fu);
    asm_alu_rr(a, ASM_AND, ASM_64, t, mask);
    asm_mov_imm(a, mask, 0x0101010101010101u);
    asm_rr(a, 0x0faf, ASM_64, t, mask);
    asm_shift_imm(a, ASM_SHR, ASM_64, t, 56);
    alloc_def_in(c, t);
}

static void emit_bswap(struct compile *c, const struct ir_insn *insn, unsigned x)
{
    unsigned width = width_of(insn->type);
    unsigned dst = alloc_def(c);
    if (dst != x) {
        asm_mov(&c->a, width, dst, x);
    }
    if (width == ASM_64 || dst >= 8) {
        asm_u8(&c->a, 0x40 | (width == ASM_64 ? 8u : 0u) | dst >> 3);
    }
    asm_u8(&c->a, 0x0f);
    asm_u8(&c->a, 0xc8 | (dst & 7));
}

/* Compares all bytes with zero at once and inverts. */
static void emit_orc_b(struct compile *c, const struct ir_insn *insn, unsigned x)
{
    unsigned width = width_of(insn->type);
    unsigned zero = alloc_temp_xmm(c);
    unsigned v = alloc_temp_xmm(c);
    unsigned dst = alloc_def(c);
    asm_rr(&c->a, ASM_OP(0x66, 0x0fef), ASM_32, zero, zero);
    asm_rr(&c->a, ASM_OP(0x66, 0x0f6e), width, v, x);
    asm_rr(&c->a, ASM_OP(0x66, 0x0f74), ASM_32, v, zero);
    asm_rr(&c->a, ASM_OP(0x66, 0x0f7e), width, v, dst);
    asm_unary(&c->a, ASM_NOT, width, dst);
}

void emit_bits(struct compile *c, const struct ir_insn *insn)
{
    unsigned width = width_of(insn->type);
    unsigned x = alloc_use(c, insn->a);
    c->values[c->at].flags |= insn->op == IR_ORC_B || insn->op == IR_BSWAP
                                  ? (insn->type == IR_I32 ? VALUE_ZEXT : 0)
                                  : VALUE_ZEXT;
    switch (insn->op) {
    case IR_CLZ:
        if (c->features & HOST_FEATURE_LZCNT) {
            asm_rr(&c->a, ASM_OP(0xf3, 0x0fbd), width, alloc_def(c), x);
        } else {
            count_zeros(c, insn, x);
        }
        break;
    case IR_CTZ:
        if (c->features & HOST_FEATURE_BMI1) {
            asm_rr(&c->a, ASM_OP(0xf3, 0x0fbc), width, alloc_def(c), x);
        } else {
            count_zeros(c, insn, x);
        }
        break;
    case IR_POPCNT:
        if (c->features & HOST_FEATURE_POPCNT) {
            asm_rr(&c->a, ASM_OP(0xf3, 0x0fb8), width, alloc_def(c), x);
        } else {
            count_ones(c, insn, x);
        }
        break;
    case IR_BSWAP:
        emit_bswap(c, insn, x);
        break;
    default:
        emit_orc_b(c, insn, x);
        break;
    }
}
