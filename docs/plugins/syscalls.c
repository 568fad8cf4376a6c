/* A plug-in: the system calls of all programs of a Linux guest, with the strings they pass. */
#include "ui/metic_plugin.h"

#include <stdio.h>
#include <string.h>

static const struct metic_plugin_api *api;
static metic_plugin *plugin;

static const struct {
    uint64_t number;
    const char *name;
    int string; /* which argument is a path, or -1 */
} calls[] = {
    {56, "openat", 1}, {57, "close", -1}, {63, "read", -1}, {64, "write", -1}, {93, "exit", -1},
    {94, "exit_group", -1}, {214, "brk", -1}, {220, "clone", -1}, {221, "execve", 0},
    {222, "mmap", -1}, {260, "wait4", -1}, {142, "reboot", -1}, {79, "newfstatat", 1},
};

static const char *name_of(uint64_t number, int *string, char *text, size_t bytes)
{
    *string = -1;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].number == number) {
            *string = calls[i].string;
            return calls[i].name;
        }
    }
    snprintf(text, bytes, "syscall_%llu", (unsigned long long)number);
    return text;
}

static void on_syscall(uint32_t hart, uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
    char text[32], path[64] = "", line[256];
    int string;
    const uint64_t arguments[3] = {a0, a1, a2};
    const char *name = name_of(number, &string, text, sizeof(text));
    if (string >= 0) {
        for (size_t i = 0; i + 1 < sizeof(path); i++) {
            if (!api->read_memory(plugin, hart, arguments[string] + i, &path[i], 1) ||
                path[i] == '\0') {
                path[i] = '\0';
                break;
            }
        }
    }
    snprintf(line, sizeof(line), "hart %u: %s(%llx, %llx, %llx)%s%s%s", hart, name,
             (unsigned long long)a0, (unsigned long long)a1, (unsigned long long)a2,
             string >= 0 ? " \"" : "", path, string >= 0 ? "\"" : "");
    api->say(plugin, line);
}

static void on_end(uint32_t hart, uint64_t number, uint64_t result)
{
    char text[32], line[128];
    int string;
    snprintf(line, sizeof(line), "hart %u: %s = %lld", hart,
             name_of(number, &string, text, sizeof(text)), (long long)result);
    api->say(plugin, line);
}

int metic_plugin_start(const struct metic_plugin_api *given, metic_plugin *mine)
{
    api = given;
    plugin = mine;
    return api->on(plugin, "syscall", (metic_plugin_fn)on_syscall, "hart number a0 a1 a2", NULL) ||
           api->on(plugin, "syscall_end", (metic_plugin_fn)on_end, "hart number result", NULL);
}
