/* RISC-V advanced platform-level interrupt controller (AIA 1.0, chapter 4), as QEMU's virt board
 * has it: two domains, the root at machine level (region 0) and its child at supervisor level
 * (region 1). All sources are the root's, which hands those on to the child that its firmware
 * delegates.
 *
 *   0x0000 domaincfg: 8 enable, 2 delivery by messages (fixed here)
 *   0x0004 sourcecfg of source 1, 2, ...: 10 delegate to child; 2:0 mode
 *   0x1bc0 mmsiaddrcfg, 0x1bc4 high; 0x1bc8 smsiaddrcfg, 0x1bcc high: the root's alone
 *   0x1c00 setip words      0x1cdc setipnum    0x1d00 in_clrip words   0x1ddc clripnum
 *   0x1e00 setie words      0x1edc setienum    0x1f00 clrie words      0x1fdc clrienum
 *   0x2000 setipnum_le      0x2004 setipnum_be 0x3000 genmsi
 *   0x3004 target of source 1, 2, ...: 31:18 hart; 7:0 priority, or 10:0 the message's number
 *   0x4000 + 32 h: idelivery, +4 iforce, +8 ithreshold, +0x18 topi, +0x1c claimi (no messages)
 *
 * A source's wire, turned over where the mode says low or falling, is its rectified input. Edges
 * make the source pending; so does software. Without messages a level source is pending while its
 * rectified input is high, and nothing else changes that; with them it becomes pending when the
 * input rises, or by setipnum while it is high, and stops when the input falls. With messages, what
 * is pending and enabled is sent as soon as the domain is enabled, and pending no more.
 *
 * Where messages go follows from the address registers, which only the root has, and the target's
 * hart. Left out: guest files, big-endian domains, genmsi's busy bit (a message leaves at once). */
#include "hw/intc/aplic.h"

#include "hw/fdt_build.h"
#include <string.h>

enum {
    SOURCES = APLIC_MAX_SOURCES + 1,
    WORDS = SOURCES / 32 + 1,

    DOMAINCFG = 0x0000,
    SOURCECFG = 0x0004,
    SOURCECFG_END = 0x1000,
    MSI_ADDRESS = 0x1bc0, /* four words */
    MSI_ADDRESS_END = 0x1bd0,
    SETIP = 0x1c00,
    SETIPNUM = 0x1cdc,
    CLRIP = 0x1d00,
    CLRIPNUM = 0x1ddc,
    SETIE = 0x1e00,
    SETIENUM = 0x1edc,
    CLRIE = 0x1f00,
    CLRIENUM = 0x1fdc,
    NUMBER_IN_GROUP = 0xdc,
    SETIPNUM_LE = 0x2000,
    SETIPNUM_BE = 0x2004,
    GENMSI = 0x3000,
    TARGET = 0x3004,
    TARGET_END = 0x4000,
    IDC = 0x4000,
    IDC_BYTES = 32,
    IDC_DELIVERY = 0x00,
    IDC_FORCE = 0x04,
    IDC_THRESHOLD = 0x08,
    IDC_TOPI = 0x18,
    IDC_CLAIMI = 0x1c,

    DOMAINCFG_FIXED = (int)0x80000000,
    DOMAINCFG_ENABLE = 0x100,
    DOMAINCFG_MESSAGES = 4,
    SOURCECFG_DELEGATE = 0x400,
    SOURCECFG_MODE = 7,
    TARGET_HART_SHIFT = 18,
    TARGET_PRIORITY = 0xff,
    TARGET_NUMBER = 0x7ff,
    ADDRESS_LOCK = (int)0x80000000,
};

enum mode { MODE_INACTIVE = 0, MODE_DETACHED = 1, MODE_RISE = 4, MODE_FALL = 5, MODE_HIGH = 6,
            MODE_LOW = 7 };

/* Arrays have the root's part first. */
struct aplic_saved {
    u32 domaincfg[APLIC_DOMAINS];
    u32 sourcecfg[APLIC_DOMAINS * SOURCES];
    u32 target[APLIC_DOMAINS * SOURCES];
    u32 pending[APLIC_DOMAINS * WORDS];
    u32 enabled[APLIC_DOMAINS * WORDS];
    u32 wires[WORDS];
    u32 msi_address[4]; /* mmsiaddrcfg, its high half, smsiaddrcfg, its high half */
    u32 idelivery[APLIC_DOMAINS * APLIC_MAX_HARTS];
    u32 iforce[APLIC_DOMAINS * APLIC_MAX_HARTS];
    u32 ithreshold[APLIC_DOMAINS * APLIC_MAX_HARTS];
};
#define APLIC_SAVED(FIELD, T) \
    FIELD(T, domaincfg) FIELD(T, sourcecfg) FIELD(T, target) FIELD(T, pending) \
    FIELD(T, enabled) FIELD(T, wires) FIELD(T, msi_address) FIELD(T, idelivery) \
    FIELD(T, iforce) FIELD(T, ithreshold)
STATE_LIST(aplic_saved, struct aplic_saved, APLIC_SAVED);

struct aplic {
    struct aplic_saved saved;
};

/* One domain of a device, as the functions below work on it. */
struct domain {
    struct device *device;
    const struct aplic_config *config;
    struct aplic_saved *saved;
    unsigned number; /* APLIC_M or APLIC_S */
};

static struct domain domain_of(struct device *device, unsigned number)
{
    struct aplic *aplic = device->state;
    return (struct domain){device, device->config, &aplic->saved, number};
}

static u32 *domain_source(const struct domain *d, u32 *array, unsigned source)
{
    return &array[d->number * SOURCES + source];
}

static u32 *domain_word(const struct domain *d, u32 *array, unsigned word)
{
    return &array[d->number * WORDS + word];
}

static u32 *domain_idc(const struct domain *d, u32 *array, unsigned hart)
{
    return &array[d->number * APLIC_MAX_HARTS + hart];
}

/* ---- Sources ---- */

static bool source_is_delegated(const struct domain *d, unsigned source)
{
    return (d->saved->sourcecfg[source] & SOURCECFG_DELEGATE) != 0; /* the root's */
}

/* Whether the domain has the source at all; inactive ones included. */
static bool source_is_here(const struct domain *d, unsigned source)
{
    return source >= 1 && source <= d->config->source_count &&
           source_is_delegated(d, source) == (d->number == APLIC_S);
}

static enum mode source_mode(const struct domain *d, unsigned source)
{
    return source_is_here(d, source)
               ? (enum mode)(*domain_source(d, d->saved->sourcecfg, source) & SOURCECFG_MODE)
               : MODE_INACTIVE;
}

static bool mode_is_level(enum mode mode)
{
    return mode == MODE_HIGH || mode == MODE_LOW;
}

static bool source_input(const struct domain *d, unsigned source)
{
    bool wire = (d->saved->wires[source / 32] >> source % 32 & 1) != 0;
    switch (source_mode(d, source)) {
    case MODE_RISE:
    case MODE_HIGH: return wire;
    case MODE_FALL:
    case MODE_LOW: return !wire;
    default: return false;
    }
}

static void source_set_bit(const struct domain *d, u32 *array, unsigned source, bool set)
{
    u32 *word = domain_word(d, array, source / 32);
    u32 bit = 1u << source % 32;
    *word = set ? *word | bit : *word & ~bit;
}

/* ---- Delivery by messages ---- */

/* Which page takes a message for `hart` (4.9.1; the fields of mmsiaddrcfgh serve both levels, but
 * the shift of the hart's number). */
static gpa_t msi_gpa(const struct domain *d, unsigned hart)
{
    const u32 *address = d->saved->msi_address;
    u32 fields = address[1];
    unsigned lhxw = fields >> 12 & 15, hhxw = fields >> 16 & 7, hhxs = fields >> 24 & 31;
    const u32 *own = d->number == APLIC_M ? address : address + 2;
    unsigned lhxs = own[1] >> 20 & 7;
    u64 page = own[0] | (u64)(own[1] & 0xfff) << 32;
    u64 group = hart >> lhxw & ((1u << hhxw) - 1);
    u64 in_group = hart & ((1u << lhxw) - 1);
    return (page | group << (hhxs + 12) | in_group << lhxs) << 12;
}

static void msi_send(const struct domain *d, u32 target)
{
    const struct device_env *env = d->device->env;
    if (env->message != NULL) {
        env->message(env->message_opaque, msi_gpa(d, target >> TARGET_HART_SHIFT),
                     target & TARGET_NUMBER);
    }
}

/* ---- Delivery on lines ---- */

/* The most urgent source for a hart: number and priority, 0 when there is none. */
static u32 idc_top(const struct domain *d, unsigned hart)
{
    u32 threshold = *domain_idc(d, d->saved->ithreshold, hart);
    u32 best = 0, best_priority = threshold != 0 ? threshold : UINT32_MAX;
    for (unsigned w = 0; w < WORDS; w++) {
        u32 ready = *domain_word(d, d->saved->pending, w) & *domain_word(d, d->saved->enabled, w);
        for (; ready != 0; ready &= ready - 1) {
            unsigned source = w * 32 + (unsigned)__builtin_ctz(ready);
            u32 target = *domain_source(d, d->saved->target, source);
            u32 priority = target & TARGET_PRIORITY;
            if (target >> TARGET_HART_SHIFT == hart && priority < best_priority) {
                best = source << 16 | priority;
                best_priority = priority;
            }
        }
    }
    return best;
}

static void idc_update(const struct domain *d, unsigned hart)
{
    bool on = (d->saved->domaincfg[d->number] & DOMAINCFG_ENABLE) != 0 &&
              *domain_idc(d, d->saved->idelivery, hart) != 0;
    bool wanted = *domain_idc(d, d->saved->iforce, hart) != 0 || idc_top(d, hart) != 0;
    device_set_output(d->device, d->number * d->config->hart_count + hart, on && wanted);
}

static u32 idc_claim(const struct domain *d, unsigned hart)
{
    u32 top = idc_top(d, hart);
    if (top == 0) {
        *domain_idc(d, d->saved->iforce, hart) = 0; /* a spurious one, which was forced (4.8.1) */
    } else if (!mode_is_level(source_mode(d, top >> 16))) {
        source_set_bit(d, d->saved->pending, top >> 16, false);
    }
    idc_update(d, hart);
    return top;
}

/* ---- Both ---- */

/* Sends or signals what the domain has to tell. */
static void domain_deliver(const struct domain *d)
{
    if (!d->config->messages) {
        for (unsigned h = 0; h < d->config->hart_count; h++) {
            idc_update(d, h);
        }
        return;
    }
    if ((d->saved->domaincfg[d->number] & DOMAINCFG_ENABLE) == 0) {
        return;
    }
    for (unsigned w = 0; w < WORDS; w++) {
        u32 *pending = domain_word(d, d->saved->pending, w);
        u32 ready = *pending & *domain_word(d, d->saved->enabled, w);
        *pending &= ~ready;
        for (; ready != 0; ready &= ready - 1) {
            unsigned source = w * 32 + (unsigned)__builtin_ctz(ready);
            msi_send(d, *domain_source(d, d->saved->target, source));
        }
    }
}

/* The wire or the mode changed: what becomes of the pending bit. `rose`: of the rectified input. */
static void source_update(const struct domain *d, unsigned source, bool rose)
{
    enum mode mode = source_mode(d, source);
    bool input = source_input(d, source);
    if (mode == MODE_INACTIVE) {
        source_set_bit(d, d->saved->pending, source, false);
        source_set_bit(d, d->saved->enabled, source, false);
    } else if (mode_is_level(mode) && (!input || !d->config->messages)) {
        source_set_bit(d, d->saved->pending, source, input);
    } else if (rose && mode != MODE_DETACHED) {
        source_set_bit(d, d->saved->pending, source, true);
    }
}

/* Software's setip and clrip: not for level sources on lines, and with messages a level source can
 * become pending only while its input is high (4.7). */
static void source_write_pending(const struct domain *d, unsigned source, bool set)
{
    enum mode mode = source_mode(d, source);
    if (mode == MODE_INACTIVE || (mode_is_level(mode) && !d->config->messages)) {
        return;
    }
    if (!set || !mode_is_level(mode) || source_input(d, source)) {
        source_set_bit(d, d->saved->pending, source, set);
    }
}

static void source_write_enabled(const struct domain *d, unsigned source, bool set)
{
    if (source_mode(d, source) != MODE_INACTIVE) {
        source_set_bit(d, d->saved->enabled, source, set);
    }
}

static void source_write_config(const struct domain *d, unsigned source, u32 value)
{
    u32 *config = domain_source(d, d->saved->sourcecfg, source);
    bool delegate = d->number == APLIC_M && (value & SOURCECFG_DELEGATE) != 0;
    bool before = source_input(d, source);
    u32 mode = value & SOURCECFG_MODE;
    if (d->number == APLIC_S && !source_is_here(d, source)) {
        return;
    }
    /* The child has one parent and is its child 0; modes 2 and 3 are reserved. */
    *config = delegate ? SOURCECFG_DELEGATE : mode == 2 || mode == 3 ? MODE_INACTIVE : mode;
    if (d->number == APLIC_M) {
        struct domain child = domain_of(d->device, APLIC_S);
        if (!delegate) {
            *domain_source(&child, d->saved->sourcecfg, source) = MODE_INACTIVE;
        }
        source_update(&child, source, false);
    }
    /* No edge was on the wire; but a level may be seen to be high for the first time. */
    bool rose = source_input(d, source) && !before && mode_is_level(source_mode(d, source));
    source_update(d, source, rose);
}

/* ---- Registers ---- */

static u32 domain_inputs(const struct domain *d, unsigned word)
{
    u32 inputs = 0;
    for (unsigned i = 0; i < 32; i++) {
        inputs |= (u32)source_input(d, word * 32 + i) << i;
    }
    return inputs;
}

static u32 aplic_read_source(const struct domain *d, u64 offset)
{
    bool target = offset >= TARGET;
    unsigned source = (unsigned)(offset - (target ? TARGET : SOURCECFG)) / 4 + 1;
    if (source > d->config->source_count || !(source_is_here(d, source) || d->number == APLIC_M)) {
        return 0;
    }
    if (target) {
        return source_mode(d, source) != MODE_INACTIVE
                   ? *domain_source(d, d->saved->target, source)
                   : 0;
    }
    return *domain_source(d, d->saved->sourcecfg, source);
}

static u32 aplic_read_idc(const struct domain *d, u64 offset)
{
    unsigned hart = (unsigned)(offset - IDC) / IDC_BYTES;
    if (d->config->messages || hart >= d->config->hart_count) {
        return 0;
    }
    switch (offset % IDC_BYTES) {
    case IDC_DELIVERY: return *domain_idc(d, d->saved->idelivery, hart);
    case IDC_FORCE: return *domain_idc(d, d->saved->iforce, hart);
    case IDC_THRESHOLD: return *domain_idc(d, d->saved->ithreshold, hart);
    case IDC_TOPI: return idc_top(d, hart);
    case IDC_CLAIMI: return idc_claim(d, hart);
    default: return 0;
    }
}

static u32 aplic_read_words(const struct domain *d, u64 offset)
{
    unsigned word = (unsigned)(offset & 0xff) / 4;
    if (word >= WORDS) {
        return 0; /* the registers by number too */
    }
    switch (offset & ~(u64)0xff) {
    case SETIP: return *domain_word(d, d->saved->pending, word);
    case CLRIP: return domain_inputs(d, word);
    case SETIE: return *domain_word(d, d->saved->enabled, word);
    default: return 0;
    }
}

static u64 aplic_read(struct device *device, unsigned number, u64 offset)
{
    struct domain d = domain_of(device, number);
    u32 messages = d.config->messages ? DOMAINCFG_MESSAGES : 0;
    if (offset == DOMAINCFG) {
        return (u32)DOMAINCFG_FIXED | d.saved->domaincfg[number] | messages;
    } else if (offset < SOURCECFG_END || (offset >= TARGET && offset < TARGET_END)) {
        return aplic_read_source(&d, offset);
    } else if (offset >= MSI_ADDRESS && offset < MSI_ADDRESS_END) {
        return number == APLIC_M ? d.saved->msi_address[(offset - MSI_ADDRESS) / 4] : 0;
    } else if (offset >= SETIP && offset < SETIPNUM_LE) {
        return aplic_read_words(&d, offset);
    }
    return offset >= IDC ? aplic_read_idc(&d, offset) : 0;
}

static void aplic_write_target(const struct domain *d, unsigned source, u32 value)
{
    u32 hart = value >> TARGET_HART_SHIFT;
    hart = hart < d->config->hart_count ? hart : 0;
    u32 low = value & (d->config->messages ? TARGET_NUMBER : TARGET_PRIORITY);
    low = low == 0 && !d->config->messages ? 1 : low; /* 0 is no priority */
    if (source_mode(d, source) != MODE_INACTIVE) {
        *domain_source(d, d->saved->target, source) = hart << TARGET_HART_SHIFT | low;
    }
}

/* Locked by the lock bit of mmsiaddrcfgh, with whose fields both levels' addresses are made. */
static void aplic_write_address(const struct domain *d, unsigned word, u32 value)
{
    static const u32 writable[4] = {UINT32_MAX, 0x9f77ffff, UINT32_MAX, 0x700fff};
    u32 *address = d->saved->msi_address;
    if (d->number == APLIC_M && d->config->messages && (address[1] & (u32)ADDRESS_LOCK) == 0) {
        address[word] = value & writable[word];
    }
}

static void aplic_write_idc(const struct domain *d, u64 offset, u32 value)
{
    unsigned hart = (unsigned)(offset - IDC) / IDC_BYTES;
    if (d->config->messages || hart >= d->config->hart_count) {
        return;
    }
    switch (offset % IDC_BYTES) {
    case IDC_DELIVERY: *domain_idc(d, d->saved->idelivery, hart) = value & 1; break;
    case IDC_FORCE: *domain_idc(d, d->saved->iforce, hart) = value & 1; break;
    case IDC_THRESHOLD:
        *domain_idc(d, d->saved->ithreshold, hart) = value & TARGET_PRIORITY;
        break;
    default: break;
    }
}

/* The four groups of set and clear registers, by word or by number. */
static void aplic_write_bits(const struct domain *d, u64 offset, u32 value)
{
    bool pending = offset < SETIE;
    bool set = (offset & ~(u64)0xff) == SETIP || (offset & ~(u64)0xff) == SETIE;
    unsigned word = (unsigned)(offset & 0xff) / 4;
    if ((offset & 0xff) == NUMBER_IN_GROUP) {
        word = value / 32;
        value = value < SOURCES ? 1u << value % 32 : 0;
    }
    for (; word < WORDS && value != 0; value &= value - 1) {
        unsigned source = word * 32 + (unsigned)__builtin_ctz(value);
        if (pending) {
            source_write_pending(d, source, set);
        } else {
            source_write_enabled(d, source, set);
        }
    }
}

static void aplic_write_low(const struct domain *d, u64 offset, u32 value)
{
    unsigned source = (unsigned)offset / 4; /* sourcecfg of source 1 lies at 4 */
    if (offset == DOMAINCFG) {
        d->saved->domaincfg[d->number] = value & DOMAINCFG_ENABLE;
    } else if (offset < SOURCECFG_END && source <= d->config->source_count) {
        source_write_config(d, source, value);
    } else if (offset >= MSI_ADDRESS && offset < MSI_ADDRESS_END) {
        aplic_write_address(d, (unsigned)(offset - MSI_ADDRESS) / 4, value);
    } else if (offset >= SETIP && offset < SETIPNUM_LE) {
        aplic_write_bits(d, offset, value);
    }
}

static void aplic_write(struct device *device, unsigned number, u64 offset, u32 value)
{
    struct domain d = domain_of(device, number);
    unsigned source = (unsigned)(offset - TARGET) / 4 + 1;
    if (offset < SETIPNUM_LE) {
        aplic_write_low(&d, offset, value);
    } else if (offset == SETIPNUM_LE) {
        aplic_write_bits(&d, SETIPNUM, value);
    } else if (offset == SETIPNUM_BE) {
        aplic_write_bits(&d, SETIPNUM, __builtin_bswap32(value));
    } else if (offset == GENMSI && d.config->messages) {
        msi_send(&d, value);
    } else if (offset >= TARGET && offset < TARGET_END && source <= d.config->source_count) {
        aplic_write_target(&d, source, value);
    } else if (offset >= IDC) {
        aplic_write_idc(&d, offset, value);
    }
    domain_deliver(&d);
    if (offset < SOURCECFG_END && number == APLIC_M) {
        struct domain child = domain_of(device, APLIC_S); /* a source may have come or gone */
        domain_deliver(&child);
    }
}

static u64 aplic_read_m(struct device *device, u64 offset, unsigned size_bytes)
{
    (void)size_bytes;
    return aplic_read(device, APLIC_M, offset & ~(u64)3);
}

static void aplic_write_m(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    (void)size_bytes;
    aplic_write(device, APLIC_M, offset & ~(u64)3, (u32)value);
}

static u64 aplic_read_s(struct device *device, u64 offset, unsigned size_bytes)
{
    (void)size_bytes;
    return aplic_read(device, APLIC_S, offset & ~(u64)3);
}

static void aplic_write_s(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    (void)size_bytes;
    aplic_write(device, APLIC_S, offset & ~(u64)3, (u32)value);
}

/* ---- Wires, reset, load ---- */

static void aplic_input(struct device *device, unsigned source, bool level)
{
    struct domain d = domain_of(device, APLIC_M);
    if (source == 0 || source > d.config->source_count) {
        return;
    }
    d.number = source_is_delegated(&d, source) ? APLIC_S : APLIC_M;
    bool before = source_input(&d, source);
    u32 *wires = &d.saved->wires[source / 32];
    u32 bit = 1u << source % 32;
    *wires = level ? *wires | bit : *wires & ~bit;
    source_update(&d, source, source_input(&d, source) && !before);
    domain_deliver(&d);
}

static void aplic_update_all(struct device *device)
{
    for (unsigned n = 0; n < APLIC_DOMAINS; n++) {
        struct domain d = domain_of(device, n);
        for (unsigned h = 0; !d.config->messages && h < d.config->hart_count; h++) {
            idc_update(&d, h);
        }
    }
}

/* Wires keep their levels: those who drive them are reset by themselves. */
static void aplic_reset(struct device *device)
{
    struct aplic *aplic = device->state;
    u32 wires[WORDS];
    memcpy(wires, aplic->saved.wires, sizeof(wires));
    memset(&aplic->saved, 0, sizeof(aplic->saved));
    memcpy(aplic->saved.wires, wires, sizeof(wires));
    aplic_update_all(device);
}

static bool aplic_init(struct device *device, struct metic_error *error)
{
    const struct aplic_config *config = device->config;
    (void)error;
    CHECK(config->source_count >= 1 && config->source_count <= APLIC_MAX_SOURCES);
    CHECK(config->hart_count >= 1 && config->hart_count <= APLIC_MAX_HARTS);
    CHECK(device->output_count == APLIC_DOMAINS * config->hart_count);
    return true;
}

/* Sources that there are not have no bits; no other register's value is used as an index. */
static bool aplic_restored(struct device *device, struct metic_error *error)
{
    struct aplic *aplic = device->state;
    const struct aplic_config *config = device->config;
    (void)error;
    for (unsigned w = 0; w < WORDS; w++) {
        u32 known = 0;
        for (unsigned i = 0; i < 32; i++) {
            unsigned source = w * 32 + i;
            known |= (u32)(source >= 1 && source <= config->source_count) << i;
        }
        aplic->saved.wires[w] &= known;
        for (unsigned n = 0; n < APLIC_DOMAINS; n++) {
            aplic->saved.pending[n * WORDS + w] &= known;
            aplic->saved.enabled[n * WORDS + w] &= known;
        }
    }
    aplic_update_all(device);
    return true;
}

/* ---- The device tree ---- */

static void aplic_fdt_domain(const struct device *device, const struct device_place *place,
                             struct fdt_build *fdt, unsigned number)
{
    enum { IRQ_SEI = 9, IRQ_MEI = 11 };
    static const char compatible[] = "qemu,aplic\0riscv,aplic";
    const struct aplic_config *config = device->config;
    u32 pairs[2 * APLIC_MAX_HARTS];
    for (unsigned h = 0; h < config->hart_count; h++) {
        pairs[2 * h] = place->cpu_irq_phandles[h];
        pairs[2 * h + 1] = number == APLIC_M ? IRQ_MEI : IRQ_SEI;
    }
    fdt_build_begin_at(fdt, "interrupt-controller", place->gpa[number]);
    fdt_build_u32(fdt, "phandle", config->phandle[number]);
    if (number == APLIC_M) {
        const u32 range[] = {config->phandle[APLIC_S], 1, config->source_count};
        fdt_build_cells(fdt, "riscv,delegate", range, ARRAY_LEN(range));
        fdt_build_cells(fdt, "riscv,delegation", range, ARRAY_LEN(range));
        fdt_build_u32(fdt, "riscv,children", config->phandle[APLIC_S]);
    }
    fdt_build_u32(fdt, "riscv,num-sources", config->source_count);
    fdt_build_reg(fdt, place->gpa[number], APLIC_REGION_BYTES);
    if (config->messages) {
        fdt_build_u32(fdt, "msi-parent", config->msi_phandle[number]);
    } else {
        fdt_build_cells(fdt, "interrupts-extended", pairs, 2 * config->hart_count);
    }
    fdt_build_empty(fdt, "interrupt-controller");
    fdt_build_u32(fdt, "#interrupt-cells", 2);
    fdt_build_u32(fdt, "#address-cells", 0);
    fdt_build_strings(fdt, "compatible", compatible, sizeof(compatible));
    fdt_build_end(fdt);
}

static void aplic_fdt(const struct device *device, const struct device_place *place,
                      struct fdt_build *fdt)
{
    aplic_fdt_domain(device, place, fdt, APLIC_S);
    aplic_fdt_domain(device, place, fdt, APLIC_M);
}

static const struct device_region aplic_regions[APLIC_DOMAINS] = {
    [APLIC_M] = {.name = "aplic.m", .size_bytes = APLIC_REGION_BYTES, .kind = MEMORY_MMIO,
                 .min_bytes = 4, .max_bytes = 4, .read = aplic_read_m, .write = aplic_write_m},
    [APLIC_S] = {.name = "aplic.s", .size_bytes = APLIC_REGION_BYTES, .kind = MEMORY_MMIO,
                 .min_bytes = 4, .max_bytes = 4, .read = aplic_read_s, .write = aplic_write_s},
};

const struct device_class aplic_class = {
    .name = "aplic",
    .summary = "RISC-V advanced interrupt controller for wires, at machine and supervisor level",
    .state_bytes = sizeof(struct aplic),
    .regions = aplic_regions,
    .region_count = ARRAY_LEN(aplic_regions),
    .init = aplic_init,
    .reset = aplic_reset,
    .input = aplic_input,
    .saved = &aplic_saved,
    .saved_offset = offsetof(struct aplic, saved),
    .restored = aplic_restored,
    .fdt = aplic_fdt,
};
