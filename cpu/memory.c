/* See memory.h. */
#include "cpu/memory.h"

#include "cpu/base/zeros.h"
#include "cpu/page_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void memory_init(struct memory *memory, struct log *log)
{
    memset(memory, 0, sizeof(*memory));
    memory->log = log;
    memory->pagemap_fd = -1;
}

static u64 region_page_count(const struct memory_region *region)
{
    return region->size_bytes >> PAGE_BITS;
}

void memory_fini(struct memory *memory)
{
    for (unsigned i = 0; i < memory->region_count; i++) {
        struct memory_region *region = &memory->regions[i];
        if (region->host != NULL) {
            munmap(region->host, region->size_bytes);
            munmap((void *)region->page_flags, region_page_count(region));
        }
    }
    memory->region_count = 0;
    if (memory->pagemap_fd >= 0) {
        close(memory->pagemap_fd);
        memory->pagemap_fd = -1;
    }
}

/* Reserves a place in the sorted table; NULL with a reason when the range cannot be had. */
static struct memory_region *region_insert(struct memory *memory, const char *name, gpa_t gpa,
                                           u64 size_bytes, struct metic_error *error)
{
    if (size_bytes == 0 || gpa + size_bytes - 1 < gpa) {
        error_set(error, NULL, "memory region %s has an impossible size", name);
        return NULL;
    }
    if (memory->region_count == MEMORY_MAX_REGIONS) {
        error_set(error, NULL, "too many memory regions (at %s)", name);
        return NULL;
    }
    unsigned at = 0;
    while (at < memory->region_count && memory->regions[at].gpa < gpa) {
        at++;
    }
    const struct memory_region *before = at > 0 ? &memory->regions[at - 1] : NULL;
    const struct memory_region *after = at < memory->region_count ? &memory->regions[at] : NULL;
    if ((before != NULL && before->gpa + before->size_bytes > gpa) ||
        (after != NULL && gpa + size_bytes > after->gpa)) {
        error_set(error, NULL, "memory region %s at 0x%llx overlaps %s", name,
                  (unsigned long long)gpa,
                  before != NULL && before->gpa + before->size_bytes > gpa ? before->name
                                                                           : after->name);
        return NULL;
    }
    memmove(&memory->regions[at + 1], &memory->regions[at],
            (memory->region_count - at) * sizeof(memory->regions[0]));
    memory->region_count++;
    memory->main += memory->main >= at;
    struct memory_region *region = &memory->regions[at];
    memset(region, 0, sizeof(*region));
    region->name = name;
    region->gpa = gpa;
    region->size_bytes = size_bytes;
    return region;
}

static void region_remove(struct memory *memory, struct memory_region *region)
{
    size_t at = (size_t)(region - memory->regions);
    memory->region_count--;
    memory->main -= memory->main > at;
    memmove(region, region + 1, (memory->region_count - at) * sizeof(*region));
}

static bool add_host_backed(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                            enum memory_kind kind, struct metic_error *error)
{
    if ((gpa | size_bytes) & PAGE_OFFSET_MASK) {
        return error_set(error, NULL, "memory region %s is not aligned to 4 KiB pages", name);
    }
    struct memory_region *region = region_insert(memory, name, gpa, size_bytes, error);
    if (region == NULL) {
        return false;
    }
    region->kind = kind;
    region->direct = true;
    region->host = zeros_new_growing(size_bytes);
    region->page_flags = zeros_new(region_page_count(region));
    if (region->host == NULL || region->page_flags == NULL) {
        if (region->host != NULL) {
            munmap(region->host, size_bytes);
        }
        region_remove(memory, region);
        return error_set(error, "give a smaller --ram",
                         "the host has no address space for %s (%llu MiB)", name,
                         (unsigned long long)(size_bytes >> 20));
    }
    if (kind == MEMORY_RAM && size_bytes > memory->regions[memory->main].size_bytes) {
        memory->main = (unsigned)(region - memory->regions);
    }
    return true;
}

bool memory_add_ram(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                    struct metic_error *error)
{
    return add_host_backed(memory, name, gpa, size_bytes, MEMORY_RAM, error);
}

bool memory_add_rom(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                    struct metic_error *error)
{
    return add_host_backed(memory, name, gpa, size_bytes, MEMORY_ROM, error);
}

bool memory_add_romd(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                     const struct mmio_ops *ops, void *opaque, struct metic_error *error)
{
    if (!add_host_backed(memory, name, gpa, size_bytes, MEMORY_ROMD, error)) {
        return false;
    }
    struct memory_region *region = memory_find(memory, gpa);
    region->ops = ops;
    region->opaque = opaque;
    return true;
}

bool memory_add_mmio(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                     const struct mmio_ops *ops, void *opaque, struct metic_error *error)
{
    struct memory_region *region = region_insert(memory, name, gpa, size_bytes, error);
    if (region == NULL) {
        return false;
    }
    region->kind = MEMORY_MMIO;
    region->ops = ops;
    region->opaque = opaque;
    return true;
}

void memory_fill_later(struct memory_region *region, void (*fill)(u8 *host, u64 size_bytes))
{
    CHECK(region->kind == MEMORY_ROMD);
    region->fill = fill;
    atomic_store(&region->unfilled, true);
}

/* The first thread fills it, the others wait: seldom, and for less than a millisecond. */
static void fill_now(struct memory_region *region)
{
    void (*fill)(u8 *, u64) = atomic_exchange(&region->fill, NULL);
    if (fill != NULL) {
        fill(region->host, region->size_bytes);
        atomic_store_explicit(&region->unfilled, false, memory_order_release);
    }
    while (atomic_load_explicit(&region->unfilled, memory_order_acquire)) {
        sched_yield();
    }
}

u8 *memory_region_bytes(const struct memory_region *region)
{
    if (UNLIKELY(atomic_load_explicit(&region->unfilled, memory_order_acquire))) {
        fill_now((struct memory_region *)region);
    }
    return region->host;
}

void memory_set_direct(struct memory *memory, struct memory_region *region, bool direct)
{
    if (atomic_exchange(&region->direct, direct) != direct && memory->map_changed != NULL) {
        memory->map_changed(memory->map_changed_opaque);
    }
}

struct memory_region *memory_find(const struct memory *memory, gpa_t gpa)
{
    const struct memory_region *main = &memory->regions[memory->main];
    if (LIKELY(gpa - main->gpa < main->size_bytes)) {
        return (struct memory_region *)main;
    }
    unsigned low = 0;
    unsigned high = memory->region_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct memory_region *region = &memory->regions[middle];
        if (gpa < region->gpa) {
            high = middle;
        } else if (gpa - region->gpa >= region->size_bytes) {
            low = middle + 1;
        } else {
            return (struct memory_region *)region;
        }
    }
    return NULL;
}

struct memory_region *memory_find_by_name(struct memory *memory, const char *name)
{
    for (unsigned i = 0; i < memory->region_count; i++) {
        if (strcmp(memory->regions[i].name, name) == 0) {
            return &memory->regions[i];
        }
    }
    return NULL;
}

/* Whether plain reads of the region go to its host bytes now. */
static bool region_readable(const struct memory_region *region)
{
    return region->host != NULL &&
           (region->kind != MEMORY_ROMD ||
            atomic_load_explicit(&region->direct, memory_order_relaxed));
}

/* NULL when the bytes are not all the region's. */
static u8 *region_host(const struct memory_region *region, gpa_t gpa, u64 size_bytes)
{
    u64 offset = gpa - region->gpa;
    return size_bytes > region->size_bytes - offset ? NULL
                                                    : memory_region_bytes(region) + offset;
}

u8 *memory_host(const struct memory *memory, gpa_t gpa, u64 size_bytes)
{
    const struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || !region_readable(region)) {
        return NULL;
    }
    return region_host(region, gpa, size_bytes);
}

u8 *memory_host_any_mode(const struct memory *memory, gpa_t gpa, u64 size_bytes)
{
    const struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || region->host == NULL) {
        return NULL;
    }
    return region_host(region, gpa, size_bytes);
}

/* The part of [gpa, gpa+size) that lies in one region: clips *size_bytes and returns the region. */
static struct memory_region *region_clip(const struct memory *memory, gpa_t gpa, u64 *size_bytes)
{
    struct memory_region *region = memory_find(memory, gpa);
    u64 limit = PAGE_BYTES - (gpa & PAGE_OFFSET_MASK);
    if (region != NULL) {
        limit = region->size_bytes - (gpa - region->gpa);
    }
    if (*size_bytes > limit) {
        *size_bytes = limit;
    }
    return region;
}

bool memory_dma_read(struct memory *memory, gpa_t gpa, void *buffer, u64 size_bytes)
{
    bool complete = true;
    u8 *to = buffer;
    while (size_bytes > 0) {
        u64 chunk_bytes = size_bytes;
        const struct memory_region *region = region_clip(memory, gpa, &chunk_bytes);
        if (region != NULL && region->host != NULL) {
            memcpy(to, memory_region_bytes(region) + (gpa - region->gpa), chunk_bytes);
        } else {
            memset(to, 0, chunk_bytes);
            complete = false;
        }
        to += chunk_bytes;
        gpa += chunk_bytes;
        size_bytes -= chunk_bytes;
    }
    return complete;
}

static bool write_range(struct memory *memory, gpa_t gpa, const void *buffer, u64 size_bytes,
                        bool into_rom)
{
    bool complete = true;
    const u8 *from = buffer;
    atomic_fetch_add(&memory->dma_writes, 1);
    while (size_bytes > 0) {
        u64 chunk_bytes = size_bytes;
        const struct memory_region *region = region_clip(memory, gpa, &chunk_bytes);
        if (region != NULL && region->host != NULL && (region->kind == MEMORY_RAM || into_rom)) {
            memory_ask(memory, gpa, chunk_bytes);
            memcpy(memory_region_bytes(region) + (gpa - region->gpa), from, chunk_bytes);
            memory_note_write(memory, gpa, chunk_bytes);
        } else {
            complete = false;
        }
        from += chunk_bytes;
        gpa += chunk_bytes;
        size_bytes -= chunk_bytes;
    }
    return complete;
}

bool memory_dma_write(struct memory *memory, gpa_t gpa, const void *buffer, u64 size_bytes)
{
    return write_range(memory, gpa, buffer, size_bytes, false);
}

bool memory_load(struct memory *memory, gpa_t gpa, const void *buffer, u64 size_bytes)
{
    return write_range(memory, gpa, buffer, size_bytes, true);
}

/* memory_find for device accesses, which often go where the last one went. */
static NOINLINE struct memory_region *find_other(struct memory *memory, gpa_t gpa)
{
    struct memory_region *region = memory_find(memory, gpa);
    if (region != NULL) {
        atomic_store_explicit(&memory->recent, (u32)(region - memory->regions),
                              memory_order_relaxed);
    }
    return region;
}

static ALWAYS_INLINE struct memory_region *find_again(struct memory *memory, gpa_t gpa)
{
    u32 recent = atomic_load_explicit(&memory->recent, memory_order_relaxed);
    struct memory_region *region = &memory->regions[recent];
    if (recent < memory->region_count && gpa - region->gpa < region->size_bytes) {
        return region;
    }
    return find_other(memory, gpa);
}

bool memory_mmio_read_untapped(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 *value)
{
    struct memory_region *region = find_again(memory, gpa);
    if (region == NULL || region->size_bytes - (gpa - region->gpa) < size_bytes) {
        log_print(memory->log, LOG_GUEST, "read of %u bytes at 0x%llx, where nothing is",
                  size_bytes, (unsigned long long)gpa);
        return false;
    }
    u64 offset = gpa - region->gpa;
    if (region_readable(region)) {
        *value = ld_le(memory_region_bytes(region) + offset, size_bytes);
    } else {
        *value = region->ops->read(region->opaque, offset, size_bytes);
    }
    return true;
}

bool memory_mmio_write_untapped(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 value)
{
    struct memory_region *region = find_again(memory, gpa);
    if (region == NULL || region->size_bytes - (gpa - region->gpa) < size_bytes) {
        log_print(memory->log, LOG_GUEST, "write of %u bytes at 0x%llx, where nothing is",
                  size_bytes, (unsigned long long)gpa);
        return false;
    }
    u64 offset = gpa - region->gpa;
    switch (region->kind) {
    case MEMORY_RAM:
        st_le(region->host + offset, value, size_bytes);
        memory_note_write(memory, gpa, size_bytes);
        break;
    case MEMORY_ROM:
        log_print(memory->log, LOG_GUEST, "write to %s at 0x%llx ignored", region->name,
                  (unsigned long long)gpa);
        break;
    case MEMORY_MMIO:
    case MEMORY_ROMD:
        region->ops->write(region->opaque, offset, value, size_bytes);
        break;
    }
    return true;
}

bool memory_mmio_read(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 *value)
{
    if (UNLIKELY(memory->tap != NULL)) {
        return memory->tap(memory->tap_opaque, false, gpa, size_bytes, value);
    }
    return memory_mmio_read_untapped(memory, gpa, size_bytes, value);
}

bool memory_mmio_write(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 value)
{
    if (UNLIKELY(memory->tap != NULL)) {
        return memory->tap(memory->tap_opaque, true, gpa, size_bytes, &value);
    }
    return memory_mmio_write_untapped(memory, gpa, size_bytes, value);
}

static _Atomic u8 *page_flags_at(const struct memory *memory, gpa_t gpa)
{
    const struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || region->page_flags == NULL) {
        return NULL;
    }
    return &region->page_flags[(gpa - region->gpa) >> PAGE_BITS];
}

u8 memory_page_flags(const struct memory *memory, gpa_t gpa)
{
    _Atomic u8 *flags = page_flags_at(memory, gpa);
    return flags != NULL ? atomic_load_explicit(flags, memory_order_acquire) : 0;
}

void memory_page_set(struct memory *memory, gpa_t gpa, u8 flags)
{
    _Atomic u8 *page = page_flags_at(memory, gpa);
    if (page != NULL) {
        atomic_fetch_or(page, flags);
    }
    if ((flags & MEMORY_PAGE_CODE) != 0 &&
        !atomic_load_explicit(&memory->has_code, memory_order_relaxed)) {
        atomic_store_explicit(&memory->has_code, true, memory_order_relaxed);
    }
}

void memory_page_clear(struct memory *memory, gpa_t gpa, u8 flags)
{
    _Atomic u8 *page = page_flags_at(memory, gpa);
    if (page != NULL) {
        atomic_fetch_and(page, (u8)~flags);
    }
}

void memory_note_write(struct memory *memory, gpa_t gpa, u64 size_bytes)
{
    gpa_t end = gpa + size_bytes;
    for (gpa_t page = gpa & PAGE_MASK; page < end; page += PAGE_BYTES) {
        u8 flags = memory_page_flags(memory, page);
        if ((flags & MEMORY_PAGE_CODE) && memory->code_written != NULL) {
            memory->code_written(memory->code_written_opaque, page, PAGE_BYTES);
        }
        if ((flags & MEMORY_PAGE_RESERVED) && memory->reservation_break != NULL) {
            memory->reservation_break(memory->reservation_opaque, gpa, size_bytes);
        }
    }
}

static const u64 group_bytes = (u64)MEMORY_ASK_PAGES << PAGE_BITS;

/* The flag of the group at `at` is set; whether it was not. */
static bool group_begins(struct memory_region *region, u64 at)
{
    _Atomic u8 *flags = &region->page_flags[at >> PAGE_BITS];
    return page_unasked(flags) &&
           !(atomic_fetch_or(flags, MEMORY_PAGE_ASKED) & MEMORY_PAGE_ASKED);
}

/* Makes a huge page of ZEROS_HUGE_BYTES from `window` on where the host has been asked for so many
 * groups of it that the others are going to be wanted, too; `fresh` of them just now. Only then, so
 * that what the guest gives back later stays away. */
static bool ask_huge(struct memory_region *region, u64 window, unsigned fresh)
{
    u8 *host = region->host + window;
    if ((uintptr_t)host % ZEROS_HUGE_BYTES != 0 ||
        region->size_bytes - window < ZEROS_HUGE_BYTES) {
        return false;
    }
    unsigned asked = 0;
    for (u64 i = 0; i < ZEROS_HUGE_BYTES; i += group_bytes) {
        asked += !page_unasked(&region->page_flags[(window + i) >> PAGE_BITS]);
    }
    if (asked < MEMORY_HUGE_GROUPS || asked - fresh >= MEMORY_HUGE_GROUPS) {
        return false;
    }
    if (!zeros_make_huge(host)) {
        return false;
    }
    for (u64 i = 0; i < ZEROS_HUGE_BYTES; i += group_bytes) {
        group_begins(region, window + i);
    }
    return true;
}

/* [at, last] is in the ZEROS_HUGE_BYTES from `window` on. */
static void ask_in_window(struct memory_region *region, u64 window, u64 at, u64 last)
{
    u64 begins = 0; /* bits: groups of the window */
    for (u64 i = at & ~(group_bytes - 1); i <= last; i += group_bytes) {
        begins |= (u64)group_begins(region, i) << (i - window) / group_bytes;
    }
    if (begins == 0 || region->from_file ||
        ask_huge(region, window, (unsigned)__builtin_popcountll(begins))) {
        return;
    }
    while (begins != 0) {
        unsigned first = (unsigned)__builtin_ctzll(begins);
        unsigned groups = (unsigned)__builtin_ctzll(~(begins >> first));
        u64 from = window + first * group_bytes;
        u64 end = from + groups * group_bytes;
        end = end < region->size_bytes ? end : region->size_bytes;
        zeros_ask(region->host + from, end - from);
        begins &= ~(((u64)1 << groups) - 1) << first;
    }
}

void memory_ask(struct memory *memory, gpa_t gpa, u64 size_bytes)
{
    struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || region->kind != MEMORY_RAM || size_bytes == 0) {
        return;
    }
    u64 at = gpa - region->gpa, last = region->size_bytes - 1;
    last = size_bytes - 1 < last - at ? at + size_bytes - 1 : last;
    while (at <= last) {
        u64 window = at & ~(u64)(ZEROS_HUGE_BYTES - 1);
        u64 end = window + ZEROS_HUGE_BYTES;
        ask_in_window(region, window, at, last < end ? last : end - 1);
        at = end;
    }
}

/* These pages of RAM are not there any more. */
static void forget_asked(struct memory_region *region, u64 at, u64 size_bytes)
{
    u64 first = (at + group_bytes - 1) & ~(group_bytes - 1);
    for (u64 i = first; i + group_bytes <= at + size_bytes; i += group_bytes) {
        atomic_fetch_and(&region->page_flags[i >> PAGE_BITS], (u8)~MEMORY_PAGE_ASKED);
    }
}

bool memory_map_file(struct memory *memory, struct memory_region *region, u64 at, u64 size_bytes,
                     int fd, u64 offset)
{
    int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
    (void)memory;
    void *mapped = mmap(region->host + at, size_bytes, PROT_READ | PROT_WRITE, flags, fd,
                        (off_t)offset);
    bool whole = at == 0 && size_bytes == region->size_bytes;
    region->from_file = fd >= 0 || (region->from_file && !whole);
    region->file_number = 0;
    forget_asked(region, at, size_bytes);
    return mapped != MAP_FAILED;
}

bool memory_take_pages(struct memory *memory, gpa_t gpa, void *pages, u64 size_bytes)
{
    struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || region->kind != MEMORY_RAM || size_bytes == 0 ||
        ((gpa | size_bytes) & PAGE_OFFSET_MASK) != 0 ||
        size_bytes > region->size_bytes - (gpa - region->gpa)) {
        return false;
    }
    u64 at = gpa - region->gpa;
    void *host = region->host + at;
    atomic_fetch_add(&memory->dma_writes, 1);
    region->file_number = 0;
    bool moved = mremap(pages, size_bytes, size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, host) == host;
    /* The host may have made room first, and then failed. */
    CHECK(moved || memory_map_file(memory, region, at, size_bytes, -1, 0));
    memory_note_write(memory, gpa, size_bytes);
    return moved;
}

/* Of pages that are a file's, dropping ours would bring the file's back: they become anonymous
 * ones, unless they are so few that the host would have to keep too many mappings. */
bool memory_discard(struct memory *memory, gpa_t gpa, u64 size_bytes)
{
    enum { LEAST_MAPPING_BYTES = 64 << 10 };
    struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || region->kind != MEMORY_RAM || size_bytes == 0 ||
        ((gpa | size_bytes) & PAGE_OFFSET_MASK) != 0 ||
        size_bytes > region->size_bytes - (gpa - region->gpa)) {
        return false;
    }
    u8 *host = region->host + (gpa - region->gpa);
    atomic_fetch_add(&memory->dma_writes, 1);
    bool gone = !region->from_file ? madvise(host, size_bytes, MADV_DONTNEED) == 0
                : size_bytes >= LEAST_MAPPING_BYTES &&
                      memory_map_file(memory, region, gpa - region->gpa, size_bytes, -1, 0);
    if (gone) {
        forget_asked(region, gpa - region->gpa, size_bytes);
    } else {
        memset(host, 0, size_bytes);
    }
    memory_note_write(memory, gpa, size_bytes);
    return true;
}

void memory_open_late(struct memory *memory)
{
    if (memory->pagemap_fd == -1) {
        int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        memory->pagemap_fd = fd >= 0 ? fd : -2;
    }
}

/* Bits of a page's word in the pagemap. */
#define PAGEMAP_THERE ((u64)1 << 63)
#define PAGEMAP_SWAPPED ((u64)1 << 62)
#define PAGEMAP_OF_FILE ((u64)1 << 61)

static bool read_pagemap(struct memory *memory, const struct memory_region *region, u64 at,
                         u64 *words, u64 count)
{
    ssize_t want = (ssize_t)(count * sizeof(words[0]));
    u64 page = ((u64)(uintptr_t)region->host + at) >> PAGE_BITS;
    memory_open_late(memory);
    return memory->pagemap_fd >= 0 &&
           pread(memory->pagemap_fd, words, (size_t)want, (off_t)(page * sizeof(words[0]))) == want;
}

bool memory_is_touched(struct memory *memory, const struct memory_region *region, u64 at,
                       u64 size_bytes)
{
    u64 words[512];
    if (region->from_file) {
        return true;
    }
    for (u64 end = at + size_bytes; at < end;) {
        u64 left = (end - at) >> PAGE_BITS;
        u64 count = left < ARRAY_LEN(words) ? left : ARRAY_LEN(words);
        if (!read_pagemap(memory, region, at, words, count)) {
            return true;
        }
        for (u64 i = 0; i < count; i++) {
            if ((words[i] & (PAGEMAP_THERE | PAGEMAP_SWAPPED)) != 0) {
                return true;
            }
        }
        at += count << PAGE_BITS;
    }
    return false;
}

/* A page of a file's that was written is the process's own copy. */
static bool is_own(u64 word)
{
    return (word & PAGEMAP_SWAPPED) != 0 ||
           (word & (PAGEMAP_THERE | PAGEMAP_OF_FILE)) == PAGEMAP_THERE;
}

bool memory_each_own(struct memory *memory, const struct memory_region *region,
                     void (*each)(void *opaque, u64 at, u64 size_bytes), void *opaque)
{
    u64 words[2048];
    for (u64 at = 0, count; at < region->size_bytes; at += count << PAGE_BITS) {
        u64 left = (region->size_bytes - at) >> PAGE_BITS;
        count = left < ARRAY_LEN(words) ? left : ARRAY_LEN(words);
        if (!read_pagemap(memory, region, at, words, count)) {
            return false;
        }
        for (u64 first = 0, end; first < count; first = end) {
            for (end = first + 1; end < count && is_own(words[end]) == is_own(words[first]);) {
                end++;
            }
            if (is_own(words[first])) {
                each(opaque, at + (first << PAGE_BITS), (end - first) << PAGE_BITS);
            }
        }
    }
    return true;
}
