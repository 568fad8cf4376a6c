/* Measures the primitives of primitives.def and prints a line for each:
 *     primitive NAME CLASS NANOSECONDS-PER-1000 RESULT
 * The address space: all RAM at its own address for S, the same RAM USER_OFFSET higher for U, and
 * from PAGES on 4 KiB pages of the arena. The time is taken in M-mode around the whole loop. */
#include <stddef.h>
#include <stdint.h>

#include "../kernels/run.h"

enum {
    PAGE_BYTES = 4096,
    WALK_PAGES = 8192,
    FILL_PAGES = 1024, /* few enough, and on lines enough, that the host's own caches hold them */
    WARM_PAGES = 64,
    PTE_V = 1,
    PTE_RWX = 0xe,
    PTE_U = 0x10,
    PTE_AD = 0xc0,
};

#define USER_OFFSET 0x80000000u
#define PAGES 0x40000000u
#define NO_PAGE 0x7ff00000u
#define SATP_SV39 (8ull << 60)
#define ASID(n) ((uint64_t)(n) << 44)

extern uint8_t arena[];
extern volatile uint64_t trap_count;
uint64_t enter(uint64_t mode, uint64_t (*fn)(uint64_t), uint64_t count);
void set_vectors(void);

#define PRIMITIVE(name, class, mode, times, waits_ns) uint64_t do_##name(uint64_t count);
#include "primitives.def"
#undef PRIMITIVE

struct primitive {
    const char *name;
    const char *class;
    char mode;
    uint64_t count, waits_ns;
    uint64_t (*run)(uint64_t count);
};

static const struct primitive primitives[] = {
#define PRIMITIVE(name, class, mode, times, waits_ns) \
    {#name, #class, #mode[0], times, waits_ns, do_##name},
#include "primitives.def"
#undef PRIMITIVE
};

static uint64_t root[512] __attribute__((aligned(4096)));
static uint64_t middle[512] __attribute__((aligned(4096)));
static uint64_t leaves[WALK_PAGES] __attribute__((aligned(4096)));

static volatile uint32_t *const msip = (volatile uint32_t *)0x2000000;
static volatile uint64_t *const mtimecmp = (volatile uint64_t *)0x2004000;
static volatile uint32_t *const plic_priority = (volatile uint32_t *)0xc000004;

#define CSR_SET(csr, bits) __asm__ volatile("csrs " #csr ", %0" ::"r"((uint64_t)(bits)))
#define CSR_CLEAR(csr, bits) __asm__ volatile("csrc " #csr ", %0" ::"r"((uint64_t)(bits)))
#define CSR_WRITE(csr, value) __asm__ volatile("csrw " #csr ", %0" ::"r"((uint64_t)(value)))

static uint64_t pte(const void *page, uint64_t bits)
{
    return (uint64_t)page >> 12 << 10 | bits | PTE_V;
}

static uint64_t satp(unsigned asid)
{
    return SATP_SV39 | ASID(asid) | (uint64_t)root >> 12;
}

static void make_pages(void)
{
    uint64_t all = PTE_RWX | PTE_AD;
    root[0] = pte((void *)0, all);
    root[1] = pte(middle, 0);
    root[2] = pte((void *)0x80000000u, all);
    root[4] = pte((void *)0x80000000u, all | PTE_U);
    for (size_t i = 0; i < WALK_PAGES / 512; i++) {
        middle[i] = pte(&leaves[i * 512], 0);
    }
    for (size_t i = 0; i < WALK_PAGES; i++) {
        leaves[i] = pte(arena + i * PAGE_BYTES, all);
        *(volatile uint64_t *)(arena + i * PAGE_BYTES) = i;
    }
}

static void prepare_machine(void)
{
    CSR_WRITE(pmpaddr0, ~0ull >> 10);
    CSR_WRITE(pmpcfg0, 0x1f);
    CSR_WRITE(mcounteren, 7);
    CSR_WRITE(scounteren, 7);
    CSR_WRITE(medeleg, 1 << 8 | 1 << 12 | 1 << 13 | 1 << 15);
    *mtimecmp = ~0ull;
    make_pages();
    set_vectors();
    CSR_WRITE(satp, satp(1));
    __asm__ volatile("sfence.vma" ::: "memory");
}

#define PAGE(number) ((volatile uint64_t *)((uint64_t)PAGES + (uint64_t)(number) * PAGE_BYTES))

uint64_t do_page_fault(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = NO_PAGE;
        /* Not compressed: the handler goes on four bytes later. */
        __asm__ volatile(".option push\n.option norvc\nld t0, 0(%0)\n.option pop" ::"r"(at)
                         : "t0", "memory");
    }
    return trap_count;
}

uint64_t do_csr_read(uint64_t count)
{
    uint64_t sum = 0, value;
    CSR_WRITE(sscratch, 3);
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("csrr %0, sscratch" : "=r"(value));
        sum += value;
    }
    return sum;
}

uint64_t do_csr_write(uint64_t count)
{
    uint64_t value;
    for (uint64_t i = 0; i < count; i++) {
        CSR_WRITE(sscratch, i);
    }
    __asm__ volatile("csrr %0, sscratch" : "=r"(value));
    return value;
}

/* As Linux turns interrupts off and on. */
uint64_t do_sstatus_toggle(uint64_t count)
{
    uint64_t sum = 0, value;
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("csrrci %0, sstatus, 2" : "=r"(value));
        sum += value & 2;
        __asm__ volatile("csrsi sstatus, 2");
    }
    __asm__ volatile("csrci sstatus, 2");
    return sum;
}

uint64_t do_rdtime(uint64_t count)
{
    uint64_t last = 0, back = 0, now;
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("rdtime %0" : "=r"(now));
        back += now < last;
        last = now;
    }
    return back;
}

uint64_t do_fence(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("fence rw, rw" ::: "memory");
    }
    return count;
}

uint64_t do_fence_i(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("fence.i" ::: "memory");
    }
    return count;
}

/* li a0, N; ret with a new N each time. */
uint64_t do_patch_call(uint64_t count)
{
    volatile uint32_t *code = (volatile uint32_t *)PAGE(8);
    uint64_t sum = 0;
    code[1] = 0x00008067;
    for (uint64_t i = 0; i < count; i++) {
        code[0] = 0x00000513 | (uint32_t)(i & 1023) << 20;
        __asm__ volatile("fence.i" ::: "memory");
        sum += ((uint64_t(*)(void))(uint64_t)code)();
    }
    return sum;
}

uint64_t do_tlb_fill(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t done = 0; done < count; done += FILL_PAGES) {
        __asm__ volatile("sfence.vma" ::: "memory");
        for (uint64_t i = 0; i < FILL_PAGES; i++) {
            sum += PAGE(i)[i % 64 * 8];
        }
    }
    return sum;
}

/* More pages than any fixed table of translations holds. */
uint64_t do_random_pages(uint64_t count)
{
    uint64_t sum = 0, random = 1;
    for (uint64_t i = 0; i < count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t page = random >> 32 & (WALK_PAGES - 1);
        sum += PAGE(page)[random >> 48 & 63];
    }
    return sum;
}

uint64_t do_sfence_all(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("sfence.vma" ::: "memory");
        sum += *PAGE(9);
    }
    return sum;
}

uint64_t do_sfence_page(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("sfence.vma %0, zero" ::"r"(PAGE(9)) : "memory");
        sum += *PAGE(9);
    }
    return sum;
}

uint64_t do_sfence_asid(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("sfence.vma zero, %0" ::"r"(1ull) : "memory");
        sum += *PAGE(9);
    }
    return sum;
}

uint64_t do_satp_switch_64_pages(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        CSR_WRITE(satp, satp(1 + (i & 1)));
        for (uint64_t page = 0; page < WARM_PAGES; page++) {
            sum += *PAGE(page * 3);
        }
    }
    CSR_WRITE(satp, satp(1));
    return sum;
}

uint64_t do_mmio_read(uint64_t count)
{
    uint64_t sum = 0;
    *plic_priority = 5;
    for (uint64_t i = 0; i < count; i++) {
        sum += *plic_priority;
    }
    return sum;
}

/* Raises an interrupt and waits until its handler, which takes it back, has counted it. */
static uint64_t interrupts(uint64_t count, uint64_t enable, void (*raise)(void))
{
    CSR_SET(mie, enable);
    CSR_SET(mstatus, 8);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t before = trap_count;
        raise();
        while (trap_count == before) {
        }
    }
    CSR_CLEAR(mstatus, 8);
    CSR_CLEAR(mie, enable);
    return trap_count;
}

static void raise_ipi(void)
{
    *msip = 1;
}

static void raise_timer(void)
{
    *mtimecmp = 0;
}

uint64_t do_ipi_self(uint64_t count)
{
    return interrupts(count, 1 << 3, raise_ipi);
}

uint64_t do_timer_interrupt(uint64_t count)
{
    return interrupts(count, 1 << 7, raise_timer);
}

uint64_t do_wfi_pending(uint64_t count)
{
    CSR_SET(mie, 1 << 3);
    *msip = 1;
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("wfi");
    }
    *msip = 0;
    CSR_CLEAR(mie, 1 << 3);
    return count;
}

/* Sleeps until a timer 20 us away; what it takes above that is how late it wakes. */
uint64_t do_wfi_timer_late(uint64_t count)
{
    uint64_t early = 0, now, pending;
    CSR_SET(mie, 1 << 7);
    for (uint64_t i = 0; i < count; i++) {
        __asm__ volatile("rdtime %0" : "=r"(now));
        uint64_t deadline = now + 200;
        *mtimecmp = deadline;
        do {
            __asm__ volatile("wfi\ncsrr %0, mip" : "=r"(pending));
        } while ((pending & 1 << 7) == 0);
        __asm__ volatile("rdtime %0" : "=r"(now));
        early += now < deadline;
        *mtimecmp = ~0ull;
    }
    CSR_CLEAR(mie, 1 << 7);
    return early;
}

static void run_primitive(const struct primitive *p)
{
    trap_count = 0;
    uint64_t start_ns = run_now_ns();
    uint64_t result = p->mode == 'M' ? p->run(p->count)
                                     : enter((uint64_t)p->mode, p->run, p->count);
    uint64_t took_ns = run_now_ns() - start_ns;
    uint64_t waited_ns = p->waits_ns * p->count;
    run_line("primitive", p->name, p->class,
             took_ns > waited_ns ? (took_ns - waited_ns) * 1000 / p->count : 0, result);
}

void run_all(const char *wanted)
{
    prepare_machine();
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++) {
        if (run_is_wanted(wanted, primitives[i].name)) {
            run_primitive(&primitives[i]);
        }
    }
}
