/*
 * A hart from reset to S-mode and back to its park.
 *
 * Delegation: whatever S-mode would get anyway goes there without a stop in M-mode. The firmware
 * keeps calls from S-mode and, on a hart without a time CSR, illegal instructions. What a hart
 * cannot delegate comes back through redirect() in trap.c. -DSBI_OLD_HART treats the hart as one
 * without Sstc, time CSR and delegation, which is how the tests reach the code for such harts.
 */
#include "roms/sbi/hart.h"

#include "roms/sbi/aia.h"
#include "roms/sbi/csr.h"
#include "roms/sbi/ipi.h"
#include "roms/sbi/pmu.h"
#include "roms/sbi/timer.h"

#ifdef SBI_OLD_HART
enum { OLD_HART = 1 };
#else
enum { OLD_HART = 0 };
#endif

#define COUNTEREN_TM 2ul
#define EXCEPTION_ECALL_U 8

_Static_assert(offsetof(struct hart, id) == HART_ID, "layout.h");
_Static_assert(offsetof(struct hart, stack_top) == HART_STACK_TOP, "layout.h");
_Static_assert(offsetof(struct hart, saved_sp) == HART_SAVED_SP, "layout.h");
_Static_assert(sizeof(struct hart) == HART_BYTES, "layout.h");
_Static_assert(offsetof(struct trap_frame, mepc) == FRAME_MEPC, "layout.h");
_Static_assert(offsetof(struct trap_frame, mstatus) == FRAME_MSTATUS, "layout.h");
_Static_assert(sizeof(struct trap_frame) == FRAME_BYTES, "layout.h");

struct hart harts[HART_COUNT_MAX];
uint32_t hart_count;

__attribute__((section(".stacks"), aligned(16)))
static uint8_t stacks[HART_COUNT_MAX][HART_STACK_BYTES];

struct hart *hart_find(uint64_t hart_id)
{
    if (hart_id < hart_count && harts[hart_id].id == hart_id) {
        return &harts[hart_id];
    }
    for (uint32_t i = 0; i < hart_count; i++) {
        if (harts[i].id == hart_id) {
            return &harts[i];
        }
    }
    return NULL;
}

struct hart *hart_add(uint64_t hart_id)
{
    if (hart_count == HART_COUNT_MAX) {
        return NULL;
    }
    struct hart *hart = &harts[hart_count];
    hart->id = hart_id;
    hart->index = hart_count;
    hart->stack_top = (uint64_t)(uintptr_t)stacks[hart_count + 1];
    atomic_store(&hart->state, SBI_HSM_STOPPED);
    hart_count++;
    return hart;
}

/* Firmware memory is closed to S and U, all else open; TOR-free, so no entry depends on another. */
static void protect_firmware(void)
{
    uint64_t napot = ((uint64_t)FIRMWARE_BASE >> 2) | (((uint64_t)FIRMWARE_BYTES >> 3) - 1);
    uint64_t probe = probe_begin();

    csr_write(CSR_PMPADDR0, napot);
    csr_write(CSR_PMPADDR1, ~0ul);
    csr_write(CSR_PMPCFG0, PMP_NAPOT | (PMP_NAPOT | PMP_R | PMP_W | PMP_X) << 8);
    __asm__ volatile("sfence.vma" : : : "memory");
    probe_end(probe);
}

static void delegate(const struct hart *self)
{
    uint64_t kept = OLD_HART ? ~(1ul << EXCEPTION_ECALL_U)
                             : 1ul << CAUSE_ECALL_S | 1ul << CAUSE_ECALL_M;

    if (!self->has_time_csr) {
        kept |= 1ul << CAUSE_ILLEGAL_INSN;
    }
    csr_write(CSR_MEDELEG, ~kept);
    csr_write(CSR_MIDELEG, IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_STI) | IRQ_BIT(IRQ_SEI) |
                               (self->has_sscofpmf ? IRQ_BIT(IRQ_LCOFI) : 0));
}

/* Opens to S-mode every optional feature that needs opening and whose state S-mode owns. */
static void enable_extensions(struct hart *self)
{
    uint64_t menvcfg = csr_try_set(CSR_MENVCFG, MENVCFG_CBIE_INVALIDATE | MENVCFG_CBCFE |
                                                    MENVCFG_CBZE | MENVCFG_PBMTE |
                                                    (OLD_HART ? 0 : MENVCFG_STCE));

    self->has_sstc = (menvcfg & MENVCFG_STCE) != 0 && csr_exists(CSR_STIMECMP);
    self->has_sscofpmf = csr_exists(CSR_SCOUNTOVF);
    self->has_time_csr = !OLD_HART && csr_exists(CSR_TIME);
    if (self->wants_adue) {
        csr_try_set(CSR_MENVCFG, MENVCFG_ADUE);
    } else if ((menvcfg & MENVCFG_ADUE) != 0) {
        csr_clear(CSR_MENVCFG, MENVCFG_ADUE); /* Svade: page faults, until the kernel asks (FWFT) */
    }
    csr_try_set(CSR_MSTATEEN0, ~0ul);
    csr_try_set(CSR_MSECCFG, MSECCFG_SSEED);
    csr_write(CSR_MCOUNTEREN, self->has_time_csr ? ~0ul : ~COUNTEREN_TM);
    csr_write(CSR_SCOUNTEREN, 7);
}

void hart_setup(struct hart *self)
{
    csr_write(CSR_MSTATUS, MSTATUS_FS_INITIAL | MSTATUS_VS_INITIAL);
    csr_write(CSR_MIE, 0);
    csr_write(CSR_MIP, 0);
    protect_firmware();
    enable_extensions(self);
    delegate(self);
    timer_stop(self);
    pmu_hart_init(self);
    aia_hart_setup(self);
}

uint64_t hart_ipi_irqs(struct hart *self)
{
    bool messages = atomic_load(&self->takes_messages) != 0;

    return IRQ_BIT(IRQ_MSI) | (messages ? IRQ_BIT(IRQ_MEI) : 0);
}

/* What the HSM extension promises at start and resume; a timer that woke the hart stays set. */
static void reset_s_mode(void)
{
    csr_clear(CSR_MSTATUS, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP);
    csr_write(CSR_SIE, 0);
    csr_write(CSR_STVEC, 0);
    csr_write(CSR_SSCRATCH, 0);
    csr_write(CSR_SATP, 0);
    __asm__ volatile("sfence.vma\n fence.i" : : : "memory");
}

_Noreturn void hart_enter(struct hart *self, uint64_t start_addr, uint64_t a1, uint64_t mode)
{
    reset_s_mode();
    csr_set(CSR_MIE, hart_ipi_irqs(self));
    csr_clear(CSR_MSTATUS, MSTATUS_MPP | MSTATUS_MPIE);
    csr_set(CSR_MSTATUS, mode << MSTATUS_MPP_SHIFT);
    csr_write(CSR_MEPC, start_addr);
    atomic_store(&self->state, SBI_HSM_STARTED);
    enter_lower(self->id, a1);
}

void hart_request_start(struct hart *hart, uint64_t start_addr, uint64_t a1, uint64_t mode)
{
    hart->start_addr = start_addr;
    hart->start_a1 = a1;
    hart->start_mode = mode;
    atomic_store(&hart->start_requested, 1);
    ipi_raise(hart);
}

/* A parked hart still answers fences: the sender may have seen it run a moment ago. */
_Noreturn void hart_park(struct hart *self)
{
    timer_stop(self);
    pmu_hart_stop_all(self);
    csr_write(CSR_MIE, hart_ipi_irqs(self));
    atomic_store(&self->state, SBI_HSM_STOPPED);
    while (atomic_exchange(&self->start_requested, 0) == 0) {
        wfi();
        ipi_receive(self);
    }
    csr_clear(CSR_MIP, IRQ_BIT(IRQ_SSI));
    hart_enter(self, self->start_addr, self->start_a1, self->start_mode);
}
