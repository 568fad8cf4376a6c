/* A guest's program for its GPU's connectors and cursors, by Linux's DRM. Commands on standard
 * input, a line each; "done" follows each.
 *
 *   list                 each connector: whether it is there, its first mode, its EDID's
 *   span                 one picture over all that are there, from left to right, each with a
 *                        colour of its own, 0x400000 at first
 *   cursor HEAD X Y      a square of 16 by 16 pixels, 0xffffff, is there with its hot spot, 4, 6
 *   hide HEAD
 *   await HEAD WIDTH HEIGHT    until it prefers that size; 0 0: until it is not there
 *   pointer              waits for the tablet's button, and says where on the picture it is */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_HEADS = 4, MAX_MODES = 64, MAX_PROPERTIES = 64, CURSOR_SIDE = 64, EVENT_TABLET = 1 };

struct head {
    uint32_t connector, crtc;
    int connected;
    struct drm_mode_modeinfo mode;
    unsigned edid_width, edid_height;
};

static int card;
static struct head heads[MAX_HEADS];
static unsigned head_count;
static unsigned all_width, all_height;

static void must(int result, const char *what)
{
    if (result != 0) {
        perror(what);
        exit(1);
    }
}

/* --- connectors --- */

/* The preferred timing's size. */
static void read_edid(struct head *head, uint32_t property, uint32_t blob_id)
{
    uint8_t edid[1024];
    struct drm_mode_get_property p = {.prop_id = property};
    struct drm_mode_get_blob blob = {.blob_id = blob_id};
    if (blob_id == 0 || ioctl(card, DRM_IOCTL_MODE_GETPROPERTY, &p) != 0 ||
        strcmp(p.name, "EDID") != 0 || ioctl(card, DRM_IOCTL_MODE_GETPROPBLOB, &blob) != 0 ||
        blob.length > sizeof(edid)) {
        return;
    }
    blob.data = (uintptr_t)edid;
    if (ioctl(card, DRM_IOCTL_MODE_GETPROPBLOB, &blob) == 0) {
        const uint8_t *timing = edid + 54;
        head->edid_width = timing[2] | (timing[4] & 0xf0u) << 4;
        head->edid_height = timing[5] | (timing[7] & 0xf0u) << 4;
    }
}

static void read_connector(struct head *head)
{
    static struct drm_mode_modeinfo modes[MAX_MODES];
    uint32_t properties[MAX_PROPERTIES], encoders[8];
    uint64_t values[MAX_PROPERTIES];
    struct drm_mode_get_connector c = {.connector_id = head->connector}; /* asks the monitor */
    must(ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &c), "connector");
    if (c.count_modes > MAX_MODES || c.count_props > MAX_PROPERTIES || c.count_encoders > 8) {
        exit(2);
    }
    c.modes_ptr = (uintptr_t)modes;
    c.props_ptr = (uintptr_t)properties;
    c.prop_values_ptr = (uintptr_t)values;
    c.encoders_ptr = (uintptr_t)encoders;
    must(ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &c), "connector");
    head->connected = c.connection == 1 && c.count_modes > 0;
    head->mode = modes[0];
    head->edid_width = head->edid_height = 0;
    for (unsigned i = 0; i < c.count_props; i++) {
        read_edid(head, properties[i], (uint32_t)values[i]);
    }
}

static void list(void)
{
    for (unsigned i = 0; i < head_count; i++) {
        read_connector(&heads[i]);
        if (heads[i].connected) {
            printf("head %u: %ux%u, edid %ux%u\n", i, heads[i].mode.hdisplay,
                   heads[i].mode.vdisplay, heads[i].edid_width, heads[i].edid_height);
        } else {
            printf("head %u: nothing\n", i);
        }
    }
}

static void await(unsigned head, unsigned width, unsigned height)
{
    struct head *h = &heads[head];
    for (read_connector(h); width == 0 ? h->connected
                                       : !h->connected || h->mode.hdisplay != width ||
                                             h->mode.vdisplay != height;
         read_connector(h)) {
        usleep(100000);
    }
}

static void find_heads(void)
{
    uint32_t connectors[MAX_HEADS], crtcs[MAX_HEADS];
    struct drm_mode_card_res r = {0};
    must(ioctl(card, DRM_IOCTL_MODE_GETRESOURCES, &r), "resources");
    if (r.count_connectors > MAX_HEADS || r.count_crtcs > MAX_HEADS) {
        exit(2);
    }
    r.count_fbs = r.count_encoders = 0;
    r.connector_id_ptr = (uintptr_t)connectors;
    r.crtc_id_ptr = (uintptr_t)crtcs;
    must(ioctl(card, DRM_IOCTL_MODE_GETRESOURCES, &r), "resources");
    head_count = r.count_connectors;
    for (unsigned i = 0; i < head_count; i++) {
        heads[i] = (struct head){.connector = connectors[i], .crtc = crtcs[i]};
    }
}

/* --- pictures --- */

static uint32_t *make_buffer(unsigned width, unsigned height, uint32_t *handle, uint32_t *pitch)
{
    struct drm_mode_create_dumb dumb = {.width = width, .height = height, .bpp = 32};
    must(ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), "buffer");
    struct drm_mode_map_dumb map = {.handle = dumb.handle};
    must(ioctl(card, DRM_IOCTL_MODE_MAP_DUMB, &map), "map");
    *handle = dumb.handle;
    *pitch = dumb.pitch;
    void *pixels = mmap(NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, card,
                        (off_t)map.offset);
    must(pixels == MAP_FAILED, "mmap");
    return pixels;
}

static void span(void)
{
    uint32_t handle, pitch;
    unsigned x = 0;
    all_width = all_height = 0;
    for (unsigned i = 0; i < head_count; i++) {
        read_connector(&heads[i]);
        if (heads[i].connected) {
            unsigned height = heads[i].mode.vdisplay;
            all_width += heads[i].mode.hdisplay;
            all_height = height > all_height ? height : all_height;
        }
    }
    uint32_t *pixels = make_buffer(all_width, all_height, &handle, &pitch);
    struct drm_mode_fb_cmd fb = {.width = all_width, .height = all_height, .pitch = pitch,
                                 .bpp = 32, .depth = 24, .handle = handle};
    must(ioctl(card, DRM_IOCTL_MODE_ADDFB, &fb), "framebuffer");
    for (unsigned i = 0; i < head_count; i++) {
        unsigned width = heads[i].mode.hdisplay;
        struct drm_mode_crtc crtc = {
            .crtc_id = heads[i].crtc, .fb_id = fb.fb_id, .x = x, .mode_valid = 1,
            .mode = heads[i].mode, .set_connectors_ptr = (uintptr_t)&heads[i].connector,
            .count_connectors = 1};
        if (!heads[i].connected) {
            continue;
        }
        for (unsigned y = 0; y < all_height; y++) {
            for (unsigned column = 0; column < width; column++) {
                pixels[y * pitch / 4 + x + column] = 0x400000u >> 8 * i;
            }
        }
        must(ioctl(card, DRM_IOCTL_MODE_SETCRTC, &crtc), "crtc");
        x += width;
    }
    struct drm_mode_fb_dirty_cmd dirty = {.fb_id = fb.fb_id};
    must(ioctl(card, DRM_IOCTL_MODE_DIRTYFB, &dirty), "dirty");
    printf("spans %ux%u\n", all_width, all_height);
}

/* --- pointers --- */

static void cursor(unsigned head, int x, int y, int shown)
{
    static uint32_t handle;
    uint32_t pitch;
    if (handle == 0) {
        uint32_t *pixels = make_buffer(CURSOR_SIDE, CURSOR_SIDE, &handle, &pitch);
        for (unsigned i = 0; i < CURSOR_SIDE * CURSOR_SIDE; i++) {
            pixels[i] = i % CURSOR_SIDE < 16 && i / CURSOR_SIDE < 16 ? 0xffffffffu : 0;
        }
    }
    /* Where the picture begins, as X does it. */
    struct drm_mode_cursor2 c = {
        .flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE, .crtc_id = heads[head].crtc,
        .x = x - 4, .y = y - 6, .width = CURSOR_SIDE, .height = CURSOR_SIDE,
        .handle = shown ? handle : 0, .hot_x = 4, .hot_y = 6};
    must(ioctl(card, DRM_IOCTL_MODE_CURSOR2, &c), "cursor");
}

static void pointer(void)
{
    static unsigned x, y;
    struct input_event event;
    char path[32];
    snprintf(path, sizeof(path), "/dev/input/event%d", EVENT_TABLET);
    int fd = open(path, O_RDONLY);
    must(fd < 0, path);
    puts("waits");
    fflush(stdout);
    while (read(fd, &event, sizeof(event)) == sizeof(event)) {
        if (event.type == EV_ABS) {
            *(event.code == ABS_X ? &x : &y) = (unsigned)event.value;
        } else if (event.type == EV_KEY && event.value == 1) {
            break;
        }
    }
    close(fd);
    printf("pointer at %u, %u\n", x * all_width / 32768, y * all_height / 32768);
}

int main(void)
{
    char line[128];
    card = open("/dev/dri/card0", O_RDWR);
    must(card < 0, "card0");
    find_heads();
    while (fgets(line, sizeof(line), stdin) != NULL) {
        unsigned head = 0;
        int x = 0, y = 0;
        if (strcmp(line, "list\n") == 0) {
            list();
        } else if (strcmp(line, "span\n") == 0) {
            span();
        } else if (strcmp(line, "pointer\n") == 0) {
            pointer();
        } else if (sscanf(line, "cursor %u %d %d", &head, &x, &y) == 3 && head < head_count) {
            cursor(head, x, y, 1);
        } else if (sscanf(line, "await %u %d %d", &head, &x, &y) == 3 && head < head_count) {
            await(head, (unsigned)x, (unsigned)y);
        } else if (sscanf(line, "hide %u", &head) == 1 && head < head_count) {
            cursor(head, 0, 0, 0);
        } else {
            return 2;
        }
        puts("done");
        fflush(stdout);
    }
    return 0;
}
