/* The pass that puts probes into a block: after lowering, before everything is dropped that nobody
 * looks at. Blocks alone and coverage are probe_place.c's. See probe.h for what a unit is.
 *
 * Nothing is known here of the guest but its registers' places. The pass copies the IR and renames
 * operands, since new operations come in between. */
#include "translate/probe/probe_node.h"
#include "translate/probe/probe_private.h"

#include <string.h>

/* One word of a unit: what is noted at an operation. */
struct note {
    struct probe_slot slot;
    ir_ref value; /* in the block as it was lowered */
    bool after;   /* the value exists only when the operation has happened */
};

enum { MAX_NOTES = 4, MAX_SLOTS = PROBE_MAX_SLOTS };

struct pass {
    struct probe *probe;
    struct ir *ir;
    const struct probe_source *source;
    const struct ir_insn *from; /* as lowered */
    unsigned count;
    ir_ref *map;                /* old name to new name */
    bool watched;               /* the path; */
    bool page_watched;
    struct probe_slot slots[MAX_SLOTS]; /* of the unit */
    bool looks;                         /* the path ends with it: the hart may leave for other
                                           reasons than a side exit, or C tells much */
    /* The path so far. */
    struct probe_path path;
    u32 parts[PROBE_MAX_PARTS];
    struct probe_recipe recipes[MAX_SLOTS];
    struct probe_node nodes[PROBE_MAX_NODES];
    unsigned round;      /* its word that is the dynamic rounding mode, and 1; or 0 */
    unsigned head, left; /* its PROBE, and its last PROBE_LEFT or 0 */
    bool incomplete;     /* there was no room for one of its units */
};

/* --- what is noted --- */

static void note_add(struct note *notes, unsigned *count, enum probe_slot_kind kind,
                     unsigned size_bytes, ir_ref value, bool after)
{
    notes[(*count)++] = (struct note){
        .slot = {.kind = (u8)kind, .size_bytes = (u8)size_bytes}, .value = value, .after = after,
    };
}

static void note_atomic(const struct ir_insn *insn, unsigned index, struct note *notes,
                        unsigned *count)
{
    unsigned bytes = 1u << (insn->sub & IR_MEM_SIZE_MASK);
    note_add(notes, count, PROBE_AMO_ADDRESS, bytes, insn->b, false);
    note_add(notes, count, PROBE_AMO_OPERAND, bytes, insn->op == IR_CAS ? insn->d : insn->c, false);
    if (insn->op == IR_CAS) {
        note_add(notes, count, PROBE_AMO_EXPECTED, bytes, insn->c, false);
    }
    note_add(notes, count, PROBE_AMO_OLD, bytes, (ir_ref)index, true);
    for (unsigned i = 0; i < *count; i++) {
        notes[i].slot.amo = insn->op == IR_CAS ? 15 : (u8)insn->imm;
    }
}

/* The words that an operation adds to its unit, in their order. */
static unsigned notes_of(const struct pass *pass, unsigned index, struct note *notes)
{
    const struct ir_insn *insn = &pass->from[index];
    unsigned what = pass->probe->config.what;
    unsigned bytes = 1u << (insn->sub & IR_MEM_SIZE_MASK);
    unsigned count = 0;
    if (insn->op == IR_SET && (what & PROBE_REGISTERS)) {
        u32 word = (u32)insn->imm / 8;
        unsigned reg = word < PROBE_STATE_WORDS ? pass->probe->reg_at[word] : 0;
        if (reg != 0 && insn->imm % 8 == 0 && insn->sub == 8) {
            note_add(notes, &count, PROBE_REGISTER, 8, insn->a, false);
            notes[0].slot.reg = (u16)(reg - 1);
        }
    }
    if (!(what & PROBE_MEMORY)) {
        return count;
    }
    switch (insn->op) {
    case IR_LOAD:
        note_add(notes, &count, PROBE_LOAD_ADDRESS, bytes, insn->b, false);
        note_add(notes, &count, PROBE_LOAD_VALUE, bytes, (ir_ref)index, true);
        break;
    case IR_STORE:
        note_add(notes, &count, PROBE_STORE_ADDRESS, bytes, insn->b, false);
        note_add(notes, &count, PROBE_STORE_VALUE, bytes, insn->c, false);
        break;
    case IR_AMO:
    case IR_CAS: note_atomic(insn, index, notes, &count); break;
    default: break;
    }
    return count;
}

/* --- units --- */

static gpa_t gpa_of(const struct pass *pass, const struct ir_insn *insn)
{
    return pass->source->gpa_page | (insn->imm & PAGE_OFFSET_MASK);
}

static bool has_hook(const struct pass *pass, const struct ir_insn *insn)
{
    return probe_source_hooked(pass->probe, pass->source, insn);
}

/* Whether what is at `insn` is watched, as far as that can be known now. */
static bool is_watched(const struct pass *pass, const struct ir_insn *insn)
{
    return pass->page_watched && probe_source_wanted(pass->probe, pass->source, insn);
}

/* Whether the instruction at `insn` goes on with the unit that ends at `offset`. */
static bool goes_on(const struct pass *pass, const struct ir_insn *insn, u64 offset)
{
    return insn->imm == offset && !has_hook(pass, insn) &&
           !probe_range_edge(&pass->probe->config, pass->source->gva_page + insn->imm);
}

/* Describes the unit that begins with the INSN at `first`; index of the first operation behind
 * it. */
static unsigned unit_scan(struct pass *pass, unsigned first, struct probe_unit *unit)
{
    const struct ir_insn *head = &pass->from[first];
    bool leaves = false;
    pass->looks = false;
    *unit = (struct probe_unit){
        .gpa = gpa_of(pass, head),
        .gva = pass->source->gva_page + head->imm,
        .mode = pass->source->mode, .fixed = pass->source->fixed,
        .code = pass->source->bytes + (head->imm - pass->source->first),
        .slots = pass->slots,
    };
    unsigned i = first;
    for (; i < pass->count; i++) {
        const struct ir_insn *insn = &pass->from[i];
        struct note notes[MAX_NOTES];
        if (insn->op == IR_INSN) {
            if (i != first && (leaves || unit->insn_count == UINT8_MAX ||
                               !goes_on(pass, insn, head->imm + unit->bytes))) {
                break;
            }
            unit->insn_count++;
            unit->bytes = (u16)(unit->bytes + insn->sub);
        }
        leaves |= insn->op != IR_POLL && (ir_op_info[insn->op].props & IR_X);
        pass->looks |= insn->op == IR_LOOK || ir_is_memory_call(insn);
        unsigned count = notes_of(pass, i, notes);
        for (unsigned n = 0; n < count && unit->slot_count < MAX_SLOTS; n++) {
            notes[n].slot.insn = (u8)(unit->insn_count - 1);
            pass->slots[unit->slot_count++] = notes[n].slot;
        }
    }
    return i;
}

/* --- writing the new block --- */

static ir_ref put(struct pass *pass, const struct ir_insn *insn)
{
    struct ir *ir = pass->ir;
    if (ir->count >= IR_MAX_INSNS) {
        ir->overflow = true;
        return 0;
    }
    ir->insns[ir->count] = *insn;
    return (ir_ref)ir->count++;
}

static ir_ref renamed(const struct pass *pass, ir_ref ref)
{
    return ref == IR_REF_NONE ? ref : pass->map[ref];
}

static void copy(struct pass *pass, unsigned index)
{
    struct ir_insn insn = pass->from[index];
    if (insn.op != IR_INSN) {
        insn.a = renamed(pass, insn.a);
        insn.b = renamed(pass, insn.b);
        insn.c = renamed(pass, insn.c);
        insn.d = renamed(pass, insn.d);
    }
    pass->map[index] = put(pass, &insn);
}

static struct ir_insn blank(enum ir_op op, enum ir_type type, u64 imm)
{
    return (struct ir_insn){.op = (u8)op, .type = (u8)type, .a = IR_REF_NONE, .b = IR_REF_NONE,
                            .c = IR_REF_NONE, .d = IR_REF_NONE, .imm = imm};
}

static void put_hook(struct pass *pass)
{
    struct ir_insn call = blank(IR_CALL, IR_NONE, (u64)(uintptr_t)&probe_hook_helper);
    put(pass, &call);
}

/* --- paths --- */

static void path_begin(struct pass *pass)
{
    pass->path = (struct probe_path){
        .parts = pass->parts, .recipes = pass->recipes, .nodes = pass->nodes,
    };
    pass->left = pass->round = 0;
    pass->incomplete = false;
    memset(pass->probe->scratch->word_of, 0, pass->count * sizeof(u16));
    memset(pass->probe->scratch->node_of, 0, pass->count * sizeof(u16));
}

static void put_word(struct pass *pass, unsigned word, ir_ref value, unsigned sub)
{
    struct ir_insn store = blank(IR_PROBE_WORD, IR_I64, 8 * (1 + (u64)word));
    store.a = (ir_ref)pass->head;
    store.b = value;
    store.sub = (u8)sub;
    store.type = (u8)ir_value_type(&pass->ir->insns[value]);
    put(pass, &store);
}

/* Its number will be known at its end. */
static void put_probe(struct pass *pass)
{
    struct ir_insn probe = blank(IR_PROBE, IR_I64, 0);
    pass->head = put(pass, &probe);
    if (pass->probe->config.has_gaps) {
        struct ir_insn count = blank(IR_INSN_COUNT, IR_I64, 0);
        pass->path.counted = true;
        put_word(pass, pass->path.word_count++, put(pass, &count), 0);
    }
}

static void put_left(struct pass *pass, unsigned insns)
{
    struct ir_insn left = blank(IR_PROBE_LEFT, IR_NONE, PROBE_LEFT_BASE + insns);
    pass->left = put(pass, &left);
}

/* A unit of its own, without saving: then it needs no path. */
static bool is_plain(const struct pass *pass)
{
    bool plain = pass->path.part_count == 1 && !pass->path.counted &&
                 pass->path.word_count == pass->path.slot_count;
    for (unsigned i = 0; plain && i < pass->path.slot_count; i++) {
        plain = pass->recipes[i].word == i && pass->recipes[i].add == 0;
    }
    return plain;
}

static void path_end(struct pass *pass)
{
    u64 number = pass->parts[0];
    if (!is_plain(pass)) {
        u32 path = pass->incomplete ? 0 : probe_path_add(pass->probe, &pass->path);
        number = path != 0 ? PROBE_PATH_BASE + path : 0;
    }
    u64 words = number != 0 ? 1u + pass->path.word_count : 1u;
    struct ir_insn *left = &pass->ir->insns[pass->left];
    if (!pass->ir->overflow) {
        pass->ir->insns[pass->head].imm = number | words << 32;
        pass->ir->insns[pass->head].sub = pass->source->fixed;
        left->dead |= pass->left != 0 && left->imm == (u64)PROBE_LEFT_BASE + pass->path.insn_count;
    }
}

static bool is_sum(const struct pass *pass, ir_ref ref)
{
    const struct ir_insn *insn = &pass->from[ref];
    return insn->op == IR_ADD && insn->type == IR_I64 && pass->from[insn->b].op == IR_CONST;
}

/* Of code that is always in one place its page is a constant, too. */
static bool is_const(const struct pass *pass, ir_ref ref)
{
    const struct ir_insn *insn = &pass->from[ref];
    return insn->op == IR_CONST || (insn->op == IR_PC_PAGE && pass->source->fixed);
}

static u64 const_value(const struct pass *pass, ir_ref ref)
{
    const struct ir_insn *insn = &pass->from[ref];
    return insn->op == IR_CONST ? insn->imm : pass->source->gva_page;
}

enum { MAX_DEPTH = 4 }; /* of what lies between two values that are told */

/* The operands of an operation, in their order. */
static void operands_of(const struct ir_insn *insn, ir_ref operands[4])
{
    operands[0] = insn->a;
    operands[1] = insn->b;
    operands[2] = insn->c;
    operands[3] = insn->d;
}

/* A register as the path found it. Of a float it is what arithmetic reads: its image was written by
 * two stores, which the host is slow to load as one. */
static bool is_register(const struct pass *pass, const struct ir_insn *insn)
{
    const struct probe_scratch *scratch = pass->probe->scratch;
    if (insn->op == IR_FUNBOX && scratch->word_of[insn->a] == 0 && scratch->node_of[insn->a] == 0) {
        insn = &pass->from[insn->a];
    }
    return insn->op == IR_GET && insn->sub == 8 && (insn->type == IR_I64 || insn->type == IR_F64);
}

static unsigned operand_count(unsigned op)
{
    return probe_node_operands(op) - probe_node_rounds(op);
}

/* Whether a value follows from what the path has told and one more register as the path found it,
 * `missing`, IR_REF_NONE while that is none. */
static bool follows(const struct pass *pass, ir_ref ref, unsigned depth, ir_ref *missing)
{
    const struct probe_scratch *scratch = pass->probe->scratch;
    if (scratch->word_of[ref] != 0 || scratch->node_of[ref] != 0) {
        return true;
    }
    const struct ir_insn *insn = &pass->from[ref];
    if (is_register(pass, insn)) {
        bool only = *missing == IR_REF_NONE || *missing == ref;
        *missing = ref;
        return only;
    }
    unsigned op = depth != 0 ? probe_node_op_of(insn) : 0;
    if (op == 0) {
        return is_const(pass, ref) && (insn->type == IR_I64 || insn->type == IR_I32);
    }
    ir_ref operands[4];
    operands_of(insn, operands);
    bool all = true;
    for (unsigned i = 0; i < operand_count(op) && all; i++) {
        all = follows(pass, operands[i], depth - 1, missing);
    }
    return all;
}

static u16 add_node(struct pass *pass, const struct probe_node *node)
{
    unsigned number = pass->path.node_count;
    if (number == PROBE_MAX_NODES) {
        pass->incomplete = true;
        return PROBE_NODE;
    }
    pass->nodes[number] = *node;
    pass->path.node_count++;
    return (u16)(PROBE_NODE | number);
}

static u16 add_const(struct pass *pass, u64 value)
{
    const struct probe_node constant = {.op = PROBE_OP_CONST, .wide = true, .imm = value};
    return add_node(pass, &constant);
}

/* How the operation rounds: a constant, or a word of the path. */
static u16 rounding_for(struct pass *pass, const struct ir_insn *insn)
{
    if (insn->imm != IR_ROUND_DYN) {
        return add_const(pass, insn->imm);
    }
    if (pass->round == 0) {
        struct ir_insn get = blank(IR_GET, IR_I64, offsetof(struct vcpu, fpu_round));
        get.sub = sizeof(((struct vcpu *)0)->fpu_round);
        put_word(pass, pass->path.word_count, put(pass, &get), 0);
        pass->round = ++pass->path.word_count;
    }
    return (u16)(pass->round - 1);
}

/* The word or node of a value that follows. */
static u16 operand_for(struct pass *pass, ir_ref ref)
{
    struct probe_scratch *scratch = pass->probe->scratch;
    const struct ir_insn *insn = &pass->from[ref];
    if (scratch->node_of[ref] != 0) {
        return (u16)(PROBE_NODE | (scratch->node_of[ref] - 1));
    }
    u16 made;
    if (scratch->word_of[ref] != 0) {
        u16 word = (u16)(scratch->word_of[ref] - 1);
        if (scratch->delta_of[ref] == 0) {
            return word;
        }
        struct probe_node sum = {.op = PROBE_OP_SUB, .wide = true};
        sum.operands[0] = word;
        sum.operands[1] = add_const(pass, scratch->delta_of[ref]);
        made = add_node(pass, &sum);
    } else if (is_const(pass, ref)) {
        made = add_const(pass, const_value(pass, ref));
    } else {
        struct probe_node node = {
            .op = (u8)probe_node_op_of(insn), .sub = insn->sub,
            .wide = insn->type == IR_I64 || insn->type == IR_F64,
        };
        ir_ref operands[4];
        operands_of(insn, operands);
        for (unsigned i = 0; i < operand_count(node.op); i++) {
            node.operands[i] = operand_for(pass, operands[i]);
        }
        if (probe_node_rounds(node.op)) {
            node.operands[operand_count(node.op)] = rounding_for(pass, insn);
        }
        made = add_node(pass, &node);
    }
    scratch->node_of[ref] = (u16)((made & ~(unsigned)PROBE_NODE) + 1);
    return made;
}

/* The next word of the path: `value`, which is `root` plus delta. */
static void tell_word(struct pass *pass, ir_ref root, ir_ref value, u64 delta)
{
    struct probe_scratch *scratch = pass->probe->scratch;
    put_word(pass, pass->path.word_count, pass->map[value], 0);
    scratch->word_of[root] = ++pass->path.word_count;
    scratch->delta_of[root] = delta;
}

/* Whether all NaNs that the operation gives are the canonical one. */
static bool has_one_nan(const struct ir_insn *insn)
{
    return (insn->op >= IR_FADD && insn->op <= IR_FMAX) || insn->op == IR_FCVT_FF;
}

/* Tells the value if it is, or boxes, such an operation's: as it is, since to look for a NaN costs
 * the host more than to store it. Then it follows. */
static bool tell_float(struct pass *pass, ir_ref value)
{
    if (pass->from[value].op == IR_FBOX) {
        value = pass->from[value].a;
    }
    if (!has_one_nan(&pass->from[value])) {
        return false;
    }
    struct probe_node nan = {.op = PROBE_OP_NAN, .wide = pass->from[value].type == IR_F64};
    nan.operands[0] = pass->path.word_count;
    put_word(pass, pass->path.word_count++, pass->map[value], IR_WORD_ANY_NAN);
    pass->probe->scratch->node_of[value] =
        (u16)((add_node(pass, &nan) & ~(unsigned)PROBE_NODE) + 1);
    return true;
}

/* The next slot of the path. Stores only what no word before tells, but for a constant. Of an
 * address, the base is stored rather than the sum, which the access need not compute. */
static void put_note(struct pass *pass, const struct note *note)
{
    struct probe_scratch *scratch = pass->probe->scratch;
    struct probe_recipe *recipe = &pass->recipes[pass->path.slot_count++];
    ir_ref root = note->value;
    u64 delta = 0;
    while (is_sum(pass, root)) {
        delta += pass->from[pass->from[root].b].imm;
        root = pass->from[root].a;
    }
    if (is_const(pass, root)) {
        *recipe = (struct probe_recipe){const_value(pass, root) + delta, PROBE_NO_WORD};
        return;
    }
    bool address = note->slot.kind == PROBE_LOAD_ADDRESS || note->slot.kind == PROBE_STORE_ADDRESS;
    ir_ref missing = IR_REF_NONE;
    bool may_follow = scratch->word_of[root] == 0 && !address &&
                      note->slot.kind != PROBE_AMO_ADDRESS &&
                      pass->path.node_count < PROBE_MAX_NODES / 2;
    if (may_follow && !follows(pass, root, MAX_DEPTH, &missing)) {
        missing = IR_REF_NONE;
        may_follow = tell_float(pass, root);
    }
    if (may_follow && missing != root) {
        if (missing != IR_REF_NONE) {
            tell_word(pass, missing, missing, 0);
        }
        *recipe = (struct probe_recipe){delta, operand_for(pass, root)};
        return;
    }
    if (scratch->word_of[root] == 0) {
        bool by_base = address && root != note->value && pass->from[note->value].a == root;
        tell_word(pass, root, by_base ? root : note->value, by_base ? 0 : delta);
    }
    *recipe = (struct probe_recipe){delta - scratch->delta_of[root],
                                    (u16)(scratch->word_of[root] - 1)};
}

/* The notes of one operation that belong before or behind it. */
static void put_notes(struct pass *pass, unsigned index, bool after)
{
    struct note notes[MAX_NOTES];
    unsigned count = notes_of(pass, index, notes);
    for (unsigned n = 0; n < count; n++) {
        if (notes[n].after == after && pass->path.slot_count < MAX_SLOTS) {
            put_note(pass, &notes[n]);
        }
    }
}

static ir_ref put_const(struct pass *pass, u64 value)
{
    struct ir_insn constant = blank(IR_CONST, IR_I64, value);
    return put(pass, &constant);
}

static void put_call(struct pass *pass, const struct helper *helper, ir_ref a, ir_ref b, ir_ref c)
{
    struct ir_insn call = blank(IR_CALL, IR_NONE, (u64)(uintptr_t)helper);
    call.a = a;
    call.b = b;
    call.c = c;
    put(pass, &call);
}

/* A value of any type as an I64. */
static ir_ref put_wide(struct pass *pass, ir_ref value)
{
    enum ir_type type = ir_value_type(&pass->ir->insns[value]);
    if (type == IR_F64 || type == IR_F32) {
        struct ir_insn bits = blank(IR_FBITS, type == IR_F64 ? IR_I64 : IR_I32, 0);
        bits.a = value;
        value = put(pass, &bits);
    }
    if (type == IR_I32 || type == IR_F32) {
        struct ir_insn wide = blank(IR_ZEXT, IR_I64, 0);
        wide.a = value;
        wide.sub = 32;
        value = put(pass, &wide);
    }
    return value;
}

/* Calls behind an access. What an atomic one stored is told as what it read. */
static void put_memory_call(struct pass *pass, unsigned index)
{
    const struct ir_insn *insn = &pass->from[index];
    bool store = insn->op == IR_STORE, atomic = insn->op == IR_AMO || insn->op == IR_CAS;
    if (!store && !atomic && insn->op != IR_LOAD) {
        return;
    }
    u64 size_and_write = (1u << (insn->sub & IR_MEM_SIZE_MASK)) | (store || atomic ? 1u << 8 : 0);
    ir_ref value = put_wide(pass, pass->map[store ? insn->c : index]);
    ir_ref what = put_const(pass, size_and_write);
    put_call(pass, &probe_call_memory, pass->map[insn->b], value, what);
}

static bool keeps_registers(const struct ir_insn *insn)
{
    return insn->op == IR_CALL &&
           (((const struct helper *)(uintptr_t)insn->imm)->flags & HELPER_KEEPS_PINNED);
}

/* What stands at a unit's head besides, or instead of, its probe. */
static void put_head(struct pass *pass, const struct probe_unit *unit)
{
    unsigned what = pass->probe->config.what;
    u32 number = probe_unit_add(pass->probe, unit);
    if (what & PROBE_COUNT) {
        struct ir_insn count = blank(IR_PROBE_ADD, IR_NONE, probe_unit_counter(number));
        put(pass, &count);
    }
    if (what & PROBE_CALL_UNIT) {
        put_call(pass, &probe_call_unit, put_const(pass, number), IR_REF_NONE, IR_REF_NONE);
    }
    if (what & PROBE_CALL_INSN) {
        ir_ref name = put_const(pass, number);
        put_call(pass, &probe_call_insn, name, put_const(pass, 0), IR_REF_NONE);
    }
}

static bool streams(const struct pass *pass)
{
    return pass->watched && (pass->probe->config.what & PROBE_STREAM);
}

/* What stands at a unit's head, behind INSN and POLL. */
static void put_begin(struct pass *pass, unsigned first, const struct probe_unit *unit)
{
    unsigned what = pass->watched ? pass->probe->config.what : 0;
    if (has_hook(pass, &pass->from[first])) {
        put_hook(pass);
    }
    if (streams(pass)) {
        if (pass->path.part_count == 0) {
            put_probe(pass);
        }
        u32 number = probe_unit_add(pass->probe, unit);
        pass->incomplete |= number == 0;
        pass->parts[pass->path.part_count++] = number;
    }
    if (what & (PROBE_COUNT | PROBE_CALL_UNIT | PROBE_CALL_INSN)) {
        put_head(pass, unit);
    }
}

/* An operation, with what is noted of it. */
static void put_noted(struct pass *pass, unsigned i, const struct probe_unit *unit, unsigned insn)
{
    unsigned what = pass->watched ? pass->probe->config.what : 0;
    if (streams(pass)) {
        put_notes(pass, i, false);
        if (pass->from[i].op == IR_EXIT_IF || pass->from[i].op == IR_EXIT_UNLESS) {
            put_left(pass, pass->path.insn_count + insn + 1);
        }
    }
    if ((what & PROBE_EXACT) && keeps_registers(&pass->from[i])) {
        put_call(pass, &probe_call_exact, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    }
    copy(pass, i);
    if (pass->from[i].op == IR_CALL || pass->from[i].op == IR_FENV_SET) {
        pass->round = 0; /* another one, perhaps */
    }
    if (streams(pass)) {
        put_notes(pass, i, true);
    }
    if (what & PROBE_CALL_MEMORY) {
        put_memory_call(pass, i);
    }
    if (pass->from[i].op == IR_INSN && (what & PROBE_CALL_INSN)) {
        ir_ref number = put_const(pass, probe_unit_add(pass->probe, unit));
        put_call(pass, &probe_call_insn, number, put_const(pass, insn), IR_REF_NONE);
    }
}

/* The unit [first, end), its head first: INSN, the poll if there is one, hooks, the probe. */
static void put_unit(struct pass *pass, unsigned first, unsigned end,
                     const struct probe_unit *unit)
{
    unsigned i = first, insn = 0;
    copy(pass, i++);
    if (i < end && pass->from[i].op == IR_POLL) {
        copy(pass, i++);
    }
    put_begin(pass, first, unit);
    for (; i < end; i++) {
        insn += pass->from[i].op == IR_INSN;
        put_noted(pass, i, unit, insn);
    }
    pass->path.insn_count = (u16)(pass->path.insn_count + unit->insn_count);
}

/* The path that begins with the INSN at `first`: units up to a hook, or to where the hart looks up.
 * Index of the first operation behind it. */
static unsigned put_path(struct pass *pass, unsigned first)
{
    unsigned i = first;
    bool goes_on = true;
    path_begin(pass);
    pass->watched = is_watched(pass, &pass->from[first]);
    while (goes_on) {
        struct probe_unit unit;
        unsigned end = unit_scan(pass, i, &unit);
        if (i != first && pass->path.slot_count + unit.slot_count > MAX_SLOTS) {
            break;
        }
        put_unit(pass, i, end, &unit);
        i = end;
        goes_on = streams(pass) && !pass->looks && i < pass->count &&
                  pass->path.part_count < PROBE_MAX_PARTS && !has_hook(pass, &pass->from[i]) &&
                  is_watched(pass, &pass->from[i]);
    }
    if (streams(pass)) {
        path_end(pass);
    }
    return i;
}

void probe_instrument(struct engine *engine, const struct probe_source *source)
{
    struct probe *probe = engine->probe;
    if (engine->ir->marks != IR_MARKS_NONE && !engine->ir->overflow) {
        probe_place(engine, source);
        return;
    }
    bool watched = (source->mode & VCPU_MODE_PROBE) && probe_page_wanted(probe, source->gpa_page);
    if (engine->ir->overflow || (!watched && !probe_page_has_hooks(probe, source->gpa_page))) {
        return;
    }
    struct pass pass;
    pass.probe = probe;
    pass.ir = engine->ir;
    pass.source = source;
    pass.from = probe->scratch->insns;
    pass.count = engine->ir->count;
    pass.map = probe->scratch->map;
    pass.page_watched = watched;
    memcpy(probe->scratch->insns, engine->ir->insns, pass.count * sizeof(struct ir_insn));
    engine->ir->count = 0;
    for (unsigned i = 0; i < pass.count && !engine->ir->overflow;) {
        if (pass.from[i].op != IR_INSN) {
            copy(&pass, i++);
            continue;
        }
        i = put_path(&pass, i);
    }
}
