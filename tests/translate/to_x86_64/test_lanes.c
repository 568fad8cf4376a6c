/* Traces of long loops whose rounds add up the same: sums of every operation that has lanes, of
 * random expressions over two arrays, as vectors and as the interpreter runs them. */
#include "tests/support/rig_lanes.h"
#include "translate/opt/dead.h"

enum { START = 0x100, COPIES = 8, DEPTH_MAX = 4, PROGRAMS = 800 };

TestSuite(lanes, .init = rig_lanes_setup, .fini = rig_pair_teardown);

/* --- programs: one expression, the same in each round --- */

/* x10: the sum; x11: another one; x12, x13: what the last round had; x14: what all use; x20, x21:
 * the arrays; x22: the end of the first one. */

struct node {
    u8 op;   /* enum ir_op: LOAD, GET, CONST or an operation */
    u8 a, b; /* earlier nodes */
    u8 mem, array;
    s32 imm;
};

struct program {
    bool word; /* sums up words, as addw does */
    u8 sum_op;
    u8 node_count, second; /* the last node is summed up; `second` in x11, if it is not 0 */
    u8 kept[2];            /* nodes that x12 and x13 hold after each round; 0: none */
    bool swapped;          /* the sum is the second operand */
    bool dead;             /* each round converts what it loaded, needed for the flags alone */
    s32 step[2];           /* of the arrays, bytes */
    struct node nodes[12];
};

static u8 random_op(void)
{
    static const u8 ops[] = {IR_ADD, IR_SUB, IR_MUL, IR_AND, IR_OR, IR_XOR, IR_SHL, IR_SHR, IR_SAR};
    return ops[pick(ARRAY_LEN(ops))];
}

static struct node random_leaf(void)
{
    static const u8 mems[] = {IR_MEM_8,
                              IR_MEM_16,
                              IR_MEM_32,
                              IR_MEM_64,
                              IR_MEM_8 | IR_MEM_SIGNED,
                              IR_MEM_16 | IR_MEM_SIGNED,
                              IR_MEM_32 | IR_MEM_SIGNED};
    struct node leaf = {.op = IR_LOAD,
                        .array = (u8)pick(2),
                        .mem = mems[pick(ARRAY_LEN(mems))],
                        .imm = (s32)pick(4) * 8 - 8};
    if (pick(6) == 0) {
        leaf.op = pick(2) ? IR_GET : IR_CONST;
    }
    return leaf;
}

static void random_program(struct program *p)
{
    static const u8 sums[] = {IR_ADD, IR_ADD, IR_ADD, IR_XOR, IR_AND, IR_OR};
    static const s32 steps[] = {1, 2, 4, 8, -4, 64, 40, 16};
    memset(p, 0, sizeof(*p));
    p->word = pick(2);
    p->sum_op = sums[pick(ARRAY_LEN(sums))];
    p->swapped = pick(4) == 0;
    unsigned leaves = 2 + pick(2), ops = 1 + pick(5);
    for (unsigned n = 0; n < leaves; n++) {
        p->nodes[p->node_count++] = random_leaf();
    }
    p->nodes[0].op = IR_LOAD;
    for (unsigned n = 0; n < ops; n++) {
        struct node node = {.op = random_op(),
                            .a = (u8)pick(p->node_count),
                            .b = (u8)pick(p->node_count),
                            .imm = (s32)pick(64)};
        p->nodes[p->node_count++] = node;
    }
    p->second = pick(3) == 0 ? (u8)pick(p->node_count) : 0;
    p->kept[0] = pick(2) ? (u8)pick(p->node_count) : 0;
    p->kept[1] = pick(3) == 0 ? (u8)pick(p->node_count) : 0;
    for (unsigned n = 0; n < 2; n++) {
        unsigned size = 1u << (p->nodes[n].mem & IR_MEM_SIZE_MASK);
        p->step[n] = pick(2) ? (s32)size : steps[pick(ARRAY_LEN(steps))];
    }
    p->dead = pick(16) == 0;
}

/* --- its trace --- */

static ir_ref narrow(const struct program *p, ir_ref value)
{
    return p->word ? ir_op1(rig->ir, IR_TRUNC, IR_I32, 0, value) : value;
}

static ir_ref widen(const struct program *p, ir_ref value)
{
    return p->word ? ir_op1(rig->ir, IR_SEXT, IR_I64, 32, value) : value;
}

static ir_ref make_node(const struct program *p, const struct node *node, const ir_ref *made)
{
    enum ir_type type = p->word ? IR_I32 : IR_I64;
    ir_ref a = made[node->a], b = made[node->b], address;
    switch (node->op) {
    case IR_LOAD:
        address = x(20u + node->array);
        if (node->imm != 0) {
            address = ir_op2(rig->ir, IR_ADD, IR_I64, 0, address, ir_i64(rig->ir, (u64)node->imm));
        }
        return narrow(p, ir_load(rig->ir, IR_I64, node->mem, address));
    case IR_GET:
        return narrow(p, x(14));
    case IR_CONST:
        return ir_const(rig->ir, type, (u64)node->imm * 0x10001);
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
        return ir_op2(rig->ir, node->op, type, 0, a, ir_const(rig->ir, type, (u64)node->imm));
    default:
        return ir_op2(rig->ir, node->op, type, 0, a, b);
    }
}

static void add_to(const struct program *p, unsigned reg, ir_ref term)
{
    enum ir_type type = p->word ? IR_I32 : IR_I64;
    ir_ref sum = narrow(p, x(reg));
    sum = p->swapped ? ir_op2(rig->ir, p->sum_op, type, 0, term, sum)
                     : ir_op2(rig->ir, p->sum_op, type, 0, sum, term);
    ir_set(rig->ir, RIG_X(reg), 8, widen(p, sum));
}

static void step(unsigned reg, s32 bytes)
{
    ir_ref next = ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(reg), ir_i64(rig->ir, (u64)(s64)bytes));
    ir_set(rig->ir, RIG_X(reg), 8, next);
}

static void make_round(const struct program *p, u32 *offset)
{
    ir_ref made[ARRAY_LEN(p->nodes)];
    for (unsigned n = 0; n < p->node_count; n++) {
        ir_begin_insn(rig->ir, *offset, 4);
        *offset += 4;
        made[n] = make_node(p, &p->nodes[n], made);
        for (unsigned reg = 0; reg < 2; reg++) {
            if (p->kept[reg] == n && n != 0) {
                ir_set(rig->ir, RIG_X(12 + reg), 8, widen(p, made[n]));
            }
        }
    }
    if (p->dead) {
        ir_ref number = ir_op1(rig->ir, IR_FCVT_IF, IR_F32, 0, made[0]);
        rig->ir->insns[number].imm = IR_ROUND_DYN;
        ir_set(rig->ir, RIG_F(11), 8, ir_op1(rig->ir, IR_FBOX, IR_I64, 0, number));
    }
    ir_begin_insn(rig->ir, *offset, 4);
    add_to(p, 10, made[p->node_count - 1]);
    if (p->second != 0) {
        add_to(p, 11, made[p->second]);
    }
    ir_begin_insn(rig->ir, *offset + 4, 4);
    step(20, p->step[0]);
    ir_begin_insn(rig->ir, *offset + 8, 4);
    step(21, p->step[1]);
    ir_begin_insn(rig->ir, *offset + 12, 4);
    ir_exit_if(rig->ir, IR_EQ, x(20), x(22), 0x800);
    *offset += 16;
}

static const u8 *compile(const struct program *p, u32 flags)
{
    u32 offset = START;
    ir_reset(rig->ir, &rig_guest);
    rig->ir->constants_last = true;
    for (unsigned n = 0; n < COPIES; n++) {
        make_round(p, &offset);
    }
    ir_jump(rig->ir, START);
    cr_assert_not(rig->ir->overflow);
    opt_dead(rig->ir);
    return rig_compile(rig, flags, NULL);
}

/* --- both ways --- */

static void compare(const struct program *p, const u8 *code, gva_t a, gva_t b, unsigned rounds)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    rig_reset(rig);
    for (unsigned n = 0; n < RIG_RAM_BYTES; n += 4) {
        pick(1);
        st_le32(host->ram + n, (u32)(seed >> 11));
    }
    for (unsigned n = 0; n < 32; n++) {
        host->x[n] = seed * (2 * n + 1);
    }
    host->x[20] = a;
    host->x[21] = b;
    host->x[22] = a + (u64)((s64)p->step[0] * rounds);
    host->vcpu.pc_page = RIG_PC_PAGE;
    host->vcpu.deadline = host->vcpu.insns + 2000;
    rig_copy(spare->hart[0], host);
    rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert_eq(host->vcpu.pc, interp->vcpu.pc);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "%u rounds from %llx: x%u is %llx, not %llx", rounds,
                     (unsigned long long)a, n, (unsigned long long)host->x[n],
                     (unsigned long long)interp->x[n]);
    }
    cr_assert_eq(host->f[11], interp->f[11]);
    cr_assert_eq(host->vcpu.fpu_flags, interp->vcpu.fpu_flags);
}

/* Starts within a page, and before its end. */
static void compare_all(const struct program *p, const u8 *code)
{
    const gva_t middle = RIG_RAM_GVA + 4 * PAGE_BYTES + 1024;
    static const unsigned rounds[] = {8, 7, 9, 16, 20, 1};
    for (unsigned n = 0; n < ARRAY_LEN(rounds); n++) {
        compare(p, code, middle, middle + 512, rounds[n]);
        compare(p, code, middle + 3, middle + 3 + 40 * n, rounds[n]);
        compare(p, code, middle + 3072 - 40 * n, middle, rounds[n]);
    }
}

static struct program random_one;

static const u8 *make_random(u32 flags)
{
    random_program(&random_one);
    return compile(&random_one, flags);
}

static void check_random(const u8 *code)
{
    compare_all(&random_one, code);
}

Test(lanes, random_sums, .timeout = 120)
{
    rig_lanes_run(PROGRAMS, make_random, check_random);
}
