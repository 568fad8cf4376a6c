/* A history: a machine on the virtual clock, or one that replays a recording, that can be put back
 * to any instruction it has executed since the history began, and goes on from there as it did.
 *
 * It keeps the machine's state at moments that lie the further apart the longer ago they are, and
 * what came in since (hw/journal/journal.h). Going back is going to the moment before and running
 * again; so nothing but a moment's saving slows a machine that goes forward. What is executed a
 * second time is not heard of outside: no byte of a console's leaves twice. Where the machine has
 * been last is the present; behind it, in the past, input waits for the present. */
#ifndef METIC_HISTORY_H
#define METIC_HISTORY_H

#include "hw/metic/base.h"
#include "hw/metic/machine.h"

#include <stdbool.h>
#include <stdint.h>

/* Begins here, on a machine that does not run; one that is there goes on. `limit_bytes`: what it
 * may take of the host's memory, 0: an eighth of the host's, 2 GiB at most; where there would be
 * more, moments between are given up, and where two are too much, the beginning moves: one is
 * always kept, which is as large as what the guest has written. False with a reason: the machine
 * has something that does not repeat, or no memory. */
bool metic_history_begin(metic_machine *machine, uint64_t limit_bytes, struct metic_error *error);
void metic_history_end(metic_machine *machine); /* in the past, the present is lost */

/* Runs backwards, until METIC_BREAK: by one instruction of a hart (or one trap it took), or to the
 * last moment at which metic_run would have stopped at a breakpoint, or behind an instruction that
 * accessed what is watched. metic_get_stop says so, or METIC_STOP_BEGIN where the history begins.
 * Without a history it begins right here.
 * What is changed in the past (registers, memory) ends the future: from there a new one begins. */
enum metic_back { METIC_BACK_STEP, METIC_BACK_RUN };
void metic_run_back(metic_machine *machine, unsigned hart, enum metic_back how,
                    struct metic_result *result);

struct metic_history_info {
    uint64_t first_insns, now_insns, last_insns; /* of all harts together: where it begins, where
                                                  * the machine is, and has been last */
    unsigned moments;
    uint64_t bytes;      /* of the host's memory, and the most it may be */
    uint64_t limit_bytes;
    bool past;
};
/* False: there is none. */
bool metic_get_history(metic_machine *machine, struct metic_history_info *info);

/* What has become of the history since this was asked last: one line for people, or NULL. */
const char *metic_history_news(metic_machine *machine);

#endif
