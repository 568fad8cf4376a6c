/* Random blocks over all IR operations: the interpreter and the host code must end in equal states.
 * A failure prints the seed, the IR and the host code; RANDOM_SEED and RANDOM_BLOCKS in the
 * environment choose others. */
#include "tests/support/random_block.h"

static void random_state_of(struct rig_hart *hart, bool host_rounding)
{
    hart->vcpu.insns = 1000;
    hart->vcpu.deadline = below(4) == 0 ? 995 + below(40) : 1000 + 200;
    hart->vcpu.irq_hint = below(4) == 0;
    hart->vcpu.fpu_flags = below(32);
    hart->vcpu.fpu_round = below(host_rounding ? 4 : 5);
    hart->device = rnd();
    for (unsigned n = 0; n < 32; n++) {
        hart->x[n] = random_int();
        hart->f[n] = n < 8 || below(8) == 0 ? random_f64() : 0xffffffff00000000u | random_f32();
    }
    hart->x[RANDOM_BLOCK_TABLE] = RIG_RAM_GVA + below(RIG_RAM_BYTES);
    for (unsigned n = 0; n < sizeof(hart->small); n++) {
        hart->small[n] = (u8)rnd();
    }
    for (unsigned n = 0; n < RIG_RAM_BYTES; n += 8) {
        st_le64(hart->ram + n, n % 64 == 0 ? random_f64() : random_int());
    }
}

static void random_tlb(struct rig_hart *hart)
{
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        unsigned kind = below(8);
        rig_map(hart, RIG_RAM_GVA + n * PAGE_BYTES, kind != 0, kind > 1, kind == 2);
    }
}

/* None, or some of the RAM, from anywhere on. */
static struct tlb_span random_span(const struct rig_hart *hart)
{
    u64 first = RIG_RAM_GVA + TLB_SPAN_MARGIN + below(RIG_RAM_BYTES / 2);
    u64 bytes = below(3) == 0 ? 0 : below(RIG_RAM_BYTES / 2 - 2 * TLB_SPAN_MARGIN);
    return (struct tlb_span){first, bytes, (u64)(uintptr_t)hart->ram - RIG_RAM_GVA};
}

static bool same_bytes(const char *what, const void *a, const void *b, size_t bytes)
{
    const u64 *x = a;
    const u64 *y = b;
    bool same = true;
    for (size_t n = 0; n < bytes / 8; n++) {
        if (x[n] != y[n] && same) {
            printf("%s[%zu]: interpreter %016llx, host code %016llx\n", what, n,
                   (unsigned long long)x[n], (unsigned long long)y[n]);
            same = false;
        }
    }
    return same;
}

static bool same_number(const char *what, u64 a, u64 b)
{
    if (a != b) {
        printf("%s: interpreter %llx, host code %llx\n", what, (unsigned long long)a,
               (unsigned long long)b);
    }
    return a == b;
}

/* Host code may find the deadline at more places than the interpreter does, and indirect or
 * leaving jumps go through the same cache. */
static bool same_exit(const struct vcpu *vcpu, enum ir_exit interp, enum ir_exit host)
{
    if (host == IR_EXIT_POLL && interp != IR_EXIT_RAISED) {
        return interp == IR_EXIT_POLL || vcpu->insns >= vcpu->deadline;
    }
    return interp == host || (interp == IR_EXIT_LEAVE && host == IR_EXIT_IND);
}

static bool compare(const struct rig *rig, enum ir_exit interp, enum ir_exit host)
{
    const struct rig_hart *x = rig->hart[0];
    const struct rig_hart *y = rig->hart[1];
    bool same = same_exit(&y->vcpu, interp, host);
    if (!same) {
        printf("exit: interpreter %d, host code %d\n", interp, host);
    }
    same &= same_number("pc", x->vcpu.pc, y->vcpu.pc);
    same &= same_number("insns", x->vcpu.insns, y->vcpu.insns);
    same &= same_number("flags", x->vcpu.fpu_flags, y->vcpu.fpu_flags);
    same &= same_number("round", x->vcpu.fpu_round, y->vcpu.fpu_round);
    same &= same_number("pending", x->vcpu.exception_pending, y->vcpu.exception_pending);
    if (x->vcpu.exception_pending) {
        same &= same_number("cause", x->vcpu.exception_cause, y->vcpu.exception_cause);
        same &= same_number("value", x->vcpu.exception_value, y->vcpu.exception_value);
    }
    same &= same_number("device", x->device, y->device);
    same &= same_bytes("x", x->x, y->x, sizeof(x->x));
    same &= same_bytes("f", x->f, y->f, sizeof(x->f));
    same &= same_bytes("small", x->small, y->small, sizeof(x->small));
    same &= same_bytes("ram", x->ram, y->ram, RIG_RAM_BYTES);
    return same;
}

static void print_failure(const struct rig *rig, u64 seed, const u8 *code)
{
    char text[256];
    for (unsigned n = 0; n < rig->ir->count; n++) {
        if (!rig->ir->insns[n].dead) {
            ir_print_insn(rig->ir, n, text, sizeof(text));
            printf("  %s\n", text);
        }
    }
    rig_disassemble(rig, code, rig->result.code_bytes);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
}

/* A block that jumps to its own start goes round until the deadline. */
static enum ir_exit interpret(struct rig *rig)
{
    struct vcpu *vcpu = &rig->hart[0]->vcpu;
    enum ir_exit exit;
    u64 before;
    do {
        before = vcpu->insns;
        exit = ir_interp_run(rig->ir->insns, rig->ir->count, vcpu);
    } while (exit == IR_EXIT_JUMP && vcpu->pc == RIG_PC_PAGE + 0x100 && vcpu->insns != before &&
             vcpu->insns < vcpu->deadline);
    return exit;
}

/* Whether the block could be a trace: those call nothing. */
static bool may_be_trace(const struct ir *ir)
{
    for (unsigned i = 0; i < ir->count; i++) {
        if (ir->insns[i].op == IR_CALL || ir->insns[i].op == IR_LOOK) {
            return false;
        }
    }
    return true;
}

/* The last instruction does something and is not retired. */
static bool is_cut(const struct ir *ir)
{
    return ir->insns[ir->count - 1].op == IR_JUMP_NEXT;
}

/* A trace may leave before an access that the TLB does not serve (hoist.c). */
static bool left_early(const struct rig *rig, enum ir_exit interp, enum ir_exit host)
{
    const struct vcpu *reference = &rig->hart[0]->vcpu, *vcpu = &rig->hart[1]->vcpu;
    return (host == IR_EXIT_IND || host == IR_EXIT_POLL) &&
           (vcpu->insns < reference->insns ||
            (vcpu->insns == reference->insns &&
             (interp == IR_EXIT_RAISED || (is_cut(rig->ir) && vcpu->pc != reference->pc))));
}

/* Whether hart 1 left before an access in a block that takes retired instructions back: their
 * number does not say then how far it came. */
static bool left_somewhere(const struct rig *rig, enum ir_exit host)
{
    u64 offset = rig->hart[1]->vcpu.pc - RIG_PC_PAGE;
    bool inside = false, accesses = false, takes_back = false;
    for (unsigned i = 0; i < rig->ir->count; i++) {
        const struct ir_insn *insn = &rig->ir->insns[i];
        inside = insn->op == IR_INSN ? insn->imm == offset : inside;
        accesses |= inside && insn->op == IR_TLB_CHECK;
        takes_back |= insn->op == IR_UNRETIRE;
    }
    return (host == IR_EXIT_IND || host == IR_EXIT_POLL) && accesses && takes_back;
}

/* Whether what hart 1 left before can be done again from its start: no guest's instruction has two
 * accesses, or one and floating-point flags, but those of random blocks may. */
static bool left_before_plain(const struct rig *rig)
{
    u64 offset = rig->hart[1]->vcpu.pc - RIG_PC_PAGE;
    unsigned effects = 0;
    bool inside = false;
    for (unsigned i = 0; i < rig->ir->count; i++) {
        const struct ir_insn *insn = &rig->ir->insns[i];
        if (insn->op == IR_INSN) {
            inside = insn->imm == offset;
        }
        unsigned props = ir_op_info[insn->op].props;
        bool access = (props & (IR_R | IR_W)) && insn->op != IR_TLB_CHECK;
        effects += inside && !insn->dead && (access || (props & IR_E));
    }
    return effects <= 1;
}

static bool run_one(struct rig *rig, struct rig *spare, u64 seed)
{
    rnd_seed(seed);
    bool host_rounding = below(4) != 0;
    u32 flags = (below(2) ? (u32)HOST_ONE_HART : 0) | (below(2) ? (u32)HOST_LINEAR : 0) |
                (host_rounding ? (u32)HOST_DYN_ROUNDING : 0);
    rig_reset(rig);
    random_block(rig, host_rounding);
    bool trace = below(2) && may_be_trace(rig->ir);
    flags |= trace ? (u32)HOST_TRACE : 0;
    flags |= !trace ? 0 : below(2) ? (u32)HOST_OPEN : below(2) ? (u32)HOST_STEADY : 0;
    flags |= flags & HOST_STEADY && below(2) ? (u32)HOST_LONG : 0;
    random_state_of(rig->hart[0], host_rounding);
    rig_copy(rig->hart[1], rig->hart[0]);
    rig_copy(spare->hart[0], rig->hart[0]);
    random_tlb(rig->hart[1]);
    rig->hart[1]->vcpu.span = random_span(rig->hart[1]);
    rig->hart[1]->vcpu.write_span = random_span(rig->hart[1]);
    enum host_status status;
    const u8 *code = rig_compile(rig, flags, &status);
    if (status != HOST_OK) {
        print_failure(rig, seed, rig->exec);
    }
    cr_assert_eq(status, HOST_OK, "seed %llu", (unsigned long long)seed);
    if (getenv("RANDOM_PRINT")) {
        print_failure(rig, seed, code);
    }
    enum ir_exit interp = interpret(rig);
    enum ir_exit host = rig->context.enter(&rig->hart[1]->vcpu, code);
    if (trace && left_somewhere(rig, host)) {
        return true;
    }
    if (trace && left_early(rig, interp, host)) {
        if (!left_before_plain(rig)) {
            return true;
        }
        rig_interpret_until(rig, spare->hart[0], rig->hart[1]->vcpu.insns);
        interp = host;
    }
    if (compare(rig, interp, host)) {
        return true;
    }
    print_failure(rig, seed, code);
    return false;
}

static u64 number_from_env(const char *name, u64 otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void run_many(u32 features, u64 first_seed, u64 blocks)
{
    if (host_find() == NULL) {
        cr_skip_test("no backend for this host");
    }
    first_seed = number_from_env("RANDOM_SEED", first_seed);
    blocks = number_from_env("RANDOM_BLOCKS", blocks);
    struct rig *rig = rig_new(features);
    struct rig *spare = rig_new(features);
    for (u64 n = 0; n < blocks; n++) {
        u64 seed = first_seed + n;
        cr_assert(run_one(rig, spare, seed), "seed %llu", (unsigned long long)seed);
    }
    rig_free(spare);
    rig_free(rig);
}

Test(random, all_features)
{
    run_many(HOST_FEATURE_ALL, 1, 30000);
}

Test(random, plain_x86_64)
{
    run_many(0, 1000000, 30000);
}
