/* See tlb.h. */
#include "cpu/tlb.h"

#include "cpu/base/error.h"
#include "cpu/base/zeros.h"
#include "cpu/tlb_insert.h"
#include "cpu/tlb_select.h"

#include <stdlib.h>
#include <string.h>

/* The number of a set bit of `mask`, which must have one. */
static unsigned bit_of(u32 mask)
{
    return (unsigned)__builtin_ctz(mask);
}

/* Empties the table that `puts` is about: entries of ones are empty. */
static void puts_empty(struct tlb_puts *puts, void *table, size_t entry_bytes, size_t entries)
{
    if (puts->count > TLB_PUTS_LOGGED) {
        memset(table, 0xff, entries * entry_bytes);
    } else {
        for (u32 n = 0; n < puts->count; n++) {
            memset((u8 *)table + puts->index[n] * entry_bytes, 0xff, entry_bytes);
        }
    }
    puts->count = 0;
}

static struct fetch_entry *fetch_slot(struct fetch_space *space, gva_t page)
{
    return &space->pages[(page >> PAGE_BITS) & (TLB_FETCH_ENTRIES - 1)];
}

/* What was remembered of the space's entries is no longer known to be permitted. */
static void data_space_renew(struct vcpu *vcpu, struct tlb_space *space)
{
    struct tlb *tlb = vcpu->tlb_state;
    space->epoch = tlb->data_epochs += 2;
    if (space == tlb->data_now) {
        vcpu->data_epoch = space->epoch;
    }
}

void tlb_renew_data(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    for (u32 left = tlb->data_keys.used; left != 0; left &= left - 1) {
        data_space_renew(vcpu, &tlb->data[bit_of(left)]);
    }
}

static void many_empty(struct tlb_space *space)
{
    if (space->many_count > TLB_MANY_LOGGED) {
        memset(space->others, 0xff, TLB_MANY * sizeof(*space->others));
    } else {
        for (u32 n = 0; n < space->many_count; n++) {
            entry_clear(&space->others[space->many_index[n]]);
        }
    }
    space->many_count = 0;
}

static void data_space_empty(struct vcpu *vcpu, struct tlb_space *space)
{
    struct tlb *tlb = vcpu->tlb_state;
    tlb->flushes += space->puts.count != 0;
    data_space_renew(vcpu, space);
    puts_empty(&space->puts, space->entries, sizeof(*space->entries), TLB_ENTRIES);
    many_empty(space);
    space->lost = 0;
    space->span = vcpu->span = (struct tlb_span){0, 0, 0}; /* it is or becomes the current one */
    space->write_span = vcpu->write_span = space->span;
    space->key->has_private = false;
    space->moved_any = false;
    space->large_first = 1;
    space->large_last = 0;
}

/* Empties the space at once when generated code is using it, else lets its slot be claimed: so a
 * fence costs one emptying however many address spaces are cached. */
static void data_space_drop(struct vcpu *vcpu, struct tlb_space *space)
{
    struct tlb *tlb = vcpu->tlb_state;
    if (space == tlb->data_now) {
        data_space_empty(vcpu, space);
    } else {
        tlb->data_keys.used &= ~(1u << (space - tlb->data));
        tlb->generation++;
    }
}

static void jumps_empty(struct fetch_space *space)
{
    puts_empty(&space->jump_puts, space->jumps, sizeof(*space->jumps), TLB_JUMP_ENTRIES);
    if (space->evicted_any) {
        memset(space->evicted, 0, sizeof(space->evicted));
        space->evicted_any = false;
    }
}

/* The numbers ran out: every proof goes, and every space gets a new one. */
static void epochs_restart(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    if (vcpu->proved_links != 0) {
        memset(vcpu->link_proofs, 0, vcpu->proved_links * sizeof(*vcpu->link_proofs));
    }
    vcpu->proved_links = 0;
    tlb->next_epoch = 1;
    for (u32 left = tlb->fetch_keys.used; left != 0; left &= left - 1) {
        tlb->fetch[bit_of(left)].epoch = tlb->next_epoch++;
    }
    if (tlb->fetch_now != NULL) {
        vcpu->link_epoch = tlb->fetch_now->epoch;
    }
}

/* A new epoch makes every cross-page link proved under the old one unproved. */
static void fetch_space_renew(struct vcpu *vcpu, struct fetch_space *space)
{
    struct tlb *tlb = vcpu->tlb_state;
    jumps_empty(space);
    if (tlb->next_epoch > TLB_EPOCHS) {
        epochs_restart(vcpu);
    }
    space->epoch = tlb->next_epoch++;
    if (space == tlb->fetch_now) {
        vcpu->link_epoch = space->epoch;
    }
}

static void fetch_space_empty(struct vcpu *vcpu, struct fetch_space *space)
{
    fetch_space_renew(vcpu, space);
    puts_empty(&space->page_puts, space->pages, sizeof(space->pages[0]), TLB_FETCH_ENTRIES);
    space->key->has_private = false;
    space->large_first = 1;
    space->large_last = 0;
}

static void fetch_space_drop(struct vcpu *vcpu, struct fetch_space *space)
{
    struct tlb *tlb = vcpu->tlb_state;
    if (space == tlb->fetch_now) {
        fetch_space_empty(vcpu, space);
    } else {
        tlb->fetch_keys.used &= ~(1u << (space - tlb->fetch));
        tlb->generation++;
    }
}

enum {
    ASK_PUTS = 32, /* with so many there will be some in most pages of a table of jumps soon */
    DATA_TABLE_BYTES = TLB_ENTRIES * sizeof(struct tlb_entry),
    JUMP_TABLE_BYTES = TLB_JUMP_ENTRIES * sizeof(struct jump_entry),
    /* A hart's tables, those of its data spaces first, where a huge page may begin. */
    DATA_TABLES_BYTES = TLB_SPACES * DATA_TABLE_BYTES,
    MANY_BYTES = TLB_MANY * sizeof(struct tlb_entry),
    MANY_OFFSET = DATA_TABLES_BYTES + TLB_SPACES * JUMP_TABLE_BYTES,
    TABLES_BYTES = MANY_OFFSET + TLB_SPACES * MANY_BYTES,
    /* With so many the host gives huge pages: a system with processes will have them all. */
    HUGE_DATA_SPACES = 4,
    HUGE_JUMP_TABLES = 2,
};

_Static_assert((int)DATA_TABLES_BYTES == (int)ZEROS_HUGE_BYTES, "one huge page");
_Static_assert((int)MANY_BYTES == (int)ZEROS_HUGE_BYTES && MANY_OFFSET % MANY_BYTES == 0,
               "a huge page each");
_Static_assert((int)ZEROS_HUGE_BYTES % (int)JUMP_TABLE_BYTES == 0, "none lies in two huge pages");

/* New tables are the host's zeros, untouched, and so take as much memory as they are used. Zeros
 * are empty but where something looks for page (or pc) 0. */

static void ask_for_data(struct tlb *tlb, struct tlb_space *space)
{
    bool many = __builtin_popcount(tlb->data_made) == HUGE_DATA_SPACES;
    if (!many || zeros_ask_huge(tlb->space_tables, TABLES_BYTES, 0) == 0) {
        zeros_ask(space->entries, DATA_TABLE_BYTES); /* most of it is soon used */
    }
}

static void ask_for_jumps(struct tlb *tlb, struct fetch_space *space)
{
    size_t at = (size_t)((u8 *)space->jumps - tlb->space_tables);
    space->jumps_asked = true;
    if (++tlb->jumps_asked < HUGE_JUMP_TABLES ||
        zeros_ask_huge(tlb->space_tables, TABLES_BYTES, at) == at) {
        zeros_ask(space->jumps, JUMP_TABLE_BYTES);
    }
}

static const gva_t last_page = ~(gva_t)0 & PAGE_MASK;

/* Accesses that end in page 0 are looked for at its entries or, when they begin in the last page
 * of all, at those of that one. */
static void others_make(struct tlb_space *space)
{
    entry_clear(tlb_other(space, 0));
    entry_clear(tlb_other(space, last_page));
}

static void data_space_make(struct tlb *tlb, unsigned n)
{
    struct tlb_space *space = &tlb->data[n];
    space->key = &tlb->data_keys.key[n];
    space->epoch = tlb->data_epochs += 2;
    space->entries = (void *)(tlb->space_tables + (size_t)n * DATA_TABLE_BYTES);
    tlb_set_others(space, space->entries, TLB_ENTRIES);
    tlb->data_made |= 1u << n;
    if (tlb->in_use) {
        ask_for_data(tlb, space);
    }
    entry_clear(&space->entries[tlb_index(0)]);
    entry_clear(&space->entries[tlb_index(last_page)]);
    others_make(space);
    space->puts.count = 0;
}

/* The current space gets TLB_MANY other entries. It begins anew: what is in it now may be where it
 * would not be looked for any more. */
static void data_space_grow(struct vcpu *vcpu, struct tlb_space *space)
{
    struct tlb *tlb = vcpu->tlb_state;
    unsigned n = (unsigned)(space - tlb->data);
    data_space_empty(vcpu, space);
    tlb_set_others(space, (void *)(tlb->space_tables + MANY_OFFSET + (size_t)n * MANY_BYTES),
                   TLB_MANY);
    if (!(tlb->many_made >> n & 1)) {
        tlb->many_made |= 1u << n;
        zeros_ask_huge(space->others, MANY_BYTES, 0);
        others_make(space);
    }
    tlb_use_others(vcpu, space);
}

static void fetch_space_make(struct tlb *tlb, unsigned n)
{
    const struct jump_entry none = {TLB_TAG_NONE, NULL};
    struct fetch_space *space = &tlb->fetch[n];
    space->key = &tlb->fetch_keys.key[n];
    space->jumps = (void *)(tlb->space_tables + DATA_TABLES_BYTES + (size_t)n * JUMP_TABLE_BYTES);
    space->jumps[jump_index(0)] = none;
    space->jumps[jump_index_other(jump_index(0))] = none;
    space->jump_puts.count = 0;
    fetch_slot(space, 0)->page = TLB_TAG_NONE; /* the others are zeros, too, with the hart's */
    space->page_puts.count = 0;
}

void tlb_expect_use(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    if (UNLIKELY(!tlb->in_use)) {
        tlb->in_use = true;
        ask_for_data(tlb, tlb->data_now);
    }
}

bool tlb_init(struct vcpu *vcpu)
{
    struct tlb *tlb = zeros_new(sizeof(*tlb));
    vcpu->tlb_state = tlb;
    if (tlb == NULL || (tlb->space_tables = zeros_new_growing(TABLES_BYTES)) == NULL) {
        tlb_fini(vcpu);
        return false;
    }
    tlb->data_epochs = 1;
    data_space_make(tlb, 0);
    fetch_space_make(tlb, 0);
    tlb->next_epoch = 1;
    tlb->generation = 1;
    tlb->tables.epoch = 1;
    tlb_select_data(vcpu, 0, 0, 0, true);
    tlb_select_fetch(vcpu, 0, 0, 0, true);
    /* Nothing is in them: whoever selects first may have them. */
    tlb->data_keys.used = 0;
    tlb->fetch_keys.used = 0;
    return true;
}

void tlb_fini(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    if (tlb == NULL) {
        return;
    }
    zeros_free(tlb->space_tables, TABLES_BYTES);
    zeros_free(tlb, sizeof(*tlb));
    vcpu->tlb_state = NULL;
}

/* --- which space serves a context --- */

/* Which space to use; *claimed: it served somebody else and must be emptied. *moved: it serves
 * another address space than before, as one that all share may. */
static unsigned keys_select(struct tlb_keys *keys, const struct tlb_context *wanted, bool *claimed,
                            bool *moved)
{
    u64 hash = wanted->address_space * 0x9e3779b97f4a7c15u >> 60;
    u8 *hint = &keys->hint[(hash ^ wanted->regime) % TLB_SPACES];
    unsigned i = *hint;
    *claimed = false;
    if (UNLIKELY(!(keys->used >> i & 1) || !tlb_key_fits(&keys->key[i], wanted))) {
        i = tlb_keys_search(keys, wanted, claimed);
        *hint = (u8)i;
    }
    struct tlb_key *key = &keys->key[i];
    *moved = *claimed || key->address_space != wanted->address_space || key->asid != wanted->asid;
    keys->used |= 1u << i;
    key->address_space = wanted->address_space;
    key->asid = wanted->asid;
    key->regime = wanted->regime;
    key->shared = wanted->shared;
    key->last_use = ++keys->clock;
    return i;
}

void tlb_select_data(struct vcpu *vcpu, u64 address_space, u32 asid, u8 klass, bool shared)
{
    struct tlb *tlb = vcpu->tlb_state;
    struct tlb_context wanted = {address_space, asid, klass, shared};
    bool claimed, moved;
    unsigned n = keys_select(&tlb->data_keys, &wanted, &claimed, &moved);
    struct tlb_space *space = &tlb->data[n];
    tlb->generation += moved;
    if (UNLIKELY(claimed)) {
        if (space->entries == NULL) {
            data_space_make(tlb, n);
        }
        data_space_empty(vcpu, space);
        tlb_set_others(space, space->entries, TLB_ENTRIES);
    }
    tlb_use_data(vcpu, space);
}

void tlb_select_fetch(struct vcpu *vcpu, u64 address_space, u32 asid, u32 mode, bool shared)
{
    struct tlb *tlb = vcpu->tlb_state;
    struct tlb_context wanted = {address_space, asid, mode, shared};
    bool claimed, moved;
    unsigned n = keys_select(&tlb->fetch_keys, &wanted, &claimed, &moved);
    struct fetch_space *space = &tlb->fetch[n];
    tlb->generation += moved;
    if (UNLIKELY(claimed)) {
        if (space->jumps == NULL) {
            fetch_space_make(tlb, n);
        }
        fetch_space_empty(vcpu, space);
    }
    tlb_use_fetch(vcpu, space);
}

void tlb_note_selection(const struct vcpu *vcpu, struct tlb_selection *selection)
{
    const struct tlb *tlb = vcpu->tlb_state;
    *selection = (struct tlb_selection){tlb->generation, tlb->data_now, tlb->fetch_now};
}

/* --- fences --- */

static void tables_forget(struct tlb_tables *tables)
{
    if (UNLIKELY(++tables->epoch >> TLB_TABLE_BITS != 0)) {
        *tables = (struct tlb_tables){.epoch = 1};
    }
}

void tlb_flush_all(struct vcpu *vcpu)
{
    vcpu_event(vcpu, VCPU_EVENT_TLB_FLUSH, ~(u64)0, ~(u64)0, 0);
    struct tlb *tlb = vcpu->tlb_state;
    tables_forget(&tlb->tables);
    for (u32 left = tlb->data_keys.used; left != 0; left &= left - 1) {
        data_space_drop(vcpu, &tlb->data[bit_of(left)]);
    }
    for (u32 left = tlb->fetch_keys.used; left != 0; left &= left - 1) {
        fetch_space_drop(vcpu, &tlb->fetch[bit_of(left)]);
    }
}

/* A shared space may hold any address space's global entries; an ASID fence leaves those alone,
 * but its private ones belong to the space's present ASID. */
static bool asid_fence_concerns(const struct tlb_key *key, u32 asid)
{
    return key->asid == asid && (!key->shared || key->has_private);
}

void tlb_flush_asid(struct vcpu *vcpu, u32 asid)
{
    vcpu_event(vcpu, VCPU_EVENT_TLB_FLUSH, ~(u64)0, asid, 0);
    struct tlb *tlb = vcpu->tlb_state;
    tables_forget(&tlb->tables);
    for (u32 left = tlb->data_keys.used; left != 0; left &= left - 1) {
        if (asid_fence_concerns(&tlb->data_keys.key[bit_of(left)], asid)) {
            data_space_drop(vcpu, &tlb->data[bit_of(left)]);
        }
    }
    for (u32 left = tlb->fetch_keys.used; left != 0; left &= left - 1) {
        if (asid_fence_concerns(&tlb->fetch_keys.key[bit_of(left)], asid)) {
            fetch_space_drop(vcpu, &tlb->fetch[bit_of(left)]);
        }
    }
}

struct tlb_entry *tlb_find(const struct vcpu *vcpu, gva_t page, bool write)
{
    for (u32 way = 0; way < 2; way++) {
        struct tlb_entry *entry = way == 0 ? &vcpu->tlb[tlb_index(page)]
                                           : tlb_other(vcpu->tlb_state->data_now, page);
        u64 tag = write ? entry->write_tag : entry->read_tag;
        if ((tag & ~TLB_TAG_SLOW) == page) {
            return entry;
        }
    }
    return NULL;
}

/* Where a page goes: its own entry if it has one already, or its first choice. A page is never in
 * two entries. */
static struct tlb_entry *entry_claim(struct tlb *tlb, struct tlb_space *space, gva_t page)
{
    struct tlb_entry *first = &space->entries[tlb_index(page)];
    struct tlb_entry *other = tlb_other(space, page);
    if (entry_holds(other, page)) {
        return other;
    }
    if (!entry_holds(first, page)) {
        struct tlb_entry *place = UNLIKELY(tlb->hostile_others) ? other : first;
        make_room(tlb, space, place);
        space->moved_any |= place != first;
        return place;
    }
    return first;
}

static inline void data_flush_page(struct vcpu *vcpu, struct tlb_space *space, gva_t page)
{
    if (UNLIKELY(page >= space->large_first && page <= space->large_last)) {
        data_space_drop(vcpu, space);
        return;
    }
    data_space_renew(vcpu, space); /* an entry that lost its place may be remembered */
    struct tlb_entry *entry = &space->entries[tlb_index(page)];
    if (entry_holds(entry, page)) {
        entry_clear(entry);
    }
    entry = tlb_other(space, page);
    if (UNLIKELY(space->moved_any) && entry_holds(entry, page)) {
        entry_clear(entry);
    }
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

static inline void fetch_flush_page(struct vcpu *vcpu, struct fetch_space *space, gva_t page)
{
    if (UNLIKELY(page >= space->large_first && page <= space->large_last)) {
        fetch_space_drop(vcpu, space);
        return;
    }
    struct fetch_entry *entry = fetch_slot(space, page);
    if (UNLIKELY(entry->page == page)) {
        entry->page = TLB_TAG_NONE;
        fetch_space_renew(vcpu, space);
    } else if (UNLIKELY(space->evicted_any) && evicted_has(space, page)) {
        fetch_space_renew(vcpu, space);
    }
}

void tlb_flush_page(struct vcpu *vcpu, gva_t gva, u32 asid_or_any)
{
    vcpu_event(vcpu, VCPU_EVENT_TLB_FLUSH, gva, asid_or_any, 0);
    struct tlb *tlb = vcpu->tlb_state;
    gva_t page = gva & PAGE_MASK;
    for (u32 left = tlb->data_keys.used; left != 0; left &= left - 1) {
        const struct tlb_key *key = &tlb->data_keys.key[bit_of(left)];
        if (asid_or_any == TLB_ANY_ASID || key->asid == asid_or_any || key->shared) {
            data_flush_page(vcpu, &tlb->data[bit_of(left)], page);
        }
    }
    for (u32 left = tlb->fetch_keys.used; left != 0; left &= left - 1) {
        const struct tlb_key *key = &tlb->fetch_keys.key[bit_of(left)];
        if (asid_or_any == TLB_ANY_ASID || key->asid == asid_or_any || key->shared) {
            fetch_flush_page(vcpu, &tlb->fetch[bit_of(left)], page);
        }
    }
}

/* Of entries that are not all known none stays, or this could take long again and again. */
static void many_flush_writes(struct tlb_space *space)
{
    if (space->many_count > TLB_MANY_LOGGED) {
        many_empty(space);
    }
    for (u32 n = 0; n < space->many_count; n++) {
        space->others[space->many_index[n]].write_tag = TLB_TAG_NONE;
    }
}

void tlb_flush_writes(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    tlb_renew_data(vcpu);
    for (u32 left = tlb->data_keys.used; left != 0; left &= left - 1) {
        struct tlb_space *space = &tlb->data[bit_of(left)];
        bool logged = space->puts.count <= TLB_PUTS_LOGGED;
        u32 count = logged ? space->puts.count : (u32)TLB_ENTRIES;
        for (u32 n = 0; n < count; n++) {
            space->entries[logged ? space->puts.index[n] : n].write_tag = TLB_TAG_NONE;
        }
        many_flush_writes(space);
        space->write_span = vcpu->write_span = (struct tlb_span){0, 0, 0};
    }
}

void tlb_flush_jumps(struct vcpu *vcpu)
{
    struct tlb *tlb = vcpu->tlb_state;
    for (u32 left = tlb->fetch_keys.used; left != 0; left &= left - 1) {
        fetch_space_renew(vcpu, &tlb->fetch[bit_of(left)]);
    }
}

static void jump_forget(struct jump_entry *jump, const void *host)
{
    if (jump->host == host) {
        jump->pc = TLB_TAG_NONE;
    }
}

void tlb_flush_jump(struct vcpu *vcpu, u32 page_offset, const void *host)
{
    struct tlb *tlb = vcpu->tlb_state;
    const u32 step = jump_index(PAGE_BYTES);
    for (u32 left = tlb->fetch_keys.used; left != 0; left &= left - 1) {
        struct fetch_space *space = &tlb->fetch[bit_of(left)];
        if (!space->jumps_asked) {
            for (u32 n = 0; n < space->jump_puts.count; n++) {
                jump_forget(&space->jumps[space->jump_puts.index[n]], host);
            }
            continue; /* the others' pages were never touched */
        }
        for (u32 n = jump_index(page_offset); n < TLB_JUMP_ENTRIES; n += step) {
            jump_forget(&space->jumps[n], host);
        }
    }
}

struct tlb_entry *tlb_insert(struct vcpu *vcpu, const struct tlb_fill *fill)
{
    struct tlb *tlb = vcpu->tlb_state;
    if (UNLIKELY(tlb->hostile_entries)) {
        data_space_empty(vcpu, tlb->data_now);
    } else if (growth_is_due(tlb->data_now) ||
               (UNLIKELY(tlb->hostile_others) && !has_many(tlb->data_now))) {
        data_space_grow(vcpu, tlb->data_now);
    }
    struct tlb_entry *entry = entry_claim(tlb, tlb->data_now, fill->page);
    bool slow = fill->host_page == NULL || tlb->all_slow;
    entry_set(tlb, entry, fill, fill->flags | (slow ? (u32)(TLB_SLOW_READ | TLB_SLOW_WRITE) : 0));
    return entry;
}

struct tlb_entry *tlb_vacancy(const struct vcpu *vcpu, gva_t page, struct tlb_entry **holder)
{
    const struct tlb *tlb = vcpu->tlb_state;
    struct tlb_entry *first = &vcpu->tlb[tlb_index(page)];
    struct tlb_entry *other = tlb_other(tlb->data_now, page);
    bool more = tlb->hostile_entries || tlb->hostile_others || tlb->all_slow ||
                growth_is_due(tlb->data_now);
    *holder = entry_holds(first, page) ? first : entry_holds(other, page) ? other : NULL;
    return *holder != NULL || UNLIKELY(more) ? NULL : first;
}

bool tlb_insert_free(struct vcpu *vcpu, const struct tlb_fill *fill)
{
    struct tlb_entry *first = &vcpu->tlb[tlb_index(fill->page)];
    const struct tlb_entry *other = tlb_other(vcpu->tlb_state->data_now, fill->page);
    if (!entry_empty(first) || entry_holds(other, fill->page)) {
        return false;
    }
    entry_set(vcpu->tlb_state, first, fill, fill->flags);
    return true;
}

void tlb_insert_at(struct vcpu *vcpu, struct tlb_entry *vacancy, const struct tlb_fill *fill)
{
    struct tlb *tlb = vcpu->tlb_state;
    make_room(tlb, tlb->data_now, vacancy);
    entry_set(tlb, vacancy, fill, fill->flags);
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
    struct tlb *tlb = vcpu->tlb_state;
    struct fetch_space *space = tlb->fetch_now;
    struct fetch_entry *entry = fetch_slot(space, page);
    bool empty = entry->page == TLB_TAG_NONE || fetch_slot(space, entry->page) != entry;
    if (!empty && entry->page != page) {
        evicted_add(space, entry->page);
        space->evicted_any = true;
    }
    puts_add(&space->page_puts, (u32)(entry - space->pages));
    entry->page = page;
    entry->gpa_page = gpa_page;
    note_global(tlb, space->key, global);
    if (span_bytes > PAGE_BYTES) {
        span_add(&space->large_first, &space->large_last, page, span_bytes);
    }
}

static void jump_put(struct tlb *tlb, u32 index, struct jump_entry entry)
{
    struct fetch_space *space = tlb->fetch_now;
    puts_add(&space->jump_puts, index);
    if (UNLIKELY(space->jump_puts.count == ASK_PUTS) && !space->jumps_asked) {
        ask_for_jumps(tlb, space);
    }
    space->jumps[index] = entry;
}

void tlb_jump_insert(struct vcpu *vcpu, gva_t pc, const void *host)
{
    struct tlb *tlb = vcpu->tlb_state;
    u32 index = jump_index(pc);
    struct jump_entry holder = tlb->fetch_now->jumps[index];
    if (holder.host != NULL && holder.pc != pc) {
        jump_put(tlb, jump_index_other(index), holder);
    }
    jump_put(tlb, index, (struct jump_entry){pc, host});
}

const void *tlb_jump_find(const struct vcpu *vcpu, gva_t pc)
{
    const struct jump_entry *entry = &vcpu->jumps[jump_index(pc)];
    if (entry->pc != pc) {
        entry = &vcpu->jumps[jump_index_other(jump_index(pc))];
    }
    return entry->pc == pc ? entry->host : NULL;
}
