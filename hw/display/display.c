/* See display.h. */
#include "hw/display/display.h"

#include "cpu/base/zeros.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct head {
    u32 width, height; /* 0: nothing is shown */
    u32 *pixels;       /* width * height */
    struct display_producer *seen;
    struct display_cursor cursor;
};

struct display {
    pthread_mutex_t lock;
    struct head heads[DISPLAY_MAX_HEADS];
    struct display_producer *producers;
    struct display_client *clients;
};

/* --- rectangles --- */

static u32 min32(u32 a, u32 b) { return a < b ? a : b; }
static u32 max32(u32 a, u32 b) { return a > b ? a : b; }

/* Ends as 64 bits: a guest's x + width may wrap. */
static u64 end_of(u32 start, u32 size) { return (u64)start + size; }

struct display_rect display_clip(struct display_rect rect, struct display_rect of)
{
    u32 x = max32(rect.x, of.x);
    u32 y = max32(rect.y, of.y);
    u64 x_end = end_of(rect.x, rect.width) < end_of(of.x, of.width) ? end_of(rect.x, rect.width)
                                                                    : end_of(of.x, of.width);
    u64 y_end = end_of(rect.y, rect.height) < end_of(of.y, of.height)
                    ? end_of(rect.y, rect.height)
                    : end_of(of.y, of.height);
    if (x_end <= x || y_end <= y) {
        return (struct display_rect){0};
    }
    return (struct display_rect){x, y, (u32)(x_end - x), (u32)(y_end - y)};
}

/* The smallest rectangle around both; both are inside a head. */
static struct display_rect rect_join(struct display_rect a, struct display_rect b)
{
    u32 x = min32(a.x, b.x);
    u32 y = min32(a.y, b.y);
    u32 x_end = max32(a.x + a.width, b.x + b.width);
    u32 y_end = max32(a.y + a.height, b.y + b.height);
    return (struct display_rect){x, y, x_end - x, y_end - y};
}

static u64 rect_area(struct display_rect rect) { return (u64)rect.width * rect.height; }

/* Adds a rectangle to a list: to one that it makes hardly larger, else as a new one, else to the
 * one that wastes least. */
static void rects_add(struct display_rect *rects, unsigned *count, struct display_rect rect)
{
    u64 least = ~(u64)0;
    unsigned best = 0;
    for (unsigned i = 0; i < *count; i++) {
        u64 joined = rect_area(rect_join(rects[i], rect));
        u64 parts = rect_area(rects[i]) + rect_area(rect);
        u64 waste = joined > parts ? joined - parts : 0;
        if (waste < least) {
            least = waste;
            best = i;
        }
    }
    if (*count > 0 && (least <= rect_area(rect) / 4 || *count == DISPLAY_MAX_RECTS)) {
        rects[best] = rect_join(rects[best], rect);
    } else {
        rects[(*count)++] = rect;
    }
}

/* --- life --- */

struct display *display_new(void)
{
    struct display *display = zeros_new(sizeof(*display)); /* most heads have no screen */
    if (display != NULL) {
        pthread_mutex_init(&display->lock, NULL);
    }
    return display;
}

void display_free(struct display *display)
{
    if (display == NULL) {
        return;
    }
    CHECK(display->clients == NULL && display->producers == NULL);
    for (unsigned i = 0; i < DISPLAY_MAX_HEADS; i++) {
        free(display->heads[i].pixels);
    }
    pthread_mutex_destroy(&display->lock);
    zeros_free(display, sizeof(*display));
}

/* --- telling clients; lock held --- */

static void tell(struct display_client *client)
{
    if (!client->own.told) {
        client->own.told = true;
        if (client->changed != NULL) {
            client->changed(client->opaque);
        }
    }
}

static void tell_rect(struct display *display, unsigned head, struct display_rect rect)
{
    for (struct display_client *c = display->clients; c != NULL; c = c->own.next) {
        if (c->head == head) {
            rects_add(c->own.rects, &c->own.rect_count, rect);
            tell(c);
        }
    }
}

static void tell_size(struct display *display, unsigned head)
{
    const struct head *h = &display->heads[head];
    struct display_rect all = {0, 0, h->width, h->height};
    for (struct display_client *c = display->clients; c != NULL; c = c->own.next) {
        if (c->head == head) {
            c->own.resized = true;
            c->own.rect_count = 0;
            if (all.width != 0) {
                rects_add(c->own.rects, &c->own.rect_count, all);
            }
            tell(c);
        }
    }
}

static void tell_cursor(struct display *display, unsigned head, bool reshaped)
{
    for (struct display_client *c = display->clients; c != NULL; c = c->own.next) {
        if (c->head == head) {
            c->own.cursor_moved = true;
            c->own.cursor_reshaped |= reshaped;
            tell(c);
        }
    }
}

/* --- producers --- */

static struct display_producer *best_producer(const struct display *display, unsigned head)
{
    struct display_producer *best = NULL;
    for (struct display_producer *p = display->producers; p != NULL; p = p->next) {
        if (p->showing[head] &&
            (best == NULL || (p->lit[head] != best->lit[head] ? p->lit[head]
                                                              : p->rank > best->rank))) {
            best = p;
        }
    }
    return best;
}

static void expose(struct display_producer *producer, unsigned head)
{
    if (producer != NULL && producer->expose != NULL) {
        producer->expose(producer->opaque, head);
    } else if (producer != NULL && producer->refresh != NULL) {
        producer->refresh(producer->opaque);
    }
}

void display_add_producer(struct display *display, struct display_producer *producer)
{
    memset(producer->showing, 0, sizeof(producer->showing));
    memset(producer->lit, 0, sizeof(producer->lit));
    memset(producer->places, 0, sizeof(producer->places));
    pthread_mutex_lock(&display->lock);
    producer->next = display->producers;
    display->producers = producer;
    pthread_mutex_unlock(&display->lock);
}

void display_remove_producer(struct display *display, struct display_producer *producer)
{
    for (unsigned head = 0; head < DISPLAY_MAX_HEADS; head++) {
        display_hide(display, producer, head);
    }
    pthread_mutex_lock(&display->lock);
    struct display_producer **link = &display->producers;
    while (*link != NULL && *link != producer) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = producer->next;
    }
    pthread_mutex_unlock(&display->lock);
}

/* Lock held. Gives the head another size; false when there is no memory, and nothing changed. */
static bool head_resize(struct display *display, unsigned head, u32 width, u32 height)
{
    struct head *h = &display->heads[head];
    u32 *pixels = NULL;
    if (width != 0) {
        pixels = calloc((size_t)width * height, sizeof(*pixels));
        if (pixels == NULL) {
            return false;
        }
    }
    free(h->pixels);
    h->pixels = pixels;
    h->width = width;
    h->height = height;
    tell_size(display, head);
    return true;
}

/* Lock held. The head is the producer's; black at first if its size is new. False: no memory. */
static bool let_be_seen(struct display *display, struct display_producer *producer, unsigned head)
{
    struct head *h = &display->heads[head];
    u32 width = producer->width[head], height = producer->height[head];
    bool is_new = h->seen != producer;
    if ((h->width != width || h->height != height) && !head_resize(display, head, width, height)) {
        return false;
    }
    if (is_new) {
        h->cursor.visible = false;
        tell_cursor(display, head, true);
    }
    h->seen = producer;
    return true;
}

/* Lock held. The first pixels that are not black may bring the producer to be seen. */
static void light(struct display *display, struct display_producer *producer, unsigned head,
                  struct display_rect rect,
                  bool (*read)(void *opaque, u32 x, u32 y, u32 width, u32 *pixels), void *opaque)
{
    struct display_rect in = display_clip(
        rect, (struct display_rect){0, 0, producer->width[head], producer->height[head]});
    u32 *row = malloc((size_t)in.width * sizeof(*row) + 1);
    for (u32 y = 0; row != NULL && y < in.height && !producer->lit[head]; y++) {
        if (!read(opaque, in.x - rect.x, in.y - rect.y + y, in.width, row)) {
            break;
        }
        for (u32 x = 0; x < in.width; x++) {
            producer->lit[head] |= (row[x] & 0xffffff) != 0;
        }
    }
    free(row);
    if (producer->lit[head] && display->heads[head].seen != producer &&
        best_producer(display, head) == producer && let_be_seen(display, producer, head)) {
        struct head *h = &display->heads[head]; /* of the one before, if it had this size */
        memset(h->pixels, 0, (size_t)h->width * h->height * sizeof(*h->pixels));
        tell_size(display, head);
    }
}

bool display_show(struct display *display, struct display_producer *producer, unsigned head,
                  u32 width, u32 height)
{
    if (head >= DISPLAY_MAX_HEADS || width == 0 || height == 0 || width > DISPLAY_MAX_SIDE ||
        height > DISPLAY_MAX_SIDE) {
        return false;
    }
    pthread_mutex_lock(&display->lock);
    producer->lit[head] &= producer->showing[head];
    producer->showing[head] = true;
    producer->width[head] = width;
    producer->height[head] = height;
    bool ok = best_producer(display, head) != producer || let_be_seen(display, producer, head);
    pthread_mutex_unlock(&display->lock);
    return ok;
}

void display_hide(struct display *display, struct display_producer *producer, unsigned head)
{
    struct display_producer *next = NULL;
    pthread_mutex_lock(&display->lock);
    struct head *h = &display->heads[head];
    producer->showing[head] = false;
    producer->places[head] = (struct display_place){0};
    if (h->seen == producer) {
        h->seen = NULL;
        h->cursor.visible = false;
        tell_cursor(display, head, true);
        next = best_producer(display, head);
        if (next == NULL) {
            head_resize(display, head, 0, 0);
        }
    }
    pthread_mutex_unlock(&display->lock);
    expose(next, head); /* shows itself with its own size */
}

bool display_is_seen(struct display *display, const struct display_producer *producer,
                     unsigned head)
{
    pthread_mutex_lock(&display->lock);
    const struct display_producer *now = display->heads[head].seen;
    bool seen = now == producer || now == NULL || !now->lit[head];
    pthread_mutex_unlock(&display->lock);
    return seen;
}

void display_put_rows(struct display *display, struct display_producer *producer, unsigned head,
                      struct display_rect rect,
                      bool (*read)(void *opaque, u32 x, u32 y, u32 width, u32 *pixels),
                      void *opaque)
{
    pthread_mutex_lock(&display->lock);
    if (producer->showing[head] && !producer->lit[head]) {
        light(display, producer, head, rect, read, opaque);
    }
    struct head *h = &display->heads[head];
    struct display_rect in = display_clip(rect, (struct display_rect){0, 0, h->width, h->height});
    if (h->seen == producer && in.width != 0) {
        u32 *to = h->pixels + (size_t)in.y * h->width + in.x;
        u32 row = 0;
        while (row < in.height &&
               read(opaque, in.x - rect.x, in.y - rect.y + row, in.width, to)) {
            to += h->width;
            row++;
        }
        in.height = row;
        if (row != 0) {
            tell_rect(display, head, in);
        }
    }
    pthread_mutex_unlock(&display->lock);
}

struct picture {
    const u32 *pixels;
    size_t stride_pixels;
};

static bool read_picture(void *opaque, u32 x, u32 y, u32 width, u32 *pixels)
{
    const struct picture *picture = opaque;
    const u32 *from = picture->pixels + y * picture->stride_pixels + x;
    memcpy(pixels, from, (size_t)width * sizeof(*pixels));
    return true;
}

void display_put(struct display *display, struct display_producer *producer, unsigned head,
                 struct display_rect rect, const u32 *pixels, size_t stride_pixels)
{
    struct picture picture = {pixels, stride_pixels};
    display_put_rows(display, producer, head, rect, read_picture, &picture);
}

void display_set_place(struct display *display, struct display_producer *producer, unsigned head,
                       struct display_place place)
{
    pthread_mutex_lock(&display->lock);
    producer->places[head] = place;
    pthread_mutex_unlock(&display->lock);
}

void display_set_cursor(struct display *display, const struct display_producer *producer,
                        unsigned head, const struct display_cursor *cursor)
{
    pthread_mutex_lock(&display->lock);
    struct head *h = &display->heads[head];
    if (h->seen == producer) {
        if (cursor != NULL) {
            h->cursor = *cursor;
        } else {
            h->cursor.visible = false;
        }
        tell_cursor(display, head, true);
    }
    pthread_mutex_unlock(&display->lock);
}

void display_move_cursor(struct display *display, const struct display_producer *producer,
                         unsigned head, s32 x, s32 y)
{
    pthread_mutex_lock(&display->lock);
    struct head *h = &display->heads[head];
    if (h->seen == producer) {
        h->cursor.x = x;
        h->cursor.y = y;
        tell_cursor(display, head, false);
    }
    pthread_mutex_unlock(&display->lock);
}

/* --- clients --- */

void display_add_client(struct display *display, struct display_client *client)
{
    pthread_mutex_lock(&display->lock);
    memset(&client->own, 0, sizeof(client->own));
    client->own.display = display;
    client->own.next = display->clients;
    display->clients = client;
    client->pixels = NULL;
    client->width = client->height = 0;
    client->own.cursor_moved = client->own.cursor_reshaped = true;
    const struct head *h = &display->heads[client->head];
    client->own.resized = h->width != 0;
    if (h->width != 0) {
        rects_add(client->own.rects, &client->own.rect_count,
                  (struct display_rect){0, 0, h->width, h->height});
    }
    pthread_mutex_unlock(&display->lock);
}

void display_remove_client(struct display_client *client)
{
    struct display *display = client->own.display;
    pthread_mutex_lock(&display->lock);
    struct display_client **link = &display->clients;
    while (*link != client) {
        link = &(*link)->own.next;
    }
    *link = client->own.next;
    pthread_mutex_unlock(&display->lock);
    free(client->pixels);
    client->pixels = NULL;
}

/* Lock held. The client's buffer gets the head's size; false without memory. */
static bool client_resize(struct display_client *client, const struct head *h)
{
    u32 *pixels = NULL;
    if (h->width != 0) {
        pixels = malloc((size_t)h->width * h->height * sizeof(*pixels));
        if (pixels == NULL) {
            return false;
        }
    }
    free(client->pixels);
    client->pixels = pixels;
    client->width = h->width;
    client->height = h->height;
    return true;
}

static void client_copy(struct display_client *client, const struct head *h)
{
    for (unsigned i = 0; i < client->rect_count; i++) {
        struct display_rect r = client->rects[i];
        for (u32 y = r.y; y < r.y + r.height; y++) {
            size_t at = (size_t)y * h->width + r.x;
            memcpy(client->pixels + at, h->pixels + at, (size_t)r.width * sizeof(u32));
        }
    }
}

static void refresh_all(struct display *display)
{
    /* Producers come and go before harts start and after they ended only. */
    for (struct display_producer *p = display->producers; p != NULL; p = p->next) {
        if (p->refresh != NULL) {
            p->refresh(p->opaque);
        }
    }
}

/* Lock held. A producer that must be looked at is seen, or would be if it drew something. */
static bool head_is_untold(const struct display *display, unsigned head)
{
    const struct display_producer *now = display->heads[head].seen;
    bool untold = false;
    for (const struct display_producer *p = display->producers; p != NULL; p = p->next) {
        untold |= p->refresh != NULL && p->showing[head] &&
                  (now == p || now == NULL || !now->lit[head]);
    }
    return untold;
}

bool display_client_take(struct display_client *client)
{
    struct display *display = client->own.display;
    refresh_all(display);
    pthread_mutex_lock(&display->lock);
    const struct head *h = &display->heads[client->head];
    client->untold = head_is_untold(display, client->head);
    bool size_kept = !client->own.resized || client_resize(client, h);
    if (!size_kept) { /* another time, perhaps */
        pthread_mutex_unlock(&display->lock);
        return false;
    }
    client->resized = client->own.resized;
    client->cursor_moved = client->own.cursor_moved;
    client->cursor_reshaped = client->own.cursor_reshaped;
    client->rect_count = client->own.rect_count;
    memcpy(client->rects, client->own.rects, sizeof(client->rects));
    client->own.told = client->own.resized = false;
    client->own.cursor_moved = client->own.cursor_reshaped = false;
    client->own.rect_count = 0;
    client_copy(client, h);
    if (client->cursor_moved) {
        client->cursor = h->cursor;
    }
    pthread_mutex_unlock(&display->lock);
    return client->resized || client->rect_count != 0 || client->cursor_moved;
}

void display_request_size(struct display *display, unsigned head, u32 width, u32 height)
{
    for (struct display_producer *p = display->producers; p != NULL; p = p->next) {
        if (p->resize != NULL) {
            p->resize(p->opaque, head, width, height);
        }
    }
}

/* Lock held. The heads that show something beside each other, and this one among them. */
static struct display_rect row_place(const struct display *display, unsigned head, u32 *width,
                                     u32 *height)
{
    struct display_rect place = {0, 0, display->heads[head].width, display->heads[head].height};
    *width = *height = 0;
    for (unsigned i = 0; i < DISPLAY_MAX_HEADS; i++) {
        const struct head *h = &display->heads[i];
        place.x = i == head ? *width : place.x;
        *width += h->width;
        *height = max32(*height, h->height);
    }
    return place;
}

/* Lock held. All 0: nobody says. */
static struct display_place place_of(const struct display *display, unsigned head)
{
    const struct display_producer *seen = display->heads[head].seen;
    return seen != NULL ? seen->places[head] : (struct display_place){0};
}

/* Lock held. Another head shows this picture, too. */
static bool is_shared(const struct display *display, unsigned head, u32 picture)
{
    bool shared = false;
    for (unsigned i = 0; i < DISPLAY_MAX_HEADS; i++) {
        shared |= i != head && place_of(display, i).picture == picture;
    }
    return shared;
}

/* A place on `part` pixels that begin at `start`, as one on all of them. */
static u32 to_whole(u32 at, u32 most, u32 start, u32 part, u32 whole)
{
    u64 pixel = start + ((u64)at * (part - 1) + most / 2) / most;
    return whole > 1 ? (u32)(pixel * most / (whole - 1)) : 0;
}

void display_to_desktop(struct display *display, unsigned head, u32 most, u32 *x, u32 *y)
{
    pthread_mutex_lock(&display->lock);
    const struct head *h = &display->heads[head];
    struct display_place whole = place_of(display, head);
    struct display_rect place = {whole.x, whole.y, h->width, h->height};
    u32 width = whole.width, height = whole.height;
    bool is_part = width > h->width || height > h->height;
    if (whole.picture == 0 || (!is_part && !is_shared(display, head, whole.picture))) {
        place = row_place(display, head, &width, &height);
    }
    if (h->width != 0 && (place.width != width || place.height != height)) {
        *x = to_whole(*x, most, place.x, place.width, width);
        *y = to_whole(*y, most, place.y, place.height, height);
    }
    pthread_mutex_unlock(&display->lock);
}

unsigned display_head_count(struct display *display)
{
    unsigned count = 0;
    refresh_all(display);
    pthread_mutex_lock(&display->lock);
    for (unsigned i = 0; i < DISPLAY_MAX_HEADS; i++) {
        count = display->heads[i].width != 0 ? i + 1 : count;
    }
    pthread_mutex_unlock(&display->lock);
    return count;
}

bool display_get_size(struct display *display, unsigned head, u32 *width, u32 *height)
{
    if (head >= DISPLAY_MAX_HEADS) {
        return false;
    }
    pthread_mutex_lock(&display->lock);
    *width = display->heads[head].width;
    *height = display->heads[head].height;
    pthread_mutex_unlock(&display->lock);
    return *width != 0;
}
