/* What a guest shows: the seam between devices that make pictures and those who look at them.
 *
 *   gpu, ramfb, framebuffer  ->  struct display (heads, each a surface and a cursor)  ->  window,
 *                                                                      VNC, screenshot, video
 *
 * A producer takes a head over (display_show), and puts changed rectangles of pixels into it. The
 * display keeps its own copy, so a client never reads guest memory, and a screen that stands still
 * costs nothing. Every client has its own list of what changed since it looked last, and takes
 * those rectangles into a buffer of its own.
 *
 * Several producers may share a head: the firmware's framebuffer first, the kernel's GPU later. The
 * one with the highest rank is seen, among those that ever put something that is not black since
 * they show: firmware may start a GPU and then draw elsewhere. The others go on unseen.
 *
 * Pixels are u32, 0x00RRGGBB (a cursor's: 0xAARRGGBB), in the host's byte order.
 *
 * Threads: any; one mutex inside, held for a copy at most. Nothing a client sees is a guest's
 * pointer. Sizes are bounded by DISPLAY_MAX_SIDE, whatever a guest asks for. */
#ifndef METIC_HW_DISPLAY_DISPLAY_H
#define METIC_HW_DISPLAY_DISPLAY_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

enum {
    DISPLAY_MAX_HEADS = 4,
    DISPLAY_MAX_SIDE = 8192,
    DISPLAY_MAX_RECTS = 16, /* of what changed; more are joined */
    DISPLAY_CURSOR_SIDE = 64,
};

struct display;

struct display_rect {
    u32 x, y, width, height;
};

/* The part of `rect` inside `of`; width 0 when there is none. */
struct display_rect display_clip(struct display_rect rect, struct display_rect of);

/* NULL when the host has no memory. */
struct display *display_new(void);
void display_free(struct display *display); /* NULL allowed; clients and producers are gone */

/* ---- Producers ---- */

/* Where a head's picture lies in what the guest draws: several heads may show parts of one
 * picture. */
struct display_place {
    u32 picture; /* a number that the producer gives it; 0: not known */
    u32 x, y, width, height; /* the head's first pixel in it; its size */
};

struct display_producer {
    const char *name;
    unsigned rank; /* the highest one that shows something is seen */
    unsigned head; /* the first of those it may use */
    /* A client wants to see what is there now: for producers that nobody tells of changes. Called
     * without the display's lock. NULL: the producer puts by itself. */
    void (*refresh)(void *opaque);
    /* The producer has the head again, or for the first time: it puts everything. Any thread, no
     * lock held. NULL: as refresh. */
    void (*expose)(void *opaque, unsigned head);
    /* A client would like the head to have this size; the guest may be told. Called without the
     * display's lock. NULL: the size is the guest's alone. */
    void (*resize)(void *opaque, unsigned head, u32 width, u32 height);
    void *opaque;
    struct display_producer *next; /* the display's own, as is */
    bool showing[DISPLAY_MAX_HEADS];
    bool lit[DISPLAY_MAX_HEADS]; /* something that is not black was put while it was showing */
    u32 width[DISPLAY_MAX_HEADS], height[DISPLAY_MAX_HEADS];
    struct display_place places[DISPLAY_MAX_HEADS];
};

/* Kept in place until it is removed. */
void display_add_producer(struct display *display, struct display_producer *producer);
void display_remove_producer(struct display *display, struct display_producer *producer);

/* The head shows the producer's picture, black at first if its size is new. False: the size is none
 * (0, or above DISPLAY_MAX_SIDE), or the host has no memory for it. */
bool display_show(struct display *display, struct display_producer *producer, unsigned head,
                  u32 width, u32 height);
void display_hide(struct display *display, struct display_producer *producer, unsigned head);
/* Whether what it puts is seen, or will be when it is not black. */
bool display_is_seen(struct display *display, const struct display_producer *producer,
                     unsigned head);

/* Copies a rectangle: its first pixel is pixels[0], a row is stride_pixels long. Parts outside the
 * head are left out; all of it while the producer is not seen. */
void display_put(struct display *display, struct display_producer *producer, unsigned head,
                 struct display_rect rect, const u32 *pixels, size_t stride_pixels);

/* The same, of a picture that lies elsewhere: `read` puts `width` pixels of the rectangle's row
 * `y`, from its `x` on, to `pixels`; false: the rest stays as it is. It must not call the display.
 * Clients see all rows at once. */
void display_put_rows(struct display *display, struct display_producer *producer, unsigned head,
                      struct display_rect rect,
                      bool (*read)(void *opaque, u32 x, u32 y, u32 width, u32 *pixels),
                      void *opaque);

/* The producer's picture of the head is a part of a larger one, or may be. */
void display_set_place(struct display *display, struct display_producer *producer, unsigned head,
                       struct display_place place);

struct display_cursor {
    bool visible;
    s32 x, y;         /* of the hot spot, on the head */
    u32 hot_x, hot_y; /* in the picture */
    u32 width, height;
    u32 pixels[DISPLAY_CURSOR_SIDE * DISPLAY_CURSOR_SIDE];
};

/* Its shape and place; NULL: none. */
void display_set_cursor(struct display *display, const struct display_producer *producer,
                        unsigned head, const struct display_cursor *cursor);
void display_move_cursor(struct display *display, const struct display_producer *producer,
                         unsigned head, s32 x, s32 y);

/* ---- Clients ---- */

/* What a client has of a head. */
struct display_client {
    unsigned head;
    /* Something changed, and the client has been told of nothing since it looked last. The
     * display's lock is held: take note only. May be NULL. */
    void (*changed)(void *opaque);
    void *opaque;

    /* Filled by display_client_take; the client's thread reads it. */
    u32 width, height;  /* 0: the head shows nothing */
    u32 *pixels;        /* width * height */
    bool resized;       /* since the look before */
    bool cursor_moved, cursor_reshaped;
    bool untold; /* who draws tells nobody: the client must look again by itself */
    struct display_rect rects[DISPLAY_MAX_RECTS];
    unsigned rect_count;
    struct display_cursor cursor;

    struct { /* the display's own */
        struct display *display;
        struct display_client *next;
        bool told, resized, cursor_moved, cursor_reshaped;
        struct display_rect rects[DISPLAY_MAX_RECTS];
        unsigned rect_count;
    } own;
};

/* Everything counts as changed. `head`, `changed` and `opaque` are set by the caller. */
void display_add_client(struct display *display, struct display_client *client);
/* Also frees its pixels. */
void display_remove_client(struct display_client *client);
/* Brings the client's copy up to date; false when nothing changed. */
bool display_client_take(struct display_client *client);

/* Asks for a size, as a user who drags a window's edge does; 0 by 0: as one who pulls the
 * monitor's plug. The guest decides. */
void display_request_size(struct display *display, unsigned head, u32 width, u32 height);

/* Makes a place on the head, 0 to `most` over its width and height, one on all of the guest's
 * desktop, 0 to `most` over that: what a tablet tells. Heads that show parts of one picture lie
 * where these are; heads that show the same are one; others stand in a row from left to right. */
void display_to_desktop(struct display *display, unsigned head, u32 most, u32 *x, u32 *y);

/* What the head shows; false: nothing. */
bool display_get_size(struct display *display, unsigned head, u32 *width, u32 *height);
/* Heads that show something are below this. */
unsigned display_head_count(struct display *display);

#endif
