/* Random register accesses on every device of riscv-virt, with guest memory full of addresses and
 * small numbers, so that devices that fetch descriptors find some. A seed makes a run, and says
 * which interrupt controller the board has and whether its virtio devices sit on PCI; runs go on
 * until the time is over. Saving, loading and saving again in the middle must give the same.
 *
 *     fuzz_devices SECONDS [SEED...]
 * First the seeds given, then as many as the time allows; each is printed before it runs. */
#include "hw/board.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio_console.h"
#include "hw/virtio/virtio_rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ACCESSES = 4000, HARTS = 2, SPRINKLES = 4096, SLOTS = 3 };
#define ECAM_GPA 0x30000000u
#define PCI_MEMORY32_GPA 0x40000000u
#define PCI_MEMORY64_GPA ((u64)0x400000000)
#define RAM_GPA 0x80000000u
#define RAM_BYTES ((u64)8 << 20)

struct run {
    struct clock clock;
    struct memory memory;
    struct journal *journal;
    struct board *board;
    u64 random;
};

static u64 next(struct run *run)
{
    u64 z = run->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void hart_irq(void *opaque, unsigned hart, unsigned irq_number, bool level)
{
    (void)opaque;
    (void)level;
    if (hart >= HARTS || irq_number > 11) {
        abort();
    }
}

static void hart_message(void *opaque, unsigned hart, unsigned file, u32 number)
{
    (void)opaque;
    if (hart >= HARTS || file > 1 || number == 0 || number > 255) {
        abort();
    }
}

/* A number as registers and descriptors like them. */
static u64 value(struct run *run)
{
    u64 r = next(run);
    switch (r & 7) {
    case 0: return r >> 60;
    case 1: return RAM_GPA + (r >> 20) % RAM_BYTES;
    case 2: return __builtin_bswap64(RAM_GPA + (r >> 20) % RAM_BYTES);
    case 3: return __builtin_bswap32((u32)(RAM_GPA + (r >> 20) % RAM_BYTES));
    case 4: return (u64)1 << (r >> 58);
    case 5: return UINT64_MAX >> (r >> 58);
    case 6: return (r >> 8) & 0xffff;
    default: return next(run);
    }
}

static u64 offset(struct run *run, const struct memory_region *region, unsigned size_bytes)
{
    u64 r = next(run);
    if (region->gpa == ECAM_GPA && (r & 7) != 0) {
        u64 bus = (r >> 60 & 1) != 0 ? (r >> 8) % SLOTS << 20 : (r >> 8) % SLOTS << 15;
        return bus | (r >> 16 & 0xff & ~(u64)(size_bytes - 1));
    }
    bool window = region->gpa == PCI_MEMORY32_GPA || region->gpa == PCI_MEMORY64_GPA;
    if (window && (r & 7) != 0) {
        u64 part = (r >> 40 & 3) << 12; /* of BAR 4 */
        return (r >> 8) % SLOTS << 14 | part | (r >> 16 & 0x7f & ~(u64)(size_bytes - 1));
    }
    u64 limit = (r & 3) != 0 && region->size_bytes > 0x200 ? 0x200 : region->size_bytes;
    u64 at = (r >> 8) % limit;
    if ((r & 0xf0) != 0) {
        at &= ~(u64)(size_bytes - 1);
    }
    return at <= region->size_bytes - size_bytes ? at : 0;
}

/* As firmware does: BAR 1 and BAR 4 of slot s lie s * 16 KiB into their windows. */
static void place_bars(struct run *run)
{
    for (u64 s = 1; s < SLOTS; s++) {
        gpa_t ecam = ECAM_GPA + (s << 15);
        if (run->board->options.virtio_ports) {
            memory_mmio_write(&run->memory, ecam + PCI_SECONDARY_BUS - 1, 4, s << 16 | s << 8);
            memory_mmio_write(&run->memory, ecam + PCI_MEMORY_BASE, 4, 0x7ff04000);
            memory_mmio_write(&run->memory, ecam + PCI_PREFETCH_BASE, 4, 0xfff00000);
            memory_mmio_write(&run->memory, ecam + PCI_PREFETCH_BASE_HIGH, 8, (u64)8 << 32 | 4);
            memory_mmio_write(&run->memory, ecam + PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
            ecam = ECAM_GPA + (s << 20);
        }
        memory_mmio_write(&run->memory, ecam + PCI_BAR0 + 4, 4, PCI_MEMORY32_GPA + (s << 14));
        memory_mmio_write(&run->memory, ecam + PCI_BAR0 + 16, 4, (u32)(s << 14));
        memory_mmio_write(&run->memory, ecam + PCI_BAR0 + 20, 4, PCI_MEMORY64_GPA >> 32);
        memory_mmio_write(&run->memory, ecam + PCI_COMMAND, 2,
                          PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    }
}

static void start(struct run *run, u64 seed)
{
    static const struct virtio_console_config console = {NULL};
    static const struct board_virtio virtio[] = {{&virtio_rng_type, NULL, "rng0"},
                                                 {&virtio_console_type, &console, "hvc0"}};
    static const char *const extensions[] = {"i"};
    struct metic_error error = {0};
    *run = (struct run){.random = seed};
    clock_init(&run->clock, CLOCK_VIRTUAL);
    memory_init(&run->memory, NULL);
    struct journal_options journal = {.seed = seed};
    run->journal = journal_new(&run->clock, NULL, &journal, &error);
    struct board_env env = {.devices = {.memory = &run->memory, .clock = &run->clock,
                                        .journal = run->journal},
                            .hart_count = HARTS, .hart_irq = hart_irq,
                            .hart_message = hart_message};
    struct board_options options = {.ram_bytes = RAM_BYTES, .isa = "rv64i",
                                    .aia = (enum board_aia)(seed % 3),
                                    .virtio_pci = (seed / 3 & 1) != 0,
                                    .virtio_ports = (seed / 6 & 1) != 0,
                                    .virtio = virtio, .virtio_count = ARRAY_LEN(virtio),
                                    .isa_extensions = extensions, .isa_extension_count = 1,
                                    .mmu_type = "riscv,sv57"};
    struct board_boot boot = {0};
    run->board = board_new(board_class_find("riscv-virt"), &env, &options, &error);
    if (run->board == NULL || !board_prepare_boot(run->board, &boot, &error)) {
        fprintf(stderr, "%s\n", error.what);
        exit(1);
    }
    place_bars(run);
    for (unsigned i = 0; i < SPRINKLES; i++) {
        u64 number = value(run);
        memory_dma_write(&run->memory, RAM_GPA + (next(run) % (RAM_BYTES / 8)) * 8, &number, 8);
    }
}

static void finish(struct run *run)
{
    board_free(run->board);
    journal_free(run->journal);
    memory_fini(&run->memory);
    clock_fini(&run->clock);
}

static void access_one(struct run *run)
{
    const struct memory_region *region =
        &run->memory.regions[next(run) % run->memory.region_count];
    unsigned size_bytes = 1u << (next(run) & 3);
    u64 number;
    if (region->kind != MEMORY_MMIO && region->kind != MEMORY_ROMD) {
        return;
    }
    gpa_t gpa = region->gpa + offset(run, region, size_bytes);
    if ((next(run) & 1) != 0) {
        memory_mmio_write(&run->memory, gpa, size_bytes, value(run));
    } else {
        memory_mmio_read(&run->memory, gpa, size_bytes, &number);
    }
}

/* Saves a device, loads it, saves it again: the same bytes. */
static void round_trip(struct device *device)
{
    struct state_writer first, second;
    struct state_reader reader;
    struct metic_error error = {0};
    state_writer_init(&first);
    state_writer_init(&second);
    device_save(device, &first);
    state_reader_init(&reader, first.bytes, first.size_bytes);
    if (!device_load(device, &reader, &error)) {
        fprintf(stderr, "%s does not load: %s\n", device->name, error.what);
        abort();
    }
    device_save(device, &second);
    if (first.size_bytes != second.size_bytes ||
        (first.size_bytes != 0 && memcmp(first.bytes, second.bytes, first.size_bytes) != 0)) {
        fprintf(stderr, "%s is not the same after save and load\n", device->name);
        abort();
    }
    state_writer_fini(&first);
    state_writer_fini(&second);
}

static void run_seed(u64 seed)
{
    struct run run;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    start(&run, seed);
    for (unsigned i = 0; i < ACCESSES; i++) {
        access_one(&run);
        if (i % 64 == 0) {
            clock_set_virtual_ns(&run.clock, clock_now_ns(&run.clock) + next(&run) % 10000000);
            clock_run_expired(&run.clock);
            journal_deliver(run.journal, i);
        }
        if (i % 1024 == 1023) {
            struct board *board = run.board;
            round_trip(board->devices[next(&run) % board->device_count]);
        }
    }
    finish(&run);
}

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
    for (int i = 2; i < argc; i++) {
        run_seed(strtoull(argv[i], NULL, 0));
    }
    u64 seed = (u64)time(NULL) * 1000;
    do {
        run_seed(seed++);
    } while (time(NULL) < end);
    return 0;
}
