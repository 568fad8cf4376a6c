/* The C side of a vector operation that could not be done in place: calls its helper. Does no
 * floating-point arithmetic; flags that the helper raises join those in MXCSR. */
#include "cpu/base/bits.h"
#include "cpu/fpu.h"
#include "translate/to_x86_64/emit_vector.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

static void join_flags(u32 flags)
{
    u32 mxcsr = (flags & FPU_NV ? 1u : 0u) | (flags & FPU_DZ ? 4u : 0u) |
                (flags & FPU_OF ? 8u : 0u) | (flags & FPU_UF ? 16u : 0u) |
                (flags & FPU_NX ? 32u : 0u);
    _mm_setcsr(_mm_getcsr() | mxcsr);
}
#else
static void join_flags(u32 flags)
{
    (void)flags;
}
#endif

typedef u64 vector_helper(struct vcpu *, u64 word, u64 row, u64 scalar, u64 unused);

const u8 *vector_call(struct vcpu *vcpu, u8 *frame, const u8 *stub, const struct host_slow *slow)
{
    u64 *general = (u64 *)(void *)(frame + FRAME_REGS);
    const u8 *resume = stub + SITE_JUMP_BYTES + (s32)ld_le32(stub + 1);
    const u8 *site = stub + SITE_JUMP_BYTES;
    u32 desc = ld_le32(site + SITE_DESC);
    const struct helper *helper = (const struct helper *)(uintptr_t)ld_le64(site + VSITE_HELPER);
    u64 scalar = site[SITE_ADDRESS] & SITE_CONST ? ld_le64(site + VSITE_VALUE)
                                                 : general[site[SITE_ADDRESS] & 15];
    (void)slow;
    vcpu->insns = general[R15] + (desc >> HOST_DESC_INDEX_SHIFT);
    vcpu->pc = vcpu->pc_page + (desc >> HOST_DESC_PC_SHIFT & PAGE_OFFSET_MASK);
    if (UNLIKELY(site[VSITE_POISON] & SITE_FAR)) {
        vcpu->pc += ld_le64(site + VSITE_BYTES);
    }
    vcpu->fpu_flags = 0;
    u64 epoch = vcpu->data_epoch;
    vector_helper *fn = (vector_helper *)(uintptr_t)helper->fn;
    u64 result = fn(vcpu, ld_le32(site + VSITE_WORD), ld_le16(site + VSITE_ROW), scalar, 0);
    join_flags(vcpu->fpu_flags);
    access_forget_pages(vcpu, frame, site[VSITE_POISON], epoch);
    if (vcpu->exception_pending) {
        return NULL;
    }
    if (site[SITE_REG] != NO_REG) {
        general[site[SITE_REG]] = result;
    }
    return resume;
}
