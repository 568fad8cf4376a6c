/* Probes: stores into the hart's stream (translate/probe/probe.h). */
#include "translate/to_x86_64/compile.h"

#include "translate/probe/probe.h"

/* While a stream is recorded, its end is in a register between blocks (x86_probe_reg): a word is
 * then a store and an addition, and no block waits for what the one before it has stored. */

/* No room: C takes the full chunk away. Then once more from the start; `data`: instructions that
 * r15 does not count. */
static void stub_probe_full(struct compile *c, const struct stub *stub)
{
    if (stub->data != 0) {
        asm_alu_imm(&c->a, ASM_ADD, ASM_64, R15, (s32)stub->data);
    }
    asm_store(&c->a, ASM_64, VCPU_AT(insns), R15);
    if (stub->data != 0) {
        asm_alu_imm(&c->a, ASM_SUB, ASM_64, R15, (s32)stub->data);
    }
    asm_call(&c->a, thunk(c, THUNK_PROBE));
    stub_return(c, stub);
}

static void put_head(struct compile *c, const struct ir_insn *insn, unsigned at)
{
    struct asm_buf *a = &c->a;
    if (insn->sub & IR_PROBE_NO_PAGE) {
        asm_mov_mem_imm(a, ASM_64, asm_at(at, 0), (s32)(u32)insn->imm);
        return;
    }
    unsigned head = alloc_temp(c);
    asm_load(a, ASM_64, head, VCPU_AT(pc_page));
    asm_shift_imm(a, ASM_SHL, ASM_64, head, PROBE_PAGE_SHIFT);
    asm_alu_imm(a, ASM_ADD, ASM_64, head, (s32)(u32)insn->imm);
    asm_store(a, ASM_64, asm_at(at, 0), head);
}

/* Asks the host's cache for the lines that come soon, before a path of so many words is written. A
 * processor that stores in order waits for each line of the stream that it does not have. */
static void prefetch(struct asm_buf *a, unsigned end, unsigned words)
{
    enum { AHEAD_BYTES = 512, LINE_BYTES = 64, LINES_MAX = 16 };
    unsigned lines = (words + 6) * 8 / LINE_BYTES; /* none for one word */
    for (unsigned n = 0; n < lines && n < LINES_MAX; n++) {
        s32 ahead_bytes = (s32)(AHEAD_BYTES + n * LINE_BYTES);
        asm_rm(a, 0x0f0d, ASM_32, 1, asm_at(end, ahead_bytes)); /* prefetchw */
    }
}

/* At `again` the end is looked at once more. */
static void look_for_room(struct compile *c, unsigned end, u32 again)
{
    struct asm_buf *a = &c->a;
    asm_alu_rm(a, ASM_CMP, ASM_64, end, VCPU_AT(probe_end));
    struct stub *stub = stub_add(c, stub_probe_full, asm_jcc_forward(a, ASM_AE));
    stub->back = again;
    stub->data = uncounted(c);
}

/* The same while the end is in memory. */
static void emit_probe_parked(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    unsigned at = c->values[c->at].last_use != 0 ? alloc_def(c) : alloc_temp(c);
    u32 again = asm_offset(a);
    asm_load(a, ASM_64, at, VCPU_AT(probe_at));
    if (!(insn->sub & IR_PROBE_NO_LOOK)) {
        look_for_room(c, at, again);
    }
    put_head(c, insn, at);
    prefetch(a, at, (u32)(insn->imm >> 32));
    asm_alu_mem_imm(a, ASM_ADD, ASM_64, VCPU_AT(probe_at), 8 * (s32)(insn->imm >> 32));
}

void emit_probe(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    unsigned end = x86_probe_reg(c->context->guest);
    CHECK(end != NO_REG);
    if (own_parks_probe(c)) {
        emit_probe_parked(c, insn);
        return;
    }
    if (!(insn->sub & IR_PROBE_NO_LOOK)) {
        look_for_room(c, end, asm_offset(a));
    }
    put_head(c, insn, end);
    if (c->values[c->at].last_use != 0) {
        asm_mov(a, ASM_64, alloc_def(c), end);
    }
    asm_alu_imm(a, ASM_ADD, ASM_64, end, 8 * (s32)(insn->imm >> 32));
    prefetch(a, end, (u32)(insn->imm >> 32));
}

void emit_probe_word(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    if (!(insn->sub & IR_WORD_ANY_NAN)) {
        nan_settle(c, insn->b);
    }
    unsigned base = alloc_use(c, insn->a);
    struct asm_mem mem = asm_at(base, (s32)insn->imm);
    unsigned width = width_of(insn->type);
    const struct value *value = root_of(c, insn->b);
    s32 imm;
    if (value_const_s32(c, insn->b, insn->type, &imm)) {
        asm_mov_mem_imm(a, width, mem, imm);
    } else if ((c->values[insn->b].flags & VALUE_BOXED) && width == ASM_64) {
        emit_store_boxed(c, insn->b, mem);
    } else if (!(c->values[insn->b].flags & VALUE_BOXED) &&
               (value->reg != NO_REG ? value->reg >= REG_XMM0 : type_is_float(insn->type))) {
        u32 op = ASM_OP(width == ASM_64 ? 0xf2 : 0xf3, 0x0f11);
        asm_rm(a, op, ASM_32, alloc_use_xmm(c, insn->b), mem);
    } else {
        asm_store(a, width, mem, alloc_use(c, insn->b));
    }
}

static const struct probe_wide *wide_of(const struct ir_insn *insn)
{
    return insn->sub == IR_LEFT_WIDE ? (const struct probe_wide *)(uintptr_t)insn->imm : NULL;
}

void emit_probe_left(struct compile *c, const struct ir_insn *insn)
{
    c->left = (struct left){true, insn->sub, (u32)insn->imm, wide_of(insn)};
}

/* --- paths that count (PROBE_EDGES) --- */

static void count_in_place(const struct compile *c, struct asm_buf *a, u32 number)
{
    size_t counter = probe_count_offset(c->context->guest, number);
    asm_alu_mem_imm(a, ASM_ADD, ASM_32, state_at((u32)counter), 1);
}

/* The place of an edge into `edge`. */
static void find_edge(struct asm_buf *a, unsigned edge, unsigned target, u32 way)
{
    const unsigned edge_log2 = 4;
    const s32 mask = (PROBE_EDGE_SLOTS - 1) << edge_log2;
    _Static_assert(sizeof(struct probe_edge) == 16, "edge_log2");
    asm_mov(a, ASM_32, edge, target);
    asm_shift_imm(a, ASM_SHL, ASM_32, edge, edge_log2 - 1);
    asm_alu_imm(a, ASM_XOR, ASM_32, edge, (s32)(probe_edge_slot(way, 0) << edge_log2));
    asm_alu_imm(a, ASM_AND, ASM_32, edge, mask);
    asm_alu_rm(a, ASM_ADD, ASM_64, edge, VCPU_AT(probe_edges));
}

/* Fields of jumps to where C is to do it. */
struct edge_jumps {
    u32 target, way, over;
};

static struct edge_jumps count_edge(struct asm_buf *a, unsigned edge, unsigned target, u32 way)
{
    struct edge_jumps jumps;
    find_edge(a, edge, target, way);
    asm_alu_rm(a, ASM_CMP, ASM_64, target, asm_at(edge, offsetof(struct probe_edge, target)));
    jumps.target = asm_jcc_forward(a, ASM_NE);
    asm_alu_mem_imm(a, ASM_CMP, ASM_32, asm_at(edge, offsetof(struct probe_edge, way)), (s32)way);
    jumps.way = asm_jcc_forward(a, ASM_NE);
    asm_alu_mem_imm(a, ASM_ADD, ASM_32, asm_at(edge, offsetof(struct probe_edge, count)), 1);
    jumps.over = asm_jcc_forward(a, ASM_B);
    return jumps;
}

static void count_edge_by_c(const struct compile *c, struct asm_buf *a, unsigned target, u32 way)
{
    asm_store(a, ASM_64, VCPU_AT(probe_target), target);
    asm_mov_mem_imm(a, ASM_32, VCPU_AT(probe_way), (s32)way);
    asm_call(a, thunk(c, THUNK_PROBE));
}

static struct asm_mem place_of(const struct compile *c, u32 way, unsigned n)
{
    size_t first = probe_places_offset(c->context->guest, way);
    return state_at((u32)(first + n * sizeof(struct probe_place)));
}

/* Counts the target if the place is its own; the field of the jump that is taken otherwise. */
static u32 count_at(struct asm_buf *a, struct asm_mem place, unsigned target)
{
    asm_alu_rm(a, ASM_CMP, ASM_64, target, place);
    u32 other = asm_jcc_forward(a, ASM_NE);
    place.disp += (s32)offsetof(struct probe_place, count);
    asm_alu_mem_imm(a, ASM_ADD, ASM_64, place, 1);
    return other;
}

/* It has no place of its way: one among all of the hart, or C gives it one. */
static void count_elsewhere(const struct compile *c, struct asm_buf *a, unsigned target,
                            unsigned edge, u32 way, const u8 *back)
{
    struct edge_jumps jumps = count_edge(a, edge, target, way);
    asm_jmp(a, back);
    asm_bind(a, jumps.target);
    asm_bind(a, jumps.way);
    asm_bind(a, jumps.over);
    count_edge_by_c(c, a, target, way);
    asm_jmp(a, back);
}

/* The same, when only the first place was asked so far. */
static void count_second(struct compile *c, unsigned target, unsigned edge, u32 way,
                         const u8 *back)
{
    u32 none = count_at(&c->a, place_of(c, way, 1), target);
    asm_jmp(&c->a, back);
    bind_cold(c, none);
    count_elsewhere(c, &c->cold, target, edge, way, back);
}

/* A wide way: which places are looked at, in the order of their targets' lower halves; the jumps to
 * the end, and to where no place was the target's. */
struct leaves {
    const struct probe_wide *wide;
    u8 order[PROBE_WIDE_PLACES];
    u32 found[PROBE_WIDE_PLACES], none[PROBE_WIDE_PLACES];
};

static void sort_leaves(struct leaves *leaves)
{
    const gva_t *targets = leaves->wide->targets;
    for (unsigned n = 0; n < leaves->wide->count; n++) {
        unsigned to = n;
        for (; to > 0 && (u32)targets[leaves->order[to - 1]] > (u32)targets[n]; to--) {
            leaves->order[to] = leaves->order[to - 1];
        }
        leaves->order[to] = (u8)n;
    }
}

/* Of leaves [first, end) the target's, found by halves. */
static void count_among(const struct compile *c, struct asm_buf *a, struct leaves *leaves,
                        unsigned target, unsigned first, unsigned end)
{
    const struct probe_wide *wide = leaves->wide;
    if (end - first == 1) {
        leaves->none[first] = count_at(a, place_of(c, wide->way, leaves->order[first]), target);
        leaves->found[first] = asm_jmp_forward(a);
        return;
    }
    unsigned middle = first + (end - first) / 2;
    asm_alu_imm(a, ASM_CMP, ASM_32, target, (s32)(u32)wide->targets[leaves->order[middle]]);
    u32 above = asm_jcc_forward(a, ASM_AE);
    count_among(c, a, leaves, target, first, middle);
    asm_bind(a, above);
    count_among(c, a, leaves, target, middle, end);
}

/* Counts by a wide way. The field of the jump that is taken when the target has no place there. */
static u32 count_wide(const struct compile *c, struct asm_buf *a, const struct probe_wide *wide,
                      unsigned target)
{
    struct leaves leaves = {.wide = wide};
    sort_leaves(&leaves);
    count_among(c, a, &leaves, target, 0, wide->count);
    for (unsigned n = 0; n < wide->count; n++) {
        asm_bind(a, leaves.none[n]);
    }
    u32 none = asm_jmp_forward(a);
    for (unsigned n = 0; n < wide->count; n++) {
        asm_bind(a, leaves.found[n]);
    }
    return none;
}

/* An indirect side exit, to rax; rcx is free. */
static void left_by_edge(struct compile *c, struct asm_buf *a, struct left left)
{
    if (left.wide != NULL) {
        bind_cold(c, count_wide(c, a, left.wide, RAX));
        count_elsewhere(c, &c->cold, RAX, RCX, left.wide->way, asm_exec(a));
    } else {
        u32 other = count_at(a, place_of(c, left.number, 0), RAX);
        u32 done = asm_jmp_forward(a);
        asm_bind(a, other);
        bind_cold(c, count_at(a, place_of(c, left.number, 1), RAX));
        asm_bind(a, done);
        count_elsewhere(c, &c->cold, RAX, RCX, left.number, asm_exec(a));
    }
}

/* How far the path came, while the stream's end is in memory. */
static void left_parked(struct asm_buf *a, struct left left)
{
    asm_store(a, ASM_64, frame_at(FRAME_ARGS), RCX);
    asm_load(a, ASM_64, RCX, VCPU_AT(probe_at));
    if (left.how == IR_LEFT_WORD) {
        asm_mov_mem_imm(a, ASM_64, asm_at(RCX, 0), (s32)left.number);
        asm_alu_mem_imm(a, ASM_ADD, ASM_64, VCPU_AT(probe_at), 8);
    } else {
        asm_mov_mem_imm(a, ASM_32, asm_at(RCX, -4), (s32)left.number);
    }
    asm_load(a, ASM_64, RCX, frame_at(FRAME_ARGS));
}

void emit_left(struct compile *c, struct asm_buf *a, struct left left)
{
    unsigned end = x86_probe_reg(c->context->guest);
    if (!left.tells) {
        return;
    }
    if (own_parks_probe(c)) {
        left_parked(a, left);
        return;
    }
    if (left.how == IR_LEFT_WORD) {
        asm_mov_mem_imm(a, ASM_64, asm_at(end, 0), (s32)left.number);
        asm_alu_imm(a, ASM_ADD, ASM_64, end, 8);
        return;
    }
    if (left.how == IR_LEFT_HEAD) {
        asm_mov_mem_imm(a, ASM_32, asm_at(end, -4), (s32)left.number);
        return;
    }
    if (left.how == IR_LEFT_COUNT) {
        count_in_place(c, a, left.number);
    } else {
        left_by_edge(c, a, left);
    }
}

/* Emits nothing: only where something ends the path on the way the hart is told which it was. */
void emit_probe_path(struct compile *c, const struct ir_insn *insn)
{
    c->path = (u32)insn->imm;
    c->path_first = c->insn_index;
}

void emit_path_ends(const struct compile *c, struct asm_buf *a, u32 counted)
{
    if (c->path != 0) {
        asm_lea(a, ASM_64, RAX, asm_at(R15, (s32)(c->path_first - counted)));
        asm_store(a, ASM_64, VCPU_AT(probe_insns), RAX);
        asm_mov_mem_imm(a, ASM_32, VCPU_AT(probe_path), (s32)c->path);
    }
}

void emit_probe_add(struct compile *c, const struct ir_insn *insn)
{
    count_in_place(c, &c->a, (u32)insn->imm);
}

/* reg[0]: the target; reg[1]: for its place; data: the way. */
static void stub_probe_wide(struct compile *c, const struct stub *stub)
{
    /* the parts are exchanged, see stub_return */
    count_elsewhere(c, &c->a, stub->reg[0], stub->reg[1], stub->data, c->cold.exec + stub->back);
}

/* The same. The second place is asked for near the first: what is cold comes from far away. */
static void stub_probe_edge(struct compile *c, const struct stub *stub)
{
    count_second(c, stub->reg[0], stub->reg[1], stub->data, c->a.exec + stub->back);
}

void emit_probe_edge(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    unsigned target = alloc_use(c, insn->a), edge = alloc_temp(c);
    const struct probe_wide *wide = wide_of(insn);
    u32 way = wide != NULL ? wide->way : (u32)insn->imm;
    u32 field = wide != NULL ? count_wide(c, a, wide, target)
                             : count_at(a, place_of(c, way, 0), target);
    struct stub *stub = stub_add(c, wide != NULL ? stub_probe_wide : stub_probe_edge, field);
    stub->tail = wide == NULL;
    stub->reg[0] = (u8)target;
    stub->reg[1] = (u8)edge;
    stub->data = way;
    stub->back = asm_offset(a);
}
