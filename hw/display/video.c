/* See video.h. */
#include "hw/display/video.h"

#include "cpu/base/thread.h"
#include "hw/display/picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PATH_BYTES = 512 };

struct video {
    struct video_options options;
    char path[PATH_BYTES];
    struct clock *clock;
    struct display_client client;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change; /* of slot_full or closing */
    bool closing;          /* under lock */
    bool slot_full;        /* under lock: virtual clock, a picture waits for the thread */
    u32 *slot;
    u32 slot_width, slot_height;
    u64 slot_frame;
    u64 next_ns; /* virtual clock, the machine's: when the next frame is due */

    /* The thread's. */
    FILE *file;      /* y4m, or the series' list */
    u8 *planes;      /* y4m: the last frame, Y, U and V */
    u64 frame_count; /* y4m: written. Series: the number after the last one's */
    bool has_shown;  /* series: there is a last picture, of shown_frame */
    u64 shown_frame;
    int failed; /* errno of what could not be written, or 0 */
};

static u64 frame_at(const struct video *video, u64 ns)
{
    return (u64)((__extension__(unsigned __int128)ns * video->options.fps) / 1000000000u);
}

static u64 time_of(const struct video *video, u64 frame)
{
    return (u64)((__extension__(unsigned __int128)frame * 1000000000u) / video->options.fps);
}

static void note_failure(struct video *video, bool failed)
{
    if (failed && video->failed == 0) {
        video->failed = errno != 0 ? errno : EIO;
    }
}

/* --- y4m --- */

static size_t plane_bytes(const struct video *video)
{
    return (size_t)video->options.width * video->options.height;
}

static void put_pixel(struct video *video, size_t at, u32 pixel)
{
    s32 r = (s32)(pixel >> 16 & 255), g = (s32)(pixel >> 8 & 255), b = (s32)(pixel & 255);
    u8 *y = video->planes, *u = y + plane_bytes(video), *v = u + plane_bytes(video);
    y[at] = (u8)(((66 * r + 129 * g + 25 * b + 128) >> 8) + 16);
    u[at] = (u8)(((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128);
    v[at] = (u8)(((112 * r - 94 * g - 18 * b + 128) >> 8) + 128);
}

static void clear_planes(struct video *video)
{
    memset(video->planes, 16, plane_bytes(video));
    memset(video->planes + plane_bytes(video), 128, 2 * plane_bytes(video));
}

/* The picture, in the middle of the frame. */
static void convert(struct video *video, const u32 *pixels, u32 width, u32 height)
{
    u32 to_width = video->options.width, to_height = video->options.height;
    u32 from_x = width > to_width ? (width - to_width) / 2 : 0;
    u32 from_y = height > to_height ? (height - to_height) / 2 : 0;
    u32 to_x = width < to_width ? (to_width - width) / 2 : 0;
    u32 to_y = height < to_height ? (to_height - height) / 2 : 0;
    u32 columns = width < to_width ? width : to_width;
    u32 rows = height < to_height ? height : to_height;
    if (columns < to_width || rows < to_height) {
        clear_planes(video);
    }
    for (u32 y = 0; y < rows; y++) {
        const u32 *from = pixels + (size_t)(from_y + y) * width + from_x;
        size_t at = (size_t)(to_y + y) * to_width + to_x;
        for (u32 x = 0; x < columns; x++) {
            put_pixel(video, at + x, from[x]);
        }
    }
}

/* Repeats the last frame until there are `count`. */
static void fill_up(struct video *video, u64 count)
{
    while (video->failed == 0 && video->frame_count < count) {
        bool ok = fputs("FRAME\n", video->file) >= 0 &&
                  fwrite(video->planes, 3, plane_bytes(video), video->file) == plane_bytes(video);
        note_failure(video, !ok);
        video->frame_count++;
    }
}

/* --- series --- */

static bool write_png(struct video *video, u64 frame, const struct picture *picture)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%08llu.png", video->path, (unsigned long long)frame);
    FILE *file = fopen(path, "wbe");
    bool ok = file != NULL && picture_write_png(picture, file);
    return file != NULL && fclose(file) == 0 && ok;
}

/* The last picture was shown up to the frame before this one. */
static void list_shown(struct video *video, u64 frame)
{
    if (video->has_shown) {
        bool ok = fprintf(video->file, "file %08llu.png\nduration %.6f\n",
                          (unsigned long long)video->shown_frame,
                          (double)(frame - video->shown_frame) / video->options.fps) > 0;
        note_failure(video, !ok);
    }
}

/* --- one frame; the thread --- */

static void put_frame(struct video *video, u64 frame, const u32 *pixels, u32 width, u32 height)
{
    static const u32 black = 0;
    frame = frame < video->frame_count ? video->frame_count : frame; /* a snapshot was loaded */
    if (!video->options.is_series) {
        fill_up(video, frame);
        convert(video, pixels, width, height);
        fill_up(video, frame + 1);
        return;
    }
    struct picture picture = {width, height, pixels};
    if (width == 0) {
        picture = (struct picture){1, 1, &black};
    }
    list_shown(video, frame);
    note_failure(video, !write_png(video, frame, &picture));
    video->has_shown = true;
    video->shown_frame = frame;
    video->frame_count = frame + 1;
}

/* Looks by itself, once a frame. Lock held on entry and on return. */
static void run_real(struct video *video)
{
    while (!video->closing) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        u64 ns = (u64)until.tv_nsec + 1000000000u / video->options.fps;
        until.tv_sec += (time_t)(ns / 1000000000u);
        until.tv_nsec = (long)(ns % 1000000000u);
        pthread_cond_timedwait(&video->change, &video->lock, &until);
        pthread_mutex_unlock(&video->lock);
        if (display_client_take(&video->client) &&
            (video->client.resized || video->client.rect_count != 0)) {
            put_frame(video, frame_at(video, clock_now_ns(video->clock)), video->client.pixels,
                      video->client.width, video->client.height);
        }
        pthread_mutex_lock(&video->lock);
    }
}

static void run_virtual(struct video *video)
{
    while (!video->closing || video->slot_full) {
        if (!video->slot_full) {
            pthread_cond_wait(&video->change, &video->lock);
            continue;
        }
        pthread_mutex_unlock(&video->lock);
        put_frame(video, video->slot_frame, video->slot, video->slot_width, video->slot_height);
        pthread_mutex_lock(&video->lock);
        video->slot_full = false;
        pthread_cond_broadcast(&video->change);
    }
}

static void *video_main(void *opaque)
{
    struct video *video = opaque;
    thread_set_name("film");
    pthread_mutex_lock(&video->lock);
    if (video->clock->mode == CLOCK_VIRTUAL) {
        run_virtual(video);
    } else {
        run_real(video);
    }
    pthread_mutex_unlock(&video->lock);
    return NULL;
}

/* --- the machine's side, virtual clock --- */

void video_sample(struct video *video)
{
    u64 now_ns = clock_now_ns(video->clock);
    if (now_ns < video->next_ns) {
        return;
    }
    u64 frame = frame_at(video, now_ns);
    video->next_ns = time_of(video, frame + 1);
    if (!display_client_take(&video->client) ||
        (!video->client.resized && video->client.rect_count == 0)) {
        return;
    }
    const struct display_client *c = &video->client;
    size_t pixels = (size_t)c->width * c->height;
    pthread_mutex_lock(&video->lock);
    while (video->slot_full) {
        pthread_cond_wait(&video->change, &video->lock);
    }
    u32 *slot = realloc(video->slot, (pixels != 0 ? pixels : 1) * sizeof(*slot));
    if (slot != NULL) {
        memcpy(slot, pixels != 0 ? (const void *)c->pixels : (const void *)slot,
               pixels * sizeof(*slot));
        video->slot = slot;
        video->slot_width = c->width;
        video->slot_height = c->height;
        video->slot_frame = frame;
        video->slot_full = true;
        pthread_cond_broadcast(&video->change);
    }
    pthread_mutex_unlock(&video->lock);
}

/* --- life --- */

static bool open_files(struct video *video, struct metic_error *error)
{
    const struct video_options *o = &video->options;
    char path[PATH_BYTES + 32];
    bool ok = !o->is_series || mkdir(o->path, 0777) == 0 || errno == EEXIST;
    snprintf(path, sizeof(path), o->is_series ? "%s/frames.ffconcat" : "%s", video->path);
    video->file = ok ? fopen(path, "wbe") : NULL;
    if (video->file == NULL) {
        return error_set(error, "name another place", "cannot write the video %s: %s", path,
                         strerror(errno));
    }
    if (o->is_series) {
        fputs("ffconcat version 1.0\n", video->file);
        return true;
    }
    fprintf(video->file, "YUV4MPEG2 W%u H%u F%u:1 Ip A1:1 C444 XCOLORRANGE=LIMITED\n", o->width,
            o->height, o->fps);
    video->planes = malloc(3 * plane_bytes(video));
    if (video->planes == NULL) {
        return error_set(error, NULL, "the host has no memory for a video");
    }
    clear_planes(video);
    return true;
}

static void video_free(struct video *video)
{
    if (video->file != NULL) {
        fclose(video->file);
    }
    pthread_cond_destroy(&video->change);
    pthread_mutex_destroy(&video->lock);
    free(video->planes);
    free(video->slot);
    free(video);
}

struct video *video_new(struct display *display, struct clock *clock,
                        const struct video_options *options, struct metic_error *error)
{
    struct video *video = calloc(1, sizeof(*video));
    if (video == NULL) {
        error_set(error, NULL, "the host has no memory for a video");
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&video->lock, NULL);
    pthread_cond_init(&video->change, &attributes);
    pthread_condattr_destroy(&attributes);
    video->options = *options;
    video->clock = clock;
    snprintf(video->path, sizeof(video->path), "%s", options->path);
    video->client.head = options->head;
    bool ok = open_files(video, error);
    if (ok) {
        display_add_client(display, &video->client);
        ok = pthread_create(&video->thread, NULL, video_main, video) == 0;
        if (!ok) {
            display_remove_client(&video->client);
            error_set(error, NULL, "the host has no thread for a video");
        }
    }
    if (!ok) {
        video_free(video);
        return NULL;
    }
    return video;
}

bool video_end(struct video *video, struct metic_error *error)
{
    pthread_mutex_lock(&video->lock);
    video->closing = true;
    pthread_cond_broadcast(&video->change);
    pthread_mutex_unlock(&video->lock);
    pthread_join(video->thread, NULL);
    display_remove_client(&video->client);
    u64 end = frame_at(video, clock_now_ns(video->clock)) + 1;
    end = end < video->frame_count ? video->frame_count : end;
    if (video->options.is_series) {
        list_shown(video, end);
    } else {
        fill_up(video, end);
    }
    note_failure(video, fflush(video->file) != 0);
    int reason = video->failed;
    bool ok = reason == 0 || error_set(error, "name another place", "the video %s ends early: %s",
                                       video->path, strerror(reason));
    video_free(video);
    return ok;
}
