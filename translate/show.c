/* The printed forms of one block at every stage of the pipeline, and who is told of new code. */
#include "cpu/base/arena.h"
#include "cpu/memory.h"
#include "translate/engine.h"
#include "translate/engine_private.h"
#include "translate/tier2.h"

#include <string.h>

/* Of a trace, or of a block in the page that the hart is in. */
static gva_t head_of(const struct vcpu *vcpu, const struct block *block)
{
    return block->circle != NULL ? block->circle->runs[0].pc
                                 : (vcpu->pc & PAGE_MASK) | (block->gpa & PAGE_OFFSET_MASK);
}

void pipeline_code_made(const struct vcpu *vcpu, const struct block *block,
                        const struct host_request *request, const struct host_result *result)
{
    const struct engine_code_listener *listener = &vcpu->engine->code_listener;
    const struct engine_code code = {
        .pc = head_of(vcpu, block),
        .cold = request->cold_exec, .cold_bytes = result->cold_bytes,
        .places = request->places, .place_count = result->place_count,
    };
    listener->made(listener->opaque, vcpu, block, &code);
}

static bool wanted(const char *stages, const char *stage)
{
    size_t length = strlen(stage);
    for (const char *at = strstr(stages, stage); at != NULL; at = strstr(at + 1, stage)) {
        bool starts = at == stages || at[-1] == ',';
        bool ends = at[length] == '\0' || at[length] == ',';
        if (starts && ends) {
            return true;
        }
    }
    return false;
}

static void show_ir(const struct ir *ir, const char *title, FILE *to)
{
    fprintf(to, "%s:\n", title);
    for (unsigned i = 0; i < ir->count; i++) {
        if (!ir->insns[i].dead) {
            char text[256];
            ir_print_insn(ir, i, text, sizeof(text));
            fprintf(to, "  %s\n", text);
        }
    }
}

/* One instruction; its length in bytes. */
static unsigned show_insn(const struct guest *guest, gva_t pc, const u8 *bytes,
                          unsigned available_bytes, FILE *to)
{
    char text[128];
    unsigned length = guest->disassemble(pc, bytes, available_bytes, text, sizeof(text));
    u64 word = ld_le(bytes, length == 2 ? 2 : 4);
    fprintf(to, "  %16llx: %0*llx%*s %s\n", (unsigned long long)pc, (int)(2 * length),
            (unsigned long long)word, length == 2 ? 4 : 0, "", text);
    return length;
}

static void show_decode(const struct guest *guest, gva_t pc, const u8 *bytes, unsigned count_bytes,
                        FILE *to)
{
    fprintf(to, "decode:\n");
    for (unsigned at = 0; at < count_bytes;) {
        at += show_insn(guest, pc + at, bytes + at, count_bytes - at, to);
    }
}

/* A trace's instructions in the order of its path, which engine->ir has; lock held. */
static void show_path(struct engine *engine, gva_t pc, const struct block *block, FILE *to)
{
    fprintf(to, "decode:\n");
    for (unsigned i = 0; i < engine->ir->count; i++) {
        const struct ir_insn *insn = &engine->ir->insns[i];
        if (insn->op == IR_INSN) {
            u64 offset = insn->imm & PAGE_OFFSET_MASK;
            unsigned available = PAGE_BYTES - offset < 4 ? 2 : 4;
            gpa_t gpa = trace_page(block, (s64)insn->imm) | offset;
            show_insn(engine->guest, (pc & PAGE_MASK) + insn->imm,
                      memory_host_any_mode(engine->memory, gpa, available), available, to);
        }
    }
}

static void show_line(void *opaque, u64 address, const char *text)
{
    fprintf(opaque, "  %llx: %s\n", (unsigned long long)address, text);
}

void engine_prepare_show(struct engine *engine)
{
    if (engine->host != NULL) {
        engine->host->disassemble(NULL, 0, 0, NULL, NULL);
    }
}

bool engine_show(struct vcpu *vcpu, gva_t pc, const char *stages, FILE *to,
                 struct metic_error *error)
{
    struct engine *engine = vcpu->engine;
    u64 saved_pc = vcpu->pc;
    vcpu->pc = pc;
    struct pipeline_view view = { 0 };
    bool found = pipeline_view(vcpu, &view, NULL, show_ir);
    bool is_trace = found && view.block != NULL && view.block->circle != NULL;
    if (is_trace && wanted(stages, "decode")) {
        pthread_mutex_lock(&engine->lock);
        show_path(engine, pc, view.block, to);
        pthread_mutex_unlock(&engine->lock);
    } else if (found && wanted(stages, "decode")) {
        show_decode(engine->guest, pc, view.source, view.source_bytes, to);
    }
    if (found && wanted(stages, "ir")) {
        found = pipeline_view(vcpu, &view, to, show_ir);
    }
    vcpu->pc = saved_pc;
    vcpu->exception_pending = 0;
    if (!found) {
        return error_set(error, "give an address that is mapped and executable now",
                         "there is no code at 0x%llx", (unsigned long long)pc);
    }
    if (wanted(stages, "opt")) {
        pthread_mutex_lock(&engine->lock);
        show_ir(engine->ir, "opt", to);
        pthread_mutex_unlock(&engine->lock);
    }
    if (wanted(stages, "host") && view.block != NULL && view.block->host != NULL) {
        fprintf(to, "host:\n");
        engine->host->disassemble(view.block->host, view.block->host_bytes,
                                  (u64)(uintptr_t)view.block->host, show_line, to);
    }
    return true;
}

/* --- of running code --- */

static bool may_run(const struct vcpu *vcpu, const struct block *block)
{
    return !block->dead && block->mode == vcpu->mode &&
           (block->gva_page == 0 || block->gva_page == (vcpu->pc & PAGE_MASK));
}

static bool covers(const struct block *block, gpa_t gpa)
{
    return gpa - (block->gpa - block->before_bytes) < block->length_bytes;
}

/* A trace, where there is one: it is what runs. Else the block that begins last before it. */
static const struct block *find_covering(const struct vcpu *vcpu, gpa_t gpa)
{
    const struct code_page *page = block_page_find(&vcpu->engine->blocks, gpa & PAGE_MASK);
    u64 offset = gpa & PAGE_OFFSET_MASK;
    const struct block *best = NULL;
    for (const struct block *at = page != NULL ? page->blocks : NULL; at != NULL;
         at = at->page_next) {
        if (!may_run(vcpu, at) || !covers(at, gpa)) {
            continue;
        }
        if (at->circle != NULL) {
            return at;
        }
        best = best == NULL || at->gpa > best->gpa ? at : best;
    }
    for (const struct block_part *part = page != NULL ? page->parts : NULL; part != NULL;
         part = part->next) {
        if (may_run(vcpu, part->block) && offset - part->first < part->bytes) {
            return part->block;
        }
    }
    return best;
}

bool engine_show_running(struct vcpu *vcpu, const char *stages, FILE *to,
                         struct engine_running *running)
{
    struct engine *engine = vcpu->engine;
    struct fetched fetched;
    if (!pipeline_fetch_plain(vcpu, &fetched)) {
        return false;
    }
    pthread_mutex_lock(&engine->lock);
    const struct block *block = find_covering(vcpu, fetched.gpa);
    if (block == NULL) {
        pthread_mutex_unlock(&engine->lock);
        return false;
    }
    *running = (struct engine_running){head_of(vcpu, block), block->circle != NULL};
    if (wanted(stages, "decode") && running->trace) {
        trace_view(engine, block, true);
        show_path(engine, running->head, block, to);
    } else if (wanted(stages, "decode")) {
        unsigned length_bytes = block->length_bytes;
        show_decode(engine->guest, running->head,
                    memory_host_any_mode(engine->memory, block->gpa, length_bytes), length_bytes,
                    to);
    }
    if (wanted(stages, "host") && block->host != NULL) {
        fprintf(to, "host:\n");
        engine->host->disassemble(block->host, block->host_bytes, (u64)(uintptr_t)block->host,
                                  show_line, to);
    }
    pthread_mutex_unlock(&engine->lock);
    return true;
}
