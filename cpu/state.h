/* Declared state: a list of a struct's members that the compiler proves complete, and what is done
 * with it: save, load, print, digest.
 *
 * A part keeps what must survive in a struct of its own (no pointers, no padding, arrays flat) and
 * lists its members once:
 *
 *     #define UART_SAVED(FIELD, T) FIELD(T, ier) FIELD(T, lcr) FIELD(T, fifo)
 *     STATE_LIST(uart_saved, struct uart_saved, UART_SAVED);
 *
 * That defines `static const struct state_list uart_saved`. A member left out, or padding, makes
 * the sizes differ: the static assertion fails. A pointer, a nested struct or a two-dimensional
 * array has no kind: _Generic fails. _Generic looks at the member's address, since on the bare
 * member an array would decay to a pointer.
 *
 * Saved form (little-endian): u16 name length, name, u16 field count, and per field: u8 kind,
 * u8 name length, name, u32 element count, elements. A reader accepts exactly the same list. */
#ifndef METIC_CPU_STATE_H
#define METIC_CPU_STATE_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

/* The low two bits are the log2 of the element's size. */
enum state_kind { STATE_U8, STATE_U16, STATE_U32, STATE_U64, STATE_BOOL };
_Static_assert(sizeof(bool) == 1, "a bool is saved as one byte");

struct state_field {
    const char *name;
    size_t offset_bytes;
    u32 count; /* elements; 1 for a plain member */
    u8 kind;   /* enum state_kind */
};

struct state_list {
    const char *name;
    const struct state_field *fields;
    unsigned field_count;
    size_t struct_bytes;
};

#define STATE_MEMBER(T, m) (((T *)0)->m)
/* The inner parentheses tell clang that dividing by another type's size is meant. */
#define STATE_COUNT_AS(T, m, E)                      \
    (sizeof(STATE_MEMBER(T, m)) / (sizeof(E)) > 0    \
         ? sizeof(STATE_MEMBER(T, m)) / (sizeof(E)) \
         : 1)
#define STATE_KIND(T, m)                                  \
    _Generic(&STATE_MEMBER(T, m),                         \
        bool *: STATE_BOOL,                               \
        bool(*)[STATE_COUNT_AS(T, m, bool)]: STATE_BOOL,  \
        u8 *: STATE_U8,                                   \
        u8(*)[STATE_COUNT_AS(T, m, u8)]: STATE_U8,        \
        u16 *: STATE_U16,                                 \
        u16(*)[STATE_COUNT_AS(T, m, u16)]: STATE_U16,     \
        u32 *: STATE_U32,                                 \
        u32(*)[STATE_COUNT_AS(T, m, u32)]: STATE_U32,     \
        u64 *: STATE_U64,                                 \
        u64(*)[STATE_COUNT_AS(T, m, u64)]: STATE_U64)
#define STATE_ELEMENT_BYTES(kind) (1u << ((kind) & 3))

#define STATE_ROW(T, m)                                                                       \
    {#m, offsetof(T, m),                                                                      \
     (u32)(sizeof(STATE_MEMBER(T, m)) / STATE_ELEMENT_BYTES(STATE_KIND(T, m))),               \
     (u8)STATE_KIND(T, m)},
#define STATE_SUM(T, m) +sizeof(STATE_MEMBER(T, m))

#define STATE_LIST(variable, T, LIST)                                                  \
    static const struct state_field variable##_fields[] = {LIST(STATE_ROW, T)};        \
    _Static_assert(0 LIST(STATE_SUM, T) == sizeof(T),                                  \
                   #T ": a member is missing in " #LIST ", or the struct has padding"); \
    static const struct state_list variable = {#variable, variable##_fields,           \
                                               ARRAY_LEN(variable##_fields), sizeof(T)}

/* A growing buffer; a failed allocation is remembered and everything after it ignored. */
struct state_writer {
    u8 *bytes; /* heap; owned until state_writer_fini */
    size_t size_bytes;
    size_t capacity_bytes;
    bool failed;
};

/* Reads from borrowed bytes that are not trusted. */
struct state_reader {
    const u8 *bytes;
    size_t size_bytes;
    size_t position;
};

void state_writer_init(struct state_writer *writer);
void state_writer_fini(struct state_writer *writer);
void state_write_bytes(struct state_writer *writer, const void *bytes, size_t size_bytes);
void state_write_u32(struct state_writer *writer, u32 value);
void state_write_u64(struct state_writer *writer, u64 value);
void state_write_list(struct state_writer *writer, const struct state_list *list,
                      const void *object);

void state_reader_init(struct state_reader *reader, const void *bytes, size_t size_bytes);
/* false when fewer bytes are left; nothing is consumed then. */
bool state_read_bytes(struct state_reader *reader, void *bytes, size_t size_bytes);
bool state_read_u32(struct state_reader *reader, u32 *value);
bool state_read_u64(struct state_reader *reader, u64 *value);
/* Fills `object` only when the whole list is there and equal in names, kinds and counts. */
bool state_read_list(struct state_reader *reader, const struct state_list *list, void *object,
                     struct metic_error *error);

/* A 64-bit digest of the listed members, chained: start with 0, pass on the result. The same on
 * every host. Not cryptographic. */
u64 state_digest(const struct state_list *list, const void *object, u64 digest);
u64 state_digest_bytes(const void *bytes, size_t size_bytes, u64 digest);

/* Calls line("name = 0x...") for each member; arrays several elements a line. */
void state_print(const struct state_list *list, const void *object,
                 void (*line)(void *opaque, const char *text), void *opaque);

#endif
