/* See trace_text.h: control transfers, from one step to the next of the same hart. */
#include "ui/trace/trace_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum branch { BRANCH_NONE, BRANCH_CONDITIONAL, BRANCH_JUMP, BRANCH_CALL, BRANCH_RETURN };

static enum branch branch_of(const char *text)
{
    static const struct {
        const char *begins;
        enum branch branch;
    } kinds[] = {
        {"jal ra,", BRANCH_CALL},        {"jalr ra,", BRANCH_CALL}, {"c.jalr ", BRANCH_CALL},
        {"jalr zero,0(ra)", BRANCH_RETURN}, {"c.jr ra", BRANCH_RETURN}, {"jal", BRANCH_JUMP},
        {"c.j ", BRANCH_JUMP},           {"c.jr ", BRANCH_JUMP},    {"mret", BRANCH_RETURN},
        {"sret", BRANCH_RETURN},         {"beq ", BRANCH_CONDITIONAL},
        {"bne ", BRANCH_CONDITIONAL},    {"blt ", BRANCH_CONDITIONAL},
        {"bge ", BRANCH_CONDITIONAL},    {"bltu ", BRANCH_CONDITIONAL},
        {"bgeu ", BRANCH_CONDITIONAL},   {"c.beqz ", BRANCH_CONDITIONAL},
        {"c.bnez ", BRANCH_CONDITIONAL},
    };
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strncmp(text, kinds[i].begins, strlen(kinds[i].begins)) == 0) {
            return kinds[i].branch;
        }
    }
    return BRANCH_NONE;
}

bool trace_branch_is_told(struct trace_text *text, unsigned stream, u64 insns, u64 pc,
                          struct trace_branch *told)
{
    struct trace_branch *last = &text->last_branch[stream];
    if (!last->is_branch) {
        return false;
    }
    last->is_branch = false;
    *told = *last;
    told->left = last->insns + 1 != insns;
    told->to = told->left ? last->target : pc;
    return true;
}

void trace_branch_step(struct trace_text *text, const struct trace_step *step)
{
    char code[128];
    metic_disassemble(step->pc, step->code, step->bytes, code, sizeof(code));
    code[strcspn(code, "\t")] = ' ';
    enum branch branch = branch_of(code);
    const char *direct = strstr(code, "0x");
    bool is_direct = (branch == BRANCH_JUMP || branch == BRANCH_CALL) &&
                     (strncmp(code, "jal ", 4) == 0 || strncmp(code, "c.j ", 4) == 0);
    text->last_branch[step->stream] = (struct trace_branch){
        .is_branch = branch != BRANCH_NONE, .conditional = branch == BRANCH_CONDITIONAL,
        .name = branch == BRANCH_CALL ? "call" : branch == BRANCH_RETURN ? "return" : "jump",
        .insns = step->insns, .from = step->pc, .behind = step->pc + step->bytes,
        .privilege = step->privilege,
        .target = is_direct && direct != NULL ? strtoull(direct, NULL, 0) : 0,
        .ns = trace_step_ns(step, text->counts_ns) + text->counts_ns,
    };
}

/* One of which it is not known where it went. */
static void print_left(const struct trace_text *text, unsigned stream, const struct trace_branch *b,
                       const char *what, const char *from)
{
    if (text->format == TRACE_TEXT_JSON) {
        fprintf(text->to, "{\"event\":\"branch\",\"hart\":%u,\"insns\":%" PRIu64
                ",\"priv\":\"%s\",\"from\":\"0x%" PRIx64 "\",\"to\":null,\"kind\":\"%s\"}\n",
                stream, b->insns, trace_privilege(b->privilege), b->from, what);
        return;
    }
    fprintf(text->to, "%u %10" PRIu64 " %s %016" PRIx64 " %s: %s, to what was not recorded\n",
            stream, b->insns, trace_privilege(b->privilege), b->from, from, what);
}

void trace_branch_print(struct trace_text *text, unsigned stream, const struct trace_branch *b)
{
    char from[160] = "", to[160] = "";
    const char *what = !b->conditional ? b->name
                       : b->left ? "branch" : b->to == b->behind ? "not taken" : "taken";
    if (text->symbols != NULL) {
        symbols_print(text->symbols, b->from, from, sizeof(from));
        symbols_print(text->symbols, b->to, to, sizeof(to));
    }
    if (text->format == TRACE_TEXT_CHROME) {
        if (b->left) { /* a call's slice would have no end, and a return's no beginning */
            return;
        }
        bool call = strcmp(what, "call") == 0;
        if (call || strcmp(what, "return") == 0) {
            if (to[0] == '\0') {
                snprintf(to, sizeof(to), "0x%" PRIx64, b->to);
            }
            if (trace_text_slice(text, stream, b->ns, call ? 'B' : 'E', call ? to : "return")) {
                fputc('}', text->to);
            }
        }
        return;
    }
    if (b->left && b->to == 0) {
        print_left(text, stream, b, what, from);
        return;
    }
    if (text->format == TRACE_TEXT_JSON) {
        fprintf(text->to, "{\"event\":\"branch\",\"hart\":%u,\"insns\":%" PRIu64
                ",\"priv\":\"%s\",\"from\":\"0x%" PRIx64 "\",\"to\":\"0x%" PRIx64
                "\",\"kind\":\"%s\"}\n", stream, b->insns, trace_privilege(b->privilege), b->from,
                b->to, what);
        return;
    }
    fprintf(text->to, "%u %10" PRIu64 " %s %016" PRIx64 " %s: %s, to %016" PRIx64 " %s\n", stream,
            b->insns, trace_privilege(b->privilege), b->from, from, what, b->to, to);
}
