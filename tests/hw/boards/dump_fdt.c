/* Writes the device tree of riscv-virt with two harts and 256 MiB to standard output, for
 * check_fdt_like_qemu.sh. */
#include "hw/board.h"

#include <stdio.h>

static void hart_irq(void *opaque, unsigned hart, unsigned irq_number, bool level)
{
    (void)opaque;
    (void)hart;
    (void)irq_number;
    (void)level;
}

int main(void)
{
    static const char *const extensions[] = {"i", "zicbom", "zicbop", "zicboz"};
    static struct memory memory;
    struct clock clock;
    struct metic_error error = {0};
    clock_init(&clock, CLOCK_VIRTUAL);
    memory_init(&memory, NULL);
    struct journal *journal = journal_new(&clock, NULL, NULL, &error);
    struct board_env env = {.devices = {.memory = &memory, .clock = &clock, .journal = journal},
                            .hart_count = 2, .hart_irq = hart_irq};
    struct board_options options = {.ram_bytes = 256 << 20, .isa = "rv64i",
                                    .isa_extensions = extensions, .isa_extension_count = 4,
                                    .mmu_type = "riscv,sv57", .pmu_counters = 0x7fff8};
    struct board_boot boot = {.rng_seed = true};
    struct board *board = board_new(board_class_find("riscv-virt"), &env, &options, &error);
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
