/* Running RV64IM code straight from its bytes, for tier 0: code that runs for the first time, most
 * of which never runs again. Decoding and doing it costs a twentieth of translating it.
 *
 * What an operation computes is ir_eval.h's, as everywhere. Whatever is not plain computing,
 * loading, storing and jumping is left to the translator, with all that stands before it up to
 * where a block would begin: FP, vectors, atomics, CSRs, traps, and what straddles two pages. */
#include "cpu/memory.h"
#include "translate/from_riscv64/lower.h"
#include "translate/ir/ir_eval.h"
#include "translate/probe/probe_direct.h"
#include "translate/stats.h"

#include <stdatomic.h>

enum kind {
    NOT_HERE,
    OP, OP_IMM,       /* `what` is an enum ir_op */
    OP_W, OP_IMM_W,   /* the same of low halves */
    COMPARE, COMPARE_IMM, /* an enum ir_cond */
    LOAD, STORE,      /* an enum ir_mem */
    UPPER, UPPER_PC, FENCE,
    BRANCH, JUMP, JUMP_IND, /* is_jump(); of BRANCH, an enum ir_cond */
};

struct row {
    u8 kind, what;
};

/* Both as one number, since what a row does is found by one jump: the host mostly cannot know which
 * instruction comes next in code that is new. */
enum { WHAT_BITS = 5 };
#define DOES(kind, what) ((unsigned)(kind) << WHAT_BITS | (unsigned)(what))

#define BINARY_OPS(X)                                                                            \
    X(ADD) X(SUB) X(MUL) X(MULH_SS) X(MULH_SU) X(MULH_UU) X(DIV_S) X(DIV_U) X(REM_S) X(REM_U)    \
    X(AND) X(OR) X(XOR) X(SHL) X(SHR) X(SAR)
#define CONDS(X) X(EQ) X(NE) X(LT_S) X(GE_S) X(LT_U) X(GE_U)
#define LOADS(X)                                                                                 \
    X(IR_MEM_8) X(IR_MEM_16) X(IR_MEM_32) X(IR_MEM_64)                                           \
    X(IR_MEM_8 | IR_MEM_SIGNED) X(IR_MEM_16 | IR_MEM_SIGNED) X(IR_MEM_32 | IR_MEM_SIGNED)
#define STORES(X) X(IR_MEM_8) X(IR_MEM_16) X(IR_MEM_32) X(IR_MEM_64)

#define ROW(name, kind, what) [RISCV_INSN_##name] = {kind, what}
static const struct row rows[RISCV_INSN_COUNT + 1] = {
    ROW(lui, UPPER, 0), ROW(c_lui, UPPER, 0), ROW(auipc, UPPER_PC, 0),
    ROW(jal, JUMP, 0), ROW(c_j, JUMP, 0),
    ROW(jalr, JUMP_IND, 0), ROW(c_jr, JUMP_IND, 0), ROW(c_jalr, JUMP_IND, 0),
    ROW(beq, BRANCH, IR_EQ), ROW(c_beqz, BRANCH, IR_EQ),
    ROW(bne, BRANCH, IR_NE), ROW(c_bnez, BRANCH, IR_NE),
    ROW(blt, BRANCH, IR_LT_S), ROW(bge, BRANCH, IR_GE_S),
    ROW(bltu, BRANCH, IR_LT_U), ROW(bgeu, BRANCH, IR_GE_U),
    ROW(lb, LOAD, IR_MEM_8 | IR_MEM_SIGNED), ROW(lbu, LOAD, IR_MEM_8),
    ROW(lh, LOAD, IR_MEM_16 | IR_MEM_SIGNED), ROW(lhu, LOAD, IR_MEM_16),
    ROW(lw, LOAD, IR_MEM_32 | IR_MEM_SIGNED), ROW(lwu, LOAD, IR_MEM_32),
    ROW(c_lw, LOAD, IR_MEM_32 | IR_MEM_SIGNED), ROW(c_lwsp, LOAD, IR_MEM_32 | IR_MEM_SIGNED),
    ROW(ld, LOAD, IR_MEM_64), ROW(c_ld, LOAD, IR_MEM_64), ROW(c_ldsp, LOAD, IR_MEM_64),
    ROW(sb, STORE, IR_MEM_8), ROW(sh, STORE, IR_MEM_16),
    ROW(sw, STORE, IR_MEM_32), ROW(c_sw, STORE, IR_MEM_32), ROW(c_swsp, STORE, IR_MEM_32),
    ROW(sd, STORE, IR_MEM_64), ROW(c_sd, STORE, IR_MEM_64), ROW(c_sdsp, STORE, IR_MEM_64),
    ROW(addi, OP_IMM, IR_ADD), ROW(c_addi, OP_IMM, IR_ADD), ROW(c_nop, OP_IMM, IR_ADD),
    ROW(c_li, OP_IMM, IR_ADD), ROW(c_addi4spn, OP_IMM, IR_ADD), ROW(c_addi16sp, OP_IMM, IR_ADD),
    ROW(slti, COMPARE_IMM, IR_LT_S), ROW(sltiu, COMPARE_IMM, IR_LT_U),
    ROW(xori, OP_IMM, IR_XOR), ROW(ori, OP_IMM, IR_OR),
    ROW(andi, OP_IMM, IR_AND), ROW(c_andi, OP_IMM, IR_AND),
    ROW(slli, OP_IMM, IR_SHL), ROW(c_slli, OP_IMM, IR_SHL),
    ROW(srli, OP_IMM, IR_SHR), ROW(c_srli, OP_IMM, IR_SHR),
    ROW(srai, OP_IMM, IR_SAR), ROW(c_srai, OP_IMM, IR_SAR),
    ROW(add, OP, IR_ADD), ROW(c_add, OP, IR_ADD), ROW(c_mv, OP, IR_ADD),
    ROW(sub, OP, IR_SUB), ROW(c_sub, OP, IR_SUB),
    ROW(slt, COMPARE, IR_LT_S), ROW(sltu, COMPARE, IR_LT_U),
    ROW(xor, OP, IR_XOR), ROW(c_xor, OP, IR_XOR), ROW(or, OP, IR_OR), ROW(c_or, OP, IR_OR),
    ROW(and, OP, IR_AND), ROW(c_and, OP, IR_AND),
    ROW(sll, OP, IR_SHL), ROW(srl, OP, IR_SHR), ROW(sra, OP, IR_SAR),
    ROW(addiw, OP_IMM_W, IR_ADD), ROW(c_addiw, OP_IMM_W, IR_ADD), ROW(slliw, OP_IMM_W, IR_SHL),
    ROW(srliw, OP_IMM_W, IR_SHR), ROW(sraiw, OP_IMM_W, IR_SAR),
    ROW(addw, OP_W, IR_ADD), ROW(c_addw, OP_W, IR_ADD), ROW(subw, OP_W, IR_SUB),
    ROW(c_subw, OP_W, IR_SUB), ROW(sllw, OP_W, IR_SHL), ROW(srlw, OP_W, IR_SHR),
    ROW(sraw, OP_W, IR_SAR),
    ROW(mul, OP, IR_MUL), ROW(mulh, OP, IR_MULH_SS), ROW(mulhsu, OP, IR_MULH_SU),
    ROW(mulhu, OP, IR_MULH_UU), ROW(div, OP, IR_DIV_S), ROW(divu, OP, IR_DIV_U),
    ROW(rem, OP, IR_REM_S), ROW(remu, OP, IR_REM_U), ROW(mulw, OP_W, IR_MUL),
    ROW(divw, OP_W, IR_DIV_S), ROW(divuw, OP_W, IR_DIV_U), ROW(remw, OP_W, IR_REM_S),
    ROW(remuw, OP_W, IR_REM_U),
    ROW(fence, FENCE, 0),
};
#undef ROW

_Static_assert((unsigned)IR_ROTR < 1u << WHAT_BITS && (unsigned)IR_GE_U < 1u << WHAT_BITS,
               "every `what` has its bits");

struct run {
    struct vcpu *vcpu;
    u64 *x;
    gva_t pc;  /* of this instruction, then where control goes from it */
    u64 insns; /* retired before it */
    struct probe_direct *direct; /* who is told, or NULL */
};

/* Before anything that may raise, or look at the count. */
static ALWAYS_INLINE void sync(const struct run *run, gva_t pc)
{
    run->vcpu->pc = pc;
    run->vcpu->insns = run->insns;
}

static ALWAYS_INLINE gva_t address(const struct run *run, const struct riscv_insn *insn)
{
    return run->x[insn->rs1] + (u64)(s64)insn->imm;
}

static ALWAYS_INLINE void set(struct run *run, const struct riscv_insn *insn, u64 value)
{
    if (insn->rd != 0) {
        run->x[insn->rd] = value;
        probe_direct_word(run->direct, PROBE_REGISTERS, value);
    }
}

static ALWAYS_INLINE void tell_access(const struct run *run, gva_t gva, u64 value)
{
    probe_direct_word(run->direct, PROBE_MEMORY, gva);
    probe_direct_word(run->direct, PROBE_MEMORY, value);
}

static ALWAYS_INLINE bool load(struct run *run, const struct riscv_insn *insn, gva_t pc,
                               unsigned mem)
{
    struct vcpu *vcpu = run->vcpu;
    unsigned size_bytes = 1u << (mem & IR_MEM_SIZE_MASK);
    gva_t gva = address(run, insn);
    const struct tlb_entry *entry = &vcpu->tlb[tlb_index(gva)];
    u64 value;
    if (LIKELY(((gva + size_bytes - 1) & PAGE_MASK) == entry->read_tag)) {
        value = ld_le((const u8 *)(uintptr_t)(gva + entry->addend), size_bytes);
    } else {
        sync(run, pc);
        struct stats_span span = stats_begin(vcpu);
        bool loaded = vcpu->ops->load(vcpu, gva, size_bytes, &value);
        stats_end(vcpu, STATS_LOAD, &span);
        if (!loaded) {
            return false;
        }
    }
    tell_access(run, gva, value);
    set(run, insn, mem & IR_MEM_SIGNED ? bits_sext(value, size_bytes * 8) : value);
    return true;
}

static ALWAYS_INLINE bool store(struct run *run, const struct riscv_insn *insn, gva_t pc,
                                unsigned mem)
{
    struct vcpu *vcpu = run->vcpu;
    unsigned size_bytes = 1u << mem;
    gva_t gva = address(run, insn);
    const struct tlb_entry *entry = &vcpu->tlb[tlb_index(gva)];
    u64 value = run->x[insn->rs2] & (~(u64)0 >> (64 - size_bytes * 8));
    if (LIKELY(((gva + size_bytes - 1) & PAGE_MASK) == entry->write_tag)) {
        st_le((u8 *)(uintptr_t)(gva + entry->addend), value, size_bytes);
        tell_access(run, gva, value);
        return true;
    }
    sync(run, pc);
    struct stats_span span = stats_begin(vcpu);
    bool stored = vcpu->ops->store(vcpu, gva, size_bytes, value);
    stats_end(vcpu, STATS_STORE, &span);
    if (stored) {
        tell_access(run, gva, value);
    }
    return stored;
}

static ALWAYS_INLINE u64 word_op(enum ir_op op, u64 a, u64 b)
{
    return (u64)(s64)(s32)(u32)ir_eval_binary(op, IR_I32, (u32)a, (u32)b);
}

/* False when it raised; else run->pc is where control goes. */
static ALWAYS_INLINE bool execute(struct run *run, const struct riscv_insn *insn, struct row row)
{
    u64 a = run->x[insn->rs1], b = run->x[insn->rs2], imm = (u64)(s64)insn->imm;
    gva_t pc = run->pc, behind = pc + insn->length_bytes;
    bool done = true;
    run->pc = behind;
    switch (DOES(row.kind, row.what)) {
#define CASES(op)                                                                                \
    case DOES(OP, IR_##op): set(run, insn, ir_eval_binary(IR_##op, IR_I64, a, b)); break;        \
    case DOES(OP_IMM, IR_##op): set(run, insn, ir_eval_binary(IR_##op, IR_I64, a, imm)); break;  \
    case DOES(OP_W, IR_##op): set(run, insn, word_op(IR_##op, a, b)); break;                     \
    case DOES(OP_IMM_W, IR_##op): set(run, insn, word_op(IR_##op, a, imm)); break;
        BINARY_OPS(CASES)
#undef CASES
#define CASES(cond)                                                                              \
    case DOES(COMPARE, IR_##cond): set(run, insn, ir_eval_cond(IR_##cond, IR_I64, a, b)); break; \
    case DOES(COMPARE_IMM, IR_##cond):                                                           \
        set(run, insn, ir_eval_cond(IR_##cond, IR_I64, a, imm));                                 \
        break;                                                                                   \
    case DOES(BRANCH, IR_##cond):                                                                \
        run->pc = ir_eval_cond(IR_##cond, IR_I64, a, b) ? pc + imm : behind;                     \
        break;
        CONDS(CASES)
#undef CASES
#define CASES(mem) case DOES(LOAD, mem): done = load(run, insn, pc, mem); break;
        LOADS(CASES)
#undef CASES
#define CASES(mem) case DOES(STORE, mem): done = store(run, insn, pc, mem); break;
        STORES(CASES)
#undef CASES
    case DOES(UPPER, 0): set(run, insn, imm); break;
    case DOES(UPPER_PC, 0): set(run, insn, pc + imm); break;
    case DOES(JUMP, 0):
        set(run, insn, behind);
        run->pc = pc + imm;
        break;
    case DOES(JUMP_IND, 0):
        set(run, insn, behind);
        run->pc = (a + imm) & ~(u64)1;
        break;
    default: atomic_thread_fence(memory_order_seq_cst); break; /* FENCE: the strongest */
    }
    return done;
}

enum { MAX_INSNS = PROBE_DIRECT_INSNS };

/* Some code, decoded: up to a jump or branch, or until its bytes end. */
struct piece {
    unsigned count;
    struct riscv_insn insns[MAX_INSNS];
};

static bool is_jump(struct row row)
{
    return row.kind >= BRANCH;
}

static struct row row_of_last(const struct piece *piece)
{
    return rows[piece->insns[piece->count - 1].id];
}

/* A block goes on behind a branch forward. */
static bool may_fall_through(const struct piece *piece)
{
    return row_of_last(piece).kind == BRANCH && piece->insns[piece->count - 1].imm > 0;
}

/* False when something in it is not for here. */
static ALWAYS_INLINE bool decode(const u8 *bytes, unsigned count_bytes, unsigned max_insns,
                                 struct piece *piece)
{
    const u8 *end = bytes + count_bytes;
    struct riscv_insn *insn = piece->insns;
    bool goes_on = true;
    while (goes_on && insn < piece->insns + max_insns) {
        unsigned length_bytes = riscv64_decode(bytes, (unsigned)(end - bytes), insn);
        if (length_bytes == 0) {
            break;
        }
        struct row row = rows[insn->id];
        if (row.kind == NOT_HERE) {
            return false;
        }
        goes_on = !is_jump(row);
        insn++;
        bytes += length_bytes;
    }
    piece->count = (unsigned)(insn - piece->insns);
    return piece->count != 0;
}

/* How a piece ended. */
struct way {
    unsigned last; /* the number of its last instruction that ran, or raised */
    u8 kind;       /* of the piece's last one */
    bool taken;    /* which is a jump or branch */
    bool raised;
};

/* `direct` is told values, or NULL. */
static ALWAYS_INLINE struct way run_piece(struct vcpu *vcpu, const struct piece *piece,
                                          struct probe_direct *direct)
{
    struct way way = {.kind = row_of_last(piece).kind};
    struct run run = {vcpu, riscv64_of(vcpu)->x, vcpu->pc, vcpu->insns, direct};
    for (unsigned n = 0; n < piece->count; n++) {
        const struct riscv_insn *insn = &piece->insns[n];
        gva_t behind = run.pc + insn->length_bytes;
        way.last = n;
        if (UNLIKELY(!execute(&run, insn, rows[insn->id]))) {
            way.raised = true; /* in sync, as it was before the instruction */
            return way;
        }
        run.insns++;
        way.taken = run.pc != behind;
    }
    sync(&run, run.pc);
    return way;
}

static NOINLINE struct way run_untold(struct vcpu *vcpu, const struct piece *piece)
{
    return run_piece(vcpu, piece, NULL);
}

/* Tells what the piece does, the same as is noted of its IR, and then its values. */
static NOINLINE struct way run_told(struct vcpu *vcpu, const struct piece *piece,
                                    struct probe_direct *direct)
{
    probe_direct_unit(direct);
    for (const struct riscv_insn *insn = piece->insns; insn < piece->insns + piece->count; insn++) {
        struct row row = rows[insn->id];
        probe_direct_insn(direct, insn->length_bytes);
        if (row.kind == LOAD || row.kind == STORE) {
            probe_direct_access(direct, 1u << (row.what & IR_MEM_SIZE_MASK), row.kind == STORE);
        }
        if (insn->rd != 0 && row.kind != STORE && row.kind != BRANCH && row.kind != FENCE) {
            probe_direct_register(direct, lower_x_offset(insn->rd));
        }
    }
    probe_direct_begins(direct);
    return run_piece(vcpu, piece, direct);
}

/* Neither accesses nor registers are told: it is described when it has run. */
static NOINLINE struct way run_told_later(struct vcpu *vcpu, const struct piece *piece,
                                          struct probe_direct *direct)
{
    const gva_t start = vcpu->pc;
    unsigned before = direct->count;
    struct way way = run_untold(vcpu, piece);
    u64 wide = 0;
    for (unsigned n = 0; n < piece->count && n < MAX_INSNS; n++) { /* a bound gcc can see */
        wide |= (u64)(piece->insns[n].length_bytes / 4) << n;
    }
    way.last += before;
    probe_direct_part(direct, start, piece->count, wide);
    if (!(direct->what & PROBE_EDGES)) {
        for (unsigned n = 0; n < piece->count; n++) {
            probe_direct_code(direct, piece->insns[n].word, piece->insns[n].length_bytes);
        }
    }
    return way;
}

static ALWAYS_INLINE struct way run_in(struct vcpu *vcpu, const struct piece *piece,
                                       struct probe_direct *direct)
{
    if (LIKELY(direct == NULL)) {
        return run_untold(vcpu, piece);
    }
    return direct->later ? run_told_later(vcpu, piece, direct) : run_told(vcpu, piece, direct);
}

static NOINLINE void tell_end(const struct vcpu *vcpu, struct way way,
                              struct probe_direct *direct)
{
    if (way.raised) {
        probe_direct_raised(direct, way.last);
    } else {
        probe_direct_way(direct, way.kind == JUMP_IND, vcpu->pc);
    }
}

static unsigned max_insns(const struct front_piece *front)
{
    return front->max_insns < MAX_INSNS ? front->max_insns : MAX_INSNS;
}

static enum ir_exit exit_of(struct way way)
{
    return way.raised ? IR_EXIT_RAISED : way.kind == JUMP_IND ? IR_EXIT_IND : IR_EXIT_JUMP;
}

/* A branch that ends so far behind the start was not taken. */
static void pass(struct front_piece *front, u64 bytes)
{
    front->passed[bytes / 128] |= (u64)1 << (bytes / 2 % 64);
}

/* What lies behind a branch is decoded when that was not taken. Where it then is not for here, that
 * is the end. */
bool riscv64_run_direct(struct vcpu *vcpu, struct front_piece *front)
{
    struct piece piece; /* what is done is what was decoded, though another hart may be writing */
    struct way way = { 0 };
    const gva_t start = vcpu->pc;
    unsigned left = max_insns(front);
    bool ran = false, goes_on = true;
    memset(front->passed, 0, sizeof(front->passed));
    while (goes_on && left != 0) {
        unsigned at = (unsigned)(vcpu->pc - start);
        if (!decode(front->code + at, front->code_bytes - at, left, &piece)) {
            break;
        }
        if (ran) {
            pass(front, at);
        }
        ran = true;
        way = run_in(vcpu, &piece, front->direct);
        goes_on = !way.raised && !way.taken && may_fall_through(&piece);
        left -= piece.count;
    }
    front->exit = exit_of(way);
    if (UNLIKELY(front->direct != NULL) && ran && front->direct->later) {
        tell_end(vcpu, way, front->direct);
    }
    return ran;
}

/* One that takes no longer than a branch that goes the other way than the host expects. */
static bool is_quick(struct row row)
{
    switch ((enum kind)row.kind) {
    case OP: case OP_W: return row.what < IR_MULH_SS || row.what > IR_REM_U;
    case OP_IMM: case OP_IMM_W: case COMPARE: case COMPARE_IMM: case UPPER: case UPPER_PC:
        return true;
    default: return false;
    }
}

unsigned riscv64_skips(const u8 *code, unsigned code_bytes)
{
    struct riscv_insn insn;
    unsigned length_bytes = riscv64_decode(code, code_bytes, &insn);
    if (length_bytes == 0 || rows[insn.id].kind != BRANCH || insn.rs1 == insn.rs2 ||
        insn.imm <= (s32)length_bytes) {
        return 0;
    }
    unsigned at = length_bytes, end = (unsigned)insn.imm, count = 0;
    while (at < end && count < FRONT_SKIPS_MAX && at < code_bytes) {
        length_bytes = riscv64_decode(code + at, code_bytes - at, &insn);
        if (length_bytes == 0 || !is_quick(rows[insn.id])) {
            return 0;
        }
        at += length_bytes;
        count++;
    }
    return at == end ? count : 0;
}
