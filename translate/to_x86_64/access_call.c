/* The C side of a slow memory access: reads what the stub says about it, takes the operands out of
 * the registers saved, and puts the result there. Does no floating-point arithmetic. */
#include "cpu/base/bits.h"
#include "translate/probe/probe.h"
#include "translate/to_x86_64/access.h"
#include "translate/to_x86_64/loop.h"

_Static_assert(FRAME_XMM == FRAME_REGS + 8 * REG_XMM0, "one array by number");

static ALWAYS_INLINE u64 *saved_reg(u8 *frame, unsigned reg)
{
    return (u64 *)(void *)(frame + FRAME_REGS) + reg;
}

static ALWAYS_INLINE u64 operand(u8 *frame, const u8 *stub, u32 desc)
{
    u64 value;
    if (stub[SITE_ADDRESS] & SITE_CONST) {
        value = (u64)(s64)(s32)ld_le32(stub + SITE_VALUE);
    } else {
        value = *saved_reg(frame, stub[SITE_REG]);
    }
    unsigned bytes = host_desc_size_bytes(desc);
    return bytes == 8 ? value : value & (((u64)1 << 8 * bytes) - 1);
}

/* Of bytes that end with a page. */
static ALWAYS_INLINE u64 load_end(const u8 *host, unsigned bytes)
{
    return ld_le64(host + bytes - 8) >> (64 - 8 * bytes);
}

static ALWAYS_INLINE void store_bytes(u8 *host, u64 value, unsigned bytes)
{
    for (unsigned piece = 4; piece != 0; piece /= 2) {
        if (bytes & piece) {
            st_le(host, value, piece);
            host += piece;
            value >>= 8 * piece;
        }
    }
}

/* The access itself when it lies in two pages that the TLB has. Nothing becomes wrong that other
 * accesses know: the TLB stays as it is, and THUNK_ONCE told the access's own group. */
static ALWAYS_INLINE bool over_page(struct vcpu *vcpu, u8 *frame, const u8 *stub, gva_t gva,
                                    enum mem_kind kind, const struct host_slow *slow)
{
    u32 desc = ld_le32(stub + SITE_DESC);
    unsigned size_bytes = host_desc_size_bytes(desc);
    unsigned first_bytes = (unsigned)(PAGE_BYTES - (gva & PAGE_OFFSET_MASK));
    u8 *host[2];
    if (LIKELY(first_bytes >= size_bytes) || slow->over_page == NULL ||
        !slow->over_page(vcpu, gva, desc, host)) {
        return false;
    }
    if (kind == MEM_STORE) {
        u64 value = operand(frame, stub, desc);
        store_bytes(host[0], value, first_bytes);
        store_bytes(host[1], value >> 8 * first_bytes, size_bytes - first_bytes);
    } else {
        u64 value = load_end(host[0], first_bytes) | ld_le64(host[1]) << 8 * first_bytes;
        value &= ~(u64)0 >> (64 - 8 * size_bytes);
        *saved_reg(frame, stub[SITE_REG]) = host_desc_extend(value, desc);
    }
    return true;
}

/* The access itself when all it missed was its page in the TLB. */
static ALWAYS_INLINE bool refilled(struct vcpu *vcpu, u8 *frame, const u8 *stub, gva_t gva,
                                   enum mem_kind kind, const struct host_slow *slow,
                                   gpa_t *device)
{
    u32 desc = ld_le32(stub + SITE_DESC);
    u8 *host = slow->refill(vcpu, gva, desc, device);
    if (UNLIKELY(host == NULL)) {
        return false;
    }
    unsigned size_bytes = host_desc_size_bytes(desc);
    if (kind == MEM_STORE) {
        st_le(host, operand(frame, stub, desc), size_bytes);
    } else {
        *saved_reg(frame, stub[SITE_REG]) = host_desc_extend(ld_le(host, size_bytes), desc);
    }
    return true;
}

/* The result may go to a register of the guest's, which a fault leaves alone. */
static void load(struct vcpu *vcpu, u8 *frame, const u8 *stub, gva_t gva,
                 const struct host_slow *slow, gpa_t device)
{
    u64 value = slow->load(vcpu, gva, ld_le32(stub + SITE_DESC), device);
    if (!vcpu->exception_pending) {
        *saved_reg(frame, stub[SITE_REG]) = value;
    }
}

static void atomic(struct vcpu *vcpu, u8 *frame, const u8 *stub, gva_t gva,
                   const struct host_slow *slow)
{
    u32 desc = ld_le32(stub + SITE_DESC);
    u64 value = 0, expected = 0;
    if ((desc >> HOST_DESC_AMO_SHIFT & HOST_DESC_AMO_MASK) == HOST_AMO_CAS) {
        memcpy(&value, frame + FRAME_VALUE, 8);
        memcpy(&expected, frame + FRAME_EXPECTED, 8);
        value &= ~(u64)0 >> (64 - 8 * host_desc_size_bytes(desc));
    } else {
        value = operand(frame, stub, desc);
    }
    *saved_reg(frame, RAX) = slow->amo(vcpu, gva, value, expected, desc);
}

/* What the access would have left in registers for the next ones of its group is no address. */
static ALWAYS_INLINE void poison_temps(u8 *frame, unsigned poison)
{
    for (unsigned left = poison & 31; left != 0; left &= left - 1) {
        *saved_reg(frame, access_temps[__builtin_ctz(left)]) |= 1;
    }
}

/* See loop.c, access.c, slot.c. */
void access_forget_pages(struct vcpu *vcpu, u8 *frame, unsigned poison, u64 epoch)
{
    u64 *site_tags = (u64 *)(void *)(frame + FRAME_SITES);
    poison_temps(frame, poison);
    u64 *kept = (u64 *)(void *)(frame + FRAME_KEPT);
#pragma GCC unroll 8
    for (unsigned n = 0; n < KEPT_MAX; n++) {
        kept[n] |= 1;
    }
#pragma GCC unroll 8
    for (unsigned n = 0; n < SITES_MAX; n++) {
        site_tags[2 * n] = ~(u64)0;
    }
    if (UNLIKELY(vcpu->data_epoch != epoch)) {
        slot_forget(vcpu);
    }
}

/* Behind the description of the access. */
static const u8 *behind(const u8 *stub)
{
    return stub + SITE_VALUE + (stub[SITE_ADDRESS] & SITE_CONST ? 4 : 0) +
           (stub[SITE_POISON] & SITE_FAR ? 8 : 0);
}

/* The access does not happen, nor what is left of its path. */
static void end_path(struct vcpu *vcpu, const u8 *stub)
{
    if (stub[SITE_POISON] & SITE_PATH) {
        vcpu->probe_path = ld_le32(behind(stub));
        vcpu->probe_insns = vcpu->insns - ld_le16(behind(stub) + 4);
    }
}

/* The access as its description says, which `stub` points to; pc and insns exact. */
static ALWAYS_INLINE u32 begin(struct vcpu *vcpu, u64 insns, const u8 *stub)
{
    u32 desc = ld_le32(stub + SITE_DESC);
    vcpu->insns = insns + (desc >> HOST_DESC_INDEX_SHIFT);
    vcpu->pc = vcpu->pc_page + (desc >> HOST_DESC_PC_SHIFT & PAGE_OFFSET_MASK);
    if (UNLIKELY(stub[SITE_POISON] & SITE_FAR)) {
        vcpu->pc += ld_le64(behind(stub) - 8);
    }
    return desc;
}

void access_fault(struct vcpu *vcpu, u64 insns, const u8 *stub)
{
    stub += SITE_JUMP_BYTES;
    u32 desc = begin(vcpu, insns, stub);
    vcpu->guest->raise_page_fault(vcpu, vcpu->exception_value,
                                  desc & HOST_DESC_WRITE ? VCPU_WRITE : VCPU_READ);
    end_path(vcpu, stub);
}

/* Behind all that is said of it. */
static const u8 *past(const u8 *stub)
{
    return behind(stub) + (stub[SITE_POISON] & SITE_PATH ? SITE_PATH_BYTES : 0);
}

static const u8 *leave(struct vcpu *vcpu, const u8 *stub)
{
    end_path(vcpu, stub);
    probe_sync(vcpu);
    return past(stub);
}

const u8 *access_split(struct vcpu *vcpu, u8 *frame, const u8 *stub, const struct host_slow *slow)
{
    gva_t head = vcpu->pc_page + ld_le32(stub + SITE_HEAD);
    enum access_told told = (enum access_told)stub[0];
    stub += SITE_JUMP_BYTES;
    begin(vcpu, *saved_reg(frame, R15), stub);
    if (told != TOLD_SPLIT) {
        void (*tell)(struct vcpu *, gva_t) = told == TOLD_GUESSED ? slow->guessed : slow->strayed;
        if (tell != NULL) {
            tell(vcpu, head);
        }
        return past(stub);
    }
    if (slow->split != NULL) {
        slow->split(vcpu, head, *saved_reg(frame, stub[SITE_ADDRESS] & 15));
    }
    return leave(vcpu, stub);
}

const u8 *access_call(struct vcpu *vcpu, u8 *frame, const u8 *stub, const struct host_slow *slow)
{
    const u8 *resume = stub + SITE_JUMP_BYTES + (s32)ld_le32(stub + 1);
    stub += SITE_JUMP_BYTES;
    u32 desc = begin(vcpu, *saved_reg(frame, R15), stub);
    gva_t gva = *saved_reg(frame, stub[SITE_ADDRESS] & 15);
    enum mem_kind kind = (enum mem_kind)(stub[SITE_ADDRESS] >> SITE_KIND_SHIFT & 3);
    gpa_t device = HOST_NO_DEVICE;
    if (kind <= MEM_STORE && over_page(vcpu, frame, stub, gva, kind, slow)) {
        return resume + stub[SITE_BACK];
    }
    if (kind <= MEM_STORE && LIKELY(slow->refill != NULL) &&
        LIKELY(refilled(vcpu, frame, stub, gva, kind, slow, &device))) {
        return resume + stub[SITE_BACK];
    }
    if (stub[SITE_POISON] & SITE_LEAVE) {
        vcpu->exception_pending = 0; /* it comes again, where the registers are the guest's */
        return leave(vcpu, stub);
    }
    if (vcpu->exception_pending) {
        end_path(vcpu, stub);
        return NULL;
    }
    u64 epoch = vcpu->data_epoch;
    switch (kind) {
    case MEM_LOAD: load(vcpu, frame, stub, gva, slow, device); break;
    case MEM_STORE: slow->store(vcpu, gva, operand(frame, stub, desc), desc, device); break;
    case MEM_AMO: atomic(vcpu, frame, stub, gva, slow); break;
    case MEM_CHECK: slow->check(vcpu, gva, desc); break;
    }
    if (kind == MEM_LOAD && device != HOST_NO_DEVICE && !vcpu->exception_pending) {
        poison_temps(frame, stub[SITE_POISON]); /* devices change no TLB when they are read */
        return resume + stub[SITE_BACK];
    }
    access_forget_pages(vcpu, frame, stub[SITE_POISON], epoch);
    if (vcpu->exception_pending) {
        end_path(vcpu, stub);
        return NULL;
    }
    return resume + stub[SITE_BACK];
}
