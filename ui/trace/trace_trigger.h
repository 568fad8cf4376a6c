/* Events at which a recording begins or ends, as --trace-filter start=@... says. */
#ifndef METIC_UI_TRACE_TRIGGER_H
#define METIC_UI_TRACE_TRIGGER_H

#include "cpu/base/error.h"
#include "hw/metic.h"

/* EVENT or EVENT:VALUE; false with a reason. */
bool trace_trigger_parse(const char *text, struct metic_trace_trigger *trigger,
                         struct metic_error *error);

#endif
