/* One debugger's session: packets in, replies out, no sockets. The machine stands still whenever
 * one of these functions is called. */
#ifndef METIC_UI_GDB_SESSION_H
#define METIC_UI_GDB_SESSION_H

#include "hw/metic.h"
#include "ui/gdb/gdb_condition.h"
#include "ui/gdb/gdb_packet.h"

#include <pthread.h>

enum gdb_then {
    GDB_THEN_REPLY,  /* send the output */
    GDB_THEN_RUN,    /* the machine goes on; no reply until it stops */
    GDB_THEN_DETACH, /* send the output, then let the machine go and close */
    GDB_THEN_KILL,   /* end the machine (send the output when there is one) */
};

struct monitor;

struct gdb_plan {
    u8 action; /* enum metic_action */
    u64 first, last;
};

struct gdb_session {
    metic_machine *machine;
    unsigned hart;   /* what g, m and p are about */
    unsigned stop_hart; /* the last that stopped by itself */
    bool memory_of_stop; /* LLDB: memory is what stop_hart sees, whose registers are asked for */
    bool physical;   /* memory packets mean physical addresses */
    bool no_ack;     /* both sides trust the transport */
    bool killed;
    unsigned step_hart;   /* what bs is about */
    bool goes_back;       /* the run that is going on does, ... */
    enum metic_back back; /* ... and how */
    bool at_end;          /* the stop is where a recording ends */
    char no_history[512]; /* why there is none, or "" */
    struct gdb_conditions conditions;
    struct gdb_plan plans[METIC_MAX_HARTS]; /* of the run that is going on */
    char *description;                      /* target.xml, made when first asked for; heap */
    size_t description_bytes;
    pthread_mutex_t printing; /* of harts: */
    struct gdb_output printed;
    /* Sends a packet at once: lines of a long answer of the monitor; what breakpoints print, on a
     * hart's thread while the machine runs. May be NULL. */
    void (*send)(void *opaque, const struct gdb_output *packet);
    void *send_opaque;
    const struct monitor *with; /* what the monitor's commands know besides, or NULL */
};

void gdb_session_init(struct gdb_session *session, metic_machine *machine);
void gdb_session_fini(struct gdb_session *session); /* takes its breakpoints out */

/* Answers one packet. */
enum gdb_then gdb_session_packet(struct gdb_session *session, const char *packet,
                                 size_t packet_bytes, struct gdb_output *output);

/* Runs the machine as the last packet asked for. */
void gdb_session_run(struct gdb_session *session, struct metic_result *result);
/* The last run ended with METIC_BREAK: what is to be said of it. `signal` is for a stop from
 * outside. */
void gdb_session_stopped(struct gdb_session *session, unsigned signal, struct gdb_output *output);
/* The machine has ended. */
void gdb_session_ended(const struct metic_result *result, struct gdb_output *output);
/* The machine stopped for nothing: the same plans again. */
void gdb_session_again(struct gdb_session *session);

/* --- among gdb_*.c --- */

/* gdb_points.c: Z and z packets, and what of them begins and ends with a session. */
enum { GDB_SOFTWARE, GDB_HARDWARE }; /* owners of breakpoints, and Z packets' types */
void gdb_points_init(struct gdb_session *session);
void gdb_points_fini(struct gdb_session *session);
bool gdb_set_point(struct gdb_session *session, struct gdb_text text, struct gdb_output *output);
bool gdb_clear_point(struct gdb_session *session, struct gdb_text text, struct gdb_output *output);
/* gdb_query.c: packets that begin with q or Q; false: not known. */
bool gdb_query(struct gdb_session *session, struct gdb_text text, struct gdb_output *output);
/* gdb_reverse.c: for a session that begins; the packets; and whether an end is only that of a
 * recording, at which one can turn round. */
void gdb_reverse_init(struct gdb_session *session);
bool gdb_reverse_step(struct gdb_session *session, struct gdb_text text, struct gdb_output *output);
bool gdb_reverse_continue(struct gdb_session *session, struct gdb_text text,
                          struct gdb_output *output);
bool gdb_reverse_ends(struct gdb_session *session, const struct metic_result *result);
/* gdb_xml.c: the target description as heap text. */
char *gdb_describe_target(metic_machine *machine, size_t *size_bytes);
/* The memory map as heap text. */
char *gdb_describe_memory(metic_machine *machine, unsigned hart, bool physical, size_t *size_bytes);
/* Whose addresses memory packets mean. */
unsigned gdb_memory_hart(const struct gdb_session *session);
/* Names a thread. */
void gdb_put_thread(struct gdb_output *output, unsigned hart);
/* Takes a thread that exists, or "any", which is the current one. */
bool gdb_take_hart(const struct gdb_session *session, struct gdb_text *text, unsigned *hart);

#endif
