/* Data accesses that do not hit the TLB: misses, devices, page crossings, watched pages.
 *
 * All functions run on the hart's thread with vcpu->pc and vcpu->insns exact, and return false with
 * an exception pending when the access faults; nothing was accessed then. */
#ifndef METIC_TRANSLATE_SOFTMMU_H
#define METIC_TRANSLATE_SOFTMMU_H

#include "translate/host.h"

bool softmmu_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value);
bool softmmu_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value);
/* Raises what a store (or load) of this size would, accesses nothing. */
bool softmmu_check(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, bool write);
/* Host bytes for an aligned atomic with read and write permission; NULL with an exception pending,
 * or NULL without one when the address is a device's. */
u8 *softmmu_atomic_host(struct vcpu *vcpu, gva_t gva, unsigned size_bytes);

/* write_span.c: has vcpu->write_span grow where stores missed it, if it can. Between blocks. */
void write_span_grow(struct vcpu *vcpu);

/* See vcpu_ops.plain_host. */
u8 *softmmu_plain_host(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, bool write);

/* A debugger does not want to see this compare-and-swap, or not before it happens (vcpu_ops). */
bool softmmu_swap_allowed(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 expected);

/* The exception of a load that stands for several (IR_CHECK_PIECES) where it cannot be one; never
 * the guest's. */
#define PIECES_CAUSE (~(u64)2)

extern const struct host_slow softmmu_slow;
/* Its over_page. */
bool softmmu_over_page(struct vcpu *vcpu, gva_t gva, u32 desc, u8 *host[2]);

#endif
