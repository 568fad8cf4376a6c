/* IR as text, one line per instruction: "%12 = add.i64 %3, %7". Guest state and helpers go by their
 * names where the guest has given them one; targets are relative to the block's page. */
#include "translate/ir/ir.h"
#include "translate/ir/ir_vector.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct printer {
    const struct ir *ir;
    char *text;
    size_t left_bytes; /* including the final NUL */
};

__attribute__((format(printf, 2, 3))) static void put(struct printer *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int used = vsnprintf(p->text, p->left_bytes, format, args);
    va_end(args);
    size_t step = used < 0 ? 0 : (size_t)used;
    if (step >= p->left_bytes) {
        step = p->left_bytes == 0 ? 0 : p->left_bytes - 1;
    }
    p->text += step;
    p->left_bytes -= step;
}

static const char *lookup(const char *const *names, size_t count, u64 index)
{
    return index < count ? names[index] : "?";
}

static const char *const type_names[] = {"i32", "i64", "f32", "f64"};
static const char *const cond_names[] = {"eq",   "ne",   "lt_s", "le_s", "gt_s",
                                         "ge_s", "lt_u", "le_u", "gt_u", "ge_u"};
static const char *const round_names[] = {"rne", "rtz", "rdn", "rup", "rmm", "?", "?", "dyn"};
static const char *const amo_names[] = {"swap",  "add",   "and",   "or",   "xor",
                                        "min_s", "max_s", "min_u", "max_u"};
static const char *const fcmp_names[] = {"eq", "lt", "le"};
static const char *const fsgnj_names[] = {"copy", "invert", "xor"};
static const char *const hint_names[] = {"plain", "call", "return"};
static const char *const memory_names[] = {"8", "16", "32", "64", "s8", "s16", "s32", "s64"};

#define NAME(names, index) lookup(names, ARRAY_LEN(names), index)

static const char *state_name(const struct ir *ir, u64 offset)
{
    const struct guest *guest = ir->guest;
    for (unsigned i = 0; guest != NULL && i < guest->reg_count; i++) {
        if (guest->regs[i].offset == offset) {
            return guest->regs[i].name;
        }
    }
    return NULL;
}

static void put_state(struct printer *p, const struct ir_insn *insn)
{
    const char *name = state_name(p->ir, insn->imm);
    if (name != NULL) {
        put(p, " %s", name);
    } else {
        put(p, " state[%" PRIu64 "]", insn->imm);
    }
    put(p, ":%u", insn->sub);
}

static const struct helper *helper_of(const struct ir_insn *insn)
{
    return (const struct helper *)(uintptr_t)insn->imm;
}

static unsigned operand_count(const struct ir_insn *insn)
{
    return insn->op == IR_CALL ? helper_of(insn)->arg_count : ir_op_info[insn->op].args;
}

static void put_operands(struct printer *p, const struct ir_insn *insn)
{
    const ir_ref refs[] = {insn->a, insn->b, insn->c, insn->d};
    unsigned count = operand_count(insn);
    for (unsigned i = 0; i < count && i < ARRAY_LEN(refs); i++) {
        put(p, "%s%%%u", i == 0 ? " " : ", ", refs[i]);
    }
}

static void put_place(struct printer *p, const struct ir_insn *insn)
{
    s64 offset = (s64)insn->imm;
    put(p, " page%c0x%" PRIx64, offset < 0 ? '-' : '+', offset < 0 ? 0 - insn->imm : insn->imm);
}

static void put_check(struct printer *p, const struct ir_insn *insn)
{
    put(p, " %s", NAME(memory_names, insn->sub));
    put(p, "%s%s%s%s", insn->imm & IR_CHECK_READ ? " read" : "",
        insn->imm & IR_CHECK_WRITE ? " write" : "", insn->imm & IR_CHECK_ALIGN ? " aligned" : "",
        insn->imm & IR_CHECK_PIECES ? " pieces" : "");
}

static void put_call(struct printer *p, const struct ir_insn *insn)
{
    static const char *const flags[] = {"reads", "writes", "raises", "pc", "fpu", "pure", "memory"};
    put(p, " %s", helper_of(insn)->name);
    for (unsigned i = 0; i < ARRAY_LEN(flags); i++) {
        if (helper_of(insn)->flags >> i & 1) {
            put(p, " !%s", flags[i]);
        }
    }
}

static void put_group(struct printer *p, const char *name, unsigned unit)
{
    put(p, " %s=v+0x%x", name, 16 * unit);
}

static void put_vector(struct printer *p, const struct ir_insn *insn)
{
    static const char *const names[IR_VECTOR_OP_COUNT] = {
#define IRVECTOR(name, text, doc) text,
#include "translate/ir/ir_vector.def"
#undef IRVECTOR
    };
    struct ir_vector v = ir_vector_unpack(p->ir->insns[insn->d].imm);
    put(p, " %s.e%u %u bytes%s", NAME(names, v.op), 8u << v.sew, 1u << v.group_log2,
        v.masked ? " masked" : "");
    if (v.count != 0) {
        put(p, " first %u", v.count);
    }
    put_group(p, "d", v.d);
    put_group(p, "a", v.a);
    if (v.second == IR_VECTOR_GROUP) {
        put_group(p, "b", v.b);
    }
}

/* What stands between the operation's name and its operands. */
static void put_detail(struct printer *p, const struct ir_insn *insn)
{
    unsigned props = ir_op_info[insn->op].props;
    switch (insn->op) {
    case IR_GET:
    case IR_SET: put_state(p, insn); break;
    case IR_CONST: put(p, " 0x%" PRIx64, insn->imm); break;
    case IR_SEXT:
    case IR_ZEXT: put(p, " %u", insn->sub); break;
    case IR_SETCC:
    case IR_SELECT:
    case IR_UNRETIRE:
    case IR_EXIT_IF: put(p, " %s", NAME(cond_names, insn->sub)); break;
    case IR_FCMP: put(p, " %s", NAME(fcmp_names, insn->sub)); break;
    case IR_FSGNJ: put(p, " %s", NAME(fsgnj_names, insn->sub)); break;
    case IR_FCVT_FI:
    case IR_FCVT_IF: put(p, " %s", insn->sub & 1 ? "unsigned" : "signed"); break;
    case IR_TLB_CHECK: put_check(p, insn); break;
    case IR_LOAD:
    case IR_STORE: put(p, " %s", NAME(memory_names, insn->sub)); break;
    case IR_AMO: put(p, " %s", NAME(amo_names, insn->imm)); break;
    case IR_FENCE:
        put(p, " pred %x succ %x", (unsigned)(insn->imm >> 4) & 15, (unsigned)insn->imm & 15);
        break;
    case IR_CALL: put_call(p, insn); break;
    case IR_VECTOR: put_vector(p, insn); break;
    case IR_EXIT_PAGE: put(p, " guard %u", ir_guard(insn)); break;
    case IR_POLL: put(p, " %" PRIu64, insn->imm); break;
    case IR_JUMP: put(p, "%s", insn->sub == IR_JUMP_CALL ? " call" : ""); break;
    case IR_JUMP_IND: put(p, " %s", NAME(hint_names, insn->sub)); break;
    case IR_RAISE: put(p, " cause %" PRIu64, insn->imm); break;
    case IR_LEAVE: put(p, "%s", insn->sub ? " interrupts" : ""); break;
    default: break;
    }
    if ((props & IR_E) != 0 && (props & IR_P) != 0 && insn->op != IR_FMIN && insn->op != IR_FMAX &&
        insn->op != IR_FCMP) {
        put(p, " %s", NAME(round_names, insn->imm));
    }
}

static void put_head(struct printer *p, const struct ir_insn *insn, unsigned index)
{
    bool called = insn->op == IR_CALL || insn->op == IR_VECTOR;
    bool has_value = called ? insn->type != IR_NONE
                                         : ir_op_info[insn->op].result != IR_RESULT_NONE;
    put(p, "%s", insn->dead ? "(dead) " : "");
    if (has_value) {
        put(p, "%%%u = ", index);
    }
    put(p, "%s", ir_op_info[insn->op].text);
    if (insn->type < IR_NONE) {
        put(p, ".%s", NAME(type_names, insn->type));
    }
}

void ir_print_insn(const struct ir *ir, unsigned index, char *text, size_t text_bytes)
{
    struct printer p = {.ir = ir, .text = text, .left_bytes = text_bytes};
    const struct ir_insn *insn = &ir->insns[index];
    if (insn->op >= IR_OP_COUNT) {
        put(&p, "no such operation: %u", insn->op);
        return;
    }
    if (insn->op == IR_INSN) {
        put(&p, "insn %u at", insn->a);
        put_place(&p, insn);
        put(&p, ", %u bytes", insn->sub);
        return;
    }
    put_head(&p, insn, index);
    put_detail(&p, insn);
    put_operands(&p, insn);
    if (insn->op == IR_UNRETIRE) {
        put(&p, " by %" PRIu64, insn->imm);
    }
    if (insn->op == IR_EXIT_IF || insn->op == IR_EXIT_UNLESS || insn->op == IR_JUMP ||
        insn->op == IR_EXIT_PAGE ||
        insn->op == IR_JUMP_NEXT || insn->op == IR_LOOK) {
        put(&p, " to");
        put_place(&p, insn);
    }
}
