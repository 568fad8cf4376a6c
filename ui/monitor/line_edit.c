/* See line_edit.h. */
#include "ui/monitor/line_edit.h"

#include "cpu/base/bits.h"

#include <string.h>

enum {
    KEY_CTRL_C = 3,
    KEY_CTRL_D = 4,
    KEY_CTRL_E = 5,
    KEY_BACKSPACE = 8,
    KEY_TAB = 9,
    KEY_ENTER = 10,
    KEY_CTRL_L = 12,
    KEY_RETURN = 13,
    KEY_CTRL_U = 21,
    KEY_CTRL_W = 23,
    KEY_ESCAPE = 27,
    KEY_DELETE = 127,
};

void line_edit_show(const struct line_edit *edit, FILE *to)
{
    fprintf(to, "\r\033[K%s%s", edit->prompt, edit->line);
    if (edit->cursor < edit->length) {
        fprintf(to, "\033[%uD", edit->length - edit->cursor);
    }
    fflush(to);
}

static void set_line(struct line_edit *edit, const char *text)
{
    snprintf(edit->line, sizeof(edit->line), "%s", text);
    edit->length = edit->cursor = (unsigned)strlen(edit->line);
}

void line_edit_begin(struct line_edit *edit, FILE *to)
{
    set_line(edit, "");
    edit->history_at = edit->history_count;
    edit->escape = 0;
    line_edit_show(edit, to);
}

/* Takes away what is between `from` and the cursor. */
static void erase_from(struct line_edit *edit, unsigned from)
{
    memmove(edit->line + from, edit->line + edit->cursor, edit->length - edit->cursor + 1);
    edit->length -= edit->cursor - from;
    edit->cursor = from;
}

static void erase_word(struct line_edit *edit)
{
    unsigned from = edit->cursor;
    while (from > 0 && edit->line[from - 1] == ' ') {
        from--;
    }
    while (from > 0 && edit->line[from - 1] != ' ') {
        from--;
    }
    erase_from(edit, from);
}

static void insert(struct line_edit *edit, u8 key)
{
    if (edit->length + 1 < sizeof(edit->line)) {
        memmove(edit->line + edit->cursor + 1, edit->line + edit->cursor,
                edit->length - edit->cursor + 1);
        edit->line[edit->cursor++] = (char)key;
        edit->length++;
    }
}

static void remember(struct line_edit *edit)
{
    if (edit->length > 0) {
        memcpy(edit->history[edit->history_count++ % LINE_EDIT_HISTORY], edit->line,
               sizeof(edit->line));
    }
}

static void go_through_history(struct line_edit *edit, bool back)
{
    unsigned oldest = edit->history_count > LINE_EDIT_HISTORY
                          ? edit->history_count - LINE_EDIT_HISTORY : 0;
    if (back ? edit->history_at == oldest : edit->history_at == edit->history_count) {
        return;
    }
    edit->history_at = back ? edit->history_at - 1 : edit->history_at + 1;
    set_line(edit, edit->history_at == edit->history_count
                       ? "" : edit->history[edit->history_at % LINE_EDIT_HISTORY]);
}

/* As far as all ways agree; when that adds nothing, the ways are listed. */
static void complete(struct line_edit *edit, FILE *to)
{
    const char *first = edit->complete != NULL ? edit->complete(edit->line, 0) : NULL;
    if (first == NULL || edit->cursor != edit->length) {
        return;
    }
    size_t same = strlen(first);
    const char *way;
    unsigned count = 1;
    for (; (way = edit->complete(edit->line, count)) != NULL; count++) {
        size_t agree = 0;
        while (agree < same && way[agree] == first[agree]) {
            agree++;
        }
        same = agree;
    }
    if (same > edit->length && same + 1 < sizeof(edit->line)) {
        char text[LINE_EDIT_BYTES];
        snprintf(text, sizeof(text), "%.*s%s", (int)same, first, count == 1 ? " " : "");
        set_line(edit, text);
        return;
    }
    fputc('\n', to);
    for (unsigned i = 0; count > 1 && (way = edit->complete(edit->line, i)) != NULL; i++) {
        fprintf(to, "%s\n", way);
    }
}

/* ESC [ A and its like; ESC O A from some terminals. */
static void escape_key(struct line_edit *edit, u8 key)
{
    if (edit->escape == 1) {
        edit->escape = key == '[' || key == 'O' ? 2 : 0;
        return;
    }
    if (key >= '0' && key <= '?') {
        return; /* parameters */
    }
    edit->escape = 0;
    switch (key) {
    case 'A': go_through_history(edit, true); break;
    case 'B': go_through_history(edit, false); break;
    case 'C': edit->cursor += edit->cursor < edit->length; break;
    case 'D': edit->cursor -= edit->cursor > 0; break;
    case 'H': edit->cursor = 0; break;
    case 'F': edit->cursor = edit->length; break;
    default: break;
    }
}

enum line_edit_result line_edit_key(struct line_edit *edit, u8 key, FILE *to)
{
    if (edit->escape != 0) {
        escape_key(edit, key);
        line_edit_show(edit, to);
        return LINE_EDIT_MORE;
    }
    switch (key) {
    case KEY_RETURN:
    case KEY_ENTER:
        remember(edit);
        fputc('\n', to);
        return LINE_EDIT_LINE;
    case KEY_CTRL_D:
        if (edit->length == 0) {
            return LINE_EDIT_END;
        }
        break;
    case KEY_BACKSPACE:
    case KEY_DELETE: erase_from(edit, edit->cursor - (edit->cursor > 0)); break;
    case KEY_CTRL_C:
        fputs("^C\n", to);
        set_line(edit, "");
        break;
    case KEY_CTRL_E: edit->cursor = edit->length; break;
    case KEY_CTRL_L: fputs("\033[H\033[2J", to); break;
    case KEY_CTRL_U: erase_from(edit, 0); break;
    case KEY_CTRL_W: erase_word(edit); break;
    case KEY_TAB: complete(edit, to); break;
    case KEY_ESCAPE: edit->escape = 1; return LINE_EDIT_MORE;
    default:
        if (key >= ' ') {
            insert(edit, key);
        }
        break;
    }
    line_edit_show(edit, to);
    return LINE_EDIT_MORE;
}
