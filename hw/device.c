/* See device.h. */
#include "hw/device.h"

#include "hw/fdt_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct device_region *device_region_of(const struct device *device, unsigned region)
{
    return &device->class->regions[region];
}

static u64 device_size_mask(unsigned size_bytes)
{
    return size_bytes >= 8 ? UINT64_MAX : ((u64)1 << (8 * size_bytes)) - 1;
}

/* A read wider or narrower than the part allows; lock held. */
static NOINLINE u64 device_read_resized(struct device *device, const struct device_region *region,
                                        u64 offset, unsigned size_bytes)
{
    if (size_bytes < region->min_bytes) {
        u64 base = bits_align_down(offset, region->min_bytes);
        u64 whole = region->read(device, base, region->min_bytes);
        unsigned shift = (unsigned)(offset - base) * 8;
        return whole >> shift;
    }
    u64 value = 0;
    for (unsigned done = 0; done < size_bytes; done += region->max_bytes) {
        u64 part = region->read(device, offset + done, region->max_bytes);
        value |= (part & device_size_mask(region->max_bytes)) << (8 * done);
    }
    return value;
}

static ALWAYS_INLINE u64 device_read_any(struct device *device, const struct device_region *region,
                                         u64 offset, unsigned size_bytes)
{
    bool fits = size_bytes >= region->min_bytes && size_bytes <= region->max_bytes;
    u64 value = LIKELY(fits) ? region->read(device, offset, size_bytes)
                             : device_read_resized(device, region, offset, size_bytes);
    return value & device_size_mask(size_bytes);
}

static ALWAYS_INLINE u64 device_read_region(struct device *device,
                                            const struct device_region *region, u64 offset,
                                            unsigned size_bytes)
{
    if (region->flags & DEVICE_REGION_UNLOCKED) {
        return device_read_any(device, region, offset, size_bytes);
    }
    device_lock(device);
    u64 value = device_read_any(device, region, offset, size_bytes);
    device_unlock(device);
    return value;
}

u64 device_read(struct device *device, unsigned region, u64 offset, unsigned size_bytes)
{
    return device_read_region(device, device_region_of(device, region), offset, size_bytes);
}

/* A write wider than the part allows; lock held. */
static NOINLINE void device_write_parts(struct device *device, const struct device_region *region,
                                        u64 offset, u64 value, unsigned size_bytes)
{
    for (unsigned done = 0; done < size_bytes; done += region->max_bytes) {
        u64 part = (value >> (8 * done)) & device_size_mask(region->max_bytes);
        region->write(device, offset + done, part, region->max_bytes);
    }
}

static ALWAYS_INLINE void device_write_any(struct device *device,
                                           const struct device_region *region, u64 offset,
                                           u64 value, unsigned size_bytes)
{
    if (LIKELY(size_bytes <= region->max_bytes)) {
        region->write(device, offset, value, size_bytes);
    } else {
        device_write_parts(device, region, offset, value, size_bytes);
    }
}

static ALWAYS_INLINE void device_write_region(struct device *device,
                                              const struct device_region *region, u64 offset,
                                              u64 value, unsigned size_bytes)
{
    value &= device_size_mask(size_bytes);
    if (UNLIKELY(size_bytes < region->min_bytes)) {
        device_guest_error(device, "a write narrower than the registers was dropped");
        return;
    }
    if (region->flags & DEVICE_REGION_UNLOCKED) {
        device_write_any(device, region, offset, value, size_bytes);
        return;
    }
    device_lock(device);
    device_write_any(device, region, offset, value, size_bytes);
    device_unlock(device);
}

void device_write(struct device *device, unsigned region, u64 offset, u64 value,
                  unsigned size_bytes)
{
    device_write_region(device, device_region_of(device, region), offset, value, size_bytes);
}

static u64 device_mmio_read(void *opaque, u64 offset, unsigned size_bytes)
{
    struct device_slot *slot = opaque;
    return device_read_region(slot->device, slot->region, offset, size_bytes);
}

static void device_mmio_write(void *opaque, u64 offset, u64 value, unsigned size_bytes)
{
    struct device_slot *slot = opaque;
    device_write_region(slot->device, slot->region, offset, value, size_bytes);
}

static const struct mmio_ops device_mmio_ops = {device_mmio_read, device_mmio_write};

static struct device *device_alloc(const struct device_spec *spec, const struct device_env *env)
{
    struct device *device = calloc(1, sizeof(*device));
    if (device == NULL) {
        return NULL;
    }
    device->class = spec->class;
    device->config = spec->config;
    device->env = env;
    device->output_count = spec->output_count;
    device->state = calloc(1, spec->class->state_bytes + 1);
    device->outputs = calloc(spec->output_count + 1, sizeof(*device->outputs));
    snprintf(device->name, sizeof(device->name), "%s", spec->name);
    pthread_mutex_init(&device->lock, NULL);
    for (unsigned i = 0; i < spec->class->region_count; i++) {
        u64 fixed = spec->class->regions[i].size_bytes;
        device->region_bytes[i] = fixed != 0 ? fixed : spec->region_bytes[i];
        device->slots[i] = (struct device_slot){device, &spec->class->regions[i]};
    }
    if (device->state == NULL || device->outputs == NULL) {
        free(device->state);
        free(device->outputs);
        free(device);
        return NULL;
    }
    return device;
}

struct device *device_new(const struct device_spec *spec, const struct device_env *env,
                          struct metic_error *error)
{
    CHECK(spec->class->region_count <= DEVICE_MAX_REGIONS);
    CHECK(spec->output_count <= DEVICE_MAX_OUTPUTS);
    CHECK(strchr(spec->name, '%') == NULL);
    struct device *device = device_alloc(spec, env);
    if (device == NULL) {
        error_set(error, NULL, "out of memory for device %s", spec->name);
        return NULL;
    }
    if (spec->class->init != NULL && !spec->class->init(device, error)) {
        device_free(device);
        return NULL;
    }
    device_reset(device);
    return device;
}

void device_free(struct device *device)
{
    if (device == NULL) {
        return;
    }
    if (device->class->fini != NULL) {
        device->class->fini(device);
    }
    pthread_mutex_destroy(&device->lock);
    free(device->state);
    free(device->outputs);
    free(device);
}

bool device_map(struct device *device, unsigned index, gpa_t gpa, struct metic_error *error)
{
    const struct device_region *region = device_region_of(device, index);
    struct memory *memory = device->env->memory;
    /* Memory keeps the name by pointer, so it must be the device's own or a constant. */
    const char *name = index == 0 || region->name == NULL ? device->name : region->name;
    bool ok = region->kind == MEMORY_ROMD
                  ? memory_add_romd(memory, name, gpa, device->region_bytes[index],
                                    &device_mmio_ops, &device->slots[index], error)
                  : memory_add_mmio(memory, name, gpa, device->region_bytes[index],
                                    &device_mmio_ops, &device->slots[index], error);
    ok = ok && (device->class->mapped == NULL || device->class->mapped(device, index, error));
    return ok;
}

struct memory_region *device_memory_region(const struct device *device, unsigned index)
{
    struct memory *memory = device->env->memory;
    for (unsigned i = 0; i < memory->region_count; i++) {
        if (memory->regions[i].opaque == &device->slots[index]) {
            return &memory->regions[i];
        }
    }
    return NULL;
}

void device_connect(struct device *device, unsigned output, struct irq_line line)
{
    CHECK(output < device->output_count);
    device->outputs[output] = line;
}

static void device_input(void *opaque, unsigned index, bool level)
{
    struct device *device = opaque;
    device_lock(device);
    device->class->input(device, index, level);
    device_unlock(device);
}

struct irq_line device_input_line(struct device *device, unsigned index)
{
    CHECK(device->class->input != NULL);
    return (struct irq_line){device_input, device, index};
}

void device_reset(struct device *device)
{
    if (device->class->reset != NULL) {
        device_lock(device);
        device->class->reset(device);
        device_unlock(device);
    }
}

/* Taken twice by who holds the device and loads it. The C library's own recursive locks ask the
 * kernel's number of the thread and cost twice as much. */
void device_lock(struct device *device)
{
    uintptr_t self = (uintptr_t)pthread_self();
    if (UNLIKELY(atomic_load_explicit(&device->owner, memory_order_relaxed) == self)) {
        device->depth++;
        return;
    }
    pthread_mutex_lock(&device->lock);
    atomic_store_explicit(&device->owner, self, memory_order_relaxed);
}

void device_unlock(struct device *device)
{
    if (UNLIKELY(device->depth != 0)) {
        device->depth--;
        return;
    }
    atomic_store_explicit(&device->owner, 0, memory_order_relaxed);
    pthread_mutex_unlock(&device->lock);
}

void device_wait(struct device *device, pthread_cond_t *cond)
{
    CHECK(device->depth == 0);
    atomic_store_explicit(&device->owner, 0, memory_order_relaxed);
    pthread_cond_wait(cond, &device->lock);
    atomic_store_explicit(&device->owner, (uintptr_t)pthread_self(), memory_order_relaxed);
}

void device_hold(struct device *device)
{
    device_lock(device);
    if (device->class->quiesce != NULL) {
        device->class->quiesce(device);
    }
}

void device_release(struct device *device)
{
    device_unlock(device);
}

static void *device_saved(const struct device *device)
{
    return (u8 *)device->state + device->class->saved_offset;
}

static void *device_part(const struct device *device, unsigned part)
{
    return (u8 *)device->state + device->class->more_saved[part].offset;
}

void device_save(struct device *device, struct state_writer *writer)
{
    device_lock(device);
    if (device->class->saved != NULL) {
        state_write_list(writer, device->class->saved, device_saved(device));
    }
    for (unsigned i = 0; i < device->class->more_saved_count; i++) {
        state_write_list(writer, device->class->more_saved[i].list, device_part(device, i));
    }
    if (device->class->save_more != NULL) {
        device->class->save_more(device, writer);
    }
    device_unlock(device);
}

bool device_load(struct device *device, struct state_reader *reader, struct metic_error *error)
{
    const struct device_class *class = device->class;
    device_lock(device);
    bool ok = class->saved == NULL ||
              state_read_list(reader, class->saved, device_saved(device), error);
    for (unsigned i = 0; ok && i < class->more_saved_count; i++) {
        ok = state_read_list(reader, class->more_saved[i].list, device_part(device, i), error);
    }
    ok = ok && (class->load_more == NULL || class->load_more(device, reader, error));
    ok = ok && (class->restored == NULL || class->restored(device, error));
    if (!ok && class->reset != NULL) {
        class->reset(device); /* never run on with half a state */
    }
    device_unlock(device);
    return ok;
}

u64 device_digest(struct device *device)
{
    u64 digest = 0;
    if (device->class->saved != NULL) {
        device_lock(device);
        digest = state_digest(device->class->saved, device_saved(device), 0);
        for (unsigned i = 0; i < device->class->more_saved_count; i++) {
            const struct device_saved *part = &device->class->more_saved[i];
            digest = state_digest(part->list, device_part(device, i), digest);
        }
        device_unlock(device);
    }
    return digest;
}

void device_guest_error(const struct device *device, const char *format, ...)
{
    char whole[256];
    va_list args;
    /* A device's name has no '%' in it, and with it each device logs its own first time. */
    snprintf(whole, sizeof(whole), "%s: %s", device->name, format);
    va_start(args, format);
    log_vprint(device->env->log, LOG_GUEST, whole, args);
    va_end(args);
}

enum { IRQ_LEVEL_HIGH = 4 }; /* as device trees say it */

unsigned device_place_irq(const struct device_place *place, unsigned irq, u32 *cells)
{
    cells[0] = irq;
    if (place->irq_has_type) {
        cells[1] = IRQ_LEVEL_HIGH;
    }
    return place->irq_has_type ? 2 : 1;
}

void device_place_fdt_irq(const struct device_place *place, struct fdt_build *fdt)
{
    u32 cells[2];
    unsigned count = device_place_irq(place, place->irq, cells);
    fdt_build_cells(fdt, "interrupts", cells, count);
    fdt_build_u32(fdt, "interrupt-parent", place->irq_phandle);
}

#define DEVICE(c) extern const struct device_class c##_class;
#include "hw/devices.def"
#undef DEVICE

static const struct device_class *const device_classes[] = {
#define DEVICE(c) &c##_class,
#include "hw/devices.def"
#undef DEVICE
};

unsigned device_class_count(void)
{
    return (unsigned)ARRAY_LEN(device_classes);
}

const struct device_class *device_class_at(unsigned index)
{
    return device_classes[index];
}

const struct device_class *device_class_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(device_classes); i++) {
        if (strcmp(device_classes[i]->name, name) == 0) {
            return device_classes[i];
        }
    }
    return NULL;
}
