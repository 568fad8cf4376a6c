/* Leaving a block: direct links, indirect jumps through the jump cache, polls, exceptions.
 *
 * Before any way out r15 counts the instructions retired. A direct jump ends in a jmp or jcc whose
 * 4-byte field lies in one aligned group of 8, so that the engine can redirect it by one store
 * while the code runs. */
#include "translate/to_x86_64/compile.h"
#include "translate/to_x86_64/loop.h"

static void add_retired(struct asm_buf *a, unsigned count)
{
    if (count != 0) {
        asm_alu_imm(a, ASM_ADD, ASM_64, R15, (s32)count);
    }
}

/* --- polls: target is the offset to go on at --- */

static void leave_for_poll(struct compile *c, struct asm_buf *a, s64 target)
{
    asm_mov_imm(a, RCX, (u64)target);
    asm_jmp(a, thunk(c, THUNK_POLL));
}

static void poll_deadline(struct compile *c, s64 target)
{
    asm_alu_rm(&c->a, ASM_CMP, ASM_64, R15, VCPU_AT(deadline));
    bind_cold(c, asm_jcc_forward(&c->a, ASM_AE));
    leave_for_poll(c, &c->cold, target);
}

/* --- direct links --- */

/* Leaves for the engine. `target` is the offset in the page that vcpu->pc_page names then. */
static void leave_unlinked(struct compile *c, struct asm_buf *a, u32 id, s64 target)
{
    CHECK(id < HOST_LINKS && (u64)target < PAGE_BYTES && target % 2 == 0);
    asm_mov_imm(a, RAX, id << (PAGE_BITS - 1) | (u32)target / 2);
    asm_jmp(a, thunk(c, THUNK_LINK_MISS));
}

static void change_page(struct asm_buf *a, s64 delta)
{
    if (asm_fits_s32(delta)) {
        asm_alu_mem_imm(a, ASM_ADD, ASM_64, VCPU_AT(pc_page), (s32)delta);
    } else {
        asm_mov_imm(a, RAX, (u64)delta);
        asm_rm(a, 0x01, ASM_64, RAX, VCPU_AT(pc_page));
    }
}

_Static_assert((u64)HOST_LINKS * 8 <= INT32_MAX, "a proof's place is a displacement");

/* Flags: EQ when the hart's proof of the link holds. */
static void check_proof(struct asm_buf *a, u32 id, unsigned temp)
{
    asm_load(a, ASM_64, temp, VCPU_AT(link_proofs));
    asm_load(a, ASM_64, temp, asm_at(temp, (s32)(8 * id)));
    asm_alu_rm(a, ASM_XOR, ASM_64, temp, VCPU_AT(pc_page));
    asm_alu_rm(a, ASM_CMP, ASM_64, temp, VCPU_AT(link_epoch));
}

/* When the proof of a link that leaves the page does not hold, goes on as if it were unlinked. */
static void guard_link(struct compile *c, u32 id, s64 target)
{
    struct asm_buf *a = &c->a;
    s64 pages = target & ~(s64)PAGE_OFFSET_MASK;
    check_proof(a, id, RAX);
    bind_cold(c, asm_jcc_forward(a, ASM_NE));
    if (pages != 0) {
        change_page(&c->cold, pages);
        change_page(a, pages);
    }
}

/* Where a link's 4-byte field, `ahead_bytes` further on, does not lie in one aligned group of 8,
 * pads so that it does. */
static void align_field(struct asm_buf *a, unsigned ahead_bytes)
{
    uintptr_t field = (uintptr_t)asm_exec(a) + ahead_bytes;
    if (field % 8 > 4) {
        asm_align(a, 8, ahead_bytes);
    }
}

/* Whether a link there is guarded: it leads to another page, or to an instruction that may end in
 * the next one. */
static bool leaves_page(s64 target)
{
    return target < 0 || target >= (s64)PAGE_BYTES - 2;
}

static bool has_passed(const struct compile *c, u32 guard)
{
    for (unsigned n = 0; n < c->passed_count; n++) {
        if (c->passed[n] == guard) {
            return true;
        }
    }
    return false;
}

/* Whether the body has passed a guard for the page of an instruction there, which does not go on in
 * the next page. */
static bool is_passed(const struct compile *c, s64 target)
{
    const struct host_request *request = c->request;
    unsigned n = 0;
    while (n < request->page_count &&
           request->pages[n].distance != (target & ~(s64)PAGE_OFFSET_MASK)) {
        n++;
    }
    return n < request->page_count && has_passed(c, request->pages[n].guard) &&
           (target & (s64)PAGE_OFFSET_MASK) < (s64)PAGE_BYTES - 2;
}

/* Registers an exit; NULL when there are too many. */
static struct host_exit *add_exit(struct compile *c, s64 target, bool passed)
{
    const struct host_request *request = c->request;
    if (c->result->exit_count >= request->exits_max) {
        c->status = HOST_TOO_COMPLEX;
        return NULL;
    }
    struct host_exit *exit = &request->exits[c->result->exit_count++];
    *exit = (struct host_exit){
        .id = request->alloc_link(request->opaque),
        .cross_page = leaves_page(target) && !passed,
        .passed = passed,
        .target_offset = target,
    };
    return exit;
}

/* A jump that the engine can link; r15 and poll are done. */
static void emit_link(struct compile *c, s64 target, bool passed)
{
    struct host_exit *exit = add_exit(c, target, passed);
    if (exit == NULL) {
        return;
    }
    if (exit->cross_page) {
        guard_link(c, exit->id, target);
    } else if (passed) {
        change_page(&c->a, target & ~(s64)PAGE_OFFSET_MASK);
    }
    target &= (s64)PAGE_OFFSET_MASK;
    const u8 *unlinked = asm_exec(&c->cold);
    leave_unlinked(c, &c->cold, exit->id, target);
    exit->unlinked_offset = unlinked - c->a.exec;
    align_field(&c->a, 1);
    exit->jump_offset = asm_offset(&c->a);
    exit->patch_offset = asm_offset(&c->a) + 1;
    asm_jmp(&c->a, unlinked);
}

void emit_poll_out(struct compile *c, struct asm_buf *a, s64 target)
{
    own_leave(c, a);
    leave_for_poll(c, a, target);
}

/* `passed`: is_passed there. own_float_store is done. */
static void go_out_stored(struct compile *c, s64 target, bool passed)
{
    own_leave_pins(c, &c->a);
    if (target <= c->entry_target || target >= (s64)PAGE_BYTES) {
        poll_deadline(c, target);
    }
    emit_link(c, target, passed);
}

void emit_go_out(struct compile *c, s64 target)
{
    own_float_store(c, &c->a);
    go_out_stored(c, target, false);
}

/* A jump from the current instruction. */
struct jump {
    s64 target;
    unsigned way;  /* ways_at */
    bool passed;   /* is_passed */
    bool progress; /* an instruction of the block is behind it */
    u32 fix_first, fix_count; /* of what waits over the trace's start (sink.c) */
};

static struct jump jump_to(const struct compile *c, s64 target)
{
    return (struct jump){.target = target, .way = ways_at(c, target),
                         .passed = is_passed(c, target), .progress = true};
}

/* Whether it leads to the head of the next round. */
static bool goes_round(const struct compile *c, const struct jump *jump)
{
    return jump->target == c->entry_target && jump->progress && !(c->flags & HOST_NO_SELF_LINK);
}

/* With `retired` more instructions of this block behind it than r15 counts. */
static void go_to(struct compile *c, const struct jump *jump, unsigned retired)
{
    s64 target = jump->target;
    add_retired(&c->a, retired);
    if (goes_round(c, jump)) {
        asm_alu_rm(&c->a, ASM_CMP, ASM_64, R15, VCPU_AT(deadline));
        asm_jcc(&c->a, ASM_B, c->a.exec + c->entry);
        own_float_store(c, &c->a);
        sink_fix(c, &c->a, jump->fix_first, jump->fix_count, false);
        own_leave_pins(c, &c->a);
        leave_for_poll(c, &c->a, target);
    } else if (jump->way != 0) {
        ways_go(c, jump->way);
    } else {
        own_float_store(c, &c->a);
        go_out_stored(c, target, jump->passed);
    }
}

/* data: instructions retired that r15 does not count; back: the way */
static void stub_go_to(struct compile *c, const struct stub *stub)
{
    struct jump jump = {.target = stub->target, .way = stub->back, .passed = stub->passed,
                        .progress = true};
    bool inside = !stub->out && (jump.way != 0 || goes_round(c, &jump));
    if (!inside) {
        own_float_store(c, &c->a);
    }
    sink_fix(c, &c->a, stub->fix_first, stub->fix_count, inside);
    emit_left(c, &c->a, stub->left);
    if (!inside) {
        add_retired(&c->a, stub->data);
        go_out_stored(c, stub->target, stub->passed);
        return;
    }
    if (stub->fix_count != 0) {
        loop_carry(c);
    }
    go_to(c, &jump, stub->data);
}

/* True when nothing of the current guest instruction is left that looks at r15. */
static bool ends_here(const struct compile *c)
{
    const struct ir_insn *insn = &c->ir->insns[c->at + 1], *end = c->ir->insns + c->ir->count;
    while (insn < end && (insn->dead || insn->op == IR_CONST)) {
        insn++;
    }
    return insn < end && (insn->op == IR_INSN || insn->op == IR_JUMP);
}

/* A side exit that is one jcc to its target: what it retires is counted on both ways. */
static void exit_by_jcc(struct compile *c, const struct ir_insn *insn)
{
    struct host_exit *exit = add_exit(c, (s64)insn->imm, false);
    if (exit == NULL) {
        return;
    }
    add_retired(&c->a, uncounted(c) + 1); /* before the compare, which then fuses with the jump */
    c->counted = c->insn_index + 1;
    enum asm_cc cc = emit_cmp(c, IR_I64, insn->sub, insn->a, insn->b);
    const u8 *unlinked = asm_exec(&c->cold);
    leave_unlinked(c, &c->cold, exit->id, (s64)insn->imm);
    exit->unlinked_offset = unlinked - c->a.exec;
    align_field(&c->a, 2);
    exit->patch_offset = asm_offset(&c->a) + 2;
    asm_bind_to(&c->a, asm_jcc_forward(&c->a, cc), unlinked);
}

/* Backward branches are loops and mostly taken: they go on right here. Forward ones leave the
 * fall-through path straight. */
void emit_exit_if(struct compile *c, const struct ir_insn *insn)
{
    s64 target = (s64)insn->imm;
    bool backward = target <= c->entry_target;
    bool trace = (c->flags & HOST_TRACE) != 0;
    struct left left = c->left;
    bool tells = left.tells;
    c->left = (struct left){ 0 };
    if (!backward && !leaves_page(target) && !trace && !tells && ends_here(c)) {
        exit_by_jcc(c, insn);
        return;
    }
    enum asm_cc cc = emit_cmp(c, IR_I64, insn->sub, insn->a, insn->b);
    if (backward && !trace) {
        u32 field = asm_jcc_forward(&c->a, cc ^ 1);
        emit_left(c, &c->a, left);
        go_to(c, &(struct jump){.target = target, .progress = true}, uncounted(c) + 1);
        asm_bind(&c->a, field);
        return;
    }
    u32 fixes = c->fix_count;
    unsigned fix_count = sink_way_out(c); /* leaves the flags as they are */
    struct stub *stub = stub_add(c, stub_go_to, asm_jcc_forward(&c->a, cc));
    stub->fix_first = fixes;
    stub->fix_count = fix_count;
    stub->left = left;
    stub->tail = true;
    stub->data = uncounted(c) + 1;
    struct jump jump = jump_to(c, target);
    stub->target = target;
    stub->out = !own_float_takes(c, fixes, fix_count);
    stub->back = jump.way;
    stub->passed = jump.passed;
}

/* Takes `count` from r15 when the flags say `cc`, above or below, by the carry. */
static void take_by_carry(struct asm_buf *a, enum asm_cc cc)
{
    if (cc == ASM_B) {
        asm_alu_imm(a, ASM_SBB, ASM_64, R15, 0);
    } else {
        asm_alu_imm(a, ASM_ADC, ASM_64, R15, -1);
    }
}

/* The condition of the UNRETIRE as flags. That something is 0 becomes that it is below 1. */
static enum asm_cc unretire_if(struct compile *c, const struct ir_insn *insn)
{
    s32 imm;
    bool zero = value_const_s32(c, insn->b, IR_I64, &imm) && imm == 0 &&
                !(c->values[c->values[insn->a].root].flags & VALUE_CONST);
    if (!zero || (insn->sub != IR_EQ && insn->sub != IR_NE)) {
        return emit_cmp(c, IR_I64, insn->sub, insn->a, insn->b);
    }
    asm_alu_imm(&c->a, ASM_CMP, ASM_64, alloc_use(c, insn->a), 1);
    return insn->sub == IR_EQ ? ASM_B : ASM_AE;
}

void emit_unretire(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    enum asm_cc cc = unretire_if(c, insn);
    if (insn->imm == 1 && (cc == ASM_B || cc == ASM_AE)) {
        take_by_carry(a, cc);
        return;
    }
    unsigned t = alloc_temp(c);
    asm_setcc(a, cc, t);
    asm_rr(a, 0x0fb6, ASM_8, t, t); /* movzx */
    if (insn->imm != 1) {
        asm_rr(a, 0x6b, ASM_32, t, t); /* imul */
        asm_u8(a, (u8)insn->imm);
    }
    asm_alu_rr(a, ASM_SUB, ASM_64, R15, t);
}

void emit_jump(struct compile *c, const struct ir_insn *insn)
{
    unsigned current = insn->op == IR_JUMP;
    struct jump jump = jump_to(c, (s64)insn->imm);
    jump.progress = c->insn_index + current != 0;
    if (c->sinking) {
        jump.fix_first = c->fix_count;
        jump.fix_count = sink_way_out(c);
    }
    go_to(c, &jump, uncounted(c) + current);
}

/* --- the rest --- */

void emit_poll(struct compile *c, const struct ir_insn *insn)
{
    unsigned t = alloc_temp(c);
    u64 ahead = uncounted(c) + insn->imm;
    if (ahead <= INT32_MAX) {
        asm_lea(&c->a, ASM_64, t, asm_at(R15, (s32)ahead));
    } else {
        asm_mov_imm(&c->a, t, ahead);
        asm_alu_rr(&c->a, ASM_ADD, ASM_64, t, R15);
    }
    asm_alu_rm(&c->a, ASM_CMP, ASM_64, t, VCPU_AT(deadline));
    bind_cold(c, asm_jcc_forward(&c->a, ASM_A));
    add_retired(&c->cold, uncounted(c));
    own_leave(c, &c->cold);
    leave_for_poll(c, &c->cold, c->insn_offset);
}

void emit_look(struct compile *c, const struct ir_insn *insn)
{
    asm_alu_mem_imm(&c->a, ASM_CMP, ASM_32, VCPU_AT(irq_hint), 0);
    bind_cold(c, asm_jcc_forward(&c->a, ASM_NE));
    add_retired(&c->cold, uncounted(c) + 1);
    asm_mov_imm(&c->cold, RCX, insn->imm);
    asm_jmp(&c->cold, thunk(c, THUNK_LOOK));
}

/* The address to rax, nothing else is needed any more. */
static void target_to_rax(struct compile *c, ir_ref ref)
{
    alloc_use_in(c, ref, RAX);
}

/* Through the jump cache to rax. */
static void go_indirect(struct compile *c)
{
    struct asm_buf *a = &c->a;
    asm_alu_rm(a, ASM_CMP, ASM_64, R15, VCPU_AT(deadline));
    asm_jcc(a, ASM_AE, thunk(c, THUNK_POLL_IND));
    jump_look_up(a, 0);
    asm_jcc(a, ASM_NE, thunk(c, THUNK_IND_MISS));
    jump_go(a);
}

void emit_jump_ind(struct compile *c, const struct ir_insn *insn)
{
    target_to_rax(c, insn->a);
    add_retired(&c->a, uncounted(c) + 1);
    own_leave(c, &c->a);
    go_indirect(c);
}

/* reg[0]: the address; data: instructions retired that r15 does not count */
static void stub_go_indirect(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    asm_store(a, ASM_64, frame_at(FRAME_RESULT), stub->reg[0]);
    own_float_store(c, a);
    sink_fix(c, a, stub->fix_first, stub->fix_count, false);
    asm_load(a, ASM_64, RAX, frame_at(FRAME_RESULT));
    asm_alu_imm(a, ASM_AND, ASM_64, RAX, -2);
    emit_left(c, a, stub->left);
    add_retired(a, stub->data);
    own_leave_pins(c, a);
    go_indirect(c);
}

void emit_exit_unless(struct compile *c, const struct ir_insn *insn)
{
    unsigned target = alloc_use(c, insn->a);
    unsigned page = alloc_temp(c);
    if (asm_fits_s32(-(s64)insn->imm)) {
        asm_lea(&c->a, ASM_64, page, asm_at(target, (s32)-(s64)insn->imm));
    } else {
        asm_mov_imm(&c->a, page, 0 - insn->imm);
        asm_alu_rr(&c->a, ASM_ADD, ASM_64, page, target);
    }
    asm_alu_rm(&c->a, ASM_CMP, ASM_64, page, VCPU_AT(pc_page));
    u32 fixes = c->fix_count;
    unsigned fix_count = sink_way_out(c); /* leaves the flags as they are */
    struct stub *stub = stub_add(c, stub_go_indirect, asm_jcc_forward(&c->a, ASM_NE));
    stub->left = c->left;
    c->left = (struct left){ 0 };
    stub->fix_first = fixes;
    stub->fix_count = fix_count;
    stub->tail = true;
    stub->reg[0] = (u8)target;
    stub->data = uncounted(c) + 1;
}

/* reg[0..3]: the guard's number, a byte each; data: instructions retired that r15 does not count */
static void stub_go_unproved(struct compile *c, const struct stub *stub)
{
    struct asm_buf *a = &c->a;
    own_float_store(c, a);
    sink_fix(c, a, stub->fix_first, stub->fix_count, false);
    emit_left(c, a, stub->left);
    add_retired(a, stub->data);
    own_leave_pins(c, a);
    change_page(a, stub->target & ~(s64)PAGE_OFFSET_MASK);
    leave_unlinked(c, a, ld_le32(stub->reg), stub->target & (s64)PAGE_OFFSET_MASK);
}

void emit_exit_page(struct compile *c, const struct ir_insn *insn)
{
    check_proof(&c->a, ir_guard(insn), alloc_temp(c));
    u32 fixes = c->fix_count;
    unsigned fix_count = sink_way_out(c); /* leaves the flags as they are */
    struct stub *stub = stub_add(c, stub_go_unproved, asm_jcc_forward(&c->a, ASM_NE));
    stub->left = c->left;
    c->left = (struct left){ 0 };
    stub->fix_first = fixes;
    stub->fix_count = fix_count;
    stub->tail = true;
    stub->target = (s64)insn->imm;
    st_le32(stub->reg, ir_guard(insn));
    stub->data = uncounted(c) + 1;
    if (c->passed_count < PASSED_MAX) {
        c->passed[c->passed_count++] = ir_guard(insn);
    }
}

void emit_exact(const struct compile *c, struct asm_buf *a)
{
    if (asm_fits_s32(c->insn_offset)) {
        asm_load(a, ASM_64, RAX, VCPU_AT(pc_page));
        asm_alu_imm(a, ASM_ADD, ASM_64, RAX, (s32)c->insn_offset);
    } else {
        asm_mov_imm(a, RAX, (u64)c->insn_offset);
        asm_alu_rm(a, ASM_ADD, ASM_64, RAX, VCPU_AT(pc_page));
    }
    asm_store(a, ASM_64, VCPU_AT(pc), RAX);
    unsigned reg = R15;
    if (uncounted(c) != 0) {
        asm_lea(a, ASM_64, RAX, asm_at(R15, (s32)uncounted(c)));
        reg = RAX;
    }
    asm_store(a, ASM_64, VCPU_AT(insns), reg);
}

void emit_raise(struct compile *c, const struct ir_insn *insn)
{
    struct asm_buf *a = &c->a;
    s32 imm;
    if (value_const_s32(c, insn->a, IR_I64, &imm)) {
        asm_mov_mem_imm(a, ASM_64, VCPU_AT(exception_value), imm);
    } else {
        asm_store(a, ASM_64, VCPU_AT(exception_value), alloc_use(c, insn->a));
    }
    if (asm_fits_s32((s64)insn->imm)) {
        asm_mov_mem_imm(a, ASM_64, VCPU_AT(exception_cause), (s32)insn->imm);
    } else {
        asm_mov_imm(a, RAX, insn->imm);
        asm_store(a, ASM_64, VCPU_AT(exception_cause), RAX);
    }
    asm_mov_mem_imm(a, ASM_32, VCPU_AT(exception_pending), 1);
    emit_path_ends(c, a, c->counted);
    add_retired(&c->a, uncounted(c));
    own_leave(c, a);
    asm_mov_imm(a, RCX, (u64)c->insn_offset);
    asm_jmp(a, thunk(c, THUNK_RAISE));
}

/* Whoever made an interrupt deliverable lowered the deadline (vcpu_look_up), so the poll on the way
 * is all the looking that either form needs. */
void emit_leave(struct compile *c, const struct ir_insn *insn)
{
    target_to_rax(c, insn->a);
    add_retired(&c->a, uncounted(c) + 1);
    own_leave(c, &c->a);
    asm_jmp(&c->a, thunk(c, THUNK_IND));
}
