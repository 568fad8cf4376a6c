/* See riscv_program.h. */
#include "tests/support/riscv_program.h"
#include "cpu/base/bits.h"
#include "cpu/base/error.h"
#include "cpu/riscv64/decode.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- values --- */

u64 riscv_random_u64(struct riscv_program *p)
{
    p->seed ^= p->seed << 13;
    p->seed ^= p->seed >> 7;
    p->seed ^= p->seed << 17;
    return p->seed * 0x2545f4914f6cdd1du;
}

unsigned riscv_random_below(struct riscv_program *p, unsigned limit)
{
    return (unsigned)((riscv_random_u64(p) >> 33) % limit);
}

u64 riscv_random_int(struct riscv_program *p)
{
    static const u64 special[] = {0, 1, ~(u64)0, 1ull << 63, ~(1ull << 63), 0x80000000, 0x7fffffff,
                                  0xffffffff, 0xffffffff80000000, 63, 64, 0xff00ff00ff00ff00};
    u64 value = riscv_random_u64(p);
    switch (riscv_random_below(p, 4)) {
    case 0: return special[riscv_random_below(p, ARRAY_LEN(special))];
    case 1: return value >> riscv_random_below(p, 64);
    case 2: return (u64)((s64)value >> riscv_random_below(p, 64));
    default: return value;
    }
}

u64 riscv_random_float(struct riscv_program *p)
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
    u64 value = riscv_random_u64(p);
    switch (riscv_random_below(p, 6)) {
    case 0: return box | singles[riscv_random_below(p, ARRAY_LEN(singles))];
    case 1: return doubles[riscv_random_below(p, ARRAY_LEN(doubles))];
    case 2: return box | (u32)value;
    case 3: return box | (0x3f800000 + (value & 0x83ffffff)); /* near 1: sums and products meet */
    case 4: return 0x3ff0000000000000 + (value & 0x803fffffffffffff);
    default: return value;
    }
}

/* --- code --- */

void riscv_emit(struct riscv_program *p, u32 word, unsigned length_bytes)
{
    st_le(p->code + p->code_bytes, word, length_bytes);
    p->code_bytes += length_bytes;
}

u32 riscv_itype(u32 base, u32 rd, u32 rs1, u32 imm)
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

void riscv_emit_start(struct riscv_program *p)
{
    p->code_bytes = 0;
    riscv_emit(p, OP_LOOP, 4);
    riscv_emit(p, OP_LUI | (u32)RISCV_HOLDER << 7 | RISCV_DATA_BASE, 4);
}

void riscv_emit_load_state(struct riscv_program *p)
{
    riscv_emit(p, riscv_itype(OP_LD, 30, RISCV_HOLDER, RISCV_FCSR_OFFSET), 4);
    riscv_emit(p, OP_WRITE_FCSR | 30u << 15, 4);
    for (unsigned i = 0; i < 32; i++) {
        riscv_emit(p, riscv_itype(OP_FLD, i, RISCV_HOLDER, RISCV_F_OFFSET + 8 * i), 4);
    }
    for (unsigned i = 1; i < RISCV_HOLDER; i++) {
        riscv_emit(p, riscv_itype(OP_LD, i, RISCV_HOLDER, 8 * i), 4);
    }
}

void riscv_emit_store_state(struct riscv_program *p)
{
    for (unsigned i = 1; i < RISCV_HOLDER; i++) {
        riscv_emit(p, stype(OP_SD, i, RISCV_HOLDER, 8 * i), 4);
    }
    for (unsigned i = 0; i < 32; i++) {
        riscv_emit(p, stype(OP_FSD, i, RISCV_HOLDER, RISCV_F_OFFSET + 8 * i), 4);
    }
    riscv_emit(p, OP_READ_FCSR | 30u << 7, 4);
    riscv_emit(p, stype(OP_SD, 30, RISCV_HOLDER, RISCV_FCSR_OFFSET), 4);
    riscv_emit(p, OP_LUI | 30u << 7 | RISCV_BLOCK_BYTES, 4);
    riscv_emit(p, OP_ADD | (u32)RISCV_HOLDER << 7 | (u32)RISCV_HOLDER << 15 | 30u << 20, 4);
}

/* --- random instructions --- */

bool riscv_is_pointer(unsigned number)
{
    return number == 2 || number == 8 || number == 9;
}

bool riscv_row_in_class(const struct insn_row *row, enum riscv_class class)
{
    unsigned flags = row->flags;
    if ((flags & (INSN_RESERVED | RV_SYSTEM | RV_V)) != 0 || strcmp(row->name, "c_unimp") == 0) {
        return false;
    }
    switch (class) {
    case RISCV_CLASS_INT: return (flags & (RV_FP | RV_MEMORY | RV_JUMP | RV_BRANCH)) == 0;
    case RISCV_CLASS_FP: return (flags & RV_FP) != 0 && (flags & RV_MEMORY) == 0;
    case RISCV_CLASS_MEMORY:
        return (flags & RV_MEMORY) != 0 && strncmp(row->name, "cbo", 3) != 0 &&
               strncmp(row->name, "lr", 2) != 0 && strncmp(row->name, "sc_", 3) != 0;
    default: return (flags & RV_BRANCH) != 0;
    }
}

/* Whether the word may stand in a test of this class. */
static bool acceptable(const struct riscv_insn *insn, unsigned row, bool keep_pointers)
{
    bool names_holder = insn->rd == RISCV_HOLDER || insn->rs1 == RISCV_HOLDER ||
                        insn->rs2 == RISCV_HOLDER || insn->rs3 == RISCV_HOLDER;
    if (insn->id != row || names_holder || insn->rm == 5 || insn->rm == 6) {
        return false;
    }
    bool x_result = (insn->flags & RV_F_RESULT) == 0;
    if (keep_pointers && x_result && riscv_is_pointer(insn->rd)) {
        return false;
    }
    return (insn->flags & RV_MEMORY) == 0 || riscv_is_pointer(insn->rs1);
}

bool riscv_random_word(struct riscv_program *p, unsigned row, bool keep_pointers,
                       struct riscv_insn *insn)
{
    u32 mask, match;
    insn_parse_pattern(riscv64_insn_set()->rows[row].pattern, &mask, &match);
    for (unsigned i = 0; i < 50; i++) {
        u8 bytes[4];
        st_le32(bytes, match | ((u32)riscv_random_u64(p) & ~mask));
        riscv64_decode(bytes, 4, insn);
        if (acceptable(insn, row, keep_pointers)) {
            return true;
        }
    }
    return false;
}

struct riscv_insn riscv_random_insn(struct riscv_program *p, enum riscv_class class,
                                    bool keep_pointers)
{
    const struct insn_set *set = riscv64_insn_set();
    for (;;) {
        unsigned row = riscv_random_below(p, set->row_count);
        struct riscv_insn insn;
        if (riscv_row_in_class(&set->rows[row], class) &&
            riscv_random_word(p, row, keep_pointers, &insn)) {
            return insn;
        }
    }
}

/* --- qemu --- */

/* CPU "max" and the newer extensions came after Debian 12's own qemu-user, 7.2. */
bool riscv_have_qemu(void)
{
    return system("qemu-riscv64 -cpu help 2>/dev/null | grep -qw max") == 0;
}

/* write(1, data, size); exit(0): for metic the first ecall is the end. */
void riscv_emit_finish(struct riscv_program *p)
{
    riscv_emit(p, riscv_itype(OP_ADDI, 10, 0, 1), 4);
    riscv_emit(p, OP_LUI | 11u << 7 | RISCV_DATA_BASE, 4);
    riscv_emit(p, OP_LUI | 12u << 7 | RISCV_DATA_BYTES, 4);
    riscv_emit(p, riscv_itype(OP_ADDI, 17, 0, 64), 4);
    riscv_emit(p, OP_ECALL, 4);
    riscv_emit(p, riscv_itype(OP_ADDI, 10, 0, 0), 4);
    riscv_emit(p, riscv_itype(OP_ADDI, 17, 0, 93), 4);
    riscv_emit(p, OP_ECALL, 4);
}

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

void riscv_write_elf(const struct riscv_program *p, const char *path)
{
    u8 header[PAGE_BYTES] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    st_le16(header + 16, 2);
    st_le16(header + 18, 243);
    st_le32(header + 20, 1);
    st_le64(header + 24, RISCV_CODE_BASE + (p->qemu_entry != 0 ? p->qemu_entry : 4));
    st_le64(header + 32, 64);
    st_le32(header + 48, 5); /* RVC, double-float ABI */
    st_le16(header + 52, 64);
    st_le16(header + 54, 56);
    st_le16(header + 56, 2);
    put_segment(header + 64, PAGE_BYTES, RISCV_CODE_BASE, RISCV_CODE_BYTES, 5);
    put_segment(header + 64 + 56, PAGE_BYTES + RISCV_CODE_BYTES, RISCV_DATA_BASE,
                RISCV_DATA_BYTES, 6);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK(fwrite(header, sizeof(header), 1, file) == 1);
    CHECK(fwrite(p->code, RISCV_CODE_BYTES, 1, file) == 1);
    CHECK(fwrite(p->data, RISCV_DATA_BYTES, 1, file) == 1);
    CHECK(fclose(file) == 0);
    CHECK(chmod(path, 0755) == 0);
}

/* By the status of a shell, which may have become qemu or tell how that ended. */
static bool is_abort(int status)
{
    return WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT
                               : WEXITSTATUS(status) == 128 + SIGABRT;
}

enum riscv_qemu_end riscv_run_qemu(const struct riscv_program *p, const char *elf, u8 *result)
{
    char command[300];
    if (p->vlenb != 0) {
        snprintf(command, sizeof(command), "qemu-riscv64 -cpu rv64,v=on,vlen=%u '%s'",
                 8 * p->vlenb, elf);
    } else {
        snprintf(command, sizeof(command), "qemu-riscv64 -cpu max '%s'", elf);
    }
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    size_t got = fread(result, 1, RISCV_DATA_BYTES, pipe);
    int status = pclose(pipe);
    return got == RISCV_DATA_BYTES && status == 0 ? RISCV_QEMU_FINISHED
           : is_abort(status)                      ? RISCV_QEMU_ABORTED
                                                   : RISCV_QEMU_FAILED;
}

