/* Nodes (probe.h): which operations of the IR there are as such, and what they compute. */
#include "translate/ir/ir_eval.h"
#include "translate/ir/ir_eval_fp.h"
#include "translate/probe/probe_node.h"

struct op {
    u8 ir, operands;
};

static const struct op ops[PROBE_OP_LIMIT] = {
#define PROBE_OP(name, number, operands) [number] = {IR_##name, operands},
#include "translate/probe/probe_ops.def"
#undef PROBE_OP
};

static const u8 op_of_ir[IR_OP_COUNT] = {
#define PROBE_OP(name, number, operands) [IR_##name] = (number),
#include "translate/probe/probe_ops.def"
#undef PROBE_OP
};

unsigned probe_node_operands(unsigned op)
{
    if (op == PROBE_OP_NAN) {
        return 1;
    }
    bool any = op < PROBE_OP_LIMIT && (ops[op].ir != 0 || op == PROBE_OP_CONST);
    return any ? ops[op].operands : ~0u;
}

unsigned probe_node_operand_bytes(const struct probe_node *node)
{
    bool single = node->op >= PROBE_OP_FBOX && !node->wide && node->op != PROBE_OP_FUNBOX;
    return single || node->op == PROBE_OP_FBOX ? 4 : 8;
}

/* Widths that mean something: a file may hold any. */
static bool is_width(unsigned bits)
{
    return bits == 8 || bits == 16 || bits == 32;
}

static enum fpu_round round_of(u64 operand)
{
    return (enum fpu_round)(operand & 7);
}

static u64 canonical(u64 value, bool wide)
{
    if (wide) {
        return value << 1 > (u64)0x7ff << 53 ? FPU_NAN_F64 : value;
    }
    return (u32)value << 1 > (u32)0xff << 24 ? FPU_NAN_F32 : (u32)value;
}

static u64 value_f32(const struct probe_node *node, const u64 operands[4], enum fpu_round round)
{
    u32 a = (u32)operands[0], b = (u32)operands[1], flags = 0;
    switch (node->op) {
    case PROBE_OP_NAN: return canonical(a, false);
    case PROBE_OP_FBOX: return fpu_box_f32(a);
    case PROBE_OP_FUNBOX: return fpu_unbox_f32(operands[0]);
    case PROBE_OP_FNEG: return a ^ BIT(31);
    case PROBE_OP_FSGNJ: return ir_eval_sign(IR_F32, node->sub, a, b);
    default:
        return ir_eval_f32((enum ir_op)ops[node->op % PROBE_OP_LIMIT].ir, a, b, (u32)operands[2],
                           round, &flags);
    }
}

static u64 value_f64(const struct probe_node *node, const u64 operands[4], enum fpu_round round)
{
    u64 a = operands[0], b = operands[1];
    u32 flags = 0;
    switch (node->op) {
    case PROBE_OP_NAN: return canonical(a, true);
    case PROBE_OP_FNEG: return a ^ BIT(63);
    case PROBE_OP_FSGNJ: return ir_eval_sign(IR_F64, node->sub, a, b);
    default:
        return ir_eval_f64((enum ir_op)ops[node->op % PROBE_OP_LIMIT].ir, a, b, operands[2], round,
                           &flags);
    }
}

static u64 value_float(const struct probe_node *node, const u64 operands[4])
{
    bool single = !node->wide || node->op == PROBE_OP_FBOX || node->op == PROBE_OP_FUNBOX;
    enum fpu_round round = FPU_RNE;
    if (probe_node_rounds(node->op)) {
        round = round_of(operands[probe_node_operands(node->op) - 1]);
    }
    return single ? value_f32(node, operands, round) : value_f64(node, operands, round);
}

u64 probe_node_value(const struct probe_node *node, const u64 operands[4])
{
    if (node->op >= PROBE_OP_FBOX) {
        return value_float(node, operands);
    }
    enum ir_op op = (enum ir_op)ops[node->op % PROBE_OP_LIMIT].ir;
    enum ir_type type = node->wide ? IR_I64 : IR_I32;
    bool reads_wide = op == IR_TRUNC || op == IR_SELECT;
    u64 a = reads_wide ? operands[0] : ir_narrow(type, operands[0]);
    u64 b = reads_wide ? operands[1] : ir_narrow(type, operands[1]);
    switch (op) {
    case IR_CONST: return ir_narrow(type, node->imm);
    case IR_ADD:
    case IR_SUB:
    case IR_MUL:
    case IR_MULH_SS:
    case IR_MULH_SU:
    case IR_MULH_UU:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_ANDN:
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
    case IR_ROTR: return ir_eval_binary(op, type, a, b);
    case IR_SEXT:
    case IR_ZEXT: return is_width(node->sub) ? ir_eval_unary(op, type, node->sub, a) : 0;
    case IR_CLZ:
    case IR_CTZ:
    case IR_POPCNT:
    case IR_BSWAP:
    case IR_ORC_B:
    case IR_TRUNC: return ir_eval_unary(op, type, node->sub, a);
    case IR_SETCC: return ir_eval_cond((enum ir_cond)node->sub, type, a, b);
    case IR_SELECT:
        return ir_narrow(type, ir_eval_cond((enum ir_cond)node->sub, IR_I64, a, b) ? operands[2]
                                                                                  : operands[3]);
    default: return 0;
    }
}

unsigned probe_node_op_of(const struct ir_insn *insn)
{
    bool is_float = insn->type == IR_F32 || insn->type == IR_F64;
    bool arithmetic = insn->op >= IR_FADD && insn->op <= IR_FBOX;
    return arithmetic == (is_float || insn->op == IR_FBOX) ? op_of_ir[insn->op] : 0;
}
