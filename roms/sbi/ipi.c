/* Inter-processor interrupts and remote fences; the idea is in ipi.h. */
#include "roms/sbi/ipi.h"

#include "roms/sbi/aia.h"
#include "roms/sbi/csr.h"
#include "roms/sbi/pmu.h"

#define PAGE_BYTES 4096ul

/* From here on one fence of everything is cheaper than many of a page. */
#define RANGE_PAGES_MAX 64ul

static uint64_t bit_of(const struct hart *hart)
{
    return 1ul << hart->index;
}

static uint32_t lowest_bit(uint64_t bits)
{
    uint32_t n = 0;

    while ((bits >> n & 1) == 0) {
        n++;
    }
    return n;
}

static uint32_t count_bits(uint64_t bits)
{
    uint32_t n = 0;

    for (; bits != 0; bits &= bits - 1) {
        n++;
    }
    return n;
}

void ipi_raise(struct hart *hart)
{
    if (!aia_ipi_raise(hart) && hart->msip != NULL) {
        __asm__ volatile("fence rw, o" : : : "memory");
        *hart->msip = 1;
    }
}

static void fence_pages(const struct fence *f, uint64_t pages)
{
    uint64_t gva = f->start_gva & ~(PAGE_BYTES - 1);

    for (; pages > 0; pages--, gva += PAGE_BYTES) {
        if (f->kind == FENCE_VMA_ASID) {
            __asm__ volatile("sfence.vma %0, %1" : : "r"(gva), "r"(f->asid) : "memory");
        } else {
            __asm__ volatile("sfence.vma %0" : : "r"(gva) : "memory");
        }
    }
}

/* The document's "everything": start and size both 0, or size all ones. */
static void fence_vma(const struct fence *f)
{
    uint64_t last_offset = f->start_gva % PAGE_BYTES + f->size_bytes - 1;
    uint64_t pages = last_offset / PAGE_BYTES + 1;
    bool whole = (f->start_gva == 0 && f->size_bytes == 0) ||
                 f->size_bytes > RANGE_PAGES_MAX * PAGE_BYTES;

    if (!whole) {
        fence_pages(f, f->size_bytes == 0 ? 0 : pages);
    } else if (f->kind == FENCE_VMA_ASID) {
        __asm__ volatile("sfence.vma x0, %0" : : "r"(f->asid) : "memory");
    } else {
        __asm__ volatile("sfence.vma" : : : "memory");
    }
}

static void fence_here(const struct fence *f)
{
    if (f->kind == FENCE_I) {
        __asm__ volatile("fence.i" : : : "memory");
    } else {
        fence_vma(f);
    }
}

static const uint8_t sent_event[] = {
    [FENCE_I] = SBI_FW_FENCE_I_SENT,
    [FENCE_VMA] = SBI_FW_SFENCE_VMA_SENT,
    [FENCE_VMA_ASID] = SBI_FW_SFENCE_VMA_ASID_SENT,
};

static void serve_fences(struct hart *self)
{
    uint64_t senders = atomic_exchange(&self->fence_senders, 0);

    for (; senders != 0; senders &= senders - 1) {
        struct hart *sender = &harts[lowest_bit(senders)];
        uint32_t event = sent_event[sender->fence.kind] + 1u;   /* received = sent + 1 */
        fence_here(&sender->fence);
        pmu_count(self, event);
        atomic_fetch_sub(&sender->fence_waits, 1);   /* the sender's request ends here */
    }
}

void ipi_receive(struct hart *self)
{
    /* Cleared before the mailbox is read: what is put in later raises it again. */
    aia_ipi_clear(self);
    if (self->msip != NULL) {
        *self->msip = 0;
        __asm__ volatile("fence o, rw" : : : "memory");
    }
    if (atomic_exchange(&self->ipi_requested, 0) != 0) {
        csr_set(CSR_MIP, IRQ_BIT(IRQ_SSI));
        pmu_count(self, SBI_FW_IPI_RECEIVED);
    }
    serve_fences(self);
}

uint64_t ipi_reachable(uint64_t targets)
{
    uint64_t reachable = 0;

    for (uint64_t left = targets; left != 0; left &= left - 1) {
        struct hart *hart = &harts[lowest_bit(left)];
        int state = atomic_load(&hart->state);
        if (state != SBI_HSM_STOPPED && state != SBI_HSM_START_PENDING) {
            reachable |= bit_of(hart);
        }
    }
    return reachable;
}

void ipi_send(struct hart *self, uint64_t targets)
{
    pmu_count(self, SBI_FW_IPI_SENT);
    if ((targets & bit_of(self)) != 0) {
        csr_set(CSR_MIP, IRQ_BIT(IRQ_SSI));
        pmu_count(self, SBI_FW_IPI_RECEIVED);
    }
    for (uint64_t left = targets & ~bit_of(self); left != 0; left &= left - 1) {
        struct hart *hart = &harts[lowest_bit(left)];
        atomic_store(&hart->ipi_requested, 1);
        ipi_raise(hart);
    }
}

void ipi_fence(struct hart *self, uint64_t targets, const struct fence *fence)
{
    uint64_t others = targets & ~bit_of(self);

    pmu_count(self, sent_event[fence->kind]);
    self->fence = *fence;
    atomic_store(&self->fence_waits, count_bits(others));
    for (uint64_t left = others; left != 0; left &= left - 1) {
        struct hart *hart = &harts[lowest_bit(left)];
        atomic_fetch_or(&hart->fence_senders, bit_of(self));
        ipi_raise(hart);
    }
    if ((targets & bit_of(self)) != 0) {
        fence_here(fence);
        pmu_count(self, sent_event[fence->kind] + 1u);
    }
    while (atomic_load(&self->fence_waits) != 0) {
        serve_fences(self);
        pause_hint();
    }
}
