/* What a head shows, as a film in guest time: a YUV4MPEG2 file, in which every frame stands, or a
 * series of PNG files, one for each frame that is another than the one before, with a list of how
 * long each is shown (frames.ffconcat, which ffmpeg reads).
 *
 *   y4m     frames of one size: a smaller picture is in the middle, of a larger one the middle is
 *           seen; 4:4:4, BT.601, limited range
 *   series  each in the size it has; its number is the frame's
 *
 * A thread of its own converts and writes. On a clock that runs by itself it also looks, once a
 * frame, and what it misses is missed. On the virtual clock the machine asks (video_sample) between
 * turns and waits until the frame before is written, so that equal runs make equal films. No more
 * than two pictures are held. */
#ifndef METIC_HW_DISPLAY_VIDEO_H
#define METIC_HW_DISPLAY_VIDEO_H

#include "cpu/base/error.h"
#include "hw/clock.h"
#include "hw/display/display.h"

struct video_options {
    const char *path; /* of the file, or of the series' folder, which is made */
    bool is_series;
    unsigned fps;      /* frames in a second of guest time, not 0 */
    u32 width, height; /* of a y4m file's frames */
    unsigned head;
};

struct video;

/* NULL with a reason. Display and clock outlive it. */
struct video *video_new(struct display *display, struct clock *clock,
                        const struct video_options *options, struct metic_error *error);
/* The virtual clock's machine, between two turns. Cheap when no frame is due. */
void video_sample(struct video *video);
/* Writes what is missing up to now. False with a reason: not all could be written. `video` is gone
 * in any case. */
bool video_end(struct video *video, struct metic_error *error);

#endif
