/* Load-reserved and store-conditional that are not a simple loop inside one block.
 *
 * The front end turns the usual lr ... sc loop, with no other memory access in between, into a
 * load and a compare-and-swap: there it is exact, because the load may be thought to happen
 * at the moment of the swap. Everything else comes here, where a value compare would be fooled by
 * A-B-A. The reserved page is watched: no hart may hold a fast write entry for it, so every store
 * to it takes the slow path and breaks what it touches. Setting up the watch needs an exclusive
 * section, which is slow. So the page stays watched until IDLE_STORES have been slow for nothing;
 * harts that run in turn lose their write entries when their turn comes. A hart's own stores break
 * nothing of its own, whether they are fast or slow.
 *
 * Compilers of Go make every atomic load an lr that no sc follows. One with no sc in sight is only
 * a load and leaves its address with the hart; should an sc of that address come after all, it
 * fails, once, and the lr is translated anew with a reservation (unprivileged manual, "Zalrsc": an
 * sc outside a constrained loop may fail; it is inside of one only when it is in sight). Not on
 * the virtual clock, where a machine that was restored must go on as the one that was saved.
 *
 * Reservations are compared by bytes inside one naturally aligned 64-byte set, as the manual's
 * reservation set allows (unprivileged manual, "Zalrsc"). */
#include "cpu/memory.h"
#include "translate/commit_log.h"
#include "translate/engine.h"
#include "translate/lockstep.h"
#include "translate/softmmu.h"

enum { RESERVATION_SET_BYTES = 64, IDLE_STORES = 64 };

static gpa_t set_of(gpa_t gpa)
{
    return gpa & ~(gpa_t)(RESERVATION_SET_BYTES - 1);
}

/* A reservation that a later lr of the hart's replaced is active still, but not live. */
static bool page_is_reserved(const struct engine *engine, gpa_t page)
{
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        if (engine->reservations[i].active && (engine->reservations[i].gpa & PAGE_MASK) == page &&
            __atomic_load_n(&engine->vcpus[i]->reservation_live, __ATOMIC_RELAXED) != 0) {
            return true;
        }
    }
    return false;
}

/* Called with the lock held. */
static void cancel(struct engine *engine, unsigned index)
{
    struct reservation *reservation = &engine->reservations[index];
    if (!reservation->active) {
        return;
    }
    reservation->active = false;
    atomic_fetch_sub(&engine->reservation_count, 1);
}

/* A store to a watched page was slow. Called with the lock held. */
static void note_slow_store(struct engine *engine, gpa_t page)
{
    if (!page_is_reserved(engine, page) && ++engine->reservation_idle_stores >= IDLE_STORES) {
        engine->reservation_idle_stores = 0;
        memory_page_clear(engine->memory, page, MEMORY_PAGE_RESERVED);
    }
}

static void break_sets(struct engine *engine, const struct vcpu *storer, gpa_t gpa, u64 size_bytes)
{
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        const struct reservation *reservation = &engine->reservations[i];
        if (reservation->active && engine->vcpus[i] != storer &&
            set_of(gpa) <= set_of(reservation->gpa) &&
            gpa + size_bytes > set_of(reservation->gpa)) {
            cancel(engine, i);
        }
    }
    note_slow_store(engine, gpa & PAGE_MASK);
}

void engine_reservation_break(struct engine *engine, const struct vcpu *storer, gpa_t gpa,
                              u64 size_bytes)
{
    pthread_mutex_lock(&engine->reservation_lock);
    break_sets(engine, storer, gpa, size_bytes);
    pthread_mutex_unlock(&engine->reservation_lock);
}

bool engine_reserved_store(struct vcpu *vcpu, gpa_t gpa, u8 *host, unsigned size_bytes, u64 value)
{
    struct engine *engine = vcpu->engine;
    pthread_mutex_lock(&engine->reservation_lock);
    break_sets(engine, vcpu, gpa, size_bytes);
    st_le(host, value, size_bytes);
    pthread_mutex_unlock(&engine->reservation_lock);
    return true;
}

void engine_reservation_drop(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    if (!engine_has_reservations(engine)) {
        return;
    }
    pthread_mutex_lock(&engine->reservation_lock);
    cancel(engine, vcpu->index);
    pthread_mutex_unlock(&engine->reservation_lock);
}

/* The physical address behind a reservation's virtual one; raises like the access. Reserved
 * addresses must be RAM: PMAs without reservability fault. */
static bool locate(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum vcpu_access access,
                   gpa_t *gpa)
{
    if (gva & (size_bytes - 1)) {
        vcpu->guest->raise_misaligned(vcpu, gva, access);
        return false;
    }
    struct guest_translation found = { 0 };
    if (!vcpu->guest->translate(vcpu, gva, size_bytes, access, &found)) {
        return false;
    }
    const struct memory_region *region = memory_find(vcpu->memory, found.gpa);
    if (region == NULL || region->kind != MEMORY_RAM) {
        vcpu->guest->raise_access_fault(vcpu, gva, access);
        return false;
    }
    *gpa = found.gpa;
    return true;
}

/* Takes every write entry for the page away from all harts; then no store goes unseen. */
static void watch_page(struct vcpu *vcpu, gpa_t page)
{
    struct engine *engine = vcpu->engine;
    if (engine->vcpu_count == 1 || engine->options.exact_deadlines) {
        memory_page_set(engine->memory, page, MEMORY_PAGE_RESERVED);
        engine->reservation_watches++;
        return; /* DMA looks at the flag; and nobody else stores before this hart's turn ends */
    }
    engine_exclusive_begin(engine, vcpu);
    memory_page_set(engine->memory, page, MEMORY_PAGE_RESERVED);
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        tlb_flush_writes(engine->vcpus[i]);
    }
    engine_exclusive_end(engine, vcpu);
}

void engine_reservation_turn(struct vcpu *vcpu)
{
    const struct engine *engine = vcpu->engine;
    if (vcpu->seen_watches != engine->reservation_watches && engine->vcpu_count > 1) {
        vcpu->seen_watches = engine->reservation_watches;
        tlb_flush_writes(vcpu);
    }
}

/* Where a page is watched already, nobody has got a write entry since: the flag is cleared under
 * the lock, and only where nobody has a reservation. */
static void reserve(struct vcpu *vcpu, gpa_t gpa, unsigned size_bytes)
{
    struct engine *engine = vcpu->engine;
    pthread_mutex_lock(&engine->reservation_lock);
    cancel(engine, vcpu->index);
    engine->reservations[vcpu->index] = (struct reservation){
        .active = true, .gpa = gpa, .size_bytes = (u8)size_bytes
    };
    atomic_fetch_add(&engine->reservation_count, 1);
    vcpu->reservation_live = 1;
    engine->reservation_idle_stores = 0;
    bool watched = (memory_page_flags(engine->memory, gpa) & MEMORY_PAGE_RESERVED) != 0;
    pthread_mutex_unlock(&engine->reservation_lock);
    if (!watched) {
        watch_page(vcpu, gpa & PAGE_MASK);
    }
}

bool engine_load_reserved(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    gpa_t gpa;
    engine_reservation_drop(vcpu);
    if (!locate(vcpu, gva, size_bytes, VCPU_READ, &gpa)) {
        return false;
    }
    reserve(vcpu, gpa, size_bytes);
    vcpu->lone_lr = 0;
    bool loaded = softmmu_load(vcpu, gva, size_bytes, value);
    vcpu_event(vcpu, VCPU_EVENT_MEMORY, gva, *value, size_bytes);
    return loaded;
}

/* An sc without a reservation: the lr that was only a load, if it was of that address, is to make
 * one from now on. */
static void learn_lone_lr(struct vcpu *vcpu, gva_t gva)
{
    struct engine *engine = vcpu->engine;
    if (vcpu->lone_lr == 0 || vcpu->lone_lr_gva != gva) {
        return;
    }
    gpa_t gpa = vcpu->lone_lr & ~(gpa_t)1;
    vcpu->lone_lr = 0;
    pthread_mutex_lock(&engine->lock);
    reservation_note_needed(&engine->reservation_sites, gpa);
    block_remove_at(&engine->blocks, gpa);
    engine_kick_all(engine, VCPU_REQUEST_FLUSH_JUMPS);
    pthread_mutex_unlock(&engine->lock);
}

bool engine_store_conditional(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value,
                              bool *stored)
{
    struct engine *engine = vcpu->engine;
    struct reservation *mine = &engine->reservations[vcpu->index];
    gpa_t gpa;
    *stored = false;
    if (!locate(vcpu, gva, size_bytes, VCPU_WRITE, &gpa)) {
        engine_reservation_drop(vcpu);
        return false;
    }
    if ((memory_page_flags(engine->memory, gpa) & (MEMORY_PAGE_CODE | MEMORY_PAGE_DIRTY)) ==
        MEMORY_PAGE_CODE) {
        engine_code_store(engine, gpa);
    }
    bool matches = mine->active && vcpu->reservation_live && mine->gpa == gpa &&
                   mine->size_bytes == size_bytes;
    if (!vcpu->reservation_live) {
        learn_lone_lr(vcpu, gva);
    }
    if (UNLIKELY(engine->debug.watch_count != 0) && matches &&
        !debug_access(vcpu, gva, size_bytes, DEBUG_WRITE)) {
        return false;
    }
    pthread_mutex_lock(&engine->reservation_lock);
    if (mine->active && vcpu->reservation_live && mine->gpa == gpa &&
        mine->size_bytes == size_bytes) {
        u8 *host = memory_host(engine->memory, gpa, size_bytes);
        break_sets(engine, vcpu, gpa, size_bytes);
        lockstep_note_store(engine->lockstep, host, size_bytes);
        st_le(host, value, size_bytes);
        commit_log_access(engine->commit_log, vcpu, gva, size_bytes, true, value);
        *stored = true;
    }
    cancel(engine, vcpu->index);
    pthread_mutex_unlock(&engine->reservation_lock);
    if (*stored) {
        vcpu_event(vcpu, VCPU_EVENT_MEMORY, gva, value, size_bytes | 1 << 8);
    } else if (UNLIKELY(matches && engine->debug.watch_count != 0)) {
        debug_undone(vcpu); /* another hart broke it since that was looked at */
    }
    return true;
}

gpa_t engine_get_reservation(const struct vcpu *vcpu, unsigned *size_bytes)
{
    const struct reservation *reservation = &vcpu->engine->reservations[vcpu->index];
    *size_bytes = reservation->active ? reservation->size_bytes : 0;
    return reservation->gpa;
}

void engine_set_reservation(struct vcpu *vcpu, gpa_t gpa, unsigned size_bytes)
{
    if (size_bytes != 0) {
        reserve(vcpu, gpa, size_bytes);
    } else {
        engine_reservation_drop(vcpu);
    }
}
