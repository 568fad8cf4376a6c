/* A device alone on a virtual clock with 1 MiB of memory, driven by the bytes of a fuzzing input.
 * Everything is made anew for each input, so a run depends on its input alone.
 *
 * An input is a list of steps. The first byte's low three bits choose:
 *   0..2  write a register   offset (2 bytes), size (2 bits of a byte), value (size bytes)
 *   3     read a register    offset, size
 *   4     put bytes into RAM at (2 bytes), length (1 byte), the bytes
 *   5     let guest time pass, to the next deadline if there is one
 *   6     write a register with the address of RAM + 2 bytes: offset, size, where
 *   7     put such an address into RAM: at, flags (1: big-endian), where */
#ifndef METIC_TESTS_FUZZ_FUZZ_DEVICE_H
#define METIC_TESTS_FUZZ_FUZZ_DEVICE_H

#include "hw/device.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_RAM_GPA ((gpa_t)0x80000000)
enum { FUZZ_RAM_BYTES = 1 << 20, FUZZ_MAX_STEPS = 400 };

struct fuzz_rig {
    struct clock clock;
    struct memory memory;
    struct log log;
    struct journal *journal;
    struct device_env env;
    struct device *device;
    u64 region_bytes;
};

struct fuzz_stream {
    const u8 *at, *end;
};

static inline u64 fuzz_take(struct fuzz_stream *s, unsigned size_bytes)
{
    u64 value = 0;
    for (unsigned i = 0; i < size_bytes && s->at < s->end; i++) {
        value |= (u64)*s->at++ << 8 * i;
    }
    return value;
}

static inline void fuzz_ignore_log(void *opaque, enum log_level level, const char *line)
{
    (void)opaque, (void)level, (void)line;
}

static inline void fuzz_ignore_request(void *opaque, enum device_request request, unsigned code)
{
    (void)opaque, (void)request, (void)code;
}

static inline void fuzz_ignore_line(void *opaque, unsigned index, bool level)
{
    (void)opaque, (void)index, (void)level;
}

/* Everything but the device. */
static inline void fuzz_rig_begin(struct fuzz_rig *rig)
{
    struct journal_options options = {.seed = 1, .wall_start_ns = 1000000000000000000u};
    memset(rig, 0, sizeof(*rig));
    clock_init(&rig->clock, CLOCK_VIRTUAL);
    log_init(&rig->log, LOG_GUEST);
    rig->log.write = fuzz_ignore_log;
    memory_init(&rig->memory, &rig->log);
    rig->journal = journal_new(&rig->clock, &rig->log, &options, NULL);
    rig->env = (struct device_env){.memory = &rig->memory, .clock = &rig->clock,
                                   .journal = rig->journal, .log = &rig->log,
                                   .request = fuzz_ignore_request};
    if (!memory_add_ram(&rig->memory, "ram", FUZZ_RAM_GPA, FUZZ_RAM_BYTES, NULL) ||
        rig->journal == NULL) {
        abort();
    }
}

static inline void fuzz_rig_add(struct fuzz_rig *rig, const struct device_class *class,
                                const void *config, u64 region_bytes)
{
    struct device_spec spec = {class, "dut", config, 1, {0}};
    rig->region_bytes = region_bytes;
    rig->device = device_new(&spec, &rig->env, NULL);
    if (rig->device == NULL) {
        abort();
    }
    device_connect(rig->device, 0, (struct irq_line){fuzz_ignore_line, rig, 0});
    device_reset(rig->device);
}

static inline void fuzz_rig_init(struct fuzz_rig *rig, const struct device_class *class,
                                 const void *config, u64 region_bytes)
{
    fuzz_rig_begin(rig);
    fuzz_rig_add(rig, class, config, region_bytes);
}

static inline void fuzz_rig_fini(struct fuzz_rig *rig)
{
    device_free(rig->device);
    journal_free(rig->journal);
    memory_fini(&rig->memory);
    log_fini(&rig->log);
    clock_fini(&rig->clock);
}

static inline void fuzz_pass_time(struct fuzz_rig *rig)
{
    u64 deadline_ns = clock_next_deadline_ns(&rig->clock);
    u64 later_ns = clock_now_ns(&rig->clock) + 1000000;
    clock_set_virtual_ns(&rig->clock, deadline_ns < later_ns ? deadline_ns : later_ns);
    clock_run_expired(&rig->clock);
}

static inline void fuzz_step(struct fuzz_rig *rig, struct fuzz_stream *s)
{
    static u8 bytes[256];
    unsigned step = (unsigned)fuzz_take(s, 1) & 7;
    u64 where = step != 5 ? fuzz_take(s, 2) : 0;
    unsigned size_bytes = 1u << (step <= 3 || step == 6 ? fuzz_take(s, 1) & 3 : 0);
    where = step <= 3 || step == 6 ? where % rig->region_bytes : where;
    u64 address;
    switch (step) {
    case 3:
        device_read(rig->device, 0, where, size_bytes);
        break;
    case 4: {
        unsigned length = (unsigned)fuzz_take(s, 1);
        for (unsigned i = 0; i < length; i++) {
            bytes[i] = (u8)fuzz_take(s, 1);
        }
        memory_dma_write(&rig->memory, FUZZ_RAM_GPA + where, bytes, length);
        break;
    }
    case 5:
        fuzz_pass_time(rig);
        break;
    case 6:
        address = FUZZ_RAM_GPA + fuzz_take(s, 2);
        device_write(rig->device, 0, where, address, size_bytes);
        break;
    case 7: {
        bool big = fuzz_take(s, 1) & 1;
        address = FUZZ_RAM_GPA + fuzz_take(s, 2);
        if (big) {
            st_be64(bytes, address);
        } else {
            st_le64(bytes, address);
        }
        memory_dma_write(&rig->memory, FUZZ_RAM_GPA + where, bytes, 8);
        break;
    }
    default:
        device_write(rig->device, 0, where, fuzz_take(s, size_bytes), size_bytes);
        break;
    }
}

static inline void fuzz_rig_run(struct fuzz_rig *rig, const u8 *bytes, size_t size_bytes)
{
    struct fuzz_stream stream = {bytes, bytes + size_bytes};
    for (unsigned steps = 0; steps < FUZZ_MAX_STEPS && stream.at < stream.end; steps++) {
        fuzz_step(rig, &stream);
    }
    fuzz_pass_time(rig);
    fuzz_pass_time(rig);
}

/* A seed under construction. */
struct fuzz_script {
    u8 bytes[FUZZ_MAX_BYTES];
    size_t size_bytes;
};

static inline void script_put(struct fuzz_script *script, u64 value, unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++) {
        script->bytes[script->size_bytes++] = (u8)(value >> 8 * i);
    }
}

static inline void script_write(struct fuzz_script *script, u64 offset, u64 value,
                                unsigned size_log2)
{
    script_put(script, 0, 1);
    script_put(script, offset, 2);
    script_put(script, size_log2, 1);
    script_put(script, value, 1u << size_log2);
}

static inline void script_ram(struct fuzz_script *script, unsigned at, const u8 *bytes,
                              unsigned length)
{
    script_put(script, 4, 1);
    script_put(script, at, 2);
    script_put(script, length, 1);
    for (unsigned i = 0; i < length; i++) {
        script_put(script, bytes[i], 1);
    }
}

static inline void script_address(struct fuzz_script *script, u64 offset, unsigned where,
                                  unsigned size_log2)
{
    script_put(script, 6, 1);
    script_put(script, offset, 2);
    script_put(script, size_log2, 1);
    script_put(script, where, 2);
}

#endif
