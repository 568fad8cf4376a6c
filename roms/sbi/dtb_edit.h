/* The changes that the firmware makes to the device tree. */
#ifndef ROMS_SBI_DTB_EDIT_H
#define ROMS_SBI_DTB_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "roms/common/dtb.h"

/* No tree grows by more than this when a region is reserved. */
#define DTB_RESERVE_GROWTH_BYTES 256u

/*
 * Adds a no-map child for [base, base + size) to /reserved-memory, which it makes if need be. The
 * caller guarantees DTB_RESERVE_GROWTH_BYTES of free memory behind the tree. False, with the tree
 * untouched, when its blocks are not laid out as every known tool does (structure, then strings).
 */
bool dtb_reserve(struct dtb *tree, uint64_t base, uint64_t size_bytes);

/*
 * Takes the node that `at` stands on out of the tree, with all below it: NOP tokens lie there then,
 * which readers skip. Nothing moves; the walk must begin anew.
 */
void dtb_hide(const struct dtb_walk *at);

#endif
