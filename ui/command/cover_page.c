/* Coverage as a page for a browser (cover_report.h): complete in itself, with nothing to fetch. */
#include "ui/command/cover_report.h"
#include "ui/trace/html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_OPEN_MAX = 20 }; /* more are shown when they are wanted */

static const char head[] =
    "<!doctype html><meta charset=utf-8><title>metic coverage</title><style>"
    "body{font:14px sans-serif;margin:2em;color:#222;background:#fff}pre{font:12px monospace}"
    "table{border-collapse:collapse}td,th{padding:2px 10px;text-align:left}th{cursor:pointer}"
    ".bar{background:#ddd;width:160px;height:10px}.bar i{display:block;height:10px;"
    "background:#3a7}.y{background:#e3f6e8;display:block}.m{background:#fbe3e3;display:block}"
    ".n{color:#777;display:block}small{color:#777}</style><h1>Coverage</h1>\n";

/* Functions whose name has what was typed; a click on a column's name sorts by it. */
static const char script[] =
    "<script>\n"
    "const list=document.querySelector('#functions tbody');\n"
    "document.querySelector('#name').oninput=e=>{const text=e.target.value.toLowerCase();\n"
    "for(const row of list.rows)\n"
    "row.hidden=!row.cells[0].textContent.toLowerCase().includes(text)};\n"
    "document.querySelectorAll('#functions th').forEach((title,n)=>{let up=n!==0;\n"
    "title.onclick=()=>{up=!up;const key=row=>row.cells[n].textContent;\n"
    "const rows=[...list.rows].sort((x,y)=>n===0?key(x).localeCompare(key(y))\n"
    ":parseFloat(key(x))-parseFloat(key(y)));list.append(...(up?rows:rows.reverse()))}});\n"
    "</script>\n";

/* Lines of one file, [0, count) of a list. */
static size_t lines_run(const struct cover_line *lines, size_t count)
{
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        run += lines[i].count != 0;
    }
    return run;
}

static size_t lines_of_file(const struct cover_line *lines, size_t count)
{
    size_t end = 0;
    while (end < count && strcmp(lines[end].file, lines[0].file) == 0) {
        end++;
    }
    return end;
}

static size_t file_count(const struct cover_lines *lines)
{
    size_t files = 0;
    for (size_t i = 0; i < lines->count; files++) {
        i += lines_of_file(&lines->list[i], lines->count - i);
    }
    return files;
}

static void put_source(FILE *to, const struct cover_line *lines, size_t count, bool open)
{
    FILE *source = fopen(lines[0].file, "re");
    size_t run = lines_run(lines, count);
    char *text = NULL;
    size_t room = 0, at = 0;
    fprintf(to, "<details%s><summary>", open ? " open" : "");
    html_put_text(to, lines[0].file);
    fprintf(to, " <small>%zu of %zu lines, %.1f %%%s</small></summary><pre>", run, count,
            cover_percent(run, count), source == NULL ? "; the file is not here" : "");
    for (unsigned number = 1; source != NULL && getline(&text, &room, source) > 0; number++) {
        while (at < count && lines[at].line < number) {
            at++;
        }
        bool known = at < count && lines[at].line == number;
        fprintf(to, "<span class=\"%s\">%8u ", !known ? "n" : lines[at].count != 0 ? "y" : "m",
                number);
        if (known) {
            fprintf(to, "%10" PRIu64 "  ", lines[at].count);
        } else {
            fputs("            ", to);
        }
        html_put_text(to, text);
        fputs("</span>", to);
    }
    free(text);
    if (source != NULL) {
        fclose(source);
    }
    fputs("</pre></details>\n", to);
}

/* What there is of it, and every function. */
static void put_functions(FILE *to, struct cover_report *report, const struct cover_lines *lines)
{
    size_t count, blocks, edges, run = lines_run(lines->list, lines->count);
    struct cover_function *functions = cover_functions(report, &count);
    cover_blocks(report->cover, &blocks);
    cover_edges(report->cover, &edges);
    fprintf(to, "<p>%zu blocks, %zu edges, %zu functions of which something ran", blocks, edges,
            count);
    if (lines->count != 0) {
        fprintf(to, "; %zu of %zu <a href=#lines>source lines</a>, %.1f %%", run, lines->count,
                cover_percent(run, lines->count));
    }
    fputs(".\n<p><input id=name type=search placeholder=\"functions named\">\n"
          "<table id=functions><thead><tr><th>function<th>runs<th>bytes that ran<th></tr></thead>"
          "<tbody>\n", to);
    for (size_t i = 0; functions != NULL && i < count; i++) {
        u64 size = functions[i].end - functions[i].address;
        double part = cover_percent(functions[i].bytes_run, size);
        fputs("<tr><td>", to);
        html_put_text(to, functions[i].name);
        fprintf(to, "<td>%" PRIu64 "<td>%.1f %%<td><div class=bar><i style=\"width:%.0f%%\"></i>"
                    "</div>\n", functions[i].runs, part, part);
    }
    fputs("</tbody></table>\n", to);
    fputs(script, to);
    free(functions);
}

void cover_put_page(FILE *to, struct cover_report *report, const struct cover_lines *lines)
{
    bool open = file_count(lines) <= FILES_OPEN_MAX;
    fputs(head, to);
    put_functions(to, report, lines);
    if (lines->count != 0) {
        fputs("<h2 id=lines>Source lines</h2>\n", to);
    }
    for (size_t i = 0; i < lines->count;) {
        size_t count = lines_of_file(&lines->list[i], lines->count - i);
        put_source(to, &lines->list[i], count, open);
        i += count;
    }
}
