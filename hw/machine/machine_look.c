/* Looking at a machine that does not run: registers, memory, digest, console, statistics. */
#include "hw/machine/machine.h"

#include "cpu/guest.h"
#include "translate/stats.h"

#include <string.h>

static struct vcpu *hart(const metic_machine *machine, unsigned index)
{
    return index < machine->engine->vcpu_count ? machine->engine->vcpus[index] : NULL;
}

/* Where a named register lives; NULL when there is none. pc is common to all guests. */
static u8 *find_register(const metic_machine *machine, unsigned index, const char *name,
                         unsigned *size_bytes)
{
    struct vcpu *vcpu = hart(machine, index);
    if (vcpu == NULL) {
        return NULL;
    }
    if (strcmp(name, "pc") == 0) {
        *size_bytes = 8;
        return (u8 *)&vcpu->pc;
    }
    const struct guest *guest = vcpu->guest;
    for (unsigned i = 0; i < guest->reg_count; i++) {
        if (strcmp(guest->regs[i].name, name) == 0) {
            *size_bytes = guest->regs[i].size_bytes;
            return (u8 *)vcpu + guest->regs[i].offset;
        }
    }
    return NULL;
}

bool metic_get_register(metic_machine *machine, unsigned index, const char *name, uint64_t *value)
{
    unsigned size_bytes;
    const u8 *place = find_register(machine, index, name, &size_bytes);
    if (place == NULL) {
        return false;
    }
    *value = ld_le(place, size_bytes);
    return true;
}

bool metic_set_register(metic_machine *machine, unsigned index, const char *name, uint64_t value)
{
    unsigned size_bytes;
    u8 *place = find_register(machine, index, name, &size_bytes);
    if (place == NULL) {
        return false;
    }
    machine_history_edited(machine);
    st_le(place, value, size_bytes);
    return true;
}

bool metic_read_memory(metic_machine *machine, uint64_t address, void *buffer, size_t size_bytes)
{
    return memory_dma_read(&machine->memory, address, buffer, size_bytes);
}

bool metic_memory_is_touched(metic_machine *machine, uint64_t address, uint64_t size_bytes)
{
    for (unsigned i = 0; i < machine->memory.region_count; i++) {
        const struct memory_region *region = &machine->memory.regions[i];
        u64 at = address - region->gpa;
        if (region->kind == MEMORY_RAM && address >= region->gpa && at < region->size_bytes &&
            size_bytes <= region->size_bytes - at && (address | size_bytes) % PAGE_BYTES == 0) {
            return memory_is_touched(&machine->memory, region, at, size_bytes);
        }
    }
    return true;
}

bool metic_write_memory(metic_machine *machine, uint64_t address, const void *buffer,
                        size_t size_bytes)
{
    machine_history_edited(machine);
    return memory_dma_write(&machine->memory, address, buffer, size_bytes);
}

bool metic_is_replay(const metic_machine *machine)
{
    return journal_is_replay(machine->journal);
}

uint64_t metic_instructions(metic_machine *machine, unsigned index)
{
    const struct vcpu *vcpu = hart(machine, index);
    return vcpu != NULL ? vcpu->insns : 0;
}

/* Word by word; the last one is read whole. */
static u64 digest_words(const u8 *bytes, u64 size_bytes, u64 digest)
{
    for (u64 at = 0; at < size_bytes; at += 8) {
        digest = (digest ^ ld_le64(bytes + at)) * 0x100000001b3u;
        digest ^= digest >> 29;
    }
    return digest;
}

/* RAM is hashed by touched pages only where that can be told cheaply: a page of zeros hashes as
 * nothing, whether the host gave it or not. */
static u64 digest_ram(const struct memory *memory, u64 digest)
{
    static const u8 zeros[PAGE_BYTES];
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct memory_region *region = &memory->regions[i];
        if (region->kind != MEMORY_RAM) {
            continue;
        }
        for (u64 at = 0; at < region->size_bytes; at += PAGE_BYTES) {
            if (memcmp(region->host + at, zeros, PAGE_BYTES) == 0) {
                continue;
            }
            digest = (digest ^ at) * 0x9e3779b97f4a7c15u;
            digest = digest_words(region->host + at, PAGE_BYTES, digest);
        }
    }
    return digest;
}

uint64_t metic_digest(metic_machine *machine)
{
    u64 digest = 0xcbf29ce484222325u;
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        const struct vcpu *vcpu = machine->engine->vcpus[i];
        digest = vcpu->guest->digest(vcpu, digest);
    }
    for (unsigned i = 0; i < machine->board->device_count; i++) {
        digest = (digest ^ device_digest(machine->board->devices[i])) * 0x100000001b3u;
    }
    return digest_ram(&machine->memory, digest);
}

static u64 digest_memory(struct metic_machine *machine, gpa_t gpa, u64 size_bytes, u64 digest)
{
    u8 part[PAGE_BYTES];
    for (u64 at = 0; at < size_bytes; at += sizeof(part)) {
        u64 left = size_bytes - at, bytes = left < sizeof(part) ? left : sizeof(part);
        memset(part, 0, sizeof(part));
        memory_dma_read(&machine->memory, gpa + at, part, bytes);
        digest = digest_words(part, bytes, digest);
    }
    return digest;
}

/* The device tree says what the hardware is and the command line; the rest is what was loaded. */
u32 machine_identity(struct metic_machine *machine)
{
    const struct machine_boot *boot = &machine->boot;
    const struct image *images[] = {boot->main, boot->firmware};
    u64 digest = 0xcbf29ce484222325u;
    digest = digest_memory(machine, machine->board->fdt_gpa, machine->board->fdt_bytes, digest);
    for (unsigned i = 0; i < ARRAY_LEN(images); i++) {
        const struct image *image = images[i];
        for (unsigned n = 0; image != NULL && n < image->segment_count; n++) {
            const struct image_segment *segment = &image->segments[n];
            gpa_t gpa = image->relocatable ? boot->board.kernel_gpa : segment->gpa;
            digest = digest_memory(machine, gpa, segment->file_bytes, digest);
        }
    }
    digest = digest_memory(machine, boot->board.initrd_gpa, boot->board.initrd_bytes, digest);
    u32 folded = (u32)(digest ^ digest >> 32);
    return folded != 0 ? folded : 1;
}

size_t metic_console_output(metic_machine *machine, size_t from_byte, void *buffer,
                            size_t capacity_bytes)
{
    char_backend_flush(machine->console, 1000);
    return char_backend_output(machine->console, from_byte, buffer, capacity_bytes);
}

void metic_console_feed(metic_machine *machine, const void *bytes, size_t size_bytes)
{
    char_port_feed(machine->uart, bytes, size_bytes);
}

void metic_print_stats(metic_machine *machine, FILE *to)
{
    stats_print(machine->engine, to);
}

_Static_assert(sizeof(struct metic_code_place) == sizeof(struct host_place) &&
                   offsetof(struct metic_code_place, guest_offset) ==
                       offsetof(struct host_place, guest_offset),
               "the same struct");

static void on_code(void *opaque, const struct vcpu *vcpu, const struct block *block,
                    const struct engine_code *made)
{
    metic_machine *machine = opaque;
    const struct metic_code code = {
        .pc = made->pc, .gpa = block->gpa, .hart = vcpu->index,
        .privilege = vcpu->guest->privilege(vcpu), .insns = block->insn_count,
        .trace = block->circle != NULL, .host = block->host, .host_bytes = block->host_bytes,
        .cold = made->cold, .cold_bytes = made->cold_bytes,
        .places = (const struct metic_code_place *)(const void *)made->places,
        .place_count = made->place_count,
    };
    machine->code_made(machine->code_made_opaque, &code);
}

static void tell_common_code(struct metic_machine *machine)
{
    const struct engine *engine = machine->engine;
    const struct metic_code code = {
        .common = true, .host = engine->code.exec, .host_bytes = engine->host_context.used_bytes,
    };
    if (engine->host != NULL) {
        machine->code_made(machine->code_made_opaque, &code);
    }
}

void metic_set_code_listener(metic_machine *machine,
                             void (*made)(void *opaque, const struct metic_code *code),
                             void *opaque)
{
    machine->code_made = made;
    machine->code_made_opaque = opaque;
    machine->engine->code_listener =
        (struct engine_code_listener){made != NULL ? on_code : NULL, machine};
    if (made != NULL) {
        tell_common_code(machine);
    }
}

void metic_prepare_show(metic_machine *machine)
{
    engine_prepare_show(machine->engine);
}

bool metic_show(metic_machine *machine, uint64_t address, const char *stages, FILE *to,
                struct metic_error *error)
{
    return engine_show(machine->engine->vcpus[0], address, stages, to, error);
}

bool metic_show_running(metic_machine *machine, unsigned hart, const char *stages, FILE *to,
                        struct metic_running *running)
{
    struct engine_running found = {0};
    bool good = engine_show_running(machine->engine->vcpus[hart], stages, to, &found);
    *running = (struct metic_running){found.head, found.trace};
    return good;
}

/* The counters are the harts' own, written without a lock: each is one word, and a little old. */
void metic_get_activity(metic_machine *machine, struct metic_activity *activity)
{
    *activity = (struct metic_activity){
        .translations = __atomic_load_n(&machine->engine->stats.guest_insns, __ATOMIC_RELAXED)};
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        struct vcpu *vcpu = machine->engine->vcpus[i];
        activity->insns += __atomic_load_n(&vcpu->insns, __ATOMIC_RELAXED);
        activity->tlb_fills += __atomic_load_n(&vcpu->tlb_state->fills, __ATOMIC_RELAXED);
        for (unsigned n = 0; n < ARRAY_LEN(vcpu->engine_exits); n++) {
            activity->engine_exits += __atomic_load_n(&vcpu->engine_exits[n], __ATOMIC_RELAXED);
        }
        activity->harts_awake += !atomic_load(&vcpu->waiting);
    }
}

void metic_set_console_output(metic_machine *machine,
                              void (*output)(void *opaque, const uint8_t *bytes, size_t count),
                              void *opaque)
{
    if (output != NULL) {
        char_port_add_tap(machine->uart, output, opaque);
    } else {
        char_port_remove_tap(machine->uart, opaque);
    }
}

void metic_print_devices(metic_machine *machine, FILE *to)
{
    for (unsigned i = 0; i < machine->board->device_count; i++) {
        const struct device *device = machine->board->devices[i];
        fprintf(to, "%-12s %-14s %s\n", device->name, device->class->name,
                device->class->summary);
    }
}

static void print_line(void *opaque, const char *text)
{
    fprintf(opaque, "  %s\n", text);
}

bool metic_print_device(metic_machine *machine, const char *name, FILE *to)
{
    struct device *device = board_find_device(machine->board, name);
    if (device == NULL) {
        return false;
    }
    fprintf(to, "%s: %s, %s\n", device->name, device->class->name, device->class->summary);
    if (device->class->saved != NULL) {
        state_print(device->class->saved, (const u8 *)device->state + device->class->saved_offset,
                    print_line, to);
    }
    return true;
}
