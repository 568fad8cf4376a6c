/* See gpu_resource.h. */
#include "hw/virtio/gpu_resource.h"

#include <stdlib.h>
#include <string.h>

enum { PIXEL_BYTES = 4 };

bool gpu_format_is_known(u32 format)
{
    switch (format) {
    case GPU_B8G8R8A8:
    case GPU_B8G8R8X8:
    case GPU_A8R8G8B8:
    case GPU_X8R8G8B8:
    case GPU_R8G8B8A8:
    case GPU_X8B8G8R8:
    case GPU_A8B8G8R8:
    case GPU_R8G8B8X8: return true;
    default: return false;
    }
}

/* --- the list --- */

struct gpu_resource *gpu_resource_find(const struct gpu_resources *resources, u32 id)
{
    struct gpu_resource *resource = resources->first;
    while (resource != NULL && resource->id != id) {
        resource = resource->next;
    }
    return resource;
}

static u64 pixel_bytes(const struct gpu_resource *resource)
{
    return (u64)resource->width * resource->height * PIXEL_BYTES;
}

static struct gpu_resource *add(struct gpu_resources *resources, struct gpu_resource made)
{
    u64 host_bytes = pixel_bytes(&made);
    if (resources->count == GPU_MAX_RESOURCES ||
        host_bytes > GPU_MAX_HOST_BYTES - resources->host_bytes) {
        return NULL;
    }
    struct gpu_resource *resource = malloc(sizeof(*resource));
    if (resource == NULL) {
        return NULL;
    }
    *resource = made;
    if (host_bytes != 0) {
        resource->pixels = calloc(1, (size_t)host_bytes);
        if (resource->pixels == NULL) {
            free(resource);
            return NULL;
        }
    }
    struct gpu_resource **link = &resources->first; /* at the end: saved and loaded in one order */
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = resource;
    resources->count++;
    resources->host_bytes += host_bytes;
    return resource;
}

struct gpu_resource *gpu_resource_new(struct gpu_resources *resources, u32 id, u32 format,
                                      u32 width, u32 height)
{
    if (width == 0 || height == 0 || width > DISPLAY_MAX_SIDE || height > DISPLAY_MAX_SIDE) {
        return NULL;
    }
    return add(resources, (struct gpu_resource){
                              .id = id, .format = format, .width = width, .height = height});
}

struct gpu_resource *gpu_resource_new_blob(struct gpu_resources *resources, u32 id,
                                           u64 size_bytes)
{
    return add(resources,
               (struct gpu_resource){.id = id, .blob = true, .blob_bytes = size_bytes});
}

void gpu_resource_free(struct gpu_resources *resources, struct gpu_resource *resource)
{
    struct gpu_resource **link = &resources->first;
    while (*link != resource) {
        link = &(*link)->next;
    }
    *link = resource->next;
    resources->count--;
    resources->host_bytes -= pixel_bytes(resource);
    resources->page_entries -= resource->page_count;
    free(resource->pixels);
    free(resource->pages);
    free(resource);
}

void gpu_resources_clear(struct gpu_resources *resources)
{
    while (resources->first != NULL) {
        gpu_resource_free(resources, resources->first);
    }
}

bool gpu_resource_attach(struct gpu_resources *resources, struct gpu_resource *resource,
                         struct gpu_pages *pages, u32 count)
{
    resources->page_entries -= resource->page_count;
    bool fits = count <= GPU_MAX_ALL_ENTRIES - resources->page_entries;
    free(resource->pages);
    if (!fits) {
        free(pages);
        pages = NULL;
        count = 0;
    }
    resources->page_entries += count;
    resource->pages = pages;
    resource->page_count = count;
    resource->page_bytes = 0;
    for (u32 i = 0; i < count; i++) {
        pages[i].from_bytes = resource->page_bytes;
        resource->page_bytes += pages[i].size_bytes;
    }
    return fits;
}

/* --- pixels --- */

/* 0xAABBGGRR to 0xAARRGGBB. */
static u32 swap_red_blue(u32 p)
{
    return (p & 0xff00ff00u) | (p & 0xff) << 16 | (p >> 16 & 0xff);
}

/* In place: from four bytes of memory, a little-endian number, to 0xAARRGGBB. A loop for each
 * format, which the compiler makes vectors of; the usual one needs none. */
static void convert_row(u32 format, u32 *pixels, u32 width)
{
    switch (format) {
    case GPU_A8R8G8B8:
    case GPU_X8R8G8B8:
        for (u32 i = 0; i < width; i++) {
            pixels[i] = __builtin_bswap32(METIC_LE32(pixels[i]));
        }
        break;
    case GPU_R8G8B8A8:
    case GPU_R8G8B8X8:
        for (u32 i = 0; i < width; i++) {
            pixels[i] = swap_red_blue(METIC_LE32(pixels[i]));
        }
        break;
    case GPU_A8B8G8R8:
    case GPU_X8B8G8R8:
        for (u32 i = 0; i < width; i++) {
            u32 p = METIC_LE32(pixels[i]);
            pixels[i] = p >> 8 | p << 24;
        }
        break;
    default:
        for (u32 i = 0; i < width && METIC_LE32((u32)1) != 1; i++) {
            pixels[i] = METIC_LE32(pixels[i]);
        }
        break;
    }
}

/* The last entry that begins at or before that byte, which is one of the resource's or its end. A
 * guest's memory may be in many pieces, and every row looks. */
static const struct gpu_pages *find_pages(const struct gpu_resource *resource, u64 skip_bytes)
{
    u32 low = 0, high = resource->page_count;
    while (high - low > 1) {
        u32 middle = low + (high - low) / 2;
        if (resource->pages[middle].from_bytes <= skip_bytes) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &resource->pages[low];
}

/* Copies out of the pages, from `skip_bytes` on. */
static bool read_pages(struct memory *memory, const struct gpu_resource *resource, u64 skip_bytes,
                       u8 *to, u64 size_bytes)
{
    if (skip_bytes > resource->page_bytes || size_bytes > resource->page_bytes - skip_bytes) {
        return false;
    }
    if (size_bytes == 0) {
        return true;
    }
    const struct gpu_pages *pages = find_pages(resource, skip_bytes);
    for (; size_bytes > 0; pages++) { /* some may be empty */
        u64 into_bytes = skip_bytes - pages->from_bytes;
        u64 part = pages->size_bytes - into_bytes;
        part = part < size_bytes ? part : size_bytes;
        if (!memory_dma_read(memory, pages->gpa + into_bytes, to, part)) {
            return false;
        }
        to += part;
        size_bytes -= part;
        skip_bytes += part;
    }
    return true;
}

bool gpu_read_row(struct memory *memory, const struct gpu_resource *resource, u64 skip_bytes,
                  u32 format, u32 width, u32 *pixels)
{
    if (!read_pages(memory, resource, skip_bytes, (u8 *)pixels, (u64)width * PIXEL_BYTES)) {
        return false;
    }
    convert_row(format, pixels, width);
    return true;
}

bool gpu_resource_transfer(struct memory *memory, struct gpu_resource *resource,
                           struct display_rect rect, u64 offset_bytes)
{
    struct display_rect all = {0, 0, resource->width, resource->height};
    struct display_rect in = display_clip(rect, all);
    if (resource->blob || in.width != rect.width || in.height != rect.height) {
        return false;
    }
    u64 stride_bytes = (u64)resource->width * PIXEL_BYTES;
    if (rect.width == resource->width) { /* one piece */
        return gpu_read_row(memory, resource, offset_bytes, resource->format,
                            rect.width * rect.height,
                            resource->pixels + (size_t)rect.y * resource->width);
    }
    for (u32 row = 0; row < rect.height; row++) {
        u64 skip_bytes = offset_bytes + row * stride_bytes;
        u32 *to = resource->pixels + (size_t)(rect.y + row) * resource->width + rect.x;
        if (skip_bytes < offset_bytes ||
            !gpu_read_row(memory, resource, skip_bytes, resource->format, rect.width, to)) {
            return false;
        }
    }
    return true;
}

/* --- saving --- */

void gpu_resources_save(const struct gpu_resources *resources, struct state_writer *writer)
{
    state_write_u32(writer, resources->count);
    for (const struct gpu_resource *r = resources->first; r != NULL; r = r->next) {
        state_write_u32(writer, r->id);
        state_write_u32(writer, r->blob);
        state_write_u32(writer, r->format);
        state_write_u32(writer, r->width);
        state_write_u32(writer, r->height);
        state_write_u64(writer, r->blob_bytes);
        state_write_u32(writer, r->page_count);
        for (u32 i = 0; i < r->page_count; i++) {
            state_write_u64(writer, r->pages[i].gpa);
            state_write_u32(writer, r->pages[i].size_bytes);
        }
        for (u64 i = 0; i < pixel_bytes(r) / PIXEL_BYTES; i++) {
            state_write_u32(writer, r->pixels[i]);
        }
    }
}

static bool load_pages(struct gpu_resources *resources, struct gpu_resource *resource,
                       struct state_reader *reader, u32 count)
{
    struct gpu_pages *pages = count != 0 ? malloc(count * sizeof(*pages)) : NULL;
    bool ok = count == 0 || pages != NULL;
    for (u32 i = 0; ok && i < count; i++) {
        pages[i] = (struct gpu_pages){0};
        ok = state_read_u64(reader, &pages[i].gpa) && state_read_u32(reader, &pages[i].size_bytes);
    }
    if (!ok) {
        free(pages);
        return false;
    }
    return gpu_resource_attach(resources, resource, pages, count);
}

static bool load_resource(struct gpu_resources *resources, struct state_reader *reader)
{
    u32 id, blob, format, width, height, page_count;
    u64 blob_bytes;
    bool whole = state_read_u32(reader, &id) && state_read_u32(reader, &blob) &&
                 state_read_u32(reader, &format) && state_read_u32(reader, &width) &&
                 state_read_u32(reader, &height) && state_read_u64(reader, &blob_bytes) &&
                 state_read_u32(reader, &page_count);
    if (!whole || id == 0 || gpu_resource_find(resources, id) != NULL ||
        page_count > GPU_MAX_PAGES_ENTRIES || (!blob && !gpu_format_is_known(format))) {
        return false;
    }
    struct gpu_resource *resource =
        blob ? gpu_resource_new_blob(resources, id, blob_bytes)
             : gpu_resource_new(resources, id, format, width, height);
    if (resource == NULL || !load_pages(resources, resource, reader, page_count)) {
        return false;
    }
    for (u64 i = 0; i < pixel_bytes(resource) / PIXEL_BYTES; i++) {
        if (!state_read_u32(reader, &resource->pixels[i])) {
            return false;
        }
    }
    return true;
}

bool gpu_resources_load(struct gpu_resources *resources, struct state_reader *reader,
                        struct metic_error *error)
{
    u32 count = 0;
    gpu_resources_clear(resources);
    bool ok = state_read_u32(reader, &count) && count <= GPU_MAX_RESOURCES;
    for (u32 i = 0; ok && i < count; i++) {
        ok = load_resource(resources, reader);
    }
    return ok || error_set(error, NULL, "the saved GPU has resources that no driver could make");
}
