/* Random instructions, run by metic and by qemu-riscv64 (user mode), from equal states.
 *
 * A test is a dozen random instructions of a class, a thousand tests are a program (see
 * tests/support/riscv_program.h). Afterwards all memory must be equal, byte for byte. In the class
 * that accesses memory, sp, s0 and s1 point into the middle of the test's scratch memory and are
 * never written.
 *
 * Each extension has programs of its own, too, three quarters of them its instructions.
 *
 * RANDOM_SEED and RANDOM_TESTS in the environment choose others; LONG asks for a million
 * instructions of each class and extension. */
#include "cpu/base/bits.h"
#include "cpu/riscv64/disasm.h"
#include "tests/support/riscv_program.h"
#include "tests/support/riscv_run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INSNS_PER_TEST = 12 };

struct run {
    struct riscv_program program;
    u32 test_offset[RISCV_TESTS]; /* of the random part in code */
    u32 test_end[RISCV_TESTS];
    enum riscv_class class;
    const char *extension; /* most instructions are of it; NULL: of any */
    u64 extension_insns;   /* of it, so far */
};

/* --- making programs --- */

static void emit_random(struct riscv_program *p, enum riscv_class class, bool keep_pointers)
{
    struct riscv_insn insn = riscv_random_insn(p, class, keep_pointers);
    riscv_emit(p, insn.word, insn.length_bytes);
}

/* lr, up to three register instructions (now and then a load, so that it is no simple loop), sc. */
static void emit_lr_sc(struct riscv_program *p)
{
    static const u8 pointers[] = {2, 8, 9};
    u32 width = 2 + riscv_random_below(p, 2), address = pointers[riscv_random_below(p, 3)];
    u32 common = 0x2f | width << 12 | address << 15 | riscv_random_below(p, 4) << 25;
    riscv_emit(p, common | 2u << 27 | 10u << 7, 4);
    if (riscv_random_below(p, 4) == 0) {
        riscv_emit(p, riscv_itype(0x3003, 11, 2, 8), 4); /* ld a1,8(sp) */
    }
    for (unsigned i = riscv_random_below(p, 4); i > 0; i--) {
        emit_random(p, RISCV_CLASS_INT, true);
    }
    riscv_emit(p, common | 3u << 27 | 12u << 7 | 10u << 20, 4);
}

/* Makes the branch at `at` reach `distance` bytes forward: puts the bits where its format takes
 * them from. */
static void emit_branch_over(struct riscv_program *p, u32 at, u32 distance)
{
    struct riscv_insn insn;
    const struct insn_set *set = riscv64_insn_set();
    riscv64_decode(p->code + at, 4, &insn);
    const struct insn_format *format = &set->formats[set->rows[insn.id].format];
    u32 word = insn.word;
    for (unsigned i = 0; i < format->piece_count; i++) {
        const struct insn_piece *piece = &format->pieces[i];
        if (piece->operand == RISCV_OPERAND_IMM) {
            u32 field = (1u << piece->len) - 1;
            word &= ~(field << piece->lo);
            word |= (distance >> piece->to & field) << piece->lo;
        }
    }
    st_le(p->code + at, word, insn.length_bytes);
}

static void emit_branch(struct riscv_program *p)
{
    u32 at = p->code_bytes;
    emit_random(p, RISCV_CLASS_BRANCH, false);
    for (unsigned i = 1 + riscv_random_below(p, 3); i > 0; i--) {
        emit_random(p, RISCV_CLASS_INT, false);
    }
    emit_branch_over(p, at, p->code_bytes - at);
}

static void emit_test_insn(struct riscv_program *p, enum riscv_class class)
{
    bool keep_pointers = class == RISCV_CLASS_MEMORY;
    if (class == RISCV_CLASS_MEMORY && riscv_random_below(p, 8) == 0) {
        emit_lr_sc(p);
    } else if (class == RISCV_CLASS_BRANCH) {
        emit_branch(p);
    } else if (class != RISCV_CLASS_INT && riscv_random_below(p, 4) == 0) {
        emit_random(p, RISCV_CLASS_INT, keep_pointers);
    } else {
        emit_random(p, class, keep_pointers);
    }
}

static void emit_of_extension(struct run *run)
{
    const struct insn_set *set = riscv64_insn_set();
    bool any_class = strncmp(run->extension, "Zicbo", 5) == 0;
    struct riscv_insn insn;
    for (;;) {
        unsigned row = riscv_random_below(&run->program, set->row_count);
        if (strcmp(set->rows[row].extension, run->extension) == 0 &&
            (any_class || riscv_row_in_class(&set->rows[row], run->class)) &&
            riscv_random_word(&run->program, row, run->class == RISCV_CLASS_MEMORY, &insn)) {
            break;
        }
    }
    riscv_emit(&run->program, insn.word, insn.length_bytes);
    run->extension_insns++;
}

static void emit_one(struct run *run)
{
    if (run->extension == NULL || riscv_random_below(&run->program, 4) == 0) {
        emit_test_insn(&run->program, run->class);
    } else {
        emit_of_extension(run);
    }
}

static void fill_block(struct riscv_program *p, unsigned test, enum riscv_class class)
{
    u8 *block = p->data + (size_t)test * RISCV_BLOCK_BYTES;
    u64 scratch = RISCV_DATA_BASE + (u64)test * RISCV_BLOCK_BYTES + RISCV_SCRATCH_OFFSET;
    /* What begins 2047 bytes further on ends before the next block, or the end of all memory. */
    u64 middle = scratch + 2048 - 8;
    for (unsigned i = 1; i < RISCV_HOLDER; i++) {
        bool pointer = class == RISCV_CLASS_MEMORY && riscv_is_pointer(i);
        st_le64(block + 8 * i, pointer ? middle : riscv_random_int(p));
    }
    for (unsigned i = 0; i < 32; i++) {
        st_le64(block + RISCV_F_OFFSET + 8 * i, riscv_random_float(p));
    }
    st_le64(block + RISCV_FCSR_OFFSET, riscv_random_below(p, 32) | riscv_random_below(p, 5) << 5);
    for (unsigned i = RISCV_SCRATCH_OFFSET; i < RISCV_BLOCK_BYTES; i += 8) {
        st_le64(block + i, riscv_random_int(p));
    }
}

static void make_program(void *opaque)
{
    struct run *run = opaque;
    struct riscv_program *p = &run->program;
    riscv_emit_start(p);
    for (unsigned test = 0; test < RISCV_TESTS; test++) {
        fill_block(p, test, run->class);
        riscv_emit_load_state(p);
        run->test_offset[test] = p->code_bytes;
        for (unsigned i = 0; i < INSNS_PER_TEST; i++) {
            emit_one(run);
        }
        run->test_end[test] = p->code_bytes;
        riscv_emit_store_state(p);
    }
    riscv_emit_finish(p);
    cr_assert(p->code_bytes < RISCV_CODE_BYTES);
}

/* --- comparing --- */

static void print_test(const struct run *run, unsigned test)
{
    const struct riscv_program *p = &run->program;
    char text[100];
    for (u32 at = run->test_offset[test]; at < run->test_end[test];) {
        u32 length = riscv64_disassemble(RISCV_CODE_BASE + at, p->code + at, 4, text, sizeof(text));
        printf("    %08x  %0*x  %s\n", RISCV_CODE_BASE + at, (int)length * 2,
               (u32)ld_le(p->code + at, length), text);
        at += length;
    }
}

static void print_word(const char *what, unsigned number, const u8 *before, const u8 *metic,
                       const u8 *qemu)
{
    printf("    %s%u was %016llx: metic %016llx, qemu %016llx\n", what, number,
           (unsigned long long)ld_le64(before), (unsigned long long)ld_le64(metic),
           (unsigned long long)ld_le64(qemu));
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
        printf("  test %u:\n", test);
        print_test(run, test);
        for (unsigned at = 0; at < RISCV_BLOCK_BYTES; at += 8) {
            size_t word = block + at;
            if (memcmp(metic + word, qemu + word, 8) != 0) {
                bool is_x = at < RISCV_F_OFFSET, is_f = !is_x && at < RISCV_FCSR_OFFSET;
                unsigned number = is_f ? (at - RISCV_F_OFFSET) / 8 : at / 8;
                print_word(is_x ? "x" : is_f ? "f" : "word ", number, run->program.data + word,
                           metic + word, qemu + word);
            }
        }
    }
    return differing;
}

/* --- classes and engines --- */

/* One class, or of it one extension. */
static void run_part(enum riscv_class class, const char *extension, enum engine_kind kind,
                     u64 tests)
{
    struct run *run = calloc(1, sizeof(*run));
    cr_assert(run != NULL);
    u64 seed = riscv_run_setting("RANDOM_SEED", 1);
    run->class = class;
    run->extension = extension;
    run->program.seed = seed * 0x9e3779b97f4a7c15u + class + 1;
    struct riscv_runs runs = {.program = &run->program, .kind = kind, .tests = tests,
                              .name = "random_insns", .make = make_program, .compare = compare,
                              .opaque = run};
    unsigned differing = riscv_run_programs(&runs);
    static const char *const classes[] = {"integer", "float", "memory", "branch"};
    printf("%-8s %-7s %8llu instructions, %s, RANDOM_SEED=%llu: %s\n", classes[class],
           extension != NULL ? extension : "all",
           (unsigned long long)(extension != NULL ? run->extension_insns : tests * INSNS_PER_TEST),
           kind == ENGINE_JIT ? "jit" : "interp", (unsigned long long)seed,
           differing == 0 ? "equal" : "DIFFERENT");
    free(run);
    cr_assert_eq(differing, 0, "RANDOM_SEED=%llu: %u of %u tests differ",
                 (unsigned long long)seed, differing, RISCV_TESTS);
}

static void run_class(enum riscv_class class, enum engine_kind kind)
{
    run_part(class, NULL, kind,
             riscv_run_setting("RANDOM_TESTS", getenv("LONG") != NULL ? 84000 : 1000));
}

Test(random_insns, int_interp)
{
    run_class(RISCV_CLASS_INT, ENGINE_INTERP);
}

Test(random_insns, fp_interp)
{
    run_class(RISCV_CLASS_FP, ENGINE_INTERP);
}

Test(random_insns, memory_interp)
{
    run_class(RISCV_CLASS_MEMORY, ENGINE_INTERP);
}

Test(random_insns, branch_interp)
{
    run_class(RISCV_CLASS_BRANCH, ENGINE_INTERP);
}

Test(random_insns, int_jit)
{
    run_class(RISCV_CLASS_INT, ENGINE_JIT);
}

Test(random_insns, fp_jit)
{
    run_class(RISCV_CLASS_FP, ENGINE_JIT);
}

Test(random_insns, memory_jit)
{
    run_class(RISCV_CLASS_MEMORY, ENGINE_JIT);
}

Test(random_insns, branch_jit)
{
    run_class(RISCV_CLASS_BRANCH, ENGINE_JIT);
}

/* --- extension by extension --- */

static const struct part {
    enum riscv_class class;
    const char *extension;
} parts[] = {
    {RISCV_CLASS_INT, "I"},         {RISCV_CLASS_MEMORY, "I"},      {RISCV_CLASS_INT, "M"},
    {RISCV_CLASS_MEMORY, "A"},      {RISCV_CLASS_FP, "F"},          {RISCV_CLASS_FP, "D"},
    {RISCV_CLASS_INT, "C"},         {RISCV_CLASS_MEMORY, "C"},      {RISCV_CLASS_INT, "Zba"},
    {RISCV_CLASS_INT, "Zbb"},       {RISCV_CLASS_INT, "Zbs"},       {RISCV_CLASS_INT, "Zicond"},
    {RISCV_CLASS_MEMORY, "Zicboz"}, {RISCV_CLASS_MEMORY, "Zicbom"}, {RISCV_CLASS_MEMORY, "Zicbop"},
};

/* Nine of a test's instructions are of the extension, so 112,000 tests have a million. */
Test(random_insns, each_extension_jit)
{
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        run_part(parts[i].class, parts[i].extension, ENGINE_JIT,
                 riscv_run_setting("RANDOM_TESTS", getenv("LONG") != NULL ? 112000 : 1000));
    }
}

Test(random_insns, each_extension_interp)
{
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        run_part(parts[i].class, parts[i].extension, ENGINE_INTERP,
                 riscv_run_setting("RANDOM_TESTS", getenv("LONG") != NULL ? 12000 : 1000));
    }
}
