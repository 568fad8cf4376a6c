/* See gdb_session.h: breakpoints, with their conditions, and watchpoints. */
#include "ui/gdb/gdb_session.h"

/* --- conditions --- */

struct asked {
    const struct gdb_session *session;
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

/* On the hart's thread. */
static unsigned filter(void *opaque, unsigned hart, uint64_t address, unsigned owners)
{
    const struct gdb_session *session = opaque;
    struct asked asked = {session, hart};
    const struct gdb_agent_guest guest = {read_register, read_memory, &asked};
    for (unsigned owner = GDB_SOFTWARE; owner <= GDB_HARDWARE; owner++) {
        if ((owners & 1u << owner) &&
            !gdb_conditions_hold(&session->conditions, address, owner, &guest)) {
            owners &= ~(1u << owner);
        }
    }
    return owners;
}

void gdb_points_init(struct gdb_session *session)
{
    metic_set_break_filter(session->machine, filter, session);
}

void gdb_points_fini(struct gdb_session *session)
{
    metic_clear_breakpoints(session->machine);
    metic_set_break_filter(session->machine, NULL, NULL);
    gdb_conditions_fini(&session->conditions);
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
    gdb_take(&rest, ";");
    if (!gdb_conditions_set(&session->conditions, address, owner, rest)) {
        return false;
    }
    metic_add_breakpoint(session->machine, address, owner);
    return true;
}

/* "TYPE,ADDRESS,KIND[;CONDITIONS]"; the kind is a watchpoint's length. Commands may follow; they
 * were not offered. */
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
