/* The description a monitor gives of itself (VESA E-EDID 1.4), made for a size of our choice. */
#ifndef METIC_HW_VIRTIO_GPU_EDID_H
#define METIC_HW_VIRTIO_GPU_EDID_H

#include "cpu/base/bits.h"
#include "cpu/base/types.h"

enum { GPU_EDID_BYTES = 128 };

/* A monitor that prefers width by height at 60 Hz (each 16 to 4095: what a detailed timing can say;
 * more is said as 4095). */
void gpu_edid_make(u32 width, u32 height, u8 edid[GPU_EDID_BYTES]);

#endif
