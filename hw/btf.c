/* See btf.h. */
#include "hw/btf.h"

#include "cpu/base/bits.h"

#include <stdlib.h>
#include <string.h>

enum {
    BTF_MAGIC = 0xeb9f, HEADER_BYTES = 24, RECORD_BYTES = 12, MAX_DEPTH = 8, MAX_LOOKS = 100000,
};

enum kind {
    KIND_INT = 1, KIND_PTR, KIND_ARRAY, KIND_STRUCT, KIND_UNION, KIND_ENUM, KIND_FWD, KIND_TYPEDEF,
    KIND_VOLATILE, KIND_CONST, KIND_RESTRICT, KIND_FUNC, KIND_FUNC_PROTO, KIND_VAR, KIND_DATASEC,
    KIND_FLOAT, KIND_DECL_TAG, KIND_TYPE_TAG, KIND_ENUM64, KIND_COUNT,
};

/* What follows a record: so many bytes, and so many for each of its vlen. */
static const struct {
    u8 fixed, each;
} tails[KIND_COUNT] = {
    [KIND_INT] = {4, 0},       [KIND_ARRAY] = {12, 0}, [KIND_STRUCT] = {0, 12},
    [KIND_UNION] = {0, 12},    [KIND_ENUM] = {0, 8},   [KIND_FUNC_PROTO] = {0, 8},
    [KIND_VAR] = {4, 0},       [KIND_DATASEC] = {0, 12}, [KIND_DECL_TAG] = {4, 0},
    [KIND_ENUM64] = {0, 12},
};

static unsigned record_kind(const u8 *record)
{
    return ld_le32(record + 4) >> 24 & 31;
}

static u32 record_vlen(const u8 *record)
{
    return ld_le32(record + 4) & 0xffff;
}

static const u8 *record_of(const struct btf *btf, u32 type)
{
    return type != 0 && type < btf->count ? btf->types + btf->index[type] : NULL;
}

/* "" for what lies outside. */
static const char *string_at(const struct btf *btf, u32 offset)
{
    return offset < btf->strings_bytes ? (const char *)btf->strings + offset : "";
}

/* Where the record behind this one begins; 0: it does not fit. */
static size_t record_end(const struct btf *btf, size_t at)
{
    if (btf->types_bytes - at < RECORD_BYTES) {
        return 0;
    }
    const u8 *record = btf->types + at;
    unsigned kind = record_kind(record);
    if (kind == 0 || kind >= KIND_COUNT) {
        return 0;
    }
    size_t tail = tails[kind].fixed + (size_t)tails[kind].each * record_vlen(record);
    return btf->types_bytes - at - RECORD_BYTES >= tail ? at + RECORD_BYTES + tail : 0;
}

bool btf_init(struct btf *btf, const u8 *data, size_t data_bytes)
{
    *btf = (struct btf){.count = 1};
    if (data_bytes < HEADER_BYTES || ld_le16(data) != BTF_MAGIC || data[2] != 1) {
        return false;
    }
    u64 header = ld_le32(data + 4);
    u64 types = header + ld_le32(data + 8), types_bytes = ld_le32(data + 12);
    u64 strings = header + ld_le32(data + 16), strings_bytes = ld_le32(data + 20);
    if (types + types_bytes > data_bytes || strings + strings_bytes > data_bytes ||
        strings_bytes == 0 || data[strings + strings_bytes - 1] != 0) {
        return false;
    }
    btf->types = data + types;
    btf->types_bytes = types_bytes;
    btf->strings = data + strings;
    btf->strings_bytes = strings_bytes;
    btf->index = malloc((types_bytes / RECORD_BYTES + 1) * sizeof(*btf->index));
    if (btf->index == NULL) {
        return false;
    }
    for (size_t at = 0, end; at < types_bytes; at = end) {
        end = record_end(btf, at);
        if (end == 0) {
            btf_fini(btf);
            return false;
        }
        btf->index[btf->count++] = (u32)at;
    }
    return true;
}

void btf_fini(struct btf *btf)
{
    free(btf->index);
    *btf = (struct btf){0};
}

u32 btf_find_struct(const struct btf *btf, const char *name)
{
    for (u32 type = 1; type < btf->count; type++) {
        const u8 *record = record_of(btf, type);
        if (record_kind(record) == KIND_STRUCT &&
            strcmp(string_at(btf, ld_le32(record)), name) == 0) {
            return type;
        }
    }
    return 0;
}

u32 btf_struct_bytes(const struct btf *btf, u32 type)
{
    const u8 *record = record_of(btf, type);
    return record != NULL && record_kind(record) == KIND_STRUCT ? ld_le32(record + 8) : 0;
}

/* Behind typedefs and qualifiers. */
static u32 plain_type(const struct btf *btf, u32 type)
{
    for (unsigned depth = 0; depth < MAX_DEPTH; depth++) {
        const u8 *record = record_of(btf, type);
        unsigned kind = record != NULL ? record_kind(record) : 0;
        if (kind != KIND_TYPEDEF && kind != KIND_VOLATILE && kind != KIND_CONST &&
            kind != KIND_RESTRICT && kind != KIND_TYPE_TAG) {
            break;
        }
        type = ld_le32(record + 8);
    }
    return type;
}

/* *budget: members to look at, still; structures that hold themselves would take for ever. */
static bool find_member(const struct btf *btf, u32 type, const char *name, unsigned depth,
                        u32 *budget, struct btf_member *member)
{
    const u8 *record = record_of(btf, plain_type(btf, type));
    if (record == NULL || depth == MAX_DEPTH ||
        (record_kind(record) != KIND_STRUCT && record_kind(record) != KIND_UNION)) {
        return false;
    }
    bool bitfields = ld_le32(record + 4) >> 31 != 0;
    for (u32 i = 0; i < record_vlen(record) && *budget != 0; i++) {
        (*budget)--;
        const u8 *at = record + RECORD_BYTES + 12 * (size_t)i;
        u32 offset_bits = ld_le32(at + 8) & (bitfields ? 0xffffffu : ~0u);
        const char *found = string_at(btf, ld_le32(at));
        if (strcmp(found, name) == 0) {
            *member = (struct btf_member){offset_bits / 8, ld_le32(at + 4)};
            return true;
        }
        if (found[0] == '\0' &&
            find_member(btf, ld_le32(at + 4), name, depth + 1, budget, member)) {
            member->offset_bytes += offset_bits / 8;
            return true;
        }
    }
    return false;
}

bool btf_find_member(const struct btf *btf, u32 type, const char *name, struct btf_member *member)
{
    u32 budget = MAX_LOOKS;
    return find_member(btf, type, name, 0, &budget, member);
}

u32 btf_array_element(const struct btf *btf, u32 type)
{
    const u8 *record = record_of(btf, plain_type(btf, type));
    return record != NULL && record_kind(record) == KIND_ARRAY
               ? plain_type(btf, ld_le32(record + RECORD_BYTES))
               : 0;
}
