/* Random instructions, run by metic and by qemu-riscv64 (user mode), from equal states.
 *
 * A test is a dozen random instructions of a class between code that loads every register from a
 * block of memory and code that stores every register to it. A thousand tests make one program: an
 * ELF file for qemu, which writes its data to standard output at the end, and the same bytes in the
 * memory of a bare machine for metic. Afterwards the data must be equal, byte for byte.
 *
 * x31 is the pointer to the test's block and never an operand. In the class that accesses memory,
 * sp, s0 and s1 point into the middle of the test's 4 KiB of scratch memory and are never written.
 *
 * RANDOM_SEED and RANDOM_TESTS in the environment choose others; LONG asks for a million
 * instructions of each class. */
#include "cpu/base/bits.h"
#include "cpu/memory.h"
#include "cpu/riscv64/disasm.h"
#include "cpu/riscv64/state.h"
#include "translate/engine.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INSNS_PER_TEST = 12,
    TESTS_PER_PROGRAM = 1000,
    CODE_BASE = 0x10000000,
    DATA_BASE = 0x20000000,
    CODE_BYTES = 2 << 20,
    BLOCK_BYTES = 8192, /* registers, then scratch memory */
    SCRATCH_OFFSET = 4096,
    F_OFFSET = 256,
    FCSR_OFFSET = 512,
    DATA_BYTES = BLOCK_BYTES * TESTS_PER_PROGRAM,
    HOLDER = 31,
};

enum insn_class { CLASS_INT, CLASS_FP, CLASS_MEMORY, CLASS_BRANCH };

struct program {
    u8 code[CODE_BYTES];
    u32 code_bytes;
    u8 data[DATA_BYTES];
    u32 test_offset[TESTS_PER_PROGRAM + 1]; /* of the random part in code */
    u32 test_end[TESTS_PER_PROGRAM];
    enum insn_class class;
    u64 seed;
};

static u64 random_u64(struct program *p)
{
    p->seed ^= p->seed << 13;
    p->seed ^= p->seed >> 7;
    p->seed ^= p->seed << 17;
    return p->seed * 0x2545f4914f6cdd1du;
}

static unsigned random_below(struct program *p, unsigned limit)
{
    return (unsigned)((random_u64(p) >> 33) % limit);
}

/* --- values --- */

static u64 random_int(struct program *p)
{
    static const u64 special[] = {0, 1, ~(u64)0, 1ull << 63, ~(1ull << 63), 0x80000000, 0x7fffffff,
                                  0xffffffff, 0xffffffff80000000, 63, 64, 0xff00ff00ff00ff00};
    u64 value = random_u64(p);
    switch (random_below(p, 4)) {
    case 0: return special[random_below(p, ARRAY_LEN(special))];
    case 1: return value >> random_below(p, 64);
    case 2: return (u64)((s64)value >> random_below(p, 64));
    default: return value;
    }
}

static u64 random_float(struct program *p)
{
    static const u32 singles[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                  0x7fc00000, 0x7f800001, 0xffc00001, 1, 0x807fffff, 0x00800000,
                                  0x7f7fffff, 0x4f000000, 0xcf000000, 0x5f800000, 0x3f000000};
    static const u64 doubles[] = {0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000,
                                  0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
                                  0x7ff0000000000001, 1, 0x800fffffffffffff, 0x0010000000000000,
                                  0x7fefffffffffffff, 0x41e0000000000000, 0xc3e0000000000000,
                                  0x36a0000000000000, 0x3fe0000000000000};
    const u64 box = 0xffffffff00000000;
    u64 value = random_u64(p);
    switch (random_below(p, 6)) {
    case 0: return box | singles[random_below(p, ARRAY_LEN(singles))];
    case 1: return doubles[random_below(p, ARRAY_LEN(doubles))];
    case 2: return box | (u32)value;
    case 3: return box | (0x3f800000 + (value & 0x83ffffff)); /* near 1: sums and products meet */
    case 4: return 0x3ff0000000000000 + (value & 0x803fffffffffffff);
    default: return value;
    }
}

/* --- code --- */

static void emit(struct program *p, u32 word, unsigned length_bytes)
{
    st_le(p->code + p->code_bytes, word, length_bytes);
    p->code_bytes += length_bytes;
}

static u32 itype(u32 base, u32 rd, u32 rs1, u32 imm)
{
    return base | rd << 7 | rs1 << 15 | imm << 20;
}

static u32 stype(u32 base, u32 rs2, u32 rs1, u32 imm)
{
    return base | (imm & 31) << 7 | rs1 << 15 | rs2 << 20 | imm >> 5 << 25;
}

enum {
    OP_LD = 0x3003, OP_FLD = 0x3007, OP_SD = 0x3023, OP_FSD = 0x3027, OP_ADDI = 0x13,
    OP_LUI = 0x37, OP_ADD = 0x33, OP_ECALL = 0x73, OP_LOOP = 0x6f,
    OP_WRITE_FCSR = 0x00301073, OP_READ_FCSR = 0x00302073,
};

static void emit_load_state(struct program *p)
{
    emit(p, itype(OP_LD, 30, HOLDER, FCSR_OFFSET), 4);
    emit(p, OP_WRITE_FCSR | 30u << 15, 4);
    for (unsigned i = 0; i < 32; i++) {
        emit(p, itype(OP_FLD, i, HOLDER, F_OFFSET + 8 * i), 4);
    }
    for (unsigned i = 1; i < HOLDER; i++) {
        emit(p, itype(OP_LD, i, HOLDER, 8 * i), 4);
    }
}

static void emit_store_state(struct program *p)
{
    for (unsigned i = 1; i < HOLDER; i++) {
        emit(p, stype(OP_SD, i, HOLDER, 8 * i), 4);
    }
    for (unsigned i = 0; i < 32; i++) {
        emit(p, stype(OP_FSD, i, HOLDER, F_OFFSET + 8 * i), 4);
    }
    emit(p, OP_READ_FCSR | 30u << 7, 4);
    emit(p, stype(OP_SD, 30, HOLDER, FCSR_OFFSET), 4);
    emit(p, OP_LUI | 30u << 7 | BLOCK_BYTES, 4);
    emit(p, OP_ADD | (u32)HOLDER << 7 | (u32)HOLDER << 15 | 30u << 20, 4);
}

/* --- random instructions --- */

static bool is_pointer(unsigned number)
{
    return number == 2 || number == 8 || number == 9;
}

static bool row_in_class(const struct insn_row *row, enum insn_class class)
{
    unsigned flags = row->flags;
    if ((flags & (INSN_RESERVED | RV_SYSTEM)) != 0 || strcmp(row->name, "c_unimp") == 0) {
        return false;
    }
    switch (class) {
    case CLASS_INT: return (flags & (RV_FP | RV_MEMORY | RV_JUMP | RV_BRANCH)) == 0;
    case CLASS_FP: return (flags & RV_FP) != 0 && (flags & RV_MEMORY) == 0;
    case CLASS_MEMORY:
        return (flags & RV_MEMORY) != 0 && strncmp(row->name, "cbo", 3) != 0 &&
               strncmp(row->name, "lr", 2) != 0 && strncmp(row->name, "sc_", 3) != 0;
    default: return (flags & RV_BRANCH) != 0;
    }
}

/* Whether the word may stand in a test of this class. */
static bool acceptable(const struct riscv_insn *insn, unsigned row, bool keep_pointers)
{
    if (insn->id != row || insn->rd == HOLDER || insn->rs1 == HOLDER || insn->rs2 == HOLDER ||
        insn->rs3 == HOLDER || insn->rm == 5 || insn->rm == 6) {
        return false;
    }
    bool x_result = (insn->flags & RV_F_RESULT) == 0;
    if (keep_pointers && x_result && is_pointer(insn->rd)) {
        return false;
    }
    return (insn->flags & RV_MEMORY) == 0 || is_pointer(insn->rs1);
}

static struct riscv_insn random_insn(struct program *p, enum insn_class class, bool keep_pointers)
{
    const struct insn_set *set = riscv64_insn_set();
    for (;;) {
        unsigned row = random_below(p, set->row_count);
        if (!row_in_class(&set->rows[row], class)) {
            continue;
        }
        u32 mask, match;
        u8 bytes[4];
        struct riscv_insn insn;
        insn_parse_pattern(set->rows[row].pattern, &mask, &match);
        for (unsigned i = 0; i < 50; i++) {
            st_le32(bytes, match | ((u32)random_u64(p) & ~mask));
            riscv64_decode(bytes, 4, &insn);
            if (acceptable(&insn, row, keep_pointers)) {
                return insn;
            }
        }
    }
}

static void emit_random(struct program *p, enum insn_class class, bool keep_pointers)
{
    struct riscv_insn insn = random_insn(p, class, keep_pointers);
    emit(p, insn.word, insn.length_bytes);
}

/* lr, up to three register instructions (now and then a load, so that it is no simple loop), sc. */
static void emit_lr_sc(struct program *p)
{
    static const u8 pointers[] = {2, 8, 9};
    u32 width = 2 + random_below(p, 2), address = pointers[random_below(p, 3)];
    u32 common = 0x2f | width << 12 | address << 15 | random_below(p, 4) << 25;
    emit(p, common | 2u << 27 | 10u << 7, 4);
    if (random_below(p, 4) == 0) {
        emit(p, itype(OP_LD, 11, 2, 8), 4);
    }
    for (unsigned i = random_below(p, 4); i > 0; i--) {
        emit_random(p, CLASS_INT, true);
    }
    emit(p, common | 3u << 27 | 12u << 7 | 10u << 20, 4);
}

/* A forward branch over `skipped` bytes: the row's word with the distance put where its format
 * takes it from. */
static void emit_branch_over(struct program *p, u32 at, u32 distance)
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

static void emit_branch(struct program *p)
{
    u32 at = p->code_bytes;
    emit_random(p, CLASS_BRANCH, false);
    for (unsigned i = 1 + random_below(p, 3); i > 0; i--) {
        emit_random(p, CLASS_INT, false);
    }
    emit_branch_over(p, at, p->code_bytes - at);
}

static void emit_test_insn(struct program *p)
{
    bool keep_pointers = p->class == CLASS_MEMORY;
    if (p->class == CLASS_MEMORY && random_below(p, 8) == 0) {
        emit_lr_sc(p);
    } else if (p->class == CLASS_BRANCH) {
        emit_branch(p);
    } else if (p->class != CLASS_INT && random_below(p, 4) == 0) {
        emit_random(p, CLASS_INT, keep_pointers);
    } else {
        emit_random(p, p->class, keep_pointers);
    }
}

static void fill_block(struct program *p, unsigned test)
{
    u8 *block = p->data + (size_t)test * BLOCK_BYTES;
    u64 middle = DATA_BASE + (u64)test * BLOCK_BYTES + SCRATCH_OFFSET + 2048;
    for (unsigned i = 1; i < HOLDER; i++) {
        bool pointer = p->class == CLASS_MEMORY && is_pointer(i);
        st_le64(block + 8 * i, pointer ? middle : random_int(p));
    }
    for (unsigned i = 0; i < 32; i++) {
        st_le64(block + F_OFFSET + 8 * i, random_float(p));
    }
    st_le64(block + FCSR_OFFSET, random_below(p, 32) | random_below(p, 5) << 5);
    for (unsigned i = SCRATCH_OFFSET; i < BLOCK_BYTES; i += 8) {
        st_le64(block + i, random_int(p));
    }
}

/* write(1, data, size); exit(0): for metic the first ecall is the end. */
static void emit_finish(struct program *p)
{
    emit(p, itype(OP_ADDI, 10, 0, 1), 4);
    emit(p, OP_LUI | 11u << 7 | DATA_BASE, 4);
    emit(p, OP_LUI | 12u << 7 | DATA_BYTES, 4);
    emit(p, itype(OP_ADDI, 17, 0, 64), 4);
    emit(p, OP_ECALL, 4);
    emit(p, itype(OP_ADDI, 10, 0, 0), 4);
    emit(p, itype(OP_ADDI, 17, 0, 93), 4);
    emit(p, OP_ECALL, 4);
}

static void make_program(struct program *p)
{
    p->code_bytes = 0;
    emit(p, OP_LOOP, 4); /* where metic's trap goes */
    emit(p, OP_LUI | (u32)HOLDER << 7 | DATA_BASE, 4);
    for (unsigned test = 0; test < TESTS_PER_PROGRAM; test++) {
        fill_block(p, test);
        emit_load_state(p);
        p->test_offset[test] = p->code_bytes;
        for (unsigned i = 0; i < INSNS_PER_TEST; i++) {
            emit_test_insn(p);
        }
        p->test_end[test] = p->code_bytes;
        emit_store_state(p);
    }
    emit_finish(p);
    cr_assert(p->code_bytes < CODE_BYTES);
}

/* --- qemu --- */

static void put_segment(u8 *header, u64 offset, u64 address, u64 size_bytes, u32 flags)
{
    st_le32(header, 1);
    st_le32(header + 4, flags);
    st_le64(header + 8, offset);
    st_le64(header + 16, address);
    st_le64(header + 24, address);
    st_le64(header + 32, size_bytes);
    st_le64(header + 40, size_bytes);
    st_le64(header + 48, PAGE_BYTES);
}

static void write_elf(const struct program *p, const char *path)
{
    u8 header[PAGE_BYTES] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    st_le16(header + 16, 2);
    st_le16(header + 18, 243);
    st_le32(header + 20, 1);
    st_le64(header + 24, CODE_BASE + 4);
    st_le64(header + 32, 64);
    st_le32(header + 48, 5); /* RVC, double-float ABI */
    st_le16(header + 52, 64);
    st_le16(header + 54, 56);
    st_le16(header + 56, 2);
    put_segment(header + 64, PAGE_BYTES, CODE_BASE, CODE_BYTES, 5);
    put_segment(header + 64 + 56, PAGE_BYTES + CODE_BYTES, DATA_BASE, DATA_BYTES, 6);
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL);
    cr_assert(fwrite(header, sizeof(header), 1, file) == 1);
    cr_assert(fwrite(p->code, CODE_BYTES, 1, file) == 1);
    cr_assert(fwrite(p->data, DATA_BYTES, 1, file) == 1);
    cr_assert(fclose(file) == 0);
    cr_assert(chmod(path, 0755) == 0);
}

/* False when qemu did not write the whole data. */
static bool run_qemu(const char *elf, u8 *result)
{
    char command[300];
    snprintf(command, sizeof(command), "qemu-riscv64 -cpu max '%s'", elf);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe != NULL);
    size_t got = fread(result, 1, DATA_BYTES, pipe);
    int status = pclose(pipe);
    return got == DATA_BYTES && status == 0;
}

/* --- metic --- */

static u64 no_time(struct vcpu *vcpu)
{
    (void)vcpu;
    return 0;
}

static void no_timer(struct vcpu *vcpu, u64 ticks)
{
    (void)vcpu;
    (void)ticks;
}

static void set_start(struct riscv64_state *state)
{
    state->mstatus |= MSTATUS_FS;
    state->mtvec = CODE_BASE;
    state->vcpu.pc = CODE_BASE + 4;
    state->vcpu.limit_insns = (u64)TESTS_PER_PROGRAM * 400;
    atomic_store(&state->vcpu.deadline, state->vcpu.limit_insns);
    riscv64_mode_update(state);
}

/* False when the program did not come to its end. */
static bool run_metic(const struct program *p, enum engine_kind kind, u8 *result)
{
    static const struct engine_machine_ops machine_ops = {no_time, no_timer};
    struct engine_options options = {.kind = kind, .verify = true};
    struct metic_error error;
    struct memory memory;
    memory_init(&memory, NULL);
    cr_assert(memory_add_ram(&memory, "code", CODE_BASE, CODE_BYTES, &error));
    cr_assert(memory_add_ram(&memory, "data", DATA_BASE, DATA_BYTES, &error));
    cr_assert(memory_load(&memory, CODE_BASE, p->code, CODE_BYTES));
    cr_assert(memory_load(&memory, DATA_BASE, p->data, DATA_BYTES));
    struct engine *engine = engine_new(&memory, &riscv64_guest, 1, &options, &machine_ops, NULL,
                                       NULL, &error);
    cr_assert(engine != NULL, "%s", error.what);
    struct riscv64_state *state = riscv64_of(engine->vcpus[0]);
    set_start(state);
    engine_run(&state->vcpu);
    bool finished = state->mcause == RISCV_CAUSE_ECALL_M;
    if (!finished) {
        fprintf(stderr, "trap %#llx at %#llx\n", (unsigned long long)state->mcause,
                (unsigned long long)state->mepc);
    }
    cr_assert(memory_dma_read(&memory, DATA_BASE, result, DATA_BYTES));
    engine_free(engine);
    memory_fini(&memory);
    return finished;
}

/* --- comparing --- */

static void print_test(const struct program *p, unsigned test)
{
    char text[100];
    for (u32 at = p->test_offset[test]; at < p->test_end[test];) {
        u32 length = riscv64_disassemble(CODE_BASE + at, p->code + at, 4, text, sizeof(text));
        printf("    %08x  %0*x  %s\n", CODE_BASE + at, (int)length * 2,
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

static unsigned compare(const struct program *p, const u8 *metic, const u8 *qemu)
{
    unsigned differing = 0;
    for (unsigned test = 0; test < TESTS_PER_PROGRAM; test++) {
        size_t block = (size_t)test * BLOCK_BYTES;
        if (memcmp(metic + block, qemu + block, BLOCK_BYTES) == 0 || ++differing > 3) {
            continue;
        }
        printf("  test %u:\n", test);
        print_test(p, test);
        for (unsigned at = 0; at < BLOCK_BYTES; at += 8) {
            size_t word = block + at;
            if (memcmp(metic + word, qemu + word, 8) != 0) {
                bool is_x = at < F_OFFSET, is_f = !is_x && at < FCSR_OFFSET;
                print_word(is_x ? "x" : is_f ? "f" : "word ", is_f ? (at - F_OFFSET) / 8 : at / 8,
                           p->data + word, metic + word, qemu + word);
            }
        }
    }
    return differing;
}

/* --- classes and engines --- */

static u64 setting(const char *name, u64 otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static unsigned run_programs(struct program *p, enum engine_kind kind, unsigned tests,
                             const char *elf)
{
    u8 *metic = malloc(DATA_BYTES), *qemu = malloc(DATA_BYTES);
    cr_assert(metic != NULL && qemu != NULL);
    unsigned differing = 0;
    for (unsigned done = 0; done < tests && differing == 0; done += TESTS_PER_PROGRAM) {
        make_program(p);
        write_elf(p, elf);
        cr_assert(run_qemu(elf, qemu), "qemu did not finish");
        cr_assert(run_metic(p, kind, metic), "metic did not finish");
        differing = compare(p, metic, qemu);
    }
    free(metic);
    free(qemu);
    return differing;
}

static void run_class(enum insn_class class, enum engine_kind kind)
{
    if (system("qemu-riscv64 --version >/dev/null 2>&1") != 0) {
        cr_skip_test("no qemu-riscv64 here (Debian package qemu-user)");
    }
    const char *directory = getenv("TMP");
    char elf[256];
    snprintf(elf, sizeof(elf), "%s/random_insns.XXXXXX", directory != NULL ? directory : ".");
    int fd = mkstemp(elf);
    cr_assert(fd >= 0);
    close(fd);
    struct program *p = calloc(1, sizeof(*p));
    cr_assert(p != NULL);
    u64 seed = setting("RANDOM_SEED", 1);
    p->class = class;
    p->seed = seed * 0x9e3779b97f4a7c15u + class + 1;
    u64 tests = setting("RANDOM_TESTS", getenv("LONG") != NULL ? 84000 : 1000);
    unsigned differing = run_programs(p, kind, (unsigned)tests, elf);
    unlink(elf);
    free(p);
    cr_assert_eq(differing, 0, "RANDOM_SEED=%llu: %u of %u tests differ",
                 (unsigned long long)seed, differing, TESTS_PER_PROGRAM);
}

Test(random_insns, int_interp)
{
    run_class(CLASS_INT, ENGINE_INTERP);
}

Test(random_insns, fp_interp)
{
    run_class(CLASS_FP, ENGINE_INTERP);
}

Test(random_insns, memory_interp)
{
    run_class(CLASS_MEMORY, ENGINE_INTERP);
}

Test(random_insns, branch_interp)
{
    run_class(CLASS_BRANCH, ENGINE_INTERP);
}

Test(random_insns, int_jit)
{
    run_class(CLASS_INT, ENGINE_JIT);
}

Test(random_insns, fp_jit)
{
    run_class(CLASS_FP, ENGINE_JIT);
}

Test(random_insns, memory_jit)
{
    run_class(CLASS_MEMORY, ENGINE_JIT);
}

Test(random_insns, branch_jit)
{
    run_class(CLASS_BRANCH, ENGINE_JIT);
}
