/* See trace_query.h: lines of answers, as texts or as JSON, put together without printf since there
 * may be millions; and the last ones of them. */
#include "ui/trace/trace_query.h"

#include "cpu/base/hex.h"

#include <stdlib.h>
#include <string.h>

/* "name+0x12", or the address: found again, since most answers are at few places. */
static const struct trace_place_text *find_place(struct trace_query *query, u64 address,
                                                 struct trace_place_text *own)
{
    enum { PLACES = 1 << 8 };
    struct trace_place_text *place = own;
    own->bytes = 0;
    if (query->place_texts == NULL) {
        query->place_texts = calloc(PLACES, sizeof(*query->place_texts));
    }
    if (query->place_texts != NULL) {
        place = &query->place_texts[(u32)(address >> 1) * 0x9e3779b1u >> 24];
    }
    if (place->bytes == 0 || place->address != address) {
        symbols_print(&query->symbols, address, place->text, sizeof(place->text));
        place->address = address;
        place->bytes = strlen(place->text);
    }
    return place;
}

char *trace_answer_put_string(char *to, const char *text)
{
    *to++ = '"';
    for (unsigned i = 0; text[i] != '\0' && i < 80; i++) {
        bool plain = text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\';
        *to++ = plain ? text[i] : '?';
    }
    *to++ = '"';
    return to;
}

char *trace_answer_put_hex(char *to, const char *name, u64 value)
{
    to = put_text(put_text(put_text(to, ",\""), name), "\":\"0x");
    to = put_hex(to, value);
    *to++ = '"';
    return to;
}

/* Of no place: NULL. */
static char *begin_json(const struct trace_step *step, const char *event,
                        const struct trace_place_text *place, char *at)
{
    at = trace_answer_put_string(put_text(at, "{\"event\":"), event);
    at = put_decimal(put_text(at, ",\"hart\":"), step->stream);
    at = put_decimal(put_text(at, ",\"insns\":"), step->insns);
    at = put_decimal(put_text(at, ",\"ns\":"), step->ns);
    at = put_text(put_text(at, ",\"priv\":\""), trace_privilege(step->privilege));
    at = put_text(at, "\"");
    if (place == NULL) {
        return at;
    }
    at = trace_answer_put_hex(at, "pc", step->pc);
    return trace_answer_put_string(put_text(at, ",\"symbol\":"), place->text);
}

char *trace_answer_begin(struct trace_query *query, const struct trace_step *step,
                         const char *event, char text[TRACE_ANSWER_BYTES])
{
    struct trace_text *limits = &query->text;
    struct trace_place_text own;
    if (trace_text_is_full(limits) || step->insns < limits->from_insns ||
        (limits->to_insns != 0 && step->insns >= limits->to_insns)) {
        return NULL;
    }
    limits->told++;
    const struct trace_place_text *place = step->pc != TRACE_NOWHERE
                                               ? find_place(query, step->pc, &own) : NULL;
    if (trace_answer_is_json(query)) {
        return begin_json(step, event, place, text);
    }
    char *at = put_decimal(put_text(text, "hart "), step->stream);
    at = put_decimal(put_text(at, ", instruction "), step->insns);
    at = put_decimal(put_text(at, ", "), step->ns);
    at = put_text(put_text(at, " ns, "), trace_privilege(step->privilege));
    if (place == NULL) {
        return put_text(at, "-mode: ");
    }
    at = put_hex_digits(put_text(at, "-mode, "), step->pc, 16);
    *at++ = ' ';
    memcpy(at, place->text, place->bytes);
    return put_text(at + place->bytes, ": ");
}

/* --- the last ones --- */

/* One more than are asked for: by it is known that nothing is missing between those. */
static bool make_room(struct trace_query *query)
{
    struct trace_last *kept = &query->kept;
    if (kept->ring == NULL) {
        kept->room = (size_t)query->last + 1;
        kept->ring = calloc(kept->room, sizeof(*kept->ring));
    }
    return kept->ring != NULL;
}

void trace_answer_end(struct trace_query *query, char *text, char *end, u64 order_ns)
{
    struct trace_last *kept = &query->kept;
    end = put_text(end, trace_answer_is_json(query) ? "}\n" : "\n");
    size_t bytes = (size_t)(end - text);
    char *copy = query->last != 0 && make_room(query) ? malloc(bytes) : NULL;
    if (copy == NULL) {
        fwrite(text, 1, bytes, stdout);
        return;
    }
    memcpy(copy, text, bytes);
    free(kept->ring[kept->next].text);
    kept->ring[kept->next] = (struct trace_kept){copy, bytes, order_ns};
    kept->next = (kept->next + 1) % kept->room;
    kept->used += kept->used < kept->room;
}

void trace_answers_forget(struct trace_query *query)
{
    struct trace_last *kept = &query->kept;
    for (size_t i = 0; i < kept->used; i++) {
        free(kept->ring[i].text);
        kept->ring[i].text = NULL;
    }
    kept->used = kept->next = 0;
    query->text.told = 0;
}

void trace_answers_print(struct trace_query *query)
{
    const struct trace_last *kept = &query->kept;
    size_t count = kept->used < query->last ? kept->used : (size_t)query->last;
    for (size_t i = count; i > 0; i--) {
        const struct trace_kept *answer = &kept->ring[(kept->next + kept->room - i) % kept->room];
        fwrite(answer->text, 1, answer->bytes, stdout);
    }
}
