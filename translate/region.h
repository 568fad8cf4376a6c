/* Regions: loops without a usual way round.
 *
 * Where branches depend on data, no way round a loop is taken four times in five. Then the way that
 * begins at the head and always goes on as the path mostly did is the main way of a trace, and
 * where the path went elsewhere now and then a further way begins, which goes on in the same manner
 * until it comes to the head or to where another way begins. */
#ifndef METIC_TRANSLATE_REGION_H
#define METIC_TRANSLATE_REGION_H

#include "translate/tier2.h"

/* Finds a circle with further ways in a recorded path, that begins where the path does. False when
 * there is none that the path seldom leaves, or code cannot be looked at. */
bool region_find(struct vcpu *vcpu, const struct tier2_run *runs, unsigned count,
                 unsigned max_pages, struct tier2_circle *circle);

#endif
