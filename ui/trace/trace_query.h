/* Questions to trace stores, and their answers on standard output. */
#ifndef METIC_UI_TRACE_QUERY_H
#define METIC_UI_TRACE_QUERY_H

#include "ui/trace/trace_file.h"
#include "ui/trace/trace_text.h"

enum { TRACE_ANSWER_BYTES = 1024, TRACE_PLACE_BYTES = 160 };
enum { TRACE_LAST_MAX = 1000000 };

/* The text of an address, which answers have again and again. */
struct trace_place_text {
    u64 address;
    size_t bytes; /* 0: none */
    char text[TRACE_PLACE_BYTES];
};

/* The answers that came last, of those there were; where fewer are asked for than there may be. */
struct trace_last {
    struct trace_kept {
        char *text;
        size_t bytes;
        u64 order_ns;
    } *ring; /* NULL: none yet */
    size_t room, used, next;
};

struct trace_query {
    const char *words[4];
    unsigned word_count;
    const char *symbol_files[8];
    unsigned symbol_file_count;
    const char *function;
    const char *range; /* of show, FIRST-END, for which places in symbols may stand */
    bool instructions; /* of a trace that was recorded for its branches */
    struct trace_who who; /* --task, --satp, --priv */
    u64 last;             /* of the answers that many, the last ones; 0: all */
    struct trace_last kept;
    bool has_value;       /* answers with this one alone: written, read, held or returned */
    u64 value;
    bool damaged;        /* set: the answer is of what comes before the damage */
    struct trace_text text; /* filters; of show the rest, too */
    /* own */
    struct trace_file file;
    const void *opaque; /* of a query */
    struct symbols symbols;
    struct trace_place_text *place_texts; /* NULL: not asked yet, or no memory */
};

/* words[0] is the file; false with a reason. */
bool trace_query_show(struct trace_query *query, struct metic_error *error);
bool trace_query_info(struct trace_query *query, struct metic_error *error);
bool trace_query_run(struct trace_query *query, struct metic_error *error);
bool trace_query_diff(struct trace_query *query, struct metic_error *error);
bool trace_query_check(struct trace_query *query, struct metic_error *error);

/* Between the files of queries: opens the file and reads symbols; and gives it back. */
bool trace_query_open(struct trace_query *query, struct metic_error *error);
void trace_query_close(struct trace_query *query);
/* Whether the section (its number) may have what --from, --to and --hart ask for. */
bool trace_query_in_window(const struct trace_query *query, u32 number);
/* The same, and what --task, --satp and --priv ask for. `file` is the query's, or a view of it. */
bool trace_query_may_have(const struct trace_query *query, struct trace_file *file, u32 number);
/* Decodes the sections that `wanted` names (NULL: all), in order, until the text is full. */
typedef bool trace_wanted_fn(struct trace_query *query, const struct trace_section *section);
bool trace_query_each(struct trace_query *query, const struct trace_callbacks *callbacks,
                      trace_wanted_fn *wanted, struct metic_error *error);
bool trace_query_place(struct trace_query *query, const char *text, u64 *first, u64 *end,
                       struct metic_error *error);

/* --- answers (trace_answer.c) --- */

/* An answer begins with when and where, unless pc is TRACE_NOWHERE; where that ends, another text
 * of up to TRACE_ANSWER_BYTES / 2 may follow. NULL: --from, --to or --limit have it left out. As
 * JSON `event` is its kind, and what follows begins with a comma. */
#define TRACE_NOWHERE (~(u64)0)
char *trace_answer_begin(struct trace_query *query, const struct trace_step *step,
                         const char *event, char text[TRACE_ANSWER_BYTES]);
/* It ends at `end`: it is printed, or kept among the last ones. */
void trace_answer_end(struct trace_query *query, char *text, char *end, u64 order_ns);
static inline bool trace_answer_is_json(const struct trace_query *query)
{
    return query->text.format == TRACE_TEXT_JSON;
}
/* Whether --value leaves it in: by those bits of it that are known. */
static inline bool trace_answer_has(const struct trace_query *query, u64 value, u64 mask)
{
    return !query->has_value || ((value ^ query->value) & mask) == 0;
}
/* ,"name":"0x..." */
char *trace_answer_put_hex(char *to, const char *name, u64 value);
/* In quotes; what may not stand in JSON is `?`, 80 bytes at most of it are told. */
char *trace_answer_put_string(char *to, const char *text);
/* Forgets what is kept. */
void trace_answers_forget(struct trace_query *query);
/* Prints the last ones of what is kept. */
void trace_answers_print(struct trace_query *query);

/* Where [first, end), physical, was mapped, and itself; the caller frees the list. */
bool trace_query_physical(struct trace_query *query, u64 first, u64 end,
                          struct trace_places *places, struct metic_error *error);
/* What the fills of the TLB before --from told of pages, for texts that show physical addresses. */
bool trace_query_known_pages(struct trace_query *query, struct metic_error *error);
bool trace_query_writes(struct trace_query *query, struct metic_error *error);
bool trace_query_reads(struct trace_query *query, struct metic_error *error);
bool trace_query_values(struct trace_query *query, struct metic_error *error);
bool trace_query_calls(struct trace_query *query, struct metic_error *error);
bool trace_query_counts(struct trace_query *query, struct metic_error *error);

#endif
