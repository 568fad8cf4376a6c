/*
 * Changing a flattened device tree in place. Reserving memory: the strings block moves up, the new
 * property names are put behind it, then the rest of the structure block moves up and the new
 * nodes go into the gap.
 */
#include "roms/sbi/dtb_edit.h"

#include "roms/common/mem.h"

#define NODE_BYTES_MAX 192u

/* A fragment of the structure block under construction, and the names it adds. */
struct fragment {
    uint8_t bytes[NODE_BYTES_MAX];
    uint32_t used;
    char names[48];
    uint32_t names_used;
    uint32_t names_offset;    /* where `names` will lie in the strings block */
};

static void put_u32(struct fragment *f, uint32_t value)
{
    dtb_put_be32(f->bytes + f->used, value);
    f->used += 4;
}

static void put_begin(struct fragment *f, const char *name)
{
    uint32_t name_bytes = (uint32_t)text_length(name) + 1;

    put_u32(f, DTB_BEGIN_NODE);
    memset(f->bytes + f->used, 0, (name_bytes + 3u) & ~3u);
    memcpy(f->bytes + f->used, name, name_bytes);
    f->used += (name_bytes + 3u) & ~3u;
}

static void put_prop(struct fragment *f, const char *name, const uint32_t *cells, uint32_t count)
{
    uint32_t name_bytes = (uint32_t)text_length(name) + 1;

    put_u32(f, DTB_PROP);
    put_u32(f, 4 * count);
    put_u32(f, f->names_offset + f->names_used);
    memcpy(f->names + f->names_used, name, name_bytes);
    f->names_used += name_bytes;
    for (uint32_t i = 0; i < count; i++) {
        put_u32(f, cells[i]);
    }
}

static void put_number(uint32_t *cells, uint32_t *count, uint64_t value, uint32_t width_cells)
{
    if (width_cells == 2) {
        cells[(*count)++] = (uint32_t)(value >> 32);
    }
    cells[(*count)++] = (uint32_t)value;
}

static void put_region(struct fragment *f, uint64_t base, uint64_t size_bytes,
                       uint32_t address_cells, uint32_t size_cells)
{
    static const char digits[] = "0123456789abcdef";
    char name[] = "mmode_resv0@00000000";
    uint32_t cells[4];
    uint32_t count = 0;

    for (uint32_t i = 0; i < 8; i++) {
        name[sizeof(name) - 2 - i] = digits[base >> (4 * i) & 15];
    }
    put_begin(f, name);
    put_number(cells, &count, base, address_cells);
    put_number(cells, &count, size_bytes, size_cells);
    put_prop(f, "reg", cells, count);
    put_prop(f, "no-map", NULL, 0);
    put_u32(f, DTB_END_NODE);
}

/*
 * Where the fragment goes: behind the properties of /reserved-memory if there is one, else (its
 * cells then 2 and 2) behind those of the root. Offset of the token there; 0 in a damaged tree.
 */
static uint32_t find_place(const struct dtb *tree, uint32_t *address_cells, uint32_t *size_cells,
                           bool *exists)
{
    struct dtb_walk at;
    uint32_t props_offset = 0;

    *address_cells = 2;
    *size_cells = 2;
    *exists = false;
    for (dtb_walk_init(&at, tree); dtb_walk_next(&at);) {
        const struct dtb_level *level = &at.path[at.depth - 1];
        if (at.depth == 1) {
            props_offset = level->props_offset;
        } else if (at.depth == 2 && text_equal(level->name, "reserved-memory")) {
            *exists = true;
            *address_cells = level->address_cells;
            *size_cells = level->size_cells;
            props_offset = level->props_offset;
            break;
        }
    }
    return props_offset == 0 ? 0 : dtb_props_end(tree, props_offset);
}

static void build(struct fragment *f, uint64_t base, uint64_t size_bytes, uint32_t address_cells,
                  uint32_t size_cells, bool exists)
{
    if (!exists) {
        put_begin(f, "reserved-memory");
        put_prop(f, "#address-cells", &address_cells, 1);
        put_prop(f, "#size-cells", &size_cells, 1);
        put_prop(f, "ranges", NULL, 0);
    }
    put_region(f, base, size_bytes, address_cells, size_cells);
    if (!exists) {
        put_u32(f, DTB_END_NODE);
    }
}

static void insert(struct dtb *tree, uint32_t place, const struct fragment *f)
{
    uint8_t *blob = tree->blob;
    uint32_t strings_bytes = tree->strings_end - tree->strings_offset;
    uint32_t new_strings = tree->strings_offset + f->used;

    memmove(blob + new_strings, blob + tree->strings_offset, strings_bytes);
    memcpy(blob + new_strings + strings_bytes, f->names, f->names_used);
    memmove(blob + place + f->used, blob + place, tree->struct_end - place);
    memcpy(blob + place, f->bytes, f->used);

    tree->struct_end += f->used;
    tree->strings_offset = new_strings;
    tree->strings_end = new_strings + strings_bytes + f->names_used;
    if (tree->total_bytes < tree->strings_end) {
        tree->total_bytes = (tree->strings_end + 7u) & ~7u;
    }
    dtb_put_be32(blob + 4, tree->total_bytes);
    dtb_put_be32(blob + 12, tree->strings_offset);
    dtb_put_be32(blob + 32, tree->strings_end - tree->strings_offset);
    dtb_put_be32(blob + 36, tree->struct_end - tree->struct_offset);
}

bool dtb_reserve(struct dtb *tree, uint64_t base, uint64_t size_bytes)
{
    struct fragment f = {.names_offset = tree->strings_end - tree->strings_offset};
    uint32_t address_cells;
    uint32_t size_cells;
    bool exists;
    uint32_t place = find_place(tree, &address_cells, &size_cells, &exists);

    if (place == 0 || tree->strings_offset < tree->struct_end ||
        dtb_be32(tree->blob + 16) > tree->struct_offset ||
        address_cells - 1 > 1 || size_cells - 1 > 1) {
        return false;
    }
    build(&f, base, size_bytes, address_cells, size_cells, exists);
    insert(tree, place, &f);
    return true;
}

/* Offset behind the token at `offset`; `end` when the tree is damaged. */
static uint32_t token_end(const struct dtb *tree, uint32_t offset, uint32_t end)
{
    uint32_t at = offset + 4;

    if (dtb_be32(tree->blob + offset) == DTB_BEGIN_NODE) {
        while (at < end && tree->blob[at] != 0) {
            at++;
        }
        at = (at + 4u) & ~3u;
    } else if (dtb_be32(tree->blob + offset) == DTB_PROP) {
        uint32_t bytes = end - at >= 8 ? dtb_be32(tree->blob + at) : end;
        at = bytes < end - at ? (at + 8 + bytes + 3u) & ~3u : end;
    }
    return at < end ? at : end;
}

void dtb_hide(const struct dtb_walk *at)
{
    const struct dtb *tree = at->tree;
    uint8_t *blob = tree->blob;
    uint32_t first = (uint32_t)((const uint8_t *)dtb_name(at, 0) - blob) - 4;
    uint32_t end = tree->struct_end;
    uint32_t depth = 0;
    uint32_t offset = first;

    while (end - offset >= 4) {
        uint32_t token = dtb_be32(blob + offset);
        offset = token_end(tree, offset, end);
        depth += token == DTB_BEGIN_NODE;
        depth -= token == DTB_END_NODE;
        if (depth == 0) {
            break;
        }
    }
    for (; depth == 0 && first < offset; first += 4) {
        dtb_put_be32(blob + first, DTB_NOP);
    }
}
