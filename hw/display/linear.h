/* A framebuffer in guest memory, of which nobody says when it changes: it is compared with what was
 * seen before whenever a client looks. Rows that are the same cost a comparison and no more.
 *
 * The memory is the guest's, read as DMA; a part that is not RAM shows nothing new.
 *
 * Threads: any; a mutex inside. linear_set and linear_clear may be called with a device's lock
 * held: they take no other. */
#ifndef METIC_HW_DISPLAY_LINEAR_H
#define METIC_HW_DISPLAY_LINEAR_H

#include "cpu/memory.h"
#include "hw/display/display.h"
#include <pthread.h>

/* Four-character codes of Linux's DRM, as firmware gives them. */
enum linear_format {
    LINEAR_XRGB8888 = 0x34325258, /* "XR24": a little-endian 0xXXRRGGBB */
    LINEAR_ARGB8888 = 0x34325241, /* "AR24" */
    LINEAR_XBGR8888 = 0x34324258, /* "XB24" */
    LINEAR_ABGR8888 = 0x34324241, /* "AB24" */
    LINEAR_RGB888 = 0x34324752,   /* "RG24": bytes B, G, R */
    LINEAR_RGB565 = 0x36314752,   /* "RG16" */
};

struct linear_shape {
    gpa_t gpa;
    u32 format; /* enum linear_format */
    u32 width, height, stride_bytes;
};

struct linear {
    struct display *display;
    struct memory *memory;
    struct display_producer producer;
    pthread_mutex_t lock;
    struct linear_shape shape; /* width 0: there is none */
    u8 *seen;                  /* the guest's bytes, height * stride */
    bool stale;                /* all of it is to be put */
};

/* Shows nothing until linear_set. The name is kept. */
void linear_init(struct linear *linear, struct display *display, struct memory *memory,
                 const char *name, unsigned rank);
void linear_fini(struct linear *linear);

/* Whether a framebuffer can be like that: a format that is known, a size that a display has, a
 * stride no shorter than a row and at most 64 KiB, an end that does not wrap. */
bool linear_is_sane(const struct linear_shape *shape);
/* False when it is not, or the host has no memory; then nothing is shown. */
bool linear_set(struct linear *linear, const struct linear_shape *shape);
void linear_clear(struct linear *linear);

#endif
