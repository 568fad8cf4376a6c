/*
 * A small reader of flattened device trees (Devicetree Specification v0.4, chapter 5).
 *
 * It walks the nodes in document order without recursion and without memory of its own; properties
 * are looked up in the node the walk stands on. Every access is checked against the sizes in the
 * header, so that a damaged tree ends the walk instead of leading it astray.
 *
 *     struct fdt tree;
 *     struct fdt_walk at;
 *     if (fdt_open(&tree, blob)) {
 *         for (fdt_walk_init(&at, &tree); fdt_walk_next(&at);) { ... fdt_prop(&at, "reg", &n) ... }
 *     }
 *
 * Left out: memory reservation entries, /aliases, overlays, nodes deeper than FDT_DEPTH_MAX.
 */
#ifndef ROMS_COMMON_FDT_H
#define ROMS_COMMON_FDT_H

#include <stdbool.h>
#include <stdint.h>

#define FDT_DEPTH_MAX 12

enum fdt_token {
    FDT_BEGIN_NODE = 1,
    FDT_END_NODE = 2,
    FDT_PROP = 3,
    FDT_NOP = 4,
    FDT_END = 9,
};

/* An opened tree. The blob stays the caller's. Offsets are in bytes from the blob's start. */
struct fdt {
    uint8_t *blob;
    uint32_t total_bytes;
    uint32_t struct_offset;
    uint32_t struct_end;
    uint32_t strings_offset;
    uint32_t strings_end;
};

/* One node on the path from the root to where the walk stands. */
struct fdt_level {
    const char *name;
    uint32_t props_offset;    /* first token after the name */
    uint32_t address_cells;   /* of this node's children */
    uint32_t size_cells;
};

struct fdt_walk {
    const struct fdt *tree;
    uint32_t next_offset;
    uint32_t depth;           /* nodes on the path; 1 = the root */
    struct fdt_level path[FDT_DEPTH_MAX];
};

/* Big-endian 32 bits at a byte address of any alignment. */
uint32_t fdt_be32(const void *at);
void fdt_put_be32(void *at, uint32_t value);

/* Checks the header at `blob` (which must be readable) and fills `tree`. */
bool fdt_open(struct fdt *tree, void *blob);

void fdt_walk_init(struct fdt_walk *at, const struct fdt *tree);

/* Steps to the next node; false at the end of the tree or at the first damage. */
bool fdt_walk_next(struct fdt_walk *at);

/* Name of the current node (level 0), its parent (1) and so on; "" above the root. */
const char *fdt_name(const struct fdt_walk *at, uint32_t levels_up);

/* A property of the current node or, levels up, of an ancestor; NULL if absent. */
const uint8_t *fdt_prop_of(const struct fdt_walk *at, uint32_t levels_up, const char *name,
                           uint32_t *bytes);
const uint8_t *fdt_prop(const struct fdt_walk *at, const char *name, uint32_t *bytes);

/* Offset of the first token behind the properties that begin at `offset`. */
uint32_t fdt_props_end(const struct fdt *tree, uint32_t offset);

/* First cell of a property, or `otherwise`. */
uint32_t fdt_prop_u32(const struct fdt_walk *at, const char *name, uint32_t otherwise);

/* True when the string list property holds `text` as one of its strings. */
bool fdt_prop_has(const struct fdt_walk *at, const char *name, const char *text);

/* True unless a status property says otherwise than "okay" or "ok". */
bool fdt_enabled(const struct fdt_walk *at);

/* The index-th (address, size) pair of `reg`, by the parent's cells; size may be NULL. */
bool fdt_reg(const struct fdt_walk *at, uint32_t index, uint64_t *address, uint64_t *size_bytes);

/* A number of one or two cells, as in /chosen/linux,initrd-start. */
bool fdt_prop_number(const struct fdt_walk *at, const char *name, uint64_t *value);

#endif
