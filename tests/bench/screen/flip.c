/* First program of a guest with a virtio GPU: fills whole frames and flips to them, as a video
 * player does, through the kernel's DRM interface with two buffers.
 *
 *   flip=0              as fast as it goes, for SECONDS
 *   flip=RATE           that many a second
 *
 * on the kernel's command line. Prints "screen flips N ns T late M": N frames in T, of which M
 * began more than a frame late. */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 8 };

struct frame {
    struct drm_mode_create_dumb dumb;
    uint32_t id;
    uint32_t *pixels;
};

static int card;

static void fail(const char *what)
{
    printf("screen failed: %s\n", what);
    fflush(stdout);
    reboot(RB_POWER_OFF);
    exit(1);
}

static void must(unsigned long request, void *argument, const char *what)
{
    if (ioctl(card, request, argument) != 0) {
        fail(what);
    }
}

static void load_modules(void)
{
    char name[64], path[128];
    FILE *list = fopen("/etc/screen-modules", "r");
    if (list == NULL) {
        fail("no modules");
    }
    for (int first = 1; first || fscanf(list, "%63s", name) == 1; first = 0) {
        snprintf(path, sizeof(path), first ? "/lib/modules/virtio_mmio.ko"
                                           : "/lib/modules/screen/%s.ko", name);
        int fd = open(path, O_RDONLY);
        if (fd >= 0) {
            syscall(SYS_finit_module, fd, "", 0);
            close(fd);
        }
    }
    fclose(list);
}

static void new_frame(struct frame *frame, const struct drm_mode_modeinfo *mode)
{
    frame->dumb = (struct drm_mode_create_dumb){
        .width = mode->hdisplay, .height = mode->vdisplay, .bpp = 32};
    must(DRM_IOCTL_MODE_CREATE_DUMB, &frame->dumb, "no buffer");
    struct drm_mode_fb_cmd fb = {.width = mode->hdisplay, .height = mode->vdisplay,
                                 .pitch = frame->dumb.pitch, .bpp = 32, .depth = 24,
                                 .handle = frame->dumb.handle};
    must(DRM_IOCTL_MODE_ADDFB, &fb, "no framebuffer");
    frame->id = fb.fb_id;
    struct drm_mode_map_dumb map = {.handle = frame->dumb.handle};
    must(DRM_IOCTL_MODE_MAP_DUMB, &map, "no mapping");
    frame->pixels = mmap(NULL, frame->dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, card,
                         (off_t)map.offset);
    if (frame->pixels == MAP_FAILED) {
        fail("no memory for it");
    }
}

/* Every pixel is another than in the frame before. */
static void paint(struct frame *frame, unsigned number)
{
    size_t words = frame->dumb.size / 8;
    uint64_t *to = (uint64_t *)frame->pixels;
    uint64_t colour = (number * 0x010203u & 0xffffffu) * 0x100000001u;
    for (size_t i = 0; i < words; i++) {
        to[i] = colour + i;
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void wait_until(uint64_t ns)
{
    struct timespec until = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
}

static void flip_all(struct frame frames[2], uint32_t crtc, unsigned rate)
{
    uint64_t start = now_ns(), end = start + SECONDS * 1000000000ull, last = start;
    unsigned count = 0, late = 0;
    for (; last < end; count++) {
        struct frame *frame = &frames[count % 2];
        if (rate != 0) {
            uint64_t due = start + count * 1000000000ull / rate;
            late += now_ns() > due + 1000000000u / rate;
            wait_until(due);
        }
        paint(frame, count);
        struct drm_mode_crtc_page_flip flip = {.crtc_id = crtc, .fb_id = frame->id,
                                               .flags = DRM_MODE_PAGE_FLIP_EVENT};
        must(DRM_IOCTL_MODE_PAGE_FLIP, &flip, "no flip");
        char event[64];
        if (read(card, event, sizeof(event)) <= 0) {
            fail("no event");
        }
        last = now_ns();
    }
    printf("screen flips %u ns %llu late %u\n", count, (unsigned long long)(last - start), late);
    fflush(stdout);
    sleep(2); /* at rest, for whom counts what that cost */
}

static void run(unsigned rate)
{
    uint32_t crtcs[8], connectors[8];
    struct drm_mode_card_res resources = {0};
    resources.crtc_id_ptr = (uintptr_t)crtcs;
    resources.connector_id_ptr = (uintptr_t)connectors;
    resources.count_crtcs = resources.count_connectors = 8;
    must(DRM_IOCTL_MODE_GETRESOURCES, &resources, "no resources");
    static struct drm_mode_modeinfo modes[128];
    struct drm_mode_get_connector connector = {.connector_id = connectors[0]};
    must(DRM_IOCTL_MODE_GETCONNECTOR, &connector, "no connector");
    connector.count_props = connector.count_encoders = 0;
    connector.modes_ptr = (uintptr_t)modes;
    connector.count_modes = connector.count_modes < 128 ? connector.count_modes : 128;
    must(DRM_IOCTL_MODE_GETCONNECTOR, &connector, "no modes");
    struct frame frames[2];
    new_frame(&frames[0], &modes[0]);
    new_frame(&frames[1], &modes[0]);
    struct drm_mode_crtc set = {.crtc_id = crtcs[0], .fb_id = frames[1].id, .mode_valid = 1,
                                .mode = modes[0], .count_connectors = 1,
                                .set_connectors_ptr = (uintptr_t)connectors};
    must(DRM_IOCTL_MODE_SETCRTC, &set, "no mode");
    printf("screen %ux%u\n", modes[0].hdisplay, modes[0].vdisplay);
    flip_all(frames, crtcs[0], rate);
}

int main(void)
{
    static char line[4096];
    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, "");
    mount("dev", "/dev", "devtmpfs", 0, "");
    FILE *file = fopen("/proc/cmdline", "r");
    bool got = file != NULL && fgets(line, sizeof(line), file) != NULL;
    const char *flip = got ? strstr(line, "flip=") : NULL;
    load_modules();
    for (int tries = 0; (card = open("/dev/dri/card0", O_RDWR)) < 0 && tries < 50; tries++) {
        usleep(100000);
    }
    if (card < 0 || flip == NULL) {
        fail("no card, or no flip= on the command line");
    }
    run((unsigned)atoi(flip + 5));
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
