/*
 * Hart state management (SBI 2.0, chapter 9). A suspended hart sleeps in M-mode's wfi, which wakes
 * for every interrupt that is enabled in mie, delegated or not; waking without one of S-mode's own
 * is allowed. Platform suspend types are left out.
 */
#include "roms/sbi/csr.h"
#include "roms/sbi/ecall.h"
#include "roms/sbi/ipi.h"
#include "roms/sbi/platform.h"

static struct sbi_ret start(uint64_t hart_id, uint64_t start_addr, uint64_t opaque)
{
    struct hart *hart = hart_find(hart_id);
    int stopped = SBI_HSM_STOPPED;

    if (hart == NULL) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    if (platform_is_firmware(start_addr, 4) || (start_addr & 1) != 0) {
        return SBI_ERROR(SBI_ERR_INVALID_ADDRESS);
    }
    if (!atomic_compare_exchange_strong(&hart->state, &stopped, SBI_HSM_START_PENDING)) {
        return SBI_ERROR(SBI_ERR_ALREADY_AVAILABLE);
    }
    hart_request_start(hart, start_addr, opaque, MODE_S);
    return SBI_OK(0);
}

static struct sbi_ret suspend(const struct sbi_call *call)
{
    uint32_t type = (uint32_t)call->arg[0];
    uint64_t resume_addr = call->arg[1];

    if (type != SBI_HSM_SUSPEND_RETENTIVE && type != SBI_HSM_SUSPEND_NON_RETENTIVE) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    if (type == SBI_HSM_SUSPEND_NON_RETENTIVE &&
        (platform_is_firmware(resume_addr, 4) || (resume_addr & 1) != 0)) {
        return SBI_ERROR(SBI_ERR_INVALID_ADDRESS);
    }
    atomic_store(&call->self->state, SBI_HSM_SUSPENDED);
    wfi();
    atomic_store(&call->self->state, SBI_HSM_STARTED);
    if (type == SBI_HSM_SUSPEND_NON_RETENTIVE) {
        hart_enter(call->self, resume_addr, call->arg[2], MODE_S);
    }
    return SBI_OK(0);
}

struct sbi_ret ext_hsm(const struct sbi_call *call)
{
    const struct hart *hart;

    switch (call->fid) {
    case SBI_HSM_START:
        return start(call->arg[0], call->arg[1], call->arg[2]);
    case SBI_HSM_STOP:
        hart_park(call->self);
    case SBI_HSM_STATUS:
        hart = hart_find(call->arg[0]);
        return hart == NULL ? SBI_ERROR(SBI_ERR_INVALID_PARAM)
                            : SBI_OK((uint64_t)atomic_load(&hart->state));
    case SBI_HSM_SUSPEND:
        return suspend(call);
    default:
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
}
