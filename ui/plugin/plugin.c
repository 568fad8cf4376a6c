/* See plugin.h. A callback names its arguments; from the names a call is put together by libffi, so
 * a callback that needs an address alone is called with an address alone. */
#include "ui/plugin/plugin.h"

#include "cpu/base/bits.h"
#include "ui/plugin/plugin_accesses.h"
#include "ui/plugin/plugin_guard.h"
#include "ui/plugin/plugin_syscalls.h"
#include "ui/run/run_symbols.h"

#include <dlfcn.h>
#include <ffi.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PLUGINS = 8, MAX_CALLBACKS = 16, MAX_ARGUMENTS = 12, CAUSE_ECALL_U = 8 };

enum event { ON_BLOCK, ON_INSN, ON_MEMORY, ON_TRAP, ON_SYSCALL, ON_SYSCALL_END, ON_END, EVENTS };

static const char *const event_names[EVENTS] = {
    "block", "insn", "memory", "trap", "syscall", "syscall_end", "end",
};

/* Every argument there is: where it stands among the values of an event, and its type. */
enum value {
    V_USER, V_HART, V_PC, V_BLOCK, V_INSNS, V_BYTES, V_INSN, V_CODE, V_ADDRESS, V_PHYSICAL, V_SIZE,
    V_VALUE, V_WRITE, V_CAUSE, V_NUMBER, V_A0, V_A1, V_A2, V_A3, V_A4, V_A5, V_RESULT, VALUES,
};

static const struct {
    const char *name;
    bool is_u32;
    unsigned events; /* bit mask of enum event */
} values[VALUES] = {
    [V_USER] = {"user", false, (1 << EVENTS) - 1},
    [V_HART] = {"hart", true, (1 << ON_END) - 1},
    [V_PC] = {"pc", false, (1 << ON_END) - 1},
    [V_BLOCK] = {"block", true, 1 << ON_BLOCK | 1 << ON_INSN},
    [V_INSNS] = {"insns", true, 1 << ON_BLOCK},
    [V_BYTES] = {"bytes", true, 1 << ON_BLOCK},
    [V_INSN] = {"insn", true, 1 << ON_INSN},
    [V_CODE] = {"code", true, 1 << ON_INSN},
    [V_ADDRESS] = {"address", false, 1 << ON_MEMORY},
    [V_PHYSICAL] = {"physical", false, 1 << ON_MEMORY},
    [V_SIZE] = {"size", true, 1 << ON_MEMORY},
    [V_VALUE] = {"value", false, 1 << ON_MEMORY | 1 << ON_TRAP},
    [V_WRITE] = {"write", true, 1 << ON_MEMORY},
    [V_CAUSE] = {"cause", false, 1 << ON_TRAP},
    [V_NUMBER] = {"number", false, 1 << ON_SYSCALL | 1 << ON_SYSCALL_END},
    [V_A0] = {"a0", false, 1 << ON_SYSCALL}, [V_A1] = {"a1", false, 1 << ON_SYSCALL},
    [V_A2] = {"a2", false, 1 << ON_SYSCALL}, [V_A3] = {"a3", false, 1 << ON_SYSCALL},
    [V_A4] = {"a4", false, 1 << ON_SYSCALL}, [V_A5] = {"a5", false, 1 << ON_SYSCALL},
    [V_RESULT] = {"result", false, 1 << ON_SYSCALL_END},
};

struct callback {
    metic_plugin *plugin;
    enum event event;
    metic_plugin_fn fn;
    void *user;
    ffi_cif cif;
    ffi_type *types[MAX_ARGUMENTS];
    u8 value_of[MAX_ARGUMENTS];
    unsigned count;
};

struct metic_plugin {
    struct plugins *all;
    void *library;
    char name[64];
    char *values;    /* "lines=64,x" behind the file, with zeros for commas */
    size_t values_bytes;
    u64 asked; /* for which of them it did, the first 64 */
};

struct plugins {
    metic_machine *machine;
    pthread_mutex_t names_lock; /* symbols and the next two: harts may ask at once */
    struct symbols symbols;
    unsigned named;  /* how often somebody asked for a name */
    bool has_kernel; /* its symbols are among them */
    struct metic_plugin list[MAX_PLUGINS];
    unsigned count;
    struct callback callbacks[EVENTS][MAX_CALLBACKS];
    unsigned callback_count[EVENTS];
    struct plugin_accesses *accesses; /* NULL: nobody wants them */
    bool counts, wants_physical;
    struct plugin_syscalls syscalls;
    bool recording;
};

/* --- calling --- */

static void call_all(struct plugins *plugins, enum event event, u64 *given)
{
    for (unsigned i = 0; i < plugins->callback_count[event]; i++) {
        struct callback *callback = &plugins->callbacks[event][i];
        u32 narrow[MAX_ARGUMENTS];
        void *arguments[MAX_ARGUMENTS];
        given[V_USER] = (u64)(uintptr_t)callback->user;
        for (unsigned n = 0; n < callback->count; n++) {
            unsigned value = callback->value_of[n];
            narrow[n] = (u32)given[value];
            arguments[n] = values[value].is_u32 ? (void *)&narrow[n] : (void *)&given[value];
        }
        plugin_guard_enter((unsigned)given[V_HART], callback->plugin->name, event_names[event]);
        ffi_call(&callback->cif, callback->fn, NULL, arguments);
        plugin_guard_leave((unsigned)given[V_HART]);
    }
}

static u64 read_register(const struct plugins *plugins, unsigned hart, const char *name)
{
    uint64_t value = 0;
    metic_get_register(plugins->machine, hart, name, &value);
    return value;
}

static void on_unit(void *opaque, unsigned hart, uint64_t pc, uint32_t unit)
{
    struct plugins *plugins = opaque;
    struct metic_trace_unit about;
    u64 given[VALUES] = {[V_HART] = hart, [V_PC] = pc, [V_BLOCK] = unit};
    if (metic_trace_get_unit(plugins->machine, unit, &about)) {
        given[V_INSNS] = about.insn_count;
        given[V_BYTES] = about.bytes;
    }
    call_all(plugins, ON_BLOCK, given);
}

static void on_insn(void *opaque, unsigned hart, uint64_t pc, uint32_t unit, unsigned insn)
{
    struct plugins *plugins = opaque;
    struct metic_trace_unit about;
    u64 given[VALUES] = {[V_HART] = hart, [V_PC] = pc, [V_BLOCK] = unit, [V_INSN] = insn};
    if (metic_trace_get_unit(plugins->machine, unit, &about)) {
        u64 at = ((pc ^ about.address) & 0xfff) == 0 ? 0 : (pc - about.address) & 0xfff;
        u8 code[4] = {0};
        size_t left = at < about.bytes ? about.bytes - at : 0;
        memcpy(code, about.code + at, left < 4 ? left : 4);
        given[V_CODE] = metic_insn_bytes(code) == 4 ? ld_le32(code) : ld_le16(code);
    }
    call_all(plugins, ON_INSN, given);
}

static void on_memory(void *opaque, unsigned hart, uint64_t pc, uint64_t address, uint64_t value,
                      unsigned size_bytes, bool write)
{
    struct plugins *plugins = opaque;
    uint64_t physical = ~(u64)0;
    if (plugins->wants_physical) {
        metic_trace_physical(plugins->machine, hart, address, write, &physical);
    }
    if (plugins->accesses != NULL) {
        struct metic_plugin_access *access = plugin_accesses_next(plugins->accesses, hart);
        access->pc = pc;
        access->address = address;
        access->physical = physical;
        access->value = value;
        access->hart = hart;
        access->size = (u8)size_bytes;
        access->write = write;
    }
    if (plugins->callback_count[ON_MEMORY] != 0) {
        u64 given[VALUES];
        given[V_HART] = hart;
        given[V_PC] = pc;
        given[V_ADDRESS] = address;
        given[V_PHYSICAL] = physical;
        given[V_VALUE] = value;
        given[V_SIZE] = size_bytes;
        given[V_WRITE] = write;
        call_all(plugins, ON_MEMORY, given);
    }
}

static void on_event(void *opaque, unsigned hart, uint64_t pc, enum metic_trace_event event,
                     uint64_t a, uint64_t b, uint64_t c)
{
    struct plugins *plugins = opaque;
    static const char *const names[6] = {"a0", "a1", "a2", "a3", "a4", "a5"};
    u64 given[VALUES] = {[V_HART] = hart, [V_PC] = event == METIC_EVENT_TRAP ? c : pc,
                         [V_CAUSE] = a, [V_VALUE] = b};
    if (event == METIC_EVENT_TRAP) {
        call_all(plugins, ON_TRAP, given);
    }
    if (event == METIC_EVENT_TRAP && a == CAUSE_ECALL_U) {
        given[V_NUMBER] = read_register(plugins, hart, "a7");
        for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
            given[V_A0 + i] = read_register(plugins, hart, names[i]);
        }
        plugin_syscalls_begin(&plugins->syscalls, hart, c, given[V_NUMBER]);
        call_all(plugins, ON_SYSCALL, given);
    }
    uint64_t number;
    if (event == METIC_EVENT_RETURN && b == 0 &&
        plugin_syscalls_end(&plugins->syscalls, hart, a, &number)) {
        given[V_NUMBER] = number;
        given[V_RESULT] = read_register(plugins, hart, "a0");
        given[V_PC] = a;
        call_all(plugins, ON_SYSCALL_END, given);
    }
}

/* --- what plug-ins may ask for --- */

static int api_on(metic_plugin *plugin, const char *event, metic_plugin_fn fn,
                  const char *arguments, void *user)
{
    struct plugins *plugins = plugin->all;
    unsigned n = 0;
    while (n < EVENTS && strcmp(event_names[n], event) != 0) {
        n++;
    }
    if (n == EVENTS || fn == NULL || plugins->callback_count[n] == MAX_CALLBACKS) {
        fprintf(stderr, "metic: %s: there is no event '%s', or it has too many callbacks\n",
                plugin->name, event);
        return 1;
    }
    struct callback *callback = &plugins->callbacks[n][plugins->callback_count[n]];
    *callback = (struct callback){.plugin = plugin, .event = (enum event)n, .fn = fn,
                                  .user = user};
    for (const char *at = arguments; *at != '\0';) {
        size_t length = strcspn(at, " ");
        unsigned value = 0;
        while (value < VALUES && (strlen(values[value].name) != length ||
                                  memcmp(values[value].name, at, length) != 0)) {
            value++;
        }
        if (value == VALUES || !(values[value].events >> n & 1) ||
            callback->count == MAX_ARGUMENTS) {
            fprintf(stderr, "metic: %s: the event '%s' has no argument '%.*s'\n", plugin->name,
                    event, (int)length, at);
            return 1;
        }
        plugins->wants_physical |= value == V_PHYSICAL;
        callback->types[callback->count] = value == V_USER         ? &ffi_type_pointer
                                           : values[value].is_u32 ? &ffi_type_uint32
                                                                  : &ffi_type_uint64;
        callback->value_of[callback->count++] = (u8)value;
        at += length;
        at += strspn(at, " ");
    }
    if (ffi_prep_cif(&callback->cif, FFI_DEFAULT_ABI, callback->count, &ffi_type_void,
                     callback->types) != FFI_OK) {
        return 1;
    }
    plugins->callback_count[n]++;
    return 0;
}

static void api_count_blocks(metic_plugin *plugin)
{
    plugin->all->counts = true;
}

static void api_each_block(metic_plugin *plugin,
                           void (*each)(void *user, uint64_t address, uint32_t insns,
                                        uint64_t count), void *user)
{
    metic_machine *machine = plugin->all->machine;
    struct metic_trace_unit unit;
    for (u32 i = 1; i < metic_trace_unit_count(machine); i++) {
        if (metic_trace_get_unit(machine, i, &unit)) {
            each(user, unit.address, unit.insn_count, unit.count);
        }
    }
}

static int api_on_accesses(metic_plugin *plugin, metic_plugin_accesses_fn *fn, bool physical,
                           void *user)
{
    struct plugins *plugins = plugin->all;
    if (fn == NULL || !plugin_accesses_add(&plugins->accesses, plugins->machine, plugin->name, fn,
                                           user)) {
        fprintf(stderr, "metic: %s: accesses are for nobody, or for too many\n", plugin->name);
        return 1;
    }
    plugins->wants_physical |= physical;
    return 0;
}

static uint64_t api_read_register(metic_plugin *plugin, uint32_t hart, const char *name)
{
    return read_register(plugin->all, hart, name);
}

static bool api_read_memory(metic_plugin *plugin, uint32_t hart, uint64_t address, void *buffer,
                            size_t size_bytes)
{
    return metic_read_virtual(plugin->all->machine, hart, address, buffer, size_bytes);
}

static void api_name_address(metic_plugin *plugin, uint64_t address, char *text, size_t text_bytes)
{
    struct plugins *plugins = plugin->all;
    pthread_mutex_lock(&plugins->names_lock);
    unsigned named = ++plugins->named;
    /* A kernel has a hundred thousand, and there may be none yet: looked for a few times. */
    if (!plugins->has_kernel && (named & (named - 1)) == 0) {
        plugins->has_kernel = run_symbols_add_kernel(&plugins->symbols, plugins->machine) != 0;
    }
    symbols_print(&plugins->symbols, address, text, text_bytes);
    pthread_mutex_unlock(&plugins->names_lock);
}

static const char *api_argument(metic_plugin *plugin, const char *name)
{
    size_t length = strlen(name);
    unsigned n = 0;
    for (const char *at = plugin->values; at < plugin->values + plugin->values_bytes;
         at += strlen(at) + 1, n++) {
        if (strncmp(at, name, length) == 0 && (at[length] == '=' || at[length] == '\0')) {
            plugin->asked |= n < 64 ? (u64)1 << n : 0;
            return at[length] == '=' ? at + length + 1 : "";
        }
    }
    return NULL;
}

static void api_say(metic_plugin *plugin, const char *line)
{
    fprintf(stderr, "%s: %s\n", plugin->name, line);
}

static const struct metic_plugin_api api = {
    .version = METIC_PLUGIN_VERSION, .on = api_on, .count_blocks = api_count_blocks,
    .each_block = api_each_block, .read_register = api_read_register,
    .read_memory = api_read_memory, .name_address = api_name_address, .argument = api_argument,
    .say = api_say, .on_accesses = api_on_accesses,
};

/* --- loading --- */

static bool is_version(void *library, const char *path, struct metic_error *error)
{
    uint32_t (*version)(void);
    *(void **)&version = dlsym(library, "metic_plugin_version");
    return version == NULL || version() <= METIC_PLUGIN_VERSION ||
           error_set(error, "Build it with this metic's metic_plugin.h.",
                     "the plug-in %s is for version %u of the interface, and this metic has %u",
                     path, version(), METIC_PLUGIN_VERSION);
}

/* A name that is misspelt is not taken for one that was left out. */
static void tell_unasked(const struct metic_plugin *plugin)
{
    const char *at = plugin->values;
    for (unsigned n = 0; n < 64 && at < plugin->values + plugin->values_bytes; n++) {
        if (*at != '\0' && !(plugin->asked & (u64)1 << n)) {
            fprintf(stderr, "metic: the plug-in %s did not ask for '%.*s'\n", plugin->name,
                    (int)strcspn(at, "="), at);
        }
        at += strlen(at) + 1;
    }
}

static bool load(struct plugins *plugins, const char *given, struct metic_error *error)
{
    struct metic_plugin *plugin = &plugins->list[plugins->count++];
    size_t length = strcspn(given, ",");
    char path[512];
    plugin->all = plugins;
    snprintf(path, sizeof(path), "%s%.*s", memchr(given, '/', length) == NULL ? "./" : "",
             (int)length, given);
    const char *base = strrchr(path, '/') + 1;
    snprintf(plugin->name, sizeof(plugin->name), "%.*s", (int)strcspn(base, "."), base);
    plugin->values = strdup(given[length] == ',' ? given + length + 1 : "");
    if (plugin->values == NULL) {
        return error_set(error, NULL, "the host has no memory for the plug-in");
    }
    plugin->values_bytes = strlen(plugin->values) + 1;
    for (char *at = plugin->values; *at != '\0'; at++) {
        *at = *at == ',' ? '\0' : *at;
    }
    plugin_guard_enter(0, plugin->name, "start"); /* its constructors run */
    plugin->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    plugin_guard_leave(0);
    if (plugin->library == NULL) {
        return error_set(error, "Give a shared object that was built with ui/metic_plugin.h.",
                         "the plug-in %s: %s", path, dlerror());
    }
    if (!is_version(plugin->library, path, error)) {
        return false;
    }
    int (*start)(const struct metic_plugin_api *, metic_plugin *);
    *(void **)&start = dlsym(plugin->library, "metic_plugin_start");
    if (start == NULL) {
        return error_set(error, "See ui/metic_plugin.h.",
                         "the plug-in %s has no metic_plugin_start", path);
    }
    plugin_guard_enter(0, plugin->name, "start");
    int status = start(&api, plugin);
    plugin_guard_leave(0);
    if (status == 0) {
        tell_unasked(plugin);
    }
    return status == 0 || error_set(error, NULL, "the plug-in %s refused to start (%d)", path,
                                    status);
}

static bool record(struct plugins *plugins, struct metic_error *error)
{
    const unsigned *counts = plugins->callback_count;
    bool events = (counts[ON_TRAP] | counts[ON_SYSCALL] | counts[ON_SYSCALL_END]) != 0;
    const struct metic_trace_options options = {
        .what = (plugins->counts ? (unsigned)METIC_TRACE_COUNT : 0u) |
                (counts[ON_BLOCK] != 0 ? (unsigned)METIC_TRACE_CALL_UNIT : 0u) |
                (counts[ON_INSN] != 0 ? (unsigned)METIC_TRACE_CALL_INSN : 0u) |
                (counts[ON_MEMORY] != 0 || plugins->accesses != NULL
                     ? (unsigned)METIC_TRACE_CALL_MEMORY : 0u),
        .hooks = {.unit = on_unit, .insn = on_insn, .memory = on_memory,
                  .event = events ? on_event : NULL,
                  .events = 1 << METIC_EVENT_TRAP | 1 << METIC_EVENT_RETURN},
        .opaque = plugins,
    };
    plugins->recording = metic_trace_start(plugins->machine, &options, error);
    return plugins->recording;
}

bool plugins_start(const struct run_args *args, metic_machine *machine, struct plugins **out,
                   struct metic_error *error)
{
    *out = NULL;
    if (args->plugin_count == 0) {
        return true;
    }
    struct plugins *plugins = calloc(1, sizeof(*plugins));
    if (plugins == NULL) {
        return error_set(error, NULL, "the host has no memory for plug-ins");
    }
    *out = plugins;
    plugins->machine = machine;
    pthread_mutex_init(&plugins->names_lock, NULL);
    plugin_syscalls_init(&plugins->syscalls, machine);
    plugin_guard_begin(machine);
    if (!run_symbols_add_files(&plugins->symbols, args, error)) {
        return false;
    }
    for (unsigned i = 0; i < args->plugin_count; i++) {
        if (!load(plugins, args->plugins[i], error)) {
            return false;
        }
    }
    return record(plugins, error);
}

void plugins_end(struct plugins *plugins)
{
    if (plugins == NULL) {
        return;
    }
    u64 given[VALUES] = {0};
    if (plugins->recording) {
        plugin_accesses_flush(plugins->accesses);
        metic_trace_settle(plugins->machine);
        call_all(plugins, ON_END, given);
        metic_trace_stop(plugins->machine);
    }
    plugin_guard_end();
    for (unsigned i = 0; i < plugins->count; i++) {
        free(plugins->list[i].values);
        if (plugins->list[i].library != NULL) {
            dlclose(plugins->list[i].library);
        }
    }
    plugin_accesses_free(plugins->accesses);
    symbols_fini(&plugins->symbols);
    pthread_mutex_destroy(&plugins->names_lock);
    plugin_syscalls_fini(&plugins->syscalls);
    free(plugins);
}
