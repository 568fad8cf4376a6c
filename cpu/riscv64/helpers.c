/* See helpers.def. */
#include "cpu/riscv64/helpers.h"

#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/csr_bits.h"
#include "cpu/riscv64/csr_fns.h"
#include "cpu/riscv64/mmu.h"
#include "cpu/riscv64/trap.h"
#include "cpu/riscv64/vector.h"
#include "cpu/tlb.h"

#include <string.h>

enum { SFENCE_HAS_VA = 1, SFENCE_HAS_ASID = 2 };
enum { CBO_INVAL = 0 };
enum { WRS_NTO_WORD = 0x00d00073 };

static u64 illegal(struct vcpu *vcpu, u64 insn)
{
    vcpu_raise(vcpu, RISCV_CAUSE_ILLEGAL, insn);
    return 0;
}

/* --- control and status registers --- */

/* After a write: tells the run loop when it must look. The registers that only enable or pend say
 * by themselves whether anything is deliverable; the others (timer, counters) are rare. */
static u64 csr_written(struct vcpu *vcpu, unsigned number)
{
    const struct riscv_csr *row = riscv64_csr_find(number);
    if (row == NULL || !(row->flags & RISCV_CSR_IRQ)) {
        return 0;
    }
    switch (number) {
    case CSR_SIE:
    case CSR_SIP:
    case CSR_MIE:
    case CSR_MIP:
        if (riscv64_interrupt_ready(vcpu)) {
            vcpu_look_up(vcpu);
        }
        break;
    default: vcpu_look_up(vcpu); break;
    }
    return 0;
}

static u64 helper_csr_read(struct vcpu *vcpu, u64 number, u64 insn)
{
    u64 value;
    if (!riscv64_csr_read(riscv64_of(vcpu), (unsigned)number, &value)) {
        return illegal(vcpu, insn);
    }
    return value;
}

/* Guests ask for the time all day. */
static u64 helper_time(struct vcpu *vcpu, u64 insn)
{
    if (UNLIKELY(!riscv64_csr_guard_counter(riscv64_of(vcpu), CSR_TIME))) {
        return illegal(vcpu, insn);
    }
    return vcpu->ops->time_ticks(vcpu);
}

static u64 helper_csr_write(struct vcpu *vcpu, u64 number, u64 value, u64 insn)
{
    if (!riscv64_csr_write(riscv64_of(vcpu), (unsigned)number, value)) {
        return illegal(vcpu, insn);
    }
    return csr_written(vcpu, (unsigned)number);
}

static u64 helper_csr_write_fp(struct vcpu *vcpu, u64 number, u64 value, u64 insn)
{
    return helper_csr_write(vcpu, number, value, insn);
}

/* An access that is illegal only now is not told. */
static u64 helper_csr_told(struct vcpu *vcpu, u64 number, u64 operand, u64 what)
{
    u64 old;
    if (riscv64_csr_read(riscv64_of(vcpu), (unsigned)number, &old)) {
        u64 value = what & CSR_TELL_SET     ? old | operand
                    : what & CSR_TELL_CLEAR ? old & ~operand
                                            : operand;
        vcpu_event(vcpu, VCPU_EVENT_CSR,
                   number | (what & CSR_TELL_READS ? VCPU_CSR_READ : 0u) |
                       (what & CSR_TELL_WRITES ? VCPU_CSR_WRITTEN : 0u),
                   old, what & CSR_TELL_WRITES ? value : 0);
    }
    return 0;
}

static u64 helper_csr_told_fp(struct vcpu *vcpu, u64 number, u64 operand, u64 what)
{
    return helper_csr_told(vcpu, number, operand, what);
}

static u64 helper_csr_set(struct vcpu *vcpu, u64 number, u64 mask, u64 insn)
{
    if (!riscv64_csr_modify(riscv64_of(vcpu), (unsigned)number, mask, 0)) {
        return illegal(vcpu, insn);
    }
    return csr_written(vcpu, (unsigned)number);
}

static u64 helper_csr_clear(struct vcpu *vcpu, u64 number, u64 mask, u64 insn)
{
    if (!riscv64_csr_modify(riscv64_of(vcpu), (unsigned)number, 0, mask)) {
        return illegal(vcpu, insn);
    }
    return csr_written(vcpu, (unsigned)number);
}

static u64 helper_status_changed(struct vcpu *vcpu, u64 before)
{
    riscv64_mstatus_changed(riscv64_of(vcpu), before);
    return 0;
}

/* --- trap returns and waiting --- */

static u64 returned_to(struct vcpu *vcpu, u64 pc)
{
    if (UNLIKELY(vcpu->irq_hint != 0) && riscv64_interrupt_ready(vcpu)) {
        vcpu_look_up(vcpu);
    }
    return pc;
}

static u64 helper_mret(struct vcpu *vcpu, u64 insn)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    return LIKELY(riscv64_mret(state)) ? returned_to(vcpu, state->mepc) : illegal(vcpu, insn);
}

static u64 helper_sret(struct vcpu *vcpu, u64 insn)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    return LIKELY(riscv64_sret(state)) ? returned_to(vcpu, state->sepc) : illegal(vcpu, insn);
}

static bool waits_are_forbidden(const struct riscv64_state *state)
{
    return state->priv != RISCV_M && state->mstatus & MSTATUS_TW;
}

static u64 helper_wfi(struct vcpu *vcpu, u64 insn)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (state->priv == RISCV_U || waits_are_forbidden(state)) {
        return illegal(vcpu, insn);
    }
    if (!riscv64_wake_ready(vcpu)) {
        vcpu->ops->wait(vcpu);
    }
    return 0;
}

/* A reservation set is not watched from here; the stall may end at any time, so it ends at once. */
static u64 helper_wrs(struct vcpu *vcpu, u64 insn)
{
    if (insn == WRS_NTO_WORD && waits_are_forbidden(riscv64_of(vcpu))) {
        return illegal(vcpu, insn);
    }
    vcpu_relax(vcpu);
    return 0;
}

static u64 helper_pause(struct vcpu *vcpu)
{
    vcpu_relax(vcpu);
    return 0;
}

/* --- fences --- */

static u64 helper_sfence_vma(struct vcpu *vcpu, u64 va, u64 asid, u64 flags, u64 insn)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (state->priv == RISCV_U || (state->priv == RISCV_S && state->mstatus & MSTATUS_TVM)) {
        return illegal(vcpu, insn);
    }
    u32 asid_or_any = flags & SFENCE_HAS_ASID ? (u32)asid & SATP_ASID_MASK : TLB_ANY_ASID;
    if (flags & SFENCE_HAS_VA) {
        tlb_flush_page(vcpu, va, asid_or_any);
        return 0;
    }
    if (flags & SFENCE_HAS_ASID) {
        tlb_flush_asid(vcpu, asid_or_any);
    } else {
        tlb_flush_all(vcpu);
    }
    /* The architecture asks for a fence.i before new code in a page that had other code is run.
     * Kernels that were only ever run where stores are seen at once, as in QEMU, have none: xv6
     * gives a page of one process to the next with nothing but this fence between. */
    vcpu->ops->code_fence(vcpu);
    return 0;
}

/* Each sinval.vma takes effect at once, so the fences around a series of them order nothing. */
static u64 helper_sinval_vma(struct vcpu *vcpu, u64 va, u64 asid, u64 flags, u64 insn)
{
    return helper_sfence_vma(vcpu, va, asid, flags, insn);
}

static u64 helper_fence_i(struct vcpu *vcpu)
{
    vcpu->ops->code_fence(vcpu);
    return 0;
}

/* --- cache blocks (CMO manual) --- */

/* True when menvcfg, and for U senvcfg too, have any bit of the field set. */
static bool envcfg_permits(const struct riscv64_state *state, u64 field)
{
    return state->priv == RISCV_M ||
           (state->menvcfg & field && (state->priv == RISCV_S || state->senvcfg & field));
}

/* The tval of a cache-block fault is rs1 as it is, not the block it lies in. */
static void raise_block_fault(struct vcpu *vcpu, enum riscv_mmu_result result, u64 address)
{
    if (result == MMU_PAGE_FAULT) {
        vcpu_raise(vcpu, RISCV_CAUSE_STORE_PAGE, address);
    } else {
        riscv64_raise_access_fault(vcpu, address, VCPU_WRITE);
    }
}

/* Whether the whole block may be written; raises otherwise. PMP may cut a block in two, so this
 * comes before the first byte changes; a page that plain stores reach needs no check. */
static bool block_is_writable(struct vcpu *vcpu, gva_t block, u64 address)
{
    const struct tlb_entry *entry = tlb_find(vcpu, block & PAGE_MASK, true);
    if (entry != NULL && !(entry->write_tag & TLB_TAG_SLOW)) {
        return true;
    }
    struct guest_translation translation;
    enum riscv_mmu_result result = riscv64_mmu_walk(riscv64_of(vcpu), block, RISCV_CBO_BLOCK_BYTES,
                                                    VCPU_WRITE, &translation);
    if (result != MMU_OK) {
        raise_block_fault(vcpu, result, address);
    }
    return result == MMU_OK;
}

_Static_assert((int)RISCV_CBO_BLOCK_BYTES == (int)HELPER_ZEROES_BYTES, "what HELPER_ZEROES says");

static u64 helper_cbo_zero(struct vcpu *vcpu, u64 address, u64 insn, u64 permitted)
{
    (void)permitted; /* what translated code looks at */
    if (!envcfg_permits(riscv64_of(vcpu), ENVCFG_CBZE)) {
        return illegal(vcpu, insn);
    }
    gva_t block = bits_align_down(address, RISCV_CBO_BLOCK_BYTES);
    u8 *host = vcpu->ops->plain_host != NULL
                   ? vcpu->ops->plain_host(vcpu, block, RISCV_CBO_BLOCK_BYTES, true)
                   : NULL;
    if (host != NULL) {
        memset(host, 0, RISCV_CBO_BLOCK_BYTES);
        return 0;
    }
    if (!block_is_writable(vcpu, block, address)) {
        return 0;
    }
    for (unsigned i = 0; i < RISCV_CBO_BLOCK_BYTES; i += sizeof(u64)) {
        if (!vcpu->ops->store(vcpu, block + i, sizeof(u64), 0)) {
            vcpu->exception_value = address;
            return 0;
        }
    }
    vcpu_event(vcpu, VCPU_EVENT_MEMORY, block, 0, RISCV_CBO_BLOCK_BYTES | 1 << 8);
    return 0;
}

/* There is no cache to manage; what remains are the checks. Permitted where a load or a store is,
 * and faulting as a store. */
static u64 helper_cbo_clean_flush_inval(struct vcpu *vcpu, u64 address, u64 kind, u64 insn)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (!envcfg_permits(state, kind == CBO_INVAL ? ENVCFG_CBIE : ENVCFG_CBCFE)) {
        return illegal(vcpu, insn);
    }
    struct guest_translation translation;
    gva_t block = bits_align_down(address, RISCV_CBO_BLOCK_BYTES);
    if (riscv64_mmu_walk(state, block, RISCV_CBO_BLOCK_BYTES, VCPU_READ, &translation) == MMU_OK) {
        return 0;
    }
    enum riscv_mmu_result result =
        riscv64_mmu_walk(state, block, RISCV_CBO_BLOCK_BYTES, VCPU_WRITE, &translation);
    if (result != MMU_OK) {
        raise_block_fault(vcpu, result, address);
    }
    return 0;
}

/* --- load-reserved and store-conditional --- */

static u64 helper_lr(struct vcpu *vcpu, u64 address, u64 size_bytes)
{
    u64 value;
    if (address & (size_bytes - 1)) {
        riscv64_raise_misaligned(vcpu, address, VCPU_READ);
        return 0;
    }
    if (!vcpu->ops->load_reserved(vcpu, address, (unsigned)size_bytes, &value)) {
        return 0;
    }
    return bits_sext(value, 8 * (unsigned)size_bytes);
}

static u64 helper_sc(struct vcpu *vcpu, u64 address, u64 value, u64 size_bytes)
{
    bool stored = false;
    if (address & (size_bytes - 1)) {
        riscv64_raise_misaligned(vcpu, address, VCPU_WRITE);
        return 0;
    }
    if (!vcpu->ops->store_conditional(vcpu, address, (unsigned)size_bytes, value, &stored)) {
        return 0;
    }
    return stored ? 0 : 1;
}

/* --- vector --- */

static u64 helper_vector(struct vcpu *vcpu, u64 insn, u64 row, u64 scalar, u64 stride)
{
    return riscv64_vector_execute(riscv64_of(vcpu), (u32)insn, (unsigned)row, scalar, stride);
}

static u64 helper_vector_fp(struct vcpu *vcpu, u64 insn, u64 row, u64 scalar, u64 stride)
{
    return helper_vector(vcpu, insn, row, scalar, stride);
}

static u64 helper_vector_memory(struct vcpu *vcpu, u64 insn, u64 row, u64 scalar, u64 stride)
{
    return helper_vector(vcpu, insn, row, scalar, stride);
}

static u64 helper_vector_result(struct vcpu *vcpu, u64 insn, u64 row, u64 scalar, u64 stride)
{
    return helper_vector(vcpu, insn, row, scalar, stride);
}

static u64 helper_vector_set(struct vcpu *vcpu, u64 avl, u64 vtype)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    riscv64_vector_set(state, avl, vtype);
    return state->vl;
}

static u64 helper_vector_dirty(struct vcpu *vcpu)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    riscv64_mstatus_set(state, state->mstatus | MSTATUS_VS);
    return 0;
}

#define HELPER(name_, arg_count_, has_result_, flags_, doc_)         \
    const struct helper riscv64_helper_##name_ = {                   \
        .name = #name_,                                              \
        .fn = (u64(*)(void))(void (*)(void))helper_##name_,          \
        .arg_count = arg_count_,                                     \
        .has_result = has_result_,                                   \
        .flags = flags_,                                             \
    };
#include "cpu/riscv64/helpers.def"
#undef HELPER
