/* See block.h. */
#include "translate/block.h"

#include "cpu/base/arena.h"
#include "cpu/base/bits.h"
#include "cpu/base/zeros.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_HASH_BITS = 13, PAGE_GROUP_BITS = 2 };

/* With so many blocks there will be some in most pages of the buckets soon. */
enum { ASK_BLOCKS = 128 };

/* Blocks near each other have their buckets in the same lines of the host's cache: code that is new
 * is mostly near code that was new just before. */
enum { BUCKET_BYTES_LOG2 = 4, GROUP_BYTES_LOG2 = 8 };
enum { GROUP_BITS = GROUP_BYTES_LOG2 - BUCKET_BYTES_LOG2 };

static u32 block_hash(gpa_t gpa, u32 mode)
{
    u64 key = ((gpa >> GROUP_BYTES_LOG2) ^ ((u64)mode << 40)) * 0x9e3779b97f4a7c15u;
    u32 group = (u32)(key >> (64 - BLOCK_HASH_BITS + GROUP_BITS));
    return group << GROUP_BITS | (u32)bits_get(gpa, BUCKET_BYTES_LOG2, GROUP_BITS);
}

/* Pages that are neighbours have theirs in a line of the host's cache, too. */
static u32 page_hash(gpa_t page)
{
    u64 key = (page >> (PAGE_BITS + PAGE_GROUP_BITS)) * 0x9e3779b97f4a7c15u;
    u32 group = (u32)(key >> (64 - PAGE_HASH_BITS + PAGE_GROUP_BITS));
    return group << PAGE_GROUP_BITS | (u32)bits_get(page, PAGE_BITS, PAGE_GROUP_BITS);
}

static const size_t buckets_bytes = sizeof(_Atomic(struct block *)) << BLOCK_HASH_BITS;
static const size_t pages_bytes = sizeof(struct code_pages) << PAGE_HASH_BITS;
/* Both are in one piece, where a huge page may begin. */
static const size_t hashes_bytes = ZEROS_HUGE_BYTES;
_Static_assert((sizeof(_Atomic(struct block *)) << BLOCK_HASH_BITS) +
                       (sizeof(struct code_pages) << PAGE_HASH_BITS) <= ZEROS_HUGE_BYTES,
               "it is large enough");
static const size_t links_bytes = sizeof(struct link) * BLOCK_MAX_LINKS;

bool block_table_init(struct block_table *table, struct memory *memory)
{
    table->memory = memory;
    table->buckets = zeros_new_growing(hashes_bytes);
    table->pages = (void *)((u8 *)table->buckets + buckets_bytes);
    table->links = zeros_new_growing(links_bytes);
    table->link_count = 1;
    table->arena = arena_new();
    return table->buckets != NULL && table->links != NULL && table->arena != NULL;
}

void *block_alloc(struct block_table *table, size_t size_bytes)
{
    return arena_alloc(table->arena, size_bytes);
}

/* Shadows come and go by the thousand, so those that went are kept. */
struct free_shadow {
    struct free_shadow *next;
};

static u8 *shadow_new(struct block_table *table)
{
    struct free_shadow *shadow = table->free_shadows;
    if (shadow == NULL) {
        return block_alloc(table, PAGE_BYTES);
    }
    table->free_shadows = shadow->next;
    return (u8 *)shadow;
}

static void shadow_free(struct block_table *table, struct code_page *page)
{
    struct free_shadow *shadow = (struct free_shadow *)(void *)page->shadow;
    shadow->next = table->free_shadows;
    table->free_shadows = shadow;
    page->shadow = NULL;
}

static void shadows_free(struct block_table *table)
{
    for (struct code_page *page = table->dirty; page != NULL; page = page->dirty_next) {
        shadow_free(table, page);
    }
    table->dirty = NULL;
    table->dirty_count = 0;
}

void block_table_fini(struct block_table *table)
{
    shadows_free(table);
    arena_free(table->arena);
    zeros_free(table->buckets, hashes_bytes);
    zeros_free(table->links, links_bytes);
}

/* Of the page's blocks. */
static void clear_buckets(struct block_table *table, const struct code_page *page)
{
    for (const struct block *block = page->blocks; block != NULL; block = block->page_next) {
        atomic_store_explicit(&table->buckets[block_hash(block->gpa, block->mode)], NULL,
                              memory_order_relaxed);
    }
}

void block_table_clear(struct block_table *table)
{
    if (arena_used_bytes(table->arena) == 0 && table->link_count == 1) {
        return; /* nothing was ever in it */
    }
    /* A small code buffer fills a small part of the table; but going along many blocks waits for
     * each, which takes longer than all that is in it. */
    bool many = table->block_count >= (1u << BLOCK_HASH_BITS) / 32;
    shadows_free(table);
    for (unsigned i = 0; i < 1u << PAGE_HASH_BITS; i++) {
        for (struct code_page *page = table->pages[i].first; page != NULL; page = page->next) {
            memory_page_clear(table->memory, page->page, MEMORY_PAGE_CODE | MEMORY_PAGE_DIRTY);
            if (!many) {
                clear_buckets(table, page);
            }
        }
    }
    if (many) {
        memset((void *)table->buckets, 0, buckets_bytes);
    }
    memset(table->pages, 0, pages_bytes);
    arena_clear(table->arena);
    table->free_shadows = NULL;
    table->link_count = 1;
    table->block_count = 0;
}

static struct code_page *page_find(const struct block_table *table, gpa_t page)
{
    const struct code_pages *bucket = &table->pages[page_hash(page)];
    struct code_page *code = atomic_load_explicit(&bucket->first, memory_order_acquire);
    if (code == NULL || bucket->page == page) {
        return code;
    }
    do {
        code = atomic_load_explicit(&code->next, memory_order_acquire);
    } while (code != NULL && code->page != page);
    return code;
}

const struct code_page *block_page_find(const struct block_table *table, gpa_t page)
{
    return page_find(table, page);
}

bool block_may_begin(const struct block_table *table, gpa_t gpa)
{
    const struct code_page *page = page_find(table, gpa & PAGE_MASK);
    return page != NULL && block_began(page, (u32)(gpa & PAGE_OFFSET_MASK));
}

struct block *block_find_at(const struct block_table *table, gpa_t gpa, u32 mode,
                            gpa_t second_page, gva_t gva_page)
{
    if (!block_may_begin(table, gpa)) {
        return NULL;
    }
    struct block *block = atomic_load_explicit(&table->buckets[block_hash(gpa, mode)],
                                               memory_order_acquire);
    while (block != NULL && (block->gpa != gpa || block->mode != mode ||
                             block->second_page != second_page ||
                             block->gva_page != gva_page)) {
        block = atomic_load_explicit(&block->hash_next, memory_order_acquire);
    }
    return block;
}

struct block *block_new(struct block_table *table)
{
    struct block *block = block_alloc(table, sizeof(*block));
    block->second_page = BLOCK_NO_PAGE;
    return block;
}

static struct code_page *page_get(struct block_table *table, gpa_t page)
{
    struct code_page *code = page_find(table, page);
    if (code != NULL) {
        return code;
    }
    struct code_pages *bucket = &table->pages[page_hash(page)];
    struct code_page *first = bucket->first;
    code = block_alloc(table, sizeof(*code));
    code->page = page;
    if (first == NULL) {
        bucket->page = page;
        atomic_store_explicit(&bucket->first, code, memory_order_release);
    } else { /* who reads the bucket's number reads that of its first one */
        code->next = atomic_load_explicit(&first->next, memory_order_relaxed);
        atomic_store_explicit(&first->next, code, memory_order_release);
    }
    return code;
}

static unsigned run_shift(u32 offset)
{
    return offset / 2 % 4 * 2;
}

/* Where how often the byte at that offset ran is, with others. */
static _Atomic u8 *runs_at(struct code_page *page, u32 offset)
{
    return &page->pieces[offset / CODE_PIECE_BYTES].runs[offset % CODE_PIECE_BYTES / 8];
}

void block_page_begin(struct block_table *table, gpa_t page)
{
    page_get(table, page);
}

unsigned block_note_run(struct block_table *table, gpa_t gpa)
{
    u32 offset = (u32)(gpa & PAGE_OFFSET_MASK);
    struct code_page *page = page_find(table, gpa & PAGE_MASK);
    if (UNLIKELY(page == NULL)) {
        return BLOCK_RUNS_UNKNOWN;
    }
    _Atomic u8 *at = runs_at(page, offset);
    unsigned runs = atomic_load_explicit(at, memory_order_relaxed);
    unsigned before = runs >> run_shift(offset) & BLOCK_RUNS_MAX;
    if (before < BLOCK_RUNS_MAX) {
        atomic_store_explicit(at, (u8)(runs + (1u << run_shift(offset))), memory_order_relaxed);
    }
    return before;
}

static void forget_runs(struct code_page *page, u32 offset)
{
    atomic_fetch_and(runs_at(page, offset), (u8)~((unsigned)BLOCK_RUNS_MAX << run_shift(offset)));
}

static void unlink_incoming(struct block_table *table, struct block *block)
{
    for (u32 number = block->incoming; number != 0;) {
        struct link *link = &table->links[number];
        u32 next = link->next_incoming;
        table->patch(table->opaque, link, NULL);
        link->to = NULL;
        link->next_incoming = 0;
        number = next;
    }
    block->incoming = 0;
}

/* Takes one link out of its target's incoming list. */
static void incoming_remove(struct block_table *table, u32 number)
{
    struct link *link = &table->links[number];
    if (link->to == NULL) {
        return;
    }
    u32 *at = &link->to->incoming;
    while (*at != number) {
        at = &table->links[*at].next_incoming;
    }
    *at = link->next_incoming;
    link->next_incoming = 0;
    link->to = NULL;
}

/* The removed block keeps its hash_next: a reader may be standing on it. */
static void hash_remove(struct block_table *table, struct block *block)
{
    _Atomic(struct block *) *at = &table->buckets[block_hash(block->gpa, block->mode)];
    struct block *entry;
    while ((entry = atomic_load(at)) != block) {
        at = &entry->hash_next;
    }
    atomic_store(at, atomic_load(&block->hash_next));
}

/* Makes the block unreachable for lookups and links; its own exits are cut too, so that code
 * still running in it comes back to the engine. The page lists are the caller's. */
static void block_kill(struct block_table *table, struct block *block)
{
    if (block->dead) {
        return;
    }
    block->dead = true;
    hash_remove(table, block);
    unlink_incoming(table, block);
    for (u32 i = 0; i < block->link_count; i++) {
        struct link *link = &table->links[block->first_link + i];
        if (link->to != NULL) {
            incoming_remove(table, block->first_link + i);
            table->patch(table->opaque, link, NULL);
        }
    }
    table->block_count--;
    unsigned n = table->removals++ % BLOCK_REMOVED_LOG;
    table->removed[n].gpa = block->gpa;
    table->removed[n].host = block->host;
}

/* Drops dead blocks and their parts from the page's lists. */
static void page_prune(struct code_page *page)
{
    struct block **at = &page->blocks;
    while (*at != NULL) {
        if ((*at)->dead) {
            *at = (*at)->page_next;
        } else {
            at = &(*at)->page_next;
        }
    }
    struct block_part **part = &page->parts;
    while (*part != NULL) {
        if ((*part)->block->dead) {
            *part = (*part)->next;
        } else {
            part = &(*part)->next;
        }
    }
}

/* Removes the page's blocks that overlap bytes [first, last] of it. */
static void page_kill_range(struct block_table *table, struct code_page *page, u32 first, u32 last)
{
    for (struct block *block = page->blocks; block != NULL; block = block->page_next) {
        u32 start = (u32)(block->gpa & PAGE_OFFSET_MASK) - block->before_bytes;
        if (start <= last && start + block->length_bytes > first) {
            block_kill(table, block);
            forget_runs(page, (u32)(block->gpa & PAGE_OFFSET_MASK));
        }
    }
    for (const struct block_part *part = page->parts; part != NULL; part = part->next) {
        if (part->first <= last && part->first + part->bytes > first) {
            block_kill(table, part->block);
        }
    }
    page_prune(page);
}

void block_remove(struct block_table *table, struct block *block)
{
    block_kill(table, block);
    struct code_page *page = page_find(table, block->gpa & PAGE_MASK);
    if (page != NULL) {
        page_prune(page);
    }
}

void block_remove_at(struct block_table *table, gpa_t gpa)
{
    struct code_page *page = page_find(table, gpa & PAGE_MASK);
    u32 at = (u32)(gpa & PAGE_OFFSET_MASK);
    if (page != NULL) {
        page_kill_range(table, page, at, at);
    }
}

static const u8 *page_bytes(const struct block_table *table, gpa_t page)
{
    return memory_host_any_mode(table->memory, page, PAGE_BYTES);
}

static void page_make_dirty(struct block_table *table, struct code_page *page, const u8 *bytes)
{
    if (page->shadow != NULL) {
        return;
    }
    page->shadow = shadow_new(table);
    memcpy(page->shadow, bytes, PAGE_BYTES);
    page->dirty_next = table->dirty;
    table->dirty = page;
    table->dirty_count++;
    memory_page_set(table->memory, page->page, MEMORY_PAGE_DIRTY);
}

/* Marks a page as holding translations made from `source`. If some TLB may hold a write entry for
 * it, stores may go unseen, so it starts dirty; the same when its bytes are not `source` any more,
 * which is how DMA shows that looked at the flags before we set CODE. The flag order pairs with
 * softmmu's: it sets WRITABLE, then looks at CODE; we set CODE, then look at WRITABLE. */
static struct code_page *page_mark(struct block_table *table, gpa_t gpa_page, const u8 *source,
                                   u32 first, u32 bytes)
{
    struct code_page *page = page_get(table, gpa_page);
    memory_page_set(table->memory, gpa_page, MEMORY_PAGE_CODE);
    const u8 *now = page_bytes(table, gpa_page);
    if (page->shadow == NULL &&
        ((memory_page_flags(table->memory, gpa_page) & MEMORY_PAGE_WRITABLE) ||
         memcmp(now + first, source, bytes) != 0)) {
        page_make_dirty(table, page, now);
    }
    if (page->shadow != NULL && memcmp(page->shadow + first, source, bytes) != 0) {
        page_kill_range(table, page, first, first + bytes - 1);
        memcpy(page->shadow + first, source, bytes);
    }
    return page;
}

void block_insert_part(struct block_table *table, struct block *block, gpa_t gpa_page, u32 first,
                       u32 bytes, const u8 *source)
{
    struct code_page *page = page_mark(table, gpa_page, source, first, bytes);
    struct block_part *part = block_alloc(table, sizeof(*part));
    *part = (struct block_part){.first = (u16)first, .bytes = (u16)bytes, .block = block,
                                .next = page->parts};
    page->parts = part;
}

/* Behind the block: who sees the mark finds it. */
static void mark_head(struct code_page *page, u32 offset)
{
    struct code_piece *piece = &page->pieces[offset / CODE_PIECE_BYTES];
    u32 heads = atomic_load_explicit(&piece->heads, memory_order_relaxed);
    atomic_store_explicit(&piece->heads, heads | (u32)1 << (offset % CODE_PIECE_BYTES / 2),
                          memory_order_release);
}

void block_insert(struct block_table *table, struct block *block, const u8 *source)
{
    u32 start = (u32)(block->gpa & PAGE_OFFSET_MASK) - block->before_bytes;
    u32 here = block->length_bytes;
    if (start + here > PAGE_BYTES) {
        here = (u32)PAGE_BYTES - start;
    }
    struct code_page *page = page_mark(table, block->gpa & PAGE_MASK, source, start, here);
    if (block->second_page != BLOCK_NO_PAGE && block->length_bytes > here) {
        block_insert_part(table, block, block->second_page, 0, block->length_bytes - here,
                          source + here);
    }
    block->page_next = page->blocks;
    page->blocks = block;
    _Atomic(struct block *) *bucket = &table->buckets[block_hash(block->gpa, block->mode)];
    atomic_store_explicit(&block->hash_next, atomic_load(bucket), memory_order_relaxed);
    atomic_store_explicit(bucket, block, memory_order_release);
    mark_head(page, (u32)(block->gpa & PAGE_OFFSET_MASK));
    table->block_count++;
    if (UNLIKELY(table->block_count == ASK_BLOCKS) &&
        zeros_ask_huge(table->buckets, hashes_bytes, 0) == 0) {
        zeros_ask(table->buckets, buckets_bytes);
    }
}

u32 block_link_alloc(struct block_table *table)
{
    if (table->link_count == BLOCK_MAX_LINKS) {
        return 0;
    }
    struct link *link = &table->links[table->link_count];
    zeros_ahead(table->links, links_bytes, sizeof(*link) * (table->link_count + 1),
                &table->links_asked_bytes);
    memset(link, 0, sizeof(*link));
    link->to_gpa = BLOCK_NO_PAGE;
    return table->link_count++;
}

u32 block_guard_alloc(struct block_table *table, gpa_t page, s64 target_offset)
{
    u32 number = block_link_alloc(table);
    if (number != 0) {
        table->links[number].to_gpa = page;
        table->links[number].target_offset = target_offset;
        table->links[number].cross_page = true;
    }
    return number;
}

void block_guard_join(struct block_table *table, u32 guard, u32 other)
{
    table->links[other].next_incoming = table->links[guard].next_incoming;
    table->links[guard].next_incoming = other;
}

bool block_link(struct block_table *table, u32 number, struct block *to)
{
    struct link *link = &table->links[number];
    if (link->from->dead || to->dead) {
        return false;
    }
    if (link->to != NULL || (link->to_gpa != BLOCK_NO_PAGE && (link->to_gpa != to->gpa ||
                             link->to_second_page != to->second_page))) {
        return link->to == to;
    }
    link->to_gpa = to->gpa; /* for good: who reads without the lock reads `to` first */
    link->to_second_page = to->second_page;
    link->to = to;
    link->next_incoming = to->incoming;
    to->incoming = number;
    table->patch(table->opaque, link, to);
    return true;
}

void block_page_dirty(struct block_table *table, gpa_t gpa_page)
{
    struct code_page *page = page_find(table, gpa_page);
    const u8 *bytes = page_bytes(table, gpa_page);
    if (page != NULL && bytes != NULL) {
        page_make_dirty(table, page, bytes);
    }
}

void block_page_remove(struct block_table *table, gpa_t gpa_page)
{
    struct code_page *page = page_find(table, gpa_page);
    if (page == NULL) {
        return;
    }
    page_kill_range(table, page, 0, (u32)PAGE_BYTES - 1);
    if (page->shadow != NULL) {
        memcpy(page->shadow, page_bytes(table, gpa_page), PAGE_BYTES);
    }
}

/* Compares in granules, so that one patched instruction removes only the blocks around it. */
static void page_compare(struct block_table *table, struct code_page *page)
{
    enum { GRANULE_BYTES = 16, CHUNK_BYTES = 256 };
    const u8 *now = page_bytes(table, page->page);
    u8 *shadow = page->shadow;
    if (now == NULL || memcmp(now, shadow, PAGE_BYTES) == 0) {
        table->compared_in_vain++;
        return;
    }
    for (u32 at = 0; at < PAGE_BYTES; at += GRANULE_BYTES) {
        if (at % CHUNK_BYTES == 0 && memcmp(now + at, shadow + at, CHUNK_BYTES) == 0) {
            at += CHUNK_BYTES - GRANULE_BYTES;
        } else if (memcmp(now + at, shadow + at, GRANULE_BYTES) != 0) {
            page_kill_range(table, page, at, at + GRANULE_BYTES - 1);
            memcpy(shadow + at, now + at, GRANULE_BYTES);
        }
    }
}

/* A page without blocks is no code page any more. */
static void page_forget(struct block_table *table, struct code_page *page)
{
    shadow_free(table, page);
    table->dirty_count--;
    memory_page_clear(table->memory, page->page, MEMORY_PAGE_CODE | MEMORY_PAGE_DIRTY);
}

void block_fence(struct block_table *table)
{
    struct code_page **at = &table->dirty;
    while (*at != NULL) {
        struct code_page *page = *at;
        page_compare(table, page);
        if (page->blocks == NULL && page->parts == NULL) {
            *at = page->dirty_next;
            page_forget(table, page);
        } else {
            at = &page->dirty_next;
        }
    }
}

void block_pages_clean(struct block_table *table)
{
    table->compared_in_vain = 0;
    for (struct code_page *page = table->dirty; page != NULL; page = page->dirty_next) {
        memory_page_clear(table->memory, page->page, MEMORY_PAGE_DIRTY | MEMORY_PAGE_WRITABLE);
    }
    shadows_free(table);
}
