/* See host_clock.h. */
#include "cpu/base/host_clock.h"

#include "cpu/base/host_time.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    SCALE_BITS = 32,
    STRETCH_NS = 4000000,
    RATE_MIN_NS = 1000000, /* between moments of which a rate is made */
    RATE_MAX_NS = 1000000000,
    SKEW_TICKS = 1 << 20, /* by which a counter may be behind another processor's */
};

/* The rate since the last moment, if that was not too lately or too long ago. Linux corrects its
 * clock by less than a thousandth: what differs by more is a counter that stood or was set. */
static void take_rate(struct host_clock *clock, u64 ticks, u64 ns)
{
    u64 passed_ns = ns - clock->seen_ns;
    if (clock->seen_ns != 0 && passed_ns < RATE_MIN_NS) {
        return;
    }
    u64 rate = 0;
    if (clock->seen_ns != 0 && ticks > clock->seen_ticks && passed_ns < RATE_MAX_NS) {
        rate = (passed_ns << SCALE_BITS) / (ticks - clock->seen_ticks);
        u64 differs = rate > clock->rate ? rate - clock->rate : clock->rate - rate;
        clock->steady = clock->rate != 0 && differs <= clock->rate / 1000;
        clock->rate = rate;
    } else if (ticks <= clock->seen_ticks) {
        clock->steady = false;
        clock->rate = 0;
    }
    clock->seen_ticks = ticks;
    clock->seen_ns = ns;
}

static void stretch_set(struct host_clock *clock, const struct host_stretch *stretch)
{
    struct host_stretch *now = &clock->stretch;
    __atomic_store_n(&clock->sequence, clock->sequence + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&now->begin_ticks, stretch->begin_ticks, __ATOMIC_RELAXED);
    __atomic_store_n(&now->length_ticks, stretch->length_ticks, __ATOMIC_RELAXED);
    __atomic_store_n(&now->begin_ns, stretch->begin_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&now->scale, stretch->scale, __ATOMIC_RELAXED);
    __atomic_store_n(&clock->sequence, clock->sequence + 1, __ATOMIC_RELEASE);
}

/* From `begin_ns`, now, to what the clock, which now is at `ns`, will say at the end. */
static void stretch_begin(struct host_clock *clock, u64 ticks, u64 begin_ns, u64 ns)
{
    struct host_stretch stretch = {.begin_ticks = ticks, .begin_ns = begin_ns};
    u64 end_ns = ns + STRETCH_NS;
    if (clock->steady && begin_ns < end_ns) {
        stretch.length_ticks = ((u64)STRETCH_NS << SCALE_BITS) / clock->rate;
        stretch.scale = ((end_ns - begin_ns) << SCALE_BITS) / stretch.length_ticks;
    }
    stretch_set(clock, &stretch);
}

u64 host_clock_set(struct host_clock *clock, u64 ticks, u64 ns)
{
    const struct host_stretch *stretch = &clock->stretch;
    if (host_stretch_holds(stretch, ticks)) {
        return host_stretch_ns(stretch, ticks);
    }
    if (stretch->length_ticks != 0) {
        if (stretch->begin_ticks - ticks < SKEW_TICKS) {
            return stretch->begin_ns; /* counted just before the stretch began */
        }
        clock->least_ns = host_stretch_ns(stretch, stretch->begin_ticks + stretch->length_ticks);
    }
    take_rate(clock, ticks, ns);
    clock->least_ns = ns > clock->least_ns ? ns : clock->least_ns;
    stretch_begin(clock, ticks, clock->least_ns, ns);
    return clock->least_ns;
}

/* --- this host's --- */

static struct host_clock host;
static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;
static bool host_has_counter;

#if defined(__x86_64__)
#include <x86intrin.h>
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#else
#include <cpuid.h>
#endif

/* Not before what the thread did earlier is done: else a hart could read an older time than another
 * one told it in memory. */
static inline u64 host_ticks(void)
{
    _mm_lfence();
    return __rdtsc();
}

/* Runs at one rate in all states of the processor (AMD APM volume 3, E.4.7, "TscInvariant"). */
static bool counter_is_invariant(void)
{
#ifdef CPU_FEATURE_PRESENT
    return CPU_FEATURE_PRESENT(INVARIANT_TSC); /* asked when the process began */
#else
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d >> 8 & 1) != 0;
#endif
}
#else
static inline u64 host_ticks(void)
{
    return 0;
}

static bool counter_is_invariant(void)
{
    return false;
}
#endif

/* Linux takes another one when the processors' counters differ. */
static bool clock_is_counter(void)
{
    char name[16] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    if (file != NULL) {
        if (fgets(name, sizeof(name), file) == NULL) {
            name[0] = '\0';
        }
        fclose(file);
    }
    return strcmp(name, "tsc\n") == 0;
}

static void find_counter(void)
{
    host_has_counter = counter_is_invariant() && clock_is_counter();
}

void host_clock_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_counter);
}

/* Both clocks at one moment, as exactly as a few attempts give. */
static u64 host_moment(u64 *ticks)
{
    enum { ATTEMPTS = 2 };
    u64 best = ~(u64)0, best_ns = 0;
    for (unsigned n = 0; n < ATTEMPTS; n++) {
        u64 before = host_ticks();
        u64 ns = host_time_ns();
        u64 took = host_ticks() - before;
        if (took < best) {
            best = took;
            best_ns = ns;
            *ticks = before + took / 2;
        }
    }
    return best_ns;
}

static NOINLINE u64 set_host(void)
{
    u64 ticks = 0;
    pthread_mutex_lock(&host_lock);
    u64 moment_ns = host_moment(&ticks);
    u64 ns = host_clock_set(&host, ticks, moment_ns);
    pthread_mutex_unlock(&host_lock);
    return ns;
}

/* False: it is just being changed. */
static inline bool read_stretch(struct host_stretch *stretch)
{
    u32 sequence = __atomic_load_n(&host.sequence, __ATOMIC_ACQUIRE);
    stretch->begin_ticks = __atomic_load_n(&host.stretch.begin_ticks, __ATOMIC_RELAXED);
    stretch->length_ticks = __atomic_load_n(&host.stretch.length_ticks, __ATOMIC_RELAXED);
    stretch->begin_ns = __atomic_load_n(&host.stretch.begin_ns, __ATOMIC_RELAXED);
    stretch->scale = __atomic_load_n(&host.stretch.scale, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return (sequence & 1) == 0 &&
           __atomic_load_n(&host.sequence, __ATOMIC_RELAXED) == sequence;
}

u64 host_clock_ns(void)
{
    if (UNLIKELY(!host_has_counter)) {
        return host_time_ns();
    }
    struct host_stretch stretch;
    if (LIKELY(read_stretch(&stretch))) {
        u64 ticks = host_ticks(); /* of a stretch that ended meanwhile this is behind the end */
        if (LIKELY(host_stretch_holds(&stretch, ticks))) {
            return host_stretch_ns(&stretch, ticks);
        }
    }
    return set_host();
}
