/* How a hart waits for an interrupt with the real clock: asleep in a futex on its request word,
 * which whoever kicks it wakes.
 *
 * A host wakes a thread some microseconds late, and the event loop's thread first and the hart's
 * then doubles that. So one of the waiting harts, the timekeeper, sleeps only until shortly before
 * the next timer, spins for the rest, and fires the timer itself. How shortly is what the host was
 * late by so far. Spinning has a budget, a small share of the time that passes, so that an idle
 * guest stays idle. Who waits for one near timer after the other is at work, and is not put to
 * sleep: that would make each of them late, by more than it was set to. */
#include "cpu/base/host_time.h"
#include "translate/engine_private.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    LATE_MAX_NS = 30000,
    AWAY_NS = 20000,            /* nothing else takes a spinning thread so long */
    SPIN_SHARE = 200,           /* of the time that passes, the part that may be spun */
    AWAY_LONG_NS = 300000,
    NEAR_NS = 50000,            /* sleeping is not worth while */
    NEAR_IN_A_ROW = 8,
    NEAR_NOT_COUNTED = 2000,    /* after the thread lost its processor */
    SPIN_SAVED_MAX_NS = 50000000, /* and how much of it is kept for later */
};

static const u64 ns_per_s = 1000000000;

static bool is_requested(struct vcpu *vcpu)
{
    return atomic_load(&vcpu->requests) != 0;
}

/* Until a kick, or that moment of the host's monotonic clock; ~0: none. */
static void sleep_until(struct vcpu *vcpu, u64 host_ns_or_never)
{
    struct timespec until = {
        .tv_sec = (time_t)(host_ns_or_never / ns_per_s),
        .tv_nsec = (long)(host_ns_or_never % ns_per_s),
    };
    syscall(SYS_futex, &vcpu->requests, FUTEX_WAIT_BITSET_PRIVATE, 0,
            host_ns_or_never == ~(u64)0 ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* What the hart may spin, with what it earned since the last time. */
static u64 spin_budget(struct engine_wait *wait, u64 now_ns)
{
    u64 earned_ns = (now_ns - wait->earned_until_ns) / SPIN_SHARE;
    wait->earned_until_ns = now_ns;
    wait->spin_saved_ns += earned_ns;
    if (wait->spin_saved_ns > SPIN_SAVED_MAX_NS) {
        wait->spin_saved_ns = SPIN_SAVED_MAX_NS;
    }
    return wait->spin_saved_ns < wait->late_ns ? wait->spin_saved_ns : wait->late_ns;
}

static void note_late(struct engine_wait *wait, u64 late_ns)
{
    late_ns = late_ns < LATE_MAX_NS ? late_ns : LATE_MAX_NS;
    wait->late_ns = (7 * wait->late_ns + late_ns) / 8;
}

/* The host took the processor in the midst of a near wait: now and then it does so for its own
 * timer, for long or often when it has other work. */
static void note_away(struct engine_wait *wait, u64 away_ns)
{
    enum { AWAY_WAITS = 16, AWAY_MAX_WAITS = 64 };
    wait->away_waits += AWAY_WAITS;
    if (away_ns > AWAY_LONG_NS || wait->away_waits > AWAY_MAX_WAITS) {
        wait->near_waits = -NEAR_NOT_COUNTED;
        wait->away_waits = 0;
    }
}

/* False: a request came first. On a host that has other work for its processors, a thread that
 * spins loses its turn, and one that sleeps gets it soon: then spinning ends for long. */
static bool spin_until(struct vcpu *vcpu, struct engine_wait *wait, u64 now_ns, u64 due_ns)
{
    while (now_ns < due_ns && !is_requested(vcpu)) {
        u64 later_ns = host_time_ns();
        u64 spun_ns = later_ns - now_ns;
        bool was_away = spun_ns > AWAY_NS;
        if (was_away && wait->near_waits == NEAR_IN_A_ROW) {
            note_away(wait, spun_ns);
        }
        wait->spin_saved_ns -= was_away || spun_ns > wait->spin_saved_ns ? wait->spin_saved_ns
                                                                         : spun_ns;
        now_ns = later_ns;
    }
    return now_ns >= due_ns;
}

/* While near timers come in a row, the host's own timer is off: its interrupt takes longer than
 * that. Harts that run look at the time whenever they stop for a sample. */
static void set_watched(struct vcpu *vcpu, bool watched)
{
    struct engine *engine = vcpu->engine;
    if (atomic_load_explicit(&engine->wait.watched, memory_order_relaxed) != watched) {
        atomic_store_explicit(&engine->wait.watched, watched, memory_order_relaxed);
        engine->machine_ops.timers_are_watched(vcpu, watched);
    }
}

/* The part of a wait of wait_ns that is spun. */
static u64 spin_ns(struct vcpu *vcpu, u64 now_ns, u64 wait_ns)
{
    struct engine_wait *wait = &vcpu->engine->wait;
    u64 budget_ns = spin_budget(wait, now_ns);
    bool near = wait_ns <= NEAR_NS && vcpu->engine->tier2[vcpu->index].sample_insns != 0;
    wait->near_waits = near && wait->near_waits < NEAR_IN_A_ROW   ? wait->near_waits + 1
                       : near || wait->near_waits < 0 ? wait->near_waits
                                                      : 0;
    wait->away_waits -= wait->away_waits != 0;
    set_watched(vcpu, wait->near_waits == NEAR_IN_A_ROW);
    return wait->near_waits == NEAR_IN_A_ROW ? wait_ns : budget_ns;
}

static void keep_time(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    struct engine_wait *wait = &engine->wait;
    u64 due_ns = engine->machine_ops.next_timer_host_ns(vcpu);
    u64 now_ns = host_time_ns();
    u64 wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    u64 spun_ns = spin_ns(vcpu, now_ns, wait_ns);
    if (wait_ns > spun_ns) {
        u64 until_ns = due_ns == ~(u64)0 ? due_ns : due_ns - spun_ns;
        sleep_until(vcpu, until_ns);
        now_ns = host_time_ns();
        if (is_requested(vcpu) || now_ns < until_ns) {
            return;
        }
        note_late(wait, now_ns - until_ns);
    }
    if (spin_until(vcpu, wait, now_ns, due_ns)) {
        engine->machine_ops.run_timers(vcpu);
    }
}

void engine_wait(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    engine_run_leave(engine);
    vcpu->engine_running = false;
    atomic_store(&vcpu->waiting, true);
    u32 nobody = 0;
    bool keeps = engine->machine_ops.run_timers != NULL &&
                 atomic_compare_exchange_strong(&engine->wait.timekeeper, &nobody, vcpu->index + 1);
    while (!is_requested(vcpu)) {
        if (keeps) {
            keep_time(vcpu);
        } else {
            sleep_until(vcpu, ~(u64)0);
        }
    }
    if (keeps) {
        atomic_store(&engine->wait.timekeeper, 0);
    }
    atomic_store(&vcpu->waiting, false);
    engine_run_enter(engine);
    vcpu->engine_running = true;
}
