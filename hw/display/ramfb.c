/* See ramfb.h. */
#include "hw/display/ramfb.h"

#include "cpu/base/bits.h"

void ramfb_written(void *opaque, const u8 *bytes, u32 size_bytes)
{
    struct linear *linear = opaque;
    if (size_bytes != RAMFB_BYTES) {
        return;
    }
    struct linear_shape shape = {
        .gpa = ld_be64(bytes),
        .format = ld_be32(bytes + 8),
        .width = ld_be32(bytes + 16),
        .height = ld_be32(bytes + 20),
        .stride_bytes = ld_be32(bytes + 24),
    };
    if (shape.stride_bytes == 0 && shape.width <= DISPLAY_MAX_SIDE) {
        bool is_wide = shape.format != LINEAR_RGB888 && shape.format != LINEAR_RGB565;
        shape.stride_bytes = shape.width * (is_wide ? 4 : shape.format == LINEAR_RGB888 ? 3 : 2);
    }
    if (!linear_set(linear, &shape)) {
        linear_clear(linear);
    }
}
