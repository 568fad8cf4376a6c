/*
 * The v0.1 calls (SBI 2.0, chapter 5), which early consoles and small kernels still use. Hart
 * masks lie in the caller's virtual memory and are read with its rights, 64 harts from id 0.
 */
#include "roms/sbi/console.h"
#include "roms/sbi/csr.h"
#include "roms/sbi/ecall.h"
#include "roms/sbi/ipi.h"
#include "roms/sbi/pmu.h"
#include "roms/sbi/timer.h"

/* The mask at mask_gva, 0 meaning all harts; unknown harts in it are passed over. */
static bool read_targets(uint64_t mask_gva, uint64_t *targets)
{
    uint64_t mask;

    if (mask_gva == 0) {
        return ecall_select_harts(0, ~0ul, targets);
    }
    if ((mask_gva & 7) != 0) {
        return false;
    }
    uint64_t probe = probe_begin();
    mask = load_below(mask_gva);
    if (probe_end(probe) != 0) {
        return false;
    }
    *targets = 0;
    for (uint32_t i = 0; i < hart_count; i++) {
        if (harts[i].id < 64 && (mask >> harts[i].id & 1) != 0) {
            *targets |= 1ul << i;
        }
    }
    return true;
}

static int64_t remote_fence(const struct sbi_call *call, enum fence_kind kind)
{
    uint64_t targets;
    struct fence fence = {kind, call->arg[1], call->arg[2], call->arg[3]};

    if (!read_targets(call->arg[0], &targets)) {
        return SBI_ERR_INVALID_ADDRESS;
    }
    ipi_fence(call->self, ipi_reachable(targets), &fence);
    return SBI_SUCCESS;
}

static int64_t send_ipi(const struct sbi_call *call)
{
    uint64_t targets;

    if (!read_targets(call->arg[0], &targets)) {
        return SBI_ERR_INVALID_ADDRESS;
    }
    ipi_send(call->self, ipi_reachable(targets));
    return SBI_SUCCESS;
}

int64_t ext_legacy(const struct sbi_call *call, uint64_t extension_id)
{
    uint8_t byte = (uint8_t)call->arg[0];

    switch (extension_id) {
    case SBI_LEGACY_SET_TIMER:
        pmu_count(call->self, SBI_FW_SET_TIMER);
        timer_set(call->self, call->arg[0]);
        return SBI_SUCCESS;
    case SBI_LEGACY_PUTCHAR:
        return console_write(&byte, 1) == 1 ? SBI_SUCCESS : SBI_ERR_FAILED;
    case SBI_LEGACY_GETCHAR:
        return console_read(&byte, 1) == 1 ? byte : -1;
    case SBI_LEGACY_CLEAR_IPI:
        csr_clear(CSR_MIP, IRQ_BIT(IRQ_SSI));
        return SBI_SUCCESS;
    case SBI_LEGACY_SEND_IPI:
        return send_ipi(call);
    case SBI_LEGACY_FENCE_I:
        return remote_fence(call, FENCE_I);
    case SBI_LEGACY_SFENCE_VMA:
        return remote_fence(call, FENCE_VMA);
    case SBI_LEGACY_SFENCE_VMA_ASID:
        return remote_fence(call, FENCE_VMA_ASID);
    default:
        srst_finish(FINISHER_PASS);
        return SBI_ERR_FAILED;
    }
}
