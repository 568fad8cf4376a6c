/* Disassembly: the tokens of the assembly column of insns.def. */
#include "cpu/riscv64/disasm.h"
#include "cpu/base/bits.h"
#include "cpu/riscv64/csr.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const x_names[32] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static const char *const f_names[32] = {
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6",  "ft7",  "fs0", "fs1", "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7",  "fs2",  "fs3", "fs4", "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

const char *riscv64_x_name(unsigned number)
{
    return x_names[number & 31];
}

const char *riscv64_f_name(unsigned number)
{
    return f_names[number & 31];
}

/* --- tokens: insn is a struct riscv_insn, context its pc --- */

static void print_rd(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%s", riscv64_x_name(((const struct riscv_insn *)insn)->rd));
}

static void print_rs1(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%s", riscv64_x_name(((const struct riscv_insn *)insn)->rs1));
}

static void print_rs2(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%s", riscv64_x_name(((const struct riscv_insn *)insn)->rs2));
}

static void print_fd(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%s", riscv64_f_name(((const struct riscv_insn *)insn)->rd));
}

static void print_fs1(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%s", riscv64_f_name(((const struct riscv_insn *)insn)->rs1));
}

static void print_fs2(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%s", riscv64_f_name(((const struct riscv_insn *)insn)->rs2));
}

static void print_fs3(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%s", riscv64_f_name(((const struct riscv_insn *)insn)->rs3));
}

static void print_imm(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%d", ((const struct riscv_insn *)insn)->imm);
}

static void print_zimm(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%u", ((const struct riscv_insn *)insn)->rs1);
}

static void print_shamt(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "0x%x", (unsigned)((const struct riscv_insn *)insn)->imm);
}

static void print_upper(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "0x%x", (u32)((const struct riscv_insn *)insn)->imm >> 12);
}

static void print_target(struct insn_text *text, const void *insn, const void *context)
{
    u64 target = *(const gva_t *)context + (u64)(s64)((const struct riscv_insn *)insn)->imm;
    insn_text_append(text, "0x%" PRIx64, target);
}

static void print_csr(struct insn_text *text, const void *insn, const void *context)
{
    char name[32];
    unsigned number = (unsigned)((const struct riscv_insn *)insn)->imm;
    (void)context;
    insn_text_append(text, "%s", riscv64_csr_name(number, name, sizeof(name)));
}

/* The dynamic mode is not written, nor is the comma before it. */
static void print_rm(struct insn_text *text, const void *insn, const void *context)
{
    static const char *const names[8] = {"rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown"};
    unsigned rm = ((const struct riscv_insn *)insn)->rm & 7;
    (void)context;
    if (names[rm] != NULL) {
        insn_text_append(text, "%s", names[rm]);
    } else if (text->used > 0 && text->text[text->used - 1] == ',') {
        text->text[--text->used] = '\0';
    }
}

static void print_aqrl(struct insn_text *text, const void *insn, const void *context)
{
    static const char *const suffixes[4] = {"", ".rl", ".aq", ".aqrl"};
    (void)context;
    insn_text_append(text, "%s", suffixes[((const struct riscv_insn *)insn)->aqrl & 3]);
}

static void print_fence_set(struct insn_text *text, unsigned set)
{
    static const char letters[] = "wroi";
    if (set == 0) {
        insn_text_append(text, "unknown");
    }
    for (int bit = 3; bit >= 0; bit--) {
        if ((set >> bit & 1) != 0) {
            insn_text_append(text, "%c", letters[bit]);
        }
    }
}

static void print_pred(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    print_fence_set(text, (unsigned)((const struct riscv_insn *)insn)->imm >> 4 & 15);
}

static void print_succ(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    print_fence_set(text, (unsigned)((const struct riscv_insn *)insn)->imm & 15);
}

/* --- vector --- */

static void print_v(struct insn_text *text, unsigned number)
{
    insn_text_append(text, "v%u", number);
}

static void print_vd(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    print_v(text, ((const struct riscv_insn *)insn)->rd);
}

static void print_vs1(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    print_v(text, ((const struct riscv_insn *)insn)->rs1);
}

static void print_vs2(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    print_v(text, ((const struct riscv_insn *)insn)->rs2);
}

static void print_v0(struct insn_text *text, const void *insn, const void *context)
{
    (void)insn;
    (void)context;
    print_v(text, 0);
}

/* Nothing, nor the comma before it, where all elements are active. */
static void print_vm(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    if (((const struct riscv_insn *)insn)->vm == 0) {
        insn_text_append(text, "v0.t");
    } else if (text->used > 0 && text->text[text->used - 1] == ',') {
        text->text[--text->used] = '\0';
    }
}

static void print_fields(struct insn_text *text, const void *insn, const void *context)
{
    (void)context;
    insn_text_append(text, "%u", ((const struct riscv_insn *)insn)->nf + 1);
}

static void print_vtype(struct insn_text *text, const void *insn, const void *context)
{
    static const char *const groups[8] = {"m1", "m2", "m4", "m8", NULL, "mf8", "mf4", "mf2"};
    unsigned vtype = (unsigned)((const struct riscv_insn *)insn)->imm;
    (void)context;
    if (vtype >> 8 != 0 || (vtype >> 3 & 7) > 3 || groups[vtype & 7] == NULL) {
        insn_text_append(text, "%u", vtype);
        return;
    }
    insn_text_append(text, "e%u,%s,%s,%s", 8u << (vtype >> 3 & 7), groups[vtype & 7],
                     vtype & 64 ? "ta" : "tu", vtype & 128 ? "ma" : "mu");
}

static const struct insn_token tokens[] = {
    {"rd", print_rd},         {"rs1", print_rs1},   {"rs2", print_rs2},   {"fd", print_fd},
    {"fs1", print_fs1},       {"fs2", print_fs2},   {"fs3", print_fs3},   {"imm", print_imm},
    {"zimm", print_zimm},     {"shamt", print_shamt}, {"upper", print_upper}, {"csr", print_csr},
    {"target", print_target}, {"rm", print_rm},     {"aqrl", print_aqrl}, {"pred", print_pred},
    {"succ", print_succ},     {"vd", print_vd},     {"vs1", print_vs1},   {"vs2", print_vs2},
    {"vm", print_vm},         {"v0", print_v0},     {"vtype", print_vtype}, {"N", print_fields},
    {"uimm", print_imm},
};

bool riscv64_check_table(char *why, size_t why_bytes)
{
    return insn_check(riscv64_insn_set(), tokens, ARRAY_LEN(tokens), why, why_bytes);
}

unsigned riscv64_disassemble(gva_t pc, const u8 *bytes, unsigned available_bytes, char *text,
                             size_t text_bytes)
{
    struct insn_text out = {text, text_bytes, 0};
    struct riscv_insn insn;
    if (riscv64_decode(bytes, available_bytes, &insn) == 0) {
        insn_text_append(&out, "(cut off)");
        return available_bytes < 2 ? 2 : riscv64_insn_length_bytes(ld_le16(bytes));
    }
    if (insn.id == RISCV_INSN_illegal) {
        insn_text_append(&out, ".%ubyte\t0x%x", insn.length_bytes, insn.word);
    } else {
        insn_print(&out, &riscv64_insn_set()->rows[insn.id], tokens, ARRAY_LEN(tokens), &insn, &pc);
    }
    return insn.length_bytes;
}
