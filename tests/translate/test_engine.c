/* The engine without a board: how its run loop ends, and how long blocks become. */
#include "translate/engine.h"

#include "cpu/guest.h"
#include "cpu/riscv64/state.h"
#include "tests/support/engine_rig.h"
#include "translate/engine_private.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

static const enum engine_kind kinds[] = { ENGINE_INTERP, ENGINE_JIT, ENGINE_BOTH };

static struct engine_rig *start(struct rv_program *p, struct engine_options options)
{
    struct engine_rig *rig = engine_rig_new(1, &options);
    rv_finish(p);
    engine_rig_load(rig, p);
    rv_free(p);
    return rig;
}

static enum engine_stop run(struct engine_rig *rig, u64 limit_insns)
{
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->limit_insns = limit_insns;
    atomic_store(&vcpu->deadline, 0);
    return engine_run(vcpu);
}

/* A long straight run of additions, then a jump to its start. */
static struct rv_program *additions(unsigned count)
{
    struct rv_program *p = rv_new();
    rv_label(p, 1);
    for (unsigned i = 0; i < count; i++) {
        rv_addi(p, A0, A0, 1);
    }
    rv_j(p, 1);
    return p;
}

Test(engine, stops_exactly_at_its_limit)
{
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        struct engine_options options = {
            .kind = kinds[k], .exact_deadlines = true, .no_links = kinds[k] == ENGINE_BOTH
        };
        struct engine_rig *rig = start(additions(100), options);
        const struct vcpu *vcpu = rig->engine->vcpus[0];
        for (u64 limit = 1; limit < 3000; limit += 1 + limit / 7) {
            cr_assert(run(rig, limit) == ENGINE_STOP_LIMIT);
            cr_assert(vcpu->insns == limit, "engine %u: %llu, not %llu", k,
                      (unsigned long long)vcpu->insns, (unsigned long long)limit);
            cr_assert((vcpu->pc - RV_BASE) / 4 == limit % 101, "engine %u", k);
        }
        engine_rig_free(rig);
    }
}

Test(engine, stops_soon_after_its_limit_otherwise)
{
    for (unsigned k = 0; k < 2; k++) {
        struct engine_options options = { .kind = kinds[k] };
        struct engine_rig *rig = start(additions(10), options);
        cr_expect(run(rig, 1000) == ENGINE_STOP_LIMIT);
        u64 insns = rig->engine->vcpus[0]->insns;
        cr_expect(insns >= 1000 && insns < 1200, "%llu", (unsigned long long)insns);
        engine_rig_free(rig);
    }
}

static void *kick_soon(void *opaque)
{
    struct timespec moment = { .tv_nsec = 20000000 };
    nanosleep(&moment, NULL);
    vcpu_kick(opaque, VCPU_REQUEST_STOP);
    return NULL;
}

static void stop_by_kick(struct rv_program *p, enum engine_kind kind)
{
    struct engine_options options = { .kind = kind };
    struct engine_rig *rig = start(p, options);
    pthread_t thread;
    pthread_create(&thread, NULL, kick_soon, rig->engine->vcpus[0]);
    cr_expect(run(rig, UINT64_MAX) == ENGINE_STOP_REQUEST);
    pthread_join(thread, NULL);
    engine_rig_free(rig);
}

/* Stops an endless loop, a loop in one instruction, and a hart asleep. */
Test(engine, stopped_by_a_kick, .timeout = 30)
{
    for (unsigned k = 0; k < 2; k++) {
        stop_by_kick(additions(3), kinds[k]);
        stop_by_kick(additions(0), kinds[k]);
        struct rv_program *p = rv_new();
        rv_label(p, 1);
        rv_word(p, RV_WFI);
        rv_j(p, 1);
        stop_by_kick(p, kinds[k]);
    }
}

/* A hart's timer goes off in the very moment in which the machine stops: the interrupt is there
 * when it goes on, for the timer will not go off again. */
Test(engine, a_timer_that_goes_off_as_it_stops_is_not_lost)
{
    struct engine_options options = { .kind = ENGINE_JIT };
    struct engine_rig *rig = start(additions(3), options);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    struct riscv64_state *state = riscv64_of(vcpu);
    state->menvcfg |= BIT(63); /* STCE */
    state->stimecmp = 0;
    vcpu_kick(vcpu, VCPU_REQUEST_STOP);
    vcpu_kick(vcpu, VCPU_REQUEST_IRQ);
    cr_expect(run(rig, UINT64_MAX) == ENGINE_STOP_REQUEST);
    cr_expect(state->stip_timer);
    engine_rig_free(rig);
}

Test(engine, waits_only_where_it_may_sleep)
{
    struct rv_program *p = rv_new();
    rv_word(p, RV_WFI);
    rv_li(p, A0, 7);
    rv_label(p, 1);
    rv_j(p, 1);
    struct engine_options options = { .kind = ENGINE_JIT, .exact_deadlines = true };
    struct engine_rig *rig = start(p, options);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    u64 a0 = 1;
    const struct guest *guest = vcpu->guest;
    cr_expect(run(rig, 100) == ENGINE_STOP_WAIT);
    cr_expect(run(rig, 100) == ENGINE_STOP_WAIT, "nothing has woken it");
    for (unsigned i = 0; i < guest->reg_count; i++) {
        if (strcmp(guest->regs[i].name, "a0") == 0) {
            a0 = ld_le((const u8 *)vcpu + guest->regs[i].offset, 8);
        }
    }
    cr_expect(a0 == 0, "it went on");
    engine_rig_free(rig);
}

Test(engine, blocks_are_no_longer_than_asked)
{
    for (unsigned limit = 1; limit <= ENGINE_DEFAULT_BLOCK_INSNS; limit *= 4) {
        struct engine_options options = { .kind = ENGINE_JIT, .block_insns = limit };
        struct engine_rig *rig = start(additions(64), options);
        run(rig, 100000);
        const struct engine_stats *stats = &rig->engine->stats;
        cr_expect(stats->guest_insns <= stats->blocks * limit, "%u: %llu in %llu blocks", limit,
                  (unsigned long long)stats->guest_insns, (unsigned long long)stats->blocks);
        cr_expect(stats->guest_insns >= 65);
        engine_rig_free(rig);
    }
}

/* Code that a block begins with is not translated again at the end of another. */
Test(engine, blocks_end_where_others_begin)
{
    struct engine_options options = { .kind = ENGINE_JIT, .no_tier0 = true };
    struct engine_rig *rig = start(additions(60), options);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->pc = RV_BASE + 40 * 4;
    run(rig, 100000);
    cr_expect(rig->engine->stats.guest_insns == 61);
    cr_expect(rig->engine->stats.blocks == 2);
    cr_expect(vcpu->insns >= 100000 && vcpu->insns < 100100);
    engine_rig_free(rig);
}

/* Where its first runs never came to, behind a branch that was taken each time, code is translated
 * when it is reached. */
Test(engine, blocks_end_behind_branches_that_were_always_taken)
{
    enum { SKIPPED = 40, ALL = 1 + 1 + SKIPPED + 1 };
    u64 translated[2];
    for (unsigned tier0 = 0; tier0 < 2; tier0++) {
        struct rv_program *p = rv_new();
        rv_label(p, 1);
        rv_addi(p, A0, A0, 1);
        rv_beq(p, A1, X0, 2);
        for (unsigned i = 0; i < SKIPPED; i++) {
            rv_addi(p, A2, A2, 1);
        }
        rv_label(p, 2);
        rv_j(p, 1);
        struct engine_options options = { .kind = ENGINE_JIT, .no_tier0 = tier0 == 0,
                                          .no_tier2 = true };
        struct engine_rig *rig = start(p, options);
        u64 *x = ((struct riscv64_state *)rig->engine->vcpus[0])->x;
        run(rig, 1000);
        translated[tier0] = rig->engine->stats.guest_insns;
        cr_expect(x[A2] == 0);
        x[A1] = 1;
        run(rig, 2000);
        cr_expect(x[A2] != 0 && x[A2] % SKIPPED == 0);
        engine_rig_free(rig);
    }
    cr_expect(translated[0] == ALL + 1, "%llu", (unsigned long long)translated[0]);
    cr_expect(translated[1] == 3, "%llu", (unsigned long long)translated[1]);
}

/* Where tier 0 came by a jump a block is going to begin; so what runs into it ends there, though it
 * is translated first. */
Test(engine, blocks_end_where_tier_0_came_by_a_jump)
{
    enum { HEAD = 5, LOOP = 3, REST = 1 };
    for (unsigned tier0 = 0; tier0 < 2; tier0++) {
        struct rv_program *p = rv_new();
        rv_label(p, 1);
        for (unsigned i = 0; i < HEAD - 1; i++) {
            rv_addi(p, A0, A0, 1);
        }
        rv_addi(p, A3, X0, 2);
        rv_label(p, 2);
        rv_addi(p, A1, A1, 1);
        rv_addi(p, A3, A3, -1);
        rv_bne(p, A3, X0, 2);
        rv_j(p, 1);
        struct engine_options options = { .kind = ENGINE_JIT, .no_tier0 = tier0 == 0,
                                          .no_tier2 = true };
        struct engine_rig *rig = start(p, options);
        const u64 *x = ((struct riscv64_state *)rig->engine->vcpus[0])->x;
        run(rig, 12 * 100);
        u64 translated = rig->engine->stats.guest_insns;
        unsigned twice = tier0 == 0 ? LOOP : 0;
        cr_expect(translated == HEAD + LOOP + REST + twice, "%llu",
                  (unsigned long long)translated);
        cr_expect(x[A0] >= 4 * 99 && x[A1] >= 2 * 99);
        engine_rig_free(rig);
    }
}

/* Behind a branch tier 0 ends before what it leaves to the translator; what stands before the
 * branch is not translated for that. */
Test(engine, tier_0_runs_up_to_what_is_not_for_it)
{
    struct rv_program *p = rv_new();
    rv_label(p, 1);
    rv_addi(p, A0, A0, 1);
    rv_beq(p, A1, X0, 2);
    rv_csrr(p, A2, CSR_MSCRATCH);
    rv_label(p, 2);
    rv_addi(p, A3, A3, 1);
    rv_j(p, 1);
    struct engine_options options = { .kind = ENGINE_JIT, .no_tier2 = true };
    struct engine_rig *rig = start(p, options);
    u64 *x = ((struct riscv64_state *)rig->engine->vcpus[0])->x;
    x[A1] = 1;
    run(rig, 4);
    cr_expect(rig->engine->stats.guest_insns == 3, "%llu",
              (unsigned long long)rig->engine->stats.guest_insns);
    cr_expect(rig->engine->direct_runs[0] == 1);
    cr_expect(x[A0] == 1);
    run(rig, 1000);
    cr_expect(rig->engine->stats.guest_insns == 5, "%llu",
              (unsigned long long)rig->engine->stats.guest_insns);
    cr_expect(x[A0] >= 200 && x[A0] - x[A3] <= 1);
    engine_rig_free(rig);
}

/* Linked blocks do not come back to the engine; without links each one does. */
Test(engine, links_keep_the_engine_out)
{
    u64 exits[2];
    for (unsigned links = 0; links < 2; links++) {
        struct engine_options options = { .kind = ENGINE_JIT, .block_insns = 4,
                                          .no_links = links == 0 };
        struct engine_rig *rig = start(additions(64), options);
        run(rig, 100000);
        exits[links] = 0;
        for (unsigned n = 0; n < ARRAY_LEN(rig->engine->vcpus[0]->engine_exits); n++) {
            exits[links] += rig->engine->vcpus[0]->engine_exits[n];
        }
        engine_rig_free(rig);
    }
    cr_expect(exits[0] > 20000 && exits[1] < 200, "%llu without, %llu with links",
              (unsigned long long)exits[0], (unsigned long long)exits[1]);
}

/* Between fetching code from flash and looking at it, another hart may take the flash out of the
 * mode in which it can be read. What was fetched runs as it was. */
Test(engine, code_of_flash_runs_though_another_hart_gives_it_a_command)
{
    enum { FLASH = 0x20000000, C_ADDI_A0_1 = 0x0505, C_JR_RA = 0x8082 };
    struct engine_options options = { .kind = ENGINE_JIT };
    struct engine_rig *rig = start(additions(1), options);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    struct metic_error error;
    struct fetched fetched;
    enum ir_exit how = IR_EXIT_RAISED;
    const u16 code[] = { C_ADDI_A0_1, C_JR_RA };
    u64 *x = ((struct riscv64_state *)vcpu)->x;
    cr_assert(memory_add_romd(&rig->memory, "flash", FLASH, PAGE_BYTES, NULL, NULL, &error));
    cr_assert(memory_load(&rig->memory, FLASH, code, sizeof(code)));
    vcpu->pc = FLASH;
    x[1] = RV_BASE;
    cr_assert(pipeline_fetch(vcpu, &fetched));
    memory_set_direct(&rig->memory, memory_find(&rig->memory, FLASH), false);
    cr_expect(pipeline_run_direct(vcpu, &fetched, &how));
    cr_expect(how == IR_EXIT_IND && vcpu->pc == RV_BASE && x[10] == 1 && vcpu->insns == 2);
    memory_set_direct(&rig->memory, memory_find(&rig->memory, FLASH), true);
    engine_rig_free(rig);
}
