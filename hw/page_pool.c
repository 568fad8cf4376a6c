/* See page_pool.h. */
#include "hw/page_pool.h"

#include "cpu/base/bits.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_PAGES = 1024,
    MAX_CHUNKS = 1 << 14, /* 64 GiB */
    PIECE_PAGES = 512,    /* of RAM, that are asked about together whether they were touched */
};

struct page_pool {
    u8 *chunks[MAX_CHUNKS];
    u32 *refs[MAX_CHUNKS]; /* of each page: images that have it; 0: free */
    u32 chunk_count;
    u32 *free_pages; /* a stack */
    u32 free_count;
    u64 list_bytes; /* of images */
};

struct page_pool *page_pool_new(void)
{
    return calloc(1, sizeof(struct page_pool));
}

void page_pool_free(struct page_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (u32 i = 0; i < pool->chunk_count; i++) {
        free(pool->chunks[i]);
        free(pool->refs[i]);
    }
    free(pool->free_pages);
    free(pool);
}

/* Page 0 is never given out. */
static bool add_chunk(struct page_pool *pool)
{
    u32 chunk = pool->chunk_count;
    size_t pages = ((size_t)chunk + 1) * CHUNK_PAGES;
    u32 *stack = chunk < MAX_CHUNKS ? realloc(pool->free_pages, pages * sizeof(*stack)) : NULL;
    if (stack == NULL) {
        return false;
    }
    pool->free_pages = stack;
    pool->chunks[chunk] = aligned_alloc(PAGE_BYTES, (size_t)CHUNK_PAGES * PAGE_BYTES);
    pool->refs[chunk] = calloc(CHUNK_PAGES, sizeof(u32));
    if (pool->chunks[chunk] == NULL || pool->refs[chunk] == NULL) {
        free(pool->chunks[chunk]);
        free(pool->refs[chunk]);
        return false;
    }
    for (u32 i = CHUNK_PAGES; i > (chunk == 0 ? 1u : 0u); i--) {
        pool->free_pages[pool->free_count++] = chunk * CHUNK_PAGES + i - 1;
    }
    pool->chunk_count++;
    return true;
}

static u8 *page_at(const struct page_pool *pool, u32 page)
{
    return pool->chunks[page / CHUNK_PAGES] + (size_t)(page % CHUNK_PAGES) * PAGE_BYTES;
}

static u32 *refs_of(const struct page_pool *pool, u32 page)
{
    return &pool->refs[page / CHUNK_PAGES][page % CHUNK_PAGES];
}

/* The page's number, with a reference; 0 for zeros. False: no memory. */
static bool keep_page(struct page_pool *pool, const u8 *bytes, u32 like, u32 *page)
{
    if (like != 0 && memcmp(page_at(pool, like), bytes, PAGE_BYTES) == 0) {
        *page = like;
        ++*refs_of(pool, like);
        return true;
    }
    *page = 0;
    if (bytes_are_all(bytes, PAGE_BYTES, 0)) {
        return true;
    }
    if (pool->free_count == 0 && !add_chunk(pool)) {
        return false;
    }
    *page = pool->free_pages[--pool->free_count];
    *refs_of(pool, *page) = 1;
    memcpy(page_at(pool, *page), bytes, PAGE_BYTES);
    return true;
}

static bool is_kept(const struct memory_region *region)
{
    return region->kind == MEMORY_RAM || region->kind == MEMORY_ROM;
}

static size_t count_pages(const struct memory *memory)
{
    size_t count = 0;
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct memory_region *region = &memory->regions[i];
        count += is_kept(region) ? (size_t)(region->size_bytes >> PAGE_BITS) : 0;
    }
    return count;
}

static bool take_region(struct page_pool *pool, struct memory *memory,
                        const struct memory_region *region, const u32 *like, u32 *pages)
{
    u64 count = region->size_bytes >> PAGE_BITS;
    for (u64 at = 0; at < count; at += PIECE_PAGES) {
        u64 end = count - at < PIECE_PAGES ? count : at + PIECE_PAGES;
        if (!memory_is_touched(memory, region, at << PAGE_BITS, (end - at) << PAGE_BITS)) {
            continue;
        }
        for (u64 i = at; i < end; i++) {
            if (!keep_page(pool, region->host + (i << PAGE_BITS), like != NULL ? like[i] : 0,
                           &pages[i])) {
                return false;
            }
        }
    }
    return true;
}

bool page_pool_take(struct page_pool *pool, struct memory *memory, const struct page_image *like,
                    struct page_image *image, struct metic_error *error)
{
    size_t at = 0;
    image->count = count_pages(memory);
    image->pages = calloc(image->count, sizeof(*image->pages));
    bool ok = image->pages != NULL;
    pool->list_bytes += ok ? image->count * sizeof(*image->pages) : 0;
    for (unsigned i = 0; ok && i < memory->region_count; i++) {
        const struct memory_region *region = &memory->regions[i];
        if (is_kept(region)) {
            ok = take_region(pool, memory, region, like != NULL ? like->pages + at : NULL,
                             image->pages + at);
            at += (size_t)(region->size_bytes >> PAGE_BITS);
        }
    }
    if (!ok) {
        page_pool_drop(pool, image);
        return error_set(error, NULL, "the host has no memory for a moment of the machine's past");
    }
    return true;
}

/* True: the page is another one now. */
static bool put_page(const struct page_pool *pool, u32 page, u8 *to)
{
    if (page == 0) {
        bool differs = !bytes_are_all(to, PAGE_BYTES, 0);
        if (differs) {
            memset(to, 0, PAGE_BYTES);
        }
        return differs;
    }
    const u8 *bytes = page_at(pool, page);
    bool differs = memcmp(bytes, to, PAGE_BYTES) != 0;
    if (differs) {
        memcpy(to, bytes, PAGE_BYTES);
    }
    return differs;
}

static bool are_zeros(const u32 *pages, u64 count)
{
    u64 i = 0;
    while (i < count && pages[i] == 0) {
        i++;
    }
    return i == count;
}

static void put_region(const struct page_pool *pool, struct memory *memory,
                       const struct memory_region *region, const u32 *pages)
{
    u64 count = region->size_bytes >> PAGE_BITS;
    for (u64 at = 0; at < count; at += PIECE_PAGES) {
        u64 end = count - at < PIECE_PAGES ? count : at + PIECE_PAGES;
        if (are_zeros(pages + at, end - at) &&
            !memory_is_touched(memory, region, at << PAGE_BITS, (end - at) << PAGE_BITS)) {
            continue;
        }
        for (u64 i = at; i < end; i++) {
            u8 flags = atomic_load_explicit(&region->page_flags[i], memory_order_relaxed);
            bool differs = put_page(pool, pages[i], region->host + (i << PAGE_BITS));
            /* Translations of a dirty page may be of what it was in between. */
            if ((flags & MEMORY_PAGE_CODE) != 0 && (differs || (flags & MEMORY_PAGE_DIRTY) != 0)) {
                memory_note_write(memory, region->gpa + (i << PAGE_BITS), PAGE_BYTES);
            }
        }
    }
}

void page_pool_put(const struct page_pool *pool, struct memory *memory,
                   const struct page_image *image)
{
    size_t at = 0;
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct memory_region *region = &memory->regions[i];
        if (is_kept(region)) {
            put_region(pool, memory, region, image->pages + at);
            at += (size_t)(region->size_bytes >> PAGE_BITS);
        }
    }
}

void page_pool_drop(struct page_pool *pool, struct page_image *image)
{
    for (size_t i = 0; image->pages != NULL && i < image->count; i++) {
        u32 page = image->pages[i];
        if (page != 0 && --*refs_of(pool, page) == 0) {
            pool->free_pages[pool->free_count++] = page;
        }
    }
    pool->list_bytes -= image->pages != NULL ? image->count * sizeof(*image->pages) : 0;
    free(image->pages);
    *image = (struct page_image){0};
}

u64 page_pool_bytes(const struct page_pool *pool)
{
    u64 pages = (u64)pool->chunk_count * CHUNK_PAGES - pool->free_count;
    return pages * PAGE_BYTES + pool->list_bytes;
}
