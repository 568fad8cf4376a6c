/* The element operations and shapes that rv_v.def names, declared from it. Private to
 * cpu/riscv64/vector*.c. */
#ifndef METIC_CPU_RISCV64_VECTOR_OPS_H
#define METIC_CPU_RISCV64_VECTOR_OPS_H

#include "cpu/riscv64/vector.h"

#define INSN(name, pattern, format, extension, assembly, flags, lowering)
#define VINSN(name, pattern, format, assembly, flags, shape, op)                                   \
    vector_shape_fn vector_##shape;                                                                \
    extern const struct vector_op riscv64_vop_##op;
#include "cpu/riscv64/rv_v.def"
#undef INSN
#undef VINSN

#endif
