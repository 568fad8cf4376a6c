/* Writes WAVE files; see wav.h. */
#include "hw/sound/wav.h"

#include "cpu/base/bits.h"
#include "hw/sound/resample.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 44,
    QUEUE_MAX_BYTES = 32 << 20,
    CONVERT_FRAMES = 1024,
    TAG_PCM = 1,
    TAG_FLOAT = 3,
};

/* The sizes in the head have 32 bits. */
#define WAV_MAX_DATA_BYTES ((u64)UINT32_MAX - HEAD_BYTES)

struct wav_piece {
    struct wav_piece *next;
    struct sound_format format;
    size_t frames;
    u8 bytes[];
};

struct wav_writer {
    int fd;
    bool may_wait;
    struct log *log;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t work, room;
    struct wav_piece *first, **last; /* what waits */
    size_t queued_bytes;
    bool stopping, failed, lost;

    /* The thread's. */
    struct sound_format format; /* of the file */
    u64 data_bytes;
    struct sound_format source; /* what `resample` is for */
    struct resample *resample;
    float history[2 * (RESAMPLE_TAPS + CONVERT_FRAMES)]; /* source frames around `place` */
    size_t history_frames;
    u64 place; /* in them, of the next frame */
};

/* --- the file --- */

static bool write_all(int fd, const u8 *bytes, size_t size_bytes, off_t at)
{
    while (size_bytes > 0) {
        ssize_t done = pwrite(fd, bytes, size_bytes, at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        bytes += done;
        at += done;
        size_bytes -= (size_t)done;
    }
    return true;
}

static bool write_head(const struct wav_writer *w)
{
    u8 head[HEAD_BYTES] = "RIFF....WAVEfmt ";
    const struct sound_format *f = &w->format;
    unsigned frame_bytes = sound_frame_bytes(f);
    st_le32(head + 4, (u32)(HEAD_BYTES - 8 + w->data_bytes));
    st_le32(head + 16, 16);
    st_le16(head + 20, f->sample == SOUND_FLOAT ? TAG_FLOAT : TAG_PCM);
    st_le16(head + 22, f->channels);
    st_le32(head + 24, f->rate_hz);
    st_le32(head + 28, f->rate_hz * frame_bytes);
    st_le16(head + 32, (u16)frame_bytes);
    st_le16(head + 34, (u16)(8 * frame_bytes / f->channels));
    memcpy(head + 36, "data", 4);
    st_le32(head + 40, (u32)w->data_bytes);
    return write_all(w->fd, head, sizeof(head), 0);
}

/* Data first, so that the head never promises what is not there. */
static void append(struct wav_writer *w, const u8 *bytes, size_t size_bytes)
{
    if (w->failed) {
        return;
    }
    if (w->data_bytes + size_bytes > WAV_MAX_DATA_BYTES) {
        log_print(w->log, LOG_WARN, "sound: the WAV file is full (4 GiB); the rest is lost");
        w->failed = true;
        return;
    }
    bool ok = write_all(w->fd, bytes, size_bytes, (off_t)(HEAD_BYTES + w->data_bytes));
    w->data_bytes += ok ? size_bytes : 0;
    if (!ok || !write_head(w)) {
        log_print(w->log, LOG_WARN, "sound: cannot write the WAV file: %s; the rest is lost",
                 strerror(errno));
        w->failed = true;
    }
}

/* --- another format than the file's --- */

static void convert_begin(struct wav_writer *w, const struct sound_format *source)
{
    if (w->resample == NULL) {
        w->resample = malloc(sizeof(*w->resample));
    }
    if (w->resample == NULL) {
        error_no_memory(sizeof(*w->resample));
    }
    resample_init(w->resample, source->rate_hz, w->format.rate_hz);
    w->source = *source;
    memset(w->history, 0, sizeof(w->history));
    w->history_frames = RESAMPLE_BEFORE;
    w->place = (u64)RESAMPLE_BEFORE << 32;
}

static void convert_emit(struct wav_writer *w)
{
    float stereo[2 * CONVERT_FRAMES];
    u8 bytes[CONVERT_FRAMES * SOUND_MAX_CHANNELS * 4];
    u64 step = resample_step(w->source.rate_hz, w->format.rate_hz);
    size_t made = 0;
    while ((w->place >> 32) + RESAMPLE_AFTER < w->history_frames) {
        size_t first = (size_t)(w->place >> 32) - RESAMPLE_BEFORE;
        resample_frame(w->resample, w->history + 2 * first, (u32)w->place, stereo + 2 * made);
        w->place += step;
        if (++made == CONVERT_FRAMES) {
            sound_from_stereo(&w->format, stereo, made, bytes);
            append(w, bytes, made * sound_frame_bytes(&w->format));
            made = 0;
        }
    }
    sound_from_stereo(&w->format, stereo, made, bytes);
    append(w, bytes, made * sound_frame_bytes(&w->format));
    /* Frames that nothing will look at any more go. */
    size_t gone = (size_t)(w->place >> 32) - RESAMPLE_BEFORE;
    gone = gone < w->history_frames ? gone : w->history_frames;
    w->history_frames -= gone;
    memmove(w->history, w->history + 2 * gone, w->history_frames * 2 * sizeof(float));
    w->place -= (u64)gone << 32;
}

static void convert(struct wav_writer *w, const struct wav_piece *piece)
{
    if (!sound_format_equal(&piece->format, &w->source)) {
        convert_begin(w, &piece->format);
    }
    unsigned frame_bytes = sound_frame_bytes(&piece->format);
    for (size_t done = 0; done < piece->frames;) {
        size_t part = piece->frames - done;
        size_t room = ARRAY_LEN(w->history) / 2 - w->history_frames;
        part = part < room ? part : room;
        sound_to_stereo(&piece->format, piece->bytes + done * frame_bytes, part,
                        w->history + 2 * w->history_frames);
        w->history_frames += part;
        done += part;
        convert_emit(w);
    }
}

/* --- the thread --- */

static void write_piece(struct wav_writer *w, const struct wav_piece *piece)
{
    if (w->data_bytes == 0) {
        w->format = piece->format;
    }
    if (sound_format_equal(&piece->format, &w->format)) {
        w->source = (struct sound_format){0};
        append(w, piece->bytes, piece->frames * sound_frame_bytes(&w->format));
    } else {
        convert(w, piece);
    }
}

static void *writer_main(void *opaque)
{
    struct wav_writer *w = opaque;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->first == NULL && !w->stopping) {
            pthread_cond_wait(&w->work, &w->lock);
        }
        struct wav_piece *piece = w->first;
        if (piece == NULL) {
            break;
        }
        w->first = piece->next;
        w->last = w->first == NULL ? &w->first : w->last;
        w->queued_bytes -= piece->frames * sound_frame_bytes(&piece->format);
        pthread_cond_signal(&w->room);
        pthread_mutex_unlock(&w->lock);
        write_piece(w, piece);
        free(piece);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

void wav_writer_put(struct wav_writer *w, const struct sound_format *format, const void *bytes,
                    size_t frames)
{
    size_t size_bytes = frames * sound_frame_bytes(format);
    struct wav_piece *piece = malloc(sizeof(*piece) + size_bytes);
    if (piece == NULL) {
        error_no_memory(sizeof(*piece) + size_bytes);
    }
    piece->next = NULL;
    piece->format = *format;
    piece->frames = frames;
    memcpy(piece->bytes, bytes, size_bytes);
    pthread_mutex_lock(&w->lock);
    while (w->may_wait && w->queued_bytes > QUEUE_MAX_BYTES) {
        pthread_cond_wait(&w->room, &w->lock);
    }
    bool full = w->queued_bytes > QUEUE_MAX_BYTES;
    if (full && !w->lost) {
        log_print(w->log, LOG_WARN, "sound: the disk does not keep up; some is lost");
        w->lost = true;
    }
    if (!full) {
        *w->last = piece;
        w->last = &piece->next;
        w->queued_bytes += size_bytes;
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    if (full) {
        free(piece);
    }
}

struct wav_writer *wav_writer_new(const char *path, bool may_wait, struct log *log,
                                  struct metic_error *error)
{
    struct wav_writer *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        error_set(error, NULL, "the host has no memory for sound");
        return NULL;
    }
    *w = (struct wav_writer){.may_wait = may_wait, .log = log, .last = &w->first,
                             .format = {48000, 2, SOUND_S16}};
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0 || !write_head(w)) {
        error_set(error, "name another file", "cannot write the sound to %s: %s", path,
                  strerror(errno));
    } else {
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->work, NULL);
        pthread_cond_init(&w->room, NULL);
        if (pthread_create(&w->thread, NULL, writer_main, w) == 0) {
            return w;
        }
        error_set(error, "raise the limit on threads (ulimit -u)",
                  "the host has no thread for writing sound");
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    free(w);
    return NULL;
}

void wav_writer_free(struct wav_writer *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->room);
    pthread_mutex_destroy(&w->lock);
    close(w->fd);
    free(w->resample);
    free(w);
}
