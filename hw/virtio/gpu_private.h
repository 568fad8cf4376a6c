/* Between the virtio GPU's own files (virtio_gpu.c, gpu_scanout.c); nobody else includes this. */
#ifndef METIC_HW_VIRTIO_GPU_PRIVATE_H
#define METIC_HW_VIRTIO_GPU_PRIVATE_H

#include "hw/virtio/gpu_resource.h"
#include "hw/virtio/virtio_gpu.h"
#include "hw/virtio/virtio_queue.h"
#include "hw/virtio/virtio_worker.h"

enum {
    GPU_QUEUE_ENTRIES = 256,
    GPU_CONTROL = 0,
    GPU_CURSOR = 1,
    GPU_QUEUES = 2,
    GPU_CONFIG_BYTES = 16,
    GPU_EVENT_DISPLAY = 1,
    GPU_HEADER_BYTES = 24,
    GPU_REQUEST_BYTES = 96, /* the longest command without what follows it */
    GPU_INFO_SCANOUTS = 16,
    GPU_EDID_ROOM = 1024,
    GPU_RESPONSE_BYTES = GPU_HEADER_BYTES + 8 + GPU_EDID_ROOM,
    GPU_FLAG_FENCE = 1,
    GPU_BLOB_GUEST = 1,
    GPU_MIN_SIDE = 16,
    GPU_RANK = 3, /* among the display's producers */
};

enum gpu_command { /* 5.7.6.7 */
    GPU_GET_DISPLAY_INFO = 0x100,
    GPU_RESOURCE_CREATE_2D,
    GPU_RESOURCE_UNREF,
    GPU_SET_SCANOUT,
    GPU_RESOURCE_FLUSH,
    GPU_TRANSFER_TO_HOST_2D,
    GPU_RESOURCE_ATTACH_BACKING,
    GPU_RESOURCE_DETACH_BACKING,
    GPU_GET_EDID = 0x10a,
    GPU_RESOURCE_CREATE_BLOB = 0x10c,
    GPU_SET_SCANOUT_BLOB,
    GPU_UPDATE_CURSOR = 0x300,
    GPU_MOVE_CURSOR,
};

enum gpu_response {
    GPU_OK = 0x1100,
    GPU_OK_DISPLAY_INFO,
    GPU_OK_EDID = 0x1104,
    GPU_ERR = 0x1200,
    GPU_ERR_MEMORY,
    GPU_ERR_SCANOUT,
    GPU_ERR_RESOURCE,
    GPU_ERR_CONTEXT,
    GPU_ERR_PARAMETER,
};

enum { GPU_CURSOR_PIXELS = DISPLAY_CURSOR_SIDE * DISPLAY_CURSOR_SIDE };

struct gpu_saved {
    u64 blob_offset[DISPLAY_MAX_HEADS]; /* of a scanout that shows a blob: its layout */
    u32 blob_format[DISPLAY_MAX_HEADS];
    u32 blob_stride[DISPLAY_MAX_HEADS];
    u32 blob_width[DISPLAY_MAX_HEADS];
    u32 blob_height[DISPLAY_MAX_HEADS];
    u32 resource[DISPLAY_MAX_HEADS]; /* shown; 0: none */
    u32 x[DISPLAY_MAX_HEADS], y[DISPLAY_MAX_HEADS]; /* which part of it */
    u32 width[DISPLAY_MAX_HEADS], height[DISPLAY_MAX_HEADS];
    u32 wanted_width[DISPLAY_MAX_HEADS], wanted_height[DISPLAY_MAX_HEADS];
    u32 cursor_x[DISPLAY_MAX_HEADS], cursor_y[DISPLAY_MAX_HEADS];
    u32 cursor_hot_x[DISPLAY_MAX_HEADS], cursor_hot_y[DISPLAY_MAX_HEADS];
    u32 cursor_pixels[DISPLAY_MAX_HEADS * GPU_CURSOR_PIXELS];
    bool cursor_visible[DISPLAY_MAX_HEADS];
    u32 events;
    u32 asked; /* events of `events` since whose rise the driver asked about the screens */
    u32 again; /* of `asked`, those that happened once more after that question */
};

struct gpu {
    struct gpu_saved saved;
    struct virtio *virtio;
    struct gpu_resources resources;
    u32 unput; /* heads, one bit each, whose scanout is another than what was put last */
    struct display_producer producer;
    struct journal_source source; /* sizes that a user asks for */
    struct virtio_worker worker;
    struct virtio_chain chain;
    u8 request[GPU_REQUEST_BYTES];
    u8 response[GPU_RESPONSE_BYTES];
    size_t response_bytes;
};

static inline const struct virtio_gpu_config *gpu_config(const struct gpu *gpu)
{
    return gpu->virtio->config;
}

static inline u32 field(const struct gpu *gpu, unsigned offset_bytes)
{
    return ld_le32(gpu->request + GPU_HEADER_BYTES + offset_bytes);
}

static inline struct display_rect rect_field(const struct gpu *gpu)
{
    return (struct display_rect){field(gpu, 0), field(gpu, 4), field(gpu, 8), field(gpu, 12)};
}

/* --- gpu_scanout.c: what is shown, and commands about that. No lock is held. --- */
/* Shows what gpu->saved says of the head; `resource` is that of the scanout. */
enum gpu_response gpu_show(struct gpu *gpu, unsigned head, const struct gpu_resource *resource);
/* Puts what a change of scanout left to the flush that mostly follows it. */
void gpu_settle(struct gpu *gpu);
void gpu_hide(struct gpu *gpu, unsigned head);
/* Whether the head's scanout, as it was loaded, is one that a driver could have set. */
bool gpu_scanout_is_sane(const struct gpu *gpu, unsigned head);

enum gpu_response gpu_set_scanout(struct gpu *gpu);
enum gpu_response gpu_set_scanout_blob(struct gpu *gpu);
enum gpu_response gpu_flush(struct gpu *gpu);
enum gpu_response gpu_cursor(struct gpu *gpu, bool reshape);

#endif
