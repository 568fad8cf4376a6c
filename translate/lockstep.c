/* See lockstep.h. */
#include "translate/lockstep.h"

#include "translate/engine_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_OFF, PHASE_RECORD, PHASE_REPLAY };

/* A store of the interpreter's: what was there, and what it left. */
struct undo {
    u8 *host;
    u64 before, after;
    u8 size_bytes;
};

struct device_access {
    gpa_t gpa;
    u64 value;
    u8 size_bytes;
    bool write, answered;
};

enum { MAX_STORES = 8192, MAX_ACCESSES = 256 };

struct lockstep {
    struct engine *engine;
    enum phase phase;
    u8 *start;     /* guest->vcpu_bytes: the state both runs begin from */
    u8 *reference; /* ... and what the interpreter made of it */
    struct undo stores[MAX_STORES];
    unsigned store_count;
    struct device_access accesses[MAX_ACCESSES];
    unsigned access_count, access_next;
    bool overrun; /* the block did more than the logs hold: it is not compared */
    u64 blocks;
    struct block *block; /* being compared */
};

/* --- device accesses: memory's tap --- */

static struct device_access *record_slot(struct lockstep *lockstep)
{
    if (lockstep->access_count == MAX_ACCESSES) {
        lockstep->overrun = true;
        return NULL;
    }
    return &lockstep->accesses[lockstep->access_count++];
}

static bool perform(struct lockstep *lockstep, struct device_access *access)
{
    struct memory *memory = lockstep->engine->memory;
    return access->write
               ? memory_mmio_write_untapped(memory, access->gpa, access->size_bytes, access->value)
               : memory_mmio_read_untapped(memory, access->gpa, access->size_bytes, &access->value);
}

static _Noreturn void stop_with(struct lockstep *lockstep, const char *why);

static bool tap(void *opaque, bool write, gpa_t gpa, unsigned size_bytes, u64 *value)
{
    struct lockstep *lockstep = opaque;
    struct device_access access = {
        .gpa = gpa, .size_bytes = (u8)size_bytes, .write = write, .value = *value
    };
    if (lockstep->phase == PHASE_REPLAY) {
        if (lockstep->access_next == lockstep->access_count) {
            stop_with(lockstep, "translated code touched a device the interpreter did not");
        }
        const struct device_access *expected = &lockstep->accesses[lockstep->access_next++];
        if (expected->gpa != gpa || expected->size_bytes != size_bytes ||
            expected->write != write || (write && expected->value != *value)) {
            stop_with(lockstep, "translated code made another device access");
        }
        *value = expected->value;
        return expected->answered;
    }
    access.answered = perform(lockstep, &access);
    *value = access.value;
    if (lockstep->phase == PHASE_RECORD) {
        struct device_access *slot = record_slot(lockstep);
        if (slot != NULL) {
            *slot = access;
        }
    }
    return access.answered;
}

/* --- stores --- */

void lockstep_note_store(struct lockstep *lockstep, u8 *host, unsigned size_bytes)
{
    if (LIKELY(lockstep == NULL) || lockstep->phase != PHASE_RECORD) {
        return;
    }
    if (lockstep->store_count == MAX_STORES) {
        lockstep->overrun = true;
        return;
    }
    struct undo *undo = &lockstep->stores[lockstep->store_count++];
    undo->host = host;
    undo->size_bytes = (u8)size_bytes;
    undo->before = ld_le(host, size_bytes);
}

void lockstep_note_map_change(struct lockstep *lockstep)
{
    if (lockstep != NULL) {
        lockstep->overrun = true;
    }
}

static void undo_stores(struct lockstep *lockstep)
{
    for (unsigned i = 0; i < lockstep->store_count; i++) {
        struct undo *undo = &lockstep->stores[i];
        undo->after = ld_le(undo->host, undo->size_bytes);
    }
    for (unsigned i = lockstep->store_count; i-- > 0;) {
        const struct undo *undo = &lockstep->stores[i];
        st_le(undo->host, undo->before, undo->size_bytes);
    }
}

/* --- comparing --- */

static void print_reg(const struct guest_reg *reg, const u8 *reference, const u8 *now)
{
    u64 expected = ld_le(reference + reg->offset, reg->size_bytes);
    u64 actual = ld_le(now + reg->offset, reg->size_bytes);
    if (expected != actual) {
        fprintf(stderr, "  %-10s interpreter %016llx  translated %016llx\n", reg->name,
                (unsigned long long)expected, (unsigned long long)actual);
    }
}

static void print_vcpu(const struct vcpu *reference, const struct vcpu *now)
{
    fprintf(stderr, "  pc         interpreter %016llx  translated %016llx\n",
            (unsigned long long)reference->pc, (unsigned long long)now->pc);
    fprintf(stderr, "  insns      interpreter %llu  translated %llu\n",
            (unsigned long long)reference->insns, (unsigned long long)now->insns);
    fprintf(stderr, "  fpu flags  interpreter %x  translated %x\n", reference->fpu_flags,
            now->fpu_flags);
    fprintf(stderr, "  exception  interpreter %u cause %llu value %llx  translated %u cause %llu "
            "value %llx\n", reference->exception_pending,
            (unsigned long long)reference->exception_cause,
            (unsigned long long)reference->exception_value, now->exception_pending,
            (unsigned long long)now->exception_cause, (unsigned long long)now->exception_value);
}

static void print_code_line(void *opaque, u64 address, const char *text)
{
    (void)opaque;
    fprintf(stderr, "  %llx: %s\n", (unsigned long long)address, text);
}

static _Noreturn void stop_with(struct lockstep *lockstep, const char *why)
{
    const struct engine *engine = lockstep->engine;
    const struct vcpu *now = NULL;
    const struct vcpu *reference = (const struct vcpu *)(void *)lockstep->reference;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        if (engine->vcpus[i]->index == reference->index) {
            now = engine->vcpus[i];
        }
    }
    fprintf(stderr, "metic: engines differ after %llu blocks: %s\n",
            (unsigned long long)lockstep->blocks, why);
    print_vcpu(reference, now);
    for (unsigned i = 0; i < engine->guest->reg_count; i++) {
        print_reg(&engine->guest->regs[i], lockstep->reference, (const u8 *)now);
    }
    for (size_t at = sizeof(struct vcpu); at < engine->guest->state_end; at++) {
        if (lockstep->reference[at] != ((const u8 *)now)[at]) {
            fprintf(stderr, "  state byte %zu: interpreter %02x  translated %02x\n", at,
                    lockstep->reference[at], ((const u8 *)now)[at]);
        }
    }
    for (unsigned i = 0; i < lockstep->store_count; i++) {
        const struct undo *undo = &lockstep->stores[i];
        u64 actual = ld_le(undo->host, undo->size_bytes);
        if (actual != undo->after) {
            fprintf(stderr, "  store %u of %u bytes: interpreter %llx  translated %llx\n", i,
                    undo->size_bytes, (unsigned long long)undo->after, (unsigned long long)actual);
        }
    }
    const struct block *block = lockstep->block;
    if (block != NULL) {
        static struct ir ir;
        ir_reset(&ir, engine->guest);
        memcpy(ir.insns, block->ir, block->ir_count * sizeof(*block->ir));
        ir.count = block->ir_count;
        for (unsigned i = 0; i < block->ir_count; i++) {
            char text[256];
            ir_print_insn(&ir, i, text, sizeof(text));
            fprintf(stderr, "  %s\n", text);
        }
        engine->host->disassemble(block->host, block->host_bytes, (u64)(uintptr_t)block->host,
                                  print_code_line, NULL);
    }
    exit(125);
}

static bool vcpu_equal(const struct vcpu *a, const struct vcpu *b)
{
    return a->pc == b->pc && a->insns == b->insns && a->fpu_flags == b->fpu_flags &&
           a->fpu_round == b->fpu_round && a->mode == b->mode &&
           a->exception_pending == b->exception_pending &&
           (!a->exception_pending || (a->exception_cause == b->exception_cause &&
                                      a->exception_value == b->exception_value));
}

static void compare(struct lockstep *lockstep, const struct vcpu *vcpu)
{
    size_t common = sizeof(struct vcpu);
    size_t total = lockstep->engine->guest->state_end;
    const struct vcpu *reference = (const struct vcpu *)(void *)lockstep->reference;
    if (!vcpu_equal(reference, vcpu)) {
        stop_with(lockstep, "pc, count, flags, mode or exception");
    }
    if (memcmp(lockstep->reference + common, (const u8 *)vcpu + common, total - common) != 0) {
        stop_with(lockstep, "guest state");
    }
    for (unsigned i = 0; i < lockstep->store_count; i++) {
        const struct undo *undo = &lockstep->stores[i];
        if (ld_le(undo->host, undo->size_bytes) != undo->after) {
            stop_with(lockstep, "memory");
        }
    }
    if (lockstep->access_next != lockstep->access_count) {
        stop_with(lockstep, "translated code left out a device access");
    }
}

/* --- running --- */

/* The parts of the hart's surroundings that the first run may have moved. */
struct surroundings {
    struct tlb_key data, fetch;
    struct reservation reservation;
    u32 reservation_count;
};

static void surroundings_save(const struct vcpu *vcpu, struct surroundings *saved)
{
    const struct tlb *tlb = vcpu->tlb_state;
    saved->data = *tlb->data_now->key;
    saved->fetch = *tlb->fetch_now->key;
    saved->reservation = vcpu->engine->reservations[vcpu->index];
    saved->reservation_count = vcpu->engine->reservation_count;
}

/* Selects the old spaces again. If a space was emptied or given to another context meanwhile, the
 * selection makes an empty one, which is always right. */
static void surroundings_restore(struct vcpu *vcpu, const struct surroundings *saved)
{
    const struct tlb_key *data = &saved->data;
    const struct tlb_key *fetch = &saved->fetch;
    tlb_select_data(vcpu, data->address_space, data->asid, (u8)data->regime, data->shared);
    tlb_select_fetch(vcpu, fetch->address_space, fetch->asid, fetch->regime, fetch->shared);
    struct engine *engine = vcpu->engine;
    engine->reservations[vcpu->index] = saved->reservation;
    engine->reservation_count = saved->reservation_count;
    if (saved->reservation.active) {
        memory_page_set(engine->memory, saved->reservation.gpa, MEMORY_PAGE_RESERVED);
    }
}

static void logs_clear(struct lockstep *lockstep)
{
    lockstep->store_count = 0;
    lockstep->access_count = 0;
    lockstep->access_next = 0;
    lockstep->overrun = false;
}

/* A device that the block reached changed the hart's interrupts or the end of its turn. */
static bool was_disturbed(const struct lockstep *lockstep, const struct vcpu *vcpu)
{
    const struct vcpu *start = (const struct vcpu *)(void *)lockstep->start;
    return vcpu->irq_lines != start->irq_lines || vcpu->requests != start->requests ||
           vcpu->limit_insns != start->limit_insns;
}

/* The state before the block, apart from what other threads may change at any time. */
static void go_back(const struct lockstep *lockstep, struct vcpu *vcpu)
{
    const size_t first = offsetof(struct vcpu, irq_lines);
    const size_t after = offsetof(struct vcpu, guest);
    memcpy(vcpu, lockstep->start, first);
    memcpy((u8 *)vcpu + after, lockstep->start + after,
           lockstep->engine->guest->vcpu_bytes - after);
}

/* A trace may leave before an access that it cannot make (to_x86_64/hoist.c); the interpreter goes
 * on to where the reference ended. */
static enum ir_exit finish_trace(struct lockstep *lockstep, struct vcpu *vcpu, enum ir_exit exit)
{
    const struct vcpu *end = (const struct vcpu *)(void *)lockstep->reference;
    while (!vcpu->exception_pending &&
           (vcpu->insns < end->insns || (vcpu->insns == end->insns && end->exception_pending))) {
        exit = pipeline_run_once(vcpu, 1);
    }
    return exit;
}

enum ir_exit lockstep_run(struct lockstep *lockstep, struct vcpu *vcpu, struct block *block)
{
    size_t bytes = lockstep->engine->guest->vcpu_bytes;
    struct surroundings surroundings;
    lockstep->block = block;
    u64 dma_writes = atomic_load(&lockstep->engine->memory->dma_writes);
    logs_clear(lockstep);
    surroundings_save(vcpu, &surroundings);
    memcpy(lockstep->start, vcpu, bytes);
    lockstep->phase = PHASE_RECORD;
    enum ir_exit exit = ir_interp_run(block->ir, block->ir_count, vcpu);
    lockstep->phase = PHASE_OFF;
    lockstep->blocks++;
    if (lockstep->overrun || atomic_load(&lockstep->engine->memory->dma_writes) != dma_writes ||
        was_disturbed(lockstep, vcpu)) {
        return exit; /* a device wrote to memory: that cannot be undone, nor done twice */
    }
    memcpy(lockstep->reference, vcpu, bytes);
    undo_stores(lockstep);
    go_back(lockstep, vcpu);
    surroundings_restore(vcpu, &surroundings);
    lockstep->phase = PHASE_REPLAY;
    exit = lockstep->engine->host_context.enter(vcpu, block->host);
    if (block->circle != NULL) {
        exit = finish_trace(lockstep, vcpu, exit);
    }
    lockstep->phase = PHASE_OFF;
    if (atomic_load(&vcpu->requests) != 0) {
        atomic_store(&vcpu->deadline, 0); /* of a kick that go_back took away */
    }
    compare(lockstep, vcpu);
    return exit;
}

void lockstep_free(struct lockstep *lockstep)
{
    if (lockstep != NULL) {
        lockstep->engine->memory->tap = NULL;
        free(lockstep->start);
        free(lockstep->reference);
        free(lockstep);
    }
}

struct lockstep *lockstep_new(struct engine *engine)
{
    struct lockstep *lockstep = calloc(1, sizeof(*lockstep));
    if (lockstep == NULL) {
        return NULL;
    }
    lockstep->engine = engine;
    lockstep->start = calloc(1, engine->guest->vcpu_bytes);
    lockstep->reference = calloc(1, engine->guest->vcpu_bytes);
    if (lockstep->start == NULL || lockstep->reference == NULL) {
        lockstep_free(lockstep);
        return NULL;
    }
    engine->memory->tap = tap;
    engine->memory->tap_opaque = lockstep;
    return lockstep;
}
