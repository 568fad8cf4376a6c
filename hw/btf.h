/* BTF, the type information that a Linux kernel carries for itself: where the members of its
 * structures are. Documentation/bpf/btf.rst of the kernel describes the format. The data is the
 * guest's: anything may be in it. */
#ifndef METIC_HW_BTF_H
#define METIC_HW_BTF_H

#include "cpu/base/types.h"

struct btf {
    const u8 *types, *strings;
    size_t types_bytes, strings_bytes;
    u32 *index; /* by type number: where its record begins; 0 has none */
    u32 count;
};

/* The data is kept by pointer. False: it is no BTF, or there is no memory. */
bool btf_init(struct btf *btf, const u8 *data, size_t data_bytes);
void btf_fini(struct btf *btf);

/* The type number of the structure of that name; 0: there is none. */
u32 btf_find_struct(const struct btf *btf, const char *name);
u32 btf_struct_bytes(const struct btf *btf, u32 type);

struct btf_member {
    u32 offset_bytes, type;
};
/* A member of a structure or union, or of one without a name inside of it. */
bool btf_find_member(const struct btf *btf, u32 type, const char *name, struct btf_member *member);
/* The element type of an array, behind typedefs and qualifiers; 0: it is none. */
u32 btf_array_element(const struct btf *btf, u32 type);

#endif
