/* See gdb_session.h: registers, memory, running. Breakpoints are in gdb_points.c, questions in
 * gdb_query.c.
 *
 * Harts are the threads of process 1, hart 0 is thread 1. All-stop mode only (GDB then says that
 * the target has no non-stop mode): the machine has one clock, and guest time stands still for a
 * hart that waits for its debugger only while it does for all. Going back is in gdb_reverse.c. */
#include "ui/gdb/gdb_session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNAL_INTERRUPT = 2, SIGNAL_TRAP = 5 };
enum { CORE_REGISTERS = 33 }; /* what g and G carry: the lowest numbers */

void gdb_session_init(struct gdb_session *session, metic_machine *machine)
{
    memset(session, 0, sizeof(*session));
    session->machine = machine;
    metic_set_watch_before(machine, true); /* GDB steps over the access and then compares */
    gdb_points_init(session);
}

void gdb_session_fini(struct gdb_session *session)
{
    gdb_points_fini(session);
    metic_set_step_interrupts(session->machine, false);
    metic_set_watch_before(session->machine, false);
    metic_history_end(session->machine);
    free(session->description);
    session->description = NULL;
}

/* --- threads --- */

void gdb_put_thread(struct gdb_output *output, unsigned hart)
{
    gdb_putf(output, "p1.%x", hart + 1);
}

bool gdb_take_hart(const struct gdb_session *session, struct gdb_text *text, unsigned *hart)
{
    s64 thread;
    if (!gdb_take_thread(text, &thread) || thread > metic_hart_count(session->machine)) {
        return false;
    }
    *hart = thread > 0 ? (unsigned)thread - 1 : session->hart;
    return true;
}

/* Hg, Hc: whom the packets to come are about. vCont names its threads itself. */
static bool on_thread(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    unsigned hart;
    bool general = gdb_take(&text, "g");
    if ((!general && !gdb_take(&text, "c")) || !gdb_take_hart(session, &text, &hart)) {
        return false;
    }
    if (general) {
        session->hart = hart;
    }
    session->step_hart = hart;
    gdb_put(output, "OK");
    return true;
}

static bool on_alive(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    unsigned hart;
    bool alive = gdb_take_hart(session, &text, &hart);
    gdb_put(output, "OK");
    return alive;
}

/* --- registers --- */

static void put_register(struct gdb_session *session, unsigned number, unsigned size_bytes,
                         struct gdb_output *output)
{
    u8 value[METIC_REGISTER_BYTES];
    if (metic_read_register_bytes(session->machine, session->hart, number, value, size_bytes)) {
        gdb_put_hex(output, value, size_bytes);
    } else {
        gdb_put(output, "xxxxxxxxxxxxxxxx");
    }
}

static bool on_read_registers(struct gdb_session *session, struct gdb_text text,
                              struct gdb_output *output)
{
    (void)text;
    for (unsigned i = 0; i < CORE_REGISTERS; i++) {
        put_register(session, i, sizeof(u64), output);
    }
    return true;
}

static bool on_write_registers(struct gdb_session *session, struct gdb_text text,
                               struct gdb_output *output)
{
    u64 values[CORE_REGISTERS];
    if (gdb_take_bytes(&text, values, sizeof(values)) != sizeof(values)) {
        return false;
    }
    for (unsigned i = 1; i < CORE_REGISTERS; i++) {
        if (!metic_write_register(session->machine, session->hart, i, values[i])) {
            gdb_put_error(output, GDB_ERROR_ARGUMENT);
            return true;
        }
    }
    gdb_put(output, "OK");
    return true;
}

static bool on_read_register(struct gdb_session *session, struct gdb_text text,
                             struct gdb_output *output)
{
    u64 number;
    struct metic_register found;
    if (!gdb_take_hex(&text, &number)) {
        return false;
    }
    if (number > UINT32_MAX ||
        !metic_describe_register(session->machine, (unsigned)number, &found)) {
        gdb_put_error(output, GDB_ERROR_ARGUMENT);
        return true;
    }
    put_register(session, (unsigned)number, found.size_bytes, output);
    return true;
}

static bool on_write_register(struct gdb_session *session, struct gdb_text text,
                              struct gdb_output *output)
{
    u64 number;
    u8 value[METIC_REGISTER_BYTES];
    if (!gdb_take_hex(&text, &number) || !gdb_take(&text, "=")) {
        return false;
    }
    size_t bytes = gdb_take_bytes(&text, value, sizeof(value));
    if (bytes == 0) {
        return false;
    }
    if (number > UINT32_MAX || !metic_write_register_bytes(session->machine, session->hart,
                                                           (unsigned)number, value, bytes)) {
        gdb_put_error(output, GDB_ERROR_ARGUMENT);
    } else {
        gdb_put(output, "OK");
    }
    return true;
}

/* --- memory --- */

unsigned gdb_memory_hart(const struct gdb_session *session)
{
    return session->memory_of_stop ? session->stop_hart : session->hart;
}

static bool read_memory(const struct gdb_session *session, u64 address, void *buffer, size_t bytes)
{
    return session->physical
               ? metic_read_memory(session->machine, address, buffer, bytes)
               : metic_read_virtual(session->machine, gdb_memory_hart(session), address, buffer,
                                 bytes);
}

static bool write_memory(const struct gdb_session *session, u64 address, const void *buffer,
                         size_t bytes)
{
    return session->physical
               ? metic_write_memory(session->machine, address, buffer, bytes)
               : metic_write_virtual(session->machine, gdb_memory_hart(session), address, buffer,
                                  bytes);
}

static bool on_read_memory(struct gdb_session *session, struct gdb_text text,
                           struct gdb_output *output)
{
    u8 bytes[GDB_PACKET_BYTES / 2];
    u64 address, size_bytes;
    if (!gdb_take_range(&text, &address, &size_bytes)) {
        return false;
    }
    size_bytes = size_bytes < sizeof(bytes) ? size_bytes : sizeof(bytes);
    /* What comes before the first page that is not there may be told. */
    while (size_bytes > 0 && !read_memory(session, address, bytes, (size_t)size_bytes)) {
        u64 in_last = (address + size_bytes) % 4096;
        in_last = in_last == 0 ? 4096 : in_last;
        size_bytes = in_last < size_bytes ? size_bytes - in_last : 0;
        if (size_bytes == 0) {
            gdb_put_error(output, GDB_ERROR_MEMORY);
            return true;
        }
    }
    gdb_put_hex(output, bytes, (size_t)size_bytes);
    return true;
}

static void write_and_tell(struct gdb_session *session, u64 address, const void *bytes,
                           size_t size_bytes, struct gdb_output *output)
{
    if (size_bytes == 0 || write_memory(session, address, bytes, size_bytes)) {
        gdb_put(output, "OK");
    } else {
        gdb_put_error(output, GDB_ERROR_MEMORY);
    }
}

static bool on_write_memory(struct gdb_session *session, struct gdb_text text,
                            struct gdb_output *output)
{
    u8 bytes[GDB_PACKET_BYTES / 2];
    u64 address, size_bytes;
    if (!gdb_take_range(&text, &address, &size_bytes) || !gdb_take(&text, ":") ||
        size_bytes > sizeof(bytes) ||
        gdb_take_bytes(&text, bytes, (size_t)size_bytes) != size_bytes) {
        return false;
    }
    write_and_tell(session, address, bytes, (size_t)size_bytes, output);
    return true;
}

static bool on_write_binary(struct gdb_session *session, struct gdb_text text,
                            struct gdb_output *output)
{
    u64 address, size_bytes;
    if (!gdb_take_range(&text, &address, &size_bytes) || !gdb_take(&text, ":") ||
        size_bytes != (u64)(text.end - text.at)) {
        return false;
    }
    write_and_tell(session, address, text.at, (size_t)size_bytes, output);
    return true;
}

/* --- running --- */

static const struct gdb_plan plan_hold = {METIC_HOLD, 1, 0};
static const struct gdb_plan plan_run = {METIC_RUN, 1, 0};
static const struct gdb_plan plan_step = {METIC_STEP, 1, 0};

void gdb_session_again(struct gdb_session *session)
{
    for (unsigned i = 0; i < metic_hart_count(session->machine); i++) {
        const struct gdb_plan *plan = &session->plans[i];
        metic_set_action(session->machine, i, (enum metic_action)plan->action, plan->first,
                         plan->last);
    }
}

/* One action of vCont, without its thread: "c", "C05", "s", "S05", "rSTART,END". */
static bool take_plan(struct gdb_text *text, struct gdb_plan *plan)
{
    u64 first, end;
    if (gdb_take(text, "c")) {
        *plan = plan_run;
        return true;
    }
    if (gdb_take(text, "s")) {
        *plan = plan_step;
        return true;
    }
    if (gdb_take(text, "C") || gdb_take(text, "S")) {
        *plan = text->at[-1] == 'C' ? plan_run : plan_step;
        return gdb_take_hex(text, &first); /* a machine has no use for signals */
    }
    if (!gdb_take(text, "r") || !gdb_take_range(text, &first, &end)) {
        return false;
    }
    *plan = plan_step;
    if (first < end) {
        plan->first = first;
        plan->last = end - 1;
    }
    return true;
}

/* "ACTION[:THREAD]": gives it to the harts it means that have none yet. */
static bool take_action(struct gdb_session *session, struct gdb_text *text, bool *planned)
{
    struct gdb_plan plan;
    s64 thread = GDB_ALL;
    if (!take_plan(text, &plan) || (gdb_take(text, ":") && !gdb_take_thread(text, &thread))) {
        return false;
    }
    for (unsigned i = 0; i < metic_hart_count(session->machine); i++) {
        bool meant = thread == GDB_ALL || thread == i + 1 || (thread == 0 && i == session->hart);
        if (meant && !planned[i]) {
            session->plans[i] = plan;
            planned[i] = true;
        }
    }
    return true;
}

static bool on_vcont(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    bool planned[METIC_MAX_HARTS] = {false};
    bool any = false;
    (void)output;
    session->goes_back = false;
    for (unsigned i = 0; i < METIC_MAX_HARTS; i++) {
        session->plans[i] = plan_hold;
    }
    while (gdb_take(&text, ";")) {
        if (!take_action(session, &text, planned)) {
            return false;
        }
    }
    for (unsigned i = 0; i < METIC_MAX_HARTS; i++) {
        any |= planned[i];
    }
    return any && text.at == text.end;
}

/* c, C, s, S of old clients: all run; the current one steps. */
static bool on_resume(struct gdb_session *session, struct gdb_plan plan, struct gdb_text text)
{
    u64 value;
    session->goes_back = false;
    for (unsigned i = 0; i < METIC_MAX_HARTS; i++) {
        session->plans[i] = plan_run;
    }
    session->plans[session->hart] = plan;
    return text.at == text.end ||
           (gdb_take_hex(&text, &value) && text.at == text.end &&
            metic_write_register(session->machine, session->hart, CORE_REGISTERS - 1, value));
}

static bool on_continue(struct gdb_session *session, struct gdb_text text,
                        struct gdb_output *output)
{
    (void)output;
    return on_resume(session, plan_run, text);
}

static bool on_step(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    (void)output;
    return on_resume(session, plan_step, text);
}

/* With a signal in front, which means nothing here. */
static bool on_continue_signal(struct gdb_session *session, struct gdb_text text,
                               struct gdb_output *output)
{
    u64 signal;
    (void)output;
    return gdb_take_hex(&text, &signal) && (gdb_take(&text, ";") || text.at == text.end) &&
           on_resume(session, plan_run, text);
}

static bool on_step_signal(struct gdb_session *session, struct gdb_text text,
                           struct gdb_output *output)
{
    u64 signal;
    (void)output;
    return gdb_take_hex(&text, &signal) && (gdb_take(&text, ";") || text.at == text.end) &&
           on_resume(session, plan_step, text);
}

static void put_reason(const struct metic_stop *stop, struct gdb_output *output)
{
    static const char *const watches[] = {
        [METIC_WATCH_WRITE] = "watch", [METIC_WATCH_READ] = "rwatch",
        [METIC_WATCH_ACCESS] = "awatch",
    };
    if (stop->kind == METIC_STOP_BREAKPOINT) {
        gdb_put(output, stop->owners & 1u << GDB_SOFTWARE ? "swbreak:;" : "hwbreak:;");
    } else if (stop->kind == METIC_STOP_WATCHPOINT) {
        gdb_putf(output, "%s:%" PRIx64 ";", watches[stop->watch], stop->address);
    } else if (stop->kind == METIC_STOP_BEGIN) {
        gdb_put(output, "replaylog:begin;");
    }
}

void gdb_session_stopped(struct gdb_session *session, unsigned signal, struct gdb_output *output)
{
    struct metic_stop stop;
    metic_get_stop(session->machine, &stop);
    bool outside = stop.kind == METIC_STOP_OUTSIDE;
    if (!outside) {
        session->hart = session->step_hart = session->stop_hart = stop.hart;
    }
    gdb_putf(output, "T%02xthread:", outside ? signal : SIGNAL_TRAP);
    gdb_put_thread(output, session->hart);
    gdb_put(output, ";");
    if (session->at_end) {
        gdb_put(output, "replaylog:end;");
    } else {
        put_reason(&stop, output);
    }
    session->at_end = false;
}

void gdb_session_ended(const struct metic_result *result, struct gdb_output *output)
{
    gdb_putf(output, "W%02x;process:1", (unsigned)result->exit_status & 0xff);
}

/* --- the rest --- */

static bool on_why(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    (void)text;
    gdb_putf(output, "T%02xthread:", SIGNAL_TRAP);
    gdb_put_thread(output, session->hart);
    gdb_put(output, ";");
    return true;
}

static bool on_actions(struct gdb_session *session, struct gdb_text text,
                       struct gdb_output *output)
{
    (void)session;
    (void)text;
    gdb_put(output, "vCont;c;C;s;S;r");
    return true;
}

static bool on_detach(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    (void)session;
    gdb_put(output, "OK");
    return text.at == text.end || gdb_take(&text, ";1");
}

static bool on_kill_now(struct gdb_session *session, struct gdb_text text,
                        struct gdb_output *output)
{
    (void)text;
    session->killed = true;
    gdb_put(output, "X09"); /* GDB does not read it; LLDB waits for it */
    return true;
}

static bool on_kill(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    (void)text;
    session->killed = true;
    gdb_put(output, "OK");
    return true;
}

/* What a packet begins with. The first row that fits is it: longer ones come first. A function that
 * answers false could not make sense of its packet. */
static const struct {
    const char *prefix;
    bool (*answer)(struct gdb_session *session, struct gdb_text text, struct gdb_output *output);
    enum gdb_then then;
} packets[] = {
    {"vCont?", on_actions, GDB_THEN_REPLY},
    {"vCont", on_vcont, GDB_THEN_RUN},
    {"vKill;", on_kill, GDB_THEN_KILL},
    {"bs", gdb_reverse_step, GDB_THEN_RUN},
    {"bc", gdb_reverse_continue, GDB_THEN_RUN},
    {"?", on_why, GDB_THEN_REPLY},
    {"g", on_read_registers, GDB_THEN_REPLY},
    {"G", on_write_registers, GDB_THEN_REPLY},
    {"p", on_read_register, GDB_THEN_REPLY},
    {"P", on_write_register, GDB_THEN_REPLY},
    {"m", on_read_memory, GDB_THEN_REPLY},
    {"M", on_write_memory, GDB_THEN_REPLY},
    {"X", on_write_binary, GDB_THEN_REPLY},
    {"Z", gdb_set_point, GDB_THEN_REPLY},
    {"z", gdb_clear_point, GDB_THEN_REPLY},
    {"H", on_thread, GDB_THEN_REPLY},
    {"T", on_alive, GDB_THEN_REPLY},
    {"c", on_continue, GDB_THEN_RUN},
    {"C", on_continue_signal, GDB_THEN_RUN},
    {"s", on_step, GDB_THEN_RUN},
    {"S", on_step_signal, GDB_THEN_RUN},
    {"D", on_detach, GDB_THEN_DETACH},
    {"k", on_kill_now, GDB_THEN_KILL},
    {"q", gdb_query, GDB_THEN_REPLY},
    {"Q", gdb_query, GDB_THEN_REPLY},
};

enum gdb_then gdb_session_packet(struct gdb_session *session, const char *packet,
                                 size_t packet_bytes, struct gdb_output *output)
{
    output->length_bytes = 0;
    output->full = false;
    for (unsigned i = 0; i < ARRAY_LEN(packets); i++) {
        struct gdb_text text = {packet, packet + packet_bytes};
        if (!gdb_take(&text, packets[i].prefix)) {
            continue;
        }
        if (packets[i].answer == gdb_query) {
            text.at = packet;
        }
        if (!packets[i].answer(session, text, output) || output->full) {
            gdb_put_error(output, GDB_ERROR_SYNTAX);
            return GDB_THEN_REPLY;
        }
        if (packets[i].then == GDB_THEN_RUN && output->length_bytes > 0) {
            return GDB_THEN_REPLY; /* refused, with the reason */
        }
        if (packets[i].then == GDB_THEN_RUN && !session->goes_back) {
            gdb_session_again(session);
        }
        return session->killed ? GDB_THEN_KILL : packets[i].then;
    }
    return GDB_THEN_REPLY; /* an empty answer: not supported */
}
