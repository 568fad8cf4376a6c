/* Writing a flattened device tree from front to back, over libfdt's sequential-write calls.
 *
 * The buffer grows by itself. Errors stick: after the first one every call does nothing and
 * fdt_build_finish reports it, so that node writers need not check each line. */
#ifndef METIC_HW_FDT_BUILD_H
#define METIC_HW_FDT_BUILD_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

struct fdt_build {
    void *blob; /* heap */
    u32 capacity_bytes;
    int failure; /* the first libfdt error, 0 none */
};

void fdt_build_init(struct fdt_build *fdt);
void fdt_build_fini(struct fdt_build *fdt);

void fdt_build_begin(struct fdt_build *fdt, const char *name);
/* "name@hex" */
void fdt_build_begin_at(struct fdt_build *fdt, const char *name, u64 unit_address);
void fdt_build_end(struct fdt_build *fdt);

void fdt_build_empty(struct fdt_build *fdt, const char *property);
void fdt_build_u32(struct fdt_build *fdt, const char *property, u32 value);
void fdt_build_u64(struct fdt_build *fdt, const char *property, u64 value);
void fdt_build_string(struct fdt_build *fdt, const char *property, const char *value);
/* Strings one after the other, as in compatible; the bytes are passed with their inner NULs:
 * fdt_build_strings(fdt, "compatible", "a\0b", sizeof("a\0b")). */
void fdt_build_strings(struct fdt_build *fdt, const char *property, const char *strings,
                       size_t size_bytes);
void fdt_build_string_list(struct fdt_build *fdt, const char *property, const char *const *strings,
                           unsigned count);
void fdt_build_cells(struct fdt_build *fdt, const char *property, const u32 *cells, unsigned count);
void fdt_build_bytes(struct fdt_build *fdt, const char *property, const void *bytes,
                     size_t size_bytes);
/* reg with #address-cells = #size-cells = 2 */
void fdt_build_reg(struct fdt_build *fdt, u64 gpa, u64 size_bytes);

/* Ends the tree; on success *blob is a heap buffer the caller frees. */
bool fdt_build_finish(struct fdt_build *fdt, void **blob, u32 *size_bytes,
                      struct metic_error *error);

#endif
