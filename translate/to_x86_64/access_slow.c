/* Slow paths of memory accesses, the part in each block: a stub in the cold part of the code
 * buffer, of some 20 bytes for an access alone or at a site.
 *
 *     lea tag, [address]
 *     call thunk
 *     jmp resume           behind the fast path's compare
 *     SITE_* bytes, which describe the access
 *
 * The thunk looks at both entries of the page (THUNK_LOOK_UP, THUNK_SITE). There is one for each
 * choice of temporaries; all other registers stay as they are. When the TLB has the page it
 * returns, and the fast path goes on. Else THUNK_ACCESS has C do the access and goes on behind it.
 *
 * The first of a group asks THUNK_GROUP for the group's page, and resumes when there is one. Else
 * it and those whose addend is poisoned have the access once more, since the fast path's uses the
 * addend kept:
 *     lea tag, [address]; call THUNK_ONCE; jmp 1f; SITE_* bytes
 *     1: access [address + tag]; jmp behind the access
 * That thunk leaves the page's addend in the tag's register, and -1 in that of the kept one.
 *
 * In the fast body of a trace what follows the bytes leaves the trace, when C says so. There the
 * first of a group that is sure (access.c), when THUNK_GROUP finds none, has
 *     call THUNK_SPLIT; five bytes, at SITE_HEAD the trace's first offset; SITE_* bytes
 * and then leaves. */
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/loop.h"

const u8 access_temps[5] = {RAX, RCX, RDX, RSI, RDI};

unsigned access_look_up_thunk(unsigned entry, unsigned tag, bool has_table, bool write)
{
    return THUNK_LOOK_UP + access_pair_number(entry, tag, write) * 2 + has_table;
}

unsigned access_group_thunk(unsigned entry, unsigned tag, bool write)
{
    return THUNK_GROUP + access_pair_number(entry, tag, write);
}

unsigned access_once_thunk(unsigned entry, unsigned tag, bool write)
{
    return THUNK_ONCE + access_pair_number(entry, tag, write);
}

unsigned access_site_thunk(unsigned tag, bool write)
{
    return THUNK_SITE + access_temp_number(tag) * 2 + write;
}

static ALWAYS_INLINE unsigned thunk_of(const struct access *m)
{
    switch (m->way) {
    case ACCESS_SITE: return access_site_thunk(m->tag, m->write);
    case ACCESS_FIRST: case ACCESS_KEPT: return access_once_thunk(m->entry, m->tag, m->write);
    default: return access_look_up_thunk(m->entry, m->tag, m->table != NO_REG, m->write);
    }
}

enum { SAVED_TAG = FRAME_ARGS + 16 };

unsigned access_poison(const struct compile *c)
{
    _Static_assert(RBX == 3 && RSI == 6 && RDI == 7, "access_temp_number() takes two runs");
    return (c->kept_regs & 7) | (c->kept_regs >> RSI & 3) << 3 |
           (access_page(c) != 0 ? (unsigned)SITE_FAR : 0u);
}

/* An access of the fast body, unless it may call C. */
bool access_must_leave(const struct compile *c)
{
    return c->fast && (c->has_slow || c->in_way || c->insn_index != 0);
}

/* Leaves the trace before the current instruction; vcpu->pc and insns are right. */
static void leave_trace(struct compile *c, const struct access *m)
{
    if (m->tag_is_saved) {
        asm_load(&c->cold, ASM_64, m->tag, frame_at(SAVED_TAG));
    }
    if (c->insn_index == 0 && !c->in_way) {
        hoist_go_slow(c);
        return;
    }
    own_float_store(c, &c->cold);
    sink_fix(c, &c->cold, m->fix_first, m->fix_count, false);
    own_leave_pins(c, &c->cold);
    asm_jmp(&c->cold, thunk(c, THUNK_LEAVE));
}

/* The description. Returns where to put how many bytes after its return the fast path ends. */
static ALWAYS_INLINE u8 *describe(struct compile *c, const struct access *m,
                                  const struct access_call *call)
{
    struct asm_buf *cold = &c->cold;
    bool xmm = call->keep_xmm || (call->reg != NO_REG && call->reg >= REG_XMM0);
    unsigned must_be_0 = m->align ? m->size_bytes - 1 : 0u;
    unsigned address = m->tag | (unsigned)call->kind << SITE_KIND_SHIFT |
                       (xmm ? (unsigned)SITE_KEEP_XMM : 0u) |
                       (call->is_const ? (unsigned)SITE_CONST : 0u);
    unsigned size = (m->size_bytes - 1) | (m->way == ACCESS_SITE ? m->site : must_be_0) << 4;
    unsigned poison = access_poison(c) | (access_must_leave(c) ? (unsigned)SITE_LEAVE : 0u) |
                      (c->path != 0 ? (unsigned)SITE_PATH : 0u);
    u64 low = call->desc | (u64)address << 8 * SITE_ADDRESS | (u64)call->reg << 8 * SITE_REG |
              (u64)size << 8 * SITE_SIZE;
    u8 *back = cold->p + SITE_BACK;
    memcpy(cold->p, &low, 8);
    cold->p[SITE_POISON] = (u8)poison;
    cold->p += SITE_VALUE;
    if (call->is_const) {
        asm_u32(cold, (u32)call->value);
    }
    if (poison & SITE_FAR) {
        asm_u64(cold, (u64)access_page(c));
    }
    if (c->path != 0) {
        asm_u32(cold, c->path);
        asm_u8(cold, path_done(c) & 0xff);
        asm_u8(cold, path_done(c) >> 8);
    }
    return back;
}

/* The same, and how the trace is left. */
static ALWAYS_INLINE u8 *describe_way_out(struct compile *c, const struct access *m,
                            const struct access_call *call)
{
    u8 *back = describe(c, m, call);
    if (access_must_leave(c)) {
        leave_trace(c, m);
    }
    return back;
}

/* Calls THUNK_SPLIT, which says so to C. */
static void tell(struct compile *c, enum access_told told)
{
    asm_call(&c->cold, thunk(c, THUNK_SPLIT));
    asm_u8(&c->cold, told);
    asm_u32(&c->cold, (u32)c->entry_target);
}

/* The page of the access, or of its whole group, was not the one remembered: looks at its first
 * entry, by way of `entry`, and remembers that one. C is told of every so many wrong guesses. */
static void look_again(struct compile *c, const struct access *m, const struct access_call *call,
                       unsigned entry)
{
    struct asm_buf *cold = &c->cold;
    struct access by = {.entry = entry, .table = NO_REG};
    bool first = m->way == ACCESS_FIRST;
    s32 disp = first ? m->group_disp : m->disp;
    s32 bytes = (s32)(first ? m->group_bytes : m->size_bytes);
    unsigned reg = first ? m->entry : m->tag;
    struct asm_mem addend = asm_at(entry, offsetof(struct tlb_entry, addend));
    access_address(cold, m, disp);
    access_index(cold, c->features, &by, m->tag);
    asm_alu_imm(cold, ASM_ADD, ASM_64, m->tag, bytes - 1);
    asm_alu_imm(cold, ASM_AND, ASM_64, m->tag, -(s32)PAGE_BYTES);
    asm_alu_rm(cold, ASM_CMP, ASM_64, m->tag,
               asm_at(entry, access_tag_offset(first ? m->group_write : m->write)));
    u32 missed = asm_jcc_short(cold, ASM_NE);
    if (m->guess) {
        asm_rm(cold, 0xff, ASM_32, 1, frame_at(FRAME_GUESSES)); /* dec */
        u32 few = asm_jcc_short(cold, ASM_NE);
        asm_mov_mem_imm(cold, ASM_32, frame_at(FRAME_GUESSES), WRONG_GUESSES);
        tell(c, TOLD_GUESSED);
        describe(c, m, call);
        asm_bind_short(cold, few);
    }
    asm_store(cold, ASM_64, site_tag_at(m->site), m->tag);
    asm_load(cold, ASM_64, reg, addend);
    asm_store(cold, ASM_64, site_addend_at(m->site), reg);
    asm_jmp(cold, c->a.exec + m->ready);
    asm_bind_short(cold, missed);
}

/* A register that is the slow path's to use, if there is one without saving it. */
static unsigned look_by(const struct compile *c, const struct access *m, unsigned reg)
{
    u32 taken = 1u << m->address | 1u << m->tag | (reg < REG_XMM0 ? 1u << reg : 0u);
    return m->entry != NO_REG ? m->entry : alloc_idle_temp(c, taken);
}

/* From the computation of the address to the description. The fast path, or what stands for it,
 * goes on at `resume` (NULL: behind the description). Returns as describe(). */
static ALWAYS_INLINE u8 *look_up(struct compile *c, const struct access *m,
                                 const struct access_call *call, const u8 *resume)
{
    struct asm_buf *cold = &c->cold;
    access_address(cold, m, m->disp);
    asm_call(cold, thunk(c, thunk_of(m)));
    u32 field = asm_jmp_forward(cold);
    u8 *back = describe_way_out(c, m, call);
    if (resume != NULL) {
        asm_bind_to(cold, field, resume);
    } else {
        asm_bind(cold, field);
    }
    return back;
}

/* The group has no addend, and its other accesses do not ask. */
static void leave_split(struct compile *c, const struct access *m, const struct access_call *call)
{
    if (m->disp != m->group_disp) {
        access_address(&c->cold, m, m->disp);
    }
    tell(c, TOLD_SPLIT);
    describe_way_out(c, m, call);
}

/* A scratch register for the slow path of a kept one, which has claimed none. */
static unsigned claim_tag(const struct compile *c, const struct access *m, unsigned result,
                          bool *saved)
{
    u32 taken = 1u << m->address | 1u << m->entry;
    taken |= result < REG_XMM0 ? 1u << result : 0u;
    unsigned tag = alloc_idle_temp(c, taken);
    *saved = tag == NO_REG;
    for (unsigned n = 0; tag == NO_REG; n++) {
        tag = taken >> access_temps[n] & 1 ? (unsigned)NO_REG : access_temps[n];
    }
    return tag;
}

/* Looks up this access alone and does it; or leaves the trace. */
static NOINLINE void access_once(struct compile *c, const struct access *m,
                                 const struct access_call *call)
{
    if (m->sure) {
        leave_split(c, m, call);
        return;
    }
    struct asm_buf *cold = &c->cold;
    const struct ir_insn *insn = &c->ir->insns[c->at];
    struct asm_mem mem = asm_at_index(m->address, m->tag, 0, m->disp);
    u8 *back = look_up(c, m, call, NULL);
    const u8 *resume = cold->p;
    call->emit(cold, insn, call, mem);
    *back = (u8)(cold->p - resume);
}

static void kept_slow_path(struct compile *c, const struct access *m,
                           const struct access_call *call)
{
    struct asm_buf *cold = &c->cold;
    struct access with_tag = *m;
    with_tag.tag = claim_tag(c, m, call->reg, &with_tag.tag_is_saved);
    if (with_tag.tag_is_saved) {
        asm_store(cold, ASM_64, frame_at(SAVED_TAG), with_tag.tag);
    }
    access_once(c, &with_tag, call);
    if (with_tag.tag_is_saved) {
        asm_load(cold, ASM_64, with_tag.tag, frame_at(SAVED_TAG));
    }
}

/* The thunk says whether the group's page is in the TLB. */
static void look_up_group(struct compile *c, const struct access *m)
{
    struct asm_buf *cold = &c->cold;
    access_address(cold, m, m->group_disp);
    asm_u8(cold, 0xa8); /* test al, imm8: nothing but a place for the number */
    asm_u8(cold, m->group_bytes - 1);
    asm_call(cold, thunk(c, access_group_thunk(m->entry, m->tag, m->group_write)));
}

u32 access_first_entry(struct compile *c, const struct access *m)
{
    struct asm_buf *cold = &c->cold;
    bool first = m->way == ACCESS_FIRST;
    s32 bytes = (s32)(first ? m->group_bytes : m->size_bytes);
    access_address(cold, m, first ? m->group_disp : m->disp);
    access_index(cold, c->features, m, m->tag);
    asm_alu_imm(cold, ASM_ADD, ASM_64, m->tag, bytes - 1);
    asm_alu_imm(cold, ASM_AND, ASM_64, m->tag, -(s32)PAGE_BYTES);
    asm_alu_rm(cold, ASM_CMP, ASM_64, m->tag,
               asm_at(m->entry, access_tag_offset(first ? m->group_write : m->write)));
    return asm_jcc_short(cold, ASM_NE);
}

/* A store outside of its span, which it may be often: looks at the page's first entry, and goes on
 * with its addend. Noted, so that the span may grow. */
static void span_first_entry(struct compile *c, const struct access *m)
{
    struct asm_buf *cold = &c->cold;
    u32 missed = access_first_entry(c, m);
    asm_store(cold, ASM_64, VCPU_AT(write_missed), m->tag);
    asm_load(cold, ASM_64, m->way == ACCESS_FIRST ? m->entry : m->tag,
             asm_at(m->entry, offsetof(struct tlb_entry, addend)));
    asm_jmp(cold, c->a.exec + m->resume);
    asm_bind_short(cold, missed);
}

/* Not in the page of its slot: C is told of each 256th. */
static void count_stray(struct compile *c, const struct access *m, const struct access_call *call)
{
    asm_rm(&c->cold, 0xfe, ASM_32, 1, VCPU_AT(stray_patience)); /* dec byte */
    u32 few = asm_jcc_short(&c->cold, ASM_NE);
    tell(c, TOLD_STRAYED);
    describe(c, m, call);
    asm_bind_short(&c->cold, few);
}

/* Not in the span, or in the slot's page: finds the addend in the TLB. */
static void span_slow_path(struct compile *c, const struct access *m,
                           const struct access_call *call)
{
    struct asm_buf *cold = &c->cold;
    struct asm_mem addend = asm_at(m->entry, offsetof(struct tlb_entry, addend));
    if (m->slot != 0) {
        count_stray(c, m, call);
        slot_look_again(c, m);
    } else if (m->write || (m->way == ACCESS_FIRST && m->group_write)) {
        span_first_entry(c, m);
    }
    if (m->way == ACCESS_FIRST) {
        look_up_group(c, m);
        u32 none = asm_jcc_short(cold, ASM_NE);
        asm_load(cold, ASM_64, m->entry, addend);
        asm_jmp(cold, c->a.exec + m->resume);
        asm_bind_short(cold, none);
        access_once(c, m, call);
        return;
    }
    u8 *back = look_up(c, m, call, NULL);
    const u8 *resume = cold->p;
    asm_load(cold, ASM_64, m->tag, addend);
    asm_jmp(cold, c->a.exec + m->resume);
    *back = (u8)(cold->p - resume);
}

static void first_slow_path(struct compile *c, const struct access *m,
                            const struct access_call *call)
{
    look_up_group(c, m);
    if (m->guess) {
        u32 none = asm_jcc_short(&c->cold, ASM_NE);
        asm_load(&c->cold, ASM_64, m->entry, asm_at(m->entry, offsetof(struct tlb_entry, addend)));
        asm_jmp(&c->cold, c->a.exec + m->ready);
        asm_bind_short(&c->cold, none);
    } else {
        asm_jcc(&c->cold, ASM_E, c->a.exec + m->resume);
    }
    access_once(c, m, call);
}

/* The slow path of the access before, which ends at the end of the cold part, does not jump back
 * but does what comes in between, and then has this access too. */
static void chain_slow_path(struct compile *c, const struct access *m)
{
    enum { JUMP_BYTES = 5 };
    u32 between = m->resume - c->chain.end;
    c->cold.p -= JUMP_BYTES;
    memcpy(c->cold.p, c->a.start + c->chain.end, between);
    c->cold.p += between;
}

void access_slow_path(struct compile *c, const struct access *m, const struct access_call *call)
{
    u32 end = asm_offset(&c->a);
    if (m->way == ACCESS_KEPT && m->sure) {
        return;
    }
    if (m->chained) {
        chain_slow_path(c, m);
    } else {
        bind_cold(c, m->slow);
    }
    unsigned by = m->site < SITES_MAX ? look_by(c, m, call->reg) : (unsigned)NO_REG;
    if (by != NO_REG && (m->guess || m->way == ACCESS_SITE)) {
        look_again(c, m, call, by);
    }
    if (!m->span && m->slot == 0 && (m->way == ACCESS_ALONE || m->way == ACCESS_SITE)) {
        CHECK(end - m->resume <= UINT8_MAX);
        *look_up(c, m, call, c->a.exec + m->resume) = (u8)(end - m->resume);
        return;
    }
    if (m->span || m->slot != 0) {
        span_slow_path(c, m, call);
    } else if (m->way == ACCESS_KEPT) {
        kept_slow_path(c, m, call);
    } else {
        first_slow_path(c, m, call);
    }
    if (m->sure) {
        return;
    }
    asm_jmp(&c->cold, c->a.exec + end);
    c->chain.kept = m->kept;
    c->chain.live_at = c->live_at;
    c->chain.stub_count = c->stub_count;
    c->chain.end = end;
    c->chain.cold_end = c->cold.p;
}
