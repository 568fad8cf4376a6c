/* A plug-in: a picture of which memory is used, and which code runs. Arguments: file (heat.ppm),
 * first (0x80000000) and size (0x20000000) of the physical addresses shown.
 *
 * The picture is a PPM of 256 by 256 points, each an equal part of the addresses, line by line; from
 * black by red and yellow to white, the brighter, the more accesses (logarithm). How many instructions ran is counted in place, without calls. */
#include "ui/metic_plugin.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 256 };

static const struct metic_plugin_api *api;
static metic_plugin *plugin;
static uint64_t first, part, points[SIDE * SIDE], insns;
static FILE *file; /* opened at the start: a confined machine opens none later */

static void on_accesses(void *user, const struct metic_plugin_access *accesses, size_t count)
{
    (void)user;
    for (size_t i = 0; i < count; i++) {
        uint64_t n = (accesses[i].physical - first) / part;
        if (accesses[i].physical >= first && n < SIDE * SIDE) {
            points[n]++;
        }
    }
}

static void add(void *user, uint64_t address, uint32_t block_insns, uint64_t count)
{
    (void)user;
    (void)address;
    insns += block_insns * count;
}

static unsigned logarithm(uint64_t count)
{
    unsigned log2 = 0;
    while (count > 1) {
        count >>= 1;
        log2++;
    }
    return log2;
}

/* Red, then green, then blue. */
static void put_point(unsigned light)
{
    for (unsigned from = 0; from < 3 * 85; from += 85) {
        unsigned part_of = light < from ? 0 : light - from;
        fputc((int)(part_of > 85 ? 255 : part_of * 3), file);
    }
}

static void on_end(void)
{
    char line[96];
    api->each_block(plugin, add, NULL);
    if (file != NULL) {
        fprintf(file, "P6\n%d %d\n255\n", SIDE, SIDE);
        for (unsigned i = 0; i < SIDE * SIDE; i++) {
            unsigned light = points[i] == 0 ? 0 : 35 + 11 * logarithm(points[i]);
            put_point(light > 255 ? 255 : light);
        }
        fclose(file);
    }
    snprintf(line, sizeof(line), "%llu instructions ran", (unsigned long long)insns);
    api->say(plugin, line);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = api->argument(plugin, name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

int metic_plugin_start(const struct metic_plugin_api *given, metic_plugin *mine)
{
    api = given;
    plugin = mine;
    first = number("first", 0x80000000u);
    part = number("size", 0x20000000) / (SIDE * SIDE);
    part = part != 0 ? part : 1;
    const char *name = api->argument(plugin, "file");
    file = fopen(name != NULL ? name : "heat.ppm", "wb");
    api->count_blocks(plugin);
    return api->on_accesses(plugin, on_accesses, true, NULL) ||
           api->on(plugin, "end", (metic_plugin_fn)on_end, "", NULL);
}
