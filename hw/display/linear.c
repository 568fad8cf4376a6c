/* See linear.h. */
#include "hw/display/linear.h"

#include <stdlib.h>
#include <string.h>

static unsigned pixel_bytes(u32 format)
{
    switch (format) {
    case LINEAR_XRGB8888:
    case LINEAR_ARGB8888:
    case LINEAR_XBGR8888:
    case LINEAR_ABGR8888: return 4;
    case LINEAR_RGB888: return 3;
    case LINEAR_RGB565: return 2;
    default: return 0;
    }
}

/* 5 or 6 bits to 8, so that all ones stay all ones. */
static u32 widen(u32 value, unsigned bits)
{
    return value << (8 - bits) | value >> (2 * bits - 8);
}

static u32 convert(u32 format, const u8 *bytes)
{
    u32 p;
    switch (format) {
    case LINEAR_XBGR8888:
    case LINEAR_ABGR8888: return (u32)(bytes[0] << 16 | bytes[1] << 8 | bytes[2]);
    case LINEAR_RGB888: return (u32)(bytes[2] << 16 | bytes[1] << 8 | bytes[0]);
    case LINEAR_RGB565:
        p = ld_le16(bytes);
        return widen(p >> 11, 5) << 16 | widen(p >> 5 & 63, 6) << 8 | widen(p & 31, 5);
    default: return ld_le32(bytes) & 0xffffff;
    }
}

/* --- comparing; lock held --- */

/* A row of the guest's differs from what was seen: puts what is between the first and the last
 * pixel that do. */
static void put_row(struct linear *linear, u32 y, const u8 *row, u32 *pixels)
{
    const struct linear_shape *shape = &linear->shape;
    unsigned bytes = pixel_bytes(shape->format);
    u8 *seen = linear->seen + (size_t)y * shape->stride_bytes;
    u32 first = 0, end = shape->width;
    if (!linear->stale) {
        while (first < end && memcmp(row + first * bytes, seen + first * bytes, bytes) == 0) {
            first++;
        }
        while (end > first &&
               memcmp(row + (end - 1) * bytes, seen + (end - 1) * bytes, bytes) == 0) {
            end--;
        }
    }
    memcpy(seen, row, (size_t)shape->width * bytes);
    for (u32 x = first; x < end; x++) {
        pixels[x] = convert(shape->format, row + (size_t)x * bytes);
    }
    display_put(linear->display, &linear->producer, 0,
                (struct display_rect){first, y, end - first, 1}, pixels + first, shape->width);
}

static void compare(struct linear *linear)
{
    const struct linear_shape *shape = &linear->shape;
    size_t row_bytes = (size_t)shape->width * pixel_bytes(shape->format);
    u8 *row = malloc(row_bytes);
    u32 *pixels = malloc(shape->width * sizeof(*pixels));
    bool whole = row != NULL && pixels != NULL;
    for (u32 y = 0; whole && y < shape->height; y++) {
        u64 skip_bytes = (u64)y * shape->stride_bytes;
        whole = memory_dma_read(linear->memory, shape->gpa + skip_bytes, row, row_bytes);
        if (whole && (linear->stale || memcmp(row, linear->seen + skip_bytes, row_bytes) != 0)) {
            put_row(linear, y, row, pixels);
        }
    }
    linear->stale &= !whole;
    free(row);
    free(pixels);
}

static void linear_refresh(void *opaque)
{
    struct linear *linear = opaque;
    pthread_mutex_lock(&linear->lock);
    if (linear->shape.width != 0 &&
        display_is_seen(linear->display, &linear->producer, linear->producer.head)) {
        compare(linear);
    }
    pthread_mutex_unlock(&linear->lock);
}

/* Another producer has gone. */
static void linear_expose(void *opaque, unsigned head)
{
    struct linear *linear = opaque;
    pthread_mutex_lock(&linear->lock);
    if (linear->shape.width != 0) {
        display_show(linear->display, &linear->producer, head, linear->shape.width,
                     linear->shape.height);
        linear->stale = true;
    }
    pthread_mutex_unlock(&linear->lock);
}

/* --- life --- */

void linear_init(struct linear *linear, struct display *display, struct memory *memory,
                 const char *name, unsigned rank)
{
    *linear = (struct linear){.display = display, .memory = memory};
    linear->producer = (struct display_producer){.name = name, .rank = rank,
                                                 .refresh = linear_refresh,
                                                 .expose = linear_expose, .opaque = linear};
    pthread_mutex_init(&linear->lock, NULL);
    display_add_producer(display, &linear->producer);
}

void linear_fini(struct linear *linear)
{
    if (linear->display != NULL) {
        display_remove_producer(linear->display, &linear->producer);
        pthread_mutex_destroy(&linear->lock);
        free(linear->seen);
    }
}

bool linear_is_sane(const struct linear_shape *shape)
{
    enum { STRIDE_MAX_BYTES = 65536 };
    u64 bytes = (u64)shape->height * shape->stride_bytes;
    return pixel_bytes(shape->format) != 0 && shape->width != 0 && shape->height != 0 &&
           shape->width <= DISPLAY_MAX_SIDE && shape->height <= DISPLAY_MAX_SIDE &&
           shape->stride_bytes <= STRIDE_MAX_BYTES &&
           shape->stride_bytes >= shape->width * pixel_bytes(shape->format) &&
           shape->gpa + bytes >= shape->gpa;
}

bool linear_set(struct linear *linear, const struct linear_shape *shape)
{
    linear_clear(linear);
    if (!linear_is_sane(shape)) {
        return false;
    }
    u8 *seen = calloc(shape->height, shape->stride_bytes);
    if (seen == NULL) {
        return false;
    }
    pthread_mutex_lock(&linear->lock);
    free(linear->seen);
    linear->seen = seen;
    linear->shape = *shape;
    linear->stale = true;
    display_show(linear->display, &linear->producer, linear->producer.head, shape->width,
                 shape->height);
    pthread_mutex_unlock(&linear->lock);
    return true;
}

void linear_clear(struct linear *linear)
{
    pthread_mutex_lock(&linear->lock);
    linear->shape.width = 0;
    pthread_mutex_unlock(&linear->lock);
    display_hide(linear->display, &linear->producer, linear->producer.head);
}
