/* RISC-V core-local interruptors (ACLINT specification 1.0; SiFive E31 manual, 9, for the CLINT).
 *
 * clint: the SiFive CLINT, which is an ACLINT machine-level software-interrupt device and a
 * machine-level timer back to back in one 64 KiB block:
 *
 *   0x0000 + 4 h   msip of hart h: bit 0 is the line, the rest is zero
 *   0x4000 + 8 h   mtimecmp of hart h
 *   0xbff8         mtime, 10 MHz here; writable, which moves it for all harts
 *
 * The timer line of a hart is high while mtime >= mtimecmp, unsigned; it is a level, and only a new
 * mtimecmp (or a mtime moved back) lowers it. After reset mtimecmp is all ones, so no line is high;
 * the specification leaves it open. Registers may be accessed as 32 or 64 bits.
 *
 * mtime is guest time divided by 100 ns plus an offset that a write to mtime changes. It is read
 * lock-free, since that is what guests without the time CSR do all day; msip is written so.
 *
 * aclint_sswi: one 32-bit setssip register per hart from offset 0. Writing a 1 to bit 0 makes an
 * edge that sets the hart's mip.SSIP; software clears it there. Reads give 0.
 *
 * Left out: more than one group of harts per block, and hart numbers with holes. */
#include "hw/intc/aclint.h"

#include "hw/fdt_build.h"

enum {
    CLINT_MTIMECMP = 0x4000,
    CLINT_MTIME = 0xbff8,
    CLINT_REGION_BYTES = 0x10000,
    ACLINT_SSWI_REGION_BYTES = 0x4000,
    ACLINT_NS_PER_TICK = 1000000000 / ACLINT_TIMEBASE_HZ,
};

struct clint_saved {
    u64 mtime_offset; /* ticks; stored under the lock, read atomically */
    u64 mtimecmp[ACLINT_MAX_HARTS]; /* read and written atomically */
    u32 msip[ACLINT_MAX_HARTS];
};

#define CLINT_SAVED(FIELD, T) FIELD(T, mtime_offset) FIELD(T, mtimecmp) FIELD(T, msip)
STATE_LIST(clint_saved, struct clint_saved, CLINT_SAVED);

struct clint_hart {
    struct device *device;
    unsigned hart;
    struct timer timer;
};

struct clint {
    struct clint_saved saved;
    u64 seen_mtime; /* it is not less now; stored under the lock, read atomically */
    struct clint_hart harts[ACLINT_MAX_HARTS];
};

static unsigned aclint_hart_count(const struct device *device)
{
    const struct aclint_config *config = device->config;
    return config->hart_count;
}

u64 clint_time_ticks(const struct device *device)
{
    const struct clint *clint = device->state;
    u64 offset = __atomic_load_n(&clint->saved.mtime_offset, __ATOMIC_RELAXED);
    return clock_now_ns(device->env->clock) / ACLINT_NS_PER_TICK + offset;
}

/* The moment at which mtime, which is `mtime` now, reaches `ticks`. */
static u64 clint_moment_ns(u64 now_ticks, u64 mtime, u64 ticks)
{
    if (mtime >= ticks) {
        return now_ticks * ACLINT_NS_PER_TICK;
    }
    u64 ahead = ticks - mtime;
    if (ahead > (u64)INT64_MAX / ACLINT_NS_PER_TICK - now_ticks) {
        return CLOCK_NEVER_NS; /* centuries away */
    }
    return (now_ticks + ahead) * ACLINT_NS_PER_TICK;
}

u64 clint_time_to_ns(const struct device *device, u64 ticks)
{
    const struct clint *clint = device->state;
    u64 offset = __atomic_load_n(&clint->saved.mtime_offset, __ATOMIC_RELAXED);
    u64 now_ticks = clock_now_ns(device->env->clock) / ACLINT_NS_PER_TICK;
    return clint_moment_ns(now_ticks, now_ticks + offset, ticks);
}

static u64 clint_mtimecmp(const struct clint *clint, unsigned hart)
{
    return __atomic_load_n(&clint->saved.mtimecmp[hart], __ATOMIC_ACQUIRE);
}

/* Sets the timer line of a hart by the present time and arms the timer for when it will rise. Again
 * when the hart meanwhile set its timer without the lock (clint_set_at_once()). */
static void clint_update_timer(struct device *device, unsigned hart)
{
    struct clint *clint = device->state;
    u64 mtimecmp;
    do {
        mtimecmp = clint_mtimecmp(clint, hart);
        u64 now_ticks = clock_now_ns(device->env->clock) / ACLINT_NS_PER_TICK;
        u64 mtime = now_ticks + clint->saved.mtime_offset;
        bool level = mtime >= mtimecmp;
        __atomic_store_n(&clint->seen_mtime, mtime, __ATOMIC_RELAXED);
        device_set_output(device, aclint_hart_count(device) + hart, level);
        timer_arm_at_ns(&clint->harts[hart].timer,
                        level ? CLOCK_NEVER_NS : clint_moment_ns(now_ticks, mtime, mtimecmp));
    } while (UNLIKELY(clint_mtimecmp(clint, hart) != mtimecmp));
}

enum clint_when { CLINT_OVER, CLINT_NEVER, CLINT_LATER };

/* Firmware turns a timer off by a time that never comes, and guests have one fire at once by a time
 * that is over: both are known without a look at the clock. */
static enum clint_when clint_when(const struct clint *clint, u64 mtimecmp)
{
    u64 seen = __atomic_load_n(&clint->seen_mtime, __ATOMIC_RELAXED);
    if (mtimecmp <= seen) {
        return CLINT_OVER;
    }
    return mtimecmp - seen > (u64)INT64_MAX ? CLINT_NEVER : CLINT_LATER;
}

static void clint_set_timer(struct device *device, unsigned hart)
{
    struct clint *clint = device->state;
    u64 mtimecmp = clint_mtimecmp(clint, hart);
    enum clint_when when = clint_when(clint, mtimecmp);
    if (when != CLINT_LATER) {
        device_set_output(device, aclint_hart_count(device) + hart, when == CLINT_OVER);
        timer_cancel(&clint->harts[hart].timer);
    }
    if (when == CLINT_LATER || UNLIKELY(clint_mtimecmp(clint, hart) != mtimecmp)) {
        clint_update_timer(device, hart);
    }
}

/* What interrupt handlers do all day: no clock is asked and no timer armed, so the lock is not
 * needed. Driving the line is a barrier: whoever drives it by an older value sees the new one after
 * that, and so does this if a newer one came. False: it has to be done under the lock. */
static bool clint_set_at_once(struct device *device, unsigned hart, u64 mtimecmp)
{
    struct clint *clint = device->state;
    enum clint_when when = clint_when(clint, mtimecmp);
    if (when == CLINT_LATER || timer_is_armed(&clint->harts[hart].timer)) {
        return false;
    }
    __atomic_store_n(&clint->saved.mtimecmp[hart], mtimecmp, __ATOMIC_RELEASE);
    device_set_output(device, aclint_hart_count(device) + hart, when == CLINT_OVER);
    if (UNLIKELY(clint_mtimecmp(clint, hart) != mtimecmp)) {
        device_lock(device);
        clint_update_timer(device, hart);
        device_unlock(device);
    }
    return true;
}

static void clint_fire(void *opaque)
{
    struct clint_hart *hart = opaque;
    device_lock(hart->device);
    clint_update_timer(hart->device, hart->hart);
    device_unlock(hart->device);
}

static u64 clint_read_wide(u64 value, u64 offset, unsigned size_bytes)
{
    return size_bytes == 8 ? value : (u32)(value >> (offset % 8 * 8));
}

static u64 clint_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct clint *clint = device->state;
    unsigned harts = aclint_hart_count(device);
    offset = bits_align_down(offset, size_bytes);
    if (bits_align_down(offset, 8) == CLINT_MTIME) {
        return clint_read_wide(clint_time_ticks(device), offset, size_bytes);
    }
    u64 value = 0;
    device_lock(device);
    if (offset < CLINT_MTIMECMP) {
        const u32 *msip = &clint->saved.msip[offset / 4 % ACLINT_MAX_HARTS];
        value = offset / 4 < harts ? __atomic_load_n(msip, __ATOMIC_RELAXED) : 0;
    } else if ((offset - CLINT_MTIMECMP) / 8 < harts) {
        u64 mtimecmp = clint_mtimecmp(clint, (unsigned)((offset - CLINT_MTIMECMP) / 8));
        value = clint_read_wide(mtimecmp, offset, size_bytes);
    }
    device_unlock(device);
    return value;
}

/* `value` put over all or half of `old`. */
static u64 clint_merge(u64 old, u64 offset, u64 value, unsigned size_bytes)
{
    if (size_bytes == 8) {
        return value;
    }
    return offset % 8 == 0 ? (old & ~(u64)UINT32_MAX) | value : (u32)old | value << 32;
}

static void clint_write_mtime(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct clint *clint = device->state;
    u64 old = clint_time_ticks(device);
    u64 wanted = clint_merge(old, offset, value, size_bytes);
    __atomic_store_n(&clint->saved.mtime_offset, clint->saved.mtime_offset + (wanted - old),
                     __ATOMIC_RELAXED);
    for (unsigned h = 0; h < aclint_hart_count(device); h++) {
        clint_update_timer(device, h);
    }
}

/* Without the lock: who wrote last finds, after driving the line, what it wrote still there; others
 * do as that says. Driving a line is a barrier (vcpu_irq_input()). */
static void clint_write_msip(struct device *device, unsigned hart, u32 value)
{
    struct clint *clint = device->state;
    u32 *msip = &clint->saved.msip[hart];
    __atomic_store_n(msip, value, __ATOMIC_RELEASE);
    u32 driven;
    do {
        driven = __atomic_load_n(msip, __ATOMIC_ACQUIRE);
        device_set_output(device, hart, driven != 0);
    } while (UNLIKELY(__atomic_load_n(msip, __ATOMIC_ACQUIRE) != driven));
}

static void clint_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct clint *clint = device->state;
    unsigned harts = aclint_hart_count(device);
    offset = bits_align_down(offset, size_bytes);
    if (offset < CLINT_MTIMECMP) {
        if (offset / 4 < harts) {
            clint_write_msip(device, (unsigned)(offset / 4), value & 1);
        }
        return;
    }
    u64 hart = (offset - CLINT_MTIMECMP) / 8;
    if (size_bytes == 8 && hart < harts && clint_set_at_once(device, (unsigned)hart, value)) {
        return;
    }
    device_lock(device);
    if (bits_align_down(offset, 8) == CLINT_MTIME) {
        clint_write_mtime(device, offset, value, size_bytes);
    } else if (hart < harts) {
        u64 merged = clint_merge(clint_mtimecmp(clint, (unsigned)hart), offset, value, size_bytes);
        __atomic_store_n(&clint->saved.mtimecmp[hart], merged, __ATOMIC_RELEASE);
        clint_set_timer(device, (unsigned)hart);
    } else {
        device_guest_error(device, "write to a register that does not exist");
    }
    device_unlock(device);
}

static bool clint_init(struct device *device, struct metic_error *error)
{
    struct clint *clint = device->state;
    (void)error;
    CHECK(aclint_hart_count(device) <= ACLINT_MAX_HARTS);
    CHECK(aclint_hart_count(device) * 2 <= device->output_count);
    for (unsigned h = 0; h < aclint_hart_count(device); h++) {
        clint->harts[h].device = device;
        clint->harts[h].hart = h;
        timer_init(&clint->harts[h].timer, device->env->clock, clint_fire, &clint->harts[h]);
    }
    return true;
}

static void clint_fini(struct device *device)
{
    struct clint *clint = device->state;
    for (unsigned h = 0; h < aclint_hart_count(device); h++) {
        timer_fini(&clint->harts[h].timer);
    }
}

static void clint_send_all(struct device *device)
{
    struct clint *clint = device->state;
    for (unsigned h = 0; h < aclint_hart_count(device); h++) {
        device_set_output(device, h, clint->saved.msip[h] != 0);
        clint_update_timer(device, h);
    }
}

static void clint_reset(struct device *device)
{
    struct clint *clint = device->state;
    u64 now_ticks = clock_now_ns(device->env->clock) / ACLINT_NS_PER_TICK;
    __atomic_store_n(&clint->saved.mtime_offset, (u64)0 - now_ticks, __ATOMIC_RELAXED);
    for (unsigned h = 0; h < ACLINT_MAX_HARTS; h++) {
        clint->saved.msip[h] = 0;
        clint->saved.mtimecmp[h] = UINT64_MAX;
    }
    clint_send_all(device);
}

static bool clint_restored(struct device *device, struct metic_error *error)
{
    struct clint *clint = device->state;
    (void)error;
    for (unsigned h = 0; h < ACLINT_MAX_HARTS; h++) {
        clint->saved.msip[h] &= 1;
    }
    clint_send_all(device);
    return true;
}

static void clint_fdt(const struct device *device, const struct device_place *place,
                      struct fdt_build *fdt)
{
    u32 cells[ACLINT_MAX_HARTS * 4];
    unsigned count = 0;
    for (unsigned h = 0; h < aclint_hart_count(device); h++) {
        cells[count++] = place->cpu_irq_phandles[h];
        cells[count++] = 3; /* machine software */
        cells[count++] = place->cpu_irq_phandles[h];
        cells[count++] = 7; /* machine timer */
    }
    fdt_build_begin_at(fdt, "clint", place->gpa[0]);
    fdt_build_cells(fdt, "interrupts-extended", cells, count);
    fdt_build_reg(fdt, place->gpa[0], CLINT_REGION_BYTES);
    fdt_build_strings(fdt, "compatible", "sifive,clint0\0riscv,clint0",
                      sizeof("sifive,clint0\0riscv,clint0"));
    fdt_build_end(fdt);
}

static const struct device_region clint_regions[] = {{
    .size_bytes = CLINT_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .flags = DEVICE_REGION_UNLOCKED,
    .min_bytes = 4,
    .max_bytes = 8,
    .read = clint_read,
    .write = clint_write,
}};

const struct device_class clint_class = {
    .name = "clint",
    .summary = "machine software interrupts and timer of each hart",
    .state_bytes = sizeof(struct clint),
    .regions = clint_regions,
    .region_count = ARRAY_LEN(clint_regions),
    .init = clint_init,
    .fini = clint_fini,
    .reset = clint_reset,
    .saved = &clint_saved,
    .saved_offset = offsetof(struct clint, saved),
    .restored = clint_restored,
    .fdt = clint_fdt,
};

static u64 aclint_sswi_read(struct device *device, u64 offset, unsigned size_bytes)
{
    (void)device;
    (void)offset;
    (void)size_bytes;
    return 0;
}

static void aclint_sswi_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    (void)size_bytes;
    if (offset / 4 >= aclint_hart_count(device)) {
        device_guest_error(device, "software interrupt for a hart that does not exist");
    } else if ((value & 1) != 0) {
        device_set_output(device, (unsigned)(offset / 4), true);
    }
}

static void aclint_sswi_fdt(const struct device *device, const struct device_place *place,
                            struct fdt_build *fdt)
{
    u32 cells[ACLINT_MAX_HARTS * 2];
    unsigned count = 0;
    for (unsigned h = 0; h < aclint_hart_count(device); h++) {
        cells[count++] = place->cpu_irq_phandles[h];
        cells[count++] = 1; /* supervisor software */
    }
    fdt_build_begin_at(fdt, "sswi", place->gpa[0]);
    fdt_build_u32(fdt, "#interrupt-cells", 0);
    fdt_build_empty(fdt, "interrupt-controller");
    fdt_build_cells(fdt, "interrupts-extended", cells, count);
    fdt_build_reg(fdt, place->gpa[0], ACLINT_SSWI_REGION_BYTES);
    fdt_build_string(fdt, "compatible", "riscv,aclint-sswi");
    fdt_build_end(fdt);
}

static const struct device_region aclint_sswi_regions[] = {{
    .size_bytes = ACLINT_SSWI_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .flags = DEVICE_REGION_UNLOCKED, /* there is nothing to lock */
    .min_bytes = 4,
    .max_bytes = 4,
    .read = aclint_sswi_read,
    .write = aclint_sswi_write,
}};

const struct device_class aclint_sswi_class = {
    .name = "aclint-sswi",
    .summary = "supervisor software interrupts of each hart",
    .regions = aclint_sswi_regions,
    .region_count = ARRAY_LEN(aclint_sswi_regions),
    .fdt = aclint_sswi_fdt,
};
