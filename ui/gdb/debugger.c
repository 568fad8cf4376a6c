/* See debugger.h. */
#include "ui/gdb/debugger.h"

#include "ui/gdb/debugger_kernel.h"
#include "ui/signals.h"
#include "ui/symbols/elf_place.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct debugger {
    char folder[64], socket[80], commands[80], symbols[80];
    char program[256];
    metic_machine *machine;
    pid_t process; /* 0: not started */
    pthread_t thread;
};

static const char *const programs[] = {
    "gdb-multiarch", "riscv64-linux-gnu-gdb", "riscv64-unknown-elf-gdb", "riscv64-elf-gdb",
};

static bool find_program(struct debugger *debugger)
{
    const char *path = getenv("PATH");
    for (unsigned i = 0; path != NULL && i < ARRAY_LEN(programs); i++) {
        for (const char *at = path; *at != '\0'; at += strcspn(at, ":"), at += *at == ':') {
            snprintf(debugger->program, sizeof(debugger->program), "%.*s/%s",
                     (int)strcspn(at, ":"), at, programs[i]);
            if (access(debugger->program, X_OK) == 0) {
                return true;
            }
        }
    }
    return false;
}

struct debugger *debugger_new(struct metic_error *error)
{
    const char *base = getenv("TMPDIR");
    struct debugger *debugger = calloc(1, sizeof(*debugger));
    if (debugger == NULL) {
        error_set(error, NULL, "the host has no memory");
        return NULL;
    }
    if (!find_program(debugger)) {
        free(debugger);
        error_set(error, "install gdb-multiarch (apt-get install gdb-multiarch)",
                  "there is no GDB that knows RISC-V");
        return NULL;
    }
    bool fits = base != NULL && base[0] != '\0' && strlen(base) < 32;
    snprintf(debugger->folder, sizeof(debugger->folder), "%s/metic-debug-XXXXXX",
             fits ? base : "/tmp");
    if (mkdtemp(debugger->folder) == NULL) {
        error_set(error, "set TMPDIR to a folder that can be written", "cannot make %s: %s",
                  debugger->folder, strerror(errno));
        free(debugger);
        return NULL;
    }
    snprintf(debugger->socket, sizeof(debugger->socket), "%s/socket", debugger->folder);
    snprintf(debugger->commands, sizeof(debugger->commands), "%s/commands", debugger->folder);
    snprintf(debugger->symbols, sizeof(debugger->symbols), "%s/kernel", debugger->folder);
    return debugger;
}

void debugger_free(struct debugger *debugger)
{
    if (debugger == NULL) {
        return;
    }
    if (debugger->process != 0) {
        pthread_join(debugger->thread, NULL);
    }
    unlink(debugger->commands);
    unlink(debugger->symbols);
    unlink(debugger->socket);
    rmdir(debugger->folder);
    free(debugger);
}

const char *debugger_socket(const struct debugger *debugger)
{
    return debugger->socket;
}

static bool is_elf(const char *path)
{
    return elf_type(path) != ET_NONE;
}

bool debugger_is_core(const char *path)
{
    return elf_type(path) == ET_CORE;
}

/* A path as a GDB command's argument. */
static void put_quoted(FILE *to, const char *path)
{
    fputc('"', to);
    for (; *path != '\0'; path++) {
        if (*path == '"' || *path == '\\') {
            fputc('\\', to);
        }
        fputc(*path == '\n' ? ' ' : *path, to);
    }
    fputc('"', to);
}

static void put_command(FILE *to, const char *command, const char *path)
{
    fprintf(to, "%s ", command);
    put_quoted(to, path);
    fputc('\n', to);
}

/* The symbols of an ELF file, where its code lies; those of the first can be replaced. */
static void put_file(FILE *to, const char *path, bool first)
{
    char command[64];
    u64 moved = elf_place(path);
    if (moved == 0) {
        put_command(to, first ? "file" : "add-symbol-file", path);
        return;
    }
    snprintf(command, sizeof(command), "%s -o 0x%llx", first ? "symbol-file" : "add-symbol-file",
             (unsigned long long)moved);
    put_command(to, command, path);
}

static bool write_commands(const struct debugger *debugger, const struct run_args *args)
{
    FILE *to = fopen(debugger->commands, "we");
    if (to == NULL) {
        return false;
    }
    const char *main = is_elf(args->thing) ? args->thing : NULL;
    for (unsigned i = 0; i < args->symbol_count; i++) {
        if (debugger_is_module(args->symbols[i])) {
            continue;
        }
        bool first = main == NULL;
        main = first ? args->symbols[i] : main;
        put_file(to, args->symbols[i], first);
        put_command(to, "add-auto-load-safe-path", args->symbols[i]);
    }
    if (is_elf(args->options.firmware)) {
        put_file(to, args->options.firmware, false);
    }
    if (is_elf(args->thing)) {
        put_file(to, args->thing, true);
    }
    fprintf(to, "target remote %s\n", debugger->socket); /* which takes no quotes */
    debugger_write_kernel(to, args, main, debugger->symbols);
    return fclose(to) == 0;
}

static void wait_for(const struct debugger *debugger)
{
    while (waitpid(debugger->process, NULL, 0) < 0 && errno == EINTR) {
    }
}

static void *wait_thread(void *opaque)
{
    struct debugger *debugger = opaque;
    wait_for(debugger);
    metic_stop(debugger->machine);
    return NULL;
}

/* With signals as they are at the start of a program. */
static int spawn(struct debugger *debugger)
{
    sigset_t all, none;
    posix_spawnattr_t attributes;
    char *argv[] = {debugger->program, (char[]){"-q"}, (char[]){"-x"}, debugger->commands, NULL};
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    int failed = posix_spawn(&debugger->process, debugger->program, NULL, &attributes, argv,
                             environ);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

/* Starts GDB with the commands, if they were written; Ctrl-C is its from here on. */
static bool start(struct debugger *debugger, bool written, struct metic_error *error)
{
    if (!written) {
        return error_set(error, NULL, "cannot write %s: %s", debugger->commands, strerror(errno));
    }
    signals_leave_interrupts();
    int failed = spawn(debugger);
    if (failed != 0) {
        debugger->process = 0;
        return error_set(error, NULL, "cannot start %s: %s", debugger->program, strerror(failed));
    }
    return true;
}

bool debugger_start(struct debugger *debugger, const struct run_args *args, metic_machine *machine,
                    struct metic_error *error)
{
    debugger->machine = machine;
    if (!start(debugger, write_commands(debugger, args), error)) {
        return false;
    }
    if (pthread_create(&debugger->thread, NULL, wait_thread, debugger) != 0) {
        kill(debugger->process, SIGTERM);
        debugger->process = 0;
        return error_set(error, NULL, "the host gives no more threads");
    }
    return true;
}

/* --- a core --- */

static bool write_core_commands(const struct debugger *debugger, const struct run_args *args)
{
    char symbols[4096];
    FILE *to = fopen(debugger->commands, "we");
    if (to == NULL) {
        return false;
    }
    fputs("set osabi none\n", to); /* or GDB takes it for a program's, which has no CSRs */
    bool has_symbols = snprintf(symbols, sizeof(symbols), "%s.symbols", args->thing) <
                           (int)sizeof(symbols) && is_elf(symbols);
    if (has_symbols) {
        put_file(to, symbols, true);
    }
    for (unsigned i = 0; i < args->symbol_count; i++) {
        put_file(to, args->symbols[i], i == 0 && !has_symbols);
    }
    fprintf(to, "core-file %s\n", args->thing); /* which takes no quotes */
    debugger_write_frames(to);
    return fclose(to) == 0;
}

bool debugger_look(struct debugger *debugger, const struct run_args *args,
                   struct metic_error *error)
{
    if (!start(debugger, write_core_commands(debugger, args), error)) {
        return false;
    }
    wait_for(debugger);
    debugger->process = 0; /* no thread waits for it */
    return true;
}
