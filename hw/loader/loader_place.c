/* Putting an image's segments into guest memory. */
#include "hw/loader/loader_private.h"

#include <stdio.h>

/* The first RAM region, or NULL. */
static const struct memory_region *place_ram(const struct memory *memory)
{
    for (unsigned i = 0; i < memory->region_count; i++) {
        if (memory->regions[i].kind == MEMORY_RAM) {
            return &memory->regions[i];
        }
    }
    return NULL;
}

/* The refusal when [gpa, gpa + bytes) is not memory: with the --ram that would make it fit. */
static bool place_does_not_fit(const struct memory *memory, gpa_t gpa, u64 bytes,
                               struct metic_error *error)
{
    const struct memory_region *ram = place_ram(memory);
    u64 needed_bytes = ram != NULL && gpa >= ram->gpa ? gpa - ram->gpa + bytes : 0;
    if (needed_bytes == 0 || needed_bytes < bytes || needed_bytes > BIT(40)) {
        return error_set(error, "Link it for the board's RAM (metic list machines).",
                         "the image wants %llu bytes at 0x%llx, where the machine has no memory",
                         (unsigned long long)bytes, (unsigned long long)gpa);
    }
    u64 ram_mib = 64;
    while (ram_mib << 20 < needed_bytes) {
        ram_mib *= 2;
    }
    char needed[32], present[32], next[64];
    snprintf(next, sizeof(next), "Give --ram %lluM or more.", (unsigned long long)ram_mib);
    return error_set(error, next, "the image needs %s of RAM from 0x%llx on, the machine has %s",
                     loader_size_text(needed_bytes, needed, sizeof(needed)),
                     (unsigned long long)ram->gpa,
                     loader_size_text(ram->size_bytes, present, sizeof(present)));
}

static bool place_fits(const struct memory *memory, gpa_t gpa, u64 bytes)
{
    const struct memory_region *region = memory_find(memory, gpa);
    return region != NULL && region->kind != MEMORY_MMIO &&
           bytes <= region->size_bytes - (gpa - region->gpa);
}

/* Zeros, leaving whole pages to the host. */
static bool place_zero(struct memory *memory, gpa_t gpa, u64 bytes)
{
    static const u8 zeros[PAGE_BYTES];
    while (bytes > 0) {
        u64 step = PAGE_BYTES - (gpa & PAGE_OFFSET_MASK);
        step = step < bytes ? step : bytes;
        u64 whole_bytes = step == PAGE_BYTES ? bytes & PAGE_MASK : 0;
        if (memory_discard(memory, gpa, whole_bytes)) {
            step = whole_bytes;
        } else if (!memory_load(memory, gpa, zeros, step)) {
            return false;
        }
        gpa += step;
        bytes -= step;
    }
    return true;
}

/* A program linked for RAM without a linker script: the file's headers are in its first segment, in
 * the page before RAM or anywhere else. They, and the zeros behind them, are left out where there
 * is no memory for them. A segment of 0 bytes: nothing else is in it. */
static struct image_segment place_without_headers(const struct memory *memory,
                                                  const struct image *image,
                                                  struct image_segment segment)
{
    const struct memory_region *ram = place_ram(memory);
    if (ram == NULL || segment.offset != 0 || segment.gpa >= ram->gpa ||
        place_fits(memory, segment.gpa, segment.memory_bytes)) {
        return segment;
    }
    u64 before = ram->gpa - segment.gpa;
    before = before < segment.memory_bytes ? before : segment.memory_bytes;
    if (before > segment.file_bytes) {
        return segment;
    }
    for (u64 at = image->headers_bytes; at < before; at++) {
        if (image->bytes[at] != 0) {
            return segment;
        }
    }
    return (struct image_segment){segment.gpa + before, before, segment.file_bytes - before,
                                  segment.memory_bytes - before};
}

static struct image_segment place_segment(const struct memory *memory, const struct image *image,
                                          unsigned index)
{
    struct image_segment segment = image->segments[index];
    return image->relocatable ? segment : place_without_headers(memory, image, segment);
}

/* Gives the image's pages to guest memory, but for the last one, which is not whole; returns how
 * many bytes are done. A kernel's only: nobody looks into one again, as for an ELF's symbols. */
static u64 place_pages(struct memory *memory, struct image *image, gpa_t gpa,
                       const struct image_segment *segment)
{
    u64 whole_bytes = segment->file_bytes & ~(u64)(PAGE_BYTES - 1);
    if (image->kind != IMAGE_LINUX || !image->in_pages || segment->offset != 0 ||
        !memory_take_pages(memory, gpa, image->owned, whole_bytes)) {
        return 0;
    }
    return whole_bytes;
}

static bool place_one(struct memory *memory, struct image *image, gpa_t gpa,
                      const struct image_segment *segment)
{
    u64 done = place_pages(memory, image, gpa, segment);
    bool ok = memory_load(memory, gpa + done, image->bytes + segment->offset + done,
                          segment->file_bytes - done) &&
              place_zero(memory, gpa + segment->file_bytes,
                         segment->memory_bytes - segment->file_bytes);
    if (done != 0) {
        loader_pages_free(image->owned, image->size_bytes);
        image->owned = NULL;
        image->bytes = NULL;
    }
    return ok;
}

bool image_place(struct memory *memory, struct image *image, gpa_t base_gpa, gpa_t *entry,
                 gpa_t *end, struct metic_error *error)
{
    if (!image_check_startable(image, error) ||
        (image->bytes == NULL && !loader_read_again(image, error))) {
        return false;
    }
    gpa_t base = image->relocatable ? base_gpa : 0;
    gpa_t highest = 0;
    for (unsigned i = 0; i < image->segment_count; i++) {
        struct image_segment segment = place_segment(memory, image, i);
        gpa_t gpa = base + segment.gpa;
        if (segment.memory_bytes == 0) {
            continue;
        }
        if (gpa < base || !place_fits(memory, gpa, segment.memory_bytes)) {
            return place_does_not_fit(memory, gpa, segment.memory_bytes, error);
        }
        highest = gpa + segment.memory_bytes > highest ? gpa + segment.memory_bytes : highest;
    }
    for (unsigned i = 0; i < image->segment_count; i++) {
        struct image_segment segment = place_segment(memory, image, i);
        gpa_t gpa = base + segment.gpa;
        if (segment.memory_bytes == 0) {
            continue;
        }
        if (!place_one(memory, image, gpa, &segment)) {
            return error_set(error, NULL, "the image could not be written to 0x%llx",
                             (unsigned long long)gpa);
        }
    }
    if (entry != NULL) {
        *entry = base + image->entry;
    }
    if (end != NULL) {
        *end = highest;
    }
    return true;
}
