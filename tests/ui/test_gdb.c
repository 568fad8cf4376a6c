/* The debugger's packets: framing, answers, and what is no packet at all. */
#include "tests/support/guest_rig.h"
#include "ui/gdb/gdb_session.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* --- framing --- */

static enum gdb_event feed(struct gdb_input *input, const char *bytes)
{
    enum gdb_event event = GDB_MORE;
    for (; *bytes != '\0'; bytes++) {
        event = gdb_input_byte(input, (u8)*bytes);
    }
    return event;
}

Test(gdb_packet, framing)
{
    static struct gdb_input input;
    cr_expect(feed(&input, "++$g#67") == GDB_PACKET);
    cr_expect(strcmp(input.text, "g") == 0 && input.length_bytes == 1);
    cr_expect(feed(&input, "$g#68") == GDB_BROKEN, "a wrong sum");
    cr_expect(feed(&input, "$g#6") == GDB_MORE);
    cr_expect(feed(&input, "x") == GDB_BROKEN, "no digit");
    cr_expect(feed(&input, "$g#x") == GDB_BROKEN, "no digit");
    cr_expect(feed(&input, "\3") == GDB_INTERRUPT);
    cr_expect(feed(&input, "-") == GDB_RESEND);
    cr_expect(feed(&input, "$}\3#80") == GDB_PACKET, "an escape");
    cr_expect(input.length_bytes == 1 && input.text[0] == '#');
    cr_expect(feed(&input, "$cut off$g#67") == GDB_PACKET);
    cr_expect(strcmp(input.text, "g") == 0, "the packet before was not ended");
}

Test(gdb_packet, too_long)
{
    static struct gdb_input input;
    u8 sum = 0;
    gdb_input_byte(&input, '$');
    for (unsigned i = 0; i <= GDB_PACKET_BYTES; i++) {
        cr_assert(gdb_input_byte(&input, 'a') == GDB_MORE);
        sum = (u8)(sum + 'a');
    }
    char end[4];
    snprintf(end, sizeof(end), "#%02x", sum);
    cr_expect(feed(&input, end) == GDB_BROKEN);
    cr_expect(feed(&input, "$g#67") == GDB_PACKET, "the next is fine");
}

Test(gdb_packet, output)
{
    static struct gdb_output output;
    static char frame[GDB_PACKET_BYTES + 4];
    gdb_put(&output, "m");
    gdb_put_binary(&output, "a#$}*", 5);
    size_t length = gdb_frame(&output, frame);
    cr_expect(length == 14 && memcmp(frame, "$ma}\3}\4}]}\n#", 12) == 0, "%.*s", (int)length,
              frame);
    for (unsigned i = 0; i < GDB_PACKET_BYTES; i++) {
        gdb_put_hex(&output, "x", 1);
    }
    cr_expect(output.full && gdb_frame(&output, frame) <= sizeof(frame));
}

Test(gdb_packet, threads)
{
    static const struct {
        const char *text;
        bool good;
        s64 thread;
    } rows[] = {
        {"1", true, 1}, {"-1", true, GDB_ALL}, {"0", true, 0}, {"p1.2", true, 2},
        {"p1.-1", true, GDB_ALL}, {"p-1.-1", true, GDB_ALL}, {"p1", true, GDB_ALL},
        {"p2.1", false, 0}, {"p1.", false, 0}, {"", false, 0}, {"x", false, 0},
        {"fffffffff", false, 0}, {"p", false, 0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct gdb_text text = {rows[i].text, rows[i].text + strlen(rows[i].text)};
        s64 thread = 0;
        bool taken = gdb_take_thread(&text, &thread);
        cr_expect(taken == rows[i].good, "%s", rows[i].text);
        cr_expect(!taken || thread == rows[i].thread, "%s", rows[i].text);
    }
}

/* --- a session --- */

enum { HERE = 1, DATA_OFFSET = 0x2000 };

struct rig {
    struct rv_program *program;
    metic_machine *machine;
    struct gdb_session session;
    struct gdb_output output;
};

static void rig_init(struct rig *rig)
{
    struct rv_program *p = rv_new();
    rv_li(p, S1, RV_BASE + DATA_OFFSET);
    rv_label(p, HERE);
    rv_addi(p, S0, S0, 1);
    rv_sd(p, S0, S1, 0);
    rv_j(p, HERE);
    rv_finish(p);
    rig->program = p;
    rig->machine = guest_machine(p, &guest_modes[2], 2);
    gdb_session_init(&rig->session, rig->machine);
}

static void rig_fini(struct rig *rig)
{
    gdb_session_fini(&rig->session);
    metic_free(rig->machine);
    rv_free(rig->program);
}

static enum gdb_then packet(struct rig *rig, const char *text)
{
    enum gdb_then then = gdb_session_packet(&rig->session, text, strlen(text), &rig->output);
    rig->output.text[rig->output.length_bytes] = '\0';
    return then;
}

static void expect_answer(struct rig *rig, const char *text, const char *answer)
{
    cr_expect(packet(rig, text) == GDB_THEN_REPLY, "%s", text);
    cr_expect(strcmp(rig->output.text, answer) == 0, "%s: '%s', not '%s'", text, rig->output.text,
              answer);
}

static void expect_stop(struct rig *rig, const char *answer)
{
    struct metic_result result;
    metic_run(rig->machine, &result);
    cr_assert(result.reason == METIC_BREAK, "%s", result.text);
    rig->output.length_bytes = 0;
    gdb_session_stopped(&rig->session, 2, &rig->output);
    rig->output.text[rig->output.length_bytes] = '\0';
    cr_expect(strcmp(rig->output.text, answer) == 0, "'%s', not '%s'", rig->output.text, answer);
}

Test(gdb_session, registers_and_memory)
{
    static struct rig rig;
    rig_init(&rig);
    expect_answer(&rig, "?", "T05thread:p1.1;");
    expect_answer(&rig, "p20", "0010000000000000");
    expect_answer(&rig, "Pa=efbeadde00000000", "OK");
    expect_answer(&rig, "pa", "efbeadde00000000");
    expect_answer(&rig, "Hgp1.2", "OK");
    expect_answer(&rig, "pa", "0000000000000000");
    expect_answer(&rig, "pf55", "0100000000000000"); /* mhartid */
    expect_answer(&rig, "Pf55=0000000000000000", "E16");
    expect_answer(&rig, "p1042", "E16");
    expect_answer(&rig, "pffffffff", "E16");
    packet(&rig, "g");
    cr_expect(rig.output.length_bytes == 33 * 16);
    expect_answer(&rig, "M80002000,4:01020304", "OK");
    expect_answer(&rig, "m80002000,5", "0102030400");
    expect_answer(&rig, "X80002001,2:zz", "OK");
    expect_answer(&rig, "m80002000,4", "017a7a04");
    expect_answer(&rig, "m0,4", "E0e");
    expect_answer(&rig, "M0,1:00", "E0e");
    packet(&rig, "m80000ffe,fffffffff");
    cr_expect(rig.output.length_bytes == GDB_PACKET_BYTES, "as much as fits");
    packet(&rig, "m1a0000000ffffffff,1");
    cr_expect(strcmp(rig.output.text, "E01") == 0);
    packet(&rig, "m9ffffff0,20"); /* memory of the program's machine ends long before */
    cr_expect(strcmp(rig.output.text, "E0e") == 0);
    packet(&rig, "m80fffff0,20");
    cr_expect(rig.output.length_bytes == 32, "what there is: %zu", rig.output.length_bytes);
    rig_fini(&rig);
}

Test(gdb_session, running)
{
    static struct rig rig;
    char text[64];
    rig_init(&rig);
    unsigned long long here = rv_address(rig.program, HERE);
    snprintf(text, sizeof(text), "Z0,%llx,2", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;swbreak:;");
    text[0] = 'z';
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;s:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;");
    snprintf(text, sizeof(text), "Z1,%llx,4", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.2") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.2;hwbreak:;");
    text[0] = 'z';
    expect_answer(&rig, text, "OK");
    expect_answer(&rig, "Z2,80002004,2", "OK");
    cr_expect(packet(&rig, "vCont;C05:1;c") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.2;watch:80002004;");
    expect_answer(&rig, "z2,80002004,2", "OK");
    expect_answer(&rig, "Z4,80002007,1", "OK");
    cr_expect(packet(&rig, "c") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.2;awatch:80002007;");
    expect_answer(&rig, "z4,80002007,1", "OK");
    snprintf(text, sizeof(text), "vCont;r%llx,%llx:p1.2", here, here + 8);
    cr_expect(packet(&rig, text) == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.2;");
    metic_break(rig.machine);
    cr_expect(packet(&rig, "vCont;c") == GDB_THEN_RUN);
    expect_stop(&rig, "T02thread:p1.2;");
    cr_expect(packet(&rig, "D;1") == GDB_THEN_DETACH);
    cr_expect(packet(&rig, "k") == GDB_THEN_KILL);
    rig_fini(&rig);
}

/* Conditions are evaluated here: the machine stops when one is true, or has no value. */
Test(gdb_session, conditions)
{
    static struct rig rig;
    char text[256], clear[64];
    rig_init(&rig);
    unsigned long long here = rv_address(rig.program, HERE);
    snprintf(clear, sizeof(clear), "z0,%llx,2", here);
    /* never, or when s0 (register 8) is 5 */
    snprintf(text, sizeof(text), "Z0,%llx,2;X3,220027X7,26000822051327", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0500000000000000");
    /* Set again: what there was before is forgotten. Now it is what the loop has in memory. */
    snprintf(text, sizeof(text), "Z0,%llx,2;Xa,24800020001922091327", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0900000000000000");
    /* What cannot be read stops at once, and so does what is no expression. */
    snprintf(text, sizeof(text), "Z0,%llx,2;X4,22001a27", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0a00000000000000");
    snprintf(text, sizeof(text), "Z0,%llx,2;X1,ff", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0b00000000000000");
    /* A breakpoint of the other kind at the same place, without any. */
    snprintf(text, sizeof(text), "Z0,%llx,2;X3,220027", here);
    expect_answer(&rig, text, "OK");
    snprintf(text, sizeof(text), "Z1,%llx,2", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;hwbreak:;");
    expect_answer(&rig, clear, "OK");
    clear[1] = '1';
    expect_answer(&rig, clear, "OK");
    rig_fini(&rig);
}

static char heard[256];

static void hear(void *opaque, const struct gdb_output *packet)
{
    struct gdb_text text = {packet->text + 1, packet->text + packet->length_bytes};
    size_t had = strlen(heard);
    (void)opaque;
    cr_assert(packet->text[0] == 'O');
    size_t got = gdb_take_bytes(&text, heard + had, sizeof(heard) - 1 - had);
    heard[had + got] = '\0';
}

/* Commands print, and the machine does not stop for them; under a condition, or without one. */
Test(gdb_session, commands)
{
    static const char print_s0[] = "X14,2600082200220034010008" "73303d25645c6e00" "27";
    static struct rig rig;
    char text[256];
    rig_init(&rig);
    rig.session.send = hear;
    unsigned long long here = rv_address(rig.program, HERE);
    snprintf(text, sizeof(text), "Z1,%llx,2;X7,26000822051327", here); /* s0 is 5 */
    expect_answer(&rig, text, "OK");
    snprintf(text, sizeof(text), "Z0,%llx,2;cmds:0,%s", here, print_s0);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;hwbreak:;");
    const char *last = strstr(heard, "s0=3\ns0=4\ns0=5\n");
    cr_expect(last != NULL && strlen(last) == 15, "%s", heard);
    /* Only when s0 is 7; what has no value says so. */
    heard[0] = '\0';
    snprintf(text, sizeof(text), "Z0,%llx,2;X7,26000822071327;cmds:1,%sX1,ff", here, print_s0);
    expect_answer(&rig, text, "OK");
    snprintf(text, sizeof(text), "Z1,%llx,2;X7,26000822091327", here);
    expect_answer(&rig, text, "OK");
    cr_expect(packet(&rig, "vCont;c:p1.1") == GDB_THEN_RUN);
    expect_stop(&rig, "T05thread:p1.1;hwbreak:;");
    snprintf(text, sizeof(text), "s0=7\n(0x%llx: what is to be printed has no value)\n", here);
    cr_expect(strcmp(heard, text) == 0, "%s", heard);
    rig_fini(&rig);
}

Test(gdb_session, nonsense)
{
    static const char *const wrong[] = {
        "G00", "P", "P1", "P1=", "p", "px", "m", "m1", "m1,", "m11111111111111111,1", "M1,2:00",
        "M1,ffffffffffffffff:", "X1,5:ab", "Z0", "Z0,", "Z0,1", "z", "Hg", "Hgp1.3", "Hx1", "T9",
        "vCont", "vCont;", "vCont;x", "vCont;c:", "vCont;c:p9.1", "vCont;r1", "vCont;r1,:1",
        "vCont;C", "vCont;c:p1.7", "cx", "C", "Sxx", "D;2", "Z0,1,2;Y", "Z0,1,2;X", "Z0,1,2;X0,",
        "Z0,1,2;X2,00", "Z0,1,2;X1,0g", "Z1,1,2;X1,27X", "Z0,1,2;Xffffffffffffffff,27",
        "Z0,1,2;X1,27;cmds:0,X1", "Z0,1,2;cmds:", "Z0,1,2;cmds:0", "Z0,1,2;cmds:0,X1,27;",
        "Z0,1,2;;cmds:0,X1,27Y",
    };
    static const char *const unknown[] = {
        "", "A", "vMustReplyEmpty", "vFile:open:", "qUnknown", "QUnknown", "qCRC:0,1", "Z5,1,1",
        "R00", "!",
    };
    static struct rig rig;
    rig_init(&rig);
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        cr_expect(packet(&rig, wrong[i]) == GDB_THEN_REPLY && rig.output.text[0] == 'E', "%s: %s",
                  wrong[i], rig.output.text);
    }
    for (unsigned i = 0; i < ARRAY_LEN(unknown); i++) {
        expect_answer(&rig, unknown[i], "");
    }
    expect_answer(&rig, "Z2,0,0", "E16");
    expect_answer(&rig, "Z2,ffffffffffffffff,2", "E16");
    expect_answer(&rig, "qXfer:features:read:nothing.xml:0,10", "E00");
    expect_answer(&rig, "qXfer:features:read:target.xml:fffffffff,10", "E01");
    rig_fini(&rig);
}

Test(gdb_session, questions)
{
    static struct rig rig;
    rig_init(&rig);
    packet(&rig, "qSupported:multiprocess+;xmlRegisters=i386");
    cr_expect(strstr(rig.output.text, "PacketSize=8000;") != NULL);
    cr_expect(strstr(rig.output.text, "qXfer:features:read+") != NULL);
    cr_expect(strstr(rig.output.text, "ConditionalBreakpoints+") != NULL);
    expect_answer(&rig, "qC", "QCp1.1");
    expect_answer(&rig, "qfThreadInfo", "mp1.1,p1.2");
    expect_answer(&rig, "qsThreadInfo", "l");
    expect_answer(&rig, "qAttached:1", "1");
    expect_answer(&rig, "QStartNoAckMode", "OK");
    cr_expect(rig.session.no_ack);
    /* hart 1, M-mode */
    expect_answer(&rig, "qThreadExtraInfo,p1.2", "6861727420312c204d2d6d6f6465");
    expect_answer(&rig, "qqemu.PhyMemMode", "0");
    expect_answer(&rig, "Qqemu.PhyMemMode:1", "OK");
    expect_answer(&rig, "qqemu.PhyMemMode", "1");
    expect_answer(&rig, "qRcmd,706879736963616c206f6666", /* physical off */
                  "61646472657373657320617265207669727475616c0a");
    cr_expect(!rig.session.physical);
    expect_answer(&rig, "qRcmd,706", "E16");
    expect_answer(&rig, "qRcmd,70zz", "E16");
    packet(&rig, "qXfer:threads:read::0,fff");
    cr_expect(strstr(rig.output.text, "<thread id=\"p1.2\" core=\"1\" name=\"hart 1\">") != NULL);
    cr_expect(packet(&rig, "qRcmd,71756974") == GDB_THEN_KILL, "quit");
    rig_fini(&rig);
}

/* The description, read in pieces, is whole and names every register once. */
Test(gdb_session, description)
{
    static struct rig rig;
    static char xml[1 << 17];
    size_t length = 0;
    rig_init(&rig);
    do {
        char text[64];
        snprintf(text, sizeof(text), "qXfer:features:read:target.xml:%zx,7b", length);
        cr_assert(packet(&rig, text) == GDB_THEN_REPLY && rig.output.length_bytes > 0);
        cr_assert(length + rig.output.length_bytes < sizeof(xml));
        memcpy(xml + length, rig.output.text + 1, rig.output.length_bytes - 1);
        length += rig.output.length_bytes - 1;
    } while (rig.output.text[0] == 'm');
    cr_expect(strstr(xml, "</target>") == xml + length - 10);
    unsigned count = 0;
    for (unsigned i = 0; i < metic_register_limit(rig.machine); i++) {
        struct metic_register reg;
        if (metic_describe_register(rig.machine, i, &reg)) {
            char text[64];
            snprintf(text, sizeof(text), "<reg name=\"%s\" ", reg.name);
            char *first = strstr(xml, text);
            cr_expect(first != NULL && strstr(first + 1, text) == NULL, "%s", reg.name);
            count++;
        }
    }
    cr_expect(count > 200, "%u", count);
    /* Numbers of DWARF's, by which LLDB finds variables: fa0 is 42, satp 4096 + 0x180. */
    static const char *const numbered[] = {"\"a0\" ", "\"10\"", "\"fa0\" ", "\"42\"", "\"satp\" ",
                                           "\"4480\""};
    for (unsigned i = 0; i < ARRAY_LEN(numbered); i += 2) {
        const char *row = strstr(xml, numbered[i]);
        const char *found = row != NULL ? strstr(row, " dwarf_regnum=") : NULL;
        cr_expect(found != NULL && found < strchr(row, '\n') &&
                  strncmp(found + 14, numbered[i + 1], strlen(numbered[i + 1])) == 0, "%s",
                  numbered[i]);
    }
    rig_fini(&rig);
}

static void go(struct rig *rig, const char *text, const char *answer)
{
    struct metic_result result;
    cr_expect(packet(rig, text) == GDB_THEN_RUN, "%s", text);
    gdb_session_run(&rig->session, &result);
    cr_assert(result.reason == METIC_BREAK, "%s", result.text);
    rig->output.length_bytes = 0;
    gdb_session_stopped(&rig->session, 2, &rig->output);
    rig->output.text[rig->output.length_bytes] = '\0';
    cr_expect(strcmp(rig->output.text, answer) == 0, "%s: '%s', not '%s'", text, rig->output.text,
              answer);
}

Test(gdb_session, backwards)
{
    static struct rig rig;
    char text[64];
    rig_init(&rig);
    gdb_reverse_init(&rig.session);
    snprintf(text, sizeof(text), "Z0,%llx,4",
             (unsigned long long)rv_address(rig.program, HERE));
    expect_answer(&rig, text, "OK");
    for (unsigned i = 0; i < 3; i++) {
        go(&rig, "vCont;c", "T05thread:p1.1;swbreak:;");
    }
    expect_answer(&rig, "p8", "0200000000000000");
    go(&rig, "bs", "T05thread:p1.1;");
    go(&rig, "bc", "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0100000000000000");
    expect_answer(&rig, "P8=0700000000000000", "OK");
    go(&rig, "vCont;c", "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0800000000000000");
    go(&rig, "bc", "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0700000000000000"); /* what was changed stays changed */
    go(&rig, "bc", "T05thread:p1.1;swbreak:;");
    expect_answer(&rig, "p8", "0000000000000000");
    go(&rig, "bc", "T05thread:p1.1;replaylog:begin;");
    go(&rig, "bs", "T05thread:p1.1;replaylog:begin;");
    expect_answer(&rig, "bs1", "E01");
    rig_fini(&rig);
}

Test(gdb_session, the_real_clock_has_no_past)
{
    static struct gdb_output output;
    static struct gdb_session session;
    struct rv_program *p = rv_new();
    rv_finish(p);
    metic_machine *machine = guest_machine(p, &guest_modes[1], 1);
    gdb_session_init(&session, machine);
    gdb_reverse_init(&session);
    cr_expect(gdb_session_packet(&session, "bc", 2, &output) == GDB_THEN_REPLY);
    static const char why[] = "E.reverse execution needs --clock virtual or --replay";
    cr_expect(strncmp(output.text, why, strlen(why)) == 0);
    gdb_session_fini(&session);
    metic_free(machine);
    rv_free(p);
}
