/*
 * A small reader of flattened device trees (Devicetree Specification v0.4, chapter 5).
 *
 * It walks the nodes in document order without recursion and without memory of its own; properties
 * are looked up in the node the walk stands on. Every access is checked against the sizes in the
 * header, so that a damaged tree ends the walk instead of leading it astray.
 *
 *     struct dtb tree;
 *     struct dtb_walk at;
 *     if (dtb_open(&tree, blob)) {
 *         for (dtb_walk_init(&at, &tree); dtb_walk_next(&at);) { ... dtb_prop(&at, "reg", &n) ... }
 *     }
 *
 * Left out: memory reservation entries, /aliases, overlays, nodes deeper than DTB_DEPTH_MAX.
 */
#ifndef ROMS_COMMON_DTB_H
#define ROMS_COMMON_DTB_H

#include <stdbool.h>
#include <stdint.h>

#define DTB_DEPTH_MAX 12

enum dtb_token {
    DTB_BEGIN_NODE = 1,
    DTB_END_NODE = 2,
    DTB_PROP = 3,
    DTB_NOP = 4,
    DTB_END = 9,
};

/* An opened tree. The blob stays the caller's. Offsets are in bytes from the blob's start. */
struct dtb {
    uint8_t *blob;
    uint32_t total_bytes;
    uint32_t struct_offset;
    uint32_t struct_end;
    uint32_t strings_offset;
    uint32_t strings_end;
};

/* One node on the path from the root to where the walk stands. */
struct dtb_level {
    const char *name;
    uint32_t props_offset;    /* first token after the name */
    uint32_t address_cells;   /* of this node's children */
    uint32_t size_cells;
};

struct dtb_walk {
    const struct dtb *tree;
    uint32_t next_offset;
    uint32_t depth;           /* nodes on the path; 1 = the root */
    struct dtb_level path[DTB_DEPTH_MAX];
};

/* Big-endian 32 bits at a byte address of any alignment. */
static inline uint32_t dtb_be32(const void *at)
{
    const uint8_t *p = at;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void dtb_put_be32(void *at, uint32_t value);

/* Checks the header at `blob` (which must be readable) and fills `tree`. */
bool dtb_open(struct dtb *tree, void *blob);

void dtb_walk_init(struct dtb_walk *at, const struct dtb *tree);

/* Steps to the next node; false at the end of the tree or at the first damage. */
bool dtb_walk_next(struct dtb_walk *at);

/* Name of the current node (level 0), its parent (1) and so on; "" above the root. */
const char *dtb_name(const struct dtb_walk *at, uint32_t levels_up);

/* A property of the current node or, levels up, of an ancestor; NULL if absent. */
const uint8_t *dtb_prop_of(const struct dtb_walk *at, uint32_t levels_up, const char *name,
                           uint32_t *bytes);
const uint8_t *dtb_prop(const struct dtb_walk *at, const char *name, uint32_t *bytes);

/* Offset of the first token behind the properties that begin at `offset`. */
uint32_t dtb_props_end(const struct dtb *tree, uint32_t offset);

/* First cell of a property, or `otherwise`. */
uint32_t dtb_prop_u32(const struct dtb_walk *at, const char *name, uint32_t otherwise);

/* True when the string list property holds `text` as one of its strings. */
bool dtb_prop_has(const struct dtb_walk *at, const char *name, const char *text);

/* True unless a status property says otherwise than "okay" or "ok". */
bool dtb_enabled(const struct dtb_walk *at);

/* The index-th (address, size) pair of `reg`, by the parent's cells; size may be NULL. */
bool dtb_reg(const struct dtb_walk *at, uint32_t index, uint64_t *address, uint64_t *size_bytes);

/* A number of one or two cells, as in /chosen/linux,initrd-start. */
bool dtb_prop_number(const struct dtb_walk *at, const char *name, uint64_t *value);

#endif
