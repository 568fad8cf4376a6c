#include "tests/hw/fixture.h"
#include <string.h>

/* A device that remembers the accesses it saw. */
struct recorder_saved {
    u32 value;
};
#define RECORDER(FIELD, T) FIELD(T, value)
STATE_LIST(recorder_saved, struct recorder_saved, RECORDER);

struct recorder {
    struct recorder_saved saved;
    char trace[128];
    bool refuse;
};

static void trace(struct device *device, const char *what, u64 offset, unsigned size_bytes,
                  u64 value)
{
    struct recorder *r = device->state;
    size_t used = strlen(r->trace);
    snprintf(r->trace + used, sizeof(r->trace) - used, "%s%lx/%u=%lx ", what,
             (unsigned long)offset, size_bytes, (unsigned long)value);
}

static u64 recorder_read(struct device *device, u64 offset, unsigned size_bytes)
{
    static const u8 bytes[] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17};
    u64 value = ld_le(bytes + offset % 8, size_bytes) | (u64)0xee << 56; /* junk above */
    trace(device, "r", offset, size_bytes, value & 0xff);
    return value;
}

static void recorder_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    trace(device, "w", offset, size_bytes, value);
}

static void recorder_reset(struct device *device)
{
    struct recorder *r = device->state;
    r->saved.value = 42;
}

static bool recorder_restored(struct device *device, struct metic_error *error)
{
    struct recorder *r = device->state;
    return r->saved.value != 13 || error_set(error, NULL, "thirteen");
}

static const struct device_region regions[] = {
    {.size_bytes = 0x1000, .min_bytes = 2, .max_bytes = 4, .kind = MEMORY_MMIO,
     .read = recorder_read, .write = recorder_write},
    {.name = "second", .min_bytes = 1, .max_bytes = 8, .kind = MEMORY_MMIO,
     .read = recorder_read, .write = recorder_write},
};

static const struct device_class recorder_class = {
    .name = "recorder", .state_bytes = sizeof(struct recorder), .regions = regions,
    .region_count = 2, .reset = recorder_reset, .saved = &recorder_saved,
    .restored = recorder_restored};

static struct fixture f;
static struct device *device;
static struct recorder *recorder;

static void setup(void)
{
    struct device_spec spec = {&recorder_class, "rec0", NULL, 2, {0, 0x2000}};
    fixture_init(&f);
    device = device_new(&spec, &f.env, NULL);
    recorder = device->state;
}

static void teardown(void)
{
    device_free(device);
    fixture_fini(&f);
}

TestSuite(device, .init = setup, .fini = teardown);

Test(device, accesses_are_fitted_to_the_registers)
{
    cr_assert_eq(device_read(device, 0, 4, 4), 0x17161514);
    cr_assert_eq(device_read(device, 0, 0, 8), 0x1716151413121110u);
    cr_assert_eq(device_read(device, 0, 3, 1), 0x13);
    cr_assert_str_eq(recorder->trace, "r4/4=14 r0/4=10 r4/4=14 r2/2=12 ");
    recorder->trace[0] = '\0';
    device_write(device, 0, 8, 0x1122334455667788, 8);
    device_write(device, 0, 8, 0xffffffff12345678, 4);
    cr_assert_str_eq(recorder->trace, "w8/4=55667788 wc/4=11223344 w8/4=12345678 ");
    cr_assert_eq(f.log_count, 0);
    device_write(device, 0, 8, 1, 1);
    device_write(device, 0, 8, 1, 1);
    cr_assert_eq(f.log_count, 1, "dropped, and said once");
    cr_assert_not_null(strstr(f.log_line, "rec0: "));
}

Test(device, regions_are_mapped_where_the_board_says)
{
    u64 value;
    struct metic_error error = {0};
    cr_assert(device_map(device, 0, 0x10000000, &error));
    cr_assert(device_map(device, 1, 0x10001000, &error));
    cr_assert(memory_mmio_read(&f.memory, 0x10002ff8, 8, &value));
    cr_assert_eq(device_memory_region(device, 1)->size_bytes, 0x2000);
    cr_assert_eq(device_memory_region(device, 0)->gpa, 0x10000000);
    cr_assert_str_eq(device_memory_region(device, 1)->name, "second");
    cr_assert(!device_map(device, 0, FIXTURE_RAM_GPA, &error), "overlap");
    cr_assert_neq(error.what[0], '\0');
}

Test(device, unconnected_lines_are_harmless)
{
    device_set_output(device, 1, true);
    device_connect(device, 1, (struct irq_line){fixture_set_line, &f, 5});
    device_set_output(device, 1, true);
    cr_assert(f.lines[5]);
}

Test(device, a_refused_state_leaves_a_reset_device)
{
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error = {0};
    recorder->saved.value = 13;
    state_writer_init(&writer);
    device_save(device, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(!device_load(device, &reader, &error));
    cr_assert_str_eq(error.what, "thirteen");
    cr_assert_eq(recorder->saved.value, 42);
    state_writer_fini(&writer);
}

static bool refuse_init(struct device *self, struct metic_error *error)
{
    (void)self;
    return error_set(error, NULL, "no");
}

Test(device, a_class_may_refuse)
{
    struct device_class class = recorder_class;
    struct device_spec spec = {&class, "rec1", NULL, 0, {0, 0x1000}};
    struct metic_error error = {0};
    class.init = refuse_init;
    cr_assert_null(device_new(&spec, &f.env, &error));
    cr_assert_str_eq(error.what, "no");
}

Test(device, every_class_is_complete)
{
    for (unsigned i = 0; i < device_class_count(); i++) {
        const struct device_class *class = device_class_at(i);
        cr_assert_gt(strlen(class->name), 0);
        cr_assert_gt(strlen(class->summary), 0, "%s", class->name);
        cr_assert_leq(class->region_count, DEVICE_MAX_REGIONS, "%s", class->name);
        for (unsigned r = 0; r < class->region_count; r++) {
            const struct device_region *region = &class->regions[r];
            cr_assert(bits_is_pow2(region->min_bytes) && bits_is_pow2(region->max_bytes));
            cr_assert_leq(region->min_bytes, region->max_bytes);
            cr_assert(region->read != NULL && region->write != NULL, "%s", class->name);
        }
        cr_assert(class->saved == NULL ||
                  class->saved_offset + class->saved->struct_bytes <= class->state_bytes);
    }
}
