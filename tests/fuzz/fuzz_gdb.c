/* The debugger's packets, framing included. The machine is one for all inputs and really runs, a
 * few hundred instructions at a time. */
#include "tests/fuzz/fuzz.h"
#include "ui/gdb/gdb_session.h"

#include <stdlib.h>
#include <string.h>

enum { HARTS = 2, RUN_INSNS = 300, MAX_RUNS = 8 };

struct target {
    metic_machine *machine;
    struct gdb_session session;
    struct gdb_input input;
    struct gdb_output output;
};

static void quiet(void *opaque, const char *line)
{
    (void)opaque;
    (void)line;
}

static void sent(void *opaque, const struct gdb_output *packet)
{
    (void)opaque;
    if (packet->length_bytes > GDB_PACKET_BYTES) {
        abort();
    }
}

/* The demo, without a terminal, in repeatable time. */
static metic_machine *make_machine(void)
{
    struct metic_options options;
    struct metic_error error;
    metic_options_init(&options);
    options.harts = HARTS;
    options.ram_bytes = (uint64_t)16 << 20;
    options.clock = METIC_CLOCK_VIRTUAL;
    options.console = METIC_CONSOLE_NONE; /* so that an idle machine ends its run */
    options.log = quiet;
    metic_machine *machine = metic_new(&options, &error);
    if (machine == NULL || !metic_load_demo(machine, &error)) {
        abort();
    }
    return machine;
}

static void run(struct target *target, unsigned *runs)
{
    struct metic_result result;
    if (++*runs > MAX_RUNS) {
        return;
    }
    if (target->session.goes_back) {
        gdb_session_run(&target->session, &result);
    } else {
        metic_run_for(target->machine, RUN_INSNS, &result);
    }
    target->output.length_bytes = 0;
    if (result.reason == METIC_BREAK) {
        gdb_session_stopped(&target->session, 2, &target->output);
    } else {
        gdb_session_ended(&result, &target->output);
    }
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static struct target *target;
    unsigned runs = 0;
    if (target == NULL) {
        target = calloc(1, sizeof(*target));
        target->machine = make_machine();
    }
    gdb_session_init(&target->session, target->machine);
    gdb_reverse_init(&target->session);
    target->session.send = sent;
    memset(&target->input, 0, sizeof(target->input));
    for (size_t i = 0; i < size_bytes; i++) {
        if (gdb_input_byte(&target->input, bytes[i]) != GDB_PACKET) {
            continue;
        }
        enum gdb_then then =
            gdb_session_packet(&target->session, target->input.text, target->input.length_bytes,
                               &target->output);
        if (target->output.length_bytes > GDB_PACKET_BYTES) {
            abort();
        }
        if (then == GDB_THEN_RUN || then == GDB_THEN_DETACH) {
            run(target, &runs);
        }
    }
    gdb_session_fini(&target->session);
}

static void add_packets(void (*add)(const u8 *bytes, size_t size_bytes), const char *const *texts)
{
    static char all[FUZZ_MAX_BYTES];
    size_t length = 0;
    for (; *texts != NULL; texts++) {
        static struct gdb_output packet;
        static char frame[GDB_PACKET_BYTES + 4];
        packet.length_bytes = 0;
        gdb_put(&packet, *texts);
        size_t frame_bytes = gdb_frame(&packet, frame);
        if (length + frame_bytes <= sizeof(all)) {
            memcpy(all + length, frame, frame_bytes);
            length += frame_bytes;
        }
    }
    add((const u8 *)all, length);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const char *const attach[] = {
        "qSupported:multiprocess+", "QStartNoAckMode", "?", "qfThreadInfo", "Hgp1.2", "g",
        "qXfer:features:read:target.xml:0,fff", "qXfer:threads:read::0,fff", "p1041", NULL,
    };
    static const char *const points[] = {
        "Z0,80000010,2", "Z1,80000010,4", "Z2,80001000,10000", "Z3,80001000,8", "Z4,0,ff",
        "vCont;c", "z0,80000010,2", "vCont;s:p1.1;c", "vCont;r80000000,80000100:p1.2", "D", NULL,
    };
    static const char *const data[] = {
        "m80000000,40", "M80002000,4:01020304", "X80002000,2:ab", "P20=0000008000000000",
        "P14=00", "P41=1f", "G00", "Pc1=0000000000000080", "P1041=0100000000000000", "s", NULL,
    };
    static const char *const monitor[] = {
        "qRcmd,68656c70", "qRcmd,696e666f20686172747320", "qRcmd,696e666f20726567697374657273",
        "qRcmd,7265736574", "Qqemu.PhyMemMode:1", "m0,4", "c", "C05;80000000", "k", NULL,
    };
    static const char *const conditions[] = {
        "Z0,80000010,2;X3,220027", "c", "Z1,80000010,2;X7,26000822051327X6,260002195b1427", "c",
        "Z0,80000010,2;X4,220a1a27", "c", "z0,80000010,2", "vCont;c", NULL,
    };
    static const char *const back[] = {
        "Z0,80000010,2", "c", "bs", "bc", "P8=00", "c", "Hc2", "bs", "bc", "vCont;s:p1.2", "bs",
        NULL,
    };
    add_packets(add, back);
    add_packets(add, attach);
    add_packets(add, conditions);
    add_packets(add, points);
    add_packets(add, data);
    add_packets(add, monitor);
}
