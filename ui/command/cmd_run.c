/* metic run: makes a machine, loads it, runs it, and says how it ended. */
#include "cpu/base/zeros.h"
#include "ui/detach.h"
#include "ui/run/run.h"
#include "ui/run/run_snapshot.h"
#include "ui/signals.h"
#include "ui/ui.h"
#include "ui/xdg.h"

#include <inttypes.h>
#include <malloc.h>
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
static int run_failed_with(const struct run_args *args, int exit_status,
                           const struct metic_error *error)
{
    if (args->json) {
        printf("{\"reason\":\"failed\",\"exit_status\":%d,\"what\":", exit_status);
        ui_print_json_string(stdout, error->what);
        fputs(",\"next\":", stdout);
        ui_print_json_string(stdout, error->next);
        fputs("}\n", stdout);
    } else {
        ui_print_error(error);
    }
    return exit_status;
}

static int run_failed(const struct run_args *args, const struct metic_error *error)
{
    return run_failed_with(args, UI_EXIT_FAILED, error);
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

const char *run_image(const struct run_args *args)
{
    return args->restored != NULL ? run_restored_image(args->restored)
           : args->demo           ? "demo"
           : args->thing != NULL  ? args->thing
                                  : "flash";
}

static bool run_load(struct run *run, const struct metic_boot_plan *plan,
                     struct metic_error *error)
{
    const struct run_args *args = run->args;
    return args->restored != NULL
               ? run_restored_load(args->restored, args, run->machine, error)
           : args->demo ? metic_load_demo(run->machine, error)
                        : metic_load(run->machine, metic_plan_thing(plan), error);
}

/* The machine is freed in any case, which puts the terminal back, before anything is reported. */
static int run_machine(struct run *run, const struct metic_boot_plan *plan)
{
    struct metic_error error = {{0}, {0}};
    struct metic_result *result = &run->result;
    bool good = run_load(run, plan, &error) && run_with_parts(run, &error);
    metic_free(run->machine);
    if (run->limit[0] != '\0') {
        result->reason = METIC_LIMIT;
        result->exit_status = UI_EXIT_LIMIT;
        snprintf(result->text, sizeof(result->text), "%s", run->limit);
    }
    if (!good) {
        return run_failed_with(run->args, run->usage ? UI_EXIT_USAGE : UI_EXIT_FAILED, &error);
    }
    int exit_status = run->signal_number != 0 ? UI_EXIT_SIGNAL + run->signal_number
                                              : result->exit_status;
    run_report(run->args, result, exit_status);
    return exit_status;
}

/* Makes the machine that was asked for and runs it. */
static int run_in_place(struct run_args *args, struct debugger *debugger, struct detach *detach)
{
    struct metic_error error = {{0}, {0}};
    args->options.say = args->quiet ? NULL : run_say;
    if (args->clock_for != NULL && !args->quiet) {
        fprintf(stderr, "metic: clock: virtual, as %s needs it\n", args->clock_for);
    }
    /* Threads made from here on leave these signals to ours; a closed pipe is an error, no end. */
    signals_block();
    signal(SIGPIPE, SIG_IGN);
    char state[XDG_PATH_BYTES], firmware[XDG_PATH_BYTES], cache[XDG_PATH_BYTES];
    args->options.scratch_folder = xdg_path(XDG_CACHE, NULL, cache) ? cache : NULL;
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
    struct run run = {.args = args, .machine = machine, .debugger = debugger, .detach = detach};
    int status = machine != NULL ? run_machine(&run, plan) : run_failed(args, &error);
    metic_plan_free(plan);
    return status;
}

/* A machine takes nearly all of what the C library first got for small things: it comes at once,
 * not by a fault for each page. And that stays for small things: the library would take whatever is
 * given back, an image say, for the size to serve from there, and so copy what grows, page by
 * page. */
static void heap_begin(void)
{
    enum { FIRST_BYTES = 1 << 20 }; /* more than it is; elsewhere another allocator's would be */
    enum { LARGE_BYTES = 256 << 10, KEPT_BYTES = 64 << 20 };
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES); /* as the library would have it then */
    void *first = malloc(1);
    size_t rest_bytes = (uintptr_t)sbrk(0) - (uintptr_t)first;
    if (rest_bytes < FIRST_BYTES) {
        zeros_ask(first, rest_bytes);
    }
    free(first);
}

/* The same, maybe in the background. */
static int run_start(struct run_args *args, struct debugger *debugger)
{
    struct metic_error error = {{0}, {0}};
    struct detach *detach = NULL;
    heap_begin();
    if (args->detach) {
        if (!detach_begin(&detach, &error)) {
            detach_free(detach);
            return run_failed(args, &error);
        }
        if (args->options.console == METIC_CONSOLE_STDIO) {
            args->options.console = METIC_CONSOLE_PTY;
        }
    }
    int status = run_in_place(args, debugger, detach);
    detach_free(detach);
    return status;
}

/* The arguments, or what to end with: the usage was wrong, or help was all that was wanted. */
static bool run_parse(struct run_args *args, int argc, char *const *argv,
                      void (*help)(FILE *to), int *status)
{
    struct metic_error error = {{0}, {0}};
    if (!args_parse(args, argc, argv, &error)) {
        *status = ui_usage_error(&error);
        return false;
    }
    if (args->help) {
        help(stdout);
        *status = UI_EXIT_OK;
    }
    return !args->help;
}

int cmd_run(int argc, char *const *argv)
{
    struct run_args args;
    int status;
    if (run_parse(&args, argc, argv, help_run, &status)) {
        status = run_start(&args, NULL);
    }
    args_free(&args);
    return status;
}

int cmd_profile(int argc, char *const *argv)
{
    struct run_args args;
    int status;
    if (run_parse(&args, argc, argv, help_profile, &status)) {
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
        return help ? (help_restore(stdout), UI_EXIT_OK) : ui_usage_error(&error);
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
        help_restore(stdout);
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
    if (debugger_is_core(args->thing)) {
        bool looked = debugger_look(debugger, args, &error);
        debugger_free(debugger);
        return looked ? UI_EXIT_OK : run_failed(args, &error);
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
    if (run_parse(&args, argc, argv, help_debug, &status)) {
        status = debug_start(&args);
    }
    args_free(&args);
    return status;
}
