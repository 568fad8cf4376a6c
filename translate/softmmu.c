/* See softmmu.h. */
#include "translate/softmmu.h"

#include "cpu/memory.h"
#include "cpu/page_flags.h"
#include "translate/commit_log.h"
#include "translate/engine.h"
#include "translate/ir/ir_eval.h"
#include "translate/lockstep.h"
#include "translate/probe/probe.h"
#include "translate/stats.h"

#include <string.h>

/* Where one access inside one page goes. */
struct place {
    u8 *host;   /* RAM or ROM bytes, or NULL: a device, or nothing, at gpa */
    gpa_t gpa;
    u8 watch;   /* page flags that make a store special: CODE without DIRTY, RESERVED */
};

static u32 fill_flags(const struct guest_translation *found)
{
    return (found->readable ? (u32)TLB_READABLE : 0) | (found->writable ? (u32)TLB_WRITABLE : 0) |
           (found->global ? (u32)TLB_GLOBAL : 0);
}

/* Lets generated code know of the addresses around gva that map to the region just as gva does. */
static void enter_span(struct vcpu *vcpu, gva_t gva, const struct guest_translation *found,
                       const struct memory_region *region)
{
    if (vcpu->engine->debug.watch_count != 0) {
        return;
    }
    u64 offset = found->gpa - region->gpa;
    u64 before = gva - found->linear_first;
    u64 behind = found->linear_last - gva;
    before = before < offset ? before : offset;
    behind = behind < region->size_bytes - 1 - offset ? behind : region->size_bytes - 1 - offset;
    tlb_span_set(vcpu, gva - before, before + behind + 1,
                 (u64)(uintptr_t)(region->host + offset) - gva);
}

/* Puts the translation into the TLB as far as its page allows, and says where the access goes. */
static struct place enter(struct vcpu *vcpu, gva_t gva, enum vcpu_access access,
                          const struct guest_translation *found)
{
    struct place place = { .gpa = found->gpa };
    struct tlb_fill fill = {
        .page = gva & PAGE_MASK,
        .gpa_page = found->gpa & PAGE_MASK,
        .span_bytes = found->span_bytes,
        .flags = fill_flags(found),
    };
    struct memory_region *region = memory_find(vcpu->memory, found->gpa);
    bool direct = region != NULL && region->host != NULL &&
                  (region->kind != MEMORY_ROMD || atomic_load(&region->direct));
    if (direct) {
        gpa_t page_offset = fill.gpa_page - region->gpa;
        fill.host_page = memory_region_bytes(region) + page_offset;
        place.host = memory_region_bytes(region) + (found->gpa - region->gpa);
        if (UNLIKELY(region->kind != MEMORY_RAM)) {
            fill.flags |= TLB_SLOW_WRITE;
            if (access == VCPU_WRITE) {
                place.host = NULL; /* stores to ROM and flash go to the device side */
            }
        } else if (fill.flags & TLB_WRITABLE) {
            _Atomic u8 *flags = &region->page_flags[page_offset >> PAGE_BITS];
            place.watch = watch_flags(access == VCPU_WRITE
                                          ? mark_written(vcpu->memory, flags, found->gpa)
                                          : mark_writable(flags));
            fill.flags |= place.watch != 0 ? (u32)TLB_SLOW_WRITE : 0;
        }
    }
    if (UNLIKELY(vcpu->engine->debug.watch_count != 0)) {
        bool read = debug_page_watched(vcpu->engine, fill.page, DEBUG_READ);
        bool write = debug_page_watched(vcpu->engine, fill.page, DEBUG_WRITE);
        fill.flags |= (read ? (u32)TLB_SLOW_READ : 0) | (write ? (u32)TLB_SLOW_WRITE : 0);
    }
    if (found->page_uniform) {
        tlb_insert(vcpu, &fill);
        if (direct) {
            huge_filled(&vcpu->tlb_state->huge, vcpu->memory, fill.gpa_page);
        }
        vcpu_event(vcpu, VCPU_EVENT_TLB_FILL, fill.page, fill.gpa_page, fill.flags);
        if (found->linear_last != 0 && found->readable && direct && region->kind == MEMORY_RAM) {
            enter_span(vcpu, gva, found, region);
        }
    }
    return place;
}

/* gva .. gva + size_bytes - 1 lies in one page. */
static bool translate(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum vcpu_access access,
                      struct place *place)
{
    const struct tlb_entry *entry = tlb_find(vcpu, gva & PAGE_MASK, access == VCPU_WRITE);
    if (entry != NULL) {
        u64 tag = access == VCPU_WRITE ? entry->write_tag : entry->read_tag;
        bool slow = (tag & TLB_TAG_SLOW) != 0;
        if (!slow || entry->addend == 0) {
            *place = (struct place){ .gpa = entry->gpa_page | (gva & PAGE_OFFSET_MASK) };
            place->host = slow ? NULL /* a device */ : (u8 *)(uintptr_t)(gva + entry->addend);
            return true;
        }
    }
    struct guest_translation found = { 0 };
    if (!vcpu->guest->translate(vcpu, gva, size_bytes, access, &found)) {
        return false;
    }
    *place = enter(vcpu, gva, access, &found);
    return true;
}

static bool raise_access(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    vcpu->guest->raise_access_fault(vcpu, gva, access);
    return false;
}

/* After a device's answer, with the deadline as it was before. */
static bool answer(struct vcpu *vcpu, gva_t gva, enum vcpu_access access, u64 deadline, u64 value,
                   bool answered)
{
    return (LIKELY(!again_wanted(vcpu->engine)) || again_keep(vcpu, deadline, value, answered)) &&
           (answered || raise_access(vcpu, gva, access));
}

/* False, with an exception pending: nobody is there, or the instruction comes again. */
static bool read_device(struct vcpu *vcpu, gva_t gva, gpa_t gpa, unsigned size_bytes, u64 *value)
{
    bool answered;
    if (UNLIKELY(again_wanted(vcpu->engine)) && again_take(vcpu, value, &answered)) {
        return answered || raise_access(vcpu, gva, VCPU_READ);
    }
    u64 deadline = atomic_load_explicit(&vcpu->deadline, memory_order_relaxed);
    struct stats_span span = stats_begin(vcpu);
    answered = memory_mmio_read(vcpu->memory, gpa, size_bytes, value);
    stats_end(vcpu, STATS_DEVICE, &span);
    vcpu_event(vcpu, VCPU_EVENT_DEVICE, gpa, *value, size_bytes);
    return answer(vcpu, gva, VCPU_READ, deadline, *value, answered);
}

static bool load_place(struct vcpu *vcpu, gva_t gva, const struct place *place, unsigned size_bytes,
                       u64 *value)
{
    if (place->host != NULL) {
        *value = ld_le(place->host, size_bytes);
        return true;
    }
    return read_device(vcpu, gva, place->gpa, size_bytes, value);
}

/* As read_device. A flash that was told to answer commands takes its reads away from the TLBs: this
 * hart's next read is meant already, the others' follow at their next look at requests. */
static bool store_device(struct vcpu *vcpu, gva_t gva, gpa_t gpa, unsigned size_bytes, u64 value)
{
    u64 unused;
    bool answered;
    if (UNLIKELY(again_wanted(vcpu->engine)) && again_take(vcpu, &unused, &answered)) {
        return answered || raise_access(vcpu, gva, VCPU_WRITE);
    }
    u64 deadline = atomic_load_explicit(&vcpu->deadline, memory_order_relaxed);
    vcpu_event(vcpu, VCPU_EVENT_DEVICE, gpa, value, size_bytes | 1 << 8);
    struct stats_span span = stats_begin(vcpu);
    answered = memory_mmio_write(vcpu->memory, gpa, size_bytes, value);
    stats_end(vcpu, STATS_DEVICE, &span);
    u32 requests = atomic_load(&vcpu->requests);
    if (UNLIKELY(requests & VCPU_REQUEST_FLUSH_TLB)) {
        tlb_flush_all(vcpu);
    }
    vcpu->irq_hint |= requests & VCPU_REQUEST_IRQ;
    return answer(vcpu, gva, VCPU_WRITE, deadline, 0, answered);
}

static bool store_place(struct vcpu *vcpu, gva_t gva, const struct place *place,
                        unsigned size_bytes, u64 value)
{
    if (place->host == NULL) {
        return store_device(vcpu, gva, place->gpa, size_bytes, value);
    }
    lockstep_note_store(vcpu->engine->lockstep, place->host, size_bytes);
    if (place->watch & MEMORY_PAGE_CODE) {
        engine_code_store(vcpu->engine, place->gpa);
    }
    if (place->watch & MEMORY_PAGE_RESERVED) {
        return engine_reserved_store(vcpu, place->gpa, place->host, size_bytes, value);
    }
    st_le(place->host, value, size_bytes);
    return true;
}

static bool crosses_page(gva_t gva, unsigned size_bytes)
{
    return (gva & PAGE_OFFSET_MASK) + size_bytes > PAGE_BYTES;
}

/* An access of 2..8 bytes over a page end: two pieces, both translated before either is touched. */
struct split {
    struct place place[2];
    gva_t gva[2];
    unsigned bytes[2];
};

static bool split_translate(struct vcpu *vcpu, gva_t gva, unsigned size_bytes,
                            enum vcpu_access access, struct split *split)
{
    split->gva[0] = gva;
    split->gva[1] = (gva & PAGE_MASK) + PAGE_BYTES;
    split->bytes[0] = (unsigned)(split->gva[1] - gva);
    split->bytes[1] = size_bytes - split->bytes[0];
    return translate(vcpu, gva, split->bytes[0], access, &split->place[0]) &&
           translate(vcpu, split->gva[1], split->bytes[1], access, &split->place[1]);
}

/* The pieces are not powers of two, so they go byte by byte, as a bus would split them. */
static bool split_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    struct split split;
    if (!split_translate(vcpu, gva, size_bytes, VCPU_READ, &split)) {
        return false;
    }
    u64 result = 0;
    for (unsigned i = 0; i < size_bytes; i++) {
        unsigned piece = i >= split.bytes[0];
        struct place at = split.place[piece];
        unsigned skip = piece ? i - split.bytes[0] : i;
        at.gpa += skip;
        at.host = at.host != NULL ? at.host + skip : NULL;
        u64 byte;
        if (!load_place(vcpu, gva + i, &at, 1, &byte)) {
            return false;
        }
        result |= byte << (8 * i);
    }
    *value = result;
    return true;
}

static bool split_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    struct split split;
    if (!split_translate(vcpu, gva, size_bytes, VCPU_WRITE, &split)) {
        return false;
    }
    for (unsigned i = 0; i < size_bytes; i++) {
        unsigned piece = i >= split.bytes[0];
        struct place at = split.place[piece];
        unsigned skip = piece ? i - split.bytes[0] : i;
        at.gpa += skip;
        at.host = at.host != NULL ? at.host + skip : NULL;
        if (!store_place(vcpu, gva + i, &at, 1, (u8)(value >> (8 * i)))) {
            return false;
        }
    }
    return true;
}

static bool load_any(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    if (UNLIKELY(crosses_page(gva, size_bytes))) {
        return split_load(vcpu, gva, size_bytes, value);
    }
    struct place place;
    return translate(vcpu, gva, size_bytes, VCPU_READ, &place) &&
           load_place(vcpu, gva, &place, size_bytes, value);
}

/* Nothing is watched, or this is not, or a debugger wants it to happen. */
static bool allowed(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum debug_access access)
{
    return LIKELY(vcpu->engine->debug.watch_count == 0) ||
           debug_access(vcpu, gva, size_bytes, access);
}

bool softmmu_swap_allowed(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 expected)
{
    return LIKELY(vcpu->engine->debug.watch_count == 0) ||
           debug_swap(vcpu, gva, size_bytes, expected);
}

bool softmmu_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    if (!allowed(vcpu, gva, size_bytes, DEBUG_READ)) {
        return false;
    }
    bool loaded = load_any(vcpu, gva, size_bytes, value);
    if (UNLIKELY(vcpu->engine->commit_log != NULL) && loaded) {
        commit_log_access(vcpu->engine->commit_log, vcpu, gva, size_bytes, false, 0);
    }
    return loaded;
}

static bool store_any(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    if (UNLIKELY(crosses_page(gva, size_bytes))) {
        return split_store(vcpu, gva, size_bytes, value);
    }
    struct place place;
    return translate(vcpu, gva, size_bytes, VCPU_WRITE, &place) &&
           store_place(vcpu, gva, &place, size_bytes, value);
}

bool softmmu_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    if (!allowed(vcpu, gva, size_bytes, DEBUG_WRITE)) {
        return false;
    }
    bool stored = store_any(vcpu, gva, size_bytes, value);
    if (UNLIKELY(vcpu->engine->commit_log != NULL) && stored) {
        commit_log_access(vcpu->engine->commit_log, vcpu, gva, size_bytes, true, value);
    }
    return stored;
}

u8 *softmmu_plain_host(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, bool write)
{
    gva_t page = gva & PAGE_MASK;
    const struct tlb_entry *entry = tlb_find(vcpu, page, write);
    bool watched = vcpu->engine->lockstep != NULL || vcpu->engine->commit_log != NULL ||
                   vcpu->engine->debug.watch_count != 0 ||
                   vcpu_wants(vcpu, VCPU_EVENT_MEMORY);
    if (entry == NULL || (write ? entry->write_tag : entry->read_tag) != page || watched ||
        crosses_page(gva, size_bytes)) {
        return NULL;
    }
    return (u8 *)(uintptr_t)(gva + entry->addend);
}

bool softmmu_check(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, bool write)
{
    enum vcpu_access access = write ? VCPU_WRITE : VCPU_READ;
    if (crosses_page(gva, size_bytes)) {
        struct split split;
        return split_translate(vcpu, gva, size_bytes, access, &split);
    }
    struct place place;
    return translate(vcpu, gva, size_bytes, access, &place);
}

u8 *softmmu_atomic_host(struct vcpu *vcpu, gva_t gva, unsigned size_bytes)
{
    struct place place;
    if (!allowed(vcpu, gva, size_bytes, DEBUG_ANY) ||
        !translate(vcpu, gva, size_bytes, VCPU_WRITE, &place)) {
        return NULL;
    }
    if (place.host != NULL) {
        lockstep_note_store(vcpu->engine->lockstep, place.host, size_bytes);
        commit_log_atomic(vcpu->engine->commit_log, vcpu, gva, size_bytes, place.host);
    }
    if (place.host != NULL && (place.watch & MEMORY_PAGE_CODE)) {
        engine_code_store(vcpu->engine, place.gpa);
    }
    if (place.host != NULL && (place.watch & MEMORY_PAGE_RESERVED)) {
        engine_reservation_break(vcpu->engine, vcpu, place.gpa, size_bytes);
    }
    return place.host;
}

/* --- the translator's slow paths --- */

static u64 tag_of(const struct tlb_entry *entry, u32 desc)
{
    return desc & HOST_DESC_WRITE ? entry->write_tag : entry->read_tag;
}

/* Where a plain access to a device's page, which `entry` has, goes at once: nobody listens. */
static gpa_t device_at(const struct engine *engine, const struct tlb_entry *entry, gva_t gva,
                       u32 desc)
{
    bool whole = (tag_of(entry, desc) & ~TLB_TAG_SLOW) == (gva & PAGE_MASK) &&
                 !crosses_page(gva, host_desc_size_bytes(desc));
    if (!whole || entry->addend != 0 || (desc & (HOST_DESC_ALIGN | HOST_DESC_PIECES)) ||
        UNLIKELY(engine->debug.watch_count != 0 || engine->commit_log != NULL)) {
        return HOST_NO_DEVICE;
    }
    return entry->gpa_page | (gva & PAGE_OFFSET_MASK);
}

/* Notes that the page may be written where its translation permits it. False: writes to it are
 * watched, and go the slow way. */
static ALWAYS_INLINE bool may_write(_Atomic u8 *flags, struct tlb_fill *fill)
{
    if ((fill->flags & TLB_WRITABLE) && UNLIKELY(watch_flags(mark_writable(flags)) != 0)) {
        fill->flags |= TLB_SLOW_WRITE;
        return false;
    }
    return true;
}

static ALWAYS_INLINE void tell_fill(struct vcpu *vcpu, const struct tlb_fill *fill)
{
    vcpu_event(vcpu, VCPU_EVENT_TLB_FILL, fill->page, fill->gpa_page, fill->flags);
}

/* When pages are asked for one behind the other, their entries of the page table are in one line of
 * the host's cache, and take a fifth of the time of one that is walked for. Free places alone. */
static void fill_ahead(struct vcpu *vcpu, struct tlb_fill *fill)
{
    for (;;) {
        _Atomic u8 *flags = vcpu->guest->find_plain_next(vcpu, fill);
        if (flags == NULL) {
            return;
        }
        may_write(flags, fill);
        if (!tlb_insert_free(vcpu, fill)) {
            return;
        }
        tell_fill(vcpu, fill);
    }
}

/* Fills `vacancy`. */
static NOINLINE u8 *refill_at(struct vcpu *vcpu, gva_t gva, u32 desc, struct tlb_entry *vacancy)
{
    struct engine *engine = vcpu->engine;
    struct tlb *tlb = vcpu->tlb_state;
    bool write = (desc & HOST_DESC_WRITE) != 0, follows;
    gva_t page = gva & PAGE_MASK;
    struct tlb_fill fill;
    if (UNLIKELY(crosses_page(gva, host_desc_size_bytes(desc)) ||
                 desc & HOST_DESC_ALIGN || vcpu->guest->find_plain == NULL ||
                 engine->lockstep != NULL || engine->debug.watch_count != 0)) {
        return NULL;
    }
    _Atomic u8 *flags = vcpu->guest->find_plain(vcpu, gva, write, &fill);
    if (flags != NULL && write) {
        mark_written(vcpu->memory, flags, fill.gpa_page);
    }
    if (UNLIKELY(flags == NULL) || (UNLIKELY(!may_write(flags, &fill)) && write)) {
        if (desc & HOST_DESC_PIECES) {
            vcpu->exception_pending = 0; /* it has an exception of its own: load_pieces() */
        }
        return NULL;
    }
    tlb_insert_at(vcpu, vacancy, &fill);
    tell_fill(vcpu, &fill);
    huge_filled(&vcpu->tlb_state->huge, vcpu->memory, fill.gpa_page);
    u8 *host = fill.host_page + (gva & PAGE_OFFSET_MASK);
    u32 run = tlb_run(tlb, page, &follows);
    if (follows) {
        fill_ahead(vcpu, &fill);
    }
    tlb->run_next[run] = fill.page + PAGE_BYTES;
    return host;
}

static u8 *refill(struct vcpu *vcpu, gva_t gva, u32 desc, gpa_t *device)
{
    struct tlb_entry *holder, *vacancy = tlb_vacancy(vcpu, gva & PAGE_MASK, &holder);
    *device = holder != NULL ? device_at(vcpu->engine, holder, gva, desc) : HOST_NO_DEVICE;
    return vacancy != NULL ? refill_at(vcpu, gva, desc, vacancy) : NULL;
}

bool softmmu_over_page(struct vcpu *vcpu, gva_t gva, u32 desc, u8 *host[2])
{
    const struct engine *engine = vcpu->engine;
    const bool write = (desc & HOST_DESC_WRITE) != 0;
    const gva_t first = gva & PAGE_MASK, second = first + PAGE_BYTES;
    const struct tlb_entry *low = tlb_find(vcpu, first, write);
    const struct tlb_entry *high = tlb_find(vcpu, second, write);
    if (low == NULL || high == NULL || tag_of(low, desc) != first ||
        tag_of(high, desc) != second || desc & HOST_DESC_ALIGN ||
        UNLIKELY(engine->lockstep != NULL || engine->commit_log != NULL ||
                 engine->debug.watch_count != 0)) {
        return false;
    }
    host[0] = (u8 *)(uintptr_t)(gva + low->addend);
    host[1] = (u8 *)(uintptr_t)(second + high->addend);
    return true;
}

/* Several accesses in one, where none of them does anything but read memory. */
static bool load_pieces(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    struct split split = {.bytes = {size_bytes, 0}, .gva = {gva, 0}};
    bool crosses = crosses_page(gva, size_bytes);
    bool found = vcpu->engine->debug.watch_count == 0 && vcpu->engine->commit_log == NULL &&
                 (crosses ? split_translate(vcpu, gva, size_bytes, VCPU_READ, &split)
                          : translate(vcpu, gva, size_bytes, VCPU_READ, &split.place[0]));
    if (!found || split.place[0].host == NULL || (crosses && split.place[1].host == NULL)) {
        vcpu->exception_pending = 0;
        return vcpu_raise(vcpu, PIECES_CAUSE, 0);
    }
    u8 bytes[8] = {0};
    memcpy(bytes, split.place[0].host, split.bytes[0]);
    if (crosses) {
        memcpy(bytes + split.bytes[0], split.place[1].host, split.bytes[1]);
    }
    *value = ld_le(bytes, size_bytes);
    return true;
}

static u64 slow_load(struct vcpu *vcpu, gva_t gva, u32 desc, gpa_t device)
{
    unsigned size_bytes = host_desc_size_bytes(desc);
    u64 value = 0;
    if (device != HOST_NO_DEVICE && !(desc & HOST_DESC_WRITE)) {
        read_device(vcpu, gva, device, size_bytes, &value);
        return host_desc_extend(value, desc);
    }
    if ((desc & HOST_DESC_ALIGN) && (gva & (size_bytes - 1))) {
        vcpu->guest->raise_misaligned(vcpu, gva, desc & HOST_DESC_WRITE ? VCPU_WRITE : VCPU_READ);
        return 0;
    }
    if ((desc & HOST_DESC_WRITE) && !softmmu_check(vcpu, gva, size_bytes, true)) {
        return 0;
    }
    if (desc & HOST_DESC_PIECES) {
        load_pieces(vcpu, gva, size_bytes, &value);
    } else {
        softmmu_load(vcpu, gva, size_bytes, &value);
    }
    return host_desc_extend(value, desc);
}

static void slow_store(struct vcpu *vcpu, gva_t gva, u64 value, u32 desc, gpa_t device)
{
    unsigned size_bytes = host_desc_size_bytes(desc);
    if ((desc & HOST_DESC_ALIGN) && (gva & (size_bytes - 1))) {
        vcpu->guest->raise_misaligned(vcpu, gva, VCPU_WRITE);
        return;
    }
    u64 mask = size_bytes == 8 ? ~(u64)0 : ((u64)1 << (8 * size_bytes)) - 1;
    if (device == HOST_NO_DEVICE) {
        softmmu_store(vcpu, gva, size_bytes, value & mask);
    } else {
        store_device(vcpu, gva, device, size_bytes, value & mask);
    }
}

/* What the operation stores, given the old value; false when a CAS does not match. */
static bool amo_new_value(u32 amo, unsigned size_bytes, u64 old, u64 value, u64 expected,
                          u64 *stored)
{
    u64 mask = size_bytes == 4 ? 0xffffffffu : ~(u64)0;
    if (amo == HOST_AMO_CAS) {
        *stored = value;
        return (old & mask) == (expected & mask);
    }
    enum ir_type type = size_bytes == 4 ? IR_I32 : IR_I64;
    *stored = ir_eval_amo((enum ir_amo)amo, type, old & mask, value & mask);
    return true;
}

static u64 atomic_apply(u8 *host, unsigned size_bytes, u32 amo, u64 value, u64 expected)
{
    u64 stored;
    if (size_bytes == 4) {
        u32 *word = (u32 *)(void *)host;
        u32 old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
        while (amo_new_value(amo, 4, old, value, expected, &stored) &&
               !__atomic_compare_exchange_n(word, &old, (u32)stored, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST)) {
        }
        return old;
    }
    u64 *word = (u64 *)(void *)host;
    u64 old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    while (amo_new_value(amo, 8, old, value, expected, &stored) &&
           !__atomic_compare_exchange_n(word, &old, stored, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
    return old;
}

/* A device sees a read and a write. What refuses the read refuses the whole, as a store. */
static u64 device_amo(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u32 amo, u64 value,
                      u64 expected)
{
    u64 old = 0;
    u64 stored;
    if (!softmmu_load(vcpu, gva, size_bytes, &old)) {
        raise_access(vcpu, gva, VCPU_WRITE);
    } else if (amo_new_value(amo, size_bytes, old, value, expected, &stored)) {
        softmmu_store(vcpu, gva, size_bytes, stored);
    }
    return old;
}

static u64 slow_amo(struct vcpu *vcpu, gva_t gva, u64 value, u64 expected, u32 desc)
{
    unsigned size_bytes = host_desc_size_bytes(desc);
    u32 amo = (desc >> HOST_DESC_AMO_SHIFT) & HOST_DESC_AMO_MASK;
    if (gva & (size_bytes - 1)) {
        vcpu->guest->raise_misaligned(vcpu, gva, VCPU_WRITE);
        return 0;
    }
    if (amo == HOST_AMO_CAS && !softmmu_swap_allowed(vcpu, gva, size_bytes, expected)) {
        return 0;
    }
    u8 *host = softmmu_atomic_host(vcpu, gva, size_bytes);
    if (host != NULL) {
        return atomic_apply(host, size_bytes, amo, value, expected);
    }
    return vcpu->exception_pending ? 0 : device_amo(vcpu, gva, size_bytes, amo, value, expected);
}

static void slow_check(struct vcpu *vcpu, gva_t gva, u32 desc)
{
    unsigned size_bytes = host_desc_size_bytes(desc);
    bool write = (desc & HOST_DESC_WRITE) != 0;
    if ((desc & HOST_DESC_ALIGN) && (gva & (size_bytes - 1))) {
        vcpu->guest->raise_misaligned(vcpu, gva, write ? VCPU_WRITE : VCPU_READ);
        return;
    }
    softmmu_check(vcpu, gva, size_bytes, write);
}

const struct host_slow softmmu_slow = {
    .guest_refills = true,
    .over_page = softmmu_over_page,
    .refill = refill,
    .load = slow_load,
    .store = slow_store,
    .amo = slow_amo,
    .check = slow_check,
    .raised = engine_raised,
    .polled = engine_polled,
    .jump_missed = engine_jump_missed,
    .link_missed = engine_link_missed,
    .split = engine_trace_split,
    .guessed = engine_trace_guessed,
    .strayed = engine_trace_strayed,
    .probe_full = probe_full,
};
