/* The machine's screens, keyboard and pointer: the devices, and metic.h's way to them. */
#include "cpu/base/path.h"
#include "hw/display/picture.h"
#include "hw/display/ramfb.h"
#include "hw/machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EARLY_MAX_PIXELS = 3840 * 2160 };
enum { RANK_FRAMEBUFFER = 1, RANK_RAMFB = 2 }; /* the GPU's is higher */

bool machine_make_screen(struct metic_machine *machine, struct metic_error *error)
{
    machine->display = display_new();
    machine->input = input_new(machine->journal);
    if (machine->display == NULL || machine->input == NULL) {
        return error_set(error, NULL, "the host has no memory for a screen");
    }
    machine->typist = typist_new(machine->loop, &machine->clock, machine->input, error);
    if (machine->typist == NULL) {
        return false;
    }
    linear_init(&machine->framebuffer, machine->display, &machine->memory, "framebuffer",
                RANK_FRAMEBUFFER);
    linear_init(&machine->ramfb, machine->display, &machine->memory, "ramfb", RANK_RAMFB);
    return true;
}

void machine_free_screen(struct metic_machine *machine)
{
    linear_fini(&machine->ramfb);
    linear_fini(&machine->framebuffer);
    struct metic_error unwritten;
    metic_end_video(machine, &unwritten);
    typist_free(machine->typist);
    display_free(machine->display);
    input_free(machine->input);
}

static u32 screen_width(const struct metic_machine *machine)
{
    return machine->options.screen_width != 0 ? machine->options.screen_width : 1280;
}

static u32 screen_height(const struct metic_machine *machine)
{
    return machine->options.screen_height != 0 ? machine->options.screen_height : 800;
}

void machine_screen_options(struct metic_machine *machine, struct board_options *board)
{
    const struct metic_options *options = &machine->options;
    if (options->screens == 0) {
        return;
    }
    machine->usb_config = (struct xhci_config){
        machine->input, board->aia == BOARD_AIA_APLIC_IMSIC};
    board->usb = &machine->usb_config;
    bool fits = (u64)screen_width(machine) * screen_height(machine) <= EARLY_MAX_PIXELS;
    if (options->screen_simple || (options->screen_early && fits)) {
        board->framebuffer_width = screen_width(machine);
        board->framebuffer_height = screen_height(machine);
    }
    if (!options->screen_simple) {
        board->ramfb = ramfb_written;
        board->ramfb_opaque = &machine->ramfb;
    }
}

bool machine_start_screen(struct metic_machine *machine, struct metic_error *error)
{
    const struct board_options *board = &machine->board->options;
    struct linear_shape shape = {
        .gpa = machine->board->framebuffer_gpa,
        .format = LINEAR_XRGB8888,
        .width = board->framebuffer_width,
        .height = board->framebuffer_height,
        .stride_bytes = 4 * board->framebuffer_width,
    };
    return shape.width == 0 || linear_set(&machine->framebuffer, &shape) ||
           error_set(error, NULL, "the host has no memory for a screen");
}

static bool add_gpu(struct metic_machine *machine, struct metic_error *error)
{
    machine->gpu_config = (struct virtio_gpu_config){
        .display = machine->display,
        .head_count = machine->options.screens,
        .width = screen_width(machine),
        .height = screen_height(machine),
    };
    return machine_add_virtio(machine, &virtio_gpu_type, &machine->gpu_config, "gpu", 0, error);
}

bool machine_add_screen(struct metic_machine *machine, struct metic_error *error)
{
    static const char *const names[INPUT_DEVICES] = {"keyboard", "tablet", "mouse"};
    const struct metic_options *options = &machine->options;
    if (options->screens == 0) {
        return true;
    }
    if (!options->screen_simple && !add_gpu(machine, error)) {
        return false;
    }
    for (unsigned i = 0; i < INPUT_DEVICES; i++) {
        machine->input_configs[i] =
            (struct virtio_input_config){machine->input, (enum input_device)i};
        if (!machine_add_virtio(machine, &virtio_input_type, &machine->input_configs[i], names[i],
                                0, error)) {
            return false;
        }
    }
    machine_say(machine, "screen: %u of %u by %u, with keyboard, tablet and mouse",
                options->screens, screen_width(machine), screen_height(machine));
    return true;
}

/* --- looking --- */

struct metic_viewer {
    struct display_client client;
    struct metic_rect rects[DISPLAY_MAX_RECTS];
};

metic_viewer *metic_viewer_new(metic_machine *machine, unsigned screen,
                               void (*changed)(void *opaque), void *opaque,
                               struct metic_error *error)
{
    if (screen >= METIC_MAX_SCREENS) {
        error_set(error, "screens are counted from 0", "there is no screen %u", screen);
        return NULL;
    }
    struct metic_viewer *viewer = calloc(1, sizeof(*viewer));
    if (viewer == NULL) {
        error_set(error, NULL, "the host has no memory for a viewer");
        return NULL;
    }
    viewer->client.head = screen;
    viewer->client.changed = changed;
    viewer->client.opaque = opaque;
    display_add_client(machine->display, &viewer->client);
    return viewer;
}

void metic_viewer_free(metic_viewer *viewer)
{
    if (viewer != NULL) {
        display_remove_client(&viewer->client);
        free(viewer);
    }
}

bool metic_viewer_take(metic_viewer *viewer, struct metic_frame *frame)
{
    struct display_client *client = &viewer->client;
    bool is_new = display_client_take(client);
    for (unsigned i = 0; i < client->rect_count; i++) {
        const struct display_rect *rect = &client->rects[i];
        viewer->rects[i] = (struct metic_rect){rect->x, rect->y, rect->width, rect->height};
    }
    const struct display_cursor *cursor = &client->cursor;
    *frame = (struct metic_frame){
        .width = client->width,
        .height = client->height,
        .pixels = client->pixels,
        .resized = is_new && client->resized,
        .untold = client->untold,
        .cursor_moved = is_new && client->cursor_moved,
        .cursor_reshaped = is_new && client->cursor_reshaped,
        .rects = viewer->rects,
        .rect_count = is_new ? client->rect_count : 0,
        .cursor_visible = cursor->visible,
        .cursor_x = cursor->x,
        .cursor_y = cursor->y,
        .cursor_hot_x = cursor->hot_x,
        .cursor_hot_y = cursor->hot_y,
        .cursor_width = cursor->width,
        .cursor_height = cursor->height,
        .cursor_pixels = cursor->pixels,
    };
    return is_new;
}

/* --- a picture in a file --- */

bool metic_draw_screen(metic_machine *machine, unsigned screen, enum metic_picture format,
                       FILE *to, struct metic_error *error)
{
    struct metic_viewer *viewer = metic_viewer_new(machine, screen, NULL, NULL, error);
    if (viewer == NULL) {
        return false;
    }
    struct metic_frame frame;
    metic_viewer_take(viewer, &frame);
    struct picture picture = {frame.width, frame.height, frame.pixels};
    bool ok = frame.width != 0 ||
              error_set(error, "give --screen 1280x800, and wait until the guest draws",
                        "screen %u shows nothing", screen);
    if (ok) {
        ok = (format == METIC_PNG ? picture_write_png(&picture, to)
                                  : picture_write_ppm(&picture, to)) ||
             error_set(error, NULL, "cannot write the picture: %s", strerror(errno));
    }
    metic_viewer_free(viewer);
    return ok;
}

bool metic_screenshot(metic_machine *machine, unsigned screen, enum metic_picture format,
                      const char *path, struct metic_error *error)
{
    FILE *file = fopen(path, "wbe");
    if (file == NULL) {
        return error_set(error, "name another file", "cannot write the picture %s: %s", path,
                         strerror(errno));
    }
    bool ok = metic_draw_screen(machine, screen, format, file, error);
    if (fclose(file) != 0 && ok) {
        ok = error_set(error, "name another file", "cannot write the picture %s: %s", path,
                       strerror(errno));
    }
    if (!ok) {
        path_discard(path);
    }
    return ok;
}

bool metic_get_screen_size(metic_machine *machine, unsigned screen, uint32_t *width,
                           uint32_t *height)
{
    return display_get_size(machine->display, screen, width, height);
}

bool metic_start_video(metic_machine *machine, const struct metic_video *video,
                       struct metic_error *error)
{
    struct video_options options = {
        .path = video->path,
        .is_series = video->is_series,
        .fps = video->fps != 0 ? video->fps : METIC_DEFAULT_FPS,
        .width = screen_width(machine),
        .height = screen_height(machine),
        .head = video->screen,
    };
    if (video->screen >= METIC_MAX_SCREENS || machine->options.screens == 0) {
        return error_set(error, "give --screen 1280x800", "there is no screen %u to be recorded",
                         video->screen);
    }
    machine->video = video_new(machine->display, &machine->clock, &options, error);
    return machine->video != NULL;
}

bool metic_end_video(metic_machine *machine, struct metic_error *error)
{
    struct video *video = machine->video;
    machine->video = NULL;
    return video == NULL || video_end(video, error);
}

bool metic_is_screen_size(uint32_t width, uint32_t height)
{
    return width >= METIC_MIN_SIDE && width <= METIC_MAX_SIDE && height >= METIC_MIN_SIDE &&
           height <= METIC_MAX_SIDE;
}

void metic_request_size(metic_machine *machine, unsigned screen, uint32_t width, uint32_t height)
{
    display_request_size(machine->display, screen, width, height);
}

/* --- input --- */

void metic_await_input(metic_machine *machine, bool awaited)
{
    atomic_store(&machine->may_type, awaited);
}

bool metic_has_input(const metic_machine *machine)
{
    return machine->options.screens != 0;
}

unsigned metic_get_lamps(const metic_machine *machine, uint32_t *changes)
{
    return input_get_lamps(machine->input, changes);
}

void metic_key(metic_machine *machine, unsigned code, bool down)
{
    if (metic_has_input(machine)) {
        input_key(machine->input, code, down);
    }
}

void metic_pointer_to(metic_machine *machine, uint32_t x, uint32_t y)
{
    if (metic_has_input(machine)) {
        input_move_to(machine->input, x, y);
    }
}

void metic_pointer_on(metic_machine *machine, unsigned screen, uint32_t x, uint32_t y)
{
    if (screen < METIC_MAX_SCREENS) {
        display_to_desktop(machine->display, screen, METIC_POINTER_MAX, &x, &y);
        metic_pointer_to(machine, x, y);
    }
}

void metic_pointer_by(metic_machine *machine, int32_t dx, int32_t dy)
{
    if (metic_has_input(machine)) {
        input_move_by(machine->input, dx, dy);
    }
}

void metic_wheel(metic_machine *machine, int32_t vertical, int32_t horizontal)
{
    if (metic_has_input(machine)) {
        input_wheel(machine->input, vertical, horizontal);
    }
}

void metic_release_keys(metic_machine *machine)
{
    input_release_all(machine->input);
}

bool metic_press_keys(metic_machine *machine, const struct metic_key_step *steps, unsigned count)
{
    struct typist_step own[METIC_MAX_KEY_STEPS];
    if (!metic_has_input(machine) || count > METIC_MAX_KEY_STEPS) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        u32 rest_ms = steps[i].then_ms < TYPIST_MAX_REST_MS ? steps[i].then_ms : TYPIST_MAX_REST_MS;
        own[i] = (struct typist_step){(u16)(steps[i].code & 0xffff), steps[i].down, (u16)rest_ms};
    }
    return typist_add(machine->typist, own, count);
}
