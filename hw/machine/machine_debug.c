/* What metic.h offers a debugger: breakpoints, steps, registers by number, virtual memory. */
#include "hw/machine/machine.h"

#include "cpu/guest.h"

#include <string.h>

static struct vcpu *hart_of(const metic_machine *machine, unsigned index)
{
    return index < machine->engine->vcpu_count ? machine->engine->vcpus[index] : NULL;
}

/* --- around a run --- */

static void note_hit(struct metic_machine *machine, unsigned hart, const struct debug_hit *hit)
{
    static const enum metic_stop_kind kinds[] = {
        [DEBUG_NONE] = METIC_STOP_OUTSIDE,
        [DEBUG_BREAKPOINT] = METIC_STOP_BREAKPOINT,
        [DEBUG_WATCHPOINT] = METIC_STOP_WATCHPOINT,
        [DEBUG_STEPPED] = METIC_STOP_STEP,
    };
    machine->stop = (struct metic_stop){
        .kind = kinds[hit->reason],
        .hart = hart,
        .address = hit->gva,
        .watch = (enum metic_watch)hit->access,
        .owners = hit->owners,
    };
}

/* Several harts may have hit something; one is told of at a time. What was watched comes first: it
 * has happened, and stays for the next run, while a breakpoint is come to again. */
static bool take_hit(struct metic_machine *machine)
{
    static const enum debug_reason order[] = {DEBUG_WATCHPOINT, DEBUG_BREAKPOINT, DEBUG_STEPPED};
    unsigned harts = machine->engine->vcpu_count;
    for (unsigned i = 0; i < ARRAY_LEN(order) * harts; i++) {
        struct debug_hit hit;
        if (!machine_is_held(machine, i % harts) &&
            debug_take_hit(machine->engine, i % harts, order[i / harts], &hit)) {
            note_hit(machine, i % harts, &hit);
            return true;
        }
    }
    return false;
}

bool machine_is_held(const struct metic_machine *machine, unsigned hart)
{
    return machine->actions[hart] == METIC_HOLD;
}

static void forget_actions(struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        debug_run(machine->engine, i);
        debug_forget_hit(machine->engine, i);
        machine->actions[i] = METIC_RUN;
    }
}

bool machine_debug_begin(struct metic_machine *machine)
{
    bool told = take_hit(machine);
    if (told) {
        forget_actions(machine);
        return true;
    }
    machine->stop = (struct metic_stop){.kind = METIC_STOP_OUTSIDE};
    debug_prepare(machine->engine);
    return false;
}

void machine_debug_end(struct metic_machine *machine)
{
    /* Who wants the machine to stop is content with this stop. */
    atomic_fetch_and(&machine->events, ~(u32)(MACHINE_EVENT_DEBUG | MACHINE_EVENT_BREAK));
    take_hit(machine);
    forget_actions(machine);
}

void machine_debug_moved(struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        debug_moved(machine->engine, i, false);
        machine->actions[i] = METIC_RUN;
    }
}

/* --- what stops a machine --- */

void metic_break(metic_machine *machine)
{
    machine_event(machine, MACHINE_EVENT_BREAK);
}

void metic_add_breakpoint(metic_machine *machine, uint64_t address, unsigned owner)
{
    debug_break_set(machine->engine, address, 1u << (owner & 7));
}

void metic_remove_breakpoint(metic_machine *machine, uint64_t address, unsigned owner)
{
    debug_break_clear(machine->engine, address, 1u << (owner & 7));
}

void metic_set_break_filter(metic_machine *machine, metic_break_filter *filter, void *opaque)
{
    debug_set_filter(machine->engine, filter, opaque);
}

bool metic_add_watchpoint(metic_machine *machine, uint64_t address, uint64_t size_bytes,
                          enum metic_watch watch)
{
    return debug_watch_set(machine->engine, address, size_bytes, (enum debug_access)watch);
}

bool metic_remove_watchpoint(metic_machine *machine, uint64_t address, uint64_t size_bytes,
                             enum metic_watch watch)
{
    return debug_watch_clear(machine->engine, address, size_bytes, (enum debug_access)watch);
}

void metic_set_watch_before(metic_machine *machine, bool before)
{
    machine->engine->debug.stops_before = before;
}

void metic_clear_breakpoints(metic_machine *machine)
{
    debug_clear_all(machine->engine);
}

void metic_set_action(metic_machine *machine, unsigned hart, enum metic_action action,
                      uint64_t first, uint64_t last)
{
    if (hart >= machine->engine->vcpu_count) {
        return;
    }
    machine->actions[hart] = (u8)action;
    if (action == METIC_STEP) {
        debug_step(machine->engine, hart, first, last);
    } else {
        debug_run(machine->engine, hart);
    }
}

void metic_set_step_interrupts(metic_machine *machine, bool taken)
{
    machine->engine->debug.holds_interrupts = !taken;
}

void metic_get_stop(metic_machine *machine, struct metic_stop *stop)
{
    *stop = machine->stop;
}

bool metic_reset(metic_machine *machine, struct metic_error *error)
{
    machine_history_lost(machine);
    machine->turn_open = false;
    return machine_reset(machine, error);
}

bool metic_is_stopping(metic_machine *machine)
{
    const u32 ends = MACHINE_EVENT_STOP | MACHINE_EVENT_QUIT | MACHINE_EVENT_HANGUP;
    return (atomic_load(&machine->events) & ends) != 0;
}

/* --- registers --- */

unsigned metic_register_limit(metic_machine *machine)
{
    return machine->engine->guest->debug_reg_limit;
}

static u8 *find_wide(struct vcpu *vcpu, unsigned number, struct guest_debug_reg *reg)
{
    return vcpu->guest->debug_wide != NULL ? vcpu->guest->debug_wide(vcpu, number, reg) : NULL;
}

bool metic_describe_register(metic_machine *machine, unsigned number,
                             struct metic_register *description)
{
    struct guest_debug_reg reg;
    if (!machine->engine->guest->debug_reg(number, &reg) &&
        find_wide(machine->engine->vcpus[0], number, &reg) == NULL) {
        return false;
    }
    *description = (struct metic_register){
        .feature = reg.feature, .type = reg.type, .group = reg.group, .role = reg.role,
        .dwarf = reg.dwarf, .size_bytes = reg.size_bytes
    };
    memcpy(description->name, reg.name, sizeof(description->name));
    return true;
}

bool metic_read_register(metic_machine *machine, unsigned hart, unsigned number, uint64_t *value)
{
    *value = 0;
    return metic_read_register_bytes(machine, hart, number, value, sizeof(*value));
}

bool metic_read_register_bytes(metic_machine *machine, unsigned hart, unsigned number, void *to,
                               size_t size_bytes)
{
    struct vcpu *vcpu = hart_of(machine, hart);
    struct guest_debug_reg reg;
    const u8 *wide = vcpu != NULL ? find_wide(vcpu, number, &reg) : NULL;
    u64 value;
    if (wide != NULL) {
        memcpy(to, wide, size_bytes < reg.size_bytes ? size_bytes : reg.size_bytes);
        return true;
    }
    if (vcpu == NULL || !vcpu->guest->debug_read(vcpu, number, &value)) {
        return false;
    }
    memcpy(to, &value, size_bytes < sizeof(value) ? size_bytes : sizeof(value));
    return true;
}

bool metic_write_register_bytes(metic_machine *machine, unsigned hart, unsigned number,
                                const void *from, size_t size_bytes)
{
    struct vcpu *vcpu = hart_of(machine, hart);
    struct guest_debug_reg reg;
    u8 *wide = vcpu != NULL ? find_wide(vcpu, number, &reg) : NULL;
    u64 value = 0;
    if (wide != NULL) {
        bool whole = size_bytes == reg.size_bytes;
        machine_history_edited(machine);
        memcpy(wide, from, whole ? size_bytes : 0);
        return whole;
    }
    memcpy(&value, from, size_bytes < sizeof(value) ? size_bytes : sizeof(value));
    return size_bytes != 0 && metic_write_register(machine, hart, number, value);
}

bool metic_write_register(metic_machine *machine, unsigned hart, unsigned number, uint64_t value)
{
    struct vcpu *vcpu = hart_of(machine, hart);
    if (vcpu == NULL) {
        return false;
    }
    machine_history_edited(machine);
    gva_t pc = vcpu->pc;
    bool written = vcpu->guest->debug_write(vcpu, number, value);
    if (vcpu->pc != pc) {
        vcpu->wants_wait = false; /* it is not behind its wfi any more */
    }
    return written;
}

/* --- memory --- */

bool metic_translate(metic_machine *machine, unsigned hart, uint64_t address, uint64_t *physical)
{
    struct vcpu *vcpu = hart_of(machine, hart);
    return vcpu != NULL && vcpu->guest->translate_debug(vcpu, address, physical);
}

/* A region, or the gap around the address. */
static void physical_mapping(const struct memory *memory, u64 address,
                             struct metic_mapping *mapping)
{
    *mapping = (struct metic_mapping){.last = ~(u64)0, .name = ""};
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct memory_region *region = &memory->regions[i];
        u64 first = region->gpa, last = first + region->size_bytes - 1;
        if (address >= first && address <= last) {
            bool ram = region->kind == MEMORY_RAM, device = region->kind == MEMORY_MMIO;
            *mapping = (struct metic_mapping){
                .first = first, .last = last, .physical = first, .name = region->name,
                .mapped = true, .readable = true, .writable = ram || device, .executable = !device,
            };
            return;
        }
        if (last < address && last >= mapping->first) {
            mapping->first = last + 1;
        }
        if (first > address && first <= mapping->last) {
            mapping->last = first - 1;
        }
    }
}

bool metic_get_mapping(metic_machine *machine, unsigned hart, uint64_t address,
                       struct metic_mapping *mapping)
{
    struct vcpu *vcpu = hart_of(machine, hart);
    struct guest_mapping found;
    if (vcpu == NULL) {
        return false;
    }
    if (!vcpu->guest->map_debug(vcpu, address, &found)) {
        physical_mapping(&machine->memory, address, mapping);
        return true;
    }
    *mapping = (struct metic_mapping){
        .first = found.first, .last = found.last, .physical = found.gpa, .name = "",
        .translated = true, .mapped = found.mapped, .readable = found.readable,
        .writable = found.writable, .executable = found.executable, .user = found.user,
    };
    return true;
}

static bool continues(const struct metic_mapping *a, const struct metic_mapping *b)
{
    return a->translated && a->mapped == b->mapped && a->readable == b->readable &&
           a->writable == b->writable && a->executable == b->executable && a->user == b->user &&
           (!a->mapped || b->physical == a->physical + (b->first - a->first));
}

bool metic_get_mapping_run(metic_machine *machine, unsigned hart, uint64_t address, unsigned pieces,
                           struct metic_mapping *mapping)
{
    struct metic_mapping next;
    if (!metic_get_mapping(machine, hart, address, mapping)) {
        return false;
    }
    while (--pieces != 0 && mapping->last != ~(u64)0 &&
           metic_get_mapping(machine, hart, mapping->last + 1, &next) &&
           continues(mapping, &next)) {
        mapping->last = next.last;
    }
    return true;
}

static size_t piece_bytes(u64 address, size_t left_bytes)
{
    size_t in_page = (size_t)(PAGE_BYTES - (address & PAGE_OFFSET_MASK));
    return left_bytes < in_page ? left_bytes : in_page;
}

bool metic_read_virtual(metic_machine *machine, unsigned hart, uint64_t address, void *buffer,
                        size_t size_bytes)
{
    u8 *to = buffer;
    while (size_bytes > 0) {
        size_t piece = piece_bytes(address, size_bytes);
        u64 physical;
        if (!metic_translate(machine, hart, address, &physical) ||
            !memory_dma_read(&machine->memory, physical, to, piece)) {
            return false;
        }
        address += piece;
        to += piece;
        size_bytes -= piece;
    }
    return true;
}

bool metic_write_virtual(metic_machine *machine, unsigned hart, uint64_t address,
                         const void *buffer, size_t size_bytes)
{
    const u8 *from = buffer;
    machine_history_edited(machine);
    while (size_bytes > 0) {
        size_t piece = piece_bytes(address, size_bytes);
        u64 physical;
        if (!metic_translate(machine, hart, address, &physical) ||
            !memory_dma_write(&machine->memory, physical, from, piece)) {
            return false;
        }
        address += piece;
        from += piece;
        size_bytes -= piece;
    }
    return true;
}

bool metic_get_region(metic_machine *machine, unsigned index, struct metic_region *region)
{
    static const char *const kinds[] = {
        [MEMORY_RAM] = "ram", [MEMORY_ROM] = "rom", [MEMORY_MMIO] = "device",
        [MEMORY_ROMD] = "flash",
    };
    if (index >= machine->memory.region_count) {
        return false;
    }
    const struct memory_region *found = &machine->memory.regions[index];
    *region = (struct metic_region){found->name, found->gpa, found->size_bytes,
                                    kinds[found->kind]};
    return true;
}

/* --- harts --- */

unsigned metic_hart_count(metic_machine *machine)
{
    return machine->engine->vcpu_count;
}

void metic_describe_hart(metic_machine *machine, unsigned hart, char *text, size_t text_bytes)
{
    const struct vcpu *vcpu = hart_of(machine, hart);
    if (vcpu == NULL) {
        text[0] = '\0';
    } else {
        vcpu->guest->describe(vcpu, text, text_bytes);
    }
}

const char *metic_architecture(metic_machine *machine)
{
    return machine->engine->guest->debug_architecture;
}

bool metic_hart_waits(metic_machine *machine, unsigned hart)
{
    const struct vcpu *vcpu = hart_of(machine, hart);
    return vcpu != NULL && vcpu->wants_wait;
}
