/* Plug-ins: shared objects that see what the guest does while it does it.
 *
 *     cc -shared -fPIC -I.../include/metic -o cache.so docs/plugins/cache.c
 *     metic run KERNEL --plugin cache.so,line=64
 *
 * metic loads the file before the run and calls its metic_plugin_start(), which asks for callbacks:
 *
 *     static void on_memory(void *mine, uint64_t address, uint32_t size, uint32_t write) { ... }
 *
 *     int metic_plugin_start(const struct metic_plugin_api *api, metic_plugin *plugin)
 *     {
 *         return api->on(plugin, "memory", (metic_plugin_fn)on_memory, "user address size write",
 *                        &mine);
 *     }
 *
 * A callback gets the arguments it names, in its order and in no other form. It runs on the thread
 * of the hart, which stands still; several harts may call at once. What nobody asked for costs
 * nothing. A start that returns other than 0 ends metic with an error; so does exit in a callback,
 * with status 125. One that does not return is named after some seconds, and then a single Ctrl-C
 * ends metic. Files are opened in the start: once the machine runs, metic is confined
 * (docs/monitor.md). */
#ifndef METIC_PLUGIN_H
#define METIC_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METIC_PLUGIN_VERSION 2

#ifdef __cplusplus
extern "C" {
#endif

/* What the plug-in was built for: metic refuses one for a newer version. Members of the interface
 * only come behind those there are. */
__attribute__((weak)) uint32_t metic_plugin_version(void);
__attribute__((weak)) uint32_t metic_plugin_version(void)
{
    return METIC_PLUGIN_VERSION;
}

typedef struct metic_plugin metic_plugin;
typedef void (*metic_plugin_fn)(void);

struct metic_plugin_access {
    uint64_t pc, address, physical, value; /* as those of `memory` below */
    uint32_t hart;
    uint8_t size;
    bool write;
};
typedef void metic_plugin_accesses_fn(void *user, const struct metic_plugin_access *accesses,
                                      size_t count);

struct metic_plugin_api {
    uint32_t version; /* METIC_PLUGIN_VERSION of metic */

    /* Has `fn` called at every `event`, with the arguments named. 0, or not when there is no such
     * event or argument; then metic says why.
     *
     *   event        when                                  arguments besides user, hart, pc
     *   block        a straight piece of code begins       block insns bytes
     *   insn         before an instruction                 block insn code
     *   memory       after a load, store or atomic         address physical size value write
     *   trap         the guest's exception or interrupt    cause value
     *   syscall      an ecall of a program                 number a0 a1 a2 a3 a4 a5
     *   syscall_end  the kernel returns from it            number result
     *   end          the run has ended                     (user alone)
     *
     *   A call's end is told of the task that made it, on whichever hart; none of a call that the
     *   kernel begins anew or that a signal's handler interrupts.
     *
     *   user: void *. hart, size, write, insns, bytes, insn, code, block: uint32_t (code: the
     *   instruction's bytes). The others: uint64_t. address is virtual; physical is ~0 when it
     *   cannot be told. */
    int (*on)(metic_plugin *plugin, const char *event, metic_plugin_fn fn, const char *arguments,
              void *user);
    /* Blocks count in place how often they ran, without a call; see each_block. In
     * metic_plugin_start. */
    void (*count_blocks)(metic_plugin *plugin);
    /* Every block so far: its address, instructions in it, how often it ran. Of code that is new,
     * or that another hart runs, runs may come some time later, but before `end`. */
    void (*each_block)(metic_plugin *plugin,
                       void (*each)(void *user, uint64_t address, uint32_t insns, uint64_t count),
                       void *user);

    /* In callbacks: a register by name ("a0", "satp"), and memory as the hart sees it. */
    uint64_t (*read_register)(metic_plugin *plugin, uint32_t hart, const char *name);
    bool (*read_memory)(metic_plugin *plugin, uint32_t hart, uint64_t address, void *buffer,
                        size_t size_bytes);
    /* "name+0x10", or the address, for an address of the guest's. */
    void (*name_address)(metic_plugin *plugin, uint64_t address, char *text, size_t text_bytes);

    /* The value of ",name=VALUE" behind the file, "" for ",name", or NULL. */
    const char *(*argument)(metic_plugin *plugin, const char *name);
    /* A line to standard error, with the plug-in's name before it. */
    void (*say)(metic_plugin *plugin, const char *line);

    /* What `memory` tells, but many accesses at a time, at a fraction of the time: those of one
     * hart in order, some time after they happened, and what is left before `end`. In
     * metic_plugin_start. Without `physical` (which takes time, too) nobody may look at those. 0,
     * or not, and metic says why. Since version 2. */
    int (*on_accesses)(metic_plugin *plugin, metic_plugin_accesses_fn *fn, bool physical,
                       void *user);
};

/* The plug-in's. */
int metic_plugin_start(const struct metic_plugin_api *api, metic_plugin *plugin);

#ifdef __cplusplus
}
#endif

#endif
