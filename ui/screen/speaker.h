/* This host's loudspeaker and microphone, through SDL, for a machine's sound card. */
#ifndef METIC_UI_SPEAKER_H
#define METIC_UI_SPEAKER_H

#include "hw/metic.h"

struct speaker;

/* Opens what is asked for, until speaker_close, which comes before the machine is freed. NULL with
 * a reason. */
struct speaker *speaker_open(metic_machine *machine, bool play, bool record,
                             struct metic_error *error);
void speaker_close(struct speaker *speaker); /* NULL allowed */

#endif
