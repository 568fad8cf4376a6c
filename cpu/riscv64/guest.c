/* The RISC-V 64 guest as generic code sees it; see cpu/guest.h. */
#include "cpu/guest.h"

#include "cpu/base/bits.h"
#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/commit_log.h"
#include "cpu/riscv64/debug.h"
#include "cpu/riscv64/decode.h"
#include "cpu/riscv64/disasm.h"
#include "cpu/riscv64/host_call.h"
#include "cpu/riscv64/imsic.h"
#include "cpu/riscv64/isa.h"
#include "cpu/riscv64/mmu.h"
#include "cpu/riscv64/state.h"
#include "cpu/riscv64/trap.h"
#include "cpu/riscv64/vector.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Where QEMU's virt board begins: its reset ROM. */
enum { RESET_PC = 0x1000, REG_A0 = 10, REG_A7 = 17 };

#define AT(member) ((u32)offsetof(struct riscv64_state, member))
#define X(n) AT(x[n])

/* By how often gcc-built kernels and programs name them. */
static const u32 pinned[] = {
    X(2),  X(10), X(15), X(14), X(8),  X(11), X(12), X(13), /* sp a0 a5 a4 s0 a1 a2 a3 */
    X(9),  X(1),  X(16), X(17), X(6),  X(18), X(19), X(28), /* s1 ra a6 a7 t1 s2 s3 t3 */
    X(20), X(5),  X(21), X(29), X(7),  X(22), X(23), X(30), /* s4 t0 s5 t4 t2 s6 s7 t5 */
    X(31), X(24), X(25), X(26), X(27), X(4),  X(3),         /* t6 s8 s9 s10 s11 tp gp */
};

#define INT_REG(name, n) {name, X(n), sizeof(u64), GUEST_REG_INT}
#define FLOAT_REG(name, n) {name, AT(f[n]), sizeof(u64), GUEST_REG_FLOAT}
#define CSR_REG(name) {#name, AT(name), sizeof(((struct riscv64_state *)0)->name), GUEST_REG_CSR}

static const struct guest_reg regs[] = {
    INT_REG("zero", 0), INT_REG("ra", 1), INT_REG("sp", 2), INT_REG("gp", 3),
    INT_REG("tp", 4), INT_REG("t0", 5), INT_REG("t1", 6), INT_REG("t2", 7),
    INT_REG("s0", 8), INT_REG("s1", 9), INT_REG("a0", 10), INT_REG("a1", 11),
    INT_REG("a2", 12), INT_REG("a3", 13), INT_REG("a4", 14), INT_REG("a5", 15),
    INT_REG("a6", 16), INT_REG("a7", 17), INT_REG("s2", 18), INT_REG("s3", 19),
    INT_REG("s4", 20), INT_REG("s5", 21), INT_REG("s6", 22), INT_REG("s7", 23),
    INT_REG("s8", 24), INT_REG("s9", 25), INT_REG("s10", 26), INT_REG("s11", 27),
    INT_REG("t3", 28), INT_REG("t4", 29), INT_REG("t5", 30), INT_REG("t6", 31),
    {"pc", AT(vcpu.pc), sizeof(u64), GUEST_REG_INT},
    FLOAT_REG("ft0", 0), FLOAT_REG("ft1", 1), FLOAT_REG("ft2", 2), FLOAT_REG("ft3", 3),
    FLOAT_REG("ft4", 4), FLOAT_REG("ft5", 5), FLOAT_REG("ft6", 6), FLOAT_REG("ft7", 7),
    FLOAT_REG("fs0", 8), FLOAT_REG("fs1", 9), FLOAT_REG("fa0", 10), FLOAT_REG("fa1", 11),
    FLOAT_REG("fa2", 12), FLOAT_REG("fa3", 13), FLOAT_REG("fa4", 14), FLOAT_REG("fa5", 15),
    FLOAT_REG("fa6", 16), FLOAT_REG("fa7", 17), FLOAT_REG("fs2", 18), FLOAT_REG("fs3", 19),
    FLOAT_REG("fs4", 20), FLOAT_REG("fs5", 21), FLOAT_REG("fs6", 22), FLOAT_REG("fs7", 23),
    FLOAT_REG("fs8", 24), FLOAT_REG("fs9", 25), FLOAT_REG("fs10", 26), FLOAT_REG("fs11", 27),
    FLOAT_REG("ft8", 28), FLOAT_REG("ft9", 29), FLOAT_REG("ft10", 30), FLOAT_REG("ft11", 31),
    {"fflags", AT(vcpu.fpu_flags), sizeof(u32), GUEST_REG_CSR},
    CSR_REG(frm), CSR_REG(priv), CSR_REG(mstatus), CSR_REG(medeleg), CSR_REG(mideleg),
    CSR_REG(mie), CSR_REG(mtvec), CSR_REG(mscratch), CSR_REG(mepc), CSR_REG(mcause),
    CSR_REG(mtval), CSR_REG(stvec), CSR_REG(sscratch), CSR_REG(sepc), CSR_REG(scause),
    CSR_REG(stval), CSR_REG(satp), CSR_REG(stimecmp), CSR_REG(menvcfg), CSR_REG(senvcfg),
    CSR_REG(mcounteren), CSR_REG(scounteren),
};

static void guest_init(struct vcpu *vcpu)
{
    (void)vcpu;
}

static void guest_fini(struct vcpu *vcpu)
{
    (void)vcpu;
}

static void guest_reset(struct vcpu *vcpu)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    memset(state->x, 0, sizeof(state->x));
    memset(state->f, 0, sizeof(state->f));
    state->priv = RISCV_M;
    state->last_trap_pc = 0;
    state->last_trap_cause = 0;
    vcpu->pc = RESET_PC;
    vcpu->exception_pending = 0;
    atomic_fetch_and(&vcpu->irq_lines, ~((u64)1 << RISCV_IRQ_SSI)); /* an edge, see csr_irq.c */
    riscv64_csr_reset(state);
    riscv64_vector_reset(state);
    tlb_flush_all(vcpu);
    riscv64_mode_update(state);
}

static void guest_enable_messages(struct vcpu *vcpu)
{
    riscv64_of(vcpu)->has_aia = true;
}

static void guest_set_boot(struct vcpu *vcpu, u64 pc, const u64 *args, unsigned arg_count)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    vcpu->pc = pc;
    for (unsigned i = 0; i < arg_count && REG_A0 + i <= REG_A7; i++) {
        state->x[REG_A0 + i] = args[i];
    }
}

static void guest_loaded(struct vcpu *vcpu)
{
    riscv64_state_loaded(riscv64_of(vcpu));
}

static u64 guest_digest(const struct vcpu *vcpu, u64 seed)
{
    return state_digest(&riscv64_state_list, vcpu, seed);
}

static unsigned guest_privilege(const struct vcpu *vcpu)
{
    return riscv64_of_const(vcpu)->priv;
}

static void guest_mode_changed(struct vcpu *vcpu)
{
    riscv64_mode_update(riscv64_of(vcpu));
}

static void guest_describe(const struct vcpu *vcpu, char *buffer, size_t buffer_bytes)
{
    const struct riscv64_state *state = riscv64_of_const(vcpu);
    snprintf(buffer, buffer_bytes,
             "%c-mode, mstatus 0x%" PRIx64 ", pending 0x%" PRIx64 " of 0x%" PRIx64
             ", satp 0x%" PRIx64 ", last trap: cause 0x%" PRIx64 " at 0x%" PRIx64,
             "US?M"[state->priv & 3], riscv64_mstatus_view(state), riscv64_mip(state), state->mie,
             state->satp, state->last_trap_cause, state->last_trap_pc);
}

static u64 guest_next_event_insns(const struct vcpu *vcpu)
{
    return riscv64_next_overflow_insns(riscv64_of_const(vcpu));
}

static const struct guest_vector vector = {
    .file = offsetof(struct riscv64_state, v),
    .key = offsetof(struct riscv64_state, cache.vector_key),
    .count = offsetof(struct riscv64_state, vl),
    .state_first = offsetof(struct riscv64_state, vtype),
    .state_end = offsetof(struct riscv64_state, vector_zero),
    .saturated = offsetof(struct riscv64_state, vxsat),
    .fixed_round = offsetof(struct riscv64_state, vxrm),
};

static unsigned insn_bytes(const u8 *bytes)
{
    return riscv64_insn_length_bytes(ld_le16(bytes));
}

const struct guest riscv64_guest = {
    .name = "riscv64",
    .vcpu_bytes = sizeof(struct riscv64_state),
    .regs = regs,
    .reg_count = ARRAY_LEN(regs),
    .pinned = pinned,
    .pinned_count = ARRAY_LEN(pinned),
    .fetch_align_bytes = 2,
    .vector = &vector,
    .init = guest_init,
    .fini = guest_fini,
    .reset = guest_reset,
    .translate = riscv64_translate,
    .find_plain = riscv64_find_plain,
    .find_plain_next = riscv64_find_plain_next,
    .reads_linear = riscv64_reads_linear,
    .translate_debug = riscv64_translate_debug,
    .translate_kernel = riscv64_translate_kernel,
    .map_debug = riscv64_map_debug,
    .refill = riscv64_refill,
    .raise_page_fault = riscv64_raise_page_fault,
    .raise_access_fault = riscv64_raise_access_fault,
    .raise_misaligned = riscv64_raise_misaligned,
    .take_exception = riscv64_take_exception,
    .host_call_cause = RISCV_CAUSE_BREAKPOINT,
    .host_call = riscv64_host_call,
    .interrupt_ready = riscv64_interrupt_ready,
    .wake_ready = riscv64_wake_ready,
    .take_interrupt = riscv64_take_interrupt,
    .timer_check = riscv64_timer_check,
    .enable_messages = guest_enable_messages,
    .message = riscv64_message,
    .next_event_insns = guest_next_event_insns,
    .digest = guest_digest,
    .saved = &riscv64_state_list,
    .loaded = guest_loaded,
    .describe = guest_describe,
    .privilege = guest_privilege,
    .mode_changed = guest_mode_changed,
    .set_boot = guest_set_boot,
    .insn_bytes = insn_bytes, .disassemble = riscv64_disassemble,
    .debug_reg = riscv64_debug_reg,
    .debug_read = riscv64_debug_read,
    .debug_write = riscv64_debug_write,
    .debug_reg_limit = RISCV_DEBUG_LIMIT,
    .debug_wide = riscv64_debug_wide,
    .debug_architecture = "riscv:rv64",
    .commit_begin = riscv64_commit_begin,
    .commit_line = riscv64_commit_line,
    .state_end = offsetof(struct riscv64_state, cache),
    .parse_cpu = riscv64_parse_cpu,
    .isa = riscv64_isa,
    .pmu_counters = 0xfffffff8, /* hpmcounter3 to 31 */
    .boot_pc = RESET_PC,
};
