/* What machine_history.c, which keeps a history, and machine_reverse.c, which goes back in it,
 * share. */
#ifndef METIC_HW_MACHINE_HISTORY_H
#define METIC_HW_MACHINE_HISTORY_H

#include "hw/machine/machine.h"
#include "hw/page_pool.h"

/* The machine at one moment. */
struct history_moment {
    u64 insns;       /* of all harts */
    u64 *hart_insns; /* of each */
    struct journal_mark mark;
    struct state_writer state;
    struct page_image image;
    u64 uart_bytes, hvc_bytes, port_bytes[METIC_MAX_PORTS]; /* written so far */
    bool wall; /* a debugger made it what it is: no run leads here from the moment before */
};

enum { HISTORY_MOMENTS = 64 };

struct machine_history {
    struct history_moment *moments[HISTORY_MOMENTS + 1]; /* by insns */
    unsigned count;
    struct page_pool *pool;
    u64 state_bytes; /* of all moments, without their pages */
    u64 limit_bytes;
    u64 last_insns;  /* where the present is, as far as is known */
    u64 next_insns;  /* the next moment is not before this */
    u64 next_host_ns; /* nor before this, so that saving takes a small part of the time */
    bool edited;     /* since the last run */
    bool lost;       /* what was does not lead to what is */
    const char *news;
};

/* Keeps the machine as it is now, and fewer of the others when there are too many. False: no
 * memory; then there is one moment less. */
bool history_keep(struct metic_machine *machine, bool wall);
/* The last moment at or before that count; for a hart: at which it had executed at most so much.
 * -1: none. */
int history_find(const struct machine_history *history, u64 insns);
int history_find_hart(const struct machine_history *history, unsigned hart, u64 insns);
/* Puts the machine there. False: it is spoilt. */
bool history_load(struct metic_machine *machine, unsigned moment);
/* Before the machine moves, either way: takes in what a debugger did since it moved last. */
void history_settle(struct metic_machine *machine);

#endif
