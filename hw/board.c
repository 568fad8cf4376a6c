/* See board.h. */
#include "hw/board.h"

#include "hw/misc/power_button.h"

#include <stdlib.h>
#include <string.h>

enum { BOARD_IMAGE_ALIGN = 2 << 20 };

struct board *board_new(const struct board_class *class, const struct board_env *env,
                        const struct board_options *options, struct metic_error *error)
{
    CHECK(env->hart_count >= 1 && env->hart_count <= BOARD_MAX_HARTS);
    struct board *board = calloc(1, sizeof(*board));
    if (board == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    board->class = class;
    board->env = *env;
    board->options = *options;
    if (!class->create(board, error)) {
        board_free(board);
        return NULL;
    }
    board_reset(board);
    return board;
}

void board_free(struct board *board)
{
    if (board == NULL) {
        return;
    }
    /* The last made goes first: it may still set a line of an earlier one. */
    while (board->device_count > 0) {
        device_free(board->devices[--board->device_count]);
    }
    board->class->destroy(board);
    free(board);
}

bool board_prepare_boot(struct board *board, const struct board_boot *boot,
                        struct metic_error *error)
{
    return board->class->prepare_boot(board, boot, error);
}

void board_reset(struct board *board)
{
    for (unsigned i = 0; i < board->device_count; i++) {
        device_reset(board->devices[i]);
    }
}

void board_press_power(struct board *board)
{
    struct device *button = board_find_device(board, "power");
    if (button != NULL) {
        power_button_press(button);
    }
}

enum { INITRD_OFFSET_BYTES = 128 << 20 };

gpa_t board_initrd_gpa(const struct board *board, gpa_t kernel_end, u64 size_bytes)
{
    gpa_t ram_end = board->class->ram_gpa + board->options.ram_bytes;
    gpa_t start = bits_align_up(kernel_end, BOARD_IMAGE_ALIGN);
    gpa_t end = board->fdt_limit_gpa < ram_end ? board->fdt_limit_gpa : ram_end;
    /* Where QEMU puts it, if it fits: OpenSBI's fw_jump copies the device tree to 34 MiB after the
     * start of RAM, which is right behind a kernel of usual size. */
    u64 half = board->options.ram_bytes / 2;
    gpa_t usual = board->class->ram_gpa + (half < INITRD_OFFSET_BYTES ? half : INITRD_OFFSET_BYTES);
    usual = bits_align_up(usual, BOARD_IMAGE_ALIGN);
    if (usual > start && usual < end && size_bytes <= end - usual) {
        start = usual;
    }
    return start >= kernel_end && start < end && size_bytes <= end - start ? start : 0;
}

struct device *board_find_device(const struct board *board, const char *name)
{
    for (unsigned i = 0; i < board->device_count; i++) {
        if (strcmp(board->devices[i]->name, name) == 0) {
            return board->devices[i];
        }
    }
    return NULL;
}

u64 board_time_ticks(const struct board *board)
{
    return board->class->time_ticks(board);
}

u64 board_time_to_ns(const struct board *board, u64 ticks)
{
    return board->class->time_to_ns(board, ticks);
}

struct device *board_add_device(struct board *board, const struct device_spec *spec,
                                const gpa_t *gpas, unsigned gpa_count,
                                struct metic_error *error)
{
    CHECK(board->device_count < BOARD_MAX_DEVICES);
    struct device *device = device_new(spec, &board->env.devices, error);
    if (device == NULL) {
        return NULL;
    }
    board->devices[board->device_count++] = device; /* board_free frees it from here on */
    for (unsigned i = 0; i < gpa_count; i++) {
        if (!device_map(device, i, gpas[i], error)) {
            return NULL;
        }
    }
    return device;
}

static void board_set_hart_irq(void *opaque, unsigned index, bool level)
{
    const struct board *board = opaque;
    board->env.hart_irq(board->env.hart_opaque, index / 64, index % 64, level);
}

struct irq_line board_hart_line(struct board *board, unsigned hart, enum board_hart_irq irq)
{
    return (struct irq_line){board_set_hart_irq, board, hart * 64 + (unsigned)irq};
}

#define BOARD(b) extern const struct board_class b##_board;
#include "hw/boards.def"
#undef BOARD

static const struct board_class *const board_classes[] = {
#define BOARD(b) &b##_board,
#include "hw/boards.def"
#undef BOARD
};

unsigned board_class_count(void)
{
    return (unsigned)ARRAY_LEN(board_classes);
}

const struct board_class *board_class_at(unsigned index)
{
    return board_classes[index];
}

const struct board_class *board_class_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(board_classes); i++) {
        const struct board_class *class = board_classes[i];
        if (strcmp(class->name, name) == 0 ||
            (class->alias != NULL && strcmp(class->alias, name) == 0)) {
            return class;
        }
    }
    return NULL;
}

static bool board_parse_property(const char *text, struct board_options *options,
                                 struct metic_error *error)
{
    static const char *const aia[] = {
        [BOARD_AIA_NONE] = "aia=none",
        [BOARD_AIA_APLIC] = "aia=aplic",
        [BOARD_AIA_APLIC_IMSIC] = "aia=aplic-imsic",
    };
    for (size_t i = 0; i < ARRAY_LEN(aia); i++) {
        if (strcmp(text, aia[i]) == 0) {
            options->aia = (enum board_aia)i;
            return true;
        }
    }
    return error_set(error, "Known are aia=none, aia=aplic and aia=aplic-imsic.",
                     "a machine cannot have '%s'", text);
}

const struct board_class *board_parse(const char *text, struct board_options *options,
                                      struct metic_error *error)
{
    char name[128];
    if (strlen(text) >= sizeof(name)) {
        error_set(error, "see `metic list machines`", "the name of a machine is too long");
        return NULL;
    }
    strcpy(name, text);
    char *rest = name;
    strsep(&rest, ",");
    const struct board_class *class = board_class_find(name);
    if (class == NULL) {
        error_set(error, "see `metic list machines`", "there is no machine named %s", name);
    }
    while (class != NULL && rest != NULL) {
        class = board_parse_property(strsep(&rest, ","), options, error) ? class : NULL;
    }
    return class;
}
