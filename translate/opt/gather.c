/* Words that are put together from bytes; see gather.h. */
#include "translate/opt/gather.h"
#include <string.h>

enum { WORD_BYTES = 8, TREES_MAX = 255, WORDS_MAX = 24, PARTS_MAX = 32, NEW_INSNS = 100 };

/* A value made of bytes of memory near one base address. */
struct tree {
    ir_ref base;
    u8 bytes;              /* one bit each, from the lowest: it is from memory, others are zero */
    bool extends;          /* of 32 bits, sign-extended */
    s32 from[WORD_BYTES];  /* a byte's distance from the base */
};

/* A value to be loaded at once. */
struct word {
    ir_ref root;
    ir_ref at;             /* index of the first check, which its own takes the place of */
    ir_ref end;            /* index behind the SETs that follow the root */
    ir_ref value;          /* once made: the new load */
    u8 size_log2;
    u8 shift_bits;
    bool swapped, dropped;
    s32 from;              /* of its lowest byte in memory */
    u8 part_count;
    ir_ref parts[PARTS_MAX]; /* what it consists of: loads, shifts, ors */
};

/* From the first load of a word to where all that it writes is written, with whatever lies between:
 * the loads of a region have happened, all of them, or none. */
struct region {
    ir_ref at, end;
};

struct gather {
    struct ir *ir;
    bool alone;
    unsigned tree_count, word_count, region_count;
    struct region regions[WORDS_MAX];
    struct word words[WORDS_MAX];
    struct tree trees[TREES_MAX + 1];
    u8 tree_of[IR_MAX_INSNS]; /* 0: none */
    u8 uses[IR_MAX_INSNS];    /* by other than SETs */
    struct ir_insn from[IR_MAX_INSNS]; /* the block as it was */
    u8 part_of[IR_MAX_INSNS]; /* a word's number + 1; of parts, their checks, and its root */
};

static const struct ir_insn *insn_at(const struct gather *g, ir_ref ref)
{
    return &g->from[ref];
}

static bool is_const(const struct gather *g, ir_ref ref)
{
    return insn_at(g, ref)->op == IR_CONST;
}

/* --- which values are made of bytes --- */

static struct tree *tree_new(struct gather *g, unsigned i)
{
    if (g->tree_count == TREES_MAX) {
        return NULL;
    }
    g->tree_of[i] = (u8)++g->tree_count;
    return &g->trees[g->tree_count];
}

static const struct tree *tree_at(const struct gather *g, ir_ref ref)
{
    return g->tree_of[ref] != 0 ? &g->trees[g->tree_of[ref]] : NULL;
}

static void add_load(struct gather *g, unsigned i)
{
    enum { FAR = 1 << 20 };
    const struct ir_insn *load = insn_at(g, (ir_ref)i), *address = insn_at(g, load->b);
    bool has_distance = address->op == IR_ADD && is_const(g, address->b);
    s64 distance = has_distance ? (s64)insn_at(g, address->b)->imm : 0;
    if (load->type != IR_I64 || load->sub >= IR_MEM_64 || distance < -FAR || distance > FAR ||
        insn_at(g, load->a)->imm != IR_CHECK_READ) {
        return;
    }
    struct tree *tree = tree_new(g, i);
    if (tree != NULL) {
        tree->base = has_distance ? address->a : load->b;
        tree->extends = false;
        tree->bytes = (u8)((1u << (1u << load->sub)) - 1);
        for (unsigned n = 0; n < 1u << load->sub; n++) {
            tree->from[n] = (s32)distance + (s32)n;
        }
    }
}

static void add_shift(struct gather *g, unsigned i)
{
    const struct ir_insn *shift = insn_at(g, (ir_ref)i);
    const struct tree *of = tree_at(g, shift->a);
    unsigned bits = is_const(g, shift->b) ? (unsigned)insn_at(g, shift->b)->imm & 63 : 1;
    if (of == NULL || shift->type != IR_I64 || of->extends || bits % 8 != 0 ||
        of->bytes << bits / 8 > 0xff) {
        return;
    }
    struct tree *tree = tree_new(g, i);
    if (tree != NULL) {
        tree->base = of->base;
        tree->extends = false;
        tree->bytes = (u8)(of->bytes << bits / 8);
        for (unsigned n = bits / 8; n < WORD_BYTES; n++) {
            tree->from[n] = of->from[n - bits / 8];
        }
    }
}

/* A byte moved to the top of a 32-bit word, which is extended. */
static void add_extended(struct gather *g, unsigned i)
{
    const struct ir_insn *extend = insn_at(g, (ir_ref)i), *shift = insn_at(g, extend->a);
    if (extend->sub != 32 || shift->op != IR_SHL || shift->type != IR_I32 ||
        !is_const(g, shift->b) || insn_at(g, shift->b)->imm % 8 != 0 ||
        insn_at(g, shift->a)->op != IR_TRUNC) {
        return;
    }
    const struct tree *of = tree_at(g, insn_at(g, shift->a)->a);
    unsigned bytes = ((unsigned)insn_at(g, shift->b)->imm & 31) / 8;
    if (of == NULL || of->extends || of->bytes << bytes > 15) {
        return;
    }
    struct tree *tree = tree_new(g, i);
    if (tree != NULL) {
        tree->base = of->base;
        tree->extends = true;
        tree->bytes = (u8)(of->bytes << bytes);
        for (unsigned n = bytes; n < 4; n++) {
            tree->from[n] = of->from[n - bytes];
        }
    }
}

static void add_sum(struct gather *g, unsigned i)
{
    const struct ir_insn *sum = insn_at(g, (ir_ref)i);
    const struct tree *x = tree_at(g, sum->a), *y = tree_at(g, sum->b);
    bool wide = x != NULL && y != NULL && ((x->bytes | y->bytes) & 0xf0) != 0;
    if (x == NULL || y == NULL || sum->type != IR_I64 || x->base != y->base ||
        (x->bytes & y->bytes) != 0 || (x->extends && y->extends) ||
        ((x->extends || y->extends) && wide)) {
        return;
    }
    struct tree *tree = tree_new(g, i);
    if (tree != NULL) {
        *tree = *x;
        tree->extends = x->extends || y->extends;
        tree->bytes = x->bytes | y->bytes;
        for (unsigned n = 0; n < WORD_BYTES; n++) {
            if (y->bytes >> n & 1) {
                tree->from[n] = y->from[n];
            }
        }
    }
}

static void count_uses(struct gather *g, const struct ir_insn *insn)
{
    const ir_ref refs[4] = {insn->a, insn->b, insn->c, insn->d};
    for (unsigned n = 0; n < ir_op_info[insn->op].args; n++) {
        if (refs[n] != IR_REF_NONE && g->uses[refs[n]] < UINT8_MAX) {
            g->uses[refs[n]]++;
        }
    }
}

static void find_trees(struct gather *g)
{
    for (unsigned i = 0; i < g->ir->count; i++) {
        const struct ir_insn *insn = insn_at(g, (ir_ref)i);
        if (insn->op != IR_SET) {
            count_uses(g, insn);
        }
        switch (insn->op) {
        case IR_LOAD: add_load(g, i); break;
        case IR_SHL: add_shift(g, i); break;
        case IR_SEXT: add_extended(g, i); break;
        case IR_OR:
        case IR_XOR:
        case IR_ADD: add_sum(g, i); break;
        default: break;
        }
    }
}

/* --- which of them are words --- */

/* Whether the bytes are one behind the other in memory, and how. */
static bool is_word(const struct tree *tree, struct word *word)
{
    unsigned low = (unsigned)__builtin_ctz(tree->bytes);
    unsigned count = (unsigned)__builtin_popcount(tree->bytes);
    if (tree->bytes >> low != (1 << count) - 1 || count < 2 || (count & (count - 1)) != 0 ||
        (tree->extends && tree->bytes != 15)) {
        return false;
    }
    bool up = true, down = count > 2;
    for (unsigned n = low + 1; n < low + count; n++) {
        up &= tree->from[n] == tree->from[n - 1] + 1;
        down &= tree->from[n] == tree->from[n - 1] - 1;
    }
    word->from = down ? tree->from[low + count - 1] : tree->from[low];
    word->size_log2 = (u8)__builtin_ctz(count);
    word->shift_bits = (u8)(8 * low);
    word->swapped = down;
    return up || down;
}

static bool is_sum(const struct ir_insn *insn)
{
    return insn->op == IR_OR || insn->op == IR_XOR || insn->op == IR_ADD;
}

/* Puts the operands of part `ref` behind what it has of the word. */
static bool add_parts(const struct gather *g, struct word *word, ir_ref ref)
{
    const struct ir_insn *insn = insn_at(g, ref);
    const ir_ref refs[2] = {insn->a, insn->b};
    unsigned count = is_sum(insn) ? 2 : 1;
    for (unsigned n = 0; n < count; n++) {
        if (word->part_count == PARTS_MAX || g->uses[refs[n]] != 1 || g->part_of[refs[n]] != 0) {
            return false;
        }
        word->parts[word->part_count++] = refs[n];
    }
    return true;
}

static bool find_parts(const struct gather *g, struct word *word)
{
    word->part_count = 0;
    word->at = IR_REF_NONE;
    if (!add_parts(g, word, word->root)) {
        return false;
    }
    for (unsigned n = 0; n < word->part_count; n++) {
        ir_ref ref = word->parts[n];
        const struct ir_insn *insn = insn_at(g, ref);
        if (insn->op != IR_LOAD) {
            if (!add_parts(g, word, ref)) {
                return false;
            }
            continue;
        }
        if (g->uses[insn->a] != 1) {
            return false;
        }
        word->at = insn->a < word->at ? insn->a : word->at;
    }
    return true;
}

/* What may lie between the pieces: it can be done twice, and nobody sees how far it came. */
static bool may_repeat(const struct gather *g, const struct ir_insn *insn)
{
    switch (insn->op) {
    case IR_SET:
    case IR_GET:
    case IR_INSN:
    case IR_PC_PAGE: return true;
    case IR_TLB_CHECK: return insn->imm == IR_CHECK_READ;
    case IR_LOAD: return insn_at(g, insn->a)->imm == IR_CHECK_READ;
    default: return insn->dead || (ir_op_info[insn->op].props & ~(unsigned)IR_C) == IR_P;
    }
}

/* Whether the word may be loaded where its first piece is, and its end: where what its pieces'
 * instructions leave in guest registers is written. */
static bool may_load(const struct gather *g, struct word *word)
{
    ir_ref base = tree_at(g, word->root)->base;
    unsigned i = word->at;
    for (; i <= word->root; i++) {
        const struct ir_insn *insn = insn_at(g, (ir_ref)i);
        const struct tree *tree = tree_at(g, (ir_ref)i);
        bool elsewhere = insn->op == IR_LOAD && (tree == NULL || tree->base != base);
        if (!may_repeat(g, insn) || (elsewhere && !g->alone)) {
            return false;
        }
    }
    while (insn_at(g, (ir_ref)i)->op == IR_SET) {
        i++;
    }
    word->end = (ir_ref)i;
    return true;
}

static void mark_parts(struct gather *g, const struct word *word)
{
    u8 number = (u8)(word - g->words + 1);
    g->part_of[word->root] = number;
    for (unsigned n = 0; n < word->part_count; n++) {
        ir_ref part = word->parts[n];
        g->part_of[part] = number;
        if (insn_at(g, part)->op == IR_LOAD) {
            g->part_of[insn_at(g, part)->a] = number;
        }
    }
}

/* The longest first: what is part of one is none by itself. */
static void find_words(struct gather *g)
{
    for (unsigned i = g->ir->count; i-- > 0 && g->word_count < WORDS_MAX;) {
        const struct tree *tree = tree_at(g, (ir_ref)i);
        struct word *word = &g->words[g->word_count];
        *word = (struct word){.root = (ir_ref)i};
        if (tree != NULL && is_sum(insn_at(g, (ir_ref)i)) && g->part_of[i] == 0 &&
            is_word(tree, word) && find_parts(g, word) && may_load(g, word)) {
            g->word_count++;
            mark_parts(g, word);
        }
    }
}

/* --- regions: words whose pieces are between each other's --- */

static const struct word *word_of(const struct gather *g, unsigned i)
{
    const struct word *word = g->part_of[i] != 0 ? &g->words[g->part_of[i] - 1] : NULL;
    return word != NULL && !word->dropped ? word : NULL;
}

static bool is_part(const struct gather *g, unsigned i)
{
    const struct word *word = word_of(g, i);
    return word != NULL && word->root != i;
}

/* Words stand in the order of their roots, the last one first. */
static void find_regions(struct gather *g)
{
    g->region_count = 0;
    for (unsigned n = g->word_count; n-- > 0;) {
        const struct word *word = &g->words[n];
        if (word->dropped) {
            continue;
        }
        struct region region = {word->at, word->end};
        while (g->region_count > 0 && g->regions[g->region_count - 1].end > region.at) {
            const struct region *other = &g->regions[--g->region_count];
            region.at = other->at < region.at ? other->at : region.at;
            region.end = other->end > region.end ? other->end : region.end;
        }
        g->regions[g->region_count++] = region;
    }
}

static bool overlap(const struct ir_insn *x, const struct ir_insn *y)
{
    return x->imm < y->imm + y->sub && y->imm < x->imm + x->sub;
}

static bool covers(const struct ir_insn *later, const struct ir_insn *set)
{
    return later->op == IR_SET && later->imm <= set->imm &&
           later->imm + later->sub >= set->imm + set->sub;
}

static bool is_covered(const struct gather *g, unsigned at, unsigned end)
{
    for (unsigned i = at + 1; i < end; i++) {
        if (covers(insn_at(g, (ir_ref)i), insn_at(g, (ir_ref)at))) {
            return true;
        }
    }
    return false;
}

/* Whether somebody may see what a SET in the region, whose end it is, wrote. */
static bool is_seen(const struct gather *g, unsigned at, unsigned end)
{
    const struct ir_insn *set = insn_at(g, (ir_ref)at);
    if (is_covered(g, at, end)) {
        return false;
    }
    for (unsigned i = end; i < g->ir->count; i++) {
        const struct ir_insn *insn = insn_at(g, (ir_ref)i);
        if (covers(insn, set)) {
            return false;
        }
        if ((insn->op == IR_GET && overlap(insn, set)) ||
            ir_op_info[insn->op].props & (IR_F | IR_X | IR_T)) {
            return true;
        }
    }
    return true;
}

/* Whether the region reads a register that it wrote, which would come later now. */
static bool reads_back(const struct gather *g, const struct region *region, unsigned at)
{
    const struct ir_insn *get = insn_at(g, (ir_ref)at);
    for (unsigned i = region->at; get->op == IR_GET && i < at; i++) {
        if (insn_at(g, (ir_ref)i)->op == IR_SET && overlap(insn_at(g, (ir_ref)i), get)) {
            return true;
        }
    }
    return false;
}

/* Drops the words that do not pay: of the three operations that each piece takes, those for what
 * somebody may see are taken anyway. */
static bool drop_in(struct gather *g, const struct region *region)
{
    u8 seen[WORDS_MAX] = {0};
    bool dropped = false, drop_all = false;
    for (unsigned i = region->at; i < region->end; i++) {
        const struct ir_insn *insn = insn_at(g, (ir_ref)i);
        drop_all |= reads_back(g, region, i);
        if (insn->op == IR_SET && is_part(g, insn->a) && is_seen(g, i, region->end)) {
            seen[word_of(g, insn->a) - g->words]++;
        }
    }
    for (unsigned n = 0; n < g->word_count; n++) {
        struct word *word = &g->words[n];
        bool inside = !word->dropped && word->at >= region->at && word->at < region->end;
        bool pays = 3u * seen[n] + 4 < 3u << word->size_log2;
        if (inside && (drop_all || !pays)) {
            word->dropped = true;
            dropped = true;
        }
    }
    return dropped;
}

static void choose_words(struct gather *g)
{
    bool dropped = true;
    while (dropped) {
        dropped = false;
        find_regions(g);
        for (unsigned n = 0; n < g->region_count; n++) {
            dropped |= drop_in(g, &g->regions[n]);
        }
    }
}

/* --- the block anew --- */

struct rebuild {
    struct gather *g;
    struct ir *ir;
    ir_ref now[IR_MAX_INSNS];
};

static ir_ref put(struct rebuild *r, struct ir_insn insn)
{
    r->ir->insns[r->ir->count] = insn;
    return (ir_ref)r->ir->count++;
}

static struct ir_insn make(enum ir_op op, enum ir_type type, unsigned sub, ir_ref a, ir_ref b)
{
    return (struct ir_insn){.op = (u8)op, .type = (u8)type, .sub = (u8)sub, .a = a, .b = b,
                            .c = IR_REF_NONE, .d = IR_REF_NONE};
}

static ir_ref put_imm(struct rebuild *r, enum ir_op op, ir_ref a, u64 value)
{
    struct ir_insn insn = make(IR_CONST, IR_I64, 0, IR_REF_NONE, IR_REF_NONE);
    insn.imm = value;
    return put(r, make(op, IR_I64, 0, a, put(r, insn)));
}

static void put_load(struct rebuild *r, struct word *word)
{
    const struct tree *tree = tree_at(r->g, word->root);
    ir_ref address = r->now[tree->base];
    if (word->from != 0) {
        address = put_imm(r, IR_ADD, address, (u64)(s64)word->from);
    }
    bool is_signed = tree->extends && !word->swapped;
    bool half = word->swapped && word->size_log2 == IR_MEM_32;
    struct ir_insn check = make(IR_TLB_CHECK, IR_I64, word->size_log2, address, IR_REF_NONE);
    check.imm = IR_CHECK_READ | IR_CHECK_PIECES;
    word->value = put(r, make(IR_LOAD, half ? IR_I32 : IR_I64,
                              word->size_log2 | (is_signed ? (unsigned)IR_MEM_SIGNED : 0u),
                              put(r, check), address));
}

static ir_ref put_root(struct rebuild *r, const struct word *word)
{
    const struct tree *tree = tree_at(r->g, word->root);
    ir_ref value = word->value;
    if (word->swapped && word->size_log2 == IR_MEM_64) {
        value = put(r, make(IR_BSWAP, IR_I64, 0, value, IR_REF_NONE));
    } else if (word->swapped) {
        value = put(r, make(IR_BSWAP, IR_I32, 0, value, IR_REF_NONE));
        value = put(r, make(tree->extends ? IR_SEXT : IR_ZEXT, IR_I64, 32, value, IR_REF_NONE));
    }
    return word->shift_bits != 0 ? put_imm(r, IR_SHL, value, word->shift_bits) : value;
}

/* The place in the word, in bits from where the part has it, of what the part has. */
static unsigned place_of(const struct word *word, const struct tree *part)
{
    unsigned first = (unsigned)__builtin_ctz(part->bytes);
    unsigned nth = (unsigned)(part->from[first] - word->from);
    unsigned byte = word->swapped ? (1u << word->size_log2) - 1 - nth : nth;
    return word->shift_bits + 8 * byte - 8 * first;
}

/* A part, out of the word. */
static ir_ref put_part(struct rebuild *r, ir_ref ref)
{
    const struct word *word = word_of(r->g, ref);
    const struct tree *whole = tree_at(r->g, word->root), *part = tree_at(r->g, ref);
    unsigned bits = place_of(word, part);
    unsigned bytes = part->extends ? part->bytes | 0xf0u : part->bytes;
    unsigned all = whole->extends ? 0xffu : whole->bytes;
    ir_ref value = r->now[word->root];
    u64 mask = 0;
    for (unsigned n = 0; n < WORD_BYTES; n++) {
        mask |= bytes >> n & 1 ? (u64)0xff << 8 * n : 0;
    }
    if (bits != 0) {
        value = put_imm(r, IR_SHR, value, bits);
    }
    if ((unsigned)all >> bits / 8 == bytes) {
        return value;
    }
    if (mask == 0xff || mask == 0xffff || mask == 0xffffffff) {
        return put(r, make(IR_ZEXT, IR_I64, (unsigned)__builtin_popcountll(mask), value,
                           IR_REF_NONE));
    }
    return put_imm(r, IR_AND, value, mask);
}

static struct ir_insn renamed(const struct rebuild *r, struct ir_insn insn)
{
    ir_ref *const refs[4] = {&insn.a, &insn.b, &insn.c, &insn.d};
    for (unsigned n = 0; n < ir_op_info[insn.op].args; n++) {
        if (*refs[n] != IR_REF_NONE) {
            *refs[n] = r->now[*refs[n]];
        }
    }
    return insn;
}

/* The region's writes of guest registers, as of its last instruction. */
static void put_sets(struct rebuild *r, const struct region *region)
{
    unsigned last = region->end;
    while (r->g->from[--last].op != IR_INSN && last > region->at) {
    }
    if (r->g->from[last].op == IR_INSN) {
        put(r, r->g->from[last]);
    }
    for (unsigned i = region->at; i < region->end; i++) {
        struct ir_insn set = r->g->from[i];
        if (set.op != IR_SET || is_covered(r->g, i, region->end)) {
            continue;
        }
        set.a = is_part(r->g, set.a) ? put_part(r, set.a) : r->now[set.a];
        put(r, set);
    }
}

static void put_in_region(struct rebuild *r, unsigned i)
{
    struct ir_insn insn = r->g->from[i];
    const struct word *word = word_of(r->g, i);
    for (unsigned n = 0; n < r->g->word_count; n++) {
        if (!r->g->words[n].dropped && r->g->words[n].at == i) {
            put_load(r, &r->g->words[n]);
        }
    }
    if (word != NULL && word->root == i) {
        r->now[i] = put_root(r, word);
    } else if (word == NULL && insn.op != IR_INSN && insn.op != IR_SET) {
        insn.imm |= insn.op == IR_TLB_CHECK ? IR_CHECK_PIECES : 0u;
        r->now[i] = put(r, renamed(r, insn));
    }
}

static void rebuild(struct gather *g)
{
    struct rebuild r;
    const struct region *region = g->regions, *end = region + g->region_count;
    r.g = g;
    r.ir = g->ir;
    unsigned count = g->ir->count;
    g->ir->count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (region < end && i == region->end) {
            put_sets(&r, region++);
        }
        if (region < end && i >= region->at) {
            put_in_region(&r, i);
        } else {
            r.now[i] = put(&r, renamed(&r, g->from[i]));
        }
    }
}

static unsigned kept_count(const struct gather *g)
{
    unsigned kept = 0;
    for (unsigned n = 0; n < g->word_count; n++) {
        kept += !g->words[n].dropped;
    }
    return kept;
}

static void gather(struct ir *ir, bool alone)
{
    struct gather g;
    g.ir = ir;
    g.alone = alone;
    g.tree_count = 0;
    g.word_count = 0;
    memcpy(g.from, ir->insns, ir->count * sizeof(g.from[0]));
    memset(g.tree_of, 0, ir->count);
    memset(g.uses, 0, ir->count);
    memset(g.part_of, 0, ir->count);
    find_trees(&g);
    find_words(&g);
    choose_words(&g);
    if (g.region_count != 0 && ir->count + NEW_INSNS * kept_count(&g) <= IR_MAX_INSNS) {
        rebuild(&g);
    }
}

void opt_gather(struct ir *ir, bool alone)
{
    if (ir->has_pieces && !ir->overflow) {
        gather(ir, alone);
    }
}
