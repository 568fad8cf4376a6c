/* See tlb.h. */
#include "cpu/tlb.h"

#include "cpu/base/error.h"
#include "cpu/vcpu.h"

#include <stdlib.h>
#include <string.h>

enum { SPACE_UNUSED = 0xff };

static void data_space_empty(struct tlb *tlb, struct tlb_space *space)
{
    if (space->dirty) {
        memset(space->entries, 0xff, TLB_ENTRIES * sizeof(*space->entries));
        tlb->flushes++;
    }
    space->dirty = false;
    space->has_private = false;
    space->large_first = 1;
    space->large_last = 0;
}

/* Empties the space at once when generated code is using it, else lets its slot be claimed: so a
 * fence costs one emptying however many address spaces are cached. */
static void data_space_drop(struct tlb *tlb, struct tlb_space *space)
{
    if (space == tlb->data_now) {
        data_space_empty(tlb, space);
    } else {
        space->klass = SPACE_UNUSED;
    }
}

static void jumps_empty(struct fetch_space *space)
{
    if (space->jumps_put > TLB_JUMPS_LOGGED) {
        memset(space->jumps, 0xff, TLB_JUMP_ENTRIES * sizeof(*space->jumps));
    } else {
        for (u32 n = 0; n < space->jumps_put; n++) {
            space->jumps[space->jumps_log[n]].pc = TLB_TAG_NONE;
        }
    }
    space->jumps_put = 0;
    if (space->evicted_any) {
        memset(space->evicted, 0, sizeof(space->evicted));
        space->evicted_any = false;
    }
}

/* A new epoch makes every cross-page link proved under the old one unproved. */
static void fetch_space_renew(struct vcpu *vcpu, struct fetch_space *space)
{
    struct tlb *tlb = vcpu->tlb_state;
    jumps_empty(space);
    space->epoch = tlb->next_epoch++;
    if (tlb->next_epoch == 0) {
        tlb->next_epoch = 1;
    }
    if (space == tlb->fetch_now) {
        vcpu->link_epoch = space->epoch;
    }
}

static void fetch_space_empty(struct vcpu *vcpu, struct fetch_space *space)
{
    fetch_space_renew(vcpu, space);
    if (space->dirty) {
        memset(space->pages, 0xff, sizeof(space->pages));
    }
    space->dirty = false;
    space->has_private = false;
    space->large_first = 1;
    space->large_last = 0;
}

static void fetch_space_drop(struct vcpu *vcpu, struct fetch_space *space)
{
    if (space == vcpu->tlb_state->fetch_now) {
        fetch_space_empty(vcpu, space);
    } else {
        space->epoch = 0;
    }
}

void tlb_init(struct vcpu *vcpu)
{
    struct tlb *tlb = calloc(1, sizeof(*tlb));
    CHECK(tlb != NULL);
    vcpu->tlb_state = tlb;
    tlb->next_epoch = 1;
    for (unsigned i = 0; i < TLB_DATA_SPACES; i++) {
        tlb->data[i].klass = SPACE_UNUSED;
    }
    tlb_select_data(vcpu, 0, 0, 0, true);
    tlb_select_fetch(vcpu, 0, 0, 0, true);
}

void tlb_fini(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    if (tlb == NULL) {
        return;
    }
    for (unsigned i = 0; i < TLB_DATA_SPACES; i++) {
        free(tlb->data[i].entries);
    }
    for (unsigned i = 0; i < TLB_FETCH_SPACES; i++) {
        free(tlb->fetch[i].jumps);
    }
    free(tlb);
    vcpu->tlb_state = NULL;
}

static bool data_space_fits(const struct tlb_space *space, u64 address_space, u8 klass, bool shared)
{
    return space->klass == klass && space->shared == shared &&
           (shared || space->address_space == address_space);
}

static struct tlb_space *data_space_claim(struct tlb *tlb)
{
    struct tlb_space *oldest = &tlb->data[0];
    for (unsigned i = 0; i < TLB_DATA_SPACES; i++) {
        struct tlb_space *space = &tlb->data[i];
        if (space->klass == SPACE_UNUSED) {
            oldest = space;
            break;
        }
        if (space->last_use < oldest->last_use) {
            oldest = space;
        }
    }
    if (oldest->entries == NULL) {
        /* Aligned to its size: generated code finds the other way by flipping an address bit. */
        size_t bytes = TLB_ENTRIES * sizeof(*oldest->entries);
        oldest->entries = aligned_alloc(bytes, bytes);
        CHECK(oldest->entries != NULL);
        oldest->dirty = true;
    }
    data_space_empty(tlb, oldest);
    return oldest;
}

void tlb_select_data(struct vcpu *vcpu, u64 address_space, u32 asid, u8 klass, bool shared)
{
    struct tlb *tlb = vcpu->tlb_state;
    struct tlb_space *space = tlb->data_now;
    if (space == NULL || !data_space_fits(space, address_space, klass, shared)) {
        space = NULL;
        for (unsigned i = 0; i < TLB_DATA_SPACES && space == NULL; i++) {
            if (data_space_fits(&tlb->data[i], address_space, klass, shared)) {
                space = &tlb->data[i];
            }
        }
        if (space == NULL) {
            space = data_space_claim(tlb);
            space->address_space = address_space;
            space->klass = klass;
            space->shared = shared;
        }
        space->last_use = ++tlb->clock;
    }
    if (space->address_space != address_space) {
        if (space->has_private) {
            data_space_empty(tlb, space);
        }
        space->address_space = address_space;
    }
    space->asid = asid;
    tlb->data_now = space;
    vcpu->tlb = space->entries;
}

static bool fetch_space_fits(const struct fetch_space *space, u64 address_space, u32 mode,
                             bool shared)
{
    return space->epoch != 0 && space->mode == mode && space->shared == shared &&
           (shared || space->address_space == address_space);
}

static struct fetch_space *fetch_space_claim(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    struct fetch_space *oldest = &tlb->fetch[0];
    for (unsigned i = 0; i < TLB_FETCH_SPACES; i++) {
        struct fetch_space *space = &tlb->fetch[i];
        if (space->epoch == 0) {
            oldest = space;
            break;
        }
        if (space->last_use < oldest->last_use) {
            oldest = space;
        }
    }
    if (oldest->jumps == NULL) {
        oldest->jumps = malloc(TLB_JUMP_ENTRIES * sizeof(*oldest->jumps));
        CHECK(oldest->jumps != NULL);
        oldest->jumps_put = TLB_JUMPS_LOGGED + 1;
        oldest->dirty = true;
    }
    fetch_space_empty(vcpu, oldest);
    return oldest;
}

void tlb_select_fetch(struct vcpu *vcpu, u64 address_space, u32 asid, u32 mode, bool shared)
{
    struct tlb *tlb = vcpu->tlb_state;
    struct fetch_space *space = tlb->fetch_now;
    if (space == NULL || !fetch_space_fits(space, address_space, mode, shared)) {
        space = NULL;
        for (unsigned i = 0; i < TLB_FETCH_SPACES && space == NULL; i++) {
            if (fetch_space_fits(&tlb->fetch[i], address_space, mode, shared)) {
                space = &tlb->fetch[i];
            }
        }
        if (space == NULL) {
            space = fetch_space_claim(vcpu);
            space->address_space = address_space;
            space->mode = mode;
            space->shared = shared;
        }
        space->last_use = ++tlb->clock;
    }
    if (space->address_space != address_space) {
        if (space->has_private) {
            fetch_space_empty(vcpu, space);
        }
        space->address_space = address_space;
    }
    space->asid = asid;
    tlb->fetch_now = space;
    vcpu->jumps = space->jumps;
    vcpu->link_epoch = space->epoch;
}

void tlb_flush_all(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    for (unsigned i = 0; i < TLB_DATA_SPACES; i++) {
        if (tlb->data[i].klass != SPACE_UNUSED) {
            data_space_drop(tlb, &tlb->data[i]);
        }
    }
    for (unsigned i = 0; i < TLB_FETCH_SPACES; i++) {
        if (tlb->fetch[i].epoch != 0) {
            fetch_space_drop(vcpu, &tlb->fetch[i]);
        }
    }
}

/* A shared space may hold any address space's global entries; an ASID fence leaves those alone,
 * but its private ones belong to the space's present ASID. */
void tlb_flush_asid(struct vcpu *vcpu, u32 asid)
{
    struct tlb *tlb = vcpu->tlb_state;
    for (unsigned i = 0; i < TLB_DATA_SPACES; i++) {
        struct tlb_space *space = &tlb->data[i];
        if (space->klass != SPACE_UNUSED && space->asid == asid &&
            (!space->shared || space->has_private)) {
            data_space_drop(tlb, space);
        }
    }
    for (unsigned i = 0; i < TLB_FETCH_SPACES; i++) {
        struct fetch_space *space = &tlb->fetch[i];
        if (space->epoch != 0 && space->asid == asid && (!space->shared || space->has_private)) {
            fetch_space_drop(vcpu, space);
        }
    }
}

static bool entry_holds(const struct tlb_entry *entry, gva_t page)
{
    return (entry->read_tag & ~TLB_TAG_SLOW) == page || (entry->write_tag & ~TLB_TAG_SLOW) == page;
}

static bool entry_empty(const struct tlb_entry *entry)
{
    return entry->read_tag == TLB_TAG_NONE && entry->write_tag == TLB_TAG_NONE;
}

struct tlb_entry *tlb_find(const struct vcpu *vcpu, gva_t page, bool write)
{
    u32 index = tlb_index(page);
    for (u32 way = 0; way < 2; way++) {
        struct tlb_entry *entry = &vcpu->tlb[index ^ way * TLB_OTHER_WAY];
        u64 tag = write ? entry->write_tag : entry->read_tag;
        if ((tag & ~TLB_TAG_SLOW) == page) {
            return entry;
        }
    }
    return NULL;
}

/* Where a page goes: its own entry if it has one already, or its first choice, whose holder moves
 * to the other way or, every second time, makes room. A page is never in both ways. */
static struct tlb_entry *entry_claim(struct tlb *tlb, struct tlb_space *space, gva_t page)
{
    struct tlb_entry *first = &space->entries[tlb_index(page)];
    struct tlb_entry *other = &space->entries[tlb_index(page) ^ TLB_OTHER_WAY];
    if (entry_holds(other, page)) {
        return other;
    }
    if (entry_holds(first, page) || entry_empty(first)) {
        return first;
    }
    /* Always moving the holder would let two pages at home in the two ways push each other out for
     * ever while a third, unused one stays. */
    tlb->keep_other = !tlb->keep_other;
    if (entry_empty(other) || !tlb->keep_other) {
        *other = *first;
    }
    return first;
}

static void data_flush_page(struct tlb *tlb, struct tlb_space *space, gva_t page)
{
    if (page >= space->large_first && page <= space->large_last) {
        data_space_drop(tlb, space);
        return;
    }
    for (u32 way = 0; way < 2; way++) {
        struct tlb_entry *entry = &space->entries[tlb_index(page) ^ way * TLB_OTHER_WAY];
        if (entry_holds(entry, page)) {
            memset(entry, 0xff, sizeof(*entry));
        }
    }
}

static struct fetch_entry *fetch_slot(struct fetch_space *space, gva_t page)
{
    return &space->pages[(page >> PAGE_BITS) & (TLB_FETCH_ENTRIES - 1)];
}

static u64 *evicted_word(struct fetch_space *space, gva_t page, u64 *bit)
{
    u64 hash = (page >> PAGE_BITS) * 0x9e3779b97f4a7c15u >> 48;
    *bit = (u64)1 << (hash & 63);
    return &space->evicted[(hash >> 6) % TLB_EVICTED_WORDS];
}

static bool evicted_has(struct fetch_space *space, gva_t page)
{
    u64 bit;
    return (*evicted_word(space, page, &bit) & bit) != 0;
}

static void evicted_add(struct fetch_space *space, gva_t page)
{
    u64 bit;
    u64 *word = evicted_word(space, page, &bit);
    *word |= bit;
}

static void fetch_flush_page(struct vcpu *vcpu, struct fetch_space *space, gva_t page)
{
    if (page >= space->large_first && page <= space->large_last) {
        fetch_space_drop(vcpu, space);
        return;
    }
    struct fetch_entry *entry = fetch_slot(space, page);
    if (entry->page == page) {
        entry->page = TLB_TAG_NONE;
        fetch_space_renew(vcpu, space);
    } else if (evicted_has(space, page)) {
        fetch_space_renew(vcpu, space);
    }
}

void tlb_flush_page(struct vcpu *vcpu, gva_t gva, u32 asid_or_any)
{
    struct tlb *tlb = vcpu->tlb_state;
    gva_t page = gva & PAGE_MASK;
    for (unsigned i = 0; i < TLB_DATA_SPACES; i++) {
        struct tlb_space *space = &tlb->data[i];
        if (space->klass != SPACE_UNUSED && space->dirty &&
            (asid_or_any == TLB_ANY_ASID || space->asid == asid_or_any || space->shared)) {
            data_flush_page(tlb, space, page);
        }
    }
    for (unsigned i = 0; i < TLB_FETCH_SPACES; i++) {
        struct fetch_space *space = &tlb->fetch[i];
        if (space->epoch != 0 &&
            (asid_or_any == TLB_ANY_ASID || space->asid == asid_or_any || space->shared)) {
            fetch_flush_page(vcpu, space, page);
        }
    }
}

void tlb_flush_writes(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    for (unsigned i = 0; i < TLB_DATA_SPACES; i++) {
        struct tlb_space *space = &tlb->data[i];
        if (space->dirty) {
            for (unsigned e = 0; e < TLB_ENTRIES; e++) {
                space->entries[e].write_tag = TLB_TAG_NONE;
            }
        }
    }
}

void tlb_flush_jumps(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    for (unsigned i = 0; i < TLB_FETCH_SPACES; i++) {
        if (tlb->fetch[i].epoch != 0) {
            fetch_space_renew(vcpu, &tlb->fetch[i]);
        }
    }
}

void tlb_flush_jump(struct vcpu *vcpu, u32 page_offset, const void *host)
{
    struct tlb *tlb = vcpu->tlb_state;
    const u32 step = jump_index(PAGE_BYTES);
    for (unsigned i = 0; i < TLB_FETCH_SPACES; i++) {
        struct jump_entry *jumps = tlb->fetch[i].epoch != 0 ? tlb->fetch[i].jumps : NULL;
        for (u32 n = jump_index(page_offset); jumps != NULL && n < TLB_JUMP_ENTRIES; n += step) {
            if (jumps[n].host == host) {
                jumps[n].pc = TLB_TAG_NONE;
            }
        }
    }
}

/* Grows a span of addresses that came from large pages. */
static void span_add(gva_t *first, gva_t *last, gva_t page, u64 span_bytes)
{
    gva_t start = page & ~(span_bytes - 1);
    gva_t end = start + span_bytes - PAGE_BYTES;
    if (*first > *last) {
        *first = start;
        *last = end;
        return;
    }
    *first = start < *first ? start : *first;
    *last = end > *last ? end : *last;
}

struct tlb_entry *tlb_insert(struct vcpu *vcpu, const struct tlb_fill *fill)
{
    struct tlb *tlb = vcpu->tlb_state;
    struct tlb_space *space = tlb->data_now;
    if (UNLIKELY(tlb->hostile_entries)) {
        data_space_empty(tlb, space);
    }
    struct tlb_entry *entry = entry_claim(tlb, space, fill->page);
    bool slow = fill->host_page == NULL;
    entry->read_tag = TLB_TAG_NONE;
    entry->write_tag = TLB_TAG_NONE;
    if (fill->readable) {
        entry->read_tag =
            fill->page | (slow || tlb->all_slow || fill->slow_read ? TLB_TAG_SLOW : 0);
    }
    if (fill->writable) {
        entry->write_tag =
            fill->page | (slow || tlb->all_slow || fill->slow_write ? TLB_TAG_SLOW : 0);
    }
    entry->addend = slow ? 0 : (u64)(uintptr_t)fill->host_page - fill->page;
    entry->gpa_page = fill->gpa_page;
    space->dirty = true;
    space->has_private |= !fill->global;
    if (fill->span_bytes > PAGE_BYTES) {
        span_add(&space->large_first, &space->large_last, fill->page, fill->span_bytes);
    }
    tlb->fills++;
    return entry;
}

bool tlb_fetch_find(struct vcpu *vcpu, gva_t page, gpa_t *gpa_page)
{
    struct fetch_entry *entry = fetch_slot(vcpu->tlb_state->fetch_now, page);
    if (entry->page != page) {
        return false;
    }
    *gpa_page = entry->gpa_page;
    return true;
}

/* A page that loses its slot may still have jump entries and proved links; the filter remembers
 * it, so that a fence for it renews the space. */
void tlb_fetch_insert(struct vcpu *vcpu, gva_t page, gpa_t gpa_page, u64 span_bytes, bool global)
{
    struct fetch_space *space = vcpu->tlb_state->fetch_now;
    struct fetch_entry *entry = fetch_slot(space, page);
    if (entry->page != TLB_TAG_NONE && entry->page != page) {
        evicted_add(space, entry->page);
        space->evicted_any = true;
    }
    space->dirty = true;
    entry->page = page;
    entry->gpa_page = gpa_page;
    space->has_private |= !global;
    if (span_bytes > PAGE_BYTES) {
        span_add(&space->large_first, &space->large_last, page, span_bytes);
    }
}

void tlb_jump_insert(struct vcpu *vcpu, gva_t pc, const void *host)
{
    struct fetch_space *space = vcpu->tlb_state->fetch_now;
    u32 index = jump_index(pc);
    struct jump_entry *entry = &space->jumps[index];
    if (space->jumps_put < TLB_JUMPS_LOGGED) {
        space->jumps_log[space->jumps_put] = (u16)index;
    }
    space->jumps_put += space->jumps_put <= TLB_JUMPS_LOGGED;
    entry->pc = pc;
    entry->host = host;
}
