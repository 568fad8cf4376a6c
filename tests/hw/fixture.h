/* What a device test needs: a virtual clock, 16 MiB of guest memory, a journal, a log that keeps
 * its last line, and interrupt lines that remember. No hart, no thread. */
#ifndef METIC_TESTS_HW_FIXTURE_H
#define METIC_TESTS_HW_FIXTURE_H

#include "hw/device.h"
#include <criterion/criterion.h>
#include <stdio.h>

enum { FIXTURE_LINES = 256 };
#define FIXTURE_RAM_GPA 0x80000000u
#define FIXTURE_RAM_BYTES (16u << 20)

struct fixture {
    struct clock clock;
    struct memory memory;
    struct log log;
    struct journal *journal;
    struct device_env env;
    bool lines[FIXTURE_LINES];
    unsigned line_sets[FIXTURE_LINES];
    unsigned log_count;
    char log_line[512];
    unsigned request_count;
    enum device_request request;
    unsigned request_code;
};

static inline void fixture_set_line(void *opaque, unsigned index, bool level)
{
    struct fixture *f = opaque;
    f->lines[index] = level;
    f->line_sets[index]++;
}

static inline void fixture_log(void *opaque, enum log_level level, const char *line)
{
    struct fixture *f = opaque;
    (void)level;
    f->log_count++;
    snprintf(f->log_line, sizeof(f->log_line), "%s", line);
}

static inline void fixture_request(void *opaque, enum device_request request, unsigned code)
{
    struct fixture *f = opaque;
    f->request_count++;
    f->request = request;
    f->request_code = code;
}

static inline void fixture_init_with(struct fixture *f, const struct journal_options *options)
{
    *f = (struct fixture){0};
    clock_init(&f->clock, CLOCK_VIRTUAL);
    log_init(&f->log, LOG_DEBUG);
    f->log.write = fixture_log;
    f->log.opaque = f;
    memory_init(&f->memory, &f->log);
    cr_assert(memory_add_ram(&f->memory, "ram", FIXTURE_RAM_GPA, FIXTURE_RAM_BYTES, NULL));
    f->journal = journal_new(&f->clock, &f->log, options, NULL);
    cr_assert_not_null(f->journal);
    f->env = (struct device_env){.memory = &f->memory, .clock = &f->clock, .journal = f->journal,
                                 .log = &f->log, .request = fixture_request, .request_opaque = f};
}

static inline void fixture_init(struct fixture *f)
{
    struct journal_options options = {.seed = 1, .wall_start_ns = 1000000000000000000u};
    fixture_init_with(f, &options);
}

static inline void fixture_fini(struct fixture *f)
{
    journal_free(f->journal);
    memory_fini(&f->memory);
    log_fini(&f->log);
    clock_fini(&f->clock);
}

/* Makes a device whose outputs 0.. end in f->lines[0..]. */
static inline struct device *fixture_device(struct fixture *f, const struct device_class *class,
                                            const void *config, unsigned outputs)
{
    struct device_spec spec = {class, "dut", config, outputs, {0}};
    struct metic_error error = {0};
    struct device *device = device_new(&spec, &f->env, &error);
    cr_assert_not_null(device, "%s", error.what);
    for (unsigned i = 0; i < outputs; i++) {
        device_connect(device, i, (struct irq_line){fixture_set_line, f, i});
    }
    device_reset(device);
    return device;
}

/* Guest time goes on to `ns`, firing what is due on the way, each at its own time. */
static inline void fixture_run_to_ns(struct fixture *f, u64 ns)
{
    while (clock_next_deadline_ns(&f->clock) <= ns) {
        clock_set_virtual_ns(&f->clock, clock_next_deadline_ns(&f->clock));
        clock_run_expired(&f->clock);
    }
    clock_set_virtual_ns(&f->clock, ns);
}

/* Saves `device` into a fresh instance `other`, and checks that both are the same then. */
static inline void fixture_clone_state(struct device *device, struct device *other)
{
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error = {0};
    state_writer_init(&writer);
    device_save(device, &writer);
    cr_assert(!writer.failed);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(device_load(other, &reader, &error), "%s", error.what);
    cr_assert_eq(reader.position, writer.size_bytes, "everything saved is read back");
    cr_assert_eq(device_digest(device), device_digest(other));
    /* Every shorter file is refused without harm. */
    for (size_t cut = 0; cut < writer.size_bytes; cut += 1 + writer.size_bytes / 50) {
        state_reader_init(&reader, writer.bytes, cut);
        struct device_spec spec = {device->class, "cut", device->config, device->output_count,
                                   {device->region_bytes[0], device->region_bytes[1]}};
        struct device *victim = device_new(&spec, device->env, &error);
        cr_assert(!device_load(victim, &reader, &error) || device->class->saved == NULL);
        device_free(victim);
    }
    state_writer_fini(&writer);
}

#endif
