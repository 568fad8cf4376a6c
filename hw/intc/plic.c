/* SiFive platform-level interrupt controller (PLIC specification 1.0.0; SiFive FU540 manual, 10).
 *
 * The part gathers interrupt wires of devices ("sources", numbered from 1) and offers them to
 * "contexts", on this board one for machine and one for supervisor mode of each hart.
 *
 *   0x000000 + 4 s          priority of source s, 0 (never) to 7
 *   0x001000 + 4 w          pending bits, 32 sources a word, read only
 *   0x002000 + 0x80 c + 4 w enable bits of context c
 *   0x200000 + 0x1000 c     threshold of context c: only priorities above it interrupt
 *   0x200004 + 0x1000 c     claim (read) and complete (write)
 *
 * Each source passes through a gateway, which makes a request whenever the device drives its wire
 * high, also when it was high, and takes it back when the wire falls. A source in service does not
 * interrupt, but pends for afterwards. This is how QEMU's PLIC behaves, and systems made for it
 * rely on that: by the specification, a gateway looks at a level-sensitive wire again at
 * completion, and xv6, which leaves its UART's "transmitter empty" standing, would never get out of
 * its handler. Devices therefore drive their wires at every event, not only at changes.
 *
 * Reading claim returns the pending source of highest priority among those enabled for the context
 * (the lowest number among equals), whatever the threshold, clears its pending bit and marks it in
 * service. It returns 0 when there is none. Completing a source that is not enabled for the context
 * is ignored, as the specification says.
 *
 * Registers are written under the device's lock, and read without it but for claim, which changes
 * what it reads.
 *
 * All registers are 32 bits wide. Left out: edge-triggered gateways, and the FU540's refusal of
 * accesses from user mode (the guest's PMP and page tables decide that). */
#include "hw/intc/plic.h"

#include "hw/fdt_build.h"

enum {
    PLIC_WORDS = PLIC_MAX_SOURCES / 32,
    PLIC_PRIORITY_MASK = 7,
    PLIC_PENDING = 0x1000,
    PLIC_ENABLE = 0x2000,
    PLIC_ENABLE_STRIDE = 0x80,
    PLIC_CONTEXT = 0x200000,
    PLIC_CONTEXT_STRIDE = 0x1000,
    PLIC_REGION_BYTES = 0x600000,
};

struct plic_saved {
    u32 priority[PLIC_MAX_SOURCES];
    u32 pending[PLIC_WORDS];
    u32 in_service[PLIC_WORDS]; /* claimed, not yet completed */
    u32 enable[PLIC_MAX_CONTEXTS * PLIC_WORDS];
    u32 threshold[PLIC_MAX_CONTEXTS];
};

#define PLIC_SAVED(FIELD, T) \
    FIELD(T, priority) FIELD(T, pending) FIELD(T, in_service) \
    FIELD(T, enable) FIELD(T, threshold)
STATE_LIST(plic_saved, struct plic_saved, PLIC_SAVED);

struct plic {
    struct plic_saved saved;
    bool raised[PLIC_MAX_CONTEXTS]; /* what each output was last set to */
};

/* Registers may be read without the lock. */
static u32 plic_get(const u32 *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void plic_set(u32 *word, u32 value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static const struct plic_config *plic_config(const struct device *device)
{
    return device->config;
}

/* The best source for a context, with a priority above `floor`; 0 when there is none. */
static unsigned plic_best(const struct plic *plic, unsigned context, u32 floor)
{
    unsigned best = 0;
    u32 best_priority = floor;
    for (unsigned w = 0; w < PLIC_WORDS; w++) {
        u32 ready = plic->saved.pending[w] & ~plic->saved.in_service[w] &
                    plic->saved.enable[context * PLIC_WORDS + w];
        while (ready != 0) {
            unsigned source = w * 32 + (unsigned)__builtin_ctz(ready);
            ready &= ready - 1;
            if (plic->saved.priority[source] > best_priority) {
                best = source;
                best_priority = plic->saved.priority[source];
            }
        }
    }
    return best;
}

static void plic_update_context(struct device *device, unsigned context)
{
    struct plic *plic = device->state;
    bool level = plic_best(plic, context, plic->saved.threshold[context]) != 0;
    if (level != plic->raised[context]) {
        plic->raised[context] = level;
        device_set_output(device, context, level);
    }
}

static void plic_update(struct device *device)
{
    for (unsigned c = 0; c < plic_config(device)->context_count; c++) {
        plic_update_context(device, c);
    }
}

/* The gateway: a high wire whose last request is done with makes a new one. */
static void plic_input(struct device *device, unsigned source, bool level)
{
    struct plic *plic = device->state;
    u32 bit = (u32)1 << (source % 32);
    CHECK(source >= 1 && source <= plic_config(device)->source_count);
    u32 *pending = &plic->saved.pending[source / 32];
    plic_set(pending, level ? *pending | bit : *pending & ~bit);
    plic_update(device);
}

static u32 plic_claim(struct device *device, unsigned context)
{
    struct plic *plic = device->state;
    unsigned source = plic_best(plic, context, 0);
    if (source != 0) {
        u32 bit = (u32)1 << (source % 32);
        u32 *pending = &plic->saved.pending[source / 32];
        plic_set(pending, *pending & ~bit);
        plic->saved.in_service[source / 32] |= bit;
        plic_update(device);
    }
    return source;
}

static u32 plic_read_claim(struct device *device, unsigned context)
{
    device_lock(device);
    u32 source = plic_claim(device, context);
    device_unlock(device);
    return source;
}

static void plic_complete(struct device *device, unsigned context, u64 source)
{
    struct plic *plic = device->state;
    if (source == 0 || source > plic_config(device)->source_count) {
        device_guest_error(device, "completion of a source that does not exist");
        return;
    }
    u32 bit = (u32)1 << (source % 32);
    u64 w = source / 32;
    if ((plic->saved.enable[context * PLIC_WORDS + w] & bit) != 0) {
        plic->saved.in_service[w] &= ~bit;
        plic_update(device);
    }
}

static u64 plic_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct plic *plic = device->state;
    const struct plic_config *config = plic_config(device);
    (void)size_bytes;
    if (offset < PLIC_PENDING) {
        return offset / 4 <= config->source_count ? plic_get(&plic->saved.priority[offset / 4]) : 0;
    }
    if (offset < PLIC_ENABLE) {
        u64 w = (offset - PLIC_PENDING) / 4;
        return w < PLIC_WORDS ? plic_get(&plic->saved.pending[w]) : 0;
    }
    if (offset < PLIC_CONTEXT) {
        u64 context = (offset - PLIC_ENABLE) / PLIC_ENABLE_STRIDE;
        u64 w = (offset - PLIC_ENABLE) % PLIC_ENABLE_STRIDE / 4;
        bool there = context < config->context_count && w < PLIC_WORDS;
        return there ? plic_get(&plic->saved.enable[context * PLIC_WORDS + w]) : 0;
    }
    u64 context = (offset - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE;
    u64 reg = (offset - PLIC_CONTEXT) % PLIC_CONTEXT_STRIDE;
    if (context < config->context_count && reg < 8) {
        return reg < 4 ? plic_get(&plic->saved.threshold[context])
                       : plic_read_claim(device, (unsigned)context);
    }
    device_guest_error(device, "read of a register that does not exist");
    return 0;
}

/* Bits of a word that stand for sources: not 0, not beyond the last. */
static u32 plic_word_mask(const struct plic_config *config, u64 w)
{
    u32 mask = UINT32_MAX;
    if (w == 0) {
        mask &= ~(u32)1;
    }
    u64 end = config->source_count + 1;
    if (end < (w + 1) * 32) {
        mask &= end <= w * 32 ? 0 : ((u32)1 << (end % 32)) - 1;
    }
    return mask;
}

static void plic_write_enable(struct device *device, u64 offset, u32 value)
{
    struct plic *plic = device->state;
    u64 context = offset / PLIC_ENABLE_STRIDE;
    u64 w = offset % PLIC_ENABLE_STRIDE / 4;
    if (context < plic_config(device)->context_count && w < PLIC_WORDS) {
        u32 mask = plic_word_mask(plic_config(device), w);
        plic_set(&plic->saved.enable[context * PLIC_WORDS + w], value & mask);
        plic_update_context(device, (unsigned)context);
    }
}

static void plic_write_context(struct device *device, u64 offset, u32 value)
{
    struct plic *plic = device->state;
    u64 context = offset / PLIC_CONTEXT_STRIDE;
    u64 reg = offset % PLIC_CONTEXT_STRIDE;
    if (context >= plic_config(device)->context_count || reg >= 8) {
        device_guest_error(device, "write to a register that does not exist");
    } else if (reg < 4) {
        plic_set(&plic->saved.threshold[context], value & PLIC_PRIORITY_MASK);
        plic_update_context(device, (unsigned)context);
    } else {
        plic_complete(device, (unsigned)context, value);
    }
}

/* Lock held. */
static void plic_write_locked(struct device *device, u64 offset, u64 value)
{
    struct plic *plic = device->state;
    if (offset < PLIC_PENDING) {
        u64 source = offset / 4;
        if (source >= 1 && source <= plic_config(device)->source_count) {
            plic_set(&plic->saved.priority[source], (u32)value & PLIC_PRIORITY_MASK);
            plic_update(device);
        }
    } else if (offset < PLIC_ENABLE) {
        device_guest_error(device, "write to the pending bits, which only devices set");
    } else if (offset < PLIC_CONTEXT) {
        plic_write_enable(device, offset - PLIC_ENABLE, (u32)value);
    } else {
        plic_write_context(device, offset - PLIC_CONTEXT, (u32)value);
    }
}

static void plic_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    (void)size_bytes;
    device_lock(device);
    plic_write_locked(device, offset, value);
    device_unlock(device);
}

/* Sends every output, so that receivers agree with us after a reset or a load. */
static void plic_send_all(struct device *device)
{
    struct plic *plic = device->state;
    for (unsigned c = 0; c < plic_config(device)->context_count; c++) {
        plic->raised[c] = plic_best(plic, c, plic->saved.threshold[c]) != 0;
        device_set_output(device, c, plic->raised[c]);
    }
}

static void plic_reset(struct device *device)
{
    struct plic *plic = device->state;
    plic->saved = (struct plic_saved){0}; /* devices are reset too and drive their wires anew */
    plic_send_all(device);
}

static bool plic_restored(struct device *device, struct metic_error *error)
{
    struct plic *plic = device->state;
    (void)error;
    for (unsigned s = 0; s < PLIC_MAX_SOURCES; s++) {
        plic->saved.priority[s] &= PLIC_PRIORITY_MASK;
    }
    for (unsigned w = 0; w < PLIC_WORDS; w++) {
        u32 mask = plic_word_mask(plic_config(device), w);
        plic->saved.pending[w] &= mask;
        for (unsigned c = 0; c < PLIC_MAX_CONTEXTS; c++) {
            plic->saved.enable[c * PLIC_WORDS + w] &= mask;
        }
    }
    plic_send_all(device);
    return true;
}

static bool plic_init(struct device *device, struct metic_error *error)
{
    const struct plic_config *config = plic_config(device);
    (void)error;
    CHECK(config->source_count >= 1 && config->source_count < PLIC_MAX_SOURCES);
    CHECK(config->context_count <= PLIC_MAX_CONTEXTS);
    CHECK(config->context_count <= device->output_count);
    return true;
}

static void plic_fdt(const struct device *device, const struct device_place *place,
                     struct fdt_build *fdt)
{
    u32 cells[PLIC_MAX_CONTEXTS * 2];
    unsigned count = 0;
    for (unsigned c = 0; c < plic_config(device)->context_count; c++) {
        cells[count++] = place->cpu_irq_phandles[c / 2];
        cells[count++] = c % 2 == 0 ? 11 : 9; /* machine, supervisor external */
    }
    fdt_build_begin_at(fdt, "plic", place->gpa[0]);
    fdt_build_u32(fdt, "phandle", place->phandle);
    fdt_build_u32(fdt, "riscv,ndev", plic_config(device)->source_count);
    fdt_build_reg(fdt, place->gpa[0], PLIC_REGION_BYTES);
    fdt_build_cells(fdt, "interrupts-extended", cells, count);
    fdt_build_empty(fdt, "interrupt-controller");
    fdt_build_strings(fdt, "compatible", "sifive,plic-1.0.0\0riscv,plic0",
                      sizeof("sifive,plic-1.0.0\0riscv,plic0"));
    fdt_build_u32(fdt, "#address-cells", 0);
    fdt_build_u32(fdt, "#interrupt-cells", 1);
    fdt_build_end(fdt);
}

static const struct device_region plic_regions[] = {{
    .size_bytes = PLIC_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .flags = DEVICE_REGION_UNLOCKED,
    .min_bytes = 4,
    .max_bytes = 4,
    .read = plic_read,
    .write = plic_write,
}};

const struct device_class plic_class = {
    .name = "plic",
    .summary = "SiFive platform-level interrupt controller",
    .state_bytes = sizeof(struct plic),
    .regions = plic_regions,
    .region_count = ARRAY_LEN(plic_regions),
    .init = plic_init,
    .reset = plic_reset,
    .input = plic_input,
    .saved = &plic_saved,
    .saved_offset = offsetof(struct plic, saved),
    .restored = plic_restored,
    .fdt = plic_fdt,
};
