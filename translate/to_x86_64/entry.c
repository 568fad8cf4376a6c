/* The thunks: code that every block shares, emitted once at the start of the code buffer.
 *
 * THUNK_ENTER saves what C wants kept, loads the pinned registers, the instruction count and the
 * floating-point environment, and jumps to a block. Every way out ends in THUNK_EXIT, which does
 * the reverse. The slow paths of memory accesses keep every register but their result, so that a
 * block need not know about them. */
#include "translate/to_x86_64/asm_vector.h"
#include "translate/to_x86_64/compile.h"

const u8 x86_pinned_regs[PINNED_MAX] = {RBX, R12, R13, R14, R8, R9, R10, R11};

static const u8 saved_regs[6] = {RBP, RBX, R12, R13, R14, R15};
static const u8 temp_regs[5] = {RAX, RCX, RDX, RSI, RDI};

struct thunks {
    struct host_context *context;
    struct asm_buf *a;
};

static void place(struct thunks *t, unsigned index)
{
    t->context->thunks[index] = asm_exec(t->a);
}

static const u8 *at(const struct thunks *t, unsigned index)
{
    return t->context->thunks[index];
}

unsigned x86_pinned_count(const struct guest *guest)
{
    return guest->pinned_count < PINNED_MAX ? guest->pinned_count : PINNED_MAX;
}

static unsigned find_pinned(const struct guest *guest, size_t offset)
{
    for (unsigned n = 0; n < x86_pinned_count(guest); n++) {
        if (guest->pinned[n] == offset) {
            return x86_pinned_regs[n];
        }
    }
    return NO_REG;
}

unsigned x86_probe_reg(const struct guest *guest)
{
    return find_pinned(guest, offsetof(struct vcpu, probe_at));
}

u32 x86_pin_base(const struct guest *guest)
{
    u32 base = NO_HOME;
    for (unsigned n = 0; n < x86_pinned_count(guest); n++) {
        base = guest->pinned[n] < base ? guest->pinned[n] : base;
    }
    return base;
}

static void emit_pins(struct thunks *t)
{
    const struct guest *guest = t->context->guest;
    u32 base = x86_pin_base(guest);
    place(t, THUNK_PINS);
    memset(t->a->p, NO_REG, PIN_SPAN);
    for (unsigned n = 0; n < x86_pinned_count(guest); n++) {
        CHECK(guest->pinned[n] - base < PIN_SPAN * 8);
        t->a->p[(guest->pinned[n] - base) / 8] = x86_pinned_regs[n];
    }
    t->a->p += PIN_SPAN;
}

/* `all`: else those that a call of C changes. */
static void transfer_pins(struct thunks *t, bool load, bool all)
{
    for (unsigned n = 0; n < x86_pinned_count(t->context->guest); n++) {
        unsigned reg = x86_pinned_regs[n];
        struct asm_mem mem = state_at(t->context->guest->pinned[n]);
        if (!all && (reg < R8 || reg > R11)) {
            continue;
        }
        if (load) {
            asm_load(t->a, ASM_64, reg, mem);
        } else {
            asm_store(t->a, ASM_64, mem, reg);
        }
    }
}

/* --- data --- */

static void emit_fp_consts(struct thunks *t)
{
    static const u64 consts[FP_CONST_COUNT][2] = {
        [FP_SIGN64] = {(u64)1 << 63, 0},
        [FP_ABS64] = {((u64)1 << 63) - 1, 0},
        [FP_NAN64] = {0x7ff8000000000000u, 0},
        [FP_SIGN32] = {0x80000000u, 0},
        [FP_ABS32] = {0x7fffffffu, 0},
        [FP_NAN32] = {0x7fc00000u, 0},
    };
    asm_align(t->a, 16, 0);
    place(t, THUNK_FP_CONSTS);
    for (unsigned n = 0; n < FP_CONST_COUNT; n++) {
        asm_u64(t->a, consts[n][0]);
        asm_u64(t->a, consts[n][1]);
    }
}

/* MXCSR flags are PE UE OE ZE DE IE from bit 5 down; FPU_* are NV DZ OF UF NX from bit 4 down. */
static unsigned fpu_from_mxcsr(unsigned mxcsr)
{
    return (mxcsr >> 5 & 1) | (mxcsr >> 4 & 1) << 1 | (mxcsr >> 3 & 1) << 2 |
           (mxcsr >> 2 & 1) << 3 | (mxcsr & 1) << 4;
}

static unsigned mxcsr_from_fpu(unsigned flags)
{
    return (flags & 1) << 5 | (flags >> 1 & 1) << 4 | (flags >> 2 & 1) << 3 |
           (flags >> 3 & 1) << 2 | (flags >> 4 & 1);
}

static void emit_tables(struct thunks *t)
{
    /* all exceptions masked; rounding nearest, to zero, down, up; others have no host mode */
    static const u32 rounds[8] = {0x1f80, 0x7f80, 0x3f80, 0x5f80, 0x1f80, 0x1f80, 0x1f80, 0x1f80};
    emit_fp_consts(t);
    place(t, THUNK_ROUND_TABLE);
    for (unsigned n = 0; n < 8; n++) {
        asm_u32(t->a, rounds[n]);
    }
    place(t, THUNK_FLAGS_TABLE);
    for (unsigned n = 0; n < 64; n++) {
        asm_u8(t->a, fpu_from_mxcsr(n));
    }
    place(t, THUNK_MXCSR_TABLE);
    for (unsigned n = 0; n < 32; n++) {
        asm_u8(t->a, mxcsr_from_fpu(n));
    }
}

/* --- floating-point environment; `above`: what lies on the stack above the frame --- */

static void ldmxcsr(struct thunks *t, unsigned frame_offset)
{
    asm_rm(t->a, 0x0fae, ASM_32, 2, frame_at(frame_offset));
}

static void stmxcsr(struct thunks *t, unsigned frame_offset)
{
    asm_rm(t->a, 0x0fae, ASM_32, 3, frame_at(frame_offset));
}

static void lea_rip(struct thunks *t, unsigned reg, unsigned index)
{
    asm_rip(t->a, 0x8d, ASM_64, reg, at(t, index));
}

/* rax, r11 are scratch. */
static void save_fpu(struct thunks *t, unsigned above)
{
    stmxcsr(t, above + FRAME_MXCSR);
    ldmxcsr(t, above + FRAME_HOST_MXCSR);
    asm_load(t->a, ASM_32, RAX, frame_at(above + FRAME_MXCSR));
    asm_alu_imm(t->a, ASM_AND, ASM_32, RAX, 63);
    lea_rip(t, R11, THUNK_FLAGS_TABLE);
    asm_rm(t->a, 0x0fb6, ASM_32, RAX, asm_at_index(R11, RAX, 0, 0));
    asm_store(t->a, ASM_32, VCPU_AT(fpu_flags), RAX);
}

/* rcx, rdx are scratch. */
static void load_fpu(struct thunks *t, unsigned above)
{
    struct asm_buf *a = t->a;
    asm_load(a, ASM_32, RCX, VCPU_AT(fpu_flags));
    asm_alu_imm(a, ASM_AND, ASM_32, RCX, 31);
    lea_rip(t, RDX, THUNK_MXCSR_TABLE);
    asm_rm(a, 0x0fb6, ASM_32, RCX, asm_at_index(RDX, RCX, 0, 0));
    lea_rip(t, RDX, THUNK_ROUND_TABLE);
    asm_store(a, ASM_32, frame_at(above + FRAME_MXCSR), RCX);
    asm_load(a, ASM_32, RCX, VCPU_AT(fpu_round));
    asm_alu_imm(a, ASM_AND, ASM_32, RCX, 7);
    asm_load(a, ASM_32, RCX, asm_at_index(RDX, RCX, 2, 0));
    asm_rm(a, 0x09, ASM_32, RCX, frame_at(above + FRAME_MXCSR));
    ldmxcsr(t, above + FRAME_MXCSR);
}

/* --- in and out --- */

static void emit_enter(struct thunks *t)
{
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_ENTER);
    for (unsigned n = 0; n < ARRAY_LEN(saved_regs); n++) {
        if (saved_regs[n] >= R8) {
            asm_u8(a, 0x41);
        }
        asm_u8(a, 0x50 | (saved_regs[n] & 7));
    }
    asm_alu_imm(a, ASM_SUB, ASM_64, RSP, FRAME_BYTES);
    asm_lea(a, ASM_64, RBP, asm_at(RDI, VCPU_BIAS));
    stmxcsr(t, FRAME_HOST_MXCSR);
    load_fpu(t, 0);
    transfer_pins(t, true, true);
    asm_load(a, ASM_64, R15, VCPU_AT(insns));
    asm_mov_mem_imm(a, ASM_32, frame_at(FRAME_GUESSES), WRONG_GUESSES);
    asm_mov_mem_imm(a, ASM_32, frame_at(FRAME_PARKED), 0);
    asm_rr(a, 0xff, ASM_32, 4, RSI);
}

static void emit_exit(struct thunks *t)
{
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_EXIT);
    asm_store(a, ASM_64, VCPU_AT(insns), R15);
    place(t, THUNK_EXIT_KEEP_INSNS);
    transfer_pins(t, false, true);
    asm_mov(a, ASM_32, RCX, RAX);
    save_fpu(t, 0);
    asm_mov(a, ASM_32, RAX, RCX);
    asm_alu_imm(a, ASM_ADD, ASM_64, RSP, FRAME_BYTES);
    for (unsigned n = ARRAY_LEN(saved_regs); n-- > 0;) {
        if (saved_regs[n] >= R8) {
            asm_u8(a, 0x41);
        }
        asm_u8(a, 0x58 | (saved_regs[n] & 7));
    }
    asm_u8(a, 0xc3);
}

static void leave_with(struct thunks *t, enum ir_exit exit, unsigned thunk_index)
{
    asm_mov_imm(t->a, RAX, (u64)exit);
    asm_jmp(t->a, at(t, thunk_index));
}

/* Has C find code for vcpu->pc and goes there, unless it is NULL; rsi is C's second argument.
 * exit_request is 0 afterwards, or still what it was when there is no code. `function` NULL: there
 * never is. */
static void ask_where(struct thunks *t, const void *function)
{
    struct asm_buf *a = t->a;
    if (function == NULL) {
        return;
    }
    asm_store(a, ASM_64, VCPU_AT(insns), R15);
    transfer_pins(t, false, false);
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    asm_call_far(a, function);
    transfer_pins(t, true, false);
    asm_test(a, ASM_64, RAX, RAX);
    u32 nowhere = asm_jcc_forward(a, ASM_E);
    asm_mov_mem_imm(a, ASM_32, VCPU_AT(exit_request), 0);
    asm_rr(a, 0xff, ASM_32, 4, RAX);
    asm_bind(a, nowhere);
}

/* A jump that is about to be linked, unless it comes to a poll: it may do so every time. */
static void emit_link_miss(struct thunks *t)
{
    place(t, THUNK_LINK_MISS);
    asm_lea(t->a, ASM_32, RCX, asm_at_index(RAX, RAX, 0, 0));
    asm_alu_imm(t->a, ASM_AND, ASM_32, RCX, (s32)PAGE_OFFSET_MASK);
    asm_alu_rm(t->a, ASM_CMP, ASM_64, R15, VCPU_AT(deadline));
    asm_jcc(t->a, ASM_AE, at(t, THUNK_POLL));
    asm_shift_imm(t->a, ASM_SHR, ASM_32, RAX, PAGE_BITS - 1);
    asm_store(t->a, ASM_32, VCPU_AT(exit_request), RAX);
    asm_alu_rm(t->a, ASM_ADD, ASM_64, RCX, VCPU_AT(pc_page));
    asm_store(t->a, ASM_64, VCPU_AT(pc), RCX);
    asm_mov(t->a, ASM_32, RSI, RAX);
    ask_where(t, (const void *)(uintptr_t)t->context->slow->link_missed);
    leave_with(t, IR_EXIT_JUMP, THUNK_EXIT);
}

_Static_assert(sizeof(struct jump_entry) == 16 && TLB_JUMP_SHIFT >= 1, "x86 scales by 8");

static struct asm_mem jump_entry_at(unsigned member)
{
    return asm_at_index(RDX, RCX, 4 - TLB_JUMP_SHIFT, (s32)member);
}

void jump_look_up(struct asm_buf *a, u32 flip)
{
    asm_mov(a, ASM_32, RCX, RAX);
    asm_alu_imm(a, ASM_AND, ASM_32, RCX, (TLB_JUMP_ENTRIES - 1) << TLB_JUMP_SHIFT);
    if (flip != 0) {
        asm_alu_imm(a, ASM_XOR, ASM_32, RCX, (s32)flip << TLB_JUMP_SHIFT);
    }
    asm_load(a, ASM_64, RDX, VCPU_AT(jumps));
    asm_alu_rm(a, ASM_CMP, ASM_64, RAX, jump_entry_at(offsetof(struct jump_entry, pc)));
}

void jump_go(struct asm_buf *a)
{
    asm_alu_imm(a, ASM_AND, ASM_64, RAX, -(s32)PAGE_BYTES);
    asm_store(a, ASM_64, VCPU_AT(pc_page), RAX);
    asm_rm(a, 0xff, ASM_32, 4, jump_entry_at(offsetof(struct jump_entry, host)));
}

/* How many jumps may be found in their other place before one changes places with what is in its
 * first. */
enum { JUMP_PATIENCE = 8 };

/* rcx: where the pc, rax, was found; then its first place, where it is. Uses rsi and rdi. */
static void change_places(struct thunks *t)
{
    enum { PC = offsetof(struct jump_entry, pc), HOST = offsetof(struct jump_entry, host) };
    struct asm_buf *a = t->a;
    const struct asm_mem first_pc = asm_at_index(RDX, RSI, 4 - TLB_JUMP_SHIFT, PC);
    const struct asm_mem first_host = asm_at_index(RDX, RSI, 4 - TLB_JUMP_SHIFT, HOST);
    asm_mov_mem_imm(a, ASM_8, VCPU_AT(jump_patience), JUMP_PATIENCE);
    asm_mov(a, ASM_32, RSI, RCX);
    asm_alu_imm(a, ASM_XOR, ASM_32, RSI, (s32)(jump_index_other(0) << TLB_JUMP_SHIFT));
    asm_load(a, ASM_64, RDI, first_pc);
    asm_store(a, ASM_64, first_pc, RAX);
    asm_store(a, ASM_64, jump_entry_at(PC), RDI);
    asm_load(a, ASM_64, RDI, first_host);
    asm_load(a, ASM_64, RAX, jump_entry_at(HOST));
    asm_store(a, ASM_64, first_host, RAX);
    asm_store(a, ASM_64, jump_entry_at(HOST), RDI);
    asm_load(a, ASM_64, RAX, first_pc);
    asm_mov(a, ASM_32, RCX, RSI);
}

/* The pc is not where the jump cache has it first. */
static void emit_indirect_other(struct thunks *t)
{
    asm_align(t->a, 16, 0);
    place(t, THUNK_IND_MISS);
    jump_look_up(t->a, jump_index_other(0));
    u32 missed = asm_jcc_forward(t->a, ASM_NE);
    asm_rm(t->a, 0xfe, ASM_32, 1, VCPU_AT(jump_patience)); /* dec byte */
    u32 patient = asm_jcc_short(t->a, ASM_NE);
    change_places(t);
    asm_bind_short(t->a, patient);
    jump_go(t->a);
    asm_bind(t->a, missed);
    asm_store(t->a, ASM_64, VCPU_AT(pc), RAX);
    ask_where(t, (const void *)(uintptr_t)t->context->slow->jump_missed);
    leave_with(t, IR_EXIT_IND, THUNK_EXIT);
}

/* pc is rax. C looks whether there is an interrupt, whose handler mostly is in the jump cache; what
 * else the deadline may have come for is the run loop's. */
static void poll_at_rax(struct thunks *t, enum ir_exit exit)
{
    struct asm_buf *a = t->a;
    asm_store(a, ASM_64, VCPU_AT(pc), RAX);
    asm_store(a, ASM_64, VCPU_AT(insns), R15);
    if (t->context->slow->polled != NULL) {
        transfer_pins(t, false, true); /* who is told of the trap may look at registers */
        asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
        asm_call_far(a, (const void *)(uintptr_t)t->context->slow->polled);
        transfer_pins(t, true, false);
        asm_test(a, ASM_8, RAX, RAX);
        asm_load(a, ASM_64, RAX, VCPU_AT(pc));
        asm_load(a, ASM_64, R15, VCPU_AT(insns));
        u32 leaves = asm_jcc_forward(a, ASM_E);
        jump_look_up(a, 0);
        asm_jcc(a, ASM_NE, at(t, THUNK_IND_MISS));
        jump_go(a);
        asm_bind(a, leaves);
    }
    leave_with(t, exit, THUNK_EXIT_KEEP_INSNS);
}

static void poll_at_offset(struct thunks *t, enum ir_exit exit)
{
    asm_alu_rm(t->a, ASM_ADD, ASM_64, RCX, VCPU_AT(pc_page));
    asm_mov(t->a, ASM_64, RAX, RCX);
    poll_at_rax(t, exit);
}

static void emit_polls(struct thunks *t)
{
    asm_align(t->a, 16, 0);
    place(t, THUNK_POLL);
    poll_at_offset(t, IR_EXIT_POLL);
    place(t, THUNK_LOOK);
    poll_at_offset(t, IR_EXIT_LEAVE);
    place(t, THUNK_POLL_IND);
    poll_at_rax(t, IR_EXIT_POLL);
}

/* The jump cache for jumps that are rare enough to share their code (see emit_jump_ind). */
static void emit_indirect(struct thunks *t)
{
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_IND);
    asm_alu_rm(a, ASM_CMP, ASM_64, R15, VCPU_AT(deadline));
    asm_jcc(a, ASM_AE, at(t, THUNK_POLL_IND));
    jump_look_up(a, 0);
    asm_jcc(a, ASM_NE, at(t, THUNK_IND_MISS));
    jump_go(a);
}

/* Exceptions. C enters the guest's handler, which mostly is in the jump cache. */
static void emit_raise_thunks(struct thunks *t)
{
    struct asm_buf *a = t->a;
    asm_align(a, 16, 0);
    place(t, THUNK_RAISE);
    asm_alu_rm(a, ASM_ADD, ASM_64, RCX, VCPU_AT(pc_page));
    asm_store(a, ASM_64, VCPU_AT(pc), RCX);
    asm_store(a, ASM_64, VCPU_AT(insns), R15);
    place(t, THUNK_RAISED);
    if (t->context->slow->raised != NULL) {
        transfer_pins(t, false, true); /* as for a poll */
        asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
        asm_call_far(a, (const void *)(uintptr_t)t->context->slow->raised);
        transfer_pins(t, true, false);
        asm_test(a, ASM_8, RAX, RAX);
        asm_load(a, ASM_64, RAX, VCPU_AT(pc));
        asm_load(a, ASM_64, R15, VCPU_AT(insns));
        asm_jcc(a, ASM_NE, at(t, THUNK_IND));
    }
    leave_with(t, IR_EXIT_RAISED, THUNK_EXIT_KEEP_INSNS);
}

/* --- a soft FP operation. On the stack: return address, descriptor, then the frame. --- */

enum { SLOW_ABOVE = 16 };

static struct asm_mem slow_at(unsigned frame_offset)
{
    return frame_at(SLOW_ABOVE + frame_offset);
}

void thunk_transfer_xmm(const struct host_context *context, struct asm_buf *a, unsigned above,
                        bool load)
{
    const struct asm_vop upper = {1, 3, 1, load ? 0x10 : 0x11};
    for (unsigned n = 0; n < 16; n++) {
        asm_rm(a, ASM_OP(0xf2, load ? 0x0f10 : 0x0f11), ASM_32, n,
               frame_at(above + FRAME_XMM + 8 * n));
    }
    for (unsigned n = 16; n < 32 && (context->features & HOST_FEATURE_AVX512); n++) {
        asm_vrm(a, upper, (struct asm_vhow){.evex = true}, n, 0,
                frame_at(above + FRAME_XMM + 8 * n));
    }
}

static void save_all(struct thunks *t)
{
    for (unsigned n = 0; n < ARRAY_LEN(temp_regs); n++) {
        asm_store(t->a, ASM_64, slow_at(FRAME_REGS + 8 * n), temp_regs[n]);
    }
    thunk_transfer_xmm(t->context, t->a, SLOW_ABOVE, false);
    for (unsigned reg = R8; reg <= R11; reg++) { /* whatever they hold in a trace (own.c) */
        asm_store(t->a, ASM_64, slow_at(FRAME_REGS + 8 * reg), reg);
    }
}

static void restore_all(struct thunks *t)
{
    for (unsigned reg = R8; reg <= R11; reg++) {
        asm_load(t->a, ASM_64, reg, slow_at(FRAME_REGS + 8 * reg));
    }
    thunk_transfer_xmm(t->context, t->a, SLOW_ABOVE, true);
    for (unsigned n = 0; n < ARRAY_LEN(temp_regs); n++) {
        asm_load(t->a, ASM_64, temp_regs[n], slow_at(FRAME_REGS + 8 * n));
    }
}

static void return_popping_desc(struct thunks *t)
{
    asm_u8(t->a, 0xc2);
    asm_u8(t->a, 8);
    asm_u8(t->a, 0);
}

/* --- floating point --- */

static void emit_fpu_thunks(struct thunks *t)
{
    struct asm_buf *a = t->a;
    place(t, THUNK_FPU_LEAVE);
    save_fpu(t, 8);
    asm_u8(a, 0xc3);
    place(t, THUNK_FPU_ENTER);
    load_fpu(t, 8);
    asm_u8(a, 0xc3);
}

/* Operands are in FRAME_ARGS, the descriptor on the stack; the flags raised go into MXCSR. */
static void emit_soft_fp(struct thunks *t)
{
    struct asm_buf *a = t->a;
    place(t, THUNK_SOFT_FP);
    save_all(t);
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    asm_lea(a, ASM_64, RSI, slow_at(FRAME_ARGS));
    asm_load(a, ASM_32, RDX, frame_at(8));
    asm_call_far(a, (const void *)(uintptr_t)soft_fp);
    asm_store(a, ASM_64, slow_at(FRAME_RESULT), RAX);
    asm_load(a, ASM_32, RAX, slow_at(FRAME_ARGS + 24));
    lea_rip(t, RDX, THUNK_MXCSR_TABLE);
    asm_rm(a, 0x0fb6, ASM_32, RAX, asm_at_index(RDX, RAX, 0, 0));
    stmxcsr(t, SLOW_ABOVE + FRAME_MXCSR);
    asm_rm(a, 0x09, ASM_32, RAX, slow_at(FRAME_MXCSR));
    ldmxcsr(t, SLOW_ABOVE + FRAME_MXCSR);
    restore_all(t);
    return_popping_desc(t);
}

/* Called by a probe that found no room. On the stack: the return address, then the frame; one more
 * word aligns it and puts the frame where save_all looks. */
static void emit_probe_thunk(struct thunks *t)
{
    struct asm_buf *a = t->a;
    unsigned probe = x86_probe_reg(t->context->guest);
    place(t, THUNK_PROBE);
    asm_alu_imm(a, ASM_SUB, ASM_64, RSP, 8);
    save_all(t);
    if (probe != NO_REG) {
        asm_alu_mem_imm(a, ASM_CMP, ASM_32, slow_at(FRAME_PARKED), 0);
        u32 parked = asm_jcc_short(a, ASM_NE);
        asm_store(a, ASM_64, VCPU_AT(probe_at), probe);
        asm_bind_short(a, parked);
    }
    asm_lea(a, ASM_64, RDI, asm_at(RBP, -VCPU_BIAS));
    asm_call_far(a, (const void *)(uintptr_t)t->context->slow->probe_full);
    restore_all(t);
    if (probe != NO_REG) {
        asm_alu_mem_imm(a, ASM_CMP, ASM_32, slow_at(FRAME_PARKED), 0);
        u32 parked = asm_jcc_short(a, ASM_NE);
        asm_load(a, ASM_64, probe, VCPU_AT(probe_at));
        asm_bind_short(a, parked);
    }
    asm_alu_imm(a, ASM_ADD, ASM_64, RSP, 8);
    asm_u8(a, 0xc3);
}

bool thunks_emit(struct host_context *context, struct asm_buf *a)
{
    enum { THUNKS_BYTES = 40960 };
    struct thunks t = {context, a};
    if (a->limit - a->p < THUNKS_BYTES) {
        return false;
    }
    emit_tables(&t);
    emit_pins(&t);
    emit_enter(&t);
    emit_exit(&t);
    emit_indirect_other(&t);
    emit_polls(&t);
    emit_link_miss(&t);
    emit_indirect(&t);
    emit_raise_thunks(&t);
    emit_fpu_thunks(&t);
    emit_soft_fp(&t);
    emit_probe_thunk(&t);
    access_thunks_emit(context, a);
    asm_align(a, 64, 0);
    CHECK(a->p <= a->limit);
    return true;
}
