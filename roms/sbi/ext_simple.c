/*
 * The extensions that are a few lines each: BASE, TIME, IPI, RFENCE, SRST and DBCN (SBI 2.0,
 * chapters 4, 6, 7, 8, 10 and 12). Left out: the hypervisor's hfence calls, which return
 * SBI_ERR_NOT_SUPPORTED.
 */
#include "roms/sbi/console.h"
#include "roms/sbi/csr.h"
#include "roms/sbi/ecall.h"
#include "roms/sbi/ipi.h"
#include "roms/sbi/platform.h"
#include "roms/sbi/pmu.h"
#include "roms/sbi/timer.h"

#define IMPLEMENTATION_ID 0x6d65746963ul    /* "metic"; not among the registered numbers */
#define IMPLEMENTATION_VERSION 0x00010000ul

struct sbi_ret ext_base(const struct sbi_call *call)
{
    switch (call->fid) {
    case SBI_BASE_SPEC_VERSION:
        return SBI_OK(SBI_SPEC_VERSION);
    case SBI_BASE_IMPL_ID:
        return SBI_OK(IMPLEMENTATION_ID);
    case SBI_BASE_IMPL_VERSION:
        return SBI_OK(IMPLEMENTATION_VERSION);
    case SBI_BASE_PROBE:
        return SBI_OK(ecall_probe(call->arg[0]));
    case SBI_BASE_MVENDORID:
        return SBI_OK(csr_read(CSR_MVENDORID));
    case SBI_BASE_MARCHID:
        return SBI_OK(csr_read(CSR_MARCHID));
    case SBI_BASE_MIMPID:
        return SBI_OK(csr_read(CSR_MIMPID));
    default:
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
}

struct sbi_ret ext_time(const struct sbi_call *call)
{
    if (call->fid != 0) {
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
    pmu_count(call->self, SBI_FW_SET_TIMER);
    timer_set(call->self, call->arg[0]);
    return SBI_OK(0);
}

struct sbi_ret ext_ipi(const struct sbi_call *call)
{
    uint64_t targets;

    if (call->fid != 0) {
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
    if (!ecall_select_harts(call->arg[0], call->arg[1], &targets)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    ipi_send(call->self, ipi_reachable(targets));
    return SBI_OK(0);
}

struct sbi_ret ext_rfence(const struct sbi_call *call)
{
    static const enum fence_kind kinds[] = {
        [SBI_RFENCE_FENCE_I] = FENCE_I,
        [SBI_RFENCE_SFENCE_VMA] = FENCE_VMA,
        [SBI_RFENCE_SFENCE_VMA_ASID] = FENCE_VMA_ASID,
    };
    uint64_t targets;

    if (call->fid > SBI_RFENCE_SFENCE_VMA_ASID) {
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
    if (!ecall_select_harts(call->arg[0], call->arg[1], &targets)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    struct fence fence = {kinds[call->fid], call->arg[2], call->arg[3], call->arg[4]};
    ipi_fence(call->self, ipi_reachable(targets), &fence);
    return SBI_OK(0);
}

void srst_finish(uint32_t finisher_value)
{
    if (platform.finisher == NULL) {
        return;
    }
    __asm__ volatile("fence rw, o" : : : "memory");
    *platform.finisher = finisher_value;
    for (;;) {
        wfi();
    }
}

struct sbi_ret ext_srst(const struct sbi_call *call)
{
    uint32_t type = (uint32_t)call->arg[0];
    uint32_t reason = (uint32_t)call->arg[1];

    if (call->fid != SBI_SRST_RESET) {
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
    if (type > SBI_SRST_WARM_REBOOT || reason > SBI_SRST_REASON_FAILURE) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    if (type != SBI_SRST_SHUTDOWN) {
        srst_finish(FINISHER_RESET);
    }
    srst_finish(reason == SBI_SRST_REASON_FAILURE ? FINISHER_FAIL(1) : FINISHER_PASS);
    return SBI_ERROR(SBI_ERR_FAILED);
}

/* The buffer is S-mode's RAM and nothing else: neither this firmware nor a device. */
static struct sbi_ret transfer(const struct sbi_call *call, bool write)
{
    size_t bytes = call->arg[0];
    uint8_t *buffer = (uint8_t *)call->arg[1];

    if (call->arg[2] != 0 || !platform_is_s_mode_ram(call->arg[1], bytes)) {
        return SBI_ERROR(SBI_ERR_INVALID_PARAM);
    }
    return SBI_OK(write ? console_write(buffer, bytes) : console_read(buffer, bytes));
}

struct sbi_ret ext_dbcn(const struct sbi_call *call)
{
    uint8_t byte = (uint8_t)call->arg[0];

    switch (call->fid) {
    case SBI_DBCN_WRITE:
        return transfer(call, true);
    case SBI_DBCN_READ:
        return transfer(call, false);
    case SBI_DBCN_WRITE_BYTE:
        return console_write(&byte, 1) == 1 ? SBI_OK(0) : SBI_ERROR(SBI_ERR_FAILED);
    default:
        return SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    }
}
