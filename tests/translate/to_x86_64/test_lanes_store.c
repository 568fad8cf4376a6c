/* Traces of long loops whose rounds compute and store the same: random expressions of integers and
 * floating-point numbers over two arrays, into a third one or one of these, as vectors and as the
 * interpreter runs them. The arrays may overlap by any distance. */
#include "tests/support/rig_lanes.h"
#include "translate/opt/dead.h"

enum { START = 0x100, COPIES = 8, PROGRAMS = 800, NODES_MAX = 8 };

TestSuite(lanes_store, .init = rig_lanes_setup, .fini = rig_pair_teardown);

/* --- programs: one expression, the same in each round --- */

/* x20, x21: arrays that are read; x23: the one that is written, unless `to` is one of these; x22:
 * the end of the first one. x12, x13, f12, f13: what the last round had; x14, f14: what all use. */

struct node {
    u8 op;   /* enum ir_op: LOAD, GET, CONST or an operation */
    u8 a, b; /* earlier nodes */
    u8 array;
    s32 imm;
};

struct program {
    enum ir_type type;
    u8 to;
    u8 node_count;
    u8 kept[2]; /* nodes that registers hold after each round; 0: none */
    bool early; /* addresses are computed before the values, not behind them */
    bool dead;  /* each round computes something that nobody needs but for its flags */
    s32 step, disp;
    struct node nodes[NODES_MAX];
};

static bool is_float(const struct program *p)
{
    return p->type == IR_F32 || p->type == IR_F64;
}

static s32 size_of(const struct program *p)
{
    return p->type == IR_F32 || p->type == IR_I32 ? 4 : 8;
}

static u8 random_op(const struct program *p)
{
    static const u8 floats[] = {IR_FADD, IR_FSUB, IR_FMUL, IR_FMUL, IR_FDIV, IR_FSQRT};
    static const u8 ints[] = {IR_ADD, IR_SUB, IR_MUL, IR_AND, IR_OR,
                              IR_XOR, IR_SHL, IR_SHR, IR_SAR};
    return is_float(p) ? floats[pick(ARRAY_LEN(floats))] : ints[pick(ARRAY_LEN(ints))];
}

static void random_program(struct program *p)
{
    static const enum ir_type types[] = {IR_F64, IR_F64, IR_F32, IR_I32, IR_I64};
    memset(p, 0, sizeof(*p));
    p->type = types[pick(ARRAY_LEN(types))];
    p->to = (u8)(pick(2) ? 23 : 20 + pick(2));
    p->step = pick(4) ? size_of(p) : -size_of(p);
    p->disp = pick(2) ? 0 : (s32)(8 * pick(4)) - 8;
    p->early = pick(2);
    p->dead = pick(4) == 0;
    unsigned leaves = 2 + pick(2), ops = 1 + pick(4);
    for (unsigned n = 0; n < leaves; n++) {
        struct node leaf = {.op = IR_LOAD, .array = (u8)pick(2), .imm = size_of(p) * (s32)pick(3)};
        if (n != 0 && pick(3) == 0) {
            leaf.op = pick(2) ? IR_GET : IR_CONST;
        }
        p->nodes[p->node_count++] = leaf;
    }
    for (unsigned n = 0; n < ops; n++) {
        struct node node = {.op = random_op(p),
                            .a = (u8)pick(p->node_count),
                            .b = (u8)pick(p->node_count),
                            .imm = (s32)pick(64)};
        p->nodes[p->node_count++] = node;
    }
    p->kept[0] = pick(2) ? (u8)pick(p->node_count) : 0;
    p->kept[1] = pick(3) == 0 ? (u8)pick(p->node_count) : 0;
}

/* --- its trace --- */

static ir_ref plus(ir_ref base, s64 offset)
{
    return offset == 0 ? base
                       : ir_op2(rig->ir, IR_ADD, IR_I64, 0, base, ir_i64(rig->ir, (u64)offset));
}

static unsigned mem_of(const struct program *p)
{
    return size_of(p) == 8 ? IR_MEM_64 : IR_MEM_32 | (p->type == IR_I32 ? IR_MEM_SIGNED : 0u);
}

static ir_ref make_load(const struct program *p, const struct node *node)
{
    ir_ref address = plus(x(20u + node->array), node->imm);
    if (is_float(p)) {
        return ir_load(rig->ir, p->type, (u8)mem_of(p), address);
    }
    ir_ref value = ir_load(rig->ir, IR_I64, (u8)mem_of(p), address);
    return p->type == IR_I32 ? ir_op1(rig->ir, IR_TRUNC, IR_I32, 0, value) : value;
}

static ir_ref make_get(const struct program *p)
{
    switch (p->type) {
    case IR_F64: return ir_get(rig->ir, IR_F64, RIG_F(14), 8);
    case IR_F32:
        return ir_op1(rig->ir, IR_FUNBOX, IR_F32, 0, ir_get(rig->ir, IR_I64, RIG_F(14), 8));
    case IR_I32: return ir_op1(rig->ir, IR_TRUNC, IR_I32, 0, x(14));
    default: return x(14);
    }
}

/* The constant 1.5 or so, or a small integer. */
static ir_ref make_const(const struct program *p, s32 imm)
{
    u64 bits = p->type == IR_F64   ? 0x3ff8000000000000u + ((u64)imm << 40)
               : p->type == IR_F32 ? 0x3fc00000u + ((u64)imm << 8)
                                   : (u64)imm * 0x10001;
    return ir_const(rig->ir, p->type, bits);
}

static ir_ref make_op(const struct program *p, const struct node *node, ir_ref a, ir_ref b)
{
    ir_ref op;
    switch (node->op) {
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
        return ir_op2(rig->ir, node->op, p->type, 0, a,
                      ir_const(rig->ir, p->type, (u64)node->imm));
    case IR_FSQRT: op = ir_op1(rig->ir, node->op, p->type, 0, a); break;
    default: op = ir_op2(rig->ir, node->op, p->type, 0, a, b); break;
    }
    if (is_float(p)) {
        rig->ir->insns[op].imm = IR_ROUND_DYN;
    }
    return op;
}

static ir_ref make_node(const struct program *p, const struct node *node, const ir_ref *made)
{
    switch (node->op) {
    case IR_LOAD: return make_load(p, node);
    case IR_GET: return make_get(p);
    case IR_CONST: return make_const(p, node->imm);
    default: return make_op(p, node, made[node->a], made[node->b]);
    }
}

/* To register 12 + n. */
static void keep(const struct program *p, unsigned n, ir_ref value)
{
    switch (p->type) {
    case IR_F64: ir_set(rig->ir, RIG_F(12 + n), 8, value); break;
    case IR_F32:
        ir_set(rig->ir, RIG_F(12 + n), 8, ir_op1(rig->ir, IR_FBOX, IR_I64, 0, value));
        break;
    case IR_I32:
        ir_set(rig->ir, RIG_X(12 + n), 8, ir_op1(rig->ir, IR_SEXT, IR_I64, 32, value));
        break;
    default: ir_set(rig->ir, RIG_X(12 + n), 8, value); break;
    }
}

static void step(unsigned reg, s32 bytes)
{
    ir_set(rig->ir, RIG_X(reg), 8, plus(x(reg), bytes));
}

static void next(u32 *offset)
{
    ir_begin_insn(rig->ir, *offset, 4);
    *offset += 4;
}

static void make_round(const struct program *p, u32 *offset)
{
    ir_ref made[NODES_MAX], to = 0;
    if (p->early) {
        next(offset);
        to = plus(x(p->to), p->disp);
    }
    for (unsigned n = 0; n < p->node_count; n++) {
        next(offset);
        made[n] = make_node(p, &p->nodes[n], made);
        for (unsigned reg = 0; reg < 2; reg++) {
            if (p->kept[reg] == n && n != 0) {
                keep(p, reg, made[n]);
            }
        }
    }
    if (p->dead && p->type == IR_F64) {
        next(offset);
        ir_ref twice = ir_op1(rig->ir, IR_FCVT_FF, IR_F32, 0, made[0]);
        rig->ir->insns[twice].imm = IR_ROUND_DYN;
        ir_set(rig->ir, RIG_F(11), 8, ir_op1(rig->ir, IR_FBOX, IR_I64, 0, twice));
    }
    next(offset);
    ir_store(rig->ir, (u8)(size_of(p) == 8 ? IR_MEM_64 : IR_MEM_32),
             p->early ? to : plus(x(p->to), p->disp), made[p->node_count - 1]);
    next(offset);
    step(20, p->step);
    next(offset);
    step(21, p->step);
    if (p->to == 23) {
        next(offset);
        step(23, p->step);
    }
    next(offset);
    ir_exit_if(rig->ir, IR_EQ, x(20), x(22), 0x800);
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

/* Of moderate size, and now and then 0, infinite, a NaN of either kind, tiny. */
static u64 random_double(void)
{
    static const u64 special[] = {0,
                                  0x8000000000000000u,
                                  0x7ff0000000000000u,
                                  0xfff0000000000000u,
                                  0x7ff8000000000000u,
                                  0xfff8000000001234u,
                                  0x7ff0000000000001u,
                                  1,
                                  0x000fffffffffffffu,
                                  0x7fefffffffffffffu};
    if (pick(24) == 0) {
        return special[pick(ARRAY_LEN(special))];
    }
    pick(1);
    return (seed & 0x800fffffffffff00u) | (u64)(0x3f0 + pick(32)) << 52;
}

static u32 random_single(void)
{
    static const u32 special[] = {0,          0x80000000u, 0x7f800000u, 0x7fc00000u,
                                  0xffc00123u, 0x7f800001u, 1,           0x7f7fffffu};
    if (pick(24) == 0) {
        return special[pick(ARRAY_LEN(special))];
    }
    pick(1);
    return ((u32)seed & 0x807fffffu) | (0x70 + pick(32)) << 23;
}

static void fill(const struct program *p, struct rig_hart *hart)
{
    for (unsigned n = 0; n < RIG_RAM_BYTES; n += 8) {
        u64 bits = p->type == IR_F64   ? random_double()
                   : p->type == IR_F32 ? random_single() | (u64)random_single() << 32
                                       : seed + pick(1000);
        st_le64(hart->ram + n, bits);
    }
    for (unsigned n = 0; n < 32; n++) {
        hart->x[n] = seed * (2 * n + 1);
        hart->f[n] = p->type == IR_F64 ? random_double()
                                       : random_single() | 0xffffffff00000000u;
    }
}

static void compare(const struct program *p, const u8 *code, gva_t a, gva_t b, gva_t to,
                    unsigned rounds)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    rig_reset(rig);
    fill(p, host);
    host->x[20] = a;
    host->x[21] = b;
    host->x[22] = a + (u64)((s64)p->step * rounds);
    host->x[23] = to;
    host->vcpu.fpu_flags = pick(8) ? 0 : pick(32);
    host->vcpu.fpu_round = pick(4);
    host->vcpu.pc_page = RIG_PC_PAGE;
    host->vcpu.deadline = host->vcpu.insns + 2000;
    rig_copy(spare->hart[0], host);
    rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert_eq(host->vcpu.pc, interp->vcpu.pc, "pc %llx, not %llx; %u rounds, step %d, to x%u",
                 (unsigned long long)host->vcpu.pc, (unsigned long long)interp->vcpu.pc, rounds,
                 p->step, p->to);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "x%u is %llx, not %llx", n,
                     (unsigned long long)host->x[n], (unsigned long long)interp->x[n]);
        cr_assert_eq(host->f[n], interp->f[n], "f%u is %llx, not %llx", n,
                     (unsigned long long)host->f[n], (unsigned long long)interp->f[n]);
    }
    cr_assert_eq(host->vcpu.fpu_flags, interp->vcpu.fpu_flags);
    cr_assert_eq(memcmp(host->ram, interp->ram, RIG_RAM_BYTES), 0, "%u rounds from %llx, %llx",
                 rounds, (unsigned long long)a, (unsigned long long)to);
}

/* Starts within a page, and before its end; arrays far from each other, and not. */
static void compare_all(const struct program *p, const u8 *code)
{
    const gva_t middle = RIG_RAM_GVA + 4 * PAGE_BYTES + 1024;
    static const unsigned rounds[] = {8, 7, 9, 16, 20, 1};
    for (unsigned n = 0; n < ARRAY_LEN(rounds); n++) {
        gva_t size = (gva_t)size_of(p), near = middle + size * pick(24) - 12 * size;
        compare(p, code, middle, middle + 512, middle + 1024, rounds[n]);
        compare(p, code, middle, middle + size * pick(12), near, rounds[n]);
        compare(p, code, middle, near + 2 + pick(4), near, rounds[n]);
        compare(p, code, middle + 3072 - 40 * n, middle, middle + 300, rounds[n]);
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

Test(lanes_store, random_stores, .timeout = 120)
{
    rig_lanes_run(PROGRAMS, make_random, check_random);
}

/* --- bytes with two addresses --- */

/* x[i + 1] = x[i] + x[i + 512], where what is written has another guest address. */
static const struct program walk = {
    .type = IR_I64, .to = 23, .step = 8, .node_count = 3,
    .nodes = {{.op = IR_LOAD, .array = 0}, {.op = IR_LOAD, .array = 1}, {.op = IR_ADD, .b = 1}},
};

static void run_walk(const u8 *code, gva_t from, gva_t to, gva_t page, gva_t same_as)
{
    struct rig_hart *host = rig->hart[1];
    rig_reset(rig);
    for (unsigned n = 0; n < RIG_RAM_BYTES; n += 8) {
        st_le64(host->ram + n, n * 0x9e3779b97f4a7c15u);
    }
    rig_map(host, page, true, true, false);
    host->tlb[tlb_index(page)].addend += same_as - page;
    host->x[20] = from;
    host->x[21] = from + 512;
    host->x[22] = from + 16 * 8;
    host->x[23] = to;
    host->vcpu.pc_page = RIG_PC_PAGE;
    host->vcpu.deadline = host->vcpu.insns + 2000;
    rig->context.enter(&host->vcpu, code);
}

Test(lanes_store, second_address)
{
    static u8 ram[RIG_RAM_BYTES];
    const gva_t page = RIG_RAM_GVA + 4 * PAGE_BYTES, other = RIG_RAM_GVA + 64 * PAGE_BYTES;
    const u8 *code = compile(&walk, HOST_TRACE | HOST_STEADY | HOST_LONG | HOST_ONE_HART);
    cr_assert_not_null(code);
    cr_assert(rig_lanes_has_vectors(code));
    for (gva_t distance = 0; distance < 80; distance += 4) {
        run_walk(code, page + 64, page + 24 + distance, other, page);
        memcpy(ram, rig->hart[1]->ram, RIG_RAM_BYTES);
        run_walk(code, page + 64, other + 24 + distance, other, page);
        cr_assert_eq(memcmp(ram, rig->hart[1]->ram, RIG_RAM_BYTES), 0, "%llu bytes",
                     (unsigned long long)distance);
    }
}
