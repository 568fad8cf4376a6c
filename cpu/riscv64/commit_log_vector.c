/* Which vector registers an instruction wrote, as Spike logs it: those of which it writes at least
 * one element, even when that keeps its value. Elements that are masked off, or not in [vstart,
 * vl), are not written. Told from what the instruction is and what it started from; of loads,
 * from how many accesses it made.
 *
 * An instruction's destination is a run of elements of one size from vd on, of which the mask
 * leaves out some; its shape in rv_v.def says which. See commit_log_vector.h. */
#include "cpu/riscv64/commit_log_vector.h"

#include "cpu/base/bits.h"
#include "cpu/riscv64/vector.h"

#include <assert.h>
#include <string.h>

/* What the instruction started from. */
struct before {
    u64 vl, vstart, vtype;
    u8 mask[RISCV_MAX_VLENB]; /* v0 */
};

static_assert(sizeof(struct before) <= sizeof(((struct guest_commit *)0)->before), "before[]");

enum destination {
    NO_REGISTER,  /* stores, and what has its result in an x or f register */
    ELEMENTS,     /* active elements, SEW wide */
    ALL_ELEMENTS, /* v0 is an operand: all of [vstart, vl) */
    WIDE,         /* active elements, twice SEW wide */
    WIDE_INTEGER, /* those, and in Spike's log also where they were if they were SEW wide */
    BITS,         /* of a mask: the active ones */
    ALL_BITS,
    FIRST_ELEMENT,
    FROM_OFFSET, /* active elements from the slide's offset on */
    COMPRESSED,  /* as many elements as vs1 has bits */
    WHOLE_MOVE,
    LOADED,      /* EEW is the instruction's */
    LOADED_SEW,  /* EEW is the indices' */
    LOADED_BITS, /* bytes with bits [0, vl) */
    LOADED_WHOLE,
};

/* By the shapes of rv_v.def. */
enum {
    shape_mask_load = LOADED_BITS,
    shape_unit_load = LOADED,
    shape_strided_load = LOADED,
    shape_fault_first = LOADED,
    shape_indexed_load = LOADED_SEW,
    shape_whole_load = LOADED_WHOLE,
    shape_mask_store = NO_REGISTER,
    shape_unit_store = NO_REGISTER,
    shape_strided_store = NO_REGISTER,
    shape_indexed_store = NO_REGISTER,
    shape_whole_store = NO_REGISTER,
    shape_element_wise = ELEMENTS,
    shape_fixed = ELEMENTS,
    shape_narrow = ELEMENTS,
    shape_move = ELEMENTS,
    shape_carry = ALL_ELEMENTS,
    shape_merge_sources = ALL_ELEMENTS,
    shape_extend_z2 = ELEMENTS,
    shape_extend_z4 = ELEMENTS,
    shape_extend_z8 = ELEMENTS,
    shape_extend_s2 = ELEMENTS,
    shape_extend_s4 = ELEMENTS,
    shape_extend_s8 = ELEMENTS,
    shape_widen_uu = WIDE_INTEGER,
    shape_widen_ss = WIDE_INTEGER,
    shape_widen_su = WIDE_INTEGER,
    shape_widen_us = WIDE_INTEGER,
    shape_widen_wu = WIDE_INTEGER,
    shape_widen_ws = WIDE_INTEGER,
    shape_reduce = FIRST_ELEMENT,
    shape_reduce_wide_u = FIRST_ELEMENT,
    shape_reduce_wide_s = FIRST_ELEMENT,
    shape_fp_reduce = FIRST_ELEMENT,
    shape_fp_reduce_wide = FIRST_ELEMENT,
    shape_to_first = FIRST_ELEMENT,
    shape_compare = BITS,
    shape_fp_compare = BITS,
    shape_mask_set = BITS,
    shape_mask_logic = ALL_BITS,
    shape_carry_out = ALL_BITS,
    shape_fp = ELEMENTS,
    shape_fp_convert = ELEMENTS,
    shape_fp_convert_rtz = ELEMENTS,
    shape_fp_convert_narrow = ELEMENTS,
    shape_fp_convert_narrow_rtz = ELEMENTS,
    shape_fp_widen = WIDE,
    shape_fp_widen_w = WIDE,
    shape_fp_convert_wide = WIDE,
    shape_fp_convert_wide_rtz = WIDE,
    shape_iota = ELEMENTS,
    shape_index = ELEMENTS,
    shape_gather = ELEMENTS,
    shape_gather16 = ELEMENTS,
    shape_slide1_up = ELEMENTS,
    shape_slide1_down = ELEMENTS,
    shape_slide_down = ELEMENTS,
    shape_slide_up = FROM_OFFSET,
    shape_compress = COMPRESSED,
    shape_move_whole = WHOLE_MOVE,
    shape_count = NO_REGISTER,
    shape_first = NO_REGISTER,
    shape_to_x = NO_REGISTER,
    shape_to_f = NO_REGISTER,
};

static const u8 destinations[RISCV_INSN_COUNT] = {
#define INSN(name, pattern, format, extension, assembly, flags, lowering)
#define VINSN(name, pattern, format, assembly, flags, shape, op)                                   \
    [RISCV_INSN_##name] = (u8)shape_##shape,
#include "cpu/riscv64/rv_v.def"
#undef INSN
#undef VINSN
};

/* A run of elements. */
struct run {
    unsigned log2_bits; /* of an element */
    u64 first, end;     /* elements [first, end) */
    const u8 *mask;     /* NULL: all are active */
    unsigned fields;    /* groups of that many elements each, of a segment load */
    unsigned field_registers;
    u64 limit; /* active elements of all fields, counted in memory's order */
};

static u32 registers_of(const struct run *run, unsigned vd, unsigned vlenb)
{
    u32 registers = 0;
    u64 left = run->limit;
    for (u64 i = run->first; i < run->end; i++) {
        if (run->mask != NULL && !vector_bit(run->mask, (u32)i)) {
            continue;
        }
        for (unsigned field = 0; field < run->fields; field++) {
            if (left-- == 0) {
                return registers;
            }
            u64 number = vd + field * run->field_registers + (i << run->log2_bits) / (8 * vlenb);
            registers |= (u32)1 << (number & 31);
        }
    }
    return registers;
}

static u64 slide_offset(const struct riscv64_state *state, const struct riscv_insn *insn)
{
    bool immediate = (insn->word >> 12 & 7) == 3; /* OPIVI */
    unsigned rs1 = insn->word >> 15 & 31;
    return immediate ? rs1 : state->x[rs1];
}

static u64 bits_set(const u8 *bits, u64 end)
{
    u64 count = 0;
    for (u64 i = 0; i < end; i++) {
        count += vector_bit(bits, (u32)i);
    }
    return count;
}

/* Loads are told by their accesses, one for each element. */
static void load_run(struct run *run, const struct riscv64_state *state,
                     const struct riscv_insn *insn, const struct guest_commit *commit,
                     enum destination destination)
{
    unsigned sew = (unsigned)bits_get(state->vtype, 3, 3);
    unsigned width = insn->word >> 12 & 7;
    unsigned eew = width == 0 ? 0 : width - 4;
    unsigned fields = (insn->word >> 29) + 1;
    int emul = (int)bits_sext(state->vtype, 3);
    run->limit = commit->access_count;
    switch (destination) {
    case LOADED_BITS:
        eew = 0;
        run->end = (run->end + 7) / 8;
        break;
    case LOADED_WHOLE: run->end = (u64)fields * state->vlenb >> eew; break;
    case LOADED_SEW:
        eew = sew;
        run->fields = fields;
        break;
    default:
        emul += (int)eew - (int)sew;
        run->fields = fields;
        break;
    }
    run->field_registers = vector_regs(emul);
    run->log2_bits = 3 + eew;
}

static struct run run_of(const struct riscv64_state *state, const struct riscv_insn *insn,
                         const struct guest_commit *commit, const struct before *before)
{
    unsigned sew = (unsigned)bits_get(state->vtype, 3, 3);
    unsigned vs1 = insn->word >> 15 & 31, vs2 = insn->word >> 20 & 31;
    struct run run = {
        .log2_bits = 3 + sew,
        .first = before->vstart,
        .end = before->vl,
        .fields = 1,
        .limit = ~(u64)0,
        .mask = insn->word >> 25 & 1 ? NULL : before->mask,
    };
    enum destination destination = destinations[insn->id];
    switch (destination) {
    case NO_REGISTER: run.end = 0; break;
    case ELEMENTS: break;
    case ALL_ELEMENTS: run.mask = NULL; break;
    case WIDE:
    case WIDE_INTEGER: run.log2_bits++; break;
    case BITS: run.log2_bits = 0; break;
    case ALL_BITS:
        run.log2_bits = 0;
        run.mask = NULL;
        break;
    case FIRST_ELEMENT:
        run.end = before->vstart < before->vl;
        run.first = 0;
        run.mask = NULL;
        break;
    case FROM_OFFSET: {
        u64 offset = slide_offset(state, insn);
        run.first = offset > before->vstart ? offset : before->vstart;
        break;
    }
    case COMPRESSED:
        run.end = bits_set((const u8 *)state->v + (size_t)vs1 * state->vlenb, before->vl);
        break;
    case WHOLE_MOVE: /* vs1 is the number of registers, less one; one onto itself is not written */
        run.log2_bits = 3;
        run.first = before->vstart << sew;
        run.end = insn->rd == vs2 ? 0 : (u64)(vs1 + 1) * state->vlenb;
        break;
    default: load_run(&run, state, insn, commit, destination); break;
    }
    return run;
}

void riscv64_commit_vector_begin(const struct riscv64_state *state, struct guest_commit *commit)
{
    struct before before = {state->vl, state->vstart, state->vtype, {0}};
    memcpy(before.mask, state->v, state->vlenb);
    memcpy(commit->before, &before, sizeof(before));
}

/* vl is kept by vset*vl* of x0 and x0, unless there are no elements; vtype, when it is what was
 * asked for. */
static void configured(const struct riscv64_state *state, const struct riscv_insn *insn,
                       const struct before *before, struct riscv64_commit_vector *effects)
{
    bool keeps_vl = insn->id != RISCV_INSN_vsetivli && insn->rd == 0 && insn->rs1 == 0;
    bool vill = (state->vtype & VTYPE_VILL) != 0;
    bool vill_asked = insn->id == RISCV_INSN_vsetvl && state->x[insn->rs2] == VTYPE_VILL;
    effects->vl = !keeps_vl || vill;
    effects->vtype = state->vtype != before->vtype || (vill && !vill_asked);
}

void riscv64_commit_vector(const struct riscv64_state *state, const struct riscv_insn *insn,
                           const struct guest_commit *commit, struct riscv64_commit_vector *effects)
{
    struct before before;
    memcpy(&before, commit->before, sizeof(before));
    *effects = (struct riscv64_commit_vector){0};
    if (insn->id == RISCV_INSN_vsetivli || insn->id == RISCV_INSN_vsetvli ||
        insn->id == RISCV_INSN_vsetvl) {
        configured(state, insn, &before, effects);
        return;
    }
    struct run run = run_of(state, insn, commit, &before);
    unsigned vd = insn->word >> 7 & 31;
    effects->registers = registers_of(&run, vd, state->vlenb);
    if (destinations[insn->id] == WIDE_INTEGER) {
        run.log2_bits--;
        effects->registers |= registers_of(&run, vd, state->vlenb);
    }
    effects->vl = state->vl != before.vl; /* of a load that stops at the first fault */
    effects->told = true;
}
