/* Samples of where harts are: metic.h's profiles. By instructions they come from the engine, one in
 * each so many; by time a thread of ours asks. */
#include "hw/machine/machine.h"
#include "hw/machine/machine_guest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    FRAME_BYTES = 16, MAX_FRAME_BYTES = 1 << 20,
    /* Far more than a trace has between two polls, and some microseconds of the host's. */
    TIME_SPREAD_INSNS = 8192,
};

struct machine_profile {
    struct metic_machine *machine;
    struct metic_profile_options options;
    pthread_mutex_t lock; /* around the consumer */
    pthread_t thread;
    bool has_thread;
    _Atomic bool ends;
    struct guest_tasks tasks;
    u32 ra, sp, s0;
};

/* The chain of frames: a function that keeps a frame pointer has its return address and its
 * caller's frame pointer right below where s0 points (RISC-V ELF psABI, "Frame Pointer
 * Convention"). Appends return addresses; ends where that is not so. *frame: the frame pointer of
 * the last one. */
static u64 walk_frames(struct vcpu *vcpu, u64 floor, u64 *frame, struct metic_sample *sample)
{
    while (sample->depth < METIC_SAMPLE_DEPTH) {
        u64 words[2];
        if (*frame % 8 != 0 || *frame < floor || *frame - floor > MAX_FRAME_BYTES ||
            !guest_read_virtual(vcpu, *frame - FRAME_BYTES, words, sizeof(words)) ||
            words[1] == 0) {
            break;
        }
        sample->stack[sample->depth++] = words[1];
        floor = *frame;
        *frame = words[0];
    }
    return floor;
}

/* Linux's entry code leaves the program's registers on the kernel's stack, from pc on, where the
 * last frame ends; what stands in that for the caller's frame is the program's stack pointer or
 * frame pointer, by which it is known. */
static void walk_user(struct vcpu *vcpu, u64 entry_frame, u64 saved, struct metic_sample *sample)
{
    enum { PC = 0, SP = 2, S0 = 8 };
    u64 *regs = sample->user_regs;
    bool is_entry = sample->depth < METIC_SAMPLE_DEPTH && entry_frame >> 63 != 0 &&
                    guest_read_virtual(vcpu, entry_frame, regs, sizeof(sample->user_regs)) &&
                    (regs[S0] == saved || regs[SP] == saved) && regs[PC] >> 63 == 0 &&
                    regs[PC] != 0 && regs[SP] >> 63 == 0 && regs[SP] != 0;
    if (is_entry) {
        sample->stack[sample->depth++] = regs[PC];
        u64 frame = regs[S0];
        walk_frames(vcpu, regs[SP], &frame, sample);
    }
}

static void walk(struct machine_profile *profile, struct vcpu *vcpu, struct metic_sample *sample)
{
    u64 frame = guest_read_reg(vcpu, profile->s0);
    sample->stack[0] = vcpu->pc;
    sample->stack[1] = guest_read_reg(vcpu, profile->ra);
    sample->depth = 2;
    u64 last = walk_frames(vcpu, guest_read_reg(vcpu, profile->sp), &frame, sample);
    sample->user_from = sample->depth;
    if (sample->privilege == GUEST_PRIV_S) {
        walk_user(vcpu, last, frame, sample);
    }
}

static void tell(struct machine_profile *profile, const struct metic_sample *sample)
{
    pthread_mutex_lock(&profile->lock);
    profile->options.sample(profile->options.opaque, sample);
    pthread_mutex_unlock(&profile->lock);
}

static u64 sample_ns(const struct metic_machine *machine, const struct vcpu *vcpu)
{
    unsigned n = vcpu->index;
    return machine->in_turn
               ? machine->hart_ns[n] + vcpu->insns - machine->hart_start_insns[n]
               : clock_now_ns((struct clock *)(uintptr_t)&machine->clock);
}

static void on_sample(void *opaque, struct vcpu *vcpu)
{
    struct machine_profile *profile = opaque;
    struct metic_sample sample = {
        .hart = vcpu->index, .insns = vcpu->insns,
        .ns = sample_ns(profile->machine, vcpu), .privilege = vcpu->guest->privilege(vcpu),
        .waits = vcpu->wants_wait,
    };
    guest_tasks_context(&profile->tasks, vcpu, sample.privilege,
                        sample.privilege == GUEST_PRIV_S);
    guest_task_name(&profile->tasks, vcpu, sample.task);
    guest_read_virtual(vcpu, vcpu->pc, sample.code, sizeof(sample.code));
    walk(profile, vcpu, &sample);
    tell(profile, &sample);
}

/* By time: harts that wait do so without being asked. */
static void *timer_thread(void *opaque)
{
    struct machine_profile *profile = opaque;
    struct engine *engine = profile->machine->engine;
    u64 every = profile->options.every_ns;
    struct timespec pause = {(time_t)(every / 1000000000u), (long)(every % 1000000000u)};
    while (!atomic_load(&profile->ends)) {
        nanosleep(&pause, NULL);
        for (unsigned i = 0; i < engine->vcpu_count; i++) {
            struct vcpu *vcpu = engine->vcpus[i];
            if (!atomic_load(&vcpu->waiting)) {
                vcpu_kick(vcpu, VCPU_REQUEST_SAMPLE);
                continue;
            }
            struct metic_sample sample = {
                .hart = i, .insns = vcpu->insns, .ns = clock_now_ns(&profile->machine->clock),
                .privilege = GUEST_PRIV_S, .waits = true,
            };
            tell(profile, &sample);
        }
    }
    return NULL;
}

bool metic_profile_start(metic_machine *machine, const struct metic_profile_options *options,
                         struct metic_error *error)
{
    struct machine_profile *profile = calloc(1, sizeof(*profile));
    const struct guest *guest = machine->engine->guest;
    if (profile == NULL || machine->profile != NULL) {
        free(profile);
        return error_set(error, NULL, "there is a profile already, or no memory for one");
    }
    profile->machine = machine;
    profile->options = *options;
    profile->ra = guest_find_reg(guest, "ra");
    profile->sp = guest_find_reg(guest, "sp");
    profile->s0 = guest_find_reg(guest, "s0");
    profile->s0 = profile->s0 != 0 ? profile->s0 : guest_find_reg(guest, "fp");
    guest_tasks_init(&profile->tasks, guest);
    pthread_mutex_init(&profile->lock, NULL);
    const struct engine_sampler sampler = {
        .every_insns = options->every_ns != 0 ? 0 : options->every_insns,
        .spread_insns = options->every_ns != 0 ? (u64)TIME_SPREAD_INSNS : 0,
        .sample = on_sample, .opaque = profile,
    };
    engine_sample(machine->engine, &sampler);
    machine->profile = profile;
    if (options->every_ns != 0) {
        profile->has_thread = pthread_create(&profile->thread, NULL, timer_thread, profile) == 0;
        if (!profile->has_thread) {
            metic_profile_stop(machine);
            return error_set(error, NULL, "the host gives the profile no thread");
        }
    }
    return true;
}

void metic_profile_stop(metic_machine *machine)
{
    struct machine_profile *profile = machine->profile;
    if (profile == NULL) {
        return;
    }
    atomic_store(&profile->ends, true);
    if (profile->has_thread) {
        pthread_join(profile->thread, NULL);
    }
    const struct engine_sampler none = {.sample = NULL};
    engine_sample(machine->engine, &none);
    machine->profile = NULL;
    pthread_mutex_destroy(&profile->lock);
    free(profile);
}
