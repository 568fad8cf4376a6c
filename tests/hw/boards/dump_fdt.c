/* Writes the device tree of riscv-virt with two harts and 256 MiB to standard output, for
 * check_fdt_like_qemu.sh. The argument is the machine's name with what is to be different. */
#include "hw/board.h"

#include <stdio.h>

static void hart_irq(void *opaque, unsigned hart, unsigned irq_number, bool level)
{
    (void)opaque;
    (void)hart;
    (void)irq_number;
    (void)level;
}

static void hart_message(void *opaque, unsigned hart, unsigned file, u32 number)
{
    (void)opaque;
    (void)hart;
    (void)file;
    (void)number;
}

int main(int argc, char **argv)
{
    static const char *const extensions[] = {"i", "zicbom", "zicbop", "zicboz"};
    static struct memory memory;
    struct clock clock;
    struct metic_error error = {0};
    clock_init(&clock, CLOCK_VIRTUAL);
    memory_init(&memory, NULL);
    struct journal *journal = journal_new(&clock, NULL, NULL, &error);
    struct board_env env = {.devices = {.memory = &memory, .clock = &clock, .journal = journal},
                            .hart_count = 2, .hart_irq = hart_irq,
                            .hart_message = hart_message};
    struct board_options options = {.ram_bytes = 256 << 20, .isa = "rv64i",
                                    .isa_extensions = extensions, .isa_extension_count = 4,
                                    .mmu_type = "riscv,sv57", .pmu_counters = 0x7fff8};
    struct board_boot boot = {.rng_seed = true};
    const struct board_class *class =
        board_parse(argc > 1 ? argv[1] : "riscv-virt", &options, &error);
    struct board *board = class != NULL ? board_new(class, &env, &options, &error) : NULL;
    if (board == NULL || !board_prepare_boot(board, &boot, &error)) {
        fprintf(stderr, "%s\n", error.what);
        return 1;
    }
    const void *fdt = memory_host(&memory, board->fdt_gpa, board->fdt_bytes);
    size_t put = fwrite(fdt, 1, board->fdt_bytes, stdout);
    bool ok = put == board->fdt_bytes;
    board_free(board);
    journal_free(journal);
    memory_fini(&memory);
    clock_fini(&clock);
    return ok ? 0 : 1;
}
