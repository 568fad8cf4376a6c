/* See gpu_edid.h. Section numbers are E-EDID 1.4's. */
#include "hw/virtio/gpu_edid.h"

#include <string.h>

enum {
    EDID_HZ = 60,
    EDID_DPI = 96,
    EDID_MAX_SIDE = 4095,
    H_FRONT = 48, H_SYNC = 32, H_BLANK = 160, /* as VESA's reduced blanking */
    V_FRONT = 3, V_SYNC = 6, V_BLANK = 30,
    AT_DESCRIPTORS = 54,
    DESCRIPTOR_BYTES = 18,
};

static u32 to_mm(u32 pixels)
{
    return pixels * 254 / 10 / EDID_DPI;
}

/* 3.10.2: the preferred mode. */
static void put_timing(u8 *d, u32 width, u32 height)
{
    u32 clock_10khz = (width + H_BLANK) * (height + V_BLANK) * EDID_HZ / 10000;
    u32 width_mm = to_mm(width);
    u32 height_mm = to_mm(height);
    st_le16(d, (u16)(clock_10khz < UINT16_MAX ? clock_10khz : UINT16_MAX));
    d[2] = (u8)width;
    d[3] = H_BLANK;
    d[4] = (u8)(width >> 8 << 4 | H_BLANK >> 8);
    d[5] = (u8)height;
    d[6] = V_BLANK;
    d[7] = (u8)(height >> 8 << 4 | V_BLANK >> 8);
    d[8] = H_FRONT;
    d[9] = H_SYNC;
    d[10] = V_FRONT << 4 | V_SYNC;
    d[12] = (u8)width_mm;
    d[13] = (u8)height_mm;
    d[14] = (u8)(width_mm >> 8 << 4 | height_mm >> 8);
    d[17] = 0x1e; /* digital separate sync, both positive */
}

/* 3.8, 3.9: what else it shows, all with 60 Hz. Linux's console keeps the size that it began with,
 * and is dark when no mode fits into that: a window that grows must not take all smaller ones
 * away. */
static void put_other_modes(u8 edid[GPU_EDID_BYTES])
{
    enum { WIDE_16_10 = 0x00, WIDE_4_3 = 0x40, WIDE_5_4 = 0x80, WIDE_16_9 = 0xc0 };
    static const struct {
        u16 width;
        u8 shape;
    } modes[8] = {{1280, WIDE_16_10}, {1280, WIDE_16_9}, {1280, WIDE_5_4}, {1440, WIDE_16_10},
                  {1600, WIDE_16_9}, {1600, WIDE_4_3}, {1680, WIDE_16_10}, {1920, WIDE_16_9}};
    edid[35] = 0x21; /* 640x480, 800x600 */
    edid[36] = 0x08; /* 1024x768 */
    for (unsigned i = 0; i < 8; i++) {
        edid[38 + 2 * i] = (u8)(modes[i].width / 8 - 31);
        edid[39 + 2 * i] = modes[i].shape;
    }
}

/* 3.10.3: text, ended by a newline and padded with spaces. */
static void put_text(u8 *d, u8 tag, const char *text)
{
    size_t length = strlen(text);
    d[3] = tag;
    memset(d + 5, ' ', 13);
    memcpy(d + 5, text, length);
    d[5 + length] = '\n';
}

/* 3.10.3.3.1: 50 to 125 Hz, 30 to 160 kHz, up to 660 MHz; no more than these limits. */
static void put_limits(u8 *d)
{
    static const u8 limits[] = {0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 66, 1, '\n'};
    memset(d, ' ', DESCRIPTOR_BYTES);
    memcpy(d, limits, sizeof(limits));
}

void gpu_edid_make(u32 width, u32 height, u8 edid[GPU_EDID_BYTES])
{
    static const u8 header[] = {0, 255, 255, 255, 255, 255, 255, 0};
    width = width < EDID_MAX_SIDE ? width : EDID_MAX_SIDE;
    height = height < EDID_MAX_SIDE ? height : EDID_MAX_SIDE;
    memset(edid, 0, GPU_EDID_BYTES);
    memcpy(edid, header, sizeof(header));
    /* 3.4: the maker's three letters, five bits each: "MTC" */
    u16 maker = ('M' - '@') << 10 | ('T' - '@') << 5 | ('C' - '@');
    edid[8] = (u8)(maker >> 8);
    edid[9] = (u8)maker;
    edid[10] = 1;
    edid[16] = 1;          /* week and */
    edid[17] = 2026 - 1990; /* year of manufacture */
    edid[18] = 1;
    edid[19] = 4;
    edid[20] = 0xa5; /* 3.6: digital, 8 bits a colour, DisplayPort */
    edid[21] = (u8)(to_mm(width) / 10);
    edid[22] = (u8)(to_mm(height) / 10);
    edid[23] = 120;  /* gamma 2.2 */
    edid[24] = 0x06; /* sRGB; the preferred mode is the native one */
    static const u8 srgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
    memcpy(edid + 25, srgb, sizeof(srgb)); /* 3.7 */
    put_other_modes(edid);
    put_timing(edid + AT_DESCRIPTORS, width, height);
    put_limits(edid + AT_DESCRIPTORS + DESCRIPTOR_BYTES);
    put_text(edid + AT_DESCRIPTORS + 2 * DESCRIPTOR_BYTES, 0xfc, "metic");
    put_text(edid + AT_DESCRIPTORS + 3 * DESCRIPTOR_BYTES, 0xff, "1");
    u8 sum = 0;
    for (unsigned i = 0; i < GPU_EDID_BYTES - 1; i++) {
        sum = (u8)(sum + edid[i]);
    }
    edid[GPU_EDID_BYTES - 1] = (u8)(0u - sum);
}
