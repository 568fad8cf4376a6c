/* The C side of a slow memory access: reads what the stub says about it, takes the operands out of
 * the registers saved, and puts the result there. Does no floating-point arithmetic. */
#include "translate/to_x86_64/access.h"
#include "cpu/base/bits.h"
#include "translate/probe.h"

struct saved {
    u64 *general, *xmm; /* by number */
    u8 *frame;
};

static u64 *saved_reg(const struct saved *saved, unsigned reg)
{
    return reg < REG_XMM0 ? &saved->general[reg] : &saved->xmm[reg - REG_XMM0];
}

static u64 operand(const struct saved *saved, const u8 *stub, u32 desc)
{
    u64 value;
    if (stub[SITE_ADDRESS] & SITE_CONST) {
        value = (u64)(s64)(s32)ld_le32(stub + SITE_VALUE);
    } else {
        value = *saved_reg(saved, stub[SITE_REG]);
    }
    unsigned bytes = host_desc_size_bytes(desc);
    return bytes == 8 ? value : value & (((u64)1 << 8 * bytes) - 1);
}

static u64 extend(u64 value, u32 desc)
{
    unsigned bits = 8 * host_desc_size_bytes(desc);
    return desc & HOST_DESC_SIGNED && bits < 64 ? bits_sext(value, bits) : value;
}

/* The access itself when all it missed was its page in the TLB. */
static bool refilled(struct vcpu *vcpu, const struct saved *saved, const u8 *stub, gva_t gva,
                     enum mem_kind kind, const struct host_slow *slow)
{
    u32 desc = ld_le32(stub + SITE_DESC);
    u8 *host = slow->refill(vcpu, gva, desc);
    if (UNLIKELY(host == NULL)) {
        return false;
    }
    unsigned size_bytes = host_desc_size_bytes(desc);
    if (kind == MEM_STORE) {
        st_le(host, operand(saved, stub, desc), size_bytes);
    } else {
        *saved_reg(saved, stub[SITE_REG]) = extend(ld_le(host, size_bytes), desc);
    }
    return true;
}

/* The result may go to a register of the guest's, which a fault leaves alone. */
static void load(struct vcpu *vcpu, const struct saved *saved, const u8 *stub, gva_t gva,
                 const struct host_slow *slow)
{
    u64 value = slow->load(vcpu, gva, ld_le32(stub + SITE_DESC));
    if (!vcpu->exception_pending) {
        *saved_reg(saved, stub[SITE_REG]) = value;
    }
}

static void atomic(struct vcpu *vcpu, const struct saved *saved, const u8 *stub, gva_t gva,
                   const struct host_slow *slow)
{
    u32 desc = ld_le32(stub + SITE_DESC);
    u64 value = 0, expected = 0;
    if ((desc >> HOST_DESC_AMO_SHIFT & HOST_DESC_AMO_MASK) == HOST_AMO_CAS) {
        memcpy(&value, saved->frame + FRAME_VALUE, 8);
        memcpy(&expected, saved->frame + FRAME_EXPECTED, 8);
        value &= ~(u64)0 >> (64 - 8 * host_desc_size_bytes(desc));
    } else {
        value = operand(saved, stub, desc);
    }
    saved->general[RAX] = slow->amo(vcpu, gva, value, expected, desc);
}

/* Pages remembered by a loop and addends kept by the block may be stale: see loop.c, access.c. */
void access_forget_pages(u8 *frame, unsigned poison)
{
    u64 *general = (u64 *)(void *)(frame + FRAME_REGS);
    u64 *site_tags = (u64 *)(void *)(frame + FRAME_SITES);
    for (unsigned left = poison & 31; left != 0; left &= left - 1) {
        general[access_temps[__builtin_ctz(left)]] |= 1;
    }
    u64 *kept = (u64 *)(void *)(frame + FRAME_KEPT);
#pragma GCC unroll 4
    for (unsigned n = 0; n < KEPT_MAX; n++) {
        kept[n] |= 1;
    }
#pragma GCC unroll 8
    for (unsigned n = 0; n < SITES_MAX; n++) {
        site_tags[2 * n] = ~(u64)0;
    }
}

const u8 *access_call(struct vcpu *vcpu, u8 *frame, const u8 *stub, const struct host_slow *slow)
{
    struct saved saved = {(u64 *)(void *)(frame + FRAME_REGS), (u64 *)(void *)(frame + FRAME_XMM),
                          frame};
    const u8 *resume = stub + SITE_JUMP_BYTES + (s32)ld_le32(stub + 1);
    stub += SITE_JUMP_BYTES;
    u32 desc = ld_le32(stub + SITE_DESC);
    gva_t gva = saved.general[stub[SITE_ADDRESS] & 15];
    enum mem_kind kind = (enum mem_kind)(stub[SITE_ADDRESS] >> SITE_KIND_SHIFT & 3);
    if (kind <= MEM_STORE && LIKELY(slow->refill != NULL) &&
        LIKELY(refilled(vcpu, &saved, stub, gva, kind, slow))) {
        return resume + stub[SITE_BACK];
    }
    vcpu->insns = saved.general[R15] + (desc >> HOST_DESC_INDEX_SHIFT);
    vcpu->pc = vcpu->pc_page + (desc >> HOST_DESC_PC_SHIFT & PAGE_OFFSET_MASK);
    if (stub[SITE_POISON] & SITE_LEAVE) {
        probe_sync(vcpu); /* what is left of the trace does not happen */
        return stub + SITE_VALUE + (stub[SITE_ADDRESS] & SITE_CONST ? 4 : 0);
    }
    switch (kind) {
    case MEM_LOAD: load(vcpu, &saved, stub, gva, slow); break;
    case MEM_STORE: slow->store(vcpu, gva, operand(&saved, stub, desc), desc); break;
    case MEM_AMO: atomic(vcpu, &saved, stub, gva, slow); break;
    case MEM_CHECK: slow->check(vcpu, gva, desc); break;
    }
    access_forget_pages(frame, stub[SITE_POISON]);
    return vcpu->exception_pending ? NULL : resume + stub[SITE_BACK];
}
