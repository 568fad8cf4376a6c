/* The virtio memory balloon; see virtio_balloon.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_BALLOON_H
#define METIC_HW_VIRTIO_VIRTIO_BALLOON_H

#include "hw/virtio/virtio.h"

enum { VIRTIO_BALLOON_STATS = 10 };

struct virtio_balloon_status {
    u32 wanted_pages, actual_pages; /* in the balloon; 4 KiB each */
    u64 reported_bytes;             /* by free-page reporting, since the device was made */
    u32 stats_valid;                /* one bit each */
    u64 stats[VIRTIO_BALLOON_STATS]; /* as the driver counts them; 5.5.6.3 */
};

/* How the machine reaches the device: in its config, kept in place by the machine, filled by the
 * device. */
struct virtio_balloon_config {
    struct virtio *virtio;
};

extern const struct virtio_type virtio_balloon_type;

/* What the balloon should hold, in pages of 4 KiB; and asks the driver for its counts anew, which
 * come some time later. Without the device's lock; with the virtual clock between two slices. */
void virtio_balloon_ask(struct virtio_balloon_config *config, u32 wanted_pages);
/* Any thread. */
void virtio_balloon_look(struct virtio_balloon_config *config,
                         struct virtio_balloon_status *status);

/* 5.5.6.3's name of a count. */
const char *virtio_balloon_stat_name(unsigned index);

#endif
