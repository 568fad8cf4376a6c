/* See fdt_build.h. */
#include "hw/fdt_build.h"

#include "cpu/base/bits.h"
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FDT_BUILD_START_BYTES = 16384, FDT_BUILD_MAX_BYTES = 1 << 20 };

static void fdt_build_note(struct fdt_build *fdt, int result)
{
    if (result < 0 && fdt->failure == 0) {
        fdt->failure = result;
    }
}

/* Doubles the buffer; false at the limit or without memory, with the failure noted. */
static bool fdt_build_grow(struct fdt_build *fdt)
{
    u32 capacity = fdt->capacity_bytes * 2;
    void *grown = capacity <= FDT_BUILD_MAX_BYTES ? malloc(capacity) : NULL;
    if (grown == NULL || fdt_resize(fdt->blob, grown, (int)capacity) != 0) {
        free(grown);
        fdt_build_note(fdt, -FDT_ERR_NOSPACE);
        return false;
    }
    free(fdt->blob);
    fdt->blob = grown;
    fdt->capacity_bytes = capacity;
    return true;
}

void fdt_build_init(struct fdt_build *fdt)
{
    *fdt = (struct fdt_build){.blob = malloc(FDT_BUILD_START_BYTES),
                              .capacity_bytes = FDT_BUILD_START_BYTES};
    if (fdt->blob == NULL) {
        fdt->failure = -FDT_ERR_NOSPACE;
        return;
    }
    /* A name again where it was used before costs a few bytes; looking for each among all before it
     * takes a fifth of a millisecond. */
    fdt_build_note(fdt, fdt_create_with_flags(fdt->blob, FDT_BUILD_START_BYTES,
                                              FDT_CREATE_FLAG_NO_NAME_DEDUP));
    fdt_build_note(fdt, fdt_finish_reservemap(fdt->blob));
}

void fdt_build_fini(struct fdt_build *fdt)
{
    free(fdt->blob);
    *fdt = (struct fdt_build){0};
}

void fdt_build_begin(struct fdt_build *fdt, const char *name)
{
    int result;
    while (fdt->failure == 0 &&
           (result = fdt_begin_node(fdt->blob, name)) != 0) {
        if (result != -FDT_ERR_NOSPACE) {
            fdt_build_note(fdt, result);
        } else if (!fdt_build_grow(fdt)) {
            return;
        }
    }
}

void fdt_build_begin_at(struct fdt_build *fdt, const char *name, u64 unit_address)
{
    char full[64];
    snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)unit_address);
    fdt_build_begin(fdt, full);
}

void fdt_build_end(struct fdt_build *fdt)
{
    int result;
    while (fdt->failure == 0 && (result = fdt_end_node(fdt->blob)) != 0) {
        if (result != -FDT_ERR_NOSPACE) {
            fdt_build_note(fdt, result);
        } else if (!fdt_build_grow(fdt)) {
            return;
        }
    }
}

void fdt_build_bytes(struct fdt_build *fdt, const char *property, const void *bytes,
                     size_t size_bytes)
{
    int result;
    while (fdt->failure == 0 && (result = fdt_property(fdt->blob, property, bytes,
                                                       (int)size_bytes)) != 0) {
        if (result != -FDT_ERR_NOSPACE) {
            fdt_build_note(fdt, result);
        } else if (!fdt_build_grow(fdt)) {
            return;
        }
    }
}

void fdt_build_empty(struct fdt_build *fdt, const char *property)
{
    fdt_build_bytes(fdt, property, "", 0);
}

void fdt_build_u32(struct fdt_build *fdt, const char *property, u32 value)
{
    fdt_build_cells(fdt, property, &value, 1);
}

void fdt_build_u64(struct fdt_build *fdt, const char *property, u64 value)
{
    const u32 cells[] = {(u32)(value >> 32), (u32)value};
    fdt_build_cells(fdt, property, cells, 2);
}

void fdt_build_string(struct fdt_build *fdt, const char *property, const char *value)
{
    fdt_build_bytes(fdt, property, value, strlen(value) + 1);
}

void fdt_build_strings(struct fdt_build *fdt, const char *property, const char *strings,
                       size_t size_bytes)
{
    fdt_build_bytes(fdt, property, strings, size_bytes);
}

void fdt_build_string_list(struct fdt_build *fdt, const char *property,
                           const char *const *strings, unsigned count)
{
    size_t total_bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        total_bytes += strlen(strings[i]) + 1;
    }
    char *joined = malloc(total_bytes + 1);
    if (joined == NULL) {
        fdt_build_note(fdt, -FDT_ERR_NOSPACE);
        return;
    }
    char *at = joined;
    for (unsigned i = 0; i < count; i++) {
        size_t length_bytes = strlen(strings[i]) + 1;
        memcpy(at, strings[i], length_bytes);
        at += length_bytes;
    }
    fdt_build_bytes(fdt, property, joined, total_bytes);
    free(joined);
}

void fdt_build_cells(struct fdt_build *fdt, const char *property, const u32 *cells,
                     unsigned count)
{
    u8 *bytes = malloc((size_t)count * 4 + 1);
    if (bytes == NULL) {
        fdt_build_note(fdt, -FDT_ERR_NOSPACE);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        st_be32(bytes + (size_t)i * 4, cells[i]);
    }
    fdt_build_bytes(fdt, property, bytes, (size_t)count * 4);
    free(bytes);
}

void fdt_build_reg(struct fdt_build *fdt, u64 gpa, u64 size_bytes)
{
    const u32 cells[] = {(u32)(gpa >> 32), (u32)gpa, (u32)(size_bytes >> 32), (u32)size_bytes};
    fdt_build_cells(fdt, "reg", cells, 4);
}

bool fdt_build_finish(struct fdt_build *fdt, void **blob, u32 *size_bytes,
                      struct metic_error *error)
{
    int result;
    while (fdt->failure == 0 && (result = fdt_finish(fdt->blob)) != 0) {
        if (result != -FDT_ERR_NOSPACE) {
            fdt_build_note(fdt, result);
        } else {
            fdt_build_grow(fdt);
        }
    }
    if (fdt->failure == 0) { /* libfdt does not notice a node that was never ended */
        fdt_build_note(fdt, fdt_check_full(fdt->blob, fdt->capacity_bytes));
    }
    if (fdt->failure != 0) {
        return error_set(error, NULL, "the device tree cannot be written: %s",
                         fdt_strerror(fdt->failure));
    }
    *size_bytes = fdt_totalsize(fdt->blob);
    *blob = fdt->blob;
    fdt->blob = NULL;
    return true;
}
