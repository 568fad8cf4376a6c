/* Floating point: the environment, moves between register files, and the call of the soft routine
 * that every operation can fall back to. */
#include "translate/to_x86_64/compile.h"
#include "translate/to_x86_64/loop.h"

static u32 soft_desc(const struct compile *c, const struct ir_insn *insn)
{
    unsigned from = c->ir->insns[insn->a].type;
    return (u32)insn->op << SOFT_OP_SHIFT | (u32)insn->type << SOFT_TYPE_SHIFT |
           (u32)from << SOFT_FROM_SHIFT | (u32)insn->sub << SOFT_SUB_SHIFT |
           (u32)(insn->imm & 7) << SOFT_ROUND_SHIFT;
}

static void store_arg(struct compile *c, ir_ref ref, unsigned number)
{
    struct asm_mem mem = frame_at(FRAME_ARGS + 8 * number);
    if (type_is_float(c->ir->insns[ref].type)) {
        asm_rm(&c->a, ASM_OP(0xf2, 0x0f11), ASM_32, alloc_use_xmm(c, ref), mem);
    } else {
        asm_store(&c->a, ASM_64, mem, alloc_use(c, ref));
    }
}

void emit_fp_soft(struct compile *c, const struct ir_insn *insn)
{
    const ir_ref refs[3] = {insn->a, insn->b, insn->c};
    for (unsigned n = 0; n < ir_op_info[insn->op].args; n++) {
        store_arg(c, refs[n], n);
        c->locked = 0;
    }
    asm_u8(&c->a, 0x68);
    asm_u32(&c->a, soft_desc(c, insn));
    asm_call(&c->a, thunk(c, THUNK_SOFT_FP));
    if (type_is_float(insn->type) && insn->op != IR_FCMP && insn->op != IR_FCLASS) {
        asm_rm(&c->a, ASM_OP(0xf2, 0x0f10), ASM_32, alloc_def_xmm(c), frame_at(FRAME_RESULT));
    } else {
        asm_load(&c->a, ASM_64, alloc_def(c), frame_at(FRAME_RESULT));
    }
}

/* --- the soft routine as a stub: reg[0..2] operands, reg[3] result, data descriptor --- */

static void stub_soft(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    for (unsigned n = 0; n < 3; n++) {
        struct asm_mem mem = frame_at(FRAME_ARGS + 8 * n);
        if (stub->reg[n] < REG_XMM0) {
            asm_store(a, ASM_64, mem, stub->reg[n]);
        } else if (stub->reg[n] != NO_REG) {
            asm_rm(a, ASM_OP(0xf2, 0x0f11), ASM_32, stub->reg[n] - REG_XMM0, mem);
        }
    }
    asm_u8(a, 0x68);
    asm_u32(a, stub->data);
    asm_call(a, thunk(c, THUNK_SOFT_FP));
    if (stub->reg[3] < REG_XMM0) {
        asm_load(a, ASM_64, stub->reg[3], frame_at(FRAME_RESULT));
    } else {
        asm_rm(a, ASM_OP(0xf2, 0x0f10), ASM_32, stub->reg[3] - REG_XMM0, frame_at(FRAME_RESULT));
    }
    stub_return(c, stub);
}

struct stub *soft_stub(struct compile *c, const struct ir_insn *insn, u32 field, unsigned result,
                       unsigned x)
{
    struct stub *stub = stub_add(c, stub_soft, field);
    stub->reg[0] = (u8)x;
    stub->reg[1] = NO_REG;
    stub->reg[2] = NO_REG;
    stub->reg[3] = (u8)result;
    stub->data = soft_desc(c, insn);
    return stub;
}

/* --- environment --- */

static void lea_thunk(struct compile *c, unsigned reg, unsigned index)
{
    asm_rip(&c->a, 0x8d, ASM_64, reg, thunk(c, index));
}

/* The flags as the guest has them into `dst`, which the caller owns; `table` is for use. */
static void flags_now(struct compile *c, unsigned dst, unsigned table)
{
    struct asm_buf *a = &c->a;
    asm_rm(a, 0x0fae, ASM_32, 3, frame_at(FRAME_MXCSR));
    lea_thunk(c, table, THUNK_FLAGS_TABLE);
    asm_load(a, ASM_32, dst, frame_at(FRAME_MXCSR));
    asm_alu_imm(a, ASM_AND, ASM_32, dst, 63);
    asm_rm(a, 0x0fb6, ASM_32, dst, asm_at_index(table, dst, 0, 0));
}

static void emit_env_get(struct compile *c)
{
    unsigned table = alloc_temp(c);
    unsigned dst = alloc_temp(c);
    flags_now(c, dst, table);
    c->values[c->at].flags |= VALUE_ZEXT;
    alloc_def_in(c, dst);
}

/* The routine, which uses two registers, takes what was stored. */
static void stub_env_set(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    asm_store(a, ASM_64, frame_at(FRAME_ARGS), RCX);
    asm_store(a, ASM_64, frame_at(FRAME_ARGS + 8), RDX);
    asm_call(a, thunk(c, THUNK_FPU_ENTER));
    asm_load(a, ASM_64, RCX, frame_at(FRAME_ARGS));
    asm_load(a, ASM_64, RDX, frame_at(FRAME_ARGS + 8));
    stub_return(c, stub);
}

/* C libraries put back the flags that were there before they rounded something, and mostly these
 * are there still: asking takes less time than changing them. */
static void emit_env_set(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    unsigned flags = alloc_use(c, insn->a), round = alloc_use(c, insn->b);
    unsigned differs = alloc_temp(c), now = alloc_temp(c), table = alloc_temp(c);
    asm_load(a, ASM_32, differs, VCPU_AT(fpu_round));
    asm_alu_rr(a, ASM_XOR, ASM_32, differs, round);
    flags_now(c, now, table);
    asm_alu_rr(a, ASM_XOR, ASM_32, now, flags);
    asm_store(a, ASM_32, VCPU_AT(fpu_flags), flags);
    asm_store(a, ASM_32, VCPU_AT(fpu_round), round);
    asm_alu_rr(a, ASM_OR, ASM_32, differs, now);
    struct stub *stub = stub_add(c, stub_env_set, asm_jcc_forward(a, ASM_NE));
    stub->back = asm_offset(a);
}

void emit_fp_env(struct compile *c, const struct ir_insn *insn)
{
    if (insn->op == IR_FENV_FLAGS) {
        emit_env_get(c);
    } else {
        emit_env_set(c, insn);
    }
}

/* --- images --- */

/* FUNBOX: the value is in order when its upper half is all ones; reg[0] result, others get NaN. */
static void stub_unbox(struct compile *c, const struct stub *stub)
{
    asm_rip(&c->a, ASM_OP(0xf3, 0x0f10), ASM_32, stub->reg[0],
            thunk(c, THUNK_FP_CONSTS) + 16 * FP_NAN32);
    stub_return(c, stub);
}

static void emit_unbox(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    const struct value *value = root_of(c, insn->a);
    if (c->values[insn->a].flags & VALUE_BOXED) {
        alloc_rename(c, insn->a);
        return;
    }
    unsigned dst, carrier = value->home == NO_HOME ? (unsigned)NO_REG
                                                   : loop_carrier_of(c, value->home, IR_F32);
    u32 field;
    if (carrier != NO_REG && value->home_bytes == 8) {
        alloc_get_register(c, carrier);
        return;
    }
    if (value->reg == NO_REG && value->home != NO_HOME) {
        struct asm_mem high = state_at(value->home + 4);
        dst = alloc_def_xmm_fresh(c);
        asm_rm(a, ASM_OP(0xf3, 0x0f10), ASM_32, dst, state_at(value->home));
        asm_alu_mem_imm(a, ASM_CMP, ASM_32, high, -1);
    } else {
        unsigned x = alloc_use(c, insn->a);
        unsigned t = alloc_temp(c);
        dst = alloc_def_xmm_fresh(c);
        asm_mov(a, ASM_64, t, x);
        asm_rr(a, ASM_OP(0x66, 0x0f6e), ASM_32, dst, x);
        asm_shift_imm(a, ASM_SAR, ASM_64, t, 32);
        asm_alu_imm(a, ASM_CMP, ASM_32, t, -1);
    }
    field = asm_jcc_forward(a, ASM_NE);
    struct stub *stub = stub_add(c, stub_unbox, field);
    stub->reg[0] = (u8)dst;
    stub->back = asm_offset(a);
}

void emit_fp_box(struct compile *c, const struct ir_insn *insn)
{
    if (insn->op == IR_FBITS ||
        (insn->op == IR_FBOX && (c->values[c->at].flags & VALUE_COMPUTED))) {
        nan_settle(c, insn->a);
    }
    switch (insn->op) {
    case IR_FUNBOX:
        emit_unbox(c, insn);
        break;
    case IR_FBOX:
        alloc_rename(c, insn->a);
        c->values[c->at].flags |= VALUE_BOXED;
        break;
    default:
        alloc_rename(c, insn->a);
        c->values[c->at].flags |= c->values[insn->a].flags & VALUE_BOXED;
        break;
    }
}
