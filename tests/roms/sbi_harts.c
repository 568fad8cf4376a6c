/*
 * Extension HSM, and fences and interrupts between harts: code that one hart patches and others
 * run, a page that one hart maps anew and others read, and all harts fencing each other at once.
 */
#include <stdatomic.h>

#include "tests/roms/sbi_test.h"

#define STORM_CALLS 200u            /* of each kind, by all harts together */
#define PATCH_CALLS 40u
#define OPAQUE_MARK (1ul << 32)
#define WAIT_MS 20000u

#define SATP_SV39 (8ul << 60)
#define PTE_V 0x1ul
#define PTE_LEAF 0xcful         /* V R W X A D */
#define WINDOW_INDEX 1u         /* root entry of the test page: gva 1 GiB */
#define WINDOW 0x40000000ul

enum job { JOB_NONE, JOB_STOP, JOB_STORM, JOB_PATCHED, JOB_WINDOW, JOB_SUSPEND };

/* What the boot hart tells a secondary, and hears from it. */
struct worker {
    atomic_uint job;          /* cleared by the worker when done */
    uint64_t start_a0;
    uint64_t start_a1;
    uint64_t start_satp;
    uint64_t start_sstatus;
    uint64_t result;
    atomic_uint release;      /* ends JOB_SUSPEND, with an interrupt */
};

static struct worker workers[HARTS_MAX];
static atomic_uint arrived;
static uint32_t patched_code[2] __attribute__((aligned(8)));
static uint64_t root_table[512] __attribute__((aligned(4096)));
static uint64_t middle_table[512] __attribute__((aligned(4096)));
static uint64_t leaf_table[512] __attribute__((aligned(4096)));
static uint64_t pages[2][512] __attribute__((aligned(4096)));

void secondary_main(uint64_t a0, uint64_t a1, uint64_t satp, uint64_t sstatus);

static struct sbi_ret hsm(uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2)
{
    return sbi(SBI_EXT_HSM, fid, a0, a1, a2, 0, 0);
}

static uint64_t status(uint64_t hart_id)
{
    return hsm(SBI_HSM_STATUS, hart_id, 0, 0).value;
}

static void pause(void)
{
    __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010");
}

static bool wait_status(uint64_t hart_id, uint64_t want)
{
    uint64_t begin = ticks();

    while (status(hart_id) != want) {
        if (ticks() - begin > ticks_of_ms(WAIT_MS)) {
            return false;
        }
    }
    return true;
}

static bool wait_idle(uint32_t number)
{
    uint64_t begin = ticks();

    while (atomic_load(&workers[number].job) != JOB_NONE) {
        if (ticks() - begin > ticks_of_ms(WAIT_MS)) {
            return false;
        }
        pause();
    }
    return true;
}

static bool start_worker(uint32_t number)
{
    uint64_t entry = (uint64_t)(uintptr_t)secondary_entry;

    workers[number].start_a0 = ~0ul;
    atomic_store(&workers[number].job, JOB_PATCHED + 100);   /* until it has arrived */
    return hsm(SBI_HSM_START, board.hart_id[number], entry, number + OPAQUE_MARK).error == 0 &&
           wait_idle(number);
}

static void post(uint32_t number, enum job job)
{
    atomic_store(&workers[number].job, job);
    sbi(SBI_EXT_IPI, 0, 1, board.hart_id[number], 0, 0, 0);
}

/* Gives every secondary the same job; true when all have done it. */
static bool run_on_all(enum job job)
{
    bool ok = true;

    for (uint32_t i = 1; i < board.hart_count; i++) {
        post(i, job);
    }
    for (uint32_t i = 1; i < board.hart_count; i++) {
        ok = wait_idle(i) && ok;
    }
    return ok;
}

/* Everyone fences and interrupts everyone, without a pause. */
static void storm(void)
{
    for (uint32_t i = 0; i <= STORM_CALLS / board.hart_count; i++) {
        sbi(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, 0, ~0ul, 0, 0, 0);
        sbi(SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 0, ~0ul, 0x1000 * i, 0x4000, 0);
        sbi(SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA_ASID, 0, ~0ul, 0, ~0ul, i);
        sbi(SBI_EXT_IPI, 0, 0, ~0ul, 0, 0, 0);
    }
}

static uint64_t call_patched(void)
{
    uint64_t (*code)(void) = (uint64_t (*)(void))(uintptr_t)patched_code;

    return code();
}

/* li a0, value; ret */
static void patch(uint32_t value)
{
    *(volatile uint32_t *)&patched_code[0] = value << 20 | 0x513;
    *(volatile uint32_t *)&patched_code[1] = 0x8067;
}

static void enable_soft_interrupts(void)
{
    set_csr(sie, SIE_SSI);
    set_csr(sstatus, SSTATUS_SIE);
}

/* Suspends until told otherwise: the interrupt that brought the job may come late and wake it. */
static void sleep_until_release(struct worker *self)
{
    clear_csr(sstatus, SSTATUS_SIE);
    do {
        self->result = suspend_and_resume(SBI_HSM_SUSPEND_NON_RETENTIVE, 77);
        enable_soft_interrupts();
        clear_csr(sstatus, SSTATUS_SIE);
    } while (self->result == 77 && atomic_load(&self->release) == 0);
    enable_soft_interrupts();
}

static void do_job(struct worker *self, uint32_t job)
{
    switch (job) {
    case JOB_STORM:
        atomic_fetch_add(&arrived, 1);
        while (atomic_load(&arrived) < board.hart_count) {
            pause();
        }
        storm();
        break;
    case JOB_PATCHED:
        self->result = call_patched();
        break;
    case JOB_WINDOW:
        self->result = *(volatile uint64_t *)WINDOW;
        break;
    case JOB_STOP:
        atomic_store(&self->job, JOB_NONE);
        clear_csr(sstatus, SSTATUS_SIE);
        hsm(SBI_HSM_STOP, 0, 0, 0);
        say("not ok - hart_stop returned\n");
        break;
    case JOB_SUSPEND:
        sleep_until_release(self);
        break;
    default:
        break;
    }
}

/* With SIE off an interrupt that comes before wfi still ends it; it is taken afterwards. */
static void sleep_until_job(struct worker *self)
{
    clear_csr(sstatus, SSTATUS_SIE);
    if (atomic_load(&self->job) == JOB_NONE) {
        __asm__ volatile("wfi" : : : "memory");
    }
    set_csr(sstatus, SSTATUS_SIE);
}

void secondary_main(uint64_t a0, uint64_t a1, uint64_t satp, uint64_t sstatus)
{
    struct worker *self = &workers[a1 & 0xffffffff];

    self->start_a0 = a0;
    self->start_a1 = a1;
    self->start_satp = satp;
    self->start_sstatus = sstatus;
    write_csr(satp, SATP_SV39 | (uint64_t)(uintptr_t)root_table >> 12);
    __asm__ volatile("sfence.vma" : : : "memory");
    enable_soft_interrupts();
    atomic_store(&self->job, JOB_NONE);
    for (;;) {
        uint32_t job = atomic_load(&self->job);
        if (job != JOB_NONE) {
            do_job(self, job);
            atomic_store(&self->job, JOB_NONE);
        }
        sleep_until_job(self);
    }
}

/* Identity above 2 GiB and for devices, and one 4 KiB page at WINDOW. */
static void build_tables(void)
{
    for (uint64_t i = 0; i < 256; i++) {
        root_table[i] = i << 28 | PTE_LEAF;
    }
    root_table[WINDOW_INDEX] = (uint64_t)(uintptr_t)middle_table >> 12 << 10 | PTE_V;
    middle_table[0] = (uint64_t)(uintptr_t)leaf_table >> 12 << 10 | PTE_V;
}

static void map_window(uint32_t page)
{
    *(volatile uint64_t *)&leaf_table[0] = (uint64_t)(uintptr_t)pages[page] >> 12 << 10 | PTE_LEAF;
}

static void test_hsm_arguments(void)
{
    uint64_t entry = (uint64_t)(uintptr_t)secondary_entry;
    uint64_t self = board.boot_hart;

    check_equal(status(self), SBI_HSM_STARTED, "hsm: this hart is started");
    check(hsm(SBI_HSM_STATUS, 4000, 0, 0).error == SBI_ERR_INVALID_PARAM,
          "hsm: status of a hart that is not there");
    check(hsm(SBI_HSM_START, 4000, entry, 0).error == SBI_ERR_INVALID_PARAM,
          "hsm: start a hart that is not there");
    check(hsm(SBI_HSM_START, self, entry, 0).error == SBI_ERR_ALREADY_AVAILABLE,
          "hsm: start a hart that runs");
    check(hsm(SBI_HSM_SUSPEND, 1, entry, 0).error == SBI_ERR_INVALID_PARAM,
          "hsm: suspend of a reserved type");
    check(hsm(SBI_HSM_SUSPEND, SBI_HSM_SUSPEND_NON_RETENTIVE, FIRMWARE_GPA, 0).error ==
              SBI_ERR_INVALID_ADDRESS, "hsm: resume in the firmware");
    check(hsm(99, 0, 0, 0).error == SBI_ERR_NOT_SUPPORTED, "hsm: unknown function");
}

static void test_suspend(void)
{
    uint64_t deadline = ticks() + ticks_of_ms(5);

    sbi(SBI_EXT_TIME, 0, deadline, 0, 0, 0, 0);
    set_csr(sie, SIE_STI);
    check(hsm(SBI_HSM_SUSPEND, SBI_HSM_SUSPEND_RETENTIVE, 0, 0).error == 0,
          "hsm: retentive suspend returns");
    while (ticks() < deadline) {
    }
    sbi(SBI_EXT_TIME, 0, ticks() + ticks_of_ms(5), 0, 0, 0, 0);
    check_equal(suspend_and_resume(SBI_HSM_SUSPEND_NON_RETENTIVE, 1234), 1234,
                "hsm: non-retentive suspend resumes with satp and SIE 0");
    clear_csr(sie, SIE_STI);
    sbi(SBI_EXT_TIME, 0, ~0ul, 0, 0, 0, 0);
}

void test_hsm(void)
{
    bool stopped = true;
    bool refused = true;
    bool started = true;
    bool arguments = true;
    bool running = true;

    test_hsm_arguments();
    test_suspend();
    build_tables();
    for (uint32_t i = 1; i < board.hart_count; i++) {
        const struct worker *w = &workers[i];
        uint64_t id = board.hart_id[i];
        stopped = stopped && status(id) == SBI_HSM_STOPPED;
        refused = refused &&
                  hsm(SBI_HSM_START, id, FIRMWARE_GPA, 0).error == SBI_ERR_INVALID_ADDRESS &&
                  status(id) == SBI_HSM_STOPPED;
        started = start_worker(i) && started;
        arguments = arguments && w->start_a0 == id && w->start_a1 == i + OPAQUE_MARK &&
                    w->start_satp == 0 && (w->start_sstatus & SSTATUS_SIE) == 0;
        running = running && status(id) == SBI_HSM_STARTED;
    }
    check(stopped, "hsm: the other harts are stopped");
    check(refused, "hsm: start in the firmware");
    check(started, "hsm: start");
    check(arguments, "hsm: a0, a1, satp and SIE at the start");
    check(running, "hsm: status after the start");
}

static void test_patching(void)
{
    bool done = true;
    bool fresh = true;

    for (uint32_t round = 0; round < 4 + PATCH_CALLS / board.hart_count; round++) {
        patch(round + 1);
        sbi(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, 0, ~0ul, 0, 0, 0);
        done = run_on_all(JOB_PATCHED) && done;
        for (uint32_t i = 1; i < board.hart_count; i++) {
            fresh = fresh && workers[i].result == round + 1;
        }
        fresh = fresh && call_patched() == round + 1;
    }
    check(done && fresh, "harts: remote fence.i shows new code");
}

static void test_remapping(void)
{
    bool done = true;
    bool fresh = true;

    pages[0][0] = 0x1111;
    pages[1][0] = 0x2222;
    for (uint32_t round = 0; round < 4 + PATCH_CALLS / board.hart_count; round++) {
        uint64_t gva = round % 4 < 2 ? WINDOW : 0;
        uint64_t size_bytes = round % 4 < 2 ? 4096 : 0;
        map_window(round % 2);
        sbi(SBI_EXT_RFENCE, round % 3 == 0 ? SBI_RFENCE_SFENCE_VMA_ASID : SBI_RFENCE_SFENCE_VMA, 0,
            ~0ul, gva, size_bytes, 0);
        done = run_on_all(JOB_WINDOW) && done;
        for (uint32_t i = 1; i < board.hart_count; i++) {
            fresh = fresh && workers[i].result == pages[round % 2][0];
        }
    }
    check(done && fresh, "harts: remote sfence.vma shows a new mapping");
}

static void test_storm(void)
{
    bool ok = true;
    bool heard = true;

    atomic_store(&arrived, 1);
    for (uint32_t i = 1; i < board.hart_count; i++) {
        post(i, JOB_STORM);
    }
    storm();
    for (uint32_t i = 1; i < board.hart_count; i++) {
        ok = wait_idle(i) && ok;
    }
    check(ok, "harts: all fence and interrupt each other");
    for (uint32_t i = 1; i < board.hart_count; i++) {
        heard = heard && trap_records[i].soft_count > 0;
    }
    check(heard, "harts: interrupts arrived");
    clear_csr(sip, SIE_SSI);
}

/* An interrupt ends a secondary's suspend; a stopped hart starts again. */
static void test_sleep_and_stop(void)
{
    bool slept = true;
    bool resumed = true;
    bool stopped = true;
    bool again = true;

    for (uint32_t i = 1; i < board.hart_count; i++) {
        uint64_t id = board.hart_id[i];
        workers[i].result = 0;
        atomic_store(&workers[i].release, 0);
        post(i, JOB_SUSPEND);
        slept = wait_status(id, SBI_HSM_SUSPENDED) && slept;
        atomic_store(&workers[i].release, 1);
        sbi(SBI_EXT_IPI, 0, 1, id, 0, 0, 0);
        resumed = wait_idle(i) && workers[i].result == 77 && resumed;
    }
    check(slept, "hsm: status of a suspended hart");
    check(resumed, "hsm: an interrupt from another hart resumes it");
    for (uint32_t i = 1; i < board.hart_count; i++) {
        uint64_t id = board.hart_id[i];
        post(i, JOB_STOP);
        stopped = wait_status(id, SBI_HSM_STOPPED) && stopped;
        again = sbi(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, 0, ~0ul, 0, 0, 0).error == 0 &&
                start_worker(i) && workers[i].start_satp == 0 && again;
    }
    check(stopped, "hsm: stop");
    check(again, "hsm: start after stop, with fences that pass over stopped harts");
}

void test_harts(void)
{
    if (board.hart_count == 1) {
        say("# one hart: nothing to do between harts\n");
        return;
    }
    map_window(0);
    test_patching();
    test_remapping();
    test_storm();
    test_sleep_and_stop();
    check(run_on_all(JOB_STOP), "hsm: all stop");
}
