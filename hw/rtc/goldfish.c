/* Google goldfish real-time clock (Android's GOLDFISH-VIRTUAL-HARDWARE.TXT).
 *
 *   0x00  TIME_LOW        read: latches the time, gives its low word; write: low word of a new time
 *   0x04  TIME_HIGH       high word of the latched time; write: of a new time
 *   0x08  ALARM_LOW       write: low word, arms the alarm
 *   0x0c  ALARM_HIGH      write: high word, first
 *   0x10  IRQ_ENABLED     bit 0
 *   0x14  CLEAR_ALARM     write: disarms
 *   0x18  ALARM_STATUS    1 while armed
 *   0x1c  CLEAR_INTERRUPT write: lowers the line
 *
 * Time is Unix time in ns, 64 bits. The chip asks the journal for the host's wall clock once, when
 * the machine is made, and from there on counts guest time, so that a paused or a replayed guest
 * sees no jumps; a guest may set it, which moves only its own view. */
#include "hw/rtc/goldfish.h"

#include "hw/fdt_build.h"

enum {
    RTC_TIME_LOW = 0x00,
    RTC_TIME_HIGH = 0x04,
    RTC_ALARM_LOW = 0x08,
    RTC_ALARM_HIGH = 0x0c,
    RTC_IRQ_ENABLED = 0x10,
    RTC_CLEAR_ALARM = 0x14,
    RTC_ALARM_STATUS = 0x18,
    RTC_CLEAR_INTERRUPT = 0x1c,
    RTC_REGION_BYTES = 0x1000,
};

struct rtc_saved {
    u64 offset_ns; /* wall time minus guest time, modulo 2^64 */
    u64 alarm_ns;
    u32 time_high; /* latched by a read of TIME_LOW */
    u32 alarm_high;
    u32 irq_enabled;
    bool armed;
    bool pending;
    u8 unused[2]; /* padding, spelled out */
};

#define RTC_SAVED(FIELD, T) \
    FIELD(T, offset_ns) FIELD(T, alarm_ns) FIELD(T, time_high) FIELD(T, alarm_high) \
    FIELD(T, irq_enabled) FIELD(T, armed) FIELD(T, pending) FIELD(T, unused)
STATE_LIST(rtc_saved, struct rtc_saved, RTC_SAVED);

struct rtc {
    struct rtc_saved saved;
    struct timer timer;
};

static u64 rtc_now_ns(const struct device *device)
{
    const struct rtc *rtc = device->state;
    return clock_now_ns(device->env->clock) + rtc->saved.offset_ns;
}

/* Raises the line when the alarm's time has come, arms the timer when it has not. */
static void rtc_update(struct device *device)
{
    struct rtc *rtc = device->state;
    u64 now_ns = rtc_now_ns(device);
    u64 fire_ns = CLOCK_NEVER_NS;
    if (rtc->saved.armed && rtc->saved.alarm_ns <= now_ns) {
        rtc->saved.armed = false;
        rtc->saved.pending = true;
    } else if (rtc->saved.armed) {
        u64 guest_ns = clock_now_ns(device->env->clock);
        u64 ahead_ns = rtc->saved.alarm_ns - now_ns;
        fire_ns = ahead_ns < CLOCK_NEVER_NS - guest_ns ? guest_ns + ahead_ns : CLOCK_NEVER_NS;
    }
    timer_arm_at_ns(&rtc->timer, fire_ns);
    device_set_output(device, 0, rtc->saved.pending && (rtc->saved.irq_enabled & 1) != 0);
}

static void rtc_fire(void *opaque)
{
    struct device *device = opaque;
    device_lock(device);
    rtc_update(device);
    device_unlock(device);
}

static u64 rtc_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct rtc *rtc = device->state;
    (void)size_bytes;
    u64 now_ns;
    switch (offset) {
    case RTC_TIME_LOW:
        now_ns = rtc_now_ns(device);
        rtc->saved.time_high = (u32)(now_ns >> 32);
        return (u32)now_ns;
    case RTC_TIME_HIGH: return rtc->saved.time_high;
    case RTC_ALARM_LOW: return (u32)rtc->saved.alarm_ns;
    case RTC_ALARM_HIGH: return rtc->saved.alarm_high;
    case RTC_IRQ_ENABLED: return rtc->saved.irq_enabled;
    case RTC_ALARM_STATUS: return rtc->saved.armed;
    default: device_guest_error(device, "read of a register that cannot be read"); return 0;
    }
}

/* Moves the clock so that one word of the time is `value` now. */
static void rtc_set_time(struct device *device, u64 keep_mask, u64 value)
{
    struct rtc *rtc = device->state;
    u64 now_ns = rtc_now_ns(device);
    u64 wanted_ns = (now_ns & keep_mask) | value;
    rtc->saved.offset_ns += wanted_ns - now_ns;
}

static void rtc_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct rtc *rtc = device->state;
    (void)size_bytes;
    switch (offset) {
    case RTC_TIME_LOW: rtc_set_time(device, ~(u64)UINT32_MAX, value); break;
    case RTC_TIME_HIGH: rtc_set_time(device, UINT32_MAX, value << 32); break;
    case RTC_ALARM_LOW:
        rtc->saved.alarm_ns = (u64)rtc->saved.alarm_high << 32 | value;
        rtc->saved.armed = true;
        break;
    case RTC_ALARM_HIGH: rtc->saved.alarm_high = (u32)value; break;
    case RTC_IRQ_ENABLED: rtc->saved.irq_enabled = value & 1; break;
    case RTC_CLEAR_ALARM: rtc->saved.armed = false; break;
    case RTC_CLEAR_INTERRUPT: rtc->saved.pending = false; break;
    default: device_guest_error(device, "write to a register that cannot be written"); return;
    }
    rtc_update(device);
}

static bool rtc_init(struct device *device, struct metic_error *error)
{
    struct rtc *rtc = device->state;
    (void)error;
    timer_init(&rtc->timer, device->env->clock, rtc_fire, device);
    rtc->saved.offset_ns =
        journal_wall_ns(device->env->journal) - clock_now_ns(device->env->clock);
    return true;
}

static void rtc_fini(struct device *device)
{
    struct rtc *rtc = device->state;
    timer_fini(&rtc->timer);
}

/* The clock goes on through a reset, as one with a battery does. */
static void rtc_reset(struct device *device)
{
    struct rtc *rtc = device->state;
    rtc->saved = (struct rtc_saved){.offset_ns = rtc->saved.offset_ns};
    rtc_update(device);
}

static bool rtc_restored(struct device *device, struct metic_error *error)
{
    (void)error;
    rtc_update(device);
    return true;
}

static void rtc_fdt(const struct device *device, const struct device_place *place,
                    struct fdt_build *fdt)
{
    (void)device;
    fdt_build_begin_at(fdt, "rtc", place->gpa[0]);
    device_place_fdt_irq(place, fdt);
    fdt_build_reg(fdt, place->gpa[0], RTC_REGION_BYTES);
    fdt_build_string(fdt, "compatible", "google,goldfish-rtc");
    fdt_build_end(fdt);
}

static const struct device_region rtc_regions[] = {{
    .size_bytes = RTC_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .min_bytes = 4,
    .max_bytes = 4,
    .read = rtc_read,
    .write = rtc_write,
}};

const struct device_class goldfish_rtc_class = {
    .name = "goldfish-rtc",
    .summary = "real-time clock with alarm",
    .state_bytes = sizeof(struct rtc),
    .regions = rtc_regions,
    .region_count = ARRAY_LEN(rtc_regions),
    .init = rtc_init,
    .fini = rtc_fini,
    .reset = rtc_reset,
    .saved = &rtc_saved,
    .saved_offset = offsetof(struct rtc, saved),
    .restored = rtc_restored,
    .fdt = rtc_fdt,
};
