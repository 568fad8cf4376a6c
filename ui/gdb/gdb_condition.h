/* Conditions of breakpoints that are evaluated here, on the thread of the hart that comes to one,
 * while the others run: one that is false costs no stop. */
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

/* Takes conditions as a Z packet has them, "X LENGTH , EXPRESSION" one behind the other, and puts
 * them in the place of those that this owner's breakpoint had; with nothing left in the packet it
 * has none. False: no such packet. A breakpoint stops when any of its conditions is true, or has no
 * value: then the debugger, which looks again, can say what is wrong with it. */
bool gdb_conditions_set(struct gdb_conditions *conditions, u64 address, unsigned owner,
                        struct gdb_text text);
void gdb_conditions_remove(struct gdb_conditions *conditions, u64 address, unsigned owner);
void gdb_conditions_fini(struct gdb_conditions *conditions);

/* The breakpoint has none, or one of them is true. Any thread while nobody changes them. */
bool gdb_conditions_hold(const struct gdb_conditions *conditions, u64 address, unsigned owner,
                         const struct gdb_agent_guest *guest);

#endif
