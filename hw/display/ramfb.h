/* QEMU's ramfb: firmware writes where it put a framebuffer into the fw_cfg file "etc/ramfb"
 * (hw/misc/fw_cfg.h), 28 bytes, big-endian: u64 address, u32 four-character code, u32 flags (0),
 * u32 width, u32 height, u32 bytes in a row (0: without gaps). All zeros: none any more. */
#ifndef METIC_HW_DISPLAY_RAMFB_H
#define METIC_HW_DISPLAY_RAMFB_H

#include "hw/display/linear.h"

enum { RAMFB_BYTES = 28 };

/* For fw_cfg_add_writable; the opaque is a struct linear. */
void ramfb_written(void *opaque, const u8 *bytes, u32 size_bytes);

#endif
