/* A hart of the tests' own for the IR interpreter: four words in, four out, 64 bytes of RAM, a
 * device register; and what builds a block and runs it. For test_ir_interp*.c only. */
#ifndef METIC_TESTS_TRANSLATE_IR_INTERP_HART_H
#define METIC_TESTS_TRANSLATE_IR_INTERP_HART_H

#include "cpu/base/bits.h"
#include "cpu/guest.h"
#include "translate/ir/ir.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { RAM_GVA = 0x10000, DEVICE_GVA = 0x20000, BROKEN_GVA = 0x30000 }; /* 64 bytes each */
enum { PAGE_GVA = 0x400000, ENTRY_INSNS = 1000 };
enum { CAUSE_LOAD = 5, CAUSE_STORE = 7, CAUSE_MISALIGNED = 100 };

struct hart {
    struct vcpu vcpu; /* first: state offsets count from it */
    u64 in[4];
    u64 out[4];
    u8 *ram;
    u64 device;
    unsigned device_loads, device_stores;
    u64 pc_seen, insns_seen; /* when memory or a helper was reached */
};

#define MIN64 0x8000000000000000u
#define ONES64 0xffffffffffffffffu
#define ONES32 0xffffffffu
#define MIN32 0x80000000u
#define IN(n) ((u32)(offsetof(struct hart, in) + 8 * (n)))
#define OUT(n) ((u32)(offsetof(struct hart, out) + 8 * (n)))

static inline struct hart *hart_of(struct vcpu *vcpu)
{
    return (struct hart *)(void *)vcpu;
}

static inline bool inside(gva_t gva, u64 base, unsigned size_bytes)
{
    return gva >= base && gva - base <= 64 - size_bytes;
}

static inline bool hart_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    struct hart *hart = hart_of(vcpu);
    hart->pc_seen = vcpu->pc;
    hart->insns_seen = vcpu->insns;
    if (inside(gva, DEVICE_GVA, size_bytes)) {
        hart->device_loads++;
        *value = hart->device;
        return true;
    }
    if (!inside(gva, RAM_GVA, size_bytes)) {
        return vcpu_raise(vcpu, CAUSE_LOAD, gva);
    }
    *value = ld_le(hart->ram + (gva - RAM_GVA), size_bytes);
    return true;
}

static inline bool hart_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    struct hart *hart = hart_of(vcpu);
    hart->pc_seen = vcpu->pc;
    hart->insns_seen = vcpu->insns;
    if (inside(gva, DEVICE_GVA, size_bytes)) {
        hart->device_stores++;
        hart->device = value;
        return true;
    }
    if (!inside(gva, RAM_GVA, size_bytes)) {
        return vcpu_raise(vcpu, CAUSE_STORE, gva);
    }
    st_le(hart->ram + (gva - RAM_GVA), value, size_bytes);
    return true;
}

static inline u8 *hart_atomic_host(struct vcpu *vcpu, gva_t gva, unsigned size_bytes)
{
    if (inside(gva, RAM_GVA, size_bytes)) {
        return hart_of(vcpu)->ram + (gva - RAM_GVA);
    }
    if (!inside(gva, DEVICE_GVA, size_bytes) && !inside(gva, BROKEN_GVA, size_bytes)) {
        vcpu_raise(vcpu, CAUSE_STORE, gva);
    }
    return NULL;
}

static inline void raise_misaligned(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    vcpu_raise(vcpu, CAUSE_MISALIGNED + (u64)access, gva);
}

static inline void raise_access_fault(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    vcpu_raise(vcpu, access == VCPU_WRITE ? CAUSE_STORE : CAUSE_LOAD, gva);
}

static const struct vcpu_ops hart_ops = {
    .load = hart_load, .store = hart_store, .atomic_host = hart_atomic_host};
static const struct guest hart_guest = {.name = "test",
                                        .vcpu_bytes = sizeof(struct hart),
                                        .raise_misaligned = raise_misaligned,
                                        .raise_access_fault = raise_access_fault};

static struct ir *ir;
static struct hart hart;
static _Alignas(64) u8 ram[64];

static inline void hart_init(struct hart *one)
{
    memset(one, 0, sizeof(*one));
    one->ram = ram;
    one->vcpu.ops = &hart_ops;
    one->vcpu.guest = &hart_guest;
    one->vcpu.pc_page = PAGE_GVA;
    one->vcpu.insns = ENTRY_INSNS;
    one->vcpu.deadline = ~(u64)0;
}

static inline void begin(void)
{
    ir_reset(ir, &hart_guest);
    ir->no_fold = true;
    ir_begin_insn(ir, 0x100, 4);
}

static inline void setup(void)
{
    ir = malloc(sizeof(*ir));
    memset(ram, 0, sizeof(ram));
    hart_init(&hart);
    begin();
}

static inline void teardown(void)
{
    free(ir);
}

static inline enum ir_exit run(void)
{
    char why[200] = "";
    cr_assert(ir_verify(ir, why, sizeof(why)), "%s", why);
    return ir_interp_run(ir->insns, ir->count, &hart.vcpu);
}

static inline enum ir_exit run_to_jump(void)
{
    ir_jump(ir, 0x104);
    return run();
}

static inline ir_ref in(unsigned index, enum ir_type type)
{
    return ir_get(ir, type, IN(index), type == IR_I32 || type == IR_F32 ? 4 : 8);
}

/* Stores a value whole into out[index]; the upper half of a 32-bit one stays 0. */
static inline void out(unsigned index, ir_ref value)
{
    enum ir_type type = ir_value_type(&ir->insns[value]);
    ir_set(ir, OUT(index), type == IR_I32 || type == IR_F32 ? 4 : 8, value);
}

static inline void check_exit(enum ir_exit got, enum ir_exit exit, u64 pc, u64 insns)
{
    cr_assert_eq(got, exit, "exit %u, not %u", got, exit);
    cr_assert_eq(hart.vcpu.pc, pc, "pc %llx", (unsigned long long)hart.vcpu.pc);
    cr_assert_eq(hart.vcpu.insns, insns, "insns %llu", (unsigned long long)hart.vcpu.insns);
}

#endif
