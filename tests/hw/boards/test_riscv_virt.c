#include "hw/board.h"
#include "hw/misc/fw_cfg.h"
#include "tests/hw/fixture.h"
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

enum { HARTS = 2 };
#define RAM_BYTES ((u64)64 << 20)

static struct fixture f;
static bool irqs[HARTS][16];
static struct board *board;

static void hart_irq(void *opaque, unsigned hart, unsigned irq_number, bool level)
{
    cr_assert_eq(opaque, &f);
    irqs[hart][irq_number] = level;
}

static const char *const extensions[] = {"i", "m", "a", "zicbom", "zicboz"};

static struct board_options options(void)
{
    return (struct board_options){
        .ram_bytes = RAM_BYTES, .isa = "rv64ima_zicbom_zicboz", .isa_extensions = extensions,
        .isa_extension_count = ARRAY_LEN(extensions), .mmu_type = "riscv,sv57",
        .pmu_counters = 0x7fff8};
}

static struct board *make(const struct board_options *wanted, struct metic_error *error)
{
    struct board_env env = {.devices = f.env, .hart_count = HARTS, .hart_irq = hart_irq,
                            .hart_opaque = &f};
    return board_new(board_class_find("riscv-virt"), &env, wanted, error);
}

static void setup(void)
{
    struct board_options wanted = options();
    struct metic_error error = {0};
    fixture_init(&f);
    memory_fini(&f.memory); /* the board brings its own RAM */
    memory_init(&f.memory, &f.log);
    board = make(&wanted, &error);
    cr_assert_not_null(board, "%s", error.what);
}

static void teardown(void)
{
    board_free(board);
    fixture_fini(&f);
}

TestSuite(riscv_virt, .init = setup, .fini = teardown);

static u64 rd(gpa_t gpa, unsigned size_bytes)
{
    u64 value = 0;
    cr_assert(memory_mmio_read(&f.memory, gpa, size_bytes, &value), "nothing at %lx", gpa);
    return value;
}

static void wr(gpa_t gpa, u64 value, unsigned size_bytes)
{
    cr_assert(memory_mmio_write(&f.memory, gpa, size_bytes, value), "nothing at %lx", gpa);
}

static const void *prepare(const struct board_boot *boot)
{
    struct metic_error error = {0};
    cr_assert(board_prepare_boot(board, boot, &error), "%s", error.what);
    const void *fdt = memory_host(&f.memory, board->fdt_gpa, board->fdt_bytes);
    cr_assert_not_null(fdt);
    cr_assert_eq(fdt_check_full(fdt, board->fdt_bytes), 0);
    return fdt;
}

static u32 cell(const void *fdt, const char *path, const char *property, int index)
{
    int size_bytes = 0;
    int node = fdt_path_offset(fdt, path);
    cr_assert_geq(node, 0, "%s is missing", path);
    const u8 *cells = fdt_getprop(fdt, node, property, &size_bytes);
    cr_assert_not_null(cells, "%s has no %s", path, property);
    cr_assert_lt(4 * index, size_bytes);
    return ld_be32(cells + 4 * index);
}

static const char *text(const void *fdt, const char *path, const char *property)
{
    int node = fdt_path_offset(fdt, path);
    cr_assert_geq(node, 0, "%s is missing", path);
    return fdt_getprop(fdt, node, property, NULL);
}

Test(riscv_virt, devices_answer_at_their_addresses)
{
    cr_assert_eq(rd(0x10000005, 1), 0x60, "UART: LSR");
    cr_assert_eq(rd(0x100000, 4), 0, "finisher");
    rd(0x101000, 4);
    rd(0x200bff8, 8);
    rd(0x2f00000, 4);
    rd(0xc000000, 4);
    cr_assert_eq(rd(0x10100010, 8), __builtin_bswap64(0x51454d5520434647u), "fw_cfg");
    cr_assert_eq(memory_find(&f.memory, 0x20000000)->kind, MEMORY_ROMD);
    cr_assert_eq(memory_find(&f.memory, 0x23ffffff)->kind, MEMORY_ROMD);
    cr_assert_eq(memory_find(&f.memory, 0x80000000)->kind, MEMORY_RAM);
    cr_assert_eq(memory_find(&f.memory, 0x1000)->kind, MEMORY_ROM);
    cr_assert_eq(rd(0x30000000, 4), 0x00081b36, "PCI host bridge");
    cr_assert_eq(rd(0x30008000, 4), UINT32_MAX, "nothing in slot 1");
    cr_assert_eq(rd(0x40000000, 8), UINT64_MAX, "PCI memory, where no BAR lies");
    cr_assert_eq(rd(0x400000000, 1), 0xff);
    cr_assert_eq(rd(0x3000000, 2), 0xffff, "PCI I/O");
}

Test(riscv_virt, timer_and_software_interrupts_reach_their_hart)
{
    wr(0x2000004, 1, 4);
    cr_assert(irqs[1][BOARD_IRQ_MSI] && !irqs[0][BOARD_IRQ_MSI]);
    wr(0x2004000, 10, 8);
    cr_assert(!irqs[0][BOARD_IRQ_MTI]);
    fixture_run_to_ns(&f, 1000);
    cr_assert(irqs[0][BOARD_IRQ_MTI] && !irqs[1][BOARD_IRQ_MTI]);
    wr(0x2f00004, 1, 4);
    cr_assert(irqs[1][BOARD_IRQ_SSI] && !irqs[0][BOARD_IRQ_SSI]);
    cr_assert_eq(board_time_ticks(board), 10);
    cr_assert_eq(board_time_to_ns(board, 20), 2000);
}

Test(riscv_virt, uart_interrupt_goes_through_the_plic)
{
    wr(0xc000000 + 4 * 10, 1, 4);
    wr(0xc002000 + 0x80 * 3, 1 << 10, 4); /* hart 1, S */
    wr(0x10000001, 2, 1);
    cr_assert(irqs[1][BOARD_IRQ_SEI]);
    cr_assert(!irqs[1][BOARD_IRQ_MEI] && !irqs[0][BOARD_IRQ_SEI]);
    cr_assert_eq(rd(0xc203004, 4), 10);
    cr_assert(!irqs[1][BOARD_IRQ_SEI]);
    board_reset(board);
    cr_assert_eq(rd(0xc000000 + 4 * 10, 4), 0);
}

Test(riscv_virt, finisher_reaches_the_machine)
{
    wr(0x100000, 0x5555, 4);
    cr_assert_eq(f.request_count, 1);
    cr_assert_eq(f.request, DEVICE_REQUEST_POWEROFF);
}

Test(riscv_virt, device_tree_says_what_is_there)
{
    struct board_boot boot = {.bootargs = "console=ttyS0", .initrd_gpa = 0x81000000,
                              .initrd_bytes = 0x1234, .rng_seed = true};
    const void *fdt = prepare(&boot);
    cr_assert_str_eq(text(fdt, "/", "compatible"), "riscv-virtio");
    cr_assert_str_eq(text(fdt, "/chosen", "bootargs"), "console=ttyS0");
    cr_assert_str_eq(text(fdt, "/chosen", "stdout-path"), "/soc/serial@10000000");
    cr_assert_eq(cell(fdt, "/chosen", "linux,initrd-start", 1), 0x81000000);
    cr_assert_eq(cell(fdt, "/chosen", "linux,initrd-end", 1), 0x81001234);
    cell(fdt, "/chosen", "rng-seed", 7);
    cr_assert_eq(cell(fdt, "/memory@80000000", "reg", 3), RAM_BYTES);
    cr_assert_eq(cell(fdt, "/cpus", "timebase-frequency", 0), 10000000);
    cr_assert_str_eq(text(fdt, "/cpus/cpu@1", "riscv,isa"), "rv64ima_zicbom_zicboz");
    cr_assert_eq(fdt_stringlist_count(fdt, fdt_path_offset(fdt, "/cpus/cpu@0"),
                                      "riscv,isa-extensions"), 5);
    cr_assert_eq(cell(fdt, "/cpus/cpu@0", "riscv,cbom-block-size", 0), 64);
    cr_assert_null(text(fdt, "/cpus/cpu@0", "riscv,cbop-block-size"), "zicbop is not offered");
    cr_assert_eq(cell(fdt, "/soc/plic@c000000", "riscv,ndev", 0), 95);
    cr_assert_eq(cell(fdt, "/soc/serial@10000000", "interrupts", 0), 10);
    cr_assert_eq(cell(fdt, "/soc/serial@10000000", "interrupt-parent", 0),
                 cell(fdt, "/soc/plic@c000000", "phandle", 0));
    cr_assert_eq(cell(fdt, "/poweroff", "regmap", 0), cell(fdt, "/soc/test@100000", "phandle", 0));
    cr_assert_eq(cell(fdt, "/flash@20000000", "bank-width", 0), 4);
    cr_assert_eq(cell(fdt, "/pmu", "riscv,event-to-mhpmcounters", 2), 0x7fff9);
}

Test(riscv_virt, interrupt_cells_name_the_harts)
{
    struct board_boot boot = {0};
    const void *fdt = prepare(&boot);
    for (int hart = 0; hart < HARTS; hart++) {
        char path[64];
        snprintf(path, sizeof(path), "/cpus/cpu@%d/interrupt-controller", hart);
        u32 intc = cell(fdt, path, "phandle", 0);
        cr_assert_eq(cell(fdt, "/soc/plic@c000000", "interrupts-extended", 4 * hart), intc);
        cr_assert_eq(cell(fdt, "/soc/plic@c000000", "interrupts-extended", 4 * hart + 1), 11);
        cr_assert_eq(cell(fdt, "/soc/plic@c000000", "interrupts-extended", 4 * hart + 3), 9);
        cr_assert_eq(cell(fdt, "/soc/clint@2000000", "interrupts-extended", 4 * hart), intc);
        cr_assert_eq(cell(fdt, "/soc/clint@2000000", "interrupts-extended", 4 * hart + 3), 7);
        cr_assert_eq(cell(fdt, "/soc/sswi@2f00000", "interrupts-extended", 2 * hart), intc);
        snprintf(path, sizeof(path), "/cpus/cpu-map/cluster0/core%d", hart);
        u32 cpu = cell(fdt, path, "cpu", 0);
        snprintf(path, sizeof(path), "/cpus/cpu@%d", hart);
        cr_assert_eq(cpu, cell(fdt, path, "phandle", 0));
    }
}

Test(riscv_virt, no_seed_unless_allowed)
{
    struct board_boot boot = {0};
    const void *fdt = prepare(&boot);
    cr_assert_null(text(fdt, "/chosen", "rng-seed"));
    cr_assert_null(text(fdt, "/chosen", "linux,initrd-start"));
}

Test(riscv_virt, reset_vector)
{
    struct board_boot boot = {.kernel_gpa = 0x80200000, .kernel_bytes = 0x100000,
                              .kernel_mode = 1};
    prepare(&boot);
    const u8 *rom = memory_host(&f.memory, 0x1000, 88);
    cr_assert_eq(ld_le32(rom), 0x00000297);
    cr_assert_eq(ld_le64(rom + 24), 0x80000000, "default entry");
    cr_assert_eq(ld_le64(rom + 32), board->fdt_gpa);
    cr_assert_eq(ld_le64(rom + 40), 0x4942534f);
    cr_assert_eq(ld_le64(rom + 48), 2);
    cr_assert_eq(ld_le64(rom + 56), 0x80200000);
    cr_assert_eq(ld_le64(rom + 64), 1);
    boot.entry = 0x20000000;
    prepare(&boot);
    cr_assert_eq(ld_le64(rom + 24), 0x20000000);
}

Test(riscv_virt, placing)
{
    struct metic_error error = {0};
    struct board_boot boot = {.kernel_gpa = 0x80200000, .kernel_bytes = RAM_BYTES - 0x200000};
    cr_assert(!board_prepare_boot(board, &boot, &error), "the kernel fills all of RAM");
    cr_assert_neq(error.next[0], '\0');
    gpa_t initrd = board_initrd_gpa(board, 0x80234567, 1 << 20);
    cr_assert_eq(initrd, 0x80000000 + (u64)RAM_BYTES / 2, "far from where fw_jump copies the tree");
    cr_assert_eq(board_initrd_gpa(board, 0x80234567, RAM_BYTES / 4 * 3), 0x80400000,
                 "too large for that, so right behind the kernel");
    cr_assert_eq(board_initrd_gpa(board, 0x80234567, RAM_BYTES), 0);
    cr_assert_eq(board_initrd_gpa(board, UINT64_MAX - 5, 1), 0);
    boot = (struct board_boot){.initrd_gpa = initrd, .initrd_bytes = board->fdt_limit_gpa - initrd};
    cr_assert(board_prepare_boot(board, &boot, &error), "an initrd up to the limit fits");
    cr_assert_geq(board->fdt_gpa, board->fdt_limit_gpa);
}

Test(riscv_virt, a_tree_of_the_users_own)
{
    struct board_boot boot = {.bootargs = "own"};
    const void *built = prepare(&boot);
    u64 size_bytes = board->fdt_bytes;
    void *own = malloc(size_bytes);
    memcpy(own, built, size_bytes);
    boot = (struct board_boot){.fdt = own, .fdt_bytes = size_bytes, .bootargs = "other"};
    cr_assert_str_eq(text(prepare(&boot), "/chosen", "bootargs"), "own");
    struct metic_error error = {0};
    for (u64 cut = 0; cut < size_bytes; cut += 97) {
        boot.fdt_bytes = cut;
        cr_assert(!board_prepare_boot(board, &boot, &error));
    }
    free(own);
}

Test(riscv_virt, too_little_memory_is_refused)
{
    struct board_options wanted = options();
    struct metic_error error = {0};
    wanted.ram_bytes = 1 << 20;
    cr_assert_null(make(&wanted, &error));
    cr_assert_neq(error.what[0], '\0');
}

Test(riscv_virt, fw_cfg_knows_the_machine)
{
    struct board_boot boot = {0};
    prepare(&boot);
    wr(0x10100008, FW_CFG_NB_CPUS << 8, 2);
    cr_assert_eq(rd(0x10100000, 2), HARTS);
    wr(0x10100008, FW_CFG_RAM_SIZE << 8, 2);
    cr_assert_eq(rd(0x10100000, 8), RAM_BYTES);
}

Test(riscv_virt, every_device_saves_and_loads)
{
    for (unsigned i = 0; i < board->device_count; i++) {
        struct state_writer writer;
        struct state_reader reader;
        struct metic_error error = {0};
        state_writer_init(&writer);
        device_save(board->devices[i], &writer);
        u64 digest = device_digest(board->devices[i]);
        state_reader_init(&reader, writer.bytes, writer.size_bytes);
        cr_assert(device_load(board->devices[i], &reader, &error), "%s: %s",
                  board->devices[i]->name, error.what);
        cr_assert_eq(device_digest(board->devices[i]), digest, "%s", board->devices[i]->name);
        state_writer_fini(&writer);
    }
}

Test(riscv_virt, names_are_found)
{
    cr_assert_eq(board_find_device(board, "uart0")->class, device_class_find("ns16550a"));
    cr_assert_null(board_find_device(board, "nothing"));
    cr_assert_null(board_class_find("nothing"));
    for (unsigned i = 0; i < device_class_count(); i++) {
        cr_assert_eq(device_class_find(device_class_at(i)->name), device_class_at(i));
    }
}
