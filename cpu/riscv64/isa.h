/* What a riscv64 hart offers: the processors a user may ask for, and how they are told to guests.
 *
 *   rv64[,v=on|off][,vlen=128|256]   as QEMU's -cpu; without v=on no vector unit
 */
#ifndef METIC_CPU_RISCV64_ISA_H
#define METIC_CPU_RISCV64_ISA_H

#include "cpu/guest.h"

/* See struct guest. */
bool riscv64_parse_cpu(const char *text, u64 *features, struct metic_error *error);
void riscv64_isa(u64 features, bool messages, struct guest_isa *isa);

#endif
