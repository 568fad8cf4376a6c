/* Reader of flattened device trees; contract and limits in dtb.h. */
#include "roms/common/dtb.h"

#include "roms/common/mem.h"

#define DTB_MAGIC 0xd00dfeedu
#define HEADER_BYTES 40u
#define SANE_TOTAL_BYTES (16u << 20)

void dtb_put_be32(void *at, uint32_t value)
{
    uint8_t *p = at;

    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

bool dtb_open(struct dtb *tree, void *blob)
{
    const uint8_t *header = blob;

    if (dtb_be32(header) != DTB_MAGIC) {
        return false;
    }
    tree->blob = blob;
    tree->total_bytes = dtb_be32(header + 4);
    tree->struct_offset = dtb_be32(header + 8);
    tree->strings_offset = dtb_be32(header + 12);
    uint32_t version = dtb_be32(header + 20);
    uint32_t strings_bytes = dtb_be32(header + 32);
    uint32_t struct_bytes = dtb_be32(header + 36);
    uint32_t total = tree->total_bytes;
    if (version < 17 || total < HEADER_BYTES || total > SANE_TOTAL_BYTES ||
        tree->struct_offset > total || struct_bytes > total - tree->struct_offset ||
        tree->strings_offset > total || strings_bytes > total - tree->strings_offset) {
        return false;
    }
    tree->struct_end = tree->struct_offset + struct_bytes;
    tree->strings_end = tree->strings_offset + strings_bytes;
    return true;
}

/* Bytes of the terminated string at `offset` including its end, 0 if it does not end in time. */
static uint32_t string_bytes(const struct dtb *tree, uint32_t offset, uint32_t end)
{
    for (uint32_t i = offset; i < end; i++) {
        if (tree->blob[i] == 0) {
            return i - offset + 1;
        }
    }
    return 0;
}

static uint32_t align4(uint32_t offset)
{
    return (offset + 3u) & ~3u;
}

static bool token_at(const struct dtb *tree, uint32_t offset, uint32_t *token)
{
    if (offset > tree->struct_end || tree->struct_end - offset < 4) {
        return false;
    }
    *token = dtb_be32(tree->blob + offset);
    return true;
}

/* Offset after the property whose token is at `offset`; 0 when it does not fit. */
static uint32_t prop_end(const struct dtb *tree, uint32_t offset)
{
    if (tree->struct_end - offset < 12) {
        return 0;
    }
    uint32_t bytes = dtb_be32(tree->blob + offset + 4);
    if (bytes > tree->struct_end - offset - 12) {
        return 0;
    }
    return align4(offset + 12 + bytes);
}

/* Whether the string at name_offset of the strings block is `name`. */
static bool string_is(const struct dtb *tree, uint32_t name_offset, const char *name)
{
    const uint8_t *strings = tree->blob + tree->strings_offset;
    uint32_t end = tree->strings_end - tree->strings_offset;

    for (uint32_t i = name_offset; i < end && strings[i] == (uint8_t)*name; i++, name++) {
        if (*name == '\0') {
            return true;
        }
    }
    return false;
}

static const uint8_t *prop_at_level(const struct dtb *tree, const struct dtb_level *level,
                                    const char *name, uint32_t *bytes)
{
    uint32_t offset = level->props_offset;
    uint32_t token;

    while (token_at(tree, offset, &token) && (token == DTB_PROP || token == DTB_NOP)) {
        if (token == DTB_NOP) {
            offset += 4;
            continue;
        }
        uint32_t end = prop_end(tree, offset);
        if (end == 0) {
            return NULL;
        }
        uint32_t name_offset = dtb_be32(tree->blob + offset + 8);
        if (string_is(tree, name_offset, name)) {
            *bytes = dtb_be32(tree->blob + offset + 4);
            return tree->blob + offset + 12;
        }
        offset = end;
    }
    return NULL;
}

uint32_t dtb_props_end(const struct dtb *tree, uint32_t offset)
{
    uint32_t token;

    while (token_at(tree, offset, &token) && (token == DTB_PROP || token == DTB_NOP)) {
        offset = token == DTB_NOP ? offset + 4 : prop_end(tree, offset);
        if (offset == 0) {
            return 0;
        }
    }
    return offset;
}

static uint32_t cells_at_level(const struct dtb *tree, const struct dtb_level *level,
                               const char *name, uint32_t otherwise)
{
    uint32_t bytes;
    const uint8_t *value = prop_at_level(tree, level, name, &bytes);

    return value != NULL && bytes == 4 ? dtb_be32(value) : otherwise;
}

void dtb_walk_init(struct dtb_walk *at, const struct dtb *tree)
{
    at->tree = tree;
    at->next_offset = tree->struct_offset;
    at->depth = 0;
}

/* Enters the node whose DTB_BEGIN_NODE is at next_offset. */
static bool enter_node(struct dtb_walk *at)
{
    uint32_t name_offset = at->next_offset + 4;
    uint32_t name_bytes = string_bytes(at->tree, name_offset, at->tree->struct_end);

    if (name_bytes == 0 || at->depth == DTB_DEPTH_MAX) {
        return false;
    }
    struct dtb_level *level = &at->path[at->depth++];
    level->name = (const char *)at->tree->blob + name_offset;
    level->props_offset = align4(name_offset + name_bytes);
    level->address_cells = cells_at_level(at->tree, level, "#address-cells", 2);
    level->size_cells = cells_at_level(at->tree, level, "#size-cells", 1);
    at->next_offset = level->props_offset;
    return true;
}

bool dtb_walk_next(struct dtb_walk *at)
{
    uint32_t token;

    while (token_at(at->tree, at->next_offset, &token)) {
        switch (token) {
        case DTB_BEGIN_NODE:
            return enter_node(at);
        case DTB_END_NODE:
            if (at->depth == 0) {
                return false;
            }
            at->depth--;
            at->next_offset += 4;
            break;
        case DTB_PROP:
            at->next_offset = prop_end(at->tree, at->next_offset);
            if (at->next_offset == 0) {
                return false;
            }
            break;
        case DTB_NOP:
            at->next_offset += 4;
            break;
        default:
            return false;
        }
    }
    return false;
}

const char *dtb_name(const struct dtb_walk *at, uint32_t levels_up)
{
    return levels_up < at->depth ? at->path[at->depth - 1 - levels_up].name : "";
}

const uint8_t *dtb_prop_of(const struct dtb_walk *at, uint32_t levels_up, const char *name,
                           uint32_t *bytes)
{
    if (levels_up >= at->depth) {
        return NULL;
    }
    return prop_at_level(at->tree, &at->path[at->depth - 1 - levels_up], name, bytes);
}

const uint8_t *dtb_prop(const struct dtb_walk *at, const char *name, uint32_t *bytes)
{
    return dtb_prop_of(at, 0, name, bytes);
}

uint32_t dtb_prop_u32(const struct dtb_walk *at, const char *name, uint32_t otherwise)
{
    uint32_t bytes;
    const uint8_t *value = dtb_prop(at, name, &bytes);

    return value != NULL && bytes >= 4 ? dtb_be32(value) : otherwise;
}

bool dtb_prop_has(const struct dtb_walk *at, const char *name, const char *text)
{
    uint32_t bytes;
    const uint8_t *value = dtb_prop(at, name, &bytes);

    if (value == NULL || bytes == 0 || value[bytes - 1] != 0) {
        return false;
    }
    for (uint32_t i = 0; i < bytes; i += (uint32_t)text_length((const char *)value + i) + 1) {
        if (text_equal((const char *)value + i, text)) {
            return true;
        }
    }
    return false;
}

bool dtb_enabled(const struct dtb_walk *at)
{
    uint32_t bytes;

    return dtb_prop(at, "status", &bytes) == NULL || dtb_prop_has(at, "status", "okay") ||
           dtb_prop_has(at, "status", "ok");
}

static uint64_t cells_number(const uint8_t *value, uint32_t cells)
{
    uint64_t number = 0;

    for (uint32_t i = 0; i < cells; i++) {
        number = number << 32 | dtb_be32(value + 4 * i);
    }
    return number;
}

bool dtb_reg(const struct dtb_walk *at, uint32_t index, uint64_t *address, uint64_t *size_bytes)
{
    uint32_t bytes;
    const uint8_t *reg = dtb_prop(at, "reg", &bytes);

    if (reg == NULL || at->depth < 2) {
        return false;
    }
    const struct dtb_level *parent = &at->path[at->depth - 2];
    if (parent->address_cells > 2 || parent->size_cells > 2) {
        return false;
    }
    uint32_t pair_bytes = 4 * (parent->address_cells + parent->size_cells);
    if (pair_bytes == 0 || index >= bytes / pair_bytes) {
        return false;
    }
    reg += index * pair_bytes;
    *address = cells_number(reg, parent->address_cells);
    if (size_bytes != NULL) {
        *size_bytes = cells_number(reg + 4 * parent->address_cells, parent->size_cells);
    }
    return true;
}

bool dtb_prop_number(const struct dtb_walk *at, const char *name, uint64_t *value)
{
    uint32_t bytes;
    const uint8_t *cells = dtb_prop(at, name, &bytes);

    if (cells == NULL || (bytes != 4 && bytes != 8)) {
        return false;
    }
    *value = cells_number(cells, bytes / 4);
    return true;
}
