/* A line that is typed at a terminal in raw mode: insertion, Backspace, Ctrl-U, Ctrl-W, arrows, a
 * history, and Tab. What is typed is not trusted to be UTF-8 or to end. */
#ifndef METIC_UI_LINE_EDIT_H
#define METIC_UI_LINE_EDIT_H

#include "cpu/base/types.h"

#include <stdio.h>

enum { LINE_EDIT_BYTES = 256, LINE_EDIT_HISTORY = 32 };

enum line_edit_result { LINE_EDIT_MORE, LINE_EDIT_LINE, LINE_EDIT_END };

struct line_edit {
    const char *prompt;
    /* The number-th way to complete the line's beginning, whole, or NULL. */
    const char *(*complete)(const char *beginning, unsigned number);
    char line[LINE_EDIT_BYTES]; /* with a final zero */
    unsigned length, cursor;
    char history[LINE_EDIT_HISTORY][LINE_EDIT_BYTES];
    unsigned history_count, history_at; /* lines so far; the one shown, or history_count */
    unsigned escape; /* bytes of an escape sequence so far */
};

/* Shows an empty line. */
void line_edit_begin(struct line_edit *edit, FILE *to);
/* The line is shown again, after something else was printed. */
void line_edit_show(const struct line_edit *edit, FILE *to);
/* Takes one byte; what changes is printed. LINE: edit->line is complete; the next byte begins
 * another, after line_edit_begin. END: Ctrl-D on an empty line. */
enum line_edit_result line_edit_key(struct line_edit *edit, u8 key, FILE *to);

#endif
