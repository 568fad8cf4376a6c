/* Nodes (probe.h): which operations of the IR there are as such, and what they compute. */
#include "translate/ir/ir_eval.h"
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
    bool any = op < PROBE_OP_LIMIT && (ops[op].ir != 0 || op == PROBE_OP_CONST);
    return any ? ops[op].operands : ~0u;
}

/* Widths that mean something: a file may hold any. */
static bool is_width(unsigned bits)
{
    return bits == 8 || bits == 16 || bits == 32;
}

u64 probe_node_value(const struct probe_node *node, const u64 operands[4])
{
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
    bool integer = insn->type == IR_I64 || insn->type == IR_I32;
    return integer ? op_of_ir[insn->op] : 0;
}
