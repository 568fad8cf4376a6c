/* The rules of well-formed IR, checked instruction by instruction: operand order and types, ranges
 * of sub and imm, one terminator at the end, guest instruction marks, and precise state.
 *
 * Types are a table of signatures, one row per operation, in a letter each:
 *   i  I32 or I64      l  I64       w  I32       f  F32 or F64      a  any
 *   s  the type field  c  a TLB_CHECK            -  no type (IR_NONE)
 * The first letter is what the type field may be, the rest the operands. */
#include "translate/ir/ir.h"
#include "translate/ir/ir_eval.h"
#include "translate/ir/ir_vector.h"
#include <stdarg.h>
#include <stdio.h>

static const char *const signatures[IR_OP_COUNT] = {
    [IR_CONST] = "a",      [IR_GET] = "a",         [IR_SET] = "as",       [IR_PC_PAGE] = "l",
    [IR_INSN_COUNT] = "l", [IR_ADD] = "iss",       [IR_SUB] = "iss",      [IR_MUL] = "iss",
    [IR_MULH_SS] = "lss",  [IR_MULH_SU] = "lss",   [IR_MULH_UU] = "lss",  [IR_DIV_S] = "iss",
    [IR_DIV_U] = "iss",    [IR_REM_S] = "iss",     [IR_REM_U] = "iss",    [IR_AND] = "iss",
    [IR_OR] = "iss",       [IR_XOR] = "iss",       [IR_ANDN] = "iss",     [IR_SHL] = "iss",
    [IR_SHR] = "iss",      [IR_SAR] = "iss",       [IR_ROTR] = "iss",     [IR_CLZ] = "is",
    [IR_CTZ] = "is",       [IR_POPCNT] = "is",     [IR_BSWAP] = "is",     [IR_ORC_B] = "is",
    [IR_SEXT] = "ii",      [IR_ZEXT] = "ii",       [IR_TRUNC] = "wl",     [IR_SETCC] = "iss",
    [IR_SELECT] = "allss", [IR_FADD] = "fss",      [IR_FSUB] = "fss",     [IR_FMUL] = "fss",
    [IR_FDIV] = "fss",     [IR_FSQRT] = "fs",      [IR_FMADD] = "fsss",   [IR_FMIN] = "fss",
    [IR_FMAX] = "fss",     [IR_FNEG] = "fs",       [IR_FSGNJ] = "fss",    [IR_FCMP] = "fss",
    [IR_FCLASS] = "fs",    [IR_FCVT_FF] = "ff",    [IR_FCVT_FI] = "if",   [IR_FCVT_IF] = "fi",
    [IR_FBITS] = "aa",     [IR_FUNBOX] = "fl",     [IR_FBOX] = "lf",      [IR_FENV_FLAGS] = "l",
    [IR_FENV_SET] = "-ll", [IR_TLB_CHECK] = "ll",  [IR_LOAD] = "acl",     [IR_STORE] = "acls",
    [IR_AMO] = "icls",     [IR_CAS] = "iclss",     [IR_FENCE] = "-",      [IR_CALL] = "",
    [IR_VECTOR] = "",
    [IR_INSN] = "-",       [IR_POLL] = "-",        [IR_LOOK] = "-",       [IR_EXIT_IF] = "lll",
    [IR_UNRETIRE] = "lll",
    [IR_EXIT_UNLESS] = "-l", [IR_EXIT_PAGE] = "-",
    [IR_JUMP] = "-",       [IR_JUMP_NEXT] = "-",   [IR_JUMP_IND] = "-l",  [IR_RAISE] = "-l",
    [IR_LEAVE] = "-l",     [IR_PROBE] = "l",       [IR_PROBE_WORD] = "als",
    [IR_PROBE_LEFT] = "-", [IR_PROBE_AT] = "-",    [IR_PROBE_ADD] = "-",
    [IR_PROBE_EDGE] = "-l",
};

struct verify {
    const struct ir *ir;
    unsigned index;
    const struct ir_insn *insn;
    char *why;
    size_t why_bytes;
    unsigned insns_begun;
    bool state_written; /* by a SET of the current guest instruction */
};

__attribute__((format(printf, 2, 3))) static bool reject(struct verify *v, const char *format, ...)
{
    va_list args;
    int used = snprintf(v->why, v->why_bytes, "%%%u %s: ", v->index,
                        v->insn->op < IR_OP_COUNT ? ir_op_info[v->insn->op].text : "?");
    if (used >= 0 && (size_t)used < v->why_bytes) {
        va_start(args, format);
        vsnprintf(v->why + used, v->why_bytes - (size_t)used, format, args);
        va_end(args);
    }
    return false;
}

static bool is_float(unsigned type)
{
    return type == IR_F32 || type == IR_F64;
}

/* --- types --- */

static bool type_allowed(char letter, unsigned type, unsigned own_type)
{
    switch (letter) {
    case 'i': return type == IR_I32 || type == IR_I64;
    case 'l':
    case 'c': return type == IR_I64;
    case 'w': return type == IR_I32;
    case 'f': return is_float(type);
    case 'a': return type < IR_NONE;
    case 's': return type == own_type;
    default: return type == IR_NONE;
    }
}

/* Whether `ref` names an earlier value that may be an operand of kind `letter`. */
static bool check_operand(struct verify *v, unsigned number, ir_ref ref, char letter)
{
    if (ref >= v->index) {
        return reject(v, "operand %u is %%%u, which does not precede it", number, ref);
    }
    const struct ir_insn *def = &v->ir->insns[ref];
    bool called = def->op == IR_CALL || def->op == IR_VECTOR;
    bool has_value = called ? def->type != IR_NONE
                                        : ir_op_info[def->op].result != IR_RESULT_NONE;
    if (!has_value) {
        return reject(v, "operand %u is %%%u, which has no value", number, ref);
    }
    if (!type_allowed(letter, ir_value_type(def), v->insn->type)) {
        return reject(v, "operand %u, %%%u, has the wrong type", number, ref);
    }
    if (letter == 'c' && def->op != IR_TLB_CHECK) {
        return reject(v, "operand %u, %%%u, is not a tlb_check", number, ref);
    }
    if (def->dead && !v->insn->dead) {
        return reject(v, "operand %u, %%%u, was marked dead", number, ref);
    }
    return true;
}

static bool check_unused(struct verify *v, unsigned first)
{
    const ir_ref refs[] = {v->insn->a, v->insn->b, v->insn->c, v->insn->d};
    for (unsigned i = first; i < ARRAY_LEN(refs); i++) {
        bool is_number = (v->insn->op == IR_INSN && i == 0) ||
                         (v->insn->op == IR_EXIT_PAGE && i <= 1);
        if (!is_number && refs[i] != IR_REF_NONE) {
            return reject(v, "has an operand %u", i);
        }
    }
    return true;
}

static bool check_operands(struct verify *v)
{
    const ir_ref refs[] = {v->insn->a, v->insn->b, v->insn->c, v->insn->d};
    const char *signature = signatures[v->insn->op];
    unsigned count = 0;
    if (!type_allowed(signature[0], v->insn->type, v->insn->type)) {
        return reject(v, "cannot have type %u", v->insn->type);
    }
    for (; signature[1 + count] != '\0'; count++) {
        if (!check_operand(v, count, refs[count], signature[1 + count])) {
            return false;
        }
    }
    return check_unused(v, count);
}

static bool check_call(struct verify *v)
{
    const ir_ref refs[] = {v->insn->a, v->insn->b, v->insn->c, v->insn->d};
    const struct helper *helper = (const struct helper *)(uintptr_t)v->insn->imm;
    if (helper == NULL || helper->fn == NULL || helper->arg_count > ARRAY_LEN(refs)) {
        return reject(v, "calls nothing callable");
    }
    if (v->insn->type != (helper->has_result ? IR_I64 : IR_NONE)) {
        return reject(v, "type does not agree with the result of %s", helper->name);
    }
    for (unsigned i = 0; i < helper->arg_count; i++) {
        if (!check_operand(v, i, refs[i], 'l')) {
            return false;
        }
    }
    return check_unused(v, helper->arg_count);
}

static bool check_vector(struct verify *v)
{
    if (!check_call(v)) {
        return false;
    }
    const struct ir_insn *d = &v->ir->insns[v->insn->d];
    struct ir_vector vector = ir_vector_unpack(d->imm);
    if (d->op != IR_CONST || vector.op >= IR_VECTOR_OP_COUNT || vector.guard > IR_VECTOR_PART ||
        vector.second > IR_VECTOR_FLOAT || ir_vector_pack(&vector) != d->imm) {
        return reject(v, "is not described");
    }
    return (v->ir->guest != NULL && v->ir->guest->vector != NULL) ||
           reject(v, "is of a guest without vectors");
}

/* --- sub and imm --- */

static bool check_state_size(struct verify *v)
{
    unsigned sub = v->insn->sub;
    unsigned type_bytes = ir_type_bits((enum ir_type)v->insn->type) / 8;
    bool power = sub == 1 || sub == 2 || sub == 4 || sub == 8;
    if (!power || sub > type_bytes || (is_float(v->insn->type) && sub != type_bytes)) {
        return reject(v, "cannot move %u bytes", sub);
    }
    if (v->ir->guest != NULL && v->insn->imm + sub > v->ir->guest->vcpu_bytes) {
        return reject(v, "reaches beyond the guest's state");
    }
    return true;
}

static bool check_access_size(struct verify *v)
{
    unsigned type_bytes = ir_type_bits((enum ir_type)v->insn->type) / 8;
    unsigned bytes = 1u << (v->insn->sub & IR_MEM_SIZE_MASK);
    bool is_signed = (v->insn->sub & IR_MEM_SIGNED) != 0;
    bool exact = v->insn->op == IR_AMO || v->insn->op == IR_CAS || is_float(v->insn->type);
    if (bytes > type_bytes || (exact && bytes != type_bytes) ||
        (is_signed && (v->insn->op != IR_LOAD || is_float(v->insn->type)))) {
        return reject(v, "cannot access memory as %u", v->insn->sub);
    }
    const struct ir_insn *check = &v->ir->insns[v->insn->a];
    if ((check->sub & IR_MEM_SIZE_MASK) < (v->insn->sub & IR_MEM_SIZE_MASK)) {
        return reject(v, "is wider than its check");
    }
    unsigned props = ir_op_info[v->insn->op].props;
    if (((props & IR_R) != 0 && (check->imm & IR_CHECK_READ) == 0) ||
        ((props & IR_W) != 0 && (check->imm & IR_CHECK_WRITE) == 0)) {
        return reject(v, "does what its check does not permit");
    }
    return v->insn->op != IR_AMO || v->insn->imm <= IR_AMO_MAX_U ||
           reject(v, "has no such operation");
}

static bool check_bits(struct verify *v)
{
    const struct ir_insn *a = &v->ir->insns[v->insn->a];
    if (ir_type_bits(ir_value_type(a)) != ir_type_bits((enum ir_type)v->insn->type) ||
        is_float(ir_value_type(a)) == is_float(v->insn->type)) {
        return reject(v, "is not between an integer and a float of one size");
    }
    return true;
}

static bool check_limit(struct verify *v, unsigned value, unsigned last)
{
    return value <= last || reject(v, "sub or imm %u is above %u", value, last);
}

static bool check_range(struct verify *v)
{
    const struct ir_insn *insn = v->insn;
    switch (insn->op) {
    case IR_GET:
    case IR_SET: return check_state_size(v);
    case IR_SEXT:
    case IR_ZEXT:
        return insn->sub == 8 || insn->sub == 16 || insn->sub == 32 ||
               reject(v, "cannot extend %u bits", insn->sub);
    case IR_SETCC:
    case IR_SELECT:
    case IR_EXIT_IF: return check_limit(v, insn->sub, IR_GE_U);
    case IR_UNRETIRE:
        return check_limit(v, insn->sub, IR_GE_U) &&
               ((insn->imm != 0 && insn->imm < v->insns_begun) ||
                reject(v, "takes back what did not retire"));
    case IR_FSGNJ:
    case IR_FCMP: return check_limit(v, insn->sub, 2);
    case IR_FCVT_FI:
    case IR_FCVT_IF:
    case IR_LEAVE: return check_limit(v, insn->sub, 1);
    case IR_FCVT_FF:
        return ir_value_type(&v->ir->insns[insn->a]) != insn->type ||
               reject(v, "converts to the type it has");
    case IR_FBITS: return check_bits(v);
    case IR_FUNBOX: return insn->type == IR_F32 || reject(v, "gives an F32");
    case IR_FBOX:
        return v->ir->insns[insn->a].type == IR_F32 || reject(v, "takes an F32");
    case IR_TLB_CHECK:
        return check_limit(v, insn->sub, IR_MEM_64) &&
               (((insn->imm & 3) != 0 && insn->imm <= 7) ||
                insn->imm == (IR_CHECK_READ | IR_CHECK_PIECES) || reject(v, "checks nothing"));
    case IR_LOAD:
    case IR_STORE:
    case IR_AMO:
    case IR_CAS: return check_access_size(v);
    case IR_JUMP:
    case IR_JUMP_IND: return check_limit(v, insn->sub, IR_JUMP_RETURN);
    case IR_CONST:
        return insn->imm == ir_narrow((enum ir_type)insn->type, insn->imm) ||
               reject(v, "has more bits than its type");
    default: return true;
    }
}

static bool check_round(struct verify *v)
{
    unsigned props = ir_op_info[v->insn->op].props;
    if ((props & IR_E) == 0 || (props & IR_P) == 0) {
        return true;
    }
    return v->insn->imm <= IR_ROUND_RMM || v->insn->imm == IR_ROUND_DYN ||
           reject(v, "has no such rounding");
}

/* --- order --- */

static bool may_raise(const struct ir_insn *insn)
{
    if (insn->op == IR_CALL || insn->op == IR_VECTOR) {
        return (((const struct helper *)(uintptr_t)insn->imm)->flags & HELPER_MAY_RAISE) != 0;
    }
    return (ir_op_info[insn->op].props & IR_F) != 0;
}

static bool begins_insn(struct verify *v)
{
    bool first = v->insns_begun == 0;
    if (v->insn->a < v->insns_begun || (first && v->insn->a != 0)) {
        return reject(v, "is number %u of the block, not %u", v->insns_begun, v->insn->a);
    }
    if (v->insn->sub == 0) {
        return reject(v, "has no length");
    }
    v->insns_begun = v->insn->a + 1u; /* opt_gather makes one of several */
    v->state_written = false;
    return true;
}

static bool check_order(struct verify *v)
{
    unsigned props = ir_op_info[v->insn->op].props;
    bool last = v->index + 1 == v->ir->count;
    if (((props & IR_T) != 0) != last) {
        return reject(v, last ? "ends the block without being able to" : "is before the end");
    }
    if (v->insn->dead) {
        return (props & (IR_T | IR_X | IR_F)) == 0 || v->insn->op == IR_CALL ||
               reject(v, "cannot be dead");
    }
    if (v->insn->op == IR_INSN) {
        return begins_insn(v);
    }
    if ((props & (IR_F | IR_X | IR_T | IR_S | IR_W)) != 0 && v->insns_begun == 0) {
        return reject(v, "belongs to no guest instruction");
    }
    if (v->state_written && (may_raise(v->insn) || v->insn->op == IR_POLL)) {
        return reject(v, "may leave after this guest instruction wrote state");
    }
    v->state_written = v->state_written || v->insn->op == IR_SET;
    return true;
}

static bool check_insn(struct verify *v)
{
    if (v->insn->op >= IR_OP_COUNT) {
        return reject(v, "no such operation: %u", v->insn->op);
    }
    if (!(v->insn->op == IR_CALL     ? check_call(v)
          : v->insn->op == IR_VECTOR ? check_vector(v)
                                     : check_operands(v))) {
        return false;
    }
    return check_range(v) && check_round(v) && check_order(v);
}

bool ir_verify(const struct ir *ir, char *why, size_t why_bytes)
{
    struct verify v = {.ir = ir, .why = why, .why_bytes = why_bytes};
    if (ir->overflow || ir->count == 0) {
        snprintf(why, why_bytes, "the block is %s", ir->overflow ? "incomplete" : "empty");
        return false;
    }
    for (v.index = 0; v.index < ir->count; v.index++) {
        v.insn = &ir->insns[v.index];
        if (!check_insn(&v)) {
            return false;
        }
    }
    return true;
}
