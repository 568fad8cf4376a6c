/* See state.h. */
#include "cpu/state.h"

#include "cpu/base/bits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void state_writer_init(struct state_writer *writer)
{
    *writer = (struct state_writer){0};
}

void state_writer_fini(struct state_writer *writer)
{
    free(writer->bytes);
    *writer = (struct state_writer){0};
}

void state_write_bytes(struct state_writer *writer, const void *bytes, size_t size_bytes)
{
    if (writer->failed || size_bytes == 0) {
        return;
    }
    size_t needed = writer->size_bytes + size_bytes;
    if (needed > writer->capacity_bytes) {
        size_t capacity = needed + needed / 2 + 256;
        u8 *grown = needed < size_bytes ? NULL : realloc(writer->bytes, capacity);
        if (grown == NULL) {
            writer->failed = true;
            return;
        }
        writer->bytes = grown;
        writer->capacity_bytes = capacity;
    }
    memcpy(writer->bytes + writer->size_bytes, bytes, size_bytes);
    writer->size_bytes = needed;
}

static void state_write_le(struct state_writer *writer, u64 value, unsigned size_bytes)
{
    u8 bytes[8];
    st_le(bytes, value, size_bytes);
    state_write_bytes(writer, bytes, size_bytes);
}

void state_write_u32(struct state_writer *writer, u32 value)
{
    state_write_le(writer, value, 4);
}

void state_write_u64(struct state_writer *writer, u64 value)
{
    state_write_le(writer, value, 8);
}

static u64 state_get(const struct state_field *field, const void *object, u32 index)
{
    const u8 *at = (const u8 *)object + field->offset_bytes;
    switch (field->kind) {
    case STATE_BOOL: return ((const bool *)at)[index];
    case STATE_U8: return at[index];
    case STATE_U16: return ((const u16 *)(const void *)at)[index];
    case STATE_U32: return ((const u32 *)(const void *)at)[index];
    default: return ((const u64 *)(const void *)at)[index];
    }
}

static void state_set(const struct state_field *field, void *object, u32 index, u64 value)
{
    u8 *at = (u8 *)object + field->offset_bytes;
    switch (field->kind) {
    case STATE_BOOL: ((bool *)at)[index] = value != 0; break;
    case STATE_U8: at[index] = (u8)value; break;
    case STATE_U16: ((u16 *)(void *)at)[index] = (u16)value; break;
    case STATE_U32: ((u32 *)(void *)at)[index] = (u32)value; break;
    default: ((u64 *)(void *)at)[index] = value; break;
    }
}

static unsigned state_element_bytes(const struct state_field *field)
{
    return STATE_ELEMENT_BYTES(field->kind);
}

void state_write_list(struct state_writer *writer, const struct state_list *list,
                      const void *object)
{
    size_t name_bytes = strlen(list->name);
    state_write_le(writer, name_bytes, 2);
    state_write_bytes(writer, list->name, name_bytes);
    state_write_le(writer, list->field_count, 2);
    for (unsigned f = 0; f < list->field_count; f++) {
        const struct state_field *field = &list->fields[f];
        size_t field_bytes = strlen(field->name);
        state_write_le(writer, field->kind, 1);
        state_write_le(writer, field_bytes, 1);
        state_write_bytes(writer, field->name, field_bytes);
        state_write_le(writer, field->count, 4);
        for (u32 i = 0; i < field->count; i++) {
            state_write_le(writer, state_get(field, object, i), state_element_bytes(field));
        }
    }
}

void state_reader_init(struct state_reader *reader, const void *bytes, size_t size_bytes)
{
    *reader = (struct state_reader){bytes, size_bytes, 0};
}

bool state_read_bytes(struct state_reader *reader, void *bytes, size_t size_bytes)
{
    if (reader->size_bytes - reader->position < size_bytes) {
        return false;
    }
    if (size_bytes != 0) {
        memcpy(bytes, reader->bytes + reader->position, size_bytes);
    }
    reader->position += size_bytes;
    return true;
}

static bool state_read_le(struct state_reader *reader, u64 *value, unsigned size_bytes)
{
    u8 bytes[8];
    if (!state_read_bytes(reader, bytes, size_bytes)) {
        return false;
    }
    *value = ld_le(bytes, size_bytes);
    return true;
}

bool state_read_u32(struct state_reader *reader, u32 *value)
{
    u64 wide;
    if (!state_read_le(reader, &wide, 4)) {
        return false;
    }
    *value = (u32)wide;
    return true;
}

bool state_read_u64(struct state_reader *reader, u64 *value)
{
    return state_read_le(reader, value, 8);
}

/* Reads a length of `length_bytes` and that many bytes, which must spell `name`. */
static bool state_read_name(struct state_reader *reader, unsigned length_bytes, const char *name)
{
    u64 got_bytes;
    size_t name_bytes = strlen(name);
    if (!state_read_le(reader, &got_bytes, length_bytes) || got_bytes != name_bytes ||
        reader->size_bytes - reader->position < name_bytes ||
        memcmp(reader->bytes + reader->position, name, name_bytes) != 0) {
        return false;
    }
    reader->position += name_bytes;
    return true;
}

static bool state_read_field(struct state_reader *reader, const struct state_field *field,
                             void *object)
{
    u64 kind, count, value;
    if (!state_read_le(reader, &kind, 1) || kind != field->kind ||
        !state_read_name(reader, 1, field->name) || !state_read_le(reader, &count, 4) ||
        count != field->count) {
        return false;
    }
    for (u32 i = 0; i < field->count; i++) {
        if (!state_read_le(reader, &value, state_element_bytes(field))) {
            return false;
        }
        state_set(field, object, i, value);
    }
    return true;
}

bool state_read_list(struct state_reader *reader, const struct state_list *list, void *object,
                     struct metic_error *error)
{
    const char *next = "load the snapshot with the version of metic that wrote it";
    u64 field_count;
    void *copy = malloc(list->struct_bytes);
    if (copy == NULL) {
        return error_set(error, NULL, "out of memory while loading %s", list->name);
    }
    memcpy(copy, object, list->struct_bytes);
    bool ok = state_read_name(reader, 2, list->name) && state_read_le(reader, &field_count, 2) &&
              field_count == list->field_count;
    for (unsigned f = 0; ok && f < list->field_count; f++) {
        ok = state_read_field(reader, &list->fields[f], copy);
        if (!ok) {
            error_set(error, next, "the saved state of %s does not fit at its member %s",
                      list->name, list->fields[f].name);
            free(copy);
            return false;
        }
    }
    if (ok) {
        memcpy(object, copy, list->struct_bytes);
    } else {
        error_set(error, next, "the saved state of %s is missing or of another shape", list->name);
    }
    free(copy);
    return ok;
}

/* One step of a multiply-and-fold hash over 64-bit words. */
static u64 state_mix(u64 digest, u64 value)
{
    u128 product = (u128)(digest ^ value ^ 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
    return (u64)product ^ (u64)(product >> 64);
}

u64 state_digest_bytes(const void *bytes, size_t size_bytes, u64 digest)
{
    const u8 *at = bytes;
    size_t left = size_bytes;
    while (left >= 8) {
        digest = state_mix(digest, ld_le64(at));
        at += 8;
        left -= 8;
    }
    u64 last = size_bytes;
    while (left > 0) {
        last = last << 8 | at[--left];
    }
    return state_mix(digest, last);
}

u64 state_digest(const struct state_list *list, const void *object, u64 digest)
{
    for (unsigned f = 0; f < list->field_count; f++) {
        for (u32 i = 0; i < list->fields[f].count; i++) {
            digest = state_mix(digest, state_get(&list->fields[f], object, i));
        }
    }
    return digest;
}

static void state_print_field(const struct state_field *field, const void *object,
                              void (*line)(void *opaque, const char *text), void *opaque)
{
    enum { PER_LINE = 8 };
    char text[256];
    int digits = field->kind == STATE_BOOL ? 1 : (int)state_element_bytes(field) * 2;
    for (u32 i = 0; i < field->count; i += PER_LINE) {
        int used = field->count == 1
                       ? snprintf(text, sizeof(text), "%s =", field->name)
                       : snprintf(text, sizeof(text), "%s[%u..] =", field->name, (unsigned)i);
        for (u32 k = i; k < i + PER_LINE && k < field->count && used < (int)sizeof(text); k++) {
            used += snprintf(text + used, sizeof(text) - (size_t)used, " 0x%0*llx", digits,
                             (unsigned long long)state_get(field, object, k));
        }
        line(opaque, text);
    }
}

void state_print(const struct state_list *list, const void *object,
                 void (*line)(void *opaque, const char *text), void *opaque)
{
    for (unsigned f = 0; f < list->field_count; f++) {
        state_print_field(&list->fields[f], object, line, opaque);
    }
}
