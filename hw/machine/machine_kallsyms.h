/* Inside of machine_kallsyms.c, for its tests. */
#ifndef METIC_HW_MACHINE_KALLSYMS_H
#define METIC_HW_MACHINE_KALLSYMS_H

#include "cpu/base/types.h"

/* The first of at, at + step_bytes and so on, with a step before `end`, where 64 numbers of 32 bits
 * rise; NULL: nowhere. A step is longer than these. The guest may be writing there. */
const u8 *kallsyms_find_rising(const u8 *at, const u8 *end, size_t step_bytes);

#endif
