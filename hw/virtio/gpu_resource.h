/* Resources of the virtio GPU (virtio 1.2, 5.7.6.8): pictures that the driver made, with the guest
 * pages behind them.
 *
 * A 2D resource has pixels on the host, which TRANSFER_TO_HOST_2D copies out of the guest's pages.
 * A guest blob has none: it is its pages, read when a scanout shows it.
 *
 * All sizes and addresses are the driver's. Memory is bounded: GPU_MAX_RESOURCES, and for all
 * together GPU_MAX_HOST_BYTES of pixels and GPU_MAX_ALL_ENTRIES of their lists of pages. Used by
 * the thread that serves the queues alone. */
#ifndef METIC_HW_VIRTIO_GPU_RESOURCE_H
#define METIC_HW_VIRTIO_GPU_RESOURCE_H

#include "hw/display/display.h"
#include "cpu/memory.h"
#include "cpu/state.h"

enum {
    GPU_MAX_RESOURCES = 4096,
    GPU_MAX_PAGES_ENTRIES = 16384, /* of one resource's list of guest pages */
    GPU_MAX_ALL_ENTRIES = 1 << 20, /* of all: 4 GiB in single pages */
    GPU_MAX_HOST_BYTES = 256 << 20,
};

/* enum virtio_gpu_formats: bytes in memory, in this order. */
enum gpu_format {
    GPU_B8G8R8A8 = 1,
    GPU_B8G8R8X8 = 2,
    GPU_A8R8G8B8 = 3,
    GPU_X8R8G8B8 = 4,
    GPU_R8G8B8A8 = 67,
    GPU_X8B8G8R8 = 68,
    GPU_A8B8G8R8 = 121,
    GPU_R8G8B8X8 = 134,
};
bool gpu_format_is_known(u32 format);

struct gpu_pages {
    gpa_t gpa;
    u32 size_bytes;
    u64 from_bytes; /* in the resource; gpu_resource_attach knows it */
};

struct gpu_resource {
    u32 id; /* not 0 */
    u32 format, width, height; /* of a 2D resource */
    bool blob;
    u64 blob_bytes;
    u32 *pixels; /* of a 2D resource: 0xAARRGGBB, width * height */
    struct gpu_pages *pages;
    u32 page_count;
    u64 page_bytes; /* all of them */
    struct gpu_resource *next;
};

struct gpu_resources {
    struct gpu_resource *first;
    unsigned count;
    u64 host_bytes;
    u32 page_entries;
};

void gpu_resources_clear(struct gpu_resources *resources);
struct gpu_resource *gpu_resource_find(const struct gpu_resources *resources, u32 id);
/* NULL when a bound above or the host's memory is reached. The id is free, and not 0. */
struct gpu_resource *gpu_resource_new(struct gpu_resources *resources, u32 id, u32 format,
                                      u32 width, u32 height);
struct gpu_resource *gpu_resource_new_blob(struct gpu_resources *resources, u32 id,
                                           u64 size_bytes);
void gpu_resource_free(struct gpu_resources *resources, struct gpu_resource *resource);

/* Takes over the list (malloc) in place of the one there is; NULL: none. False: a bound above is
 * reached, the list is freed and the resource has none. */
bool gpu_resource_attach(struct gpu_resources *resources, struct gpu_resource *resource,
                         struct gpu_pages *pages, u32 count);

/* Where pixels lie in a resource's pages. */
struct gpu_layout {
    u32 format;
    u64 offset_bytes; /* of the picture's first pixel */
    u32 stride_bytes;
};

/* Reads a row of `width` pixels, `skip_bytes` from the start of the pages on, as 0xAARRGGBB. False
 * when part of it is outside the pages, or they are not RAM. */
bool gpu_read_row(struct memory *memory, const struct gpu_resource *resource, u64 skip_bytes,
                  u32 format, u32 width, u32 *pixels);

/* TRANSFER_TO_HOST_2D: a rectangle inside a 2D resource, whose first pixel lies `offset_bytes` from
 * the start of the pages. False: as above, or outside the resource. */
bool gpu_resource_transfer(struct memory *memory, struct gpu_resource *resource,
                           struct display_rect rect, u64 offset_bytes);

/* What is saved of them; load refuses what a driver could not have made. */
void gpu_resources_save(const struct gpu_resources *resources, struct state_writer *writer);
bool gpu_resources_load(struct gpu_resources *resources, struct state_reader *reader,
                        struct metic_error *error);

#endif
