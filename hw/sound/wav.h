/* Sound in RIFF WAVE files: what a guest plays is written to one, what it records is read from one.
 *
 *   "RIFF" le32 size "WAVE", then chunks { 4 letters, le32 size, bytes, padded to two }:
 *   "fmt "  le16 tag (1: whole numbers, 3: float, 0xfffe: the tag is 24 bytes on), le16 channels,
 *           le32 rate, le32 bytes a second, le16 bytes a frame, le16 bits a sample
 *   "data"  the frames */
#ifndef METIC_HW_SOUND_WAV_H
#define METIC_HW_SOUND_WAV_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "hw/sound/sound_format.h"

/* ---- Reading ---- */

struct wav_data {
    struct sound_format format;
    u8 *bytes; /* heap */
    size_t frames;
};

/* One or two channels of 8, 16, 24, 32 bits or float (24 bits become 32). False with a reason. The
 * file is read whole. */
bool wav_read(const char *path, struct wav_data *wav, struct metic_error *error);
/* The same of bytes in memory, which are not trusted. `name` is for messages. */
bool wav_parse(const u8 *bytes, size_t size_bytes, const char *name, struct wav_data *wav,
               struct metic_error *error);
void wav_data_fini(struct wav_data *wav);

/* ---- Writing, by a thread of its own ----
 *
 * The file has the format of what is played first; what comes later in another is converted. It is
 * a whole WAVE file whenever nothing waits to be written: the sizes in its head follow each piece
 * of data, so it can be read also after the program was killed. */

struct wav_writer;

/* `may_wait`: when the disk does not keep up, wav_writer_put waits; otherwise sound is lost, which
 * the log says once. NULL with a reason. */
struct wav_writer *wav_writer_new(const char *path, bool may_wait, struct log *log,
                                  struct metic_error *error);
void wav_writer_free(struct wav_writer *writer); /* writes what waits; NULL allowed */
/* Copies the frames. One thread at a time. */
void wav_writer_put(struct wav_writer *writer, const struct sound_format *format,
                    const void *bytes, size_t frames);

#endif
