/* The printed forms of one block at every stage of the pipeline, and the engine's statistics. */
#include "cpu/base/arena.h"
#include "cpu/memory.h"
#include "translate/engine.h"
#include "translate/engine_private.h"

#include <string.h>

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

static void show_decode(const struct guest *guest, gva_t pc, const u8 *bytes, unsigned count_bytes,
                        FILE *to)
{
    fprintf(to, "decode:\n");
    for (unsigned at = 0; at < count_bytes;) {
        char text[128];
        unsigned length = guest->disassemble(pc + at, bytes + at, count_bytes - at, text,
                                             sizeof(text));
        u64 word = ld_le(bytes + at, length == 2 ? 2 : 4);
        fprintf(to, "  %16llx: %0*llx%*s %s\n", (unsigned long long)(pc + at),
                (int)(2 * length), (unsigned long long)word, length == 2 ? 4 : 0, "", text);
        at += length;
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
    if (found && wanted(stages, "decode")) {
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
