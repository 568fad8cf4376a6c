/* See gdb_condition.h. */
#include "ui/gdb/gdb_condition.h"

#include "cpu/base/bits.h"
#include "cpu/base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gdb_condition {
    u64 address;
    u8 *code; /* heap: expressions, each behind its length in two bytes */
    size_t code_bytes, commands_at; /* those from there on are commands */
    u8 owner;
};

enum { LENGTH_BYTES = 2 };

/* --- the list --- */

/* Index of the first that is not before this one. */
static size_t find_index(const struct gdb_conditions *conditions, u64 address, unsigned owner)
{
    size_t low = 0, high = conditions->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct gdb_condition *at = &conditions->list[middle];
        if (at->address < address || (at->address == address && at->owner < owner)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct gdb_conditions *conditions, size_t at, u64 address, unsigned owner)
{
    return at < conditions->count && conditions->list[at].address == address &&
           conditions->list[at].owner == owner;
}

static void insert(struct gdb_conditions *conditions, size_t at,
                   const struct gdb_condition *condition)
{
    if (conditions->count == conditions->capacity) {
        size_t capacity = conditions->capacity != 0 ? 2 * conditions->capacity : 16;
        conditions->list = realloc(conditions->list, capacity * sizeof(*conditions->list));
        if (conditions->list == NULL) {
            error_no_memory(capacity * sizeof(*conditions->list));
        }
        conditions->capacity = capacity;
    }
    memmove(&conditions->list[at + 1], &conditions->list[at],
            (conditions->count - at) * sizeof(*conditions->list));
    conditions->list[at] = *condition;
    conditions->count++;
}

void gdb_conditions_remove(struct gdb_conditions *conditions, u64 address, unsigned owner)
{
    size_t at = find_index(conditions, address, owner);
    if (!is_at(conditions, at, address, owner)) {
        return;
    }
    free(conditions->list[at].code);
    conditions->count--;
    memmove(&conditions->list[at], &conditions->list[at + 1],
            (conditions->count - at) * sizeof(*conditions->list));
}

void gdb_conditions_fini(struct gdb_conditions *conditions)
{
    for (size_t i = 0; i < conditions->count; i++) {
        free(conditions->list[i].code);
    }
    free(conditions->list);
    *conditions = (struct gdb_conditions){0};
}

/* --- reading --- */

/* One "XLENGTH,EXPRESSION" behind what is in `code`, which has room for a packet's. */
static bool take_expression(struct gdb_text *text, u8 *code, size_t *code_bytes)
{
    u64 length;
    if (!gdb_take(text, "X") || !gdb_take_hex(text, &length) || !gdb_take(text, ",") ||
        length == 0 || length > GDB_PACKET_BYTES / 2) {
        return false;
    }
    u8 *at = code + *code_bytes;
    st_le16(at, (u16)length);
    *code_bytes += LENGTH_BYTES + (size_t)length;
    return gdb_take_bytes(text, at + LENGTH_BYTES, (size_t)length) == length;
}

/* All of them up to a semicolon or the end. */
static bool take_expressions(struct gdb_text *text, u8 *code, size_t *code_bytes)
{
    while (text->at != text->end && *text->at != ';') {
        if (!take_expression(text, code, code_bytes)) {
            return false;
        }
    }
    return true;
}

static bool take_commands(struct gdb_text *text, u8 *code, size_t *code_bytes)
{
    u64 persist;
    return text->at == text->end ||
           (gdb_take(text, ";cmds:") && gdb_take_hex(text, &persist) && gdb_take(text, ",") &&
            take_expressions(text, code, code_bytes) && text->at == text->end);
}

bool gdb_conditions_set(struct gdb_conditions *conditions, u64 address, unsigned owner,
                        struct gdb_text text)
{
    u8 code[GDB_PACKET_BYTES]; /* each expression is shorter than its text */
    size_t code_bytes = 0;
    if (!take_expressions(&text, code, &code_bytes)) {
        return false;
    }
    size_t commands_at = code_bytes;
    if (!take_commands(&text, code, &code_bytes)) {
        return false;
    }
    gdb_conditions_remove(conditions, address, owner);
    if (code_bytes == 0) {
        return true;
    }
    struct gdb_condition condition = {address, malloc(code_bytes), code_bytes, commands_at,
                                      (u8)owner};
    if (condition.code == NULL) {
        error_no_memory(code_bytes);
    }
    memcpy(condition.code, code, code_bytes);
    insert(conditions, find_index(conditions, address, owner), &condition);
    return true;
}

/* --- evaluating --- */

static bool holds(const struct gdb_condition *condition, const struct gdb_agent_guest *guest)
{
    for (size_t i = 0; i < condition->commands_at;) {
        size_t length = ld_le16(condition->code + i);
        u64 value;
        i += LENGTH_BYTES;
        if (!gdb_agent_evaluate(condition->code + i, length, guest, &value) || value != 0) {
            return true;
        }
        i += length;
    }
    return condition->commands_at == 0;
}

static void run_commands(const struct gdb_condition *condition, const struct gdb_agent_guest *guest)
{
    for (size_t i = condition->commands_at; i < condition->code_bytes;) {
        size_t length = ld_le16(condition->code + i);
        i += LENGTH_BYTES;
        if (!gdb_agent_run(condition->code + i, length, guest) && guest->print != NULL) {
            char text[96];
            snprintf(text, sizeof(text), "(0x%" PRIx64 ": what is to be printed has no value)\n",
                     condition->address);
            guest->print(guest->opaque, text);
        }
        i += length;
    }
}

bool gdb_conditions_stop(const struct gdb_conditions *conditions, u64 address, unsigned owner,
                         const struct gdb_agent_guest *guest, bool runs)
{
    size_t at = find_index(conditions, address, owner);
    if (!is_at(conditions, at, address, owner)) {
        return true;
    }
    const struct gdb_condition *found = &conditions->list[at];
    if (!holds(found, guest)) {
        return false;
    }
    bool has_commands = found->commands_at != found->code_bytes;
    if (has_commands && runs) {
        run_commands(found, guest);
    }
    return !has_commands;
}
