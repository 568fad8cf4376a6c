/*
 * The firmware's device-tree code (roms/common/dtb.c, roms/sbi/dtb_edit.c), built for the host and
 * checked against libfdt: reading trees, adding the reservation, and damaged trees.
 */
#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "roms/common/dtb.c"
#include "roms/common/text.c"
#include "roms/sbi/dtb_edit.c"

#define BLOB_BYTES 4096
#define FIRMWARE_GPA 0x80000000ul
#define FIRMWARE_SIZE 0x40000ul

static uint8_t blob[BLOB_BYTES] __attribute__((aligned(8)));

/* A tree as boards hand it over: packed, so that nothing is left behind its strings. */
static void make_tree(bool with_reserved_memory)
{
    int chosen;

    cr_assert_eq(fdt_create_empty_tree(blob, 2048), 0);
    fdt_setprop_u32(blob, 0, "#address-cells", 2);
    fdt_setprop_u32(blob, 0, "#size-cells", 2);
    fdt_setprop_string(blob, 0, "compatible", "test,board");
    int memory = fdt_add_subnode(blob, 0, "memory@80000000");
    fdt_setprop_string(blob, memory, "device_type", "memory");
    fdt_setprop_u64(blob, memory, "reg", 0x80000000);
    fdt_appendprop_u64(blob, memory, "reg", 0x1234567000);
    if (with_reserved_memory) {
        int reserved = fdt_add_subnode(blob, 0, "reserved-memory");
        fdt_setprop_u32(blob, reserved, "#address-cells", 1);
        fdt_setprop_u32(blob, reserved, "#size-cells", 1);
        fdt_setprop(blob, reserved, "ranges", NULL, 0);
        int old = fdt_add_subnode(blob, reserved, "old@90000000");
        fdt_setprop_u32(blob, old, "reg", 0x90000000);
        fdt_appendprop_u32(blob, old, "reg", 0x1000);
    }
    chosen = fdt_add_subnode(blob, 0, "chosen");
    fdt_setprop_string(blob, chosen, "bootargs", "console=ttyS0");
    fdt_setprop_string(blob, chosen, "list", "one");
    fdt_appendprop_string(blob, chosen, "list", "two");
    cr_assert_eq(fdt_pack(blob), 0);
    memset(blob + fdt_totalsize(blob), 0xaa, sizeof(blob) - fdt_totalsize(blob));
}

Test(dtb, walk_visits_every_node_with_its_properties)
{
    struct dtb tree;
    struct dtb_walk at;
    uint64_t base = 0;
    uint64_t size = 0;
    int nodes = 0;
    bool has_two = false;

    make_tree(true);
    cr_assert(dtb_open(&tree, blob));
    for (dtb_walk_init(&at, &tree); dtb_walk_next(&at); nodes++) {
        if (dtb_prop_has(&at, "device_type", "memory")) {
            cr_assert(dtb_reg(&at, 0, &base, &size));
            cr_assert_not(dtb_reg(&at, 1, &base, &size));
        }
        has_two |= dtb_prop_has(&at, "list", "two");
        cr_assert_not(dtb_prop_has(&at, "list", "tw"));
    }
    cr_assert_eq(nodes, 5);
    cr_assert_eq(base, 0x80000000);
    cr_assert_eq(size, 0x1234567000);
    cr_assert(has_two);
}

static void check_reserved(const char *path, int cells, int nodes_before)
{
    int node = fdt_path_offset(blob, path);
    int bytes;
    const fdt32_t *reg = fdt_getprop(blob, node, "reg", &bytes);
    int nodes = 0;

    cr_assert_not_null(reg, "%s", path);
    cr_assert_eq(bytes, 8 * cells);
    cr_assert_eq(fdt32_to_cpu(reg[cells - 1]), FIRMWARE_GPA);
    cr_assert_eq(fdt32_to_cpu(reg[2 * cells - 1]), FIRMWARE_SIZE);
    cr_assert_not_null(fdt_getprop(blob, node, "no-map", NULL));
    for (int n = fdt_next_node(blob, -1, NULL); n >= 0; n = fdt_next_node(blob, n, NULL)) {
        nodes++;
    }
    cr_assert_eq(nodes, nodes_before);
    node = fdt_path_offset(blob, "/chosen");
    cr_assert_str_eq(fdt_getprop(blob, node, "bootargs", NULL), "console=ttyS0");
}

Test(dtb, reserve_makes_the_node)
{
    struct dtb tree;

    make_tree(false);
    uint32_t before_bytes = (uint32_t)fdt_totalsize(blob);
    cr_assert(dtb_open(&tree, blob));
    cr_assert(dtb_reserve(&tree, FIRMWARE_GPA, FIRMWARE_SIZE));
    cr_assert_eq(fdt_check_full(blob, BLOB_BYTES), 0);
    cr_assert_leq(fdt_totalsize(blob), before_bytes + DTB_RESERVE_GROWTH_BYTES);
    check_reserved("/reserved-memory/mmode_resv0@80000000", 2, 5);
    cr_assert_eq(blob[before_bytes + DTB_RESERVE_GROWTH_BYTES], 0xaa);
}

Test(dtb, reserve_joins_a_node_with_other_cells)
{
    struct dtb tree;

    make_tree(true);
    cr_assert(dtb_open(&tree, blob));
    cr_assert(dtb_reserve(&tree, FIRMWARE_GPA, FIRMWARE_SIZE));
    cr_assert_eq(fdt_check_full(blob, BLOB_BYTES), 0);
    check_reserved("/reserved-memory/mmode_resv0@80000000", 1, 6);
    cr_assert_geq(fdt_path_offset(blob, "/reserved-memory/old@90000000"), 0);
}

Test(dtb, reserve_uses_room_inside_the_tree)
{
    struct dtb tree;

    make_tree(false);
    cr_assert_eq(fdt_open_into(blob, blob, 3000), 0);
    cr_assert(dtb_open(&tree, blob));
    cr_assert(dtb_reserve(&tree, FIRMWARE_GPA, FIRMWARE_SIZE));
    cr_assert_eq(fdt_totalsize(blob), 3000);
    cr_assert_eq(fdt_check_full(blob, BLOB_BYTES), 0);
}

/* Stands on the node with this name. */
static bool find(struct dtb_walk *at, const struct dtb *tree, const char *name)
{
    for (dtb_walk_init(at, tree); dtb_walk_next(at);) {
        if (strcmp(dtb_name(at, 0), name) == 0) {
            return true;
        }
    }
    return false;
}

Test(dtb, hide_takes_a_node_and_its_children_out)
{
    struct dtb tree;
    struct dtb_walk at;

    make_tree(true);
    uint32_t before_bytes = (uint32_t)fdt_totalsize(blob);
    cr_assert_geq(fdt_path_offset(blob, "/reserved-memory/old@90000000"), 0);
    cr_assert(dtb_open(&tree, blob));
    cr_assert(find(&at, &tree, "reserved-memory"));
    dtb_hide(&at);
    cr_assert_eq(fdt_check_full(blob, BLOB_BYTES), 0);
    cr_assert_eq(fdt_totalsize(blob), before_bytes);
    cr_assert_lt(fdt_path_offset(blob, "/reserved-memory"), 0);
    cr_assert(!find(&at, &tree, "reserved-memory") && !find(&at, &tree, "old@90000000"));
    cr_assert_geq(fdt_path_offset(blob, "/chosen"), 0, "its neighbours are still there");
}

/* Reads everything there is to read and reserves; must end, inside `bytes` of a heap block. */
static void use_damaged(uint8_t *copy)
{
    struct dtb tree;
    struct dtb_walk at;
    uint64_t number;
    uint32_t bytes;

    if (!dtb_open(&tree, copy)) {
        return;
    }
    for (dtb_walk_init(&at, &tree); dtb_walk_next(&at);) {
        (void)dtb_reg(&at, 0, &number, NULL);
        (void)dtb_prop(&at, "bootargs", &bytes);
        (void)dtb_prop_has(&at, "list", "two");
        (void)dtb_enabled(&at);
    }
    (void)dtb_reserve(&tree, FIRMWARE_GPA, FIRMWARE_SIZE);
    if (find(&at, &tree, "reserved-memory")) {
        dtb_hide(&at);
    }
}

/* Every single byte of a tree replaced by a few bad values; ASan builds see any stray access. */
Test(dtb, damage_is_survived)
{
    static const uint8_t bad[] = {0x00, 0x01, 0x02, 0x03, 0x09, 0x7f, 0x80, 0xff};

    make_tree(true);
    uint32_t tree_bytes = (uint32_t)fdt_totalsize(blob);
    uint32_t uses = 0;
    for (uint32_t i = 0; i < tree_bytes; i++) {
        for (size_t k = 0; k < sizeof(bad); k++) {
            uint8_t *copy = malloc(tree_bytes + DTB_RESERVE_GROWTH_BYTES);
            memcpy(copy, blob, tree_bytes);
            copy[i] = bad[k];
            if (dtb_be32(copy + 4) <= tree_bytes) {
                use_damaged(copy);
                uses++;
            }
            free(copy);
        }
    }
    cr_assert_gt(uses, tree_bytes);
}
