/* A plug-in: a model of a data cache. Arguments: sets (64), ways (8), line (64).
 *
 *     metic run KERNEL --plugin cache.so,sets=128,ways=4 */
#include "ui/metic_plugin.h"

#include <stdio.h>
#include <stdlib.h>

static struct cache {
    const struct metic_plugin_api *api;
    metic_plugin *plugin;
    uint64_t sets, ways, line;
    uint64_t *tags;     /* sets * ways, the last used first */
    uint64_t hits, misses, write_misses;
} cache;

static void on_memory(void *user, uint64_t address, uint32_t write)
{
    struct cache *c = user;
    uint64_t tag = address / c->line + 1; /* 0: empty */
    uint64_t *set = c->tags + tag % c->sets * c->ways;
    uint64_t way = 0;
    while (way + 1 < c->ways && set[way] != tag) {
        way++;
    }
    if (set[way] == tag) {
        c->hits++;
    } else {
        c->misses++;
        c->write_misses += write;
    }
    for (; way > 0; way--) {
        set[way] = set[way - 1];
    }
    set[0] = tag;
}

static void on_end(void *user)
{
    struct cache *c = user;
    char line[160];
    uint64_t all = c->hits + c->misses;
    snprintf(line, sizeof(line), "%llu accesses, %llu misses (%.2f %%), %llu of them writes",
             (unsigned long long)all, (unsigned long long)c->misses,
             all != 0 ? 100.0 * (double)c->misses / (double)all : 0.0,
             (unsigned long long)c->write_misses);
    c->api->say(c->plugin, line);
    free(c->tags);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = cache.api->argument(cache.plugin, name);
    uint64_t value = text != NULL ? strtoull(text, NULL, 0) : otherwise;
    return value != 0 ? value : otherwise;
}

int metic_plugin_start(const struct metic_plugin_api *api, metic_plugin *plugin)
{
    cache.api = api;
    cache.plugin = plugin;
    cache.sets = number("sets", 64);
    cache.ways = number("ways", 8);
    cache.line = number("line", 64);
    cache.tags = calloc(cache.sets * cache.ways, sizeof(*cache.tags));
    return cache.tags == NULL ||
           api->on(plugin, "memory", (metic_plugin_fn)on_memory, "user address write", &cache) ||
           api->on(plugin, "end", (metic_plugin_fn)on_end, "user", &cache);
}
