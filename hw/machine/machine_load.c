/* Placing images: what runs first, what it goes on to, and where each lies.
 *
 * An image that starts in S-mode goes behind an SBI firmware, the built-in one unless the user
 * named another; one that starts in M-mode is entered from the reset vector directly. With firmware
 * "none" everything starts in M-mode. An image that a named firmware is given starts in S-mode. */
#include "hw/machine/machine.h"

#include "roms/roms.h"

#include <stdlib.h>
#include <string.h>

void machine_boot_free(struct machine_boot *boot)
{
    image_free(boot->main);
    image_free(boot->firmware);
    image_free(boot->initrd);
    image_free(boot->dtb);
    free(boot->path);
    memset(boot, 0, sizeof(*boot));
}

static bool is_named(const char *firmware, const char *name)
{
    return firmware != NULL && strcmp(firmware, name) == 0;
}

/* The built-in one goes behind what starts in S-mode, be it in RAM or in flash. */
static bool wants_builtin(const struct metic_machine *machine)
{
    const struct image *image = machine->boot.main;
    const char *firmware = machine->options.firmware;
    return is_named(firmware, "builtin") ||
           (firmware == NULL && (image == NULL || image->mode == IMAGE_MODE_SUPERVISOR));
}

static void say_image(struct metic_machine *machine, const char *what, const char *name,
                      struct image *image)
{
    if (machine->options.say != NULL) { /* describing takes time */
        machine_say(machine, "%s: %s: %s", what, name, image_describe(image));
    }
}

static bool open_firmware(struct metic_machine *machine, struct metic_error *error)
{
    struct machine_boot *boot = &machine->boot;
    const char *firmware = machine->options.firmware;
    if (wants_builtin(machine)) {
        boot->builtin_firmware = true;
        boot->firmware = image_open_bytes("built-in SBI", rom_sbi_start, rom_sbi_bytes(), error);
        machine_say(machine, "firmware: built-in SBI (choose with --firmware)");
        return boot->firmware != NULL;
    }
    if (firmware != NULL && !is_named(firmware, "none")) {
        boot->firmware = image_open(firmware, error);
        if (boot->firmware == NULL || !image_check_startable(boot->firmware, error)) {
            return false;
        }
        say_image(machine, "firmware", firmware, boot->firmware);
    }
    return true;
}

/* Opens what the options name beside the main image. */
static bool open_companions(struct metic_machine *machine, struct metic_error *error)
{
    struct machine_boot *boot = &machine->boot;
    const struct metic_options *options = &machine->options;
    if (!open_firmware(machine, error)) {
        return false;
    }
    if (options->initrd != NULL) {
        boot->initrd = image_open_raw(options->initrd, error);
        if (boot->initrd == NULL) {
            return false;
        }
        if (boot->initrd->kind == IMAGE_TEXT || boot->initrd->kind == IMAGE_EMPTY) {
            return error_set(error,
                             "Give a cpio archive, compressed or not, or a file system image.",
                             "'%s' is no initial ramdisk: %s", options->initrd,
                             image_describe(boot->initrd));
        }
        say_image(machine, "initrd", options->initrd, boot->initrd);
    }
    if (options->dtb != NULL) {
        boot->dtb = image_open_raw(options->dtb, error);
        if (boot->dtb == NULL) {
            return false;
        }
        if (boot->dtb->kind != IMAGE_DTB) {
            return error_set(error, "give a compiled device tree (.dtb)",
                             "%s is not a device tree: %s", options->dtb,
                             image_describe(boot->dtb));
        }
    }
    return true;
}

/* The main image; `kernel` true: behind a firmware. Without one, what is in flash begins there. */
static bool place_main(struct metic_machine *machine, bool kernel, gpa_t *entry, gpa_t *end,
                       struct metic_error *error)
{
    const struct board_class *class = machine->board->class;
    struct image *image = machine->boot.main;
    if (image == NULL) {
        *entry = *end = class->flash_gpa[0];
        return true;
    }
    gpa_t base = kernel || image->kind == IMAGE_LINUX ? class->kernel_gpa : class->firmware_gpa;
    return image_place(&machine->memory, image, base, entry, end, error);
}

static bool place_initrd(struct metic_machine *machine, gpa_t kernel_end,
                         struct metic_error *error)
{
    const struct image *initrd = machine->boot.initrd;
    if (initrd == NULL) {
        return true;
    }
    gpa_t gpa = board_initrd_gpa(machine->board, kernel_end, initrd->size_bytes);
    if (gpa == 0 || !memory_load(&machine->memory, gpa, initrd->bytes, initrd->size_bytes)) {
        return error_set(error, "give more memory with --ram",
                         "the initrd (%llu MiB) does not fit behind the kernel",
                         (unsigned long long)(initrd->size_bytes >> 20));
    }
    machine->boot.board.initrd_gpa = gpa;
    machine->boot.board.initrd_bytes = initrd->size_bytes;
    return true;
}

/* A machine that came from a snapshot has its images in memory, and needs their files only when it
 * is reset. */
static bool open_again(struct metic_machine *machine, struct metic_error *error)
{
    struct machine_boot *boot = &machine->boot;
    if (!boot->pending) {
        return true;
    }
    if (boot->path != NULL && boot->main == NULL) {
        boot->main = strcmp(boot->path, MACHINE_DEMO) == 0
                         ? image_open_bytes("demo", rom_demo_start, rom_demo_bytes(), error)
                         : image_open(boot->path, error);
        if (boot->main == NULL) {
            return false;
        }
    }
    boot->pending = !open_companions(machine, error);
    return !boot->pending;
}

bool machine_place(struct metic_machine *machine, struct metic_error *error)
{
    struct machine_boot *boot = &machine->boot;
    struct board_boot *board = &boot->board;
    if (!open_again(machine, error)) {
        return false;
    }
    bool kernel = boot->firmware != NULL;
    gpa_t entry;
    gpa_t end;
    machine->in_reset = true;
    memset(board, 0, sizeof(*board));
    if (!place_main(machine, kernel, &entry, &end, error)) {
        return false;
    }
    board->entry = entry;
    if (kernel) {
        /* What is in flash takes no memory; the board sends the firmware there. */
        board->kernel_gpa = boot->main != NULL ? entry : 0;
        board->kernel_bytes = end - entry;
        board->kernel_mode = 1;
        if (!image_place(&machine->memory, boot->firmware, machine->board->class->firmware_gpa,
                         &board->entry, NULL, error)) {
            return false;
        }
    }
    if (!place_initrd(machine, end, error)) {
        return false;
    }
    board->bootargs = machine->options.bootargs;
    board->rng_seed = true;
    if (boot->dtb != NULL) {
        board->fdt = boot->dtb->bytes;
        board->fdt_bytes = boot->dtb->size_bytes;
    }
    return board_prepare_boot(machine->board, board, error);
}

static bool load(struct metic_machine *machine, const char *name, struct metic_error *error)
{
    struct machine_boot *boot = &machine->boot;
    if (boot->main != NULL && !image_check_startable(boot->main, error)) {
        return false;
    }
    if (boot->main != NULL) {
        say_image(machine, "image", name, boot->main);
    } else if (machine->options.initrd != NULL) {
        return error_set(error, "Give a kernel with it, or leave --initrd out.",
                         "what starts from flash has no use for an initial ramdisk");
    }
    if (!open_companions(machine, error) || !machine_place(machine, error) ||
        !machine_start_net(machine, error)) {
        return false;
    }
    boot->htif_tohost = boot->main != NULL ? boot->main->tohost_gpa : 0;
    boot->htif_fromhost = boot->main != NULL ? boot->main->fromhost_gpa : 0;
    machine_semihosting_loaded(machine);
    const struct metic_options *options = &machine->options;
    machine_say(machine, "machine: %s, %u hart%s, %llu MiB, starts in %s", options->machine,
                options->harts, options->harts == 1 ? "" : "s",
                (unsigned long long)(options->ram_bytes >> 20),
                boot->firmware != NULL ? "the firmware"
                : boot->main != NULL   ? "M-mode at the image's entry"
                                       : "M-mode in flash");
    machine->loaded = true;
    return true;
}

bool metic_load(metic_machine *machine, const char *path, struct metic_error *error)
{
    if (machine->loaded) {
        return error_set(error, "make another machine", "this machine has an image already");
    }
    if (path == NULL) {
        return (machine->options.flash[0] != NULL ||
                error_set(error, "Give a file to run.", "there is nothing in flash to run")) &&
               load(machine, NULL, error);
    }
    machine->boot.path = realpath(path, NULL); /* NULL: image_open says why */
    machine->boot.main = image_open(path, error);
    return machine->boot.main != NULL && load(machine, path, error);
}

bool metic_load_demo(metic_machine *machine, struct metic_error *error)
{
    if (machine->loaded) {
        return error_set(error, "make another machine", "this machine has an image already");
    }
    machine->boot.path = strdup(MACHINE_DEMO);
    machine->boot.main = image_open_bytes("demo", rom_demo_start, rom_demo_bytes(), error);
    return machine->boot.main != NULL && load(machine, "built-in demo", error);
}
