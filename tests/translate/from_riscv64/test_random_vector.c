/* Random vector instructions, run by metic and by qemu-riscv64 (user mode), from equal states.
 *
 * As test_random_insns.c, with these differences. A test begins with a random vtype and vl, and
 * sets others now and then. What is illegal or faults is skipped by a trap handler, which counts
 * it; so what is illegal must be so for both, and vstart must be the same after a fault. x30 and
 * x31 are no operands of the tests; x2, x8 and x9 point into the test's scratch memory, x5 to x7
 * hold small strides.
 *
 * Every row of the vector table must have run without a trap, and have done something.
 *
 * RANDOM_SEED and RANDOM_TESTS choose others; LONG asks for many more. */
#include "cpu/base/bits.h"
#include "cpu/riscv64/disasm.h"
#include "cpu/riscv64/vector.h"
#include "tests/support/riscv_program.h"
#include "tests/support/riscv_run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INSNS_PER_TEST = 12,
    V_OFFSET = 640, /* in a test's block: the vector registers, then these */
    VL_OFFSET = V_OFFSET + 32 * RISCV_MAX_VLENB,
    VTYPE_OFFSET = VL_OFFSET + 8,
    VCSR_OFFSET = VL_OFFSET + 16,
    VSTART_OFFSET = VL_OFFSET + 24,
    TRAPS_OFFSET = VL_OFFSET + 32,
    SCRATCH = 30,
};

struct run {
    struct riscv_program program;
    u32 test_offset[RISCV_TESTS], test_end[RISCV_TESTS];
    u64 vtype;               /* at this place of the program being made */
    struct riscv64_state *shadow; /* says what is legal */
    u64 insns, legal[RISCV_INSN_COUNT];
};

/* --- code --- */

enum {
    OP_LD = 0x3003, OP_SD = 0x3023, OP_ADDI = 0x13, OP_LUI = 0x37, OP_ADD = 0x33, OP_ECALL = 0x73,
    OP_BEQ = 0x63, OP_MRET = 0x30200073, OP_RET = 0x8067,
    OP_CSRRW = 0x1073, OP_CSRRS = 0x2073, OP_VSETVL = 0x80007057, OP_VSETVLI = 0x7057,
    OP_VL8RE8 = 0xe2800007, OP_VS8R = 0xe2800027,
    CSR_VSTART = 8, CSR_VCSR = 15, CSR_MEPC = 0x341, CSR_MCAUSE = 0x342, CSR_MSCRATCH = 0x340,
    CSR_VL = 0xc20, CSR_VTYPE = 0xc21,
};

static void emit(struct run *run, u32 word)
{
    riscv_emit(&run->program, word, 4);
}

static u32 stype(u32 base, u32 rs2, u32 rs1, u32 imm)
{
    return base | (imm & 31) << 7 | rs1 << 15 | rs2 << 20 | imm >> 5 << 25;
}

static u32 jump(u32 from, u32 to)
{
    u32 d = to - from;
    return 0x6f | (d & 0xff000) | (d >> 11 & 1) << 20 | (d >> 1 & 0x3ff) << 21 |
           (d >> 20 & 1) << 31;
}

/* Adds 1 and 16 times vstart, which then is 0: qemu does not survive loads whose vstart is not
 * below vl. `spare` may be changed. */
static void emit_count_trap(struct run *run, u32 spare)
{
    enum { OP_SLLI = 0x1013 };
    emit(run, riscv_itype(OP_LD, SCRATCH, RISCV_HOLDER, TRAPS_OFFSET));
    emit(run, riscv_itype(OP_ADDI, SCRATCH, SCRATCH, 1));
    emit(run, riscv_itype(OP_CSRRW, spare, 0, CSR_VSTART));
    emit(run, riscv_itype(OP_SLLI, spare, spare, 4));
    emit(run, OP_ADD | (u32)SCRATCH << 7 | (u32)SCRATCH << 15 | spare << 20);
    emit(run, stype(OP_SD, SCRATCH, RISCV_HOLDER, TRAPS_OFFSET));
}

/* On a bare machine: an ecall ends the program, everything else is skipped. */
static void emit_machine_handler(struct run *run)
{
    emit(run, riscv_itype(OP_CSRRW, 0, 1, CSR_MSCRATCH));
    emit(run, riscv_itype(OP_CSRRS, SCRATCH, 0, CSR_MCAUSE));
    emit(run, riscv_itype(OP_ADDI, 1, 0, RISCV_CAUSE_ECALL_M));
    emit(run, stype(OP_BEQ, 1, SCRATCH, 0)); /* to itself */
    emit_count_trap(run, 1);
    emit(run, riscv_itype(OP_CSRRS, SCRATCH, 0, CSR_MEPC));
    emit(run, riscv_itype(OP_ADDI, SCRATCH, SCRATCH, 4));
    emit(run, riscv_itype(OP_CSRRW, 0, SCRATCH, CSR_MEPC));
    emit(run, riscv_itype(OP_CSRRS, 1, 0, CSR_MSCRATCH));
    emit(run, OP_MRET);
}

/* Under Linux: a signal handler, whose third argument has the registers. */
static u32 emit_signal_handler(struct run *run)
{
    enum { PC_IN_CONTEXT = 176, HOLDER_IN_CONTEXT = PC_IN_CONTEXT + 8 * RISCV_HOLDER };
    u32 at = run->program.code_bytes;
    emit(run, riscv_itype(OP_LD, RISCV_HOLDER, 12, HOLDER_IN_CONTEXT));
    emit_count_trap(run, 5);
    emit(run, riscv_itype(OP_LD, SCRATCH, 12, PC_IN_CONTEXT));
    emit(run, riscv_itype(OP_ADDI, SCRATCH, SCRATCH, 4));
    emit(run, stype(OP_SD, SCRATCH, 12, PC_IN_CONTEXT));
    emit(run, OP_RET);
    return at;
}

static void emit_syscall(struct run *run, u32 number)
{
    emit(run, riscv_itype(OP_ADDI, 17, 0, number));
    emit(run, OP_ECALL);
}

/* Signals come on a stack of their own, below the one there is: the tests' sp points elsewhere. */
static void emit_signal_stack(struct run *run)
{
    enum { SIGALTSTACK = 132, STACK_BYTES = 1 << 16, OP_SUB = 0x40000033 };
    emit(run, riscv_itype(OP_ADDI, 2, 2, -48u & 0xfff));
    emit(run, OP_LUI | 5u << 7 | STACK_BYTES);
    emit(run, OP_SUB | 6u << 7 | 2u << 15 | 5u << 20);
    emit(run, stype(OP_SD, 6, 2, 0));
    emit(run, stype(OP_SD, 0, 2, 8));
    emit(run, stype(OP_SD, 5, 2, 16));
    emit(run, riscv_itype(OP_ADDI, 10, 2, 0));
    emit(run, riscv_itype(OP_ADDI, 11, 0, 0));
    emit_syscall(run, SIGALTSTACK);
}

/* rt_sigaction for SIGILL, SIGBUS and SIGSEGV. */
static void emit_sigactions(struct run *run, u32 handler)
{
    enum { RT_SIGACTION = 134, ACTION_BYTES = 24, SA_ON_STACK = 0x08000000 };
    static const u8 signals[] = {4, 7, 11};
    struct riscv_program *p = &run->program;
    u32 action = p->code_bytes;
    memset(p->code + action, 0, ACTION_BYTES);
    st_le64(p->code + action, RISCV_CODE_BASE + handler);
    st_le64(p->code + action + 8, SA_ON_STACK);
    p->code_bytes += ACTION_BYTES;
    p->qemu_entry = p->code_bytes;
    emit_signal_stack(run);
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        emit(run, riscv_itype(OP_ADDI, 10, 0, signals[i]));
        emit(run, OP_LUI | 11u << 7 | RISCV_CODE_BASE);
        emit(run, riscv_itype(OP_ADDI, 11, 11, action));
        emit(run, riscv_itype(OP_ADDI, 12, 0, 0));
        emit(run, riscv_itype(OP_ADDI, 13, 0, 8));
        emit_syscall(run, RT_SIGACTION);
    }
}

static void emit_start(struct run *run)
{
    struct riscv_program *p = &run->program;
    p->code_bytes = 0;
    emit(run, jump(0, 8));
    emit(run, 0);
    emit_machine_handler(run);
    u32 handler = emit_signal_handler(run);
    emit_sigactions(run, handler);
    st_le32(p->code + 4, jump(4, p->code_bytes));
    emit(run, OP_LUI | (u32)RISCV_HOLDER << 7 | RISCV_DATA_BASE);
}

static void emit_address(struct run *run, u32 offset)
{
    emit(run, riscv_itype(OP_ADDI, SCRATCH, RISCV_HOLDER, offset));
}

/* Made here, not loaded: a scattering store of another test may have hit this one's block. */
static void emit_pointers(struct run *run)
{
    static const u8 pointers[] = {8, 9, 2};
    emit(run, OP_LUI | 8u << 7 | 0x2000);
    emit(run, riscv_itype(OP_ADDI, 8, 8, -2048u & 0xfff));
    emit(run, OP_ADD | 8u << 7 | 8u << 15 | (u32)RISCV_HOLDER << 20);
    for (unsigned i = 1; i < ARRAY_LEN(pointers); i++) {
        emit(run, riscv_itype(OP_ADDI, pointers[i], 8, riscv_random_below(&run->program, 64)));
    }
}

static void emit_load_vectors(struct run *run)
{
    unsigned group_bytes = 8 * run->program.vlenb;
    for (unsigned i = 0; i < 4; i++) {
        emit_address(run, V_OFFSET + i * group_bytes);
        emit(run, OP_VL8RE8 | 8 * i << 7 | (u32)SCRATCH << 15);
    }
    emit(run, riscv_itype(OP_LD, SCRATCH, RISCV_HOLDER, VCSR_OFFSET));
    emit(run, riscv_itype(OP_CSRRW, 0, SCRATCH, CSR_VCSR));
    emit(run, riscv_itype(OP_CSRRW, 0, 0, CSR_VSTART));
    riscv_emit_load_state(&run->program);
    emit_pointers(run);
}

static void emit_store_csr(struct run *run, u32 csr, u32 offset)
{
    emit(run, riscv_itype(OP_CSRRS, SCRATCH, 0, csr));
    emit(run, stype(OP_SD, SCRATCH, RISCV_HOLDER, offset));
}

static void emit_store_vectors(struct run *run)
{
    unsigned group_bytes = 8 * run->program.vlenb;
    emit_store_csr(run, CSR_VL, VL_OFFSET);
    emit_store_csr(run, CSR_VTYPE, VTYPE_OFFSET);
    emit_store_csr(run, CSR_VCSR, VCSR_OFFSET);
    emit_store_csr(run, CSR_VSTART, VSTART_OFFSET);
    emit(run, riscv_itype(OP_CSRRW, 0, 0, CSR_VSTART));
    for (unsigned i = 0; i < 4; i++) {
        emit_address(run, V_OFFSET + i * group_bytes);
        emit(run, OP_VS8R | 8 * i << 7 | (u32)SCRATCH << 15);
    }
    riscv_emit_store_state(&run->program);
}

/* --- random instructions --- */

static bool is_kept(unsigned number)
{
    return riscv_is_pointer(number) || (number >= 5 && number <= 7) || number >= SCRATCH;
}

/* Most register groups that instructions name should be aligned ones. */
static u32 align_fields(struct run *run, u32 word)
{
    u32 keep = riscv_random_below(&run->program, 8);
    u32 low = keep < 2 ? 0 : keep < 4 ? 1 : keep < 6 ? 3 : 7;
    return word & ~(low << 7 | low << 15 | low << 20);
}

static bool operands_ok(const struct riscv_insn *insn)
{
    const char *assembly = riscv64_insn_set()->rows[insn->id].assembly;
    bool x_rs1 = strstr(assembly, "rs1") != NULL, x_rs2 = strstr(assembly, "rs2") != NULL;
    if (insn->flags & RV_X_RESULT && is_kept(insn->rd)) {
        return false;
    }
    if (insn->flags & RV_MEMORY) {
        return riscv_is_pointer(insn->rs1) && (!x_rs2 || (insn->rs2 >= 5 && insn->rs2 <= 7));
    }
    return (!x_rs1 || insn->rs1 < SCRATCH) && (!x_rs2 || insn->rs2 < SCRATCH);
}

static bool no_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    (void)vcpu;
    (void)gva;
    (void)size_bytes;
    *value = 0;
    return true;
}

static bool no_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    (void)vcpu;
    (void)gva;
    (void)size_bytes;
    (void)value;
    return true;
}

static bool is_legal(struct run *run, const struct riscv_insn *insn)
{
    struct riscv64_state *state = run->shadow;
    static const struct vcpu_ops ops = {.load = no_load, .store = no_store};
    state->vcpu.ops = &ops;
    state->vcpu.exception_pending = 0;
    state->vlenb = (u8)run->program.vlenb;
    riscv64_vector_set(state, 1, run->vtype);
    riscv64_vector_execute(state, insn->word, insn->id, 0, 0);
    return !state->vcpu.exception_pending;
}

static void emit_set(struct run *run)
{
    struct riscv_program *p = &run->program;
    u32 vtype = riscv_random_below(p, 32) | riscv_random_below(p, 4) << 6;
    u32 rd = 10 + riscv_random_below(p, 16), rs1 = riscv_random_below(p, 3) ? rd : 0;
    if (riscv_random_below(p, 20) == 0) {
        vtype = riscv_random_below(p, 2048);
    }
    if (riscv_random_below(p, 3) != 0) { /* a length around what fits */
        emit(run, riscv_itype(OP_ADDI, rd, 0, riscv_random_below(p, 3u * p->vlenb)));
    }
    if (riscv_random_below(p, 4) == 0) {
        emit(run, 0xc0007057 | rd << 7 | riscv_random_below(p, 32) << 15 | (vtype & 1023) << 20);
        vtype &= 1023;
    } else if (riscv_random_below(p, 4) == 0) {
        emit(run, riscv_itype(OP_ADDI, 29, 0, vtype));
        emit(run, OP_VSETVL | rd << 7 | rs1 << 15 | 29u << 20);
    } else {
        emit(run, OP_VSETVLI | rd << 7 | rs1 << 15 | vtype << 20);
    }
    run->vtype = riscv64_vector_legal_vtype(vtype, p->vlenb);
}

/* Loads and stores go where the tests' memory is. */
static u32 set_address(struct run *run, const struct insn_row *row, u32 word)
{
    static const u8 pointers[] = {2, 8, 9};
    if ((row->flags & RV_MEMORY) == 0) {
        return word;
    }
    word = (word & ~(31u << 15)) | (u32)pointers[riscv_random_below(&run->program, 3)] << 15;
    if (strstr(row->assembly, "rs2") != NULL) {
        word = (word & ~(31u << 20)) | (5 + riscv_random_below(&run->program, 3)) << 20;
    }
    return word;
}

/* Of two rows, the one that ran less often: all are to run. */
static unsigned seldom_row(struct run *run)
{
    enum { FIRST = RISCV_INSN_vsetvl + 1 };
    unsigned a = FIRST + riscv_random_below(&run->program, RISCV_INSN_COUNT - FIRST);
    unsigned b = FIRST + riscv_random_below(&run->program, RISCV_INSN_COUNT - FIRST);
    return run->legal[a] < run->legal[b] ? a : b;
}

static void emit_vector(struct run *run, bool memory_too)
{
    struct riscv_program *p = &run->program;
    const struct insn_set *set = riscv64_insn_set();
    for (unsigned tries = 0; tries < 200; tries++) {
        unsigned row = seldom_row(run);
        u32 mask, match;
        u8 bytes[4];
        struct riscv_insn insn;
        insn_parse_pattern(set->rows[row].pattern, &mask, &match);
        u32 word = match | (align_fields(run, (u32)riscv_random_u64(p)) & ~mask);
        word = set_address(run, &set->rows[row], word);
        st_le32(bytes, word);
        riscv64_decode(bytes, 4, &insn);
        if (insn.id != row || !operands_ok(&insn) ||
            (insn.flags & RV_MEMORY && !memory_too)) {
            continue;
        }
        bool legal = is_legal(run, &insn);
        if (legal || riscv_random_below(p, 40) == 0) {
            emit(run, word);
            run->legal[row] += legal;
            run->insns++;
            return;
        }
    }
}

static void fill_block(struct run *run, unsigned test)
{
    struct riscv_program *p = &run->program;
    u8 *block = p->data + (size_t)test * RISCV_BLOCK_BYTES;
    memset(block, 0, RISCV_BLOCK_BYTES);
    for (unsigned i = 1; i < RISCV_HOLDER; i++) {
        u64 stride = (u64)riscv_random_below(p, 15) - 7;
        st_le64(block + 8 * i, is_kept(i) ? stride : riscv_random_int(p));
    }
    for (unsigned i = 0; i < 32; i++) {
        st_le64(block + RISCV_F_OFFSET + 8 * i, riscv_random_float(p));
    }
    st_le64(block + RISCV_FCSR_OFFSET, riscv_random_below(p, 32) | riscv_random_below(p, 5) << 5);
    st_le64(block + VCSR_OFFSET, riscv_random_below(p, 8));
    for (unsigned i = V_OFFSET; i < VL_OFFSET; i += 8) {
        u64 singles = (riscv_random_float(p) & 0xffffffff) << 32 | (u32)riscv_random_float(p);
        st_le64(block + i, riscv_random_below(p, 3) == 0   ? riscv_random_float(p)
                           : riscv_random_below(p, 2) == 0 ? singles
                                                           : riscv_random_int(p));
    }
    for (unsigned i = RISCV_SCRATCH_OFFSET; i < RISCV_BLOCK_BYTES; i += 8) {
        st_le64(block + i, riscv_random_int(p));
    }
}

static void make_program(void *opaque)
{
    struct run *run = opaque;
    struct riscv_program *p = &run->program;
    emit_start(run);
    for (unsigned test = 0; test < RISCV_TESTS; test++) {
        fill_block(run, test);
        emit_load_vectors(run);
        run->test_offset[test] = p->code_bytes;
        emit_set(run);
        for (unsigned i = 0; i < INSNS_PER_TEST; i++) {
            bool middle = riscv_random_below(p, 40) == 0;
            if (middle) {
                emit(run, 0x5073 | riscv_random_below(p, 8) << 15 | (u32)CSR_VSTART << 20);
            } else if (riscv_random_below(p, 8) == 0) {
                emit_set(run);
            }
            emit_vector(run, !middle);
        }
        run->test_end[test] = p->code_bytes;
        emit_store_vectors(run);
    }
    riscv_emit_finish(p);
    cr_assert(p->code_bytes < RISCV_CODE_BYTES);
}

/* --- comparing --- */

static void print_test(const struct run *run, unsigned test)
{
    const struct riscv_program *p = &run->program;
    char text[100];
    for (u32 at = run->test_offset[test]; at < run->test_end[test]; at += 4) {
        riscv64_disassemble(RISCV_CODE_BASE + at, p->code + at, 4, text, sizeof(text));
        printf("    %08x  %s\n", RISCV_CODE_BASE + at, text);
    }
}

static unsigned compare(const void *opaque, const u8 *metic, const u8 *qemu)
{
    const struct run *run = opaque;
    unsigned differing = 0;
    for (unsigned test = 0; test < RISCV_TESTS; test++) {
        size_t block = (size_t)test * RISCV_BLOCK_BYTES;
        if (memcmp(metic + block, qemu + block, RISCV_BLOCK_BYTES) == 0 || ++differing > 3) {
            continue;
        }
        printf("  test %u, VLEN %u:\n", test, 8 * run->program.vlenb);
        print_test(run, test);
        unsigned shown = 0;
        for (unsigned at = 0; at < RISCV_BLOCK_BYTES && shown < 12; at += 8) {
            size_t word = block + at;
            if (memcmp(metic + word, qemu + word, 8) != 0) {
                bool is_v = at >= V_OFFSET && at < VL_OFFSET;
                printf("    %s %u.%u was %016llx: metic %016llx, qemu %016llx\n",
                       is_v ? "v" : "word",
                       is_v ? (at - V_OFFSET) / run->program.vlenb : at,
                       is_v ? (at - V_OFFSET) % run->program.vlenb : 0,
                       (unsigned long long)ld_le64(run->program.data + word),
                       (unsigned long long)ld_le64(metic + word),
                       (unsigned long long)ld_le64(qemu + word));
                shown++;
            }
        }
    }
    return differing;
}

/* --- runs --- */

static void every_row_ran(const struct run *run)
{
    for (unsigned row = RISCV_INSN_vsetvl + 1; row < RISCV_INSN_COUNT; row++) {
        cr_expect(run->legal[row] > 0, "%s never ran", riscv64_insn_set()->rows[row].name);
    }
}

/* Which processor's instructions the host may use. */
enum { AVX512 = 0, AVX2 = HOST_FEATURE_ALL & ~HOST_FEATURE_AVX512 };
#define PLAIN HOST_FEATURE_NONE

static void run_random(enum engine_kind kind, u32 host_features, unsigned vlenb, u64 tests)
{
    struct run *run = calloc(1, sizeof(*run));
    cr_assert(run != NULL);
    run->shadow = aligned_alloc(64, sizeof(*run->shadow));
    cr_assert(run->shadow != NULL);
    memset(run->shadow, 0, sizeof(*run->shadow));
    u64 seed = riscv_run_setting("RANDOM_SEED", 1);
    run->program.seed = seed * 0x9e3779b97f4a7c15u + vlenb;
    run->program.vlenb = vlenb;
    struct riscv_runs runs = {.program = &run->program, .kind = kind,
                              .host_features = host_features,
                              .tests = riscv_run_setting("RANDOM_TESTS", tests),
                              .name = "random_vector", .make = make_program, .compare = compare,
                              .opaque = run};
    unsigned differing = riscv_run_programs(&runs);
    printf("VLEN %u %8llu instructions, %s%s, RANDOM_SEED=%llu: %s\n", 8 * vlenb,
           (unsigned long long)run->insns, kind == ENGINE_JIT ? "jit" : "interp",
           host_features == 0 ? "" : host_features == AVX2 ? " without AVX-512" : " without AVX",
           (unsigned long long)seed, differing == 0 ? "equal" : "DIFFERENT");
    if (run->insns > 8000) {
        every_row_ran(run);
    }
    free(run->shadow);
    free(run);
    cr_assert_eq(differing, 0, "RANDOM_SEED=%llu: %u of %u tests differ", (unsigned long long)seed,
                 differing, RISCV_TESTS);
}

static u64 many(void)
{
    return getenv("LONG") != NULL ? 100000 : 2000;
}

Test(random_vector, jit_128)
{
    run_random(ENGINE_JIT, AVX512, 16, many());
}

Test(random_vector, jit_256)
{
    run_random(ENGINE_JIT, AVX512, 32, many());
}

Test(random_vector, jit_avx2_128)
{
    run_random(ENGINE_JIT, AVX2, 16, many() / 2);
}

Test(random_vector, jit_avx2_256)
{
    run_random(ENGINE_JIT, AVX2, 32, many() / 2);
}

Test(random_vector, jit_plain)
{
    run_random(ENGINE_JIT, PLAIN, 16, many() / 2);
}

Test(random_vector, interp_128)
{
    run_random(ENGINE_INTERP, AVX512, 16, many() / 2);
}

Test(random_vector, interp_256)
{
    run_random(ENGINE_INTERP, AVX512, 32, many() / 2);
}
