/* The supervisor timer; see timer.h. */
#include "roms/sbi/timer.h"

#include "roms/sbi/csr.h"
#include "roms/sbi/platform.h"

void timer_set(struct hart *self, uint64_t deadline_ticks)
{
    if (self->has_sstc) {
        csr_write(CSR_STIMECMP, deadline_ticks);
        return;
    }
    csr_clear(CSR_MIP, IRQ_BIT(IRQ_STI));
    if (self->mtimecmp != NULL) {
        *self->mtimecmp = deadline_ticks;
        csr_set(CSR_MIE, IRQ_BIT(IRQ_MTI));
    }
}

void timer_stop(struct hart *self)
{
    timer_set(self, ~0ul);
    csr_clear(CSR_MIE, IRQ_BIT(IRQ_MTI));
}

void timer_fired(struct hart *self)
{
    csr_clear(CSR_MIE, IRQ_BIT(IRQ_MTI));
    if (!self->has_sstc) {
        csr_set(CSR_MIP, IRQ_BIT(IRQ_STI));
    }
}

uint64_t timer_now(const struct hart *self)
{
    if (self->has_time_csr) {
        return csr_read(CSR_TIME);
    }
    return platform.mtime != NULL ? *platform.mtime : 0;
}
