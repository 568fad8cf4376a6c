/* A: atomics. IR atomics are sequentially consistent, which is at least what aq and rl ask.
 *
 * lr/sc in pairs. Software writes lr, a few register instructions, sc. When a look ahead from the
 * lr finds exactly that (below), the pair becomes a load and a compare-and-swap: with nothing but
 * registers between them, that the value came back in between (ABA) cannot be told from the whole
 * having happened at the compare-and-swap. An lr with no sc in sight is only a load, until one
 * comes (translate/reservation.c). Everything else goes through helpers that keep a real
 * reservation. An sc that runs without its pair (the trap came between, the branch went round)
 * goes to the helper, finds no reservation and fails, as the manual allows.
 *
 * Paired means, besides the architecture's constrained loops (chapter "A", "Eventual Success of
 * Store-Conditional Instructions"): same address register, unchanged in between; same size; within
 * 16 instructions and what the block may still take (over a page's end, a block of their own); no
 * branch that lands between the two, since that would run the sc without its lr, for ever. Never
 * under a trace, which has blocks of one instruction. */
#include "translate/from_riscv64/lower.h"

enum { PAIR_MAX_INSNS = 16 };

static enum ir_type access_type(const struct riscv_insn *insn)
{
    return insn->fmt == 2 ? IR_I32 : IR_I64;
}

static unsigned size_bytes(const struct riscv_insn *insn)
{
    return 1u << insn->fmt;
}

/* rs2 at the width of the access. */
static ir_ref get_operand(struct lower *l, const struct riscv_insn *insn)
{
    return insn->fmt == 2 ? lower_get_w(l, insn->rs2) : lower_get_x(l, insn->rs2);
}

static void set_old(struct lower *l, const struct riscv_insn *insn, ir_ref old)
{
    if (insn->fmt == 2) {
        lower_set_w(l, insn->rd, old);
    } else {
        lower_set_x(l, insn->rd, old);
    }
}

/* --- pairing --- */

/* front_private[0]: offset of the sc that closes open_lr */

void lower_reset_pair(struct lower *l)
{
    l->open_lr.address = l->open_lr.value = IR_REF_NONE;
    l->open_lr.size_bytes = 0;
    l->front_private[0] = 0;
}

static bool writes_x(const struct riscv_insn *insn, unsigned number)
{
    return number != 0 && insn->rd == number && (insn->flags & RV_F_RESULT) == 0;
}

static bool is_sc(const struct riscv_insn *insn)
{
    return insn->id == RISCV_INSN_sc_w || insn->id == RISCV_INSN_sc_d;
}

/* True when `insn` may stand between lr and sc. A branch's target, counted from the lr like
 * `distance`, lowers *first_landing. */
static bool may_stand_between(const struct riscv_insn *insn, unsigned address_register,
                              s64 distance, s64 *first_landing)
{
    if (insn->id == RISCV_INSN_illegal || writes_x(insn, address_register) ||
        (insn->flags & (RV_MEMORY | RV_SYSTEM | RV_JUMP | RV_FP | RV_V)) != 0) {
        return false;
    }
    if ((insn->flags & RV_BRANCH) != 0) {
        if (insn->imm <= 0) {
            return false;
        }
        if (distance + insn->imm < *first_landing) {
            *first_landing = distance + insn->imm;
        }
    }
    return true;
}

static bool is_wrs(const struct riscv_insn *insn)
{
    return insn->id == RISCV_INSN_wrs_nto || insn->id == RISCV_INSN_wrs_sto;
}

/* What find_pair answers instead of a distance; an sc has none of these. */
enum { PAIR_NONE = 0, PAIR_WITH_WRS = 1, PAIR_OUT_OF_SIGHT = 3, PAIR_CUT = 5 };

/* Bytes from this lr to the sc it pairs with; PAIR_WITH_WRS when only wrs looks at it; PAIR_NONE
 * when there is an sc, but not for a pair; PAIR_OUT_OF_SIGHT when there is none before the next
 * jump; PAIR_CUT when there is none before the end of what can be read. */
static unsigned find_pair(const struct lower *l, const struct riscv_insn *lr)
{
    s64 first_landing = INT64_MAX;
    bool simple = !writes_x(lr, lr->rs1);
    unsigned at = lr->length_bytes;
    for (unsigned n = 1; n <= PAIR_MAX_INSNS; n++) {
        struct riscv_insn insn;
        unsigned length_bytes = riscv64_decode(l->rest + at, l->rest_bytes - at, &insn);
        if (length_bytes == 0) {
            return PAIR_CUT;
        }
        if (insn.id == RISCV_INSN_illegal || (insn.flags & RV_JUMP) != 0) {
            break;
        }
        if (is_sc(&insn)) {
            bool pairs = simple && insn.rs1 == lr->rs1 && insn.fmt == lr->fmt &&
                         first_landing > (s64)at && (l->max_insns == 0 || n < l->max_insns);
            return pairs ? at : PAIR_NONE;
        }
        if (is_wrs(&insn)) {
            return simple ? PAIR_WITH_WRS : PAIR_NONE;
        }
        simple = simple && may_stand_between(&insn, lr->rs1, at, &first_landing);
        at += length_bytes;
    }
    return PAIR_OUT_OF_SIGHT;
}

bool riscv64_lr_is_cut(const u8 *code, unsigned code_bytes)
{
    const struct lower l = { .rest = code, .rest_bytes = code_bytes };
    struct riscv_insn insn;
    return riscv64_decode(code, code_bytes, &insn) != 0 &&
           (insn.id == RISCV_INSN_lr_w || insn.id == RISCV_INSN_lr_d) &&
           find_pair(&l, &insn) == PAIR_CUT;
}

/* Any lr replaces the reservation that an earlier one made the slow way. */
static ir_ref load_without_reservation(struct lower *l, const struct riscv_insn *insn,
                                       ir_ref address)
{
    ir_ref value = ir_load_aligned(l->ir, access_type(insn), insn->fmt, address);
    ir_set(l->ir, offsetof(struct vcpu, reservation_live), 4, ir_const(l->ir, IR_I32, 0));
    return value;
}

/* A wait: lr, a few register instructions, wrs. The stall may end at any time and software looks
 * again, so the reservation is never needed; an sc that came after all would fail and retry. */
static ir_ref load_waiting(struct lower *l, const struct riscv_insn *insn)
{
    lower_reset_pair(l);
    return load_without_reservation(l, insn, lower_get_x(l, insn->rs1));
}

/* No sc is in sight, and none came so far. That it was this lr is noted, should one come; its
 * address is even, so that bit 0 says that there is one. */
static ir_ref load_alone(struct lower *l, const struct riscv_insn *insn)
{
    lower_reset_pair(l);
    ir_ref address = lower_get_x(l, insn->rs1);
    ir_ref value = load_without_reservation(l, insn, address);
    ir_set(l->ir, offsetof(struct vcpu, lone_lr), 8, ir_i64(l->ir, l->gpa | 1));
    ir_set(l->ir, offsetof(struct vcpu, lone_lr_gva), 8, address);
    return value;
}

/* Of an lr that sees no sc. Where it is a breakpoint that hides what follows, there may well be
 * one, and none is to fail because of that. */
static bool is_alone(const struct lower *l, unsigned distance)
{
    return (distance == PAIR_OUT_OF_SIGHT || l->pairs_over_pages) && l->lone_lrs != NULL &&
           !reservation_is_needed(l->lone_lrs, l->gpa);
}

static ir_ref load_paired(struct lower *l, const struct riscv_insn *insn, unsigned distance)
{
    ir_ref address = lower_get_x(l, insn->rs1);
    ir_ref value = load_without_reservation(l, insn, address);
    l->open_lr.address = address;
    l->open_lr.value = value;
    l->open_lr.size_bytes = size_bytes(insn);
    l->front_private[0] = (u64)l->offset + distance;
    return value;
}

static ir_ref load_unpaired(struct lower *l, const struct riscv_insn *insn)
{
    lower_reset_pair(l);
    return ir_call(l->ir, &riscv64_helper_lr, lower_get_x(l, insn->rs1),
                   ir_i64(l->ir, size_bytes(insn)), IR_REF_NONE, IR_REF_NONE);
}

/* RISC-V fence bits: 2 read, 1 write; predecessor in the upper four. */
enum { FENCE_RW_RW = 0x33, FENCE_R_RW = 0x23 };

void riscv64_lower_lr(struct lower *l, const struct riscv_insn *insn)
{
    bool acquire = (insn->aqrl & 2) != 0, release = (insn->aqrl & 1) != 0;
    if (release) {
        ir_fence(l->ir, FENCE_RW_RW);
    }
    /* The commit log wants one instruction at a time. */
    unsigned distance = (l->mode & RISCV_MODE_TRACE) ? PAIR_NONE : find_pair(l, insn);
    bool blind = distance == PAIR_OUT_OF_SIGHT || distance == PAIR_CUT;
    bool alone = blind && is_alone(l, distance);
    bool called = distance == PAIR_NONE || (blind && !alone);
    ir_ref value = called                      ? load_unpaired(l, insn)
                   : alone                     ? load_alone(l, insn)
                   : distance == PAIR_WITH_WRS ? load_waiting(l, insn)
                                               : load_paired(l, insn, distance);
    if (acquire) {
        ir_fence(l->ir, FENCE_R_RW);
    }
    if (called) {
        lower_set_x(l, insn->rd, value);
    } else {
        set_old(l, insn, value);
    }
}

/* rd is 0 when stored, 1 when not. */
void riscv64_lower_sc(struct lower *l, const struct riscv_insn *insn)
{
    ir_ref desired = get_operand(l, insn);
    if (l->open_lr.value != IR_REF_NONE && l->front_private[0] == (u64)l->offset) {
        ir_ref expected = l->open_lr.value;
        ir_ref old = ir_cas(l->ir, access_type(insn), l->open_lr.address, expected, desired);
        lower_set_x(l, insn->rd, ir_setcc(l->ir, IR_NE, access_type(insn), old, expected));
    } else {
        ir_ref failed = ir_call(l->ir, &riscv64_helper_sc, lower_get_x(l, insn->rs1),
                                lower_get_x(l, insn->rs2), ir_i64(l->ir, size_bytes(insn)),
                                IR_REF_NONE);
        lower_set_x(l, insn->rd, failed);
    }
    lower_reset_pair(l);
}

/* --- read-modify-write --- */

static void amo(struct lower *l, const struct riscv_insn *insn, enum ir_amo operation)
{
    ir_ref address = lower_get_x(l, insn->rs1), operand = get_operand(l, insn);
    set_old(l, insn, ir_amo(l->ir, operation, access_type(insn), address, operand));
}

void riscv64_lower_amoswap(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_SWAP);
}

void riscv64_lower_amoadd(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_ADD);
}

void riscv64_lower_amoxor(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_XOR);
}

void riscv64_lower_amoand(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_AND);
}

void riscv64_lower_amoor(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_OR);
}

void riscv64_lower_amomin(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_MIN_S);
}

void riscv64_lower_amomax(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_MAX_S);
}

void riscv64_lower_amominu(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_MIN_U);
}

void riscv64_lower_amomaxu(struct lower *l, const struct riscv_insn *insn)
{
    amo(l, insn, IR_AMO_MAX_U);
}
