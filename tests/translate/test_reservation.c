/* Reservations of single load-reserved and store-conditional instructions: what breaks them, and
 * what does not; and load-reserveds that are only loads. */
#include "tests/support/engine_rig.h"
#include "translate/softmmu.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <unistd.h>

#define WORD (RV_BASE + 0x1000u)

static struct engine_rig *rig;
static struct vcpu *mine, *other;

static void setup(void)
{
    struct engine_options options = { .kind = ENGINE_INTERP };
    rig = engine_rig_new(2, &options);
    mine = rig->engine->vcpus[0];
    other = rig->engine->vcpus[1];
}

static void teardown(void)
{
    engine_rig_free(rig);
}

TestSuite(reservation, .init = setup, .fini = teardown);

static void reserve(struct vcpu *vcpu, gva_t gva)
{
    u64 value;
    cr_assert(engine_load_reserved(vcpu, gva, 8, &value));
}

static bool stores(struct vcpu *vcpu, gva_t gva, unsigned size_bytes)
{
    bool stored = false;
    cr_assert(engine_store_conditional(vcpu, gva, size_bytes, 1, &stored));
    return stored;
}

Test(reservation, pairs)
{
    reserve(mine, WORD);
    cr_expect(memory_page_flags(&rig->memory, WORD) & MEMORY_PAGE_RESERVED);
    cr_expect(stores(mine, WORD, 8));
    cr_expect(!stores(mine, WORD, 8), "each needs its own load");
    reserve(mine, WORD);
    cr_expect(!stores(mine, WORD + 64, 8), "another address");
    cr_expect(!stores(mine, WORD, 8), "a failed one ends it");
    reserve(mine, WORD);
    cr_expect(!stores(mine, WORD, 4), "another size");
    reserve(mine, WORD);
    reserve(mine, WORD + 256);
    cr_expect(!stores(mine, WORD, 8), "one at a time");
    reserve(mine, WORD);
    engine_reservation_drop(mine);
    cr_expect(!stores(mine, WORD, 8), "a trap");
    cr_expect(rig->engine->reservation_count == 0);
}

static bool is_watched(void)
{
    return (memory_page_flags(&rig->memory, WORD) & MEMORY_PAGE_RESERVED) != 0;
}

Test(reservation, a_page_stays_watched_while_that_pays)
{
    reserve(mine, WORD);
    cr_expect(stores(mine, WORD, 8) && is_watched());
    for (unsigned n = 0; n < 1000; n++) {
        softmmu_store(other, WORD + 256, 8, n);
        reserve(mine, WORD);
    }
    for (unsigned n = 0; n < 1000; n++) {
        softmmu_store(other, WORD + 256, 8, n);
    }
    cr_expect(is_watched(), "someone has a reservation");
    engine_reservation_drop(mine);
    for (unsigned n = 0; n < 1000 && is_watched(); n++) {
        softmmu_store(other, WORD + 256, 8, n);
    }
    cr_expect(!is_watched(), "nobody has");
    softmmu_store(other, WORD, 8, 5); /* has a write entry again */
    cr_expect(tlb_find(other, WORD & PAGE_MASK, true) != NULL);
    reserve(mine, WORD);
    cr_expect(is_watched() && tlb_find(other, WORD & PAGE_MASK, true) == NULL);
    softmmu_store(other, WORD, 8, 5);
    cr_expect(!stores(mine, WORD, 8));
}

Test(reservation, own_stores_break_nothing)
{
    softmmu_store(mine, WORD, 8, 1);
    reserve(mine, WORD);
    softmmu_store(mine, WORD, 8, 2);
    cr_expect(stores(mine, WORD, 8));
    reserve(mine, WORD);
    reserve(other, WORD);
    softmmu_store(mine, WORD + 8, 8, 2);
    cr_expect(softmmu_slow.amo(mine, WORD, 0, 0, 3 | (u32)IR_AMO_ADD << HOST_DESC_AMO_SHIFT) == 1);
    cr_expect(!stores(other, WORD, 8) && stores(mine, WORD, 8));
}

Test(reservation, stores_of_others)
{
    softmmu_store(other, WORD, 8, 5); /* has a write entry now */
    reserve(mine, WORD);
    cr_expect(tlb_find(other, WORD & PAGE_MASK, true) == NULL, "its write entry is taken away");
    softmmu_store(other, WORD, 8, 6);
    softmmu_store(other, WORD, 8, 5);
    cr_expect(!stores(mine, WORD, 8), "A-B-A");
    reserve(mine, WORD);
    softmmu_store(other, WORD + 128, 8, 1);
    cr_expect(stores(mine, WORD, 8), "another line of the page");
    reserve(mine, WORD);
    cr_expect(softmmu_slow.amo(other, WORD, 0, 0, 3 | (u32)IR_AMO_ADD << HOST_DESC_AMO_SHIFT) == 1);
    cr_expect(!stores(mine, WORD, 8), "an atomic that changes nothing");
    reserve(mine, WORD);
    softmmu_store(other, (WORD | 0xfff) - 3, 8, 1); /* over the page end */
    cr_expect(stores(mine, WORD, 8));
}

Test(reservation, two_harts_reserve_one_word)
{
    reserve(mine, WORD);
    reserve(other, WORD);
    cr_expect(stores(other, WORD, 8));
    cr_expect(!stores(mine, WORD, 8));
    reserve(mine, WORD);
    reserve(other, WORD + 64);
    cr_expect(stores(other, WORD + 64, 8) && stores(mine, WORD, 8), "they do not meet");
}

Test(reservation, dma)
{
    u8 bytes[128] = { 0 };
    reserve(mine, WORD);
    memory_dma_write(&rig->memory, WORD - 64, bytes, 64);
    cr_expect(stores(mine, WORD, 8), "up to the line");
    reserve(mine, WORD);
    memory_dma_write(&rig->memory, WORD - 64, bytes, 65);
    cr_expect(!stores(mine, WORD, 8));
    reserve(mine, WORD);
    memory_dma_write(&rig->memory, WORD - PAGE_BYTES, bytes, 1);
    cr_expect(stores(mine, WORD, 8), "another page");
}

Test(reservation, faults)
{
    u64 value;
    bool stored = true;
    cr_expect(!engine_load_reserved(mine, WORD + 4, 8, &value));
    cr_expect(mine->exception_cause == 4);
    mine->exception_pending = 0;
    cr_expect(!engine_load_reserved(mine, ENGINE_RIG_DEVICE, 8, &value));
    cr_expect(mine->exception_cause == 5);
    mine->exception_pending = 0;
    cr_expect(!engine_store_conditional(mine, ENGINE_RIG_DEVICE, 8, 1, &stored) && !stored);
    cr_expect(mine->exception_cause == 7 && rig->device_writes == 0);
}

/* --- an lr with no sc in sight --- */

enum { ROUNDS = 100000 };

static void *run_hart(void *opaque)
{
    engine_run(opaque);
    return NULL;
}

enum { DONE = 512, FAILED = 640, HARTS = 2 }; /* offsets from WORD */

static void tell_done(struct rv_program *p)
{
    rv_addi(p, S0, S0, FAILED);
    rv_amoadd_d(p, X0, S0, S2);
    rv_addi(p, S0, S0, DONE - FAILED);
    rv_addi(p, A0, X0, 1);
    rv_amoadd_d(p, X0, S0, A0);
    rv_label(p, 9);
    rv_j(p, 9);
    rv_finish(p);
}

/* Counts up by an lr and an sc that a jump keeps apart, and those of sc that failed. */
static struct rv_program *apart_program(void)
{
    struct rv_program *p = rv_new();
    rv_li(p, S0, WORD);
    rv_li(p, S1, ROUNDS);
    rv_label(p, 1);
    rv_lr_d(p, A0, S0);
    rv_addi(p, A0, A0, 1);
    rv_j(p, 2);
    rv_label(p, 3);
    rv_addi(p, S2, S2, 1);
    rv_j(p, 1);
    rv_label(p, 2);
    rv_sc_d(p, A1, S0, A0);
    rv_bne(p, A1, X0, 3);
    rv_addi(p, S1, S1, -1);
    rv_bne(p, S1, X0, 1);
    tell_done(p);
    return p;
}

/* Loads by an lr of which no sc knows. */
static struct rv_program *loads_program(void)
{
    struct rv_program *p = rv_new();
    rv_li(p, S0, WORD);
    rv_li(p, S1, ROUNDS);
    rv_label(p, 1);
    rv_lr_d(p, A0, S0);
    rv_sd(p, S1, S0, 128);
    rv_addi(p, S1, S1, -1);
    rv_bne(p, S1, X0, 1);
    tell_done(p);
    return p;
}

static u64 word_at(u32 offset)
{
    return atomic_load((_Atomic u64 *)(void *)memory_host(&rig->memory, WORD + offset, 8));
}

/* Until every hart is done. */
static void run_harts(struct rv_program *p, struct engine_options options)
{
    pthread_t harts[HARTS];
    engine_rig_free(rig);
    rig = engine_rig_new(HARTS, &options);
    engine_rig_load(rig, p);
    rv_free(p);
    for (unsigned i = 0; i < HARTS; i++) {
        pthread_create(&harts[i], NULL, run_hart, rig->engine->vcpus[i]);
    }
    while (word_at(DONE) != HARTS) {
        usleep(1000);
    }
    engine_kick_all(rig->engine, VCPU_REQUEST_STOP);
    for (unsigned i = 0; i < HARTS; i++) {
        pthread_join(harts[i], NULL);
    }
}

static const struct engine_options lone_options[] = {
    {.kind = ENGINE_INTERP}, {.kind = ENGINE_JIT, .no_tier2 = true}, {.kind = ENGINE_JIT},
    {.kind = ENGINE_JIT, .eager_tier2 = true, .no_tier0 = true},
};

Test(reservation, an_lr_far_from_its_sc_gets_a_reservation_when_that_comes, .timeout = 120)
{
    for (unsigned n = 0; n < ARRAY_LEN(lone_options); n++) {
        run_harts(apart_program(), lone_options[n]);
        cr_expect(word_at(0) == HARTS * ROUNDS, "%u: %llu", n, (unsigned long long)word_at(0));
        cr_expect(rig->engine->reservation_sites.at[0] == 0 && is_watched(), "%u", n);
    }
}

Test(reservation, an_lr_without_an_sc_is_a_load, .timeout = 120)
{
    for (unsigned n = 0; n < ARRAY_LEN(lone_options); n++) {
        run_harts(loads_program(), lone_options[n]);
        cr_expect(!is_watched() && rig->engine->reservation_count == 0, "%u", n);
    }
}

/* The only hart has run the program up to so many instructions. */
static struct vcpu *run_one_hart(struct rv_program *p, struct engine_options options,
                                 u64 limit_insns)
{
    engine_rig_free(rig);
    rig = engine_rig_new(1, &options);
    engine_rig_load(rig, p);
    rv_free(p);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->limit_insns = limit_insns;
    engine_run(vcpu);
    return vcpu;
}

/* Alone, one sc fails: the one by which its lr becomes known. On the virtual clock none does, since
 * nothing may depend on what was learned. */
static u64 failures(struct engine_options options)
{
    run_one_hart(apart_program(), options, 10 * ROUNDS);
    cr_expect(word_at(0) == ROUNDS && word_at(DONE) == 1);
    return word_at(FAILED);
}

Test(reservation, one_sc_fails_where_time_is_the_hosts)
{
    for (unsigned n = 0; n < ARRAY_LEN(lone_options); n++) {
        struct engine_options options = lone_options[n];
        cr_expect(failures(options) == 1, "%u", n);
        options.exact_deadlines = true;
        cr_expect(failures(options) == 0, "%u", n);
    }
}

enum { BEFORE_LOOP = 40 }; /* bytes, at most */

/* The same by a pair that begins `bytes` before a page's end. */
static struct rv_program *over_page_program(unsigned bytes)
{
    struct rv_program *p = rv_new();
    rv_li(p, S0, WORD);
    rv_li(p, S1, ROUNDS / 10);
    rv_j(p, 1);
    rv_org(p, 0x3000 - bytes - 4);
    rv_label(p, 3);
    rv_addi(p, S2, S2, 1);
    rv_label(p, 1);
    rv_lr_d(p, A0, S0);
    rv_half(p, 0x0001); /* c.nop */
    rv_beq(p, S0, X0, 4);
    rv_addi(p, A0, A0, 1);
    rv_sc_d(p, A1, S0, A0);
    rv_bne(p, A1, X0, 3);
    rv_addi(p, S1, S1, -1);
    rv_bne(p, S1, X0, 1);
    rv_label(p, 4);
    tell_done(p);
    return p;
}

Test(reservation, a_pair_over_a_page_end_is_a_pair, .timeout = 120)
{
    for (unsigned n = 0; n < ARRAY_LEN(lone_options); n++) {
        for (unsigned bytes = 2; bytes < BEFORE_LOOP; bytes += 2) {
            run_harts(over_page_program(bytes), lone_options[n]);
            cr_expect(word_at(0) == HARTS * ROUNDS / 10, "%u, %u", n, bytes);
            cr_expect(!is_watched(), "%u, %u: no lr needs a reservation", n, bytes);
        }
    }
}

/* Whoever set a breakpoint on the sc of one is told, whether it ran before or not. */
Test(reservation, a_breakpoint_in_the_second_page_is_met)
{
    for (unsigned n = 0; n < 2 * ARRAY_LEN(lone_options); n++) {
        gva_t sc = RV_BASE + 0x3000 - 12 + 14; /* in the second page */
        struct debug_hit hit = { 0 };
        struct vcpu *vcpu = run_one_hart(over_page_program(12), lone_options[n / 2],
                                         n % 2 == 0 ? 1 : 10000);
        debug_break_set(rig->engine, sc, 1);
        debug_prepare(rig->engine);
        debug_run(rig->engine, 0);
        vcpu->limit_insns = 1000000;
        engine_run(vcpu);
        cr_expect(debug_take_hit(rig->engine, 0, DEBUG_BREAKPOINT, &hit), "%u", n);
        cr_expect(hit.gva == sc && vcpu->pc == sc, "%u", n);
        cr_expect((word_at(0) == 0) == (n % 2 == 0), "%u: the first time it comes there", n);
    }
}

/* What lies in the second page is changed: after a fence.i it runs as changed. */
Test(reservation, a_pair_over_a_page_end_is_made_anew)
{
    for (unsigned n = 0; n < ARRAY_LEN(lone_options); n++) {
        struct rv_program *p = rv_new();
        rv_li(p, S0, WORD);
        rv_li(p, S1, 1000);
        rv_la(p, A2, 4);
        rv_li(p, A3, 0x00750513); /* addi a0,a0,7 */
        rv_j(p, 1);
        rv_org(p, 0x3000 - 4);
        rv_label(p, 1);
        rv_lr_d(p, A0, S0);
        rv_label(p, 4);
        rv_addi(p, A0, A0, 1);
        rv_sc_d(p, A1, S0, A0);
        rv_bne(p, A1, X0, 1);
        rv_addi(p, S1, S1, -1);
        rv_bne(p, S1, X0, 1);
        rv_sw(p, A3, A2, 0);
        rv_word(p, RV_FENCE_I);
        rv_li(p, S1, 1000);
        rv_addi(p, S3, S3, 1);
        rv_addi(p, A4, X0, 2);
        rv_bne(p, S3, A4, 1);
        tell_done(p);
        run_one_hart(p, lone_options[n], 100000);
        cr_expect(word_at(0) == 8000, "%u: %llu", n, (unsigned long long)word_at(0));
    }
}

/* Harts in turn, as on the virtual clock: a page is watched by who comes next. */
Test(reservation, harts_in_turn)
{
    struct engine_options options = { .kind = ENGINE_INTERP, .exact_deadlines = true };
    engine_rig_free(rig);
    rig = engine_rig_new(2, &options);
    mine = rig->engine->vcpus[0];
    other = rig->engine->vcpus[1];
    softmmu_store(mine, WORD, 8, 5);
    softmmu_store(other, WORD, 8, 5); /* have write entries */
    engine_reservation_turn(mine);
    reserve(mine, WORD);
    cr_expect(tlb_find(mine, WORD & PAGE_MASK, true) != NULL, "its own stores are as fast");
    engine_reservation_turn(other);
    cr_expect(tlb_find(other, WORD & PAGE_MASK, true) == NULL);
    reserve(other, WORD + 64);
    engine_reservation_turn(mine);
    cr_expect(tlb_find(mine, WORD & PAGE_MASK, true) == NULL);
    softmmu_store(mine, WORD + 64, 8, 6);
    cr_expect(stores(mine, WORD, 8) && !stores(other, WORD + 64, 8));
}

/* --- exclusive sections with many threads --- */

enum { SECTIONS = 300, THREADS = 4 };

static unsigned inside, total;

static void *take_sections(void *opaque)
{
    struct engine *engine = opaque;
    for (unsigned i = 0; i < SECTIONS; i++) {
        engine_exclusive_begin(engine, NULL);
        unsigned others = inside++; /* plain numbers: the section is what guards them */
        unsigned running = engine->running;
        total++;
        inside--;
        engine_exclusive_end(engine, NULL);
        if (others != 0 || running != 0) {
            return "not alone";
        }
    }
    return NULL;
}

/* Harts go round in a loop with single reservations (which take sections themselves), a fence.i and
 * plain stores, while other threads take sections. */
static struct rv_program *busy_program(void)
{
    struct rv_program *p = rv_new();
    rv_li(p, S0, RV_BASE + 0x2000);
    rv_label(p, 1);
    rv_lr_d(p, A0, S0);
    rv_sd(p, A0, S0, 128);
    rv_addi(p, A0, A0, 1);
    rv_sc_d(p, A1, S0, A0);
    rv_word(p, RV_FENCE_I);
    rv_j(p, 1);
    rv_finish(p);
    return p;
}

static void many_sections(enum engine_kind kind, size_t code_bytes)
{
    enum { BUSY = 3 };
    struct engine_options options = { .kind = kind, .code_bytes = code_bytes };
    struct engine_rig *busy = engine_rig_new(BUSY, &options);
    struct rv_program *p = busy_program();
    pthread_t harts[BUSY], threads[THREADS];
    total = 0;
    engine_rig_load(busy, p);
    for (unsigned i = 0; i < BUSY; i++) {
        pthread_create(&harts[i], NULL, run_hart, busy->engine->vcpus[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, take_sections, busy->engine);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        cr_expect(problem == NULL, "%s", (const char *)problem);
    }
    for (unsigned i = 0; i < BUSY; i++) {
        vcpu_kick(busy->engine->vcpus[i], VCPU_REQUEST_STOP);
    }
    for (unsigned i = 0; i < BUSY; i++) {
        pthread_join(harts[i], NULL);
    }
    cr_expect(total == SECTIONS * THREADS);
    cr_expect(busy->engine->running == 0 && busy->engine->parked == 0);
    rv_free(p);
    engine_rig_free(busy);
}

Test(reservation, exclusive_sections_beside_the_interpreter, .timeout = 60)
{
    many_sections(ENGINE_INTERP, 0);
}

Test(reservation, exclusive_sections_beside_translated_code, .timeout = 60)
{
    many_sections(ENGINE_JIT, 0);
}
