/* See trace_file_private.h: units, and the paths that lead over them. */
#include "ui/trace/trace_file_private.h"

#include "ui/trace/trace_bytes.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_UNIT_BYTES = 4096 };

/* --- units --- */

static bool get_unit(const struct trace_file *file, struct reader *r, void *item)
{
    struct metic_trace_unit *unit = item;
    (void)file;
    unit->physical = get_varint(r);
    unit->address = get_varint(r);
    unit->mode = (u32)get_varint(r);
    u64 insns = get_varint(r), bytes = get_varint(r), slots = get_varint(r);
    if (r->bad || insns > 256 || bytes > MAX_UNIT_BYTES || slots > TRACE_UNIT_SLOTS_MAX) {
        return false;
    }
    const u8 *code = get_bytes(r, bytes);
    const u8 *packed = get_bytes(r, 6 * slots);
    struct metic_trace_slot *made = calloc(slots + 1, sizeof(*made));
    u8 *copy = malloc(bytes + 4);
    if (r->bad || made == NULL || copy == NULL) {
        free(made);
        free(copy);
        return false;
    }
    memcpy(copy, code, bytes);
    memset(copy + bytes, 0, 4);
    unit->insn_count = (u16)insns;
    unit->bytes = (u16)bytes;
    unit->slot_count = (u16)slots;
    unit->code = copy;
    unit->slots = made;
    bool good = true;
    for (u64 i = 0; i < slots; i++, packed += 6) {
        made[i] = (struct metic_trace_slot){packed[0], packed[1], packed[2], packed[3],
                                            (u16)(packed[4] | packed[5] << 8)};
        good &= packed[0] <= METIC_SLOT_REGISTER && packed[3] < insns &&
                (i == 0 || packed[3] >= made[i - 1].insn);
    }
    return good;
}

/* --- paths: as trace_store_stream.c writes them --- */

static u16 get_reference(struct reader *r)
{
    u64 coded = get_varint(r);
    if (coded == 0) {
        return METIC_TRACE_NO_WORD;
    }
    r->bad |= coded > 2 * (u64)METIC_TRACE_NODE - 4; /* what it may name is looked at later */
    u16 number = (u16)((coded - 1) / 2);
    return coded % 2 == 0 ? (u16)(number | METIC_TRACE_NODE) : number;
}

static bool get_nodes(struct reader *r, struct metic_trace_path *path)
{
    u64 count = get_varint(r);
    struct metic_trace_node *nodes =
        count <= TRACE_PATH_NODES_MAX ? calloc(count + 1, sizeof(*nodes)) : NULL;
    path->nodes = nodes;
    path->node_count = (u16)count;
    for (u64 n = 0; nodes != NULL && n < count && !r->bad; n++) {
        u64 op = get_varint(r), sub = get_varint(r);
        unsigned operands = op < 256 ? metic_trace_node_operands((unsigned)op) : ~0u;
        r->bad |= operands > ARRAY_LEN(nodes[n].operands) || sub >= 512;
        nodes[n].op = (u8)op;
        nodes[n].sub = (u8)(sub / 2);
        nodes[n].wide = sub % 2 != 0;
        for (unsigned i = 0; i < operands && !r->bad; i++) {
            nodes[n].operands[i] = get_reference(r);
        }
        nodes[n].imm = operands == 0 ? trace_unzigzag(get_varint(r)) : 0;
    }
    return nodes != NULL && !r->bad;
}

static bool get_path(const struct trace_file *file, struct reader *r, void *item)
{
    struct metic_trace_path *path = item;
    u64 parts = get_varint(r), slots = 0;
    u32 *list = !r->bad && parts != 0 && parts <= TRACE_PATH_PARTS_MAX
                    ? malloc(parts * sizeof(*list)) : NULL;
    path->parts = list;
    for (u64 i = 0; list != NULL && i < parts; i++) {
        u64 unit = get_varint(r);
        if (r->bad || unit >= file->unit_count) {
            return false;
        }
        list[i] = (u32)unit;
        slots += file->units[unit].slot_count;
    }
    u64 words = get_varint(r);
    bool good = get_nodes(r, path);
    struct metic_trace_recipe *recipes =
        good && list != NULL && slots <= TRACE_UNIT_SLOTS_MAX && words <= TRACE_UNIT_SLOTS_MAX
            ? calloc(slots + 1, sizeof(*recipes)) : NULL;
    path->recipes = recipes;
    path->part_count = (u16)parts;
    path->slot_count = (u16)slots;
    path->word_count = (u16)words;
    for (u64 i = 0; recipes != NULL && i < slots; i++) {
        recipes[i].word = get_reference(r);
        recipes[i].add = trace_unzigzag(get_varint(r));
    }
    return recipes != NULL && !r->bad;
}

/* Makes the list's next items of a section's payload; each counts, whole or not, for forget(). */
static bool get_items(struct trace_file *file, const struct trace_section *section, void **list,
                      u32 *count, size_t item_bytes, u32 most,
                      bool (*get)(const struct trace_file *file, struct reader *r, void *item))
{
    if (section->first != *count || section->count > section->raw_bytes ||
        section->first + section->count > most) {
        return false;
    }
    u8 *raw = trace_file_unpack(file, section);
    u8 *bigger = raw == NULL ? NULL : realloc(*list, (*count + section->count + 1) * item_bytes);
    if (bigger == NULL) {
        free(raw);
        return false;
    }
    *list = bigger;
    struct reader r = {raw, raw + section->raw_bytes, false};
    bool good = true;
    for (u64 i = 0; i < section->count && good; i++) {
        u8 *item = bigger + *count * item_bytes;
        memset(item, 0, item_bytes);
        ++*count;
        good = get(file, &r, item);
    }
    free(raw);
    return good;
}

bool trace_file_get_units(struct trace_file *file, const struct trace_section *section)
{
    return get_items(file, section, (void **)&file->units, &file->unit_count,
                     sizeof(*file->units), METIC_TRACE_EVENT, get_unit);
}

bool trace_file_get_paths(struct trace_file *file, const struct trace_section *section)
{
    return get_items(file, section, (void **)&file->paths, &file->path_count,
                     sizeof(*file->paths), METIC_TRACE_LEFT - METIC_TRACE_PATH, get_path);
}

