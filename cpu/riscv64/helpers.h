/* The helpers of helpers.def as objects that IR calls name: riscv64_helper_csr_read and so on.
 * Each runs on the hart's own thread, with vcpu->pc and vcpu->insns exact (instructions retired
 * before the current one) where its row says HELPER_NEEDS_PC. */
#ifndef METIC_CPU_RISCV64_HELPERS_H
#define METIC_CPU_RISCV64_HELPERS_H

#include "cpu/guest.h"

#define HELPER(name, arg_count, has_result, flags, doc) \
    extern const struct helper riscv64_helper_##name;
#include "cpu/riscv64/helpers.def"
#undef HELPER

#endif
