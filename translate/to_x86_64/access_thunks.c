/* Slow paths of memory accesses, the part that blocks share (access_slow.c says how they come
 * here). On the stack: the address behind the stub's call, then the frame. */
#include "translate/to_x86_64/emit_vector.h"

enum { ABOVE = 8 }; /* what lies on the stack above the frame */

struct thunks {
    struct host_context *context;
    struct asm_buf *a;
};

static void place(struct thunks *t, unsigned index)
{
    t->context->thunks[index] = asm_exec(t->a);
}

static void ret(struct thunks *t)
{
    asm_u8(t->a, 0xc3);
}

/* A byte of the stub's description to `reg`, which then holds nothing else. */
static void load_site_byte(struct thunks *t, unsigned reg, unsigned offset)
{
    asm_load(t->a, ASM_64, reg, frame_at(0));
    asm_rm(t->a, 0x0fb6, ASM_32, reg, asm_at(reg, (s32)(SITE_JUMP_BYTES + offset)));
}

/* --- looking at the TLB; the address is in `tag`, which is also what the fast path, then, uses as
 *     scratch --- */

/* One look at the TLB: entry and tag are the fast path's registers. */
struct look {
    unsigned entry, tag, other;
    bool write;
    bool group; /* the bytes are a group's */
};

/* How many bytes follow the first one, to `other`. */
static void load_size(struct thunks *t, const struct look *look)
{
    struct asm_buf *a = t->a;
    if (look->group) {
        asm_load(a, ASM_64, look->other, frame_at(0));
        asm_rm(a, 0x0fb6, ASM_32, look->other, asm_at(look->other, GROUP_BYTES));
    } else {
        load_site_byte(t, look->other, SITE_SIZE);
        asm_alu_imm(a, ASM_AND, ASM_32, look->other, 15);
    }
}

/* Flags: EQ when the address is aligned, if that was asked. */
static void check_alignment(struct thunks *t, unsigned tag, unsigned other)
{
    load_site_byte(t, other, SITE_SIZE);
    asm_shift_imm(t->a, ASM_SHR, ASM_32, other, 4);
    asm_test(t->a, ASM_32, tag, other);
}

/* A temporary that is neither of the two. */
static unsigned third(unsigned x, unsigned y)
{
    unsigned n = 0;
    while (access_temps[n] == x || access_temps[n] == y) {
        n++;
    }
    return access_temps[n];
}

/* Flags: EQ to go on with the fast path. */
static void finish(struct thunks *t, unsigned other)
{
    asm_load(t->a, ASM_64, other, frame_at(ABOVE + FRAME_ARGS));
    asm_jcc(t->a, ASM_NE, t->context->thunks[THUNK_ACCESS]);
    ret(t);
}

/* The TLB has no such page; flags as look_up() leaves them. */
static void give_up(struct thunks *t, unsigned other)
{
    asm_load(t->a, ASM_64, other, frame_at(ABOVE + FRAME_ARGS));
    if (t->context->slow->guest_refills) {
        asm_jcc(t->a, ASM_A, t->context->thunks[THUNK_FAULT]);
    }
    asm_jmp(t->a, t->context->thunks[THUNK_ACCESS]);
}

/* How many times a page may be found in its other entry before it gets its first one. */
enum { TLB_PATIENCE = 32 };

static void push(struct thunks *t, unsigned reg)
{
    asm_u8(t->a, 0x50 | reg);
}

static void pop(struct thunks *t, unsigned reg)
{
    asm_u8(t->a, 0x58 | reg);
}

/* What a call of C that uses no vector register changes. */
static const u8 called_kept[] = {RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11};
/* With the return addresses of stub, find() and call_keeping(), and what the latter pushed, a
 * multiple of 16, for C. */
enum { CALL_KEPT_BYTES = 8 * (ARRAY_LEN(called_kept) + 1) };
_Static_assert((CALL_KEPT_BYTES + (3 + 3) * 8) % 16 == 0, "C's stack is aligned");

static void keep(struct thunks *t, unsigned first, unsigned end)
{
    for (unsigned n = first; n < end; n++) {
        asm_store(t->a, ASM_64, frame_at(8 * n), called_kept[n]);
    }
}

/* The flags stay. */
static void ret_restoring(struct thunks *t, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        asm_load(t->a, ASM_64, called_kept[n], frame_at(8 * n));
    }
    asm_lea(t->a, ASM_64, RSP, frame_at(CALL_KEPT_BYTES));
    ret(t);
}

/* Pushed behind the return address: two registers and the entry where a page is. That moves to the
 * page's first entry, which replaces it on the stack. Otherwise a page could stay in its other
 * entry for ever, and each access take the slow path. Keeps all registers. */
static void promote(struct thunks *t)
{
    enum { ENTRY = CALL_KEPT_BYTES + 3 * 8 };
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_PROMOTE);
    asm_alu_imm(a, ASM_SUB, ASM_64, RSP, CALL_KEPT_BYTES);
    keep(t, 0, ARRAY_LEN(called_kept));
    asm_mov_mem_imm(a, ASM_8, VCPU_AT(tlb_patience), TLB_PATIENCE);
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    asm_load(a, ASM_64, RSI, frame_at(ENTRY));
    asm_call_far(a, (const void *)(uintptr_t)tlb_promote);
    asm_store(a, ASM_64, frame_at(ENTRY), RAX);
    ret_restoring(t, ARRAY_LEN(called_kept));
}

/* Pushed behind the return address: the page of the access's last byte, its address, and the page's
 * first entry. Has the guest put the page into the TLB; flags: EQ when that is done, A when the
 * access faults, B otherwise. Nothing is to be refilled where every access takes the slow path,
 * which devices' pages would ask for each time. Keeps all registers; the guest's function keeps the
 * vector ones. */
static void refill(struct thunks *t, bool write)
{
    enum { LAST_PAGE = CALL_KEPT_BYTES + 8, ADDRESS = LAST_PAGE + 8, ENTRY = ADDRESS + 8 };
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_REFILL + write);
    asm_alu_imm(a, ASM_SUB, ASM_64, RSP, CALL_KEPT_BYTES);
    keep(t, 0, 2);
    asm_load(a, ASM_64, RCX, frame_at(ENTRY));
    asm_load(a, ASM_64, RAX, frame_at(LAST_PAGE));
    asm_alu_imm(a, ASM_OR, ASM_64, RAX, (s32)TLB_TAG_SLOW);
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, asm_at(RCX, access_tag_offset(write)));
    u32 refills = asm_jcc_short(a, ASM_NE);
    asm_alu_imm(a, ASM_CMP, ASM_64, RAX, -1); /* B */
    ret_restoring(t, 2);
    asm_bind_short(a, refills);
    keep(t, 2, ARRAY_LEN(called_kept));
    asm_load(a, ASM_64, RSI, frame_at(ADDRESS));
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    asm_mov_imm(a, RDX, write);
    asm_call_far(a, (const void *)(uintptr_t)t->context->guest->refill);
    asm_alu_imm(a, ASM_CMP, ASM_32, RAX, GUEST_REFILL_DONE);
    ret_restoring(t, ARRAY_LEN(called_kept));
}

_Static_assert(GUEST_REFILL_NOT < GUEST_REFILL_DONE && GUEST_REFILL_DONE < GUEST_REFILL_FAULT,
               "one comparison tells them apart");

static void call_keeping(struct thunks *t, const struct look *look, unsigned thunk)
{
    push(t, look->entry);
    push(t, look->tag);
    push(t, look->other);
    asm_call(t->a, t->context->thunks[thunk]);
    pop(t, look->other);
    pop(t, look->tag);
    pop(t, look->entry);
}

static unsigned find_thunk(unsigned entry, unsigned tag, bool write)
{
    return THUNK_FIND + access_pair_number(entry, tag, write);
}

/* What look_up() calls. The other entry is looked at first, since most that come here found that
 * the first is not the page's. */
static void find(struct thunks *t, unsigned entry, unsigned tag, bool write)
{
    struct asm_buf *a = t->a;
    struct access m = {.entry = entry, .table = NO_REG};
    struct look look = {entry, tag, third(entry, tag), write, false};
    struct asm_mem page = asm_at(entry, access_tag_offset(write));
    place(t, find_thunk(entry, tag, write));
    asm_alu_rr(a, ASM_ADD, ASM_64, look.other, tag);
    asm_alu_imm(a, ASM_AND, ASM_64, look.other, -(s32)PAGE_BYTES);
    push(t, look.other);
    access_other_entry(a, entry, tag, look.other);
    pop(t, look.other);
    asm_alu_rm(a, ASM_CMP, ASM_64, look.other, page);
    u32 not_there = asm_jcc_short(a, ASM_NE);
    asm_rm(a, 0xfe, ASM_32, 1, VCPU_AT(tlb_patience)); /* dec byte */
    u32 patient = asm_jcc_short(a, ASM_NE);
    call_keeping(t, &look, THUNK_PROMOTE);
    asm_bind_short(a, patient);
    asm_alu_rr(a, ASM_CMP, ASM_64, entry, entry); /* EQ */
    u32 found = asm_jmp_short(a);
    asm_bind_short(a, not_there);
    asm_mov(a, ASM_64, entry, tag);
    asm_alu_imm(a, ASM_AND, ASM_64, entry, -(s32)PAGE_BYTES);
    asm_alu_rr(a, ASM_CMP, ASM_64, entry, look.other);
    u32 crosses = asm_jcc_short(a, ASM_NE);
    access_index(a, t->context->features, &m, tag);
    asm_alu_rm(a, ASM_CMP, ASM_64, look.other, page);
    if (t->context->slow->guest_refills) {
        u32 there = asm_jcc_short(a, ASM_E);
        call_keeping(t, &look, THUNK_REFILL + look.write);
        asm_bind_short(a, there);
    }
    asm_bind_short(a, found);
    ret(t);
    asm_bind_short(a, crosses); /* nothing to look for, and no refill would do: B */
    asm_alu_imm(a, ASM_CMP, ASM_64, look.other, -1);
    ret(t);
}

/* Makes `entry` the page's; flags: EQ when there is one, else those of refill(). */
static void look_up(struct thunks *t, const struct look *look)
{
    const u8 *finds = t->context->thunks[find_thunk(look->entry, look->tag, look->write)];
    CHECK(finds != NULL);
    load_size(t, look);
    asm_call(t->a, finds);
}

/* Flags: EQ, and rsi the entry, when the TLB has page rcx for reading; uses rdi. */
static void find_readable(struct thunks *t)
{
    struct asm_buf *a = t->a;
    struct access m = {.entry = RSI, .table = NO_REG};
    access_index(a, t->context->features, &m, RCX);
    asm_alu_rm(a, ASM_CMP, ASM_64, RCX, asm_at(RSI, access_tag_offset(false)));
    u32 found = asm_jcc_short(a, ASM_E);
    access_other_entry(a, RSI, RCX, RDI);
    asm_alu_rm(a, ASM_CMP, ASM_64, RCX, asm_at(RSI, access_tag_offset(false)));
    asm_bind_short(a, found);
}

/* rcx: a table's first byte, rdx: its last. Flags: EQ, and rax the addend, when all its pages may
 * be read and have the same. Uses all temporaries. */
static void table(struct thunks *t)
{
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_TABLE);
    asm_alu_imm(a, ASM_AND, ASM_64, RCX, -(s32)PAGE_BYTES);
    asm_alu_rr(a, ASM_SUB, ASM_64, RDX, RCX);
    asm_shift_imm(a, ASM_SHR, ASM_64, RDX, PAGE_BITS); /* how many pages follow */
    find_readable(t);
    u32 none = asm_jcc_short(a, ASM_NE);
    asm_load(a, ASM_64, RAX, asm_at(RSI, offsetof(struct tlb_entry, addend)));
    const u8 *again = asm_exec(a);
    asm_test(a, ASM_32, RDX, RDX);
    u32 done = asm_jcc_short(a, ASM_E);
    asm_alu_imm(a, ASM_SUB, ASM_32, RDX, 1);
    asm_alu_imm(a, ASM_ADD, ASM_64, RCX, PAGE_BYTES);
    find_readable(t);
    u32 missing = asm_jcc_short(a, ASM_NE);
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, asm_at(RSI, offsetof(struct tlb_entry, addend)));
    asm_jcc(a, ASM_E, again);
    asm_bind_short(a, none);
    asm_bind_short(a, missing);
    asm_bind_short(a, done);
    ret(t);
}

/* An access alone. With a table `entry` becomes an offset. */
static void alone(struct thunks *t, unsigned entry, unsigned tag, bool has_table, bool write)
{
    struct look look = {entry, tag, third(entry, tag), write, false};
    place(t, access_look_up_thunk(entry, tag, has_table, write));
    asm_store(t->a, ASM_64, frame_at(ABOVE + FRAME_ARGS), look.other);
    look_up(t, &look);
    u32 missed = asm_jcc_short(t->a, ASM_NE);
    if (has_table) {
        asm_alu_rm(t->a, ASM_SUB, ASM_64, entry, VCPU_AT(tlb));
    }
    check_alignment(t, tag, look.other);
    finish(t, look.other);
    asm_bind_short(t->a, missed);
    give_up(t, look.other);
}

/* An access whose group has no addend, mostly since that lies in two pages: its own page is mostly
 * in its first entry, which is looked at before the other one. Leaves the page's addend in `tag`,
 * and in `entry`, whoever does the access, what the group's other accesses take for none. */
static void once(struct thunks *t, unsigned entry, unsigned tag, bool write)
{
    struct asm_buf *a = t->a;
    struct look look = {entry, tag, third(entry, tag), write, false};
    struct access m = {.entry = entry, .table = NO_REG};
    place(t, access_once_thunk(entry, tag, write));
    asm_store(a, ASM_64, frame_at(ABOVE + FRAME_ARGS), look.other);
    load_size(t, &look);
    asm_alu_rr(a, ASM_ADD, ASM_64, look.other, tag);
    asm_alu_imm(a, ASM_AND, ASM_64, look.other, -(s32)PAGE_BYTES);
    access_index(a, t->context->features, &m, tag);
    asm_alu_rm(a, ASM_CMP, ASM_64, look.other, asm_at(entry, access_tag_offset(write)));
    u32 found = asm_jcc_short(a, ASM_E);
    look_up(t, &look);
    u32 missed = asm_jcc_short(a, ASM_NE);
    asm_bind_short(a, found);
    asm_load(a, ASM_64, tag, asm_at(entry, offsetof(struct tlb_entry, addend)));
    asm_mov_imm(a, entry, ~(u64)0);
    asm_load(a, ASM_64, look.other, frame_at(ABOVE + FRAME_ARGS));
    ret(t);
    asm_bind_short(a, missed);
    asm_mov_imm(a, entry, ~(u64)0);
    give_up(t, look.other);
}

/* Returns in any case; flags: NE when the group is in no one page, or not permitted. */
static void group(struct thunks *t, unsigned entry, unsigned tag, bool write)
{
    struct look look = {entry, tag, third(entry, tag), write, true};
    place(t, access_group_thunk(entry, tag, write));
    asm_store(t->a, ASM_64, frame_at(ABOVE + FRAME_ARGS), look.other);
    look_up(t, &look);
    asm_load(t->a, ASM_64, look.other, frame_at(ABOVE + FRAME_ARGS));
    ret(t);
}

/* The loop's site was in another page: remembers the new one. */
static void site(struct thunks *t, unsigned tag, bool write)
{
    struct asm_buf *a = t->a;
    unsigned entry = third(tag, tag);
    unsigned other = third(tag, entry);
    place(t, access_site_thunk(tag, write));
    asm_store(a, ASM_64, frame_at(ABOVE + FRAME_ARGS + 8), entry);
    asm_store(a, ASM_64, frame_at(ABOVE + FRAME_ARGS), other);
    struct look look = {entry, tag, other, write, false};
    look_up(t, &look);
    u32 missed = asm_jcc_short(a, ASM_NE);
    asm_load(a, ASM_64, entry, asm_at(entry, offsetof(struct tlb_entry, addend)));
    load_site_byte(t, tag, SITE_SIZE);
    asm_alu_imm(a, ASM_AND, ASM_32, tag, 16 * (SITES_MAX - 1));
    asm_store(a, ASM_64, asm_at_index(RSP, tag, 0, ABOVE + FRAME_SITES), other);
    asm_store(a, ASM_64, asm_at_index(RSP, tag, 0, ABOVE + FRAME_SITES + 8), entry);
    asm_load(a, ASM_64, entry, frame_at(ABOVE + FRAME_ARGS + 8));
    asm_load(a, ASM_64, other, frame_at(ABOVE + FRAME_ARGS));
    ret(t);
    asm_bind_short(a, missed);
    asm_load(a, ASM_64, entry, frame_at(ABOVE + FRAME_ARGS + 8));
    give_up(t, other);
}

/* --- the access by C --- */

static bool is_free(unsigned reg)
{
    return reg != RSP && reg != RBP && reg != R15;
}

/* Stores or loads all XMM registers if the stub (its address behind the call in rbx) says so. */
static void transfer_xmm(struct thunks *t, bool load)
{
    struct asm_buf *a = t->a;
    struct asm_mem flags = asm_at(RBX, SITE_JUMP_BYTES + SITE_ADDRESS);
    asm_rm(a, 0xf6, ASM_32, 0, flags); /* test byte */
    asm_u8(a, SITE_KEEP_XMM);
    u32 none = asm_jcc_forward(a, ASM_E);
    thunk_transfer_xmm(t->context, a, ABOVE, load);
    asm_bind(a, none);
}

static void load_general(struct thunks *t)
{
    for (unsigned reg = 0; reg < 16; reg++) {
        if (is_free(reg)) {
            asm_load(t->a, ASM_64, reg, frame_at(ABOVE + FRAME_REGS + 8 * reg));
        }
    }
    asm_alu_imm(t->a, ASM_ADD, ASM_64, RSP, ABOVE);
}

typedef const u8 *call_fn(struct vcpu *vcpu, u8 *frame, const u8 *stub,
                          const struct host_slow *slow);

/* A stub calls it; has all registers saved, `fn` called, and goes on where that says. */
static void by_c(struct thunks *t, unsigned index, call_fn *fn)
{
    struct asm_buf *a = t->a;
    unsigned probe = x86_probe_reg(t->context->guest);
    asm_align(a, 16, 0);
    place(t, index);
    for (unsigned reg = 0; reg < 16; reg++) {
        asm_store(a, ASM_64, frame_at(ABOVE + FRAME_REGS + 8 * reg), reg);
    }
    if (probe != NO_REG) {
        asm_alu_mem_imm(a, ASM_CMP, ASM_32, frame_at(ABOVE + FRAME_PARKED), 0);
        u32 parked = asm_jcc_short(a, ASM_NE);
        asm_store(a, ASM_64, VCPU_AT(probe_at), probe);
        asm_bind_short(a, parked);
    }
    asm_load(a, ASM_64, RBX, frame_at(0));
    transfer_xmm(t, false);
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    asm_lea(a, ASM_64, RSI, frame_at(ABOVE));
    asm_mov(a, ASM_64, RDX, RBX);
    asm_mov_imm(a, RCX, (u64)(uintptr_t)t->context->slow);
    asm_alu_imm(a, ASM_SUB, ASM_64, RSP, 8);
    asm_call_far(a, (const void *)(uintptr_t)fn);
    asm_alu_imm(a, ASM_ADD, ASM_64, RSP, 8);
    asm_store(a, ASM_64, frame_at(ABOVE + FRAME_RESUME), RAX);
    if (probe != NO_REG) { /* C code may have told of events */
        asm_alu_mem_imm(a, ASM_CMP, ASM_32, frame_at(ABOVE + FRAME_PARKED), 0);
        u32 parked = asm_jcc_short(a, ASM_NE);
        asm_load(a, ASM_64, RCX, VCPU_AT(probe_at));
        asm_store(a, ASM_64, frame_at(ABOVE + FRAME_REGS + 8 * probe), RCX);
        asm_bind_short(a, parked);
    }
    asm_test(a, ASM_64, RAX, RAX);
    u32 raised = asm_jcc_forward(a, ASM_E);
    transfer_xmm(t, true);
    load_general(t);
    asm_rm(a, 0xff, ASM_32, 4, frame_at(FRAME_RESUME));
    asm_bind(a, raised);
    load_general(t);
    asm_jmp(a, t->context->thunks[THUNK_RAISED]);
}

/* The pinned registers that a call of C changes. */
static void transfer_pins(struct thunks *t, bool load)
{
    const struct guest *guest = t->context->guest;
    for (unsigned n = 0; n < x86_pinned_count(guest); n++) {
        unsigned reg = x86_pinned_regs[n];
        if (reg >= R8 && reg <= R11 && load) {
            asm_load(t->a, ASM_64, reg, state_at(guest->pinned[n]));
        } else if (reg >= R8 && reg <= R11) {
            asm_store(t->a, ASM_64, state_at(guest->pinned[n]), reg);
        }
    }
}

static void test_site(struct thunks *t, unsigned offset, unsigned bits)
{
    asm_rm(t->a, 0xf6, ASM_32, 0, asm_at(RAX, (s32)(SITE_JUMP_BYTES + offset))); /* test byte */
    asm_u8(t->a, bits);
}

/* As by_c, for access_fault: nothing is wanted any more but the pinned registers. An access that
 * comes again, or that has faults of its own, is for C as if nothing was known. */
static void fault(struct thunks *t)
{
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_FAULT);
    push(t, RAX);
    asm_load(a, ASM_64, RAX, frame_at(8));
    test_site(t, SITE_POISON, SITE_LEAVE);
    u32 leaves = asm_jcc_short(a, ASM_NE);
    test_site(t, SITE_ADDRESS, MEM_AMO << SITE_KIND_SHIFT); /* that and MEM_CHECK */
    u32 other_kind = asm_jcc_short(a, ASM_NE);
    test_site(t, SITE_DESC, HOST_DESC_ALIGN | HOST_DESC_PIECES);
    u32 plain = asm_jcc_forward(a, ASM_E);
    asm_bind_short(a, leaves);
    asm_bind_short(a, other_kind);
    pop(t, RAX);
    asm_jmp(a, t->context->thunks[THUNK_ACCESS]);
    asm_bind(a, plain);
    transfer_pins(t, false);
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    asm_mov(a, ASM_64, RSI, R15);
    asm_mov(a, ASM_64, RDX, RAX);
    asm_call_far(a, (const void *)(uintptr_t)access_fault);
    transfer_pins(t, true);
    asm_alu_imm(a, ASM_ADD, ASM_64, RSP, 16);
    asm_jmp(a, t->context->thunks[THUNK_RAISED]);
}

_Static_assert(MEM_AMO == 2 && MEM_CHECK == 3, "one bit tells them from plain loads and stores");

static void leave(struct thunks *t)
{
    place(t, THUNK_LEAVE);
    asm_load(t->a, ASM_64, R15, VCPU_AT(insns));
    asm_load(t->a, ASM_64, RAX, VCPU_AT(pc));
    asm_jmp(t->a, t->context->thunks[THUNK_IND]);
}

/* 1 << n, in elements of 1 << sew bytes. */
static void bits(struct thunks *t, unsigned sew, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        for (unsigned byte = 0; byte < 1u << sew; byte++) {
            asm_u8(t->a, byte == n / 8 ? 1u << n % 8 : 0);
        }
    }
}

/* enum vec_const and enum vec_table. */
static void vector_data(struct thunks *t)
{
    static const u64 constants[VEC_CONST_COUNT] = {
        [VEC_COUNT_8] = 0x0707070707070707,  [VEC_SIGN_8] = 0x8080808080808080,
        [VEC_COUNT_16] = 0x000f000f000f000f, [VEC_COUNT_32] = 0x0000001f0000001f,
        [VEC_COUNT_64] = 63,                 [VEC_SIGN_32] = 0x8000000080000000,
        [VEC_SIGN_64] = (u64)1 << 63,        [VEC_ONES] = ~(u64)0,
        [VEC_HALF_32] = (u64)1 << 31,
    };
    asm_align(t->a, 16, 0);
    place(t, THUNK_VECTOR_DATA);
    for (unsigned n = 0; n < VEC_CONST_COUNT; n++) {
        asm_u64(t->a, constants[n]);
    }
    for (unsigned n = 0; n < 256; n++) {
        asm_u8(t->a, n);
    }
    for (unsigned n = 0; n < 32; n++) {
        asm_u8(t->a, n / 8);
    }
    for (unsigned n = 0; n < 32; n++) {
        asm_u8(t->a, 1u << n % 8);
    }
    bits(t, 1, 16);
    bits(t, 2, 8);
    bits(t, 3, 8);
}

/* Before those that call them. */
static void find_all(struct thunks *t)
{
    for (unsigned x = 0; x < 5; x++) {
        for (unsigned y = 0; y < 5; y++) {
            for (unsigned write = 0; write < 2 && x != y; write++) {
                find(t, access_temps[x], access_temps[y], write != 0);
            }
        }
    }
}

void access_thunks_emit(struct host_context *context, struct asm_buf *a)
{
    struct thunks t = {context, a};
    by_c(&t, THUNK_ACCESS, access_call);
    by_c(&t, THUNK_SPLIT, access_split);
    if (context->slow->guest_refills) {
        fault(&t);
    }
    by_c(&t, THUNK_VECTOR, vector_call);
    promote(&t);
    if (context->slow->guest_refills) {
        refill(&t, false);
        refill(&t, true);
    }
    table(&t);
    leave(&t);
    vector_data(&t);
    find_all(&t);
    for (unsigned x = 0; x < 5; x++) {
        for (unsigned y = 0; y < 5; y++) {
            for (unsigned write = 0; write < 2 && x != y; write++) {
                alone(&t, access_temps[x], access_temps[y], false, write != 0);
                alone(&t, access_temps[x], access_temps[y], true, write != 0);
                group(&t, access_temps[x], access_temps[y], write != 0);
                once(&t, access_temps[x], access_temps[y], write != 0);
            }
        }
        site(&t, access_temps[x], false);
        site(&t, access_temps[x], true);
    }
}
