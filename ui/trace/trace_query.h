/* Questions to trace stores, and their answers on standard output. */
#ifndef METIC_UI_TRACE_QUERY_H
#define METIC_UI_TRACE_QUERY_H

#include "ui/trace/trace_file.h"
#include "ui/trace/trace_text.h"

enum { TRACE_ANSWER_BYTES = 512, TRACE_PLACE_BYTES = 160 };

/* The text of an address, which answers have again and again. */
struct trace_place_text {
    u64 address;
    size_t bytes; /* 0: none */
    char text[TRACE_PLACE_BYTES];
};

struct trace_query {
    const char *words[4];
    unsigned word_count;
    const char *symbol_files[8];
    unsigned symbol_file_count;
    const char *function;
    bool instructions; /* of a trace that was recorded for its branches */
    const char *of_show; /* an option of show's that was given, or NULL */
    struct trace_who who; /* --task, --satp, --priv */
    u64 last;             /* of the answers that many, the last ones; 0: all */
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
/* Prints where and when, unless --from, --to or --limit have it left out: then false. */
bool trace_query_told(struct trace_query *query, const struct trace_step *step);
/* The same, which another text of up to TRACE_ANSWER_BYTES / 2 may follow, to `text`: where it
 * ends, or NULL. */
char *trace_query_tell(struct trace_query *query, const struct trace_step *step,
                       char text[TRACE_ANSWER_BYTES]);
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
