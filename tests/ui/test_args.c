/* The command line of run: values, steps, what is refused and what is suggested. */
#include "ui/command/args.h"
#include "ui/ui.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ARGS = 16 };

/* Splits `line` at blanks and parses it. */
static bool parse(struct run_args *args, const char *line, struct metic_error *error)
{
    static char copy[512];
    char *argv[MAX_ARGS];
    int argc = 0;
    cr_assert_lt(strlen(line), sizeof(copy));
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    memset(error, 0, sizeof(*error));
    return args_parse(args, argc, argv, error);
}

static void expect_refused(const char *line, const char *what, const char *next)
{
    struct run_args args;
    struct metic_error error;
    cr_expect_not(parse(&args, line, &error), "'%s' was taken", line);
    cr_expect_not_null(strstr(error.what, what), "'%s': '%s' does not say '%s'", line, error.what,
                       what);
    cr_expect_not_null(strstr(error.next, next), "'%s': '%s' does not say '%s'", line, error.next,
                       next);
    args_free(&args);
}

Test(args, everything_at_once)
{
    struct run_args args;
    struct metic_error error;
    cr_assert(parse(&args, "k --cpus 4 --ram=1.5G --initrd i --append a=b --engine both "
                           "--clock virtual --seed 0x10 --limit-insns 200M", &error),
              "%s", error.what);
    cr_expect_str_eq(args.thing, "k");
    cr_expect_eq(args.options.harts, 4);
    cr_expect_eq(args.options.ram_bytes, (u64)3 << 29);
    cr_expect_str_eq(args.options.initrd, "i");
    cr_expect_str_eq(args.options.bootargs, "a=b");
    cr_expect_eq(args.options.engine, METIC_ENGINE_BOTH);
    cr_expect_eq(args.options.clock, METIC_CLOCK_VIRTUAL);
    cr_expect_eq(args.options.seed, 16);
    cr_expect_eq(args.options.limit_insns, 200000000);
    cr_expect_eq(args.options.console, METIC_CONSOLE_STDIO);
    args_free(&args);
}

Test(args, switches_and_kinds)
{
    struct run_args args;
    struct metic_error error;
    cr_assert(parse(&args, "--demo --no-links --one-entry-tlb --verify --host-features plain "
                           "--perf-map --stats --json --quiet --limit-time 1500ms --code-cache 64M "
                           "--block-insns 1", &error), "%s", error.what);
    cr_expect(args.demo && args.options.stats && args.json && args.quiet);
    cr_expect(args.options.no_links && args.options.one_entry_tlb && args.options.verify_ir);
    cr_expect(args.perf_map);
    cr_expect_eq(args.options.host, METIC_HOST_PLAIN);
    cr_expect_eq(args.options.limit_ns, 1500000000);
    cr_expect_eq(args.options.code_bytes, 64 << 20);
    cr_expect_eq(args.options.block_insns, 1);
    args_free(&args);
}

Test(args, disks_and_flash)
{
    struct run_args args;
    struct metic_error error;
    cr_assert(parse(&args, "k --disk a --disk b:ro --disk c:write --disk d:rw --flash e --flash "
                           "f:write", &error));
    cr_assert_eq(args.options.disk_count, 4);
    cr_expect_str_eq(args.options.disks[0].path, "a");
    cr_expect_not(args.options.disks[0].read_only || args.options.disks[0].write_back);
    cr_expect_str_eq(args.options.disks[1].path, "b");
    cr_expect(args.options.disks[1].read_only && !args.options.disks[1].write_back);
    cr_expect_str_eq(args.options.disks[2].path, "c");
    cr_expect(!args.options.disks[2].read_only && args.options.disks[2].write_back);
    cr_expect_str_eq(args.options.disks[3].path, "d:rw", "an unknown suffix is the file's name");
    args_free(&args);
    cr_assert(parse(&args, "k --disk a,b:write,format=raw,on-error=stop --disk c,overlay=o,1.qcow2 "
                           "--overlay x", &error));
    cr_expect_str_eq(args.options.disks[0].path, "a,b");
    cr_expect(args.options.disks[0].write_back && args.options.disks[0].stop_on_error);
    cr_expect_eq(args.options.disks[0].format, METIC_DISK_RAW);
    cr_expect_str_eq(args.options.disks[1].path, "c");
    cr_expect_str_eq(args.options.disks[1].overlay, "o,1.qcow2");
    cr_expect_str_eq(args.options.boot_overlay, "x");
    args_free(&args);
    static const char *const wrong[] = {"k --disk a,format=vmdk", "k --disk a,overlay=",
                                        "k --disk a,on-error=ignore",
                                        "k --disk a:write,overlay=o"};
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        cr_expect_not(parse(&args, wrong[i], &error), "%s", wrong[i]);
        cr_expect_neq(error.next[0], '\0', "%s", wrong[i]);
        args_free(&args);
    }
    cr_assert(parse(&args, "k --flash e --flash f:write", &error));
    cr_expect_str_eq(args.options.flash[0], "e");
    cr_expect_str_eq(args.options.flash[1], "f");
    cr_expect(args.options.flash_write);
    args_free(&args);
    expect_refused("k --disk 1 --disk 2 --disk 3 --disk 4 --disk 5 --disk 6 --disk 7",
                   "room for 6", "");
    expect_refused("k --flash 1 --flash 2 --flash 3", "two flash banks", "");
}

Test(args, consoles)
{
    static const struct {
        const char *line;
        enum metic_console console;
        const char *path;
    } cases[] = {
        {"k --serial none", METIC_CONSOLE_NONE, NULL},
        {"k --serial pty", METIC_CONSOLE_PTY, NULL},
        {"k --serial file:a:b", METIC_CONSOLE_FILE, "a:b"},
        {"k --serial socket:s", METIC_CONSOLE_SOCKET, "s"},
        {"k --serial file:x --serial stdio", METIC_CONSOLE_STDIO, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run_args args;
        struct metic_error error;
        cr_assert(parse(&args, cases[i].line, &error), "%s", cases[i].line);
        cr_expect_eq(args.options.console, cases[i].console, "%s", cases[i].line);
        if (cases[i].path != NULL) {
            cr_expect_str_eq(args.options.console_path, cases[i].path);
        } else {
            cr_expect_null(args.options.console_path);
        }
        args_free(&args);
    }
    expect_refused("k --serial file:", "none of: stdio none pty", "");
    expect_refused("k --serial vga", "none of: stdio none pty", "");
}

Test(args, network)
{
    static const u8 mac[] = {0x52, 0x54, 0, 0xab, 0xcd, 0xef};
    struct run_args args;
    struct metic_error error;
    cr_assert(parse(&args, "k", &error));
    cr_expect_eq(args.options.net, METIC_NET_AUTO);
    args_free(&args);
    cr_assert(parse(&args, "k --net user:restrict --forward 2222:22 --forward 0.0.0.0:53:5353/udp "
                           "--mac 52:54:00:AB:cd:ef --pcap p", &error), "%s", error.what);
    cr_expect_eq(args.options.net, METIC_NET_USER);
    cr_expect(args.options.net_restrict);
    cr_expect_eq(args.options.forward_count, 2);
    cr_expect_eq(args.options.forwards[0].host_ip4, 0x7f000001);
    cr_expect_eq(args.options.forwards[0].host_port, 2222);
    cr_expect_eq(args.options.forwards[0].guest_port, 22);
    cr_expect_not(args.options.forwards[0].udp);
    cr_expect_eq(args.options.forwards[1].host_ip4, 0);
    cr_expect_eq(args.options.forwards[1].guest_port, 5353);
    cr_expect(args.options.forwards[1].udp);
    cr_expect(args.options.mac_given);
    cr_expect_arr_eq(args.options.mac, mac, 6);
    cr_expect_str_eq(args.options.pcap_path, "p");
    args_free(&args);
    cr_assert(parse(&args, "k --net socket:a/b", &error));
    cr_expect_eq(args.options.net, METIC_NET_SOCKET);
    cr_expect_str_eq(args.options.net_path, "a/b");
    args_free(&args);
    expect_refused("k --symbols /none/vmlinux", "--symbols: cannot read '/none/vmlinux'", "");
    expect_refused("k --net bridge", "none of: user user:restrict socket:PATH none", "");
    expect_refused("k --net socket:", "is none of", "");
    expect_refused("k --forward 22", "is not [ADDRESS:]PORT:PORT", "--forward 2222:22");
    expect_refused("k --forward 0:22", "is not", "");
    expect_refused("k --forward 65536:22", "is not", "");
    expect_refused("k --forward 1:2/sctp", "is not", "");
    expect_refused("k --forward 1.2.3:1:2", "is not", "");
    expect_refused("k --forward 1.2.3.4", "is not", "");
    expect_refused("k --mac 52:54:00:12:34", "is no address", "--mac 52:54");
    expect_refused("k --mac 52:54:00:12:34:5g", "is no address", "");
    expect_refused("k --mac 53:54:00:12:34:56", "the address of a group", "even");
}

Test(args, steps)
{
    struct run_args args;
    struct metic_error error;
    cr_assert(parse(&args, "k --send first --expect a\\x41\\n --send b\\r --expect c --expect d",
                    &error), "%s", error.what);
    cr_assert_eq(args.options.step_count, 4);
    cr_expect_null(args.options.steps[0].expect);
    cr_expect_str_eq(args.options.steps[0].send, "first");
    cr_expect_str_eq(args.options.steps[1].expect, "aA\n");
    cr_expect_str_eq(args.options.steps[1].send, "b\r");
    cr_expect_str_eq(args.options.steps[2].expect, "c");
    cr_expect_null(args.options.steps[2].send);
    cr_expect_str_eq(args.options.steps[3].expect, "d");
    args_free(&args);
}

Test(args, escapes)
{
    static const struct {
        const char *text, *plain;
    } good[] = {
        {"", ""}, {"plain", "plain"}, {"\\n\\r\\t\\\\", "\n\r\t\\"}, {"\\e[0m", "\033[0m"},
        {"\\x1b\\x7", "\x1b\x07"}, {"\\033x", "\033x"}, {"\\1018", "A8"}, {"\\xe9!", "\xe9!"},
        {"\\\"\\'", "\"'"},
    };
    static const char *const bad[] = {"\\", "a\\", "\\q", "\\x", "\\xg", "\\0", "\\x00", "\\400"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char *plain = args_unescape(good[i].text, NULL);
        cr_assert_not_null(plain, "%s", good[i].text);
        cr_expect_str_eq(plain, good[i].plain, "%s", good[i].text);
        free(plain);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct metic_error error;
        cr_expect_null(args_unescape(bad[i], &error), "'%s' was taken", bad[i]);
        cr_expect_not_null(strstr(error.what, "escape"));
    }
}

Test(args, script)
{
    char path[] = "script-test-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "# a comment\n\nexpect login: \n  send root\\n\nsend x";
    cr_assert_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
    struct run_steps steps = {0};
    struct metic_error error;
    cr_assert(args_read_script(&steps, path, &error), "%s", error.what);
    cr_assert_eq(steps.count, 2);
    cr_expect_str_eq(steps.steps[0].expect, "login: ");
    cr_expect_str_eq(steps.steps[0].send, "root\n");
    cr_expect_null(steps.steps[1].expect);
    cr_assert_eq(pwrite(fd, "nonsense here\n", 14, 0), 14);
    cr_expect_not(args_read_script(&steps, path, &error));
    cr_expect_not_null(strstr(error.what, "line 1"), "%s", error.what);
    cr_expect_not(args_read_script(&steps, "no/such/script", &error));
    close(fd);
    unlink(path);
    struct run_args args = {.steps = steps};
    args_free(&args);
}

Test(args, refusals)
{
    expect_refused("", "nothing to run", "--demo");
    expect_refused("--disk /dev/zero", "nothing to run", "metic run /dev/zero boots");
    expect_refused("a b", "two things to run, 'a' and 'b'", "have options");
    expect_refused("--gdb a.sock b", "two things to run", "--gdb=PATH");
    expect_refused("a --gdb b.sock", "two things to run", "--gdb=PATH");
    expect_refused("a --quiet b", "two things to run", "have options");
    expect_refused("a --demo", "both 'a' and --demo", "");
    expect_refused("k --intrd x", "no option --intrd", "--initrd");
    expect_refused("k --memory=4G", "no option --memory", "--help");
    expect_refused("k --limit-insn 5", "no option --limit-insn", "--limit-insns");
    expect_refused("k -m 4G", "no option -m", "long names");
    expect_refused("k --ram 4X", "'4X' is not a size", "4GiB");
    expect_refused("k --ram 512", "too little", "512M");
    expect_refused("k --ram", "--ram needs a value", "");
    expect_refused("k --cpus 0", "from 1 to 64", "");
    expect_refused("k --cpus 65", "from 1 to 64", "");
    expect_refused("k --cpus four", "not a number", "");
    expect_refused("k --cpus -1", "not a number", "");
    expect_refused("k --cpus 99999999999999999999", "not a number", "");
    expect_refused("k --seed 12x", "not a number", "");
    expect_refused("k --engine qemu", "none of: jit interp both", "");
    expect_refused("k --engine ji", "none of: jit interp both", "");
    expect_refused("k --clock fast", "none of: real virtual", "");
    expect_refused("k --limit-time 5parsec", "not a time", "30s");
    expect_refused("k --limit-time 0", "not a time", "");
    expect_refused("k --limit-time 9999999999999999h", "not a time", "");
    expect_refused("k --limit-insns 2X", "not a count", "");
    expect_refused("k --clock real --digest-every 1M", "--digest-every needs the virtual", "");
    expect_refused("k --json=1", "takes no value", "");
    expect_refused("k --initrd=", "empty", "");
    expect_refused("k --show ir", "not STAGES@ADDRESS", "");
    expect_refused("k --show ir,foo@main", "'foo' is none of: decode ir opt host", "");
    expect_refused("k --show ir,@main", "'' is none of", "");
    expect_refused("k --trace-format bochs", "none of: store spike", "");
    expect_refused("k --trace-format store", "needs a file", "--trace guest.trace");
    expect_refused("k --trace f --trace-format spike --trace-last 1M", "holds everything", "");
    expect_refused("k --record a --replay b", "both --record and --replay", "");
}

Test(args, what_needs_repeatable_runs_chooses_the_clock)
{
    static const char *const lines[] = {"k --engine both", "k --record f", "k --replay f",
                                        "k --digest-every 1M"};
    struct run_args args;
    struct metic_error error;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        cr_assert(parse(&args, lines[i], &error), "%s", lines[i]);
        cr_expect_eq(args.options.clock, METIC_CLOCK_VIRTUAL, "%s", lines[i]);
        cr_expect_not_null(args.clock_for);
        args_free(&args);
    }
    cr_assert(parse(&args, "k --engine both --clock virtual", &error));
    cr_expect_null(args.clock_for, "nothing to say about what the user chose");
    args_free(&args);
    cr_assert(parse(&args, "k", &error));
    cr_expect_eq(args.options.clock, METIC_CLOCK_REAL);
    args_free(&args);
}

Test(args, more_steps_than_room)
{
    struct run_steps steps = {0};
    struct metic_error error;
    for (unsigned i = 0; i < METIC_MAX_STEPS; i++) {
        cr_assert(args_add_expect(&steps, "x", &error));
    }
    cr_expect_not(args_add_expect(&steps, "x", &error));
    cr_expect(args_add_send(&steps, "x", &error), "completes the last one");
    cr_expect_not(args_add_send(&steps, "x", &error));
    struct run_args args = {.steps = steps};
    args_free(&args);
}

Test(args, show_and_trace)
{
    struct run_args args;
    struct metic_error error;
    cr_assert(parse(&args, "k --show ir,host@main --trace-format spike -- --odd", &error) ||
              error.what[0] != '\0');
    args_free(&args);
    cr_assert(parse(&args, "--show ir,host@main --trace-format spike -- --odd", &error), "%s",
              error.what);
    cr_expect_str_eq(args.thing, "--odd");
    cr_expect_str_eq(args.options.trace_path, "-");
    cr_assert_eq(args.show_count, 1);
    cr_expect_str_eq(args.shows[0].stages, "ir,host");
    cr_expect_str_eq(args.shows[0].place, "main");
    args_free(&args);
    cr_assert(parse(&args, "k --trace f --trace-format spike", &error));
    cr_expect_str_eq(args.options.trace_path, "f");
    args_free(&args);
}

/* The printed text in a fresh string. */
static char *printed(void (*print)(FILE *to))
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    print(to);
    fclose(to);
    return text;
}

Test(help, every_option_is_everywhere)
{
    char *help = printed(help_run), *man = printed(help_man);
    char *completion = printed(help_completion);
    unsigned options = 0;
    for (unsigned i = 0; i < option_row_count; i++) {
        if (option_rows[i].parse == NULL) {
            continue;
        }
        char plain[64], escaped[128];
        size_t used = 0;
        snprintf(plain, sizeof(plain), "--%s", option_rows[i].name);
        for (const char *c = plain; *c != '\0'; c++) {
            if (*c == '-') {
                escaped[used++] = '\\';
            }
            escaped[used++] = *c;
        }
        escaped[used] = '\0';
        cr_expect_not_null(strstr(help, plain), "%s is not in --help", plain);
        cr_expect_not_null(strstr(man, escaped), "%s is not in the manual page", plain);
        cr_expect_not_null(strstr(completion, plain), "%s is not completed", plain);
        options++;
    }
    cr_expect_gt(options, 30);
    for (const char *line = help; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        cr_expect_leq(length, 96, "%.*s", (int)length, line);
        cr_expect(length == 0 || line[length - 1] != ' ', "trailing blank: %.*s", (int)length,
                  line);
        line += length + (line[length] == '\n');
    }
    free(help);
    free(man);
    free(completion);
}

static char *json(const char *text)
{
    char *out = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&out, &bytes);
    ui_print_json_string(to, text);
    fclose(to);
    return out;
}

Test(ui, json_strings)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\x01\x7f", "\"\\u000a\\u0001\\u007f\""},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xc3", "\"\\ufffd\""},
        {"\xc3(", "\"\\ufffd(\""},
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xc0\x80\xff", "\"\\ufffd\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *out = json(cases[i].text);
        cr_expect_str_eq(out, cases[i].json, "case %zu: %s", i, out);
        free(out);
    }
}

/* --gdb may stand alone; behind it only a number is its value. */
Test(args, where_a_debugger_attaches)
{
    static const struct {
        const char *line, *gdb;
        bool wait;
    } rows[] = {
        {"k", NULL, false},
        {"--gdb k", "1234", false},
        {"k --gdb", "1234", false},
        {"--gdb 4321 k", "4321", false},
        {"k --gdb=./socket", "./socket", false},
        {"k --gdb-wait", "1234", true},
        {"k --gdb-wait --gdb 1", "1", true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct run_args args;
        struct metic_error error;
        cr_assert(parse(&args, rows[i].line, &error), "%s: %s", rows[i].line, error.what);
        cr_expect_str_eq(args.thing, "k");
        cr_expect((args.gdb == NULL) == (rows[i].gdb == NULL), "%s", rows[i].line);
        cr_expect(args.gdb == NULL || strcmp(args.gdb, rows[i].gdb) == 0, "%s", rows[i].line);
        cr_expect_eq(args.gdb_wait, rows[i].wait, "%s", rows[i].line);
        args_free(&args);
    }
    expect_refused("k --gdb=", "needs a port or a path", "");
}

Test(args, sound)
{
    struct run_args args;
    struct metic_error error;
    cr_assert(parse(&args, "k", &error));
    cr_expect_not(args.options.sound);
    args_free(&args);
    cr_assert(parse(&args, "k --screen 640x480", &error));
    cr_expect(args.options.sound, "a machine with a screen has a card");
    cr_expect_not(args.loudspeaker);
    args_free(&args);
    cr_assert(parse(&args, "k --display sdl", &error));
    cr_expect(args.options.sound && args.loudspeaker);
    args_free(&args);
    cr_assert(parse(&args, "k --display sdl --sound off", &error));
    cr_expect_not(args.options.sound);
    args_free(&args);
    cr_assert(parse(&args, "k --sound wav:a.wav --sound-in mic", &error));
    cr_expect(args.options.sound && args.options.sound_microphone);
    cr_expect_str_eq(args.options.sound_out, "a.wav");
    args_free(&args);
    cr_assert(parse(&args, "k --sound-in b.wav", &error));
    cr_expect(args.options.sound);
    cr_expect_str_eq(args.options.sound_in, "b.wav");
    args_free(&args);
    expect_refused("k --sound wav:", "none of", "");
    expect_refused("k --sound off --sound-in b.wav", "nothing can be recorded", "--sound off");
}
