/* The sound device (virtio 1.2, 5.14). */
#ifndef METIC_HW_VIRTIO_VIRTIO_SND_H
#define METIC_HW_VIRTIO_VIRTIO_SND_H

#include "hw/sound/sound.h"
#include "hw/virtio/virtio.h"

struct virtio_snd_config {
    struct sound *sound; /* outlives the device */
};

extern const struct virtio_type virtio_snd_type;

#endif
