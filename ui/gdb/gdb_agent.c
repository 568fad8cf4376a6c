/* See gdb_agent.h. One row per instruction says what follows it, and how many values it takes from
 * the stack and leaves there; that these are there, and fit, is looked at in one place. */
#include "ui/gdb/gdb_agent.h"

#include "cpu/base/bits.h"
#include "ui/gdb/gdb_print.h"

#include <string.h>

enum { STACK_VALUES = 64, PRINT_STEPS = 256 /* what printing counts as */ };

struct agent {
    const u8 *code;
    size_t code_bytes, at;
    const struct gdb_agent_guest *guest;
    u64 stack[STACK_VALUES];
    unsigned depth, steps;
    bool ended;
};

/* The value that many below the top. */
static u64 *below(struct agent *agent, unsigned n)
{
    return &agent->stack[agent->depth - 1 - n];
}

/* Instructions, as the manual numbers them: section "Bytecode Descriptions". */
enum {
    OP_ADD = 0x02,
    OP_SUB,
    OP_MUL,
    OP_DIV_SIGNED,
    OP_DIV_UNSIGNED,
    OP_REM_SIGNED,
    OP_REM_UNSIGNED,
    OP_LSH,
    OP_RSH_SIGNED,
    OP_RSH_UNSIGNED,
    OP_LOG_NOT = 0x0e,
    OP_BIT_AND,
    OP_BIT_OR,
    OP_BIT_XOR,
    OP_BIT_NOT,
    OP_EQUAL,
    OP_LESS_SIGNED,
    OP_LESS_UNSIGNED,
    OP_EXT,
    OP_REF8,
    OP_REF16,
    OP_REF32,
    OP_REF64,
    OP_IF_GOTO = 0x20,
    OP_GOTO,
    OP_CONST8,
    OP_CONST16,
    OP_CONST32,
    OP_CONST64,
    OP_REG,
    OP_END,
    OP_DUP,
    OP_POP,
    OP_ZERO_EXT,
    OP_SWAP,
    OP_PICK = 0x32,
    OP_ROT,
    OP_PRINTF,
};

/* --- two values become one: `b` was there first --- */

/* The divisor is not 0; the quotient that is one too large wraps around. */
static u64 divide(unsigned op, u64 b, u64 a)
{
    bool minus_one = a == ~(u64)0;
    switch (op) {
    case OP_DIV_SIGNED: return minus_one ? 0 - b : (u64)((s64)b / (s64)a);
    case OP_REM_SIGNED: return minus_one ? 0 : (u64)((s64)b % (s64)a);
    case OP_DIV_UNSIGNED: return b / a;
    default: return b % a;
    }
}

static u64 shift(unsigned op, u64 b, u64 a)
{
    switch (op) {
    case OP_LSH: return a < 64 ? b << a : 0;
    case OP_RSH_UNSIGNED: return a < 64 ? b >> a : 0;
    default: return (u64)((s64)b >> (a < 64 ? a : 63));
    }
}

static bool combine(unsigned op, u64 b, u64 a, u64 *value)
{
    switch (op) {
    case OP_ADD: *value = b + a; break;
    case OP_SUB: *value = b - a; break;
    case OP_MUL: *value = b * a; break;
    case OP_BIT_AND: *value = b & a; break;
    case OP_BIT_OR: *value = b | a; break;
    case OP_BIT_XOR: *value = b ^ a; break;
    case OP_EQUAL: *value = b == a; break;
    case OP_LESS_SIGNED: *value = (s64)b < (s64)a; break;
    case OP_LESS_UNSIGNED: *value = b < a; break;
    case OP_LSH:
    case OP_RSH_SIGNED:
    case OP_RSH_UNSIGNED: *value = shift(op, b, a); break;
    default:
        if (a == 0) {
            return false;
        }
        *value = divide(op, b, a);
    }
    return true;
}

/* --- the others; `operand` is what follows the instruction --- */

static bool op_log_not(struct agent *agent, u64 operand)
{
    (void)operand;
    *below(agent, 0) = *below(agent, 0) == 0;
    return true;
}

static bool op_bit_not(struct agent *agent, u64 operand)
{
    (void)operand;
    *below(agent, 0) = ~*below(agent, 0);
    return true;
}

static bool op_sign_extend(struct agent *agent, u64 bits)
{
    if (bits < 64 && bits != 0) {
        *below(agent, 0) = (u64)((s64)(*below(agent, 0) << (64 - bits)) >> (64 - bits));
    }
    return bits != 0;
}

static bool op_zero_extend(struct agent *agent, u64 bits)
{
    if (bits < 64) {
        *below(agent, 0) &= BIT(bits) - 1;
    }
    return true;
}

static bool read_guest(struct agent *agent, size_t size_bytes)
{
    u8 bytes[8] = {0};
    if (!agent->guest->read_memory(agent->guest->opaque, *below(agent, 0), bytes, size_bytes)) {
        return false;
    }
    *below(agent, 0) = ld_le64(bytes);
    return true;
}

static bool op_ref8(struct agent *agent, u64 operand)
{
    (void)operand;
    return read_guest(agent, 1);
}

static bool op_ref16(struct agent *agent, u64 operand)
{
    (void)operand;
    return read_guest(agent, 2);
}

static bool op_ref32(struct agent *agent, u64 operand)
{
    (void)operand;
    return read_guest(agent, 4);
}

static bool op_ref64(struct agent *agent, u64 operand)
{
    (void)operand;
    return read_guest(agent, 8);
}

static bool op_goto(struct agent *agent, u64 offset)
{
    agent->at = (size_t)offset;
    return true;
}

/* The condition is off the stack, where it was. */
static bool op_if_goto(struct agent *agent, u64 offset)
{
    return agent->stack[agent->depth] == 0 || op_goto(agent, offset);
}

static bool op_const(struct agent *agent, u64 operand)
{
    *below(agent, 0) = operand;
    return true;
}

static bool op_register(struct agent *agent, u64 number)
{
    return agent->guest->read_register(agent->guest->opaque, (unsigned)number, below(agent, 0));
}

static bool op_end(struct agent *agent, u64 operand)
{
    (void)operand;
    agent->ended = true;
    return true;
}

static bool op_dup(struct agent *agent, u64 operand)
{
    (void)operand;
    *below(agent, 0) = *below(agent, 1);
    return true;
}

static bool op_pop(struct agent *agent, u64 operand)
{
    (void)agent;
    (void)operand;
    return true;
}

static bool op_swap(struct agent *agent, u64 operand)
{
    u64 top = *below(agent, 0);
    (void)operand;
    *below(agent, 0) = *below(agent, 1);
    *below(agent, 1) = top;
    return true;
}

/* a b c becomes c a b. */
static bool op_rotate(struct agent *agent, u64 operand)
{
    u64 top = *below(agent, 0);
    (void)operand;
    *below(agent, 0) = *below(agent, 1);
    *below(agent, 1) = *below(agent, 2);
    *below(agent, 2) = top;
    return true;
}

/* The value to come is on the stack already. */
static bool op_pick(struct agent *agent, u64 n)
{
    if (n + 1 >= agent->depth) {
        return false;
    }
    *below(agent, 0) = *below(agent, (unsigned)n + 1);
    return true;
}

/* Behind it stand the number of values, and the format behind its length with the zero. Function
 * and channel, which say where to, are off the stack; the first value is on its top. */
static bool op_printf(struct agent *agent, u64 count)
{
    const struct gdb_agent_guest *guest = agent->guest;
    u64 values[STACK_VALUES];
    char text[GDB_PRINT_BYTES];
    size_t left = agent->code_bytes - agent->at;
    const u8 *at = agent->code + agent->at;
    size_t length = left >= 2 ? (size_t)at[0] << 8 | at[1] : 0;
    if (guest->print == NULL || count > agent->depth || length == 0 || length > left - 2 ||
        at[1 + length] != '\0') {
        return false;
    }
    const char *format = (const char *)at + 2;
    for (unsigned i = 0; i < count; i++) {
        values[i] = *below(agent, i);
    }
    agent->at += 2 + length;
    agent->depth -= (unsigned)count;
    agent->steps += PRINT_STEPS;
    gdb_print(format, values, (unsigned)count, guest, text);
    guest->print(guest->opaque, text);
    return true;
}

/* --- the table --- */

/* Without `run` it is for combine(). */
static const struct op {
    bool known;
    u8 operand_bytes;
    u8 takes, leaves; /* values of the stack */
    bool (*run)(struct agent *agent, u64 operand); /* the stack has the depth it leaves */
} ops[] = {
    [OP_ADD] = {true, 0, 2, 1, NULL},
    [OP_SUB] = {true, 0, 2, 1, NULL},
    [OP_MUL] = {true, 0, 2, 1, NULL},
    [OP_DIV_SIGNED] = {true, 0, 2, 1, NULL},
    [OP_DIV_UNSIGNED] = {true, 0, 2, 1, NULL},
    [OP_REM_SIGNED] = {true, 0, 2, 1, NULL},
    [OP_REM_UNSIGNED] = {true, 0, 2, 1, NULL},
    [OP_LSH] = {true, 0, 2, 1, NULL},
    [OP_RSH_SIGNED] = {true, 0, 2, 1, NULL},
    [OP_RSH_UNSIGNED] = {true, 0, 2, 1, NULL},
    [OP_LOG_NOT] = {true, 0, 1, 1, op_log_not},
    [OP_BIT_AND] = {true, 0, 2, 1, NULL},
    [OP_BIT_OR] = {true, 0, 2, 1, NULL},
    [OP_BIT_XOR] = {true, 0, 2, 1, NULL},
    [OP_BIT_NOT] = {true, 0, 1, 1, op_bit_not},
    [OP_EQUAL] = {true, 0, 2, 1, NULL},
    [OP_LESS_SIGNED] = {true, 0, 2, 1, NULL},
    [OP_LESS_UNSIGNED] = {true, 0, 2, 1, NULL},
    [OP_EXT] = {true, 1, 1, 1, op_sign_extend},
    [OP_REF8] = {true, 0, 1, 1, op_ref8},
    [OP_REF16] = {true, 0, 1, 1, op_ref16},
    [OP_REF32] = {true, 0, 1, 1, op_ref32},
    [OP_REF64] = {true, 0, 1, 1, op_ref64},
    [OP_IF_GOTO] = {true, 2, 1, 0, op_if_goto},
    [OP_GOTO] = {true, 2, 0, 0, op_goto},
    [OP_CONST8] = {true, 1, 0, 1, op_const},
    [OP_CONST16] = {true, 2, 0, 1, op_const},
    [OP_CONST32] = {true, 4, 0, 1, op_const},
    [OP_CONST64] = {true, 8, 0, 1, op_const},
    [OP_REG] = {true, 2, 0, 1, op_register},
    [OP_END] = {true, 0, 0, 0, op_end},
    [OP_DUP] = {true, 0, 1, 2, op_dup},
    [OP_POP] = {true, 0, 1, 0, op_pop},
    [OP_ZERO_EXT] = {true, 1, 1, 1, op_zero_extend},
    [OP_SWAP] = {true, 0, 2, 2, op_swap},
    [OP_PICK] = {true, 1, 0, 1, op_pick},
    [OP_ROT] = {true, 0, 3, 3, op_rotate},
    [OP_PRINTF] = {true, 1, 2, 0, op_printf},
};

static u64 take_operand(struct agent *agent, unsigned operand_bytes)
{
    u64 operand = 0;
    for (unsigned i = 0; i < operand_bytes; i++) { /* the most significant first */
        operand = operand << 8 | agent->code[agent->at++];
    }
    return operand;
}

static bool step(struct agent *agent)
{
    if (agent->at >= agent->code_bytes || agent->code[agent->at] >= ARRAY_LEN(ops)) {
        return false;
    }
    unsigned number = agent->code[agent->at++];
    const struct op *op = &ops[number];
    if (!op->known || agent->depth < op->takes ||
        agent->depth - op->takes + op->leaves > STACK_VALUES ||
        agent->code_bytes - agent->at < op->operand_bytes) {
        return false;
    }
    u64 operand = take_operand(agent, op->operand_bytes);
    agent->depth = agent->depth - op->takes + op->leaves;
    u64 *top = &agent->stack[agent->depth];
    return op->run != NULL ? op->run(agent, operand) : combine(number, top[-1], top[0], &top[-1]);
}

/* Executes it to its end; false: there is none. */
static bool execute(struct agent *agent, const u8 *code, size_t code_bytes,
                    const struct gdb_agent_guest *guest)
{
    agent->code = code;
    agent->code_bytes = code_bytes;
    agent->at = 0;
    agent->guest = guest;
    agent->depth = 0;
    agent->ended = false;
    agent->steps = 0;
    if (code_bytes > GDB_AGENT_BYTES) {
        return false;
    }
    for (; !agent->ended; agent->steps++) {
        if (agent->steps >= GDB_AGENT_STEPS || !step(agent)) {
            return false;
        }
    }
    return true;
}

bool gdb_agent_evaluate(const u8 *code, size_t code_bytes, const struct gdb_agent_guest *guest,
                        u64 *value)
{
    struct agent agent; /* the stack is not read before it is written */
    if (!execute(&agent, code, code_bytes, guest) || agent.depth == 0) {
        return false;
    }
    *value = *below(&agent, 0);
    return true;
}

bool gdb_agent_run(const u8 *code, size_t code_bytes, const struct gdb_agent_guest *guest)
{
    struct agent agent;
    return execute(&agent, code, code_bytes, guest);
}
