/* The virtio GPU's scanouts and cursors; see virtio_gpu.c. */
#include "hw/virtio/gpu_private.h"

#include <stdlib.h>
#include <string.h>

static bool is_inside(struct display_rect rect, u32 width, u32 height)
{
    struct display_rect in = display_clip(rect, (struct display_rect){0, 0, width, height});
    return in.width == rect.width && in.height == rect.height;
}

static struct display_rect scanout_rect(const struct gpu *gpu, unsigned head)
{
    const struct gpu_saved *s = &gpu->saved;
    return (struct display_rect){s->x[head], s->y[head], s->width[head], s->height[head]};
}

struct blob_part {
    const struct gpu *gpu;
    const struct gpu_resource *resource;
    unsigned head;
    u32 x, y; /* in the blob */
};

static bool read_blob(void *opaque, u32 x, u32 y, u32 width, u32 *pixels)
{
    const struct blob_part *part = opaque;
    const struct gpu_saved *s = &part->gpu->saved;
    u64 skip_bytes = s->blob_offset[part->head] +
                     (u64)(part->y + y) * s->blob_stride[part->head] + 4 * (u64)(part->x + x);
    return gpu_read_row(part->gpu->virtio->device->env->memory, part->resource, skip_bytes,
                        s->blob_format[part->head], width, pixels);
}

/* The part of the resource, in its own coordinates, goes onto the head as far as it is shown. */
static void put_part(struct gpu *gpu, unsigned head, const struct gpu_resource *resource,
                     struct display_rect rect)
{
    struct display_rect shown = scanout_rect(gpu, head);
    struct display_rect part = display_clip(rect, shown);
    if (part.width == 0) {
        return;
    }
    struct display_rect to = {part.x - shown.x, part.y - shown.y, part.width, part.height};
    if (resource->blob) {
        struct blob_part blob = {gpu, resource, head, part.x, part.y};
        display_put_rows(gpu_config(gpu)->display, &gpu->producer, head, to, read_blob, &blob);
        return;
    }
    display_put(gpu_config(gpu)->display, &gpu->producer, head, to,
                resource->pixels + (size_t)part.y * resource->width + part.x, resource->width);
}

void gpu_hide(struct gpu *gpu, unsigned head)
{
    gpu->saved.resource[head] = 0;
    gpu->unput &= ~(u32)BIT(head);
    display_hide(gpu_config(gpu)->display, &gpu->producer, head);
}

/* Where the hot spot is: the driver tells of the picture's first pixel (the manual leaves that
 * open, Linux does so). Far outside is as good as anywhere outside, and viewers may calculate. */
static s32 hot_spot(u32 at, u32 hot)
{
    enum { FAR = 4 * DISPLAY_MAX_SIDE };
    s64 place = (s64)(s32)at + hot;
    return place < -FAR ? -FAR : place > FAR ? FAR : (s32)place;
}

static s32 hot_spot_x(const struct gpu_saved *s, unsigned head)
{
    return hot_spot(s->cursor_x[head], s->cursor_hot_x[head]);
}

static s32 hot_spot_y(const struct gpu_saved *s, unsigned head)
{
    return hot_spot(s->cursor_y[head], s->cursor_hot_y[head]);
}

static struct display_cursor *cursor_make(const struct gpu *gpu, unsigned head)
{
    const struct gpu_saved *s = &gpu->saved;
    struct display_cursor *cursor = malloc(sizeof(*cursor));
    if (cursor != NULL) {
        *cursor = (struct display_cursor){
            .visible = s->cursor_visible[head],
            .x = hot_spot_x(s, head),
            .y = hot_spot_y(s, head),
            .hot_x = s->cursor_hot_x[head],
            .hot_y = s->cursor_hot_y[head],
            .width = DISPLAY_CURSOR_SIDE,
            .height = DISPLAY_CURSOR_SIDE,
        };
        memcpy(cursor->pixels, s->cursor_pixels + (size_t)head * GPU_CURSOR_PIXELS,
               sizeof(cursor->pixels));
    }
    return cursor;
}

static void put_cursor(struct gpu *gpu, unsigned head)
{
    struct display_cursor *cursor = cursor_make(gpu, head);
    if (cursor != NULL) {
        display_set_cursor(gpu_config(gpu)->display, &gpu->producer, head, cursor);
        free(cursor);
    }
}

/* Drivers of several scanouts mostly draw one large picture, of which each shows a part. */
static void set_place(struct gpu *gpu, unsigned head, const struct gpu_resource *resource)
{
    const struct gpu_saved *s = &gpu->saved;
    struct display_place place = {
        .picture = resource->id,
        .x = s->x[head],
        .y = s->y[head],
        .width = resource->blob ? s->blob_width[head] : resource->width,
        .height = resource->blob ? s->blob_height[head] : resource->height,
    };
    display_set_place(gpu_config(gpu)->display, &gpu->producer, head, place);
}

enum gpu_response gpu_show(struct gpu *gpu, unsigned head, const struct gpu_resource *resource)
{
    struct display_rect shown = scanout_rect(gpu, head);
    set_place(gpu, head, resource);
    if (!display_show(gpu_config(gpu)->display, &gpu->producer, head, shown.width,
                      shown.height)) {
        gpu_hide(gpu, head);
        return GPU_ERR_MEMORY;
    }
    gpu->unput &= ~(u32)BIT(head);
    put_part(gpu, head, resource, shown);
    put_cursor(gpu, head);
    return GPU_OK;
}

/* A driver that flips sets the scanout and flushes: pixels are put once for both. */
static enum gpu_response flip(struct gpu *gpu, unsigned head, const struct gpu_resource *resource)
{
    set_place(gpu, head, resource);
    gpu->unput |= (u32)BIT(head);
    return GPU_OK;
}

void gpu_settle(struct gpu *gpu)
{
    for (unsigned head = 0; gpu->unput != 0; head++) {
        if (gpu->unput & BIT(head)) {
            gpu->unput &= ~(u32)BIT(head);
            put_part(gpu, head, gpu_resource_find(&gpu->resources, gpu->saved.resource[head]),
                     scanout_rect(gpu, head));
        }
    }
}

static enum gpu_response set_scanout(struct gpu *gpu, unsigned head, u32 id,
                                     struct display_rect rect, const struct gpu_layout *layout,
                                     u32 width, u32 height)
{
    struct gpu_saved *s = &gpu->saved;
    if (head >= gpu_config(gpu)->head_count) {
        return GPU_ERR_SCANOUT;
    }
    if (id == 0) {
        gpu_hide(gpu, head);
        return GPU_OK;
    }
    const struct gpu_resource *resource = gpu_resource_find(&gpu->resources, id);
    if (resource == NULL || resource->blob != (layout != NULL)) {
        return GPU_ERR_RESOURCE;
    }
    if (!resource->blob) {
        width = resource->width;
        height = resource->height;
    }
    if (rect.width < GPU_MIN_SIDE || rect.height < GPU_MIN_SIDE ||
        rect.width > DISPLAY_MAX_SIDE || rect.height > DISPLAY_MAX_SIDE ||
        !is_inside(rect, width, height)) {
        return GPU_ERR_PARAMETER;
    }
    if (layout != NULL) {
        s->blob_format[head] = layout->format;
        s->blob_stride[head] = layout->stride_bytes;
        s->blob_offset[head] = layout->offset_bytes;
        s->blob_width[head] = width;
        s->blob_height[head] = height;
    }
    bool flips = s->resource[head] != 0 && s->width[head] == rect.width &&
                 s->height[head] == rect.height;
    s->resource[head] = id;
    s->x[head] = rect.x;
    s->y[head] = rect.y;
    s->width[head] = rect.width;
    s->height[head] = rect.height;
    return flips ? flip(gpu, head, resource) : gpu_show(gpu, head, resource);
}

enum gpu_response gpu_set_scanout(struct gpu *gpu)
{
    return set_scanout(gpu, field(gpu, 16), field(gpu, 20), rect_field(gpu), NULL, 0, 0);
}

/* rect, scanout, resource, width, height, format, padding, strides[4], offsets[4] */
enum gpu_response gpu_set_scanout_blob(struct gpu *gpu)
{
    struct gpu_layout layout = {
        .format = field(gpu, 32), .stride_bytes = field(gpu, 40), .offset_bytes = field(gpu, 56)};
    u32 width = field(gpu, 24);
    u32 height = field(gpu, 28);
    const struct gpu_resource *resource = gpu_resource_find(&gpu->resources, field(gpu, 20));
    if (field(gpu, 20) != 0 &&
        (!gpu_format_is_known(layout.format) || width == 0 || height == 0 ||
         width > DISPLAY_MAX_SIDE || height > DISPLAY_MAX_SIDE ||
         layout.stride_bytes < 4 * width || resource == NULL ||
         layout.offset_bytes + (u64)layout.stride_bytes * (height - 1) + 4 * (u64)width >
             resource->page_bytes)) {
        return GPU_ERR_PARAMETER;
    }
    return set_scanout(gpu, field(gpu, 16), field(gpu, 20), rect_field(gpu), &layout, width,
                       height);
}

enum gpu_response gpu_flush(struct gpu *gpu)
{
    u32 id = field(gpu, 16);
    const struct gpu_resource *resource = gpu_resource_find(&gpu->resources, id);
    if (resource == NULL) {
        return GPU_ERR_RESOURCE;
    }
    for (unsigned head = 0; head < gpu_config(gpu)->head_count; head++) {
        if (gpu->saved.resource[head] == id) {
            bool all = (gpu->unput & BIT(head)) != 0;
            gpu->unput &= ~(u32)BIT(head);
            put_part(gpu, head, resource, all ? scanout_rect(gpu, head) : rect_field(gpu));
        }
    }
    return GPU_OK;
}

/* --- the cursor: scanout, x, y, padding, resource, hot x, hot y --- */

static void cursor_pixels(struct gpu *gpu, unsigned head, const struct gpu_resource *resource)
{
    u32 *pixels = gpu->saved.cursor_pixels + (size_t)head * GPU_CURSOR_PIXELS;
    bool fits = resource != NULL && resource->width == DISPLAY_CURSOR_SIDE &&
                resource->height == DISPLAY_CURSOR_SIDE;
    if (fits) {
        memcpy(pixels, resource->pixels, GPU_CURSOR_PIXELS * sizeof(u32));
    } else if (resource != NULL && resource->blob) {
        fits = gpu_read_row(gpu->virtio->device->env->memory, resource, 0, GPU_B8G8R8A8,
                            GPU_CURSOR_PIXELS, pixels);
    }
    gpu->saved.cursor_visible[head] = fits;
}

enum gpu_response gpu_cursor(struct gpu *gpu, bool reshape)
{
    struct gpu_saved *s = &gpu->saved;
    unsigned head = field(gpu, 0);
    if (head >= gpu_config(gpu)->head_count) {
        return GPU_ERR_SCANOUT;
    }
    s->cursor_x[head] = field(gpu, 4);
    s->cursor_y[head] = field(gpu, 8);
    if (!reshape) {
        display_move_cursor(gpu_config(gpu)->display, &gpu->producer, head,
                            hot_spot_x(s, head), hot_spot_y(s, head));
        return GPU_OK;
    }
    u32 id = field(gpu, 16);
    s->cursor_hot_x[head] = field(gpu, 20) % DISPLAY_CURSOR_SIDE;
    s->cursor_hot_y[head] = field(gpu, 24) % DISPLAY_CURSOR_SIDE;
    cursor_pixels(gpu, head, id != 0 ? gpu_resource_find(&gpu->resources, id) : NULL);
    put_cursor(gpu, head);
    return GPU_OK;
}

bool gpu_scanout_is_sane(const struct gpu *gpu, unsigned head)
{
    const struct gpu_saved *s = &gpu->saved;
    const struct gpu_resource *resource = gpu_resource_find(&gpu->resources, s->resource[head]);
    struct display_rect rect = scanout_rect(gpu, head);
    if (resource == NULL || rect.width == 0 || rect.height == 0) {
        return false;
    }
    u32 width = resource->blob ? s->blob_width[head] : resource->width;
    u32 height = resource->blob ? s->blob_height[head] : resource->height;
    return width <= DISPLAY_MAX_SIDE && height <= DISPLAY_MAX_SIDE &&
           is_inside(rect, width, height);
}
