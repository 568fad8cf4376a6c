/* What a machine may take of this host: a share of its processors, and memory.
 *
 * A thread looks now and then. Time: when the process has used more than its share, the harts are
 * held until it has not; guest time goes on meanwhile with the real clock, and with the virtual
 * clock results are the same as without. Memory: what the process holds in RAM, the guest's
 * included as far as it was touched; above the limit the machine is stopped. A guest that touches
 * memory fast gets some ten MiB further before that is seen. */
#ifndef METIC_UI_QUOTA_H
#define METIC_UI_QUOTA_H

#include "cpu/base/error.h"
#include "hw/metic.h"

struct quota;

/* cpu_percent: of one processor, 0: no limit; memory_bytes: 0: no limit. *made is NULL when there
 * is none of both. False with a reason. */
bool quota_start(metic_machine *machine, unsigned cpu_percent, uint64_t memory_bytes,
                 struct quota **made, struct metic_error *error);
/* Whether it was the memory that stopped the machine; `text` gets a line on it. NULL allowed. */
bool quota_end(struct quota *quota, char *text, size_t text_bytes);

#endif
