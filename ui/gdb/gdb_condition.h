/* Conditions and commands of breakpoints that are evaluated here, on the thread of the hart that
 * comes to one, while the others run: a condition that is false costs no stop, and neither does
 * what commands print. */
#ifndef METIC_UI_GDB_CONDITION_H
#define METIC_UI_GDB_CONDITION_H

#include "hw/metic.h"
#include "ui/gdb/gdb_agent.h"
#include "ui/gdb/gdb_packet.h"

/* Sorted by address and owner. Changed only while no hart runs. */
struct gdb_conditions {
    struct gdb_condition *list;
    size_t count, capacity;
};

/* Takes conditions as a Z packet has them, "X LENGTH , EXPRESSION" one behind the other, and behind
 * "; cmds : PERSIST ," commands of the same form, and puts them in the place of those that this
 * owner's breakpoint had; with nothing left in the packet it has none. Commands end with the
 * session, whatever PERSIST says. False: no such packet. A breakpoint stops when any of its
 * conditions is true, or has no value: then the debugger, which looks again, can say what is wrong
 * with it. */
bool gdb_conditions_set(struct gdb_conditions *conditions, u64 address, unsigned owner,
                        struct gdb_text text);
void gdb_conditions_remove(struct gdb_conditions *conditions, u64 address, unsigned owner);
void gdb_conditions_fini(struct gdb_conditions *conditions);

/* Whether the breakpoint stops its hart: it has no conditions, or one of them is true; one that has
 * commands executes them instead, when `runs` (else it was there before). Any thread while nobody
 * changes them. */
bool gdb_conditions_stop(const struct gdb_conditions *conditions, u64 address, unsigned owner,
                         const struct gdb_agent_guest *guest, bool runs);

#endif
