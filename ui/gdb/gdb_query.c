/* Questions a debugger asks (q, Q): what is supported, threads, the target's description, monitor
 * commands. */
#include "ui/gdb/gdb_session.h"

#include "cpu/base/error.h"
#include "ui/monitor/monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_supported(struct gdb_session *session, struct gdb_text text,
                         struct gdb_output *output)
{
    (void)session;
    (void)text;
    gdb_putf(output, "PacketSize=%x;QStartNoAckMode+;multiprocess+;swbreak+;hwbreak+;"
             "ConditionalBreakpoints+;BreakpointCommands+;vContSupported+;"
             "ReverseStep+;ReverseContinue+;qXfer:features:read+;qXfer:threads:read+;"
             "qXfer:memory-map:read+", GDB_PACKET_BYTES);
}

static void on_no_ack(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    (void)text;
    session->no_ack = true;
    gdb_put(output, "OK");
}

/* --- threads --- */

static void on_current_thread(struct gdb_session *session, struct gdb_text text,
                              struct gdb_output *output)
{
    if (text.at == text.end) { /* not qCRC and what else begins so */
        gdb_put(output, "QC");
        gdb_put_thread(output, session->hart);
    }
}

static void on_first_threads(struct gdb_session *session, struct gdb_text text,
                             struct gdb_output *output)
{
    (void)text;
    for (unsigned i = 0; i < metic_hart_count(session->machine); i++) {
        gdb_put(output, i == 0 ? "m" : ",");
        gdb_put_thread(output, i);
    }
}

static void on_more_threads(struct gdb_session *session, struct gdb_text text,
                            struct gdb_output *output)
{
    (void)session;
    (void)text;
    gdb_put(output, "l");
}

static void describe_thread(metic_machine *machine, unsigned hart, char *text, size_t text_bytes)
{
    char what[64];
    metic_describe_hart(machine, hart, what, sizeof(what));
    what[strcspn(what, ",")] = '\0'; /* the privilege comes first */
    snprintf(text, text_bytes, "hart %u, %s%s", hart, what,
             metic_hart_waits(machine, hart) ? ", waits" : "");
}

static void on_thread_info(struct gdb_session *session, struct gdb_text text,
                           struct gdb_output *output)
{
    unsigned hart;
    char line[128];
    if (!gdb_take_hart(session, &text, &hart)) {
        gdb_put(output, "E16");
        return;
    }
    describe_thread(session->machine, hart, line, sizeof(line));
    gdb_put_hex(output, line, strlen(line));
}

/* --- objects that are read in pieces --- */

/* Answers "OFFSET,LENGTH" from the object. */
static void put_piece(struct gdb_text text, const char *object, size_t object_bytes,
                      struct gdb_output *output)
{
    u64 offset, size_bytes;
    if (!gdb_take_hex(&text, &offset) || !gdb_take(&text, ",") ||
        !gdb_take_hex(&text, &size_bytes) || offset > object_bytes) {
        gdb_put(output, "E01");
        return;
    }
    const u64 most = GDB_PACKET_BYTES / 2 - 1; /* every byte may need an escape */
    u64 left = object_bytes - offset;
    size_bytes = size_bytes < most ? size_bytes : most;
    size_bytes = size_bytes < left ? size_bytes : left;
    gdb_put(output, size_bytes == left ? "l" : "m");
    gdb_put_binary(output, object + offset, (size_t)size_bytes);
}

static void on_features(struct gdb_session *session, struct gdb_text text,
                        struct gdb_output *output)
{
    if (!gdb_take(&text, "target.xml:")) {
        gdb_put(output, "E00"); /* no such annex */
        return;
    }
    if (session->description == NULL) {
        session->description =
            gdb_describe_target(session->machine, &session->description_bytes);
    }
    put_piece(text, session->description, session->description_bytes, output);
}

static void on_threads(struct gdb_session *session, struct gdb_text text,
                       struct gdb_output *output)
{
    char *xml = NULL;
    size_t xml_bytes = 0;
    FILE *to = open_memstream(&xml, &xml_bytes);
    CHECK(to != NULL);
    fprintf(to, "<?xml version=\"1.0\"?>\n<threads>\n");
    for (unsigned i = 0; i < metic_hart_count(session->machine); i++) {
        char line[128];
        describe_thread(session->machine, i, line, sizeof(line));
        fprintf(to, "<thread id=\"p1.%x\" core=\"%u\" name=\"hart %u\">%s</thread>\n", i + 1, i,
                i, line);
    }
    fprintf(to, "</threads>\n");
    fclose(to);
    put_piece(text, xml, xml_bytes, output);
    free(xml);
}

static void on_memory_map(struct gdb_session *session, struct gdb_text text,
                          struct gdb_output *output)
{
    size_t xml_bytes;
    char *xml = gdb_describe_memory(session->machine, session->hart, session->physical, &xml_bytes);
    put_piece(text, xml, xml_bytes, output);
    free(xml);
}

/* --- the monitor --- */

/* What does not fit into one answer goes ahead in packets of its own. */
static void send_ahead(struct gdb_session *session, const char **text, size_t *size_bytes)
{
    const size_t most = GDB_PACKET_BYTES / 2 - 1;
    while (*size_bytes > most && session->send != NULL) {
        struct gdb_output packet = {.length_bytes = 0};
        gdb_put(&packet, "O");
        gdb_put_hex(&packet, *text, most);
        session->send(session->send_opaque, &packet);
        *text += most;
        *size_bytes -= most;
    }
}

static void on_command(struct gdb_session *session, struct gdb_text text,
                       struct gdb_output *output)
{
    char line[4096] = "";
    char *answer = NULL;
    size_t answer_bytes = 0;
    gdb_take_bytes(&text, line, sizeof(line) - 1);
    if (text.at != text.end) {
        gdb_put_error(output, GDB_ERROR_ARGUMENT); /* too long, or no digits */
        return;
    }
    FILE *to = open_memstream(&answer, &answer_bytes);
    CHECK(to != NULL);
    struct monitor monitor = {0};
    if (session->with != NULL) {
        monitor = *session->with;
    }
    monitor.debugger = true;
    monitor.machine = session->machine;
    monitor.hart = session->hart;
    monitor.physical = session->physical;
    monitor.to = to;
    monitor_command(&monitor, line);
    fclose(to);
    session->physical = monitor.physical;
    session->killed = monitor.quit;
    const char *at = answer;
    send_ahead(session, &at, &answer_bytes);
    if (answer_bytes == 0) {
        gdb_put(output, "OK");
    } else {
        gdb_put_hex(output, at, answer_bytes);
    }
    free(answer);
}

/* --- QEMU's switch, which scripts know: maintenance packet Qqemu.PhyMemMode:1 --- */

static void on_ask_physical(struct gdb_session *session, struct gdb_text text,
                            struct gdb_output *output)
{
    (void)text;
    gdb_put(output, session->physical ? "1" : "0");
}

static void on_physical(struct gdb_session *session, struct gdb_text text,
                        struct gdb_output *output)
{
    u64 value;
    if (!gdb_take_hex(&text, &value)) {
        gdb_put(output, "E01");
        return;
    }
    session->physical = value != 0;
    gdb_put(output, "OK");
}

/* --- for LLDB, which asks before it reads the description --- */

/* It knows one address space for all threads of a process, and does not say whose memory it means
 * when it has just read another thread's registers. */

static void on_host(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    static const char triple[] = "riscv64";
    (void)text;
    session->memory_of_stop = true;
    gdb_put(output, "triple:");
    gdb_put_hex(output, triple, strlen(triple));
    gdb_put(output, ";endian:little;ptrsize:8;watchpoint_exceptions_received:before;");
}

static void on_process(struct gdb_session *session, struct gdb_text text,
                       struct gdb_output *output)
{
    gdb_put(output, "pid:1;");
    on_host(session, text, output);
}

static void on_watch_support(struct gdb_session *session, struct gdb_text text,
                             struct gdb_output *output)
{
    (void)session;
    (void)text;
    gdb_put(output, "num:1024;");
}

/* What is around an address; the end of the address space is said to be one byte before it, since
 * LLDB has no number for it. */
static void on_region(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    struct metic_mapping mapping;
    u64 address;
    if (!gdb_take_hex(&text, &address) ||
        !metic_get_mapping_run(session->machine, gdb_memory_hart(session), address, 1 << 16,
                               &mapping)) {
        gdb_put(output, "E01");
        return;
    }
    u64 end = mapping.last == ~(u64)0 ? mapping.last : mapping.last + 1;
    gdb_putf(output, "start:%" PRIx64 ";size:%" PRIx64 ";", mapping.first, end - mapping.first);
    if (mapping.mapped) {
        gdb_putf(output, "permissions:%s%s%s;", mapping.readable ? "r" : "",
                 mapping.writable ? "w" : "", mapping.executable ? "x" : "");
    }
    if (mapping.name[0] != '\0') {
        gdb_put(output, "name:");
        gdb_put_hex(output, mapping.name, strlen(mapping.name));
        gdb_put(output, ";");
    }
}

/* Quitting the debugger detaches from the machine; it does not end it. */
static void on_attached(struct gdb_session *session, struct gdb_text text,
                        struct gdb_output *output)
{
    (void)session;
    (void)text;
    gdb_put(output, "1");
}

static void on_symbol(struct gdb_session *session, struct gdb_text text,
                      struct gdb_output *output)
{
    (void)session;
    (void)text;
    gdb_put(output, "OK"); /* no question */
}

static const struct {
    const char *prefix;
    void (*answer)(struct gdb_session *session, struct gdb_text text, struct gdb_output *output);
} queries[] = {
    {"qSupported", on_supported},
    {"QStartNoAckMode", on_no_ack},
    {"qC", on_current_thread},
    {"qfThreadInfo", on_first_threads},
    {"qsThreadInfo", on_more_threads},
    {"qThreadExtraInfo,", on_thread_info},
    {"qXfer:features:read:", on_features},
    {"qXfer:threads:read::", on_threads},
    {"qXfer:memory-map:read::", on_memory_map},
    {"qMemoryRegionInfo:", on_region},
    {"qRcmd,", on_command},
    {"qqemu.PhyMemMode", on_ask_physical},
    {"Qqemu.PhyMemMode:", on_physical},
    {"qHostInfo", on_host},
    {"qProcessInfo", on_process},
    {"qWatchpointSupportInfo:", on_watch_support},
    {"qAttached", on_attached},
    {"qSymbol:", on_symbol},
};

bool gdb_query(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        struct gdb_text rest = text;
        if (gdb_take(&rest, queries[i].prefix)) {
            queries[i].answer(session, rest, output);
            break;
        }
    }
    return true; /* unknown: the empty answer */
}
