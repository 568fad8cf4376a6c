/* The interpreter's guest memory accesses. Plain ones go through the hart's load and store hooks,
 * which translate and check; so a TLB_CHECK here only looks at alignment. Atomic ones work on the
 * host's memory with host atomics, because other harts run at the same time. */
#include "cpu/base/bits.h"
#include "cpu/vcpu.h"
#include "translate/ir/ir_eval.h"
#include "translate/ir/ir_interp.h"
#include "translate/probe/probe.h"
#include <stdatomic.h>

static unsigned mem_bytes(const struct ir_insn *insn)
{
    return 1u << (insn->sub & IR_MEM_SIZE_MASK);
}

enum ir_exit interp_TLB_CHECK(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 gva = run->values[insn->a];
    *out = 0;
    if ((insn->imm & IR_CHECK_ALIGN) != 0 && (gva & (mem_bytes(insn) - 1)) != 0) {
        interp_sync(run);
        run->vcpu->guest->raise_misaligned(
            run->vcpu, gva, (insn->imm & IR_CHECK_WRITE) != 0 ? VCPU_WRITE : VCPU_READ);
        return IR_EXIT_RAISED;
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_LOAD(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    unsigned size_bytes = mem_bytes(insn);
    interp_sync(run);
    if (!run->vcpu->ops->load(run->vcpu, run->values[insn->b], size_bytes, out)) {
        return IR_EXIT_RAISED;
    }
    if (insn->sub & IR_MEM_SIGNED) {
        *out = ir_narrow((enum ir_type)insn->type, bits_sext(*out, size_bytes * 8));
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_STORE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    unsigned size_bytes = mem_bytes(insn);
    u64 value = run->values[insn->c] & (~(u64)0 >> (64 - size_bytes * 8));
    interp_sync(run);
    if (!run->vcpu->ops->store(run->vcpu, run->values[insn->b], size_bytes, value)) {
        return IR_EXIT_RAISED;
    }
    return interp_next(run, insn, out);
}

/* Fences that order an earlier write before a later read need the full kind; every other pair is
 * acquire and release. */
enum ir_exit interp_FENCE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    unsigned pred = (unsigned)(insn->imm >> 4);
    unsigned succ = (unsigned)insn->imm;
    if ((pred & 5) != 0 && (succ & 10) != 0) {
        atomic_thread_fence(memory_order_seq_cst);
    } else {
        atomic_thread_fence(memory_order_acq_rel);
    }
    return interp_next(run, insn, out);
}

/* --- atomics --- */

/* What an AMO or matching CAS stores, given the value it found. */
static u64 atomic_new(const struct interp *run, const struct ir_insn *insn, u64 old)
{
    if (insn->op == IR_CAS) {
        return run->values[insn->d];
    }
    return ir_eval_amo((enum ir_amo)insn->imm, (enum ir_type)insn->type, old,
                       run->values[insn->c]);
}

/* A CAS that fails must not write: the other value could be a device's or another hart's. */
static bool atomic_writes(const struct interp *run, const struct ir_insn *insn, u64 old)
{
    return insn->op != IR_CAS || old == run->values[insn->c];
}

static u64 atomic_ram_32(const struct interp *run, const struct ir_insn *insn, u32 *host)
{
    u32 found = __atomic_load_n(host, __ATOMIC_SEQ_CST);
    while (atomic_writes(run, insn, METIC_LE32(found))) {
        u32 next = METIC_LE32((u32)atomic_new(run, insn, METIC_LE32(found)));
        if (__atomic_compare_exchange_n(host, &found, next, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            break;
        }
    }
    return METIC_LE32(found);
}

static u64 atomic_ram_64(const struct interp *run, const struct ir_insn *insn, u64 *host)
{
    u64 found = __atomic_load_n(host, __ATOMIC_SEQ_CST);
    while (atomic_writes(run, insn, METIC_LE64(found))) {
        u64 next = METIC_LE64(atomic_new(run, insn, METIC_LE64(found)));
        if (__atomic_compare_exchange_n(host, &found, next, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            break;
        }
    }
    return METIC_LE64(found);
}

/* On a device: a read and a write. The translation has been checked for both, so a read that
 * fails was refused by the bus; the whole access then counts as a store. */
static bool atomic_device(struct interp *run, const struct ir_insn *insn, u64 gva, u64 *old)
{
    struct vcpu *vcpu = run->vcpu;
    unsigned size_bytes = mem_bytes(insn);
    if (!vcpu->ops->load(vcpu, gva, size_bytes, old)) {
        vcpu->exception_pending = 0;
        vcpu->guest->raise_access_fault(vcpu, gva, VCPU_WRITE);
        return false;
    }
    return !atomic_writes(run, insn, *old) ||
           vcpu->ops->store(vcpu, gva, size_bytes, atomic_new(run, insn, *old));
}

static bool atomic_access(struct interp *run, const struct ir_insn *insn, u64 *old)
{
    u64 gva = run->values[insn->b];
    u8 *host = run->vcpu->ops->atomic_host(run->vcpu, gva, mem_bytes(insn));
    if (host == NULL) {
        return !run->vcpu->exception_pending && atomic_device(run, insn, gva, old);
    }
    *old = insn->type == IR_I32 ? atomic_ram_32(run, insn, (u32 *)(void *)host)
                                : atomic_ram_64(run, insn, (u64 *)(void *)host);
    return true;
}

enum ir_exit interp_AMO(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    interp_sync(run);
    if (!atomic_access(run, insn, out)) {
        return IR_EXIT_RAISED;
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_CAS(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    struct vcpu *vcpu = run->vcpu;
    interp_sync(run);
    if (vcpu->ops->swap_allowed != NULL &&
        !vcpu->ops->swap_allowed(vcpu, run->values[insn->b], mem_bytes(insn),
                                 run->values[insn->c])) {
        return IR_EXIT_RAISED;
    }
    return interp_AMO(run, insn, out);
}

/* --- recording --- */

enum ir_exit interp_PROBE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    struct vcpu *vcpu = run->vcpu;
    u32 unit = (u32)insn->imm;
    vcpu->insns = interp_insns(run); /* a new chunk says it */
    u64 *words = probe_reserve(vcpu, (unsigned)(insn->imm >> 32));
    vcpu->insns = run->entry_insns;
    words[0] = insn->sub & IR_PROBE_NO_PAGE ? unit : (vcpu->pc_page << PROBE_PAGE_SHIFT) + unit;
    *out = (u64)(uintptr_t)words;
    return interp_next(run, insn, out);
}

enum ir_exit interp_PROBE_WORD(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u8 *at = (u8 *)(uintptr_t)(run->values[insn->a] + insn->imm);
    memcpy(at, &run->values[insn->b], 8);
    return interp_next(run, insn, out);
}

static void count_edge(struct vcpu *vcpu, const struct ir_insn *insn, gva_t target)
{
    if (insn->sub == IR_LEFT_WIDE) {
        const struct probe_wide *wide = (const struct probe_wide *)(uintptr_t)insn->imm;
        probe_way_count(vcpu, wide->way, wide->count, target);
    } else {
        probe_way_count(vcpu, (u32)insn->imm, PROBE_PLACES, target);
    }
}

void interp_probe_left(struct interp *run, const struct ir_insn *insn, gva_t target)
{
    struct vcpu *vcpu = run->vcpu;
    if (insn->sub == IR_LEFT_WORD) {
        *vcpu->probe_at++ = insn->imm; /* behind a path there is room */
        return;
    }
    if (insn->sub == IR_LEFT_HEAD) {
        vcpu->probe_at[-1] = (u32)vcpu->probe_at[-1] | insn->imm << 32;
        return;
    }
    if (insn->sub == IR_LEFT_COUNT) {
        ++*probe_count_of(vcpu, (u32)insn->imm);
    } else {
        count_edge(vcpu, insn, target);
    }
    vcpu->probe_path = 0;
}

enum ir_exit interp_PROBE_AT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    run->vcpu->probe_path = (u32)insn->imm;
    run->vcpu->probe_insns = interp_insns(run);
    return interp_next(run, insn, out);
}

enum ir_exit interp_PROBE_ADD(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    ++*probe_count_of(run->vcpu, (u32)insn->imm);
    return interp_next(run, insn, out);
}

enum ir_exit interp_PROBE_EDGE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    count_edge(run->vcpu, insn, run->values[insn->a]);
    return interp_next(run, insn, out);
}

/* interp_EXIT_IF looks at it. */
enum ir_exit interp_PROBE_LEFT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return interp_next(run, insn, out);
}
