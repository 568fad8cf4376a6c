/* metic run: makes a machine, loads it, runs it, and says how it ended. */
#include "ui/args.h"
#include "ui/debugger.h"
#include "ui/gdb.h"
#include "ui/run_control.h"
#include "ui/run_snapshot.h"
#include "ui/plugin.h"
#include "ui/profile.h"
#include "ui/signals.h"
#include "ui/trace_run.h"
#include "ui/ui.h"
#include "ui/window.h"
#include "ui/xdg.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *run_reason_name(enum metic_reason reason)
{
    switch (reason) {
    case METIC_POWEROFF: return "poweroff";
    case METIC_PANIC: return "panic";
    case METIC_IDLE: return "idle";
    case METIC_LIMIT: return "limit";
    case METIC_STOPPED: return "stopped";
    case METIC_TURN_OVER: return "turn-over";
    case METIC_DIVERGED: return "diverged";
    case METIC_BREAK: return "break";
    default: return "script-failed";
    }
}

static void run_say(void *opaque, const char *line)
{
    (void)opaque;
    fprintf(stderr, "metic: %s\n", line);
}

/* Says why, as text or JSON, and returns the exit status. */
static int run_failed(const struct run_args *args, const struct metic_error *error)
{
    if (args->json) {
        printf("{\"reason\":\"failed\",\"exit_status\":%d,\"what\":", UI_EXIT_FAILED);
        ui_print_json_string(stdout, error->what);
        fputs(",\"next\":", stdout);
        ui_print_json_string(stdout, error->next);
        fputs("}\n", stdout);
    } else {
        ui_print_error(error);
    }
    return UI_EXIT_FAILED;
}

static void run_report(const struct run_args *args, const struct metic_result *result,
                       int exit_status)
{
    if (args->json) {
        printf("{\"reason\":\"%s\",\"status\":%u,\"exit_status\":%d,\"insns\":%" PRIu64
               ",\"text\":", run_reason_name(result->reason), result->status, exit_status,
               result->insns);
        ui_print_json_string(stdout, result->text);
        fputs("}\n", stdout);
    } else if (result->text[0] != '\0' && (!args->quiet || result->reason != METIC_POWEROFF)) {
        /* A guest that did not end itself may have left the cursor in the middle of a line. */
        bool new_line = result->reason != METIC_POWEROFF && isatty(STDERR_FILENO) &&
                        args->options.console == METIC_CONSOLE_STDIO;
        fprintf(stderr, "%smetic: %s\n", new_line ? "\n" : "", result->text);
    }
}

/* An address, or a symbol of what was loaded. */
static bool run_place(metic_machine *machine, const char *place, uint64_t *address,
                      struct metic_error *error)
{
    char *end;
    *address = strtoull(place, &end, 0);
    if (end != place && *end == '\0') {
        return true;
    }
    return metic_find_symbol(machine, place, address) ||
           error_set(error, "Give an address, as 0x80000000, or an ELF with symbols.",
                     "there is no symbol '%s'", place);
}

static bool run_shows(const struct run_args *args, metic_machine *machine,
                      struct metic_error *error)
{
    for (unsigned i = 0; i < args->show_count; i++) {
        uint64_t address;
        if (!run_place(machine, args->shows[i].place, &address, error) ||
            !metic_show(machine, address, args->shows[i].stages, stdout, error)) {
            return false;
        }
    }
    return true;
}

/* With a debugger's server if one was asked for, and with the debugger if that is not NULL. False
 * with a reason. */
static bool run_to_end(const struct run_args *args, struct debugger *debugger,
                       struct trace_run *trace, metic_machine *machine,
                       struct metic_result *result, struct metic_error *error)
{
    if (args->gdb == NULL) {
        trace_run_machine(trace, args, machine, result);
        return true;
    }
    struct gdb *gdb = gdb_new(machine, args->gdb, error);
    if (gdb == NULL ||
        (debugger != NULL && !debugger_start(debugger, args, machine, error))) {
        gdb_free(gdb);
        return false;
    }
    if (!args->quiet && debugger == NULL) {
        fprintf(stderr, "metic: gdb: %s: target remote %s\n",
                args->gdb_wait ? "waits for" : "listens for", gdb_address(gdb));
    }
    gdb_run(gdb, args->gdb_wait, result);
    gdb_free(gdb);
    return true;
}

/* What metic ps calls what runs. */
static const char *run_image(const struct run_args *args)
{
    return args->restored != NULL ? run_restored_image(args->restored)
           : args->demo           ? "demo"
           : args->thing != NULL  ? args->thing
                                  : "flash";
}

/* False with a reason: a window was asked for, and there can be none. */
static bool run_open_window(const struct run_args *args, metic_machine *machine,
                            struct window **window, struct metic_error *error)
{
    if (!args->window) {
        return true;
    }
    *window = window_open(machine, args->name != NULL ? args->name : run_image(args), error);
    return *window != NULL;
}

/* The machine is freed in any case, which puts the terminal back, before anything is reported. */
static int run_machine(struct run_args *args, const struct metic_boot_plan *plan,
                       struct debugger *debugger, metic_machine *machine)
{
    struct metic_error error = {{0}, {0}};
    struct metic_result result = {0};
    bool loaded = args->restored != NULL
                      ? run_restored_load(args->restored, args, machine, &error)
                  : args->demo ? metic_load_demo(machine, &error)
                               : metic_load(machine, metic_plan_thing(plan), &error);
    int signal_number = 0;
    bool shown = true;
    struct trace_run *trace = NULL;
    struct profile *profile = NULL;
    struct plugins *plugins = NULL;
    struct run_control *control = NULL;
    loaded = loaded && run_control_start(args, machine, run_image(args), &control, &error);
    if (loaded && args->paused) {
        metic_pause(machine);
    }
    if (loaded) {
        struct signals *signals = signals_start(machine);
        struct window *window = NULL;
        run_save_begin(args, machine);
        loaded = run_open_window(args, machine, &window, &error) &&
                 trace_run_start(args, machine, &trace, &error) &&
                 plugins_start(args, machine, &plugins, &error) &&
                 profile_start(args, machine, &profile, &error) &&
                 run_to_end(args, debugger, trace, machine, &result, &error) &&
                 run_restored_checked(args->restored, &error) &&
                 run_save_end(args, machine, &error);
        window_close(window);
        signal_number = signals_end(signals);
        fflush(stdout);
        struct metic_error unwritten;
        plugins_end(plugins);
        bool written = profile_end(profile, &unwritten);
        written = trace_run_end(trace, &unwritten) && written;
        if (!written && loaded) {
            error = unwritten;
            loaded = false;
        }
        shown = !loaded || (run_shows(args, machine, &error) &&
                            (args->screenshot == NULL ||
                             metic_screenshot(machine, 0, args->screenshot, &error)));
        if (args->stats) {
            metic_print_stats(machine, stderr);
        }
    }
    run_control_end(control, machine);
    metic_free(machine);
    if (run_control_output_ended(control)) {
        result.reason = METIC_LIMIT;
        result.exit_status = UI_EXIT_LIMIT;
        snprintf(result.text, sizeof(result.text), "the guest printed more than --limit-output");
    }
    free(control);
    if (!loaded || !shown) {
        return run_failed(args, &error);
    }
    int exit_status = signal_number != 0 ? UI_EXIT_SIGNAL + signal_number : result.exit_status;
    run_report(args, &result, exit_status);
    return exit_status;
}

/* Makes the machine that was asked for and runs it. */
static int run_start(struct run_args *args, struct debugger *debugger)
{
    struct metic_error error = {{0}, {0}};
    args->options.say = args->quiet ? NULL : run_say;
    if (args->clock_for != NULL && !args->quiet) {
        fprintf(stderr, "metic: clock: virtual, as %s needs it\n", args->clock_for);
    }
    /* Threads made from here on leave these signals to ours; a closed pipe is an error, no end. */
    signals_block();
    signal(SIGPIPE, SIG_IGN);
    char state[XDG_PATH_BYTES], firmware[XDG_PATH_BYTES];
    bool has_state = xdg_path(XDG_STATE, NULL, state);
    bool has_firmware = xdg_path(XDG_DATA, "firmware", firmware);
    struct metic_boot_plan *plan = NULL;
    if (!args->demo && (args->restored == NULL || args->thing != NULL)) {
        plan = metic_plan_boot(&args->options, args->thing, has_firmware ? firmware : NULL,
                               has_state ? state : NULL, &error);
        if (plan == NULL) {
            return run_failed(args, &error);
        }
        if (metic_plan_thing(plan) != args->thing) {
            args_keep_thing(args); /* the plan's choices are part of the machine */
        }
    }
    metic_machine *machine = metic_new(&args->options, &error);
    int status = machine != NULL ? run_machine(args, plan, debugger, machine)
                                 : run_failed(args, &error);
    metic_plan_free(plan);
    return status;
}

/* The arguments, or what to end with: the usage was wrong, or help was all that was wanted. */
static bool run_parse(struct run_args *args, int argc, char *const *argv, int *status)
{
    struct metic_error error = {{0}, {0}};
    if (!args_parse(args, argc, argv, &error)) {
        *status = ui_usage_error(&error);
        return false;
    }
    if (args->help) {
        help_run(stdout);
        *status = UI_EXIT_OK;
    }
    return !args->help;
}

int cmd_run(int argc, char *const *argv)
{
    struct run_args args;
    int status;
    if (run_parse(&args, argc, argv, &status)) {
        status = run_start(&args, NULL);
    }
    args_free(&args);
    return status;
}

int cmd_profile(int argc, char *const *argv)
{
    struct run_args args;
    int status;
    if (run_parse(&args, argc, argv, &status)) {
        args.profile = args.profile != NULL ? args.profile : "profile.html";
        status = run_start(&args, NULL);
    }
    args_free(&args);
    return status;
}

int cmd_restore(int argc, char *const *argv)
{
    struct run_args args = {.restores = true};
    struct metic_error error = {{0}, {0}};
    int status, count;
    if (argc == 0 || argv[0][0] == '-') {
        bool help = argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
        error_set(&error, "metic restore FILE [OPTION]...", "there is no snapshot to restore");
        return help ? (help_run(stdout), UI_EXIT_OK) : ui_usage_error(&error);
    }
    struct run_restored *restored = run_restored_open(argv[0], &error);
    if (restored == NULL) {
        return run_failed(&args, &error);
    }
    char **all = args_with_kept(run_restored_options(restored), argc - 1, argv + 1, &count);
    if (all == NULL) {
        error_set(&error, NULL, "the host has no memory for a snapshot");
        status = run_failed(&args, &error);
    } else if (!args_parse_restore(&args, count, all, &error)) {
        status = ui_usage_error(&error);
    } else if (args.help) {
        help_run(stdout);
        status = UI_EXIT_OK;
    } else {
        args.restored = restored;
        status = run_start(&args, NULL);
    }
    args_free(&args);
    run_restored_free(restored);
    free(all);
    return status;
}

/* GDB has the terminal, so the guest's console goes elsewhere. */
static int debug_start(struct run_args *args)
{
    struct metic_error error = {{0}, {0}};
    struct debugger *debugger = debugger_new(&error);
    if (debugger == NULL) {
        return run_failed(args, &error);
    }
    if (args->options.console == METIC_CONSOLE_STDIO) {
        args->options.console = METIC_CONSOLE_PTY;
    }
    args->gdb = debugger_socket(debugger);
    args->gdb_wait = true;
    int status = run_start(args, debugger);
    debugger_free(debugger);
    return status;
}

int cmd_debug(int argc, char *const *argv)
{
    struct run_args args;
    int status;
    if (run_parse(&args, argc, argv, &status)) {
        status = debug_start(&args);
    }
    args_free(&args);
    return status;
}
