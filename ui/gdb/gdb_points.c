/* See gdb_session.h: breakpoints, with their conditions, and watchpoints. */
#include "ui/gdb/gdb_session.h"

#include <string.h>

/* --- conditions --- */

struct asked {
    struct gdb_session *session;
    unsigned hart;
};

static bool read_register(void *opaque, unsigned number, u64 *value)
{
    const struct asked *asked = opaque;
    return metic_read_register(asked->session->machine, asked->hart, number, value);
}

static bool read_memory(void *opaque, u64 address, void *to, size_t size_bytes)
{
    const struct asked *asked = opaque;
    metic_machine *machine = asked->session->machine;
    return asked->session->physical
               ? metic_read_memory(machine, address, to, size_bytes)
               : metic_read_virtual(machine, asked->hart, address, to, size_bytes);
}

/* To the debugger, while the machine runs; harts one after the other. */
static void print(void *opaque, const char *text)
{
    const struct asked *asked = opaque;
    struct gdb_session *session = asked->session;
    if (session->send != NULL) {
        pthread_mutex_lock(&session->printing);
        struct gdb_output *packet = &session->printed;
        packet->length_bytes = 0;
        packet->full = false;
        gdb_put(packet, "O");
        gdb_put_hex(packet, text, strlen(text));
        session->send(session->send_opaque, packet);
        pthread_mutex_unlock(&session->printing);
    }
}

/* On the hart's thread. Who goes back comes by places where it was before. */
static unsigned filter(void *opaque, unsigned hart, uint64_t address, unsigned owners)
{
    struct gdb_session *session = opaque;
    struct asked asked = {session, hart};
    const struct gdb_agent_guest guest = {read_register, read_memory, &asked, print};
    for (unsigned owner = GDB_SOFTWARE; owner <= GDB_HARDWARE; owner++) {
        if ((owners & 1u << owner) &&
            !gdb_conditions_stop(&session->conditions, address, owner, &guest,
                                 !session->goes_back)) {
            owners &= ~(1u << owner);
        }
    }
    return owners;
}

void gdb_points_init(struct gdb_session *session)
{
    pthread_mutex_init(&session->printing, NULL);
    metic_set_break_filter(session->machine, filter, session);
}

void gdb_points_fini(struct gdb_session *session)
{
    metic_clear_breakpoints(session->machine);
    metic_set_break_filter(session->machine, NULL, NULL);
    gdb_conditions_fini(&session->conditions);
    pthread_mutex_destroy(&session->printing);
}

/* --- the packets --- */

static bool change_watch(struct gdb_session *session, bool set, u64 type, u64 address,
                         u64 size_bytes)
{
    static const enum metic_watch watches[] = {
        [2] = METIC_WATCH_WRITE, [3] = METIC_WATCH_READ, [4] = METIC_WATCH_ACCESS
    };
    return set ? metic_add_watchpoint(session->machine, address, size_bytes, watches[type])
               : metic_remove_watchpoint(session->machine, address, size_bytes, watches[type]);
}

/* `rest` is what follows the kind: conditions. */
static bool change_break(struct gdb_session *session, bool set, u64 type, u64 address,
                         struct gdb_text rest)
{
    unsigned owner = (unsigned)type;
    if (!set) {
        gdb_conditions_remove(&session->conditions, address, owner);
        metic_remove_breakpoint(session->machine, address, owner);
        return true;
    }
    struct gdb_text commands = rest;
    if (!gdb_take(&commands, ";cmds:")) { /* else there are no conditions before them */
        gdb_take(&rest, ";");
    }
    if (!gdb_conditions_set(&session->conditions, address, owner, rest)) {
        return false;
    }
    metic_add_breakpoint(session->machine, address, owner);
    return true;
}

/* "TYPE,ADDRESS,KIND[;CONDITIONS][;cmds:COMMANDS]"; the kind is a watchpoint's length. */
static bool change_point(struct gdb_session *session, bool set, struct gdb_text text,
                         struct gdb_output *output)
{
    u64 type, address, kind;
    if (!gdb_take_hex(&text, &type) || !gdb_take(&text, ",") ||
        !gdb_take_range(&text, &address, &kind)) {
        return false;
    }
    if (type > 4) {
        return true; /* not supported */
    }
    if (type <= GDB_HARDWARE) {
        if (!change_break(session, set, type, address, text)) {
            return false;
        }
    } else if (!change_watch(session, set, type, address, kind)) {
        gdb_put_error(output, GDB_ERROR_ARGUMENT);
        return true;
    }
    gdb_put(output, "OK");
    return true;
}

bool gdb_set_point(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    return change_point(session, true, text, output);
}

bool gdb_clear_point(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    return change_point(session, false, text, output);
}
