/* Packs: the values of all rounds that are one vector, from what is summed up back to the loads;
 * see lanes.c. */
#include "translate/to_x86_64/lanes_search.h"

static unsigned find_pack(const struct search *s, const u16 *refs, unsigned bits)
{
    for (unsigned n = s->sum.first; n < s->sum.end; n++) {
        const struct pack *pack = &s->c->lanes.packs[n];
        if (pack->bits == bits && memcmp(pack->refs, refs, s->lane_count * sizeof(*refs)) == 0) {
            return n;
        }
    }
    return NO_PACK;
}

static unsigned add_pack(struct search *s, const struct pack *pack, const u16 *refs)
{
    if (s->sum.end == PACKS_MAX) {
        return NO_PACK;
    }
    struct pack *added = &s->c->lanes.packs[s->sum.end];
    *added = *pack;
    added->count = (u8)s->lane_count;
    added->slot = NO_PACK;
    added->reg = NO_PACK;
    memcpy(added->refs, refs, s->lane_count * sizeof(*refs));
    return s->sum.end++;
}

static bool all_same(const struct search *s, const u16 *refs)
{
    for (unsigned n = 1; n < s->lane_count; n++) {
        if (!value_is_same(s->c, refs[0], refs[n])) {
            return false;
        }
    }
    return true;
}

/* The same operation in all rounds. */
static bool all_alike(const struct search *s, const u16 *refs)
{
    const struct ir_insn *first = insn_at(s, refs[0]);
    for (unsigned n = 0; n < s->lane_count; n++) {
        const struct ir_insn *insn = insn_at(s, refs[n]);
        if (insn->dead || insn->op != first->op || insn->type != first->type ||
            insn->sub != first->sub || s->c->lanes.of[refs[n]] != LANES_NONE) {
            return false;
        }
    }
    return true;
}

static unsigned pack_same(struct search *s, const u16 *refs, unsigned bits)
{
    const struct ir_insn *insn = insn_at(s, refs[0]);
    bool is_float = type_is_float(insn->type);
    const struct pack pack = {.kind = PACK_SAME, .bits = (u8)bits, .is_float = is_float};
    bool fits = is_float ? insn->type == (bits == 32 ? IR_F32 : IR_F64)
                         : bits == 32 || insn->type == IR_I64;
    return fits && s->c->lanes.of[refs[0]] == LANES_NONE ? add_pack(s, &pack, refs) : NO_PACK;
}

static unsigned pack_loads(struct search *s, const u16 *refs, unsigned bits)
{
    const struct compile *c = s->c;
    const struct ir_insn *first = insn_at(s, refs[0]);
    unsigned bytes = 1u << (first->sub & IR_MEM_SIZE_MASK);
    bool is_signed = (first->sub & IR_MEM_SIGNED) != 0;
    struct pack pack = {.kind = PACK_LOAD,
                        .bits = (u8)bits,
                        .is_float = type_is_float(first->type),
                        .is_word = bits == 64 && bytes < 8 && (is_signed || bytes < 4)};
    if (8 * bytes > bits) {
        return NO_PACK;
    }
    for (unsigned n = 0; n < s->lane_count; n++) {
        unsigned hoist = c->hoist_of[refs[n]];
        if (hoist != c->hoist_of[refs[0]] || hoist == 0 || hoist_needs_address(c, refs[n])) {
            return NO_PACK;
        }
        if (hoist_disp(s->c, refs[n]) != hoist_disp(s->c, refs[0]) + (s32)(n * bytes)) {
            pack.kind = PACK_APART;
        }
    }
    return add_pack(s, &pack, refs);
}

static unsigned pack_operands(struct search *s, const u16 *refs, bool second, unsigned bits)
{
    u16 operands[LANES_MAX];
    for (unsigned n = 0; n < s->lane_count; n++) {
        operands[n] = second ? insn_at(s, refs[n])->b : insn_at(s, refs[n])->a;
    }
    return pack_of(s, operands, bits);
}

/* Operations of one operand that only say how to read it. The pack stands for them too. */
static unsigned pack_reading(struct search *s, const u16 *refs, unsigned bits)
{
    const struct ir_insn *first = insn_at(s, refs[0]);
    bool extends = first->op != IR_TRUNC;
    if (extends && (first->sub != 32 || insn_at(s, first->a)->type != IR_I32)) {
        return NO_PACK;
    }
    struct pack pack = {.kind = PACK_OP,
                        .op = first->op,
                        .bits = (u8)bits,
                        .b = NO_PACK,
                        .is_word = bits == 64 && first->op == IR_SEXT};
    pack.a = (u8)pack_operands(s, refs, false, 32);
    if (pack.a == NO_PACK || (extends && bits == 64)) {
        return pack.a == NO_PACK ? NO_PACK : add_pack(s, &pack, refs);
    }
    pack.op = IR_TRUNC; /* nothing to be done */
    pack.low_only = extends;
    return add_pack(s, &pack, refs);
}

/* By the same number in all rounds. */
static unsigned pack_shifts(struct search *s, const u16 *refs, unsigned bits)
{
    const struct ir_insn *first = insn_at(s, refs[0]);
    unsigned width = first->type == IR_I64 ? 64 : 32;
    const struct ir_insn *by = insn_at(s, first->b);
    struct pack pack = {
        .kind = PACK_OP, .op = first->op, .bits = (u8)bits, .b = NO_PACK, .low_only = bits < width};
    bool loses = bits < width && first->op != IR_SHL; /* needs the upper halves */
    loses |= bits == 64 && first->op == IR_SAR;       /* AVX2 has none */
    if (by->op != IR_CONST || loses || (by->imm & (width - 1)) >= bits) {
        return NO_PACK;
    }
    for (unsigned n = 1; n < s->lane_count; n++) {
        if (!value_is_same(s->c, first->b, insn_at(s, refs[n])->b)) {
            return NO_PACK;
        }
    }
    pack.imm = (u8)(by->imm & (width - 1));
    pack.a = (u8)pack_operands(s, refs, false, bits);
    return pack.a == NO_PACK ? NO_PACK : add_pack(s, &pack, refs);
}

static unsigned pack_sums(struct search *s, const u16 *refs, unsigned bits)
{
    const struct ir_insn *first = insn_at(s, refs[0]);
    struct pack pack = {.kind = PACK_OP,
                        .op = first->op,
                        .bits = (u8)bits,
                        .low_only = bits == 32 && first->type == IR_I64};
    pack.a = (u8)pack_operands(s, refs, false, bits);
    pack.b = pack.a == NO_PACK ? (u8)NO_PACK : (u8)pack_operands(s, refs, true, bits);
    if (pack.b == NO_PACK) {
        return NO_PACK;
    }
    const struct pack *packs = s->c->lanes.packs;
    bool words = packs[pack.a].is_word && packs[pack.b].is_word;
    bool has_op = first->op != IR_MUL || bits == 32 || words; /* AVX2 multiplies no more */
    return has_op ? add_pack(s, &pack, refs) : NO_PACK;
}

/* By the rounding that the host has set. */
static unsigned pack_floats(struct search *s, const u16 *refs, unsigned bits)
{
    const struct ir_insn *first = insn_at(s, refs[0]);
    struct pack pack = {
        .kind = PACK_OP, .op = first->op, .bits = (u8)bits, .b = NO_PACK, .is_float = true};
    for (unsigned n = 0; n < s->lane_count; n++) {
        if (rounding_of(s->c, insn_at(s, refs[n])) != ROUND_AS_IS) {
            return NO_PACK;
        }
    }
    pack.a = (u8)pack_operands(s, refs, false, bits);
    if (pack.a != NO_PACK && first->op != IR_FSQRT) {
        pack.b = (u8)pack_operands(s, refs, true, bits);
    }
    bool has_all = pack.a != NO_PACK && (pack.b != NO_PACK || first->op == IR_FSQRT);
    return has_all ? add_pack(s, &pack, refs) : NO_PACK;
}

/* Whether a lane of so many bits holds such a value, or of an integer the lower half. */
static bool type_fits(unsigned type, unsigned bits)
{
    return bits == 64 ? type == IR_I64 || type == IR_F64 : type != IR_F64;
}

unsigned pack_of(struct search *s, const u16 *refs, unsigned bits)
{
    unsigned known = find_pack(s, refs, bits);
    if (known != NO_PACK) {
        return known;
    }
    if (all_same(s, refs)) {
        return pack_same(s, refs, bits);
    }
    if (!all_alike(s, refs) || !type_fits(insn_at(s, refs[0])->type, bits)) {
        return NO_PACK;
    }
    switch (insn_at(s, refs[0])->op) {
    case IR_LOAD:
        return pack_loads(s, refs, bits);
    case IR_TRUNC:
        return bits == 32 ? pack_reading(s, refs, bits) : NO_PACK;
    case IR_SEXT:
    case IR_ZEXT:
        return pack_reading(s, refs, bits);
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
        return pack_shifts(s, refs, bits);
    case IR_ADD:
    case IR_SUB:
    case IR_MUL:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
        return pack_sums(s, refs, bits);
    case IR_FADD:
    case IR_FSUB:
    case IR_FMUL:
    case IR_FDIV:
    case IR_FSQRT:
        return pack_floats(s, refs, bits);
    default:
        return NO_PACK;
    }
}
