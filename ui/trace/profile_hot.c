/* See profile_hot.h. */
#include "ui/trace/profile_hot.h"

#include "ui/trace/html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE = 1 << 14, SHOWN_FROM = 4 }; /* a listing is made when it has so many samples */

void profile_hots_fini(struct profile_hots *hots)
{
    for (unsigned i = 0; hots->list != NULL && i < TABLE; i++) {
        free(hots->list[i].insns);
        free(hots->list[i].guest);
        free(hots->list[i].host);
    }
    free(hots->list);
}

/* Its entry, or a free one for it; NULL when the table is nearly full. */
static struct profile_hot *find(struct profile_hots *hots, const struct metic_running *running,
                                const char *task)
{
    if (hots->list == NULL) {
        hots->list = calloc(TABLE, sizeof(*hots->list));
    }
    u64 hash = (running->head ^ (u64)(uintptr_t)task ^ (u64)running->trace << 62) *
               0x9e3779b97f4a7c15u >> 40;
    for (u64 i = hash;; i++) {
        struct profile_hot *at = hots->list != NULL ? &hots->list[i % TABLE] : NULL;
        if (at == NULL || (at->count == 0 && hots->used > TABLE / 4 * 3)) {
            return NULL;
        }
        if (at->count == 0 || (at->head == running->head && at->trace == running->trace &&
                               at->task == task)) {
            return at;
        }
    }
}

static void count_insn(struct profile_hot *hot, u64 pc)
{
    unsigned n = 0;
    while (n < hot->insn_count && hot->insns[n].pc != pc) {
        n++;
    }
    if (n == hot->insn_room) {
        unsigned room = hot->insn_room * 2 + 8;
        void *bigger = realloc(hot->insns, room * sizeof(*hot->insns));
        if (bigger == NULL) {
            return;
        }
        hot->insns = bigger;
        hot->insn_room = room;
    }
    if (n == hot->insn_count) {
        hot->insns[hot->insn_count++] = (struct profile_hot_insn){pc, 0};
    }
    hot->insns[n].count++;
}

/* One stage of the running code as text without its title; malloc'ed, or NULL. */
static char *show(metic_machine *machine, unsigned hart, const char *stage)
{
    char *text = NULL;
    size_t bytes;
    struct metic_running running;
    FILE *to = open_memstream(&text, &bytes);
    if (to == NULL) {
        return NULL;
    }
    bool good = metic_show_running(machine, hart, stage, to, &running);
    fclose(to);
    char *lines = good && text != NULL ? strchr(text, '\n') : NULL;
    if (lines == NULL) {
        free(text);
        return NULL;
    }
    memmove(text, lines + 1, strlen(lines + 1) + 1);
    return text;
}

struct profile_hot *profile_hot_count(struct profile_hots *hots, metic_machine *machine,
                                      const struct metic_sample *sample,
                                      const struct metic_running *running, const char *task)
{
    struct profile_hot *hot = find(hots, running, task);
    if (hot == NULL) {
        hots->elsewhere++;
        return NULL;
    }
    if (hot->count++ == 0) {
        hots->used++;
        hot->head = running->head;
        hot->trace = running->trace;
        hot->task = task;
    }
    count_insn(hot, sample->stack[0]);
    if (hot->count == SHOWN_FROM) {
        hot->guest = show(machine, sample->hart, "decode");
        hot->host = show(machine, sample->hart, "host");
    }
    return hot;
}

unsigned profile_hot_most(struct profile_hots *hots, struct profile_hot **most, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; hots->list != NULL && i < TABLE; i++) {
        struct profile_hot *hot = &hots->list[i];
        unsigned at = found;
        while (at > 0 && most[at - 1]->count < hot->count) {
            at--;
        }
        if (hot->guest == NULL || at == count) {
            continue;
        }
        found += found < count;
        memmove(&most[at + 1], &most[at], (found - 1 - at) * sizeof(*most));
        most[at] = hot;
    }
    return found;
}

/* Each instruction's samples stand where it is first listed: a trace may have it several times. */
static void write_guest(struct profile_hot *hot, FILE *to)
{
    u64 left = hot->count;
    fputs("<pre>", to);
    for (const char *at = hot->guest; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        u64 pc = strtoull(at, NULL, 16), count = 0;
        for (unsigned i = 0; i < hot->insn_count; i++) {
            if (hot->insns[i].pc == pc) {
                count = hot->insns[i].count;
                hot->insns[i].count = 0;
            }
        }
        left -= count;
        char line[160], number[24] = "";
        snprintf(line, sizeof(line), "%.*s\n", (int)length, at);
        if (count != 0) {
            snprintf(number, sizeof(number), "%" PRIu64, count);
        }
        fprintf(to, "%7s", number);
        html_put_text(to, line);
        at += length + (at[length] != '\0');
    }
    if (left != 0) {
        fprintf(to, "%7" PRIu64 "  beside it, between its first address and its last\n", left);
    }
    fputs("</pre>", to);
}

void profile_hot_write(struct profile_hot *hot, FILE *to)
{
    fputs("<div class=side>", to);
    write_guest(hot, to);
    if (hot->host != NULL) {
        fputs("<pre>", to);
        html_put_text(to, hot->host);
        fputs("</pre>", to);
    }
    fputs("</div>\n", to);
}
