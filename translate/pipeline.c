/* From a guest pc to a block: fetch, decode, lower, (verify), optimise, compile, publish, link.
 *
 * The engine's lock is held from the second look-up of a block to its publication; the IR builder,
 * the host's scratch memory and the code buffer are shared by all harts under it. */
#include "cpu/base/arena.h"
#include "cpu/base/host_time.h"
#include "cpu/base/zeros.h"
#include "cpu/fpu.h"
#include "cpu/memory.h"
#include "translate/commit_log.h"
#include "translate/engine.h"
#include "translate/engine_private.h"
#include "translate/opt/dead.h"
#include "translate/opt/gather.h"
#include "translate/probe/probe.h"
#include "translate/softmmu.h"
#include "translate/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_CODE_BYTES = 256 << 20,
    MIN_CODE_BYTES = 24 << 10, /* holds a block, if a short one; half of it its cold part */
    MAX_ARENA_BYTES = 256 << 20,
    SOURCE_MAX_BYTES = 4 * ENGINE_DEFAULT_BLOCK_INSNS + 4 * 16, /* block plus lr/sc look-ahead */
    MAX_EXITS = 4 * ENGINE_DEFAULT_BLOCK_INSNS,
    MAX_PLACES = 1024,
};

_Static_assert((int)BLOCK_MAX_LINKS <= (int)HOST_LINKS, "every link has a number");

/* The guest bytes a block is made from: a snapshot, since another hart may be writing them. */
struct source {
    gpa_t gpa;
    gpa_t second_page;
    const struct code_page *page; /* knows where other blocks begin, or NULL */
    bool ran;           /* from its bytes: the page knows how it went on behind branches */
    u32 offset;         /* of the first byte in its page */
    bool fixed;         /* the block's virtual page is known */
    unsigned bytes;     /* in the snapshot; an instruction may need more than there are */
    u8 data[SOURCE_MAX_BYTES];
};

static void source_read(const struct engine *engine, const struct fetched *fetched,
                        struct source *source)
{
    source->gpa = fetched->gpa;
    source->second_page = fetched->second_page;
    source->offset = (u32)(fetched->gpa & PAGE_OFFSET_MASK);
    source->page = NULL;
    source->ran = false;
    source->fixed = fetched->gva_page != 0;
    source->bytes = (unsigned)PAGE_BYTES - source->offset;
    if (source->bytes > SOURCE_MAX_BYTES) {
        source->bytes = SOURCE_MAX_BYTES;
    }
    memcpy(source->data, memory_host_any_mode(engine->memory, fetched->gpa, source->bytes),
           source->bytes);
    if (fetched->second_page != BLOCK_NO_PAGE) {
        unsigned more = engine_pairs_over_pages(engine) ? (unsigned)FRONT_SIGHT_BYTES : 2;
        memcpy(source->data + source->bytes,
               memory_host_any_mode(engine->memory, fetched->second_page, more), more);
        source->bytes += more;
    }
}

/* Ends the source before the next address that must have no block. */
static void source_cut(const struct engine *engine, struct source *source)
{
    if (LIKELY(engine->debug.bare_count == 0) || source->second_page != BLOCK_NO_PAGE) {
        return;
    }
    char text[8];
    unsigned first = engine->guest->disassemble(0, source->data, source->bytes, text,
                                                sizeof(text));
    source->bytes = debug_cut(engine, source->gpa, source->bytes, first);
}

/* --- lower --- */

struct lowered {
    unsigned bytes, insns;
    bool polls; /* begins with a POLL */
};

/* True where the block should end: another block of the page begins there, so that what follows is
 * translated already; or, of code that tier 0 ran, where that came by a jump, so that a block is
 * going to begin there; or behind a branch that was taken whenever tier 0 came there. */
static ALWAYS_INLINE bool ends_at(const struct source *source, const struct ir *ir, u32 offset)
{
    if (source->page == NULL || offset >= PAGE_BYTES) {
        return false;
    }
    bool behind_branch = ir->insns[ir->count - 1].op == IR_EXIT_IF;
    return block_began(source->page, offset) ||
           (source->ran && (block_runs(source->page, offset) == 0) == behind_branch);
}

/* Fills engine->ir with at most max_insns instructions (more only to finish an lr/sc pair). */
static struct lowered lower_block(struct engine *engine, const struct source *source, u32 mode,
                                  unsigned max_insns)
{
    struct lowered done = { 0 };
    struct lower l;
    front_begin(engine, mode, &l);
    for (;;) {
        l.offset = source->offset + done.bytes;
        l.gpa = source->gpa + done.bytes;
        l.begins = done.insns == 0;
        l.rest = source->data + done.bytes;
        l.rest_bytes = source->bytes - done.bytes;
        unsigned length = engine->front->lower_insn(&l);
        if (length == 0) {
            break; /* the page (or the snapshot) ends inside this instruction */
        }
        done.bytes += length;
        done.insns++;
        if (l.ended || engine->ir->overflow) {
            return done;
        }
        bool cut = done.insns >= max_insns ||
                   ends_at(source, engine->ir, (u32)l.offset + length);
        if ((cut && l.open_lr.value == IR_REF_NONE) || done.bytes == source->bytes) {
            break;
        }
    }
    CHECK(done.insns > 0);
    ir_jump(engine->ir, (s64)(source->offset + done.bytes));
    return done;
}

/* Tells the POLL at the start of an exact-deadline block how long the block became. */
void pipeline_set_poll(struct ir *ir, unsigned insns)
{
    for (unsigned i = 0; i < ir->count; i++) {
        if (ir->insns[i].op == IR_POLL) {
            ir->insns[i].imm = insns;
            return;
        }
    }
}

void pipeline_check_ir(const struct engine *engine, const struct ir *ir)
{
    char why[256];
    bool well_formed = !engine->options.verify || ir_verify(ir, why, sizeof(why));
    if (!well_formed) {
        char text[256];
        fprintf(stderr, "metic: ill-formed IR: %s\n", why);
        for (unsigned i = 0; i < ir->count; i++) {
            ir_print_insn(ir, i, text, sizeof(text));
            fprintf(stderr, "  %s\n", text);
        }
    }
    CHECK(well_formed);
}

/* Lowers a block that runs at `gva_page`, with probes where something is watched. */
static struct lowered lower_watched(struct engine *engine, const struct source *source, u32 mode,
                                    gva_t gva_page, unsigned max_insns)
{
    struct lowered done = lower_block(engine, source, mode, max_insns);
    if (UNLIKELY(engine->probe != NULL)) {
        struct probe_source watched = {
            .bytes = source->data, .first = source->offset,
            .gpa_page = source->gpa & PAGE_MASK, .gva_page = gva_page, .mode = mode,
            .fixed = source->fixed,
        };
        probe_instrument(engine, &watched);
    }
    return done;
}

/* Whether somebody hears of each access to memory. */
static bool tells_memory(const struct engine *engine)
{
    return (engine->ops.events >> VCPU_EVENT_MEMORY & 1) != 0;
}

/* What host code may do at once, an instruction that runs by itself may not. */
static void optimise(struct engine *engine, bool drop)
{
    bool watched = probe_tells_accesses(engine->probe) || engine->commit_log != NULL ||
                   tells_memory(engine);
    pipeline_check_ir(engine, engine->ir);
    if (engine->options.kind == ENGINE_JIT && !watched) {
        opt_gather(engine->ir, engine->vcpu_count == 1);
        pipeline_check_ir(engine, engine->ir);
    }
    if (drop) {
        opt_dead(engine->ir);
        pipeline_check_ir(engine, engine->ir);
    }
}

void pipeline_optimise(struct engine *engine)
{
    optimise(engine, true);
}

/* Lowers; cuts the block shorter until it fits the IR array. */
static struct lowered make_ir(struct engine *engine, const struct source *source, u32 mode,
                              gva_t gva_page, unsigned max_insns)
{
    struct lowered done = lower_watched(engine, source, mode, gva_page, max_insns);
    while (engine->ir->overflow) {
        CHECK(done.insns > 1);
        done = lower_watched(engine, source, mode, gva_page, done.insns / 2);
    }
    if (mode & VCPU_MODE_COUNT) {
        pipeline_set_poll(engine->ir, done.insns);
    }
    return done;
}

/* --- compile --- */

/* Called by block.c under the lock. */
static void patch_link(void *opaque, struct link *link, struct block *to)
{
    struct engine *engine = opaque;
    if (engine->host == NULL) {
        return;
    }
    const u8 *exec = engine->code.exec + link->patch_offset;
    const u8 *target = to != NULL ? to->host : engine->code.exec + link->stub_offset;
    engine->host->patch_link(codebuf_write_alias(&engine->code, exec), exec, target);
}

/* Compiles engine->ir for `block`. Whether dynamic rounding is a mode the host has is part of the
 * block's key through the guest's mode bits, so asking the hart that compiles is enough. */
enum host_status pipeline_compile(const struct vcpu *vcpu, struct block *block,
                                  const struct host_ways *ways)
{
    struct engine *engine = vcpu->engine;
    struct host_exit exits[MAX_EXITS];
    struct codebuf *code = &engine->code;
    codebuf_ahead(code);
    struct host_request request = {
        .context = &engine->host_context,
        .ir = engine->ir,
        .write = code->write + code->used_bytes,
        .exec = code->exec + code->used_bytes,
        .room_bytes = codebuf_room(code),
        .cold_write = code->write + code->cold_end,
        .cold_exec = code->exec + code->cold_end,
        .cold_room_bytes = codebuf_cold_room(code),
        .flags = (vcpu->fpu_round < FPU_RMM ? HOST_DYN_ROUNDING : 0u) |
                 (engine->vcpu_count == 1 ? HOST_ONE_HART : 0u) |
                 (engine->options.private_memory ? HOST_PRIVATE : 0u) |
                 (tells_memory(engine) ? HOST_WATCHED : 0u) |
                 (engine->guest->reads_linear(vcpu) ? HOST_LINEAR : 0u) |
                 (engine->options.no_links ? HOST_NO_SELF_LINK : 0u) |
                 (block->circle != NULL ? HOST_TRACE : 0u) |
                 (block->circle != NULL && block->circle->open ? HOST_OPEN : 0u) |
                 (block->circle != NULL && tier2_is_steady(block->circle) ? HOST_STEADY : 0u) |
                 (block->circle != NULL && tier2_is_long(block->circle) ? HOST_LONG : 0u),
        .vcpu = vcpu,
        .scratch = engine->host_scratch,
        .alloc_link = pipeline_alloc_link,
        .opaque = engine,
        .ways = ways,
        .slots_first = engine->slots_used,
        .slots_max = HOST_SLOTS - engine->slots_used,
        .exits = exits,
        .exits_max = MAX_EXITS,
    };
    trace_request(block->circle, &request);
    struct host_place places[MAX_PLACES];
    if (UNLIKELY(engine->code_listener.made != NULL)) {
        request.places = places;
        request.places_max = MAX_PLACES;
    }
    if (engine->blocks.link_count + MAX_EXITS >= BLOCK_MAX_LINKS) {
        return HOST_NO_ROOM;
    }
    struct host_result result;
    enum host_status status = engine->host->compile(&request, &result);
    if (status != HOST_OK) {
        return status;
    }
    block->host = request.exec + result.entry_offset;
    block->host_bytes = (u32)result.code_bytes - result.entry_offset;
    pipeline_record_links(engine, block, exits, result.exit_count);
    engine->slots_used += result.slot_count;
    codebuf_commit(code, result.code_bytes, result.cold_bytes);
    engine->stats.host_bytes += result.code_bytes;
    engine->stats.cold_bytes += result.cold_bytes;
    if (UNLIKELY(engine->code_listener.made != NULL)) {
        pipeline_code_made(vcpu, block, &request, &result);
    }
    return HOST_OK;
}

/* For statistics, which the guest never sees; 0 when nobody wants them. */
static u64 host_ns(const struct engine *engine)
{
    return LIKELY(engine->costs == NULL) ? 0 : host_time_ns();
}

bool pipeline_is_full(const struct engine *engine)
{
    bool tiny = engine->options.kind == ENGINE_INTERP && engine->options.code_bytes != 0;
    size_t limit_bytes = tiny ? engine->options.code_bytes : (size_t)MAX_ARENA_BYTES;
    return arena_used_bytes(engine->blocks.arena) > limit_bytes ||
           engine->slots_used > HOST_SLOTS - HOST_TRACE_SLOTS;
}

void pipeline_keep_ir(struct engine *engine, struct block *block)
{
    pipeline_check_ir(engine, engine->ir); /* the host may have dropped something */
    if (engine->options.kind != ENGINE_JIT) {
        block->ir_count = engine->ir->count;
        block->ir = block_alloc(&engine->blocks, block->ir_count * sizeof(*block->ir));
        memcpy(block->ir, engine->ir->insns, block->ir_count * sizeof(*block->ir));
    }
}

/* What only translations touch, and translated code, is asked of the host whole when there are
 * some: a guest's first instructions need not wait for it. */
static void expect_translations(struct vcpu *vcpu)
{
    enum { SOME_BLOCKS = 16 };
    struct engine *engine = vcpu->engine;
    if (engine->stats.blocks == SOME_BLOCKS && engine->host != NULL) {
        zeros_ask(engine->host_scratch, engine->host->scratch_bytes);
    }
    if (engine->stats.blocks >= SOME_BLOCKS) {
        tlb_expect_use(vcpu);
    }
}

/* The pipeline. Lock held. NULL when the code buffer or the arena is full, or no slots are left. */
static struct block *make_block(struct vcpu *vcpu, const struct fetched *fetched)
{
    struct engine *engine = vcpu->engine;
    u32 mode = vcpu->mode;
    u64 start_ns = host_ns(engine);
    struct source source;
    if (pipeline_is_full(engine)) {
        return NULL;
    }
    expect_translations(vcpu);
    front_expect(vcpu);
    source_read(engine, fetched, &source);
    source.page = block_page_find(&engine->blocks, fetched->gpa & PAGE_MASK);
    source.ran = source.page != NULL &&
                 pipeline_may_run_direct(engine) &&
                 block_runs(source.page, source.offset) == BLOCK_RUNS_MAX;
    source_cut(engine, &source);
    struct block *block = block_new(&engine->blocks);
    block->gpa = fetched->gpa;
    block->second_page = fetched->second_page;
    block->gva_page = fetched->gva_page;
    block->mode = mode;
    /* Over a page's end there is one instruction, or an lr and what is up to its sc. */
    unsigned max_insns = block->second_page != BLOCK_NO_PAGE ? 1 : engine->options.block_insns;
    for (;;) {
        struct lowered done = make_ir(engine, &source, mode, vcpu->pc & PAGE_MASK, max_insns);
        block->length_bytes = (u16)done.bytes;
        block->insn_count = (u16)done.insns;
        optimise(engine, engine->options.kind != ENGINE_JIT);
        if (engine->options.kind == ENGINE_INTERP) {
            break;
        }
        enum host_status status = pipeline_compile(vcpu, block, NULL);
        if (status == HOST_OK) {
            break;
        }
        if (status == HOST_NO_ROOM && !(codebuf_is_empty(&engine->code) && done.insns > 1)) {
            return NULL;
        }
        CHECK(done.insns > 1);
        max_insns = done.insns / 2;
    }
    pipeline_keep_ir(engine, block);
    block_insert(&engine->blocks, block, source.data);
    engine->stats.blocks++;
    engine->stats.guest_insns += block->insn_count;
    engine->stats.translate_ns += host_ns(engine) - start_ns;
    vcpu_event(vcpu, VCPU_EVENT_TRANSLATE, block->gpa, mode,
               (u64)block->insn_count << 32 | block->host_bytes);
    return block;
}

/* --- eviction --- */

/* Everything goes at once. Other harts are stopped; none is inside translated code. */
static void flush_all(struct vcpu *vcpu)
{
    struct engine *engine = vcpu->engine;
    engine_flush_begin(engine, vcpu);
    pthread_mutex_lock(&engine->lock);
    block_table_clear(&engine->blocks);
    codebuf_clear(&engine->code);
    engine->slots_used = 0;
    engine->stats.flushes++;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        /* New epochs, too: links are numbered anew and old proofs must not be taken for theirs. */
        tlb_flush_jumps(engine->vcpus[i]);
        tlb_renew_data(engine->vcpus[i]); /* slots will be other traces' */
        found_clear(&engine->found[i]);
        engine->vcpus[i]->seen_removals = engine->blocks.removals;
    }
    pthread_mutex_unlock(&engine->lock);
    engine_exclusive_end(engine, vcpu);
}

void pipeline_flush(struct engine *engine)
{
    flush_all(engine->vcpus[0]);
}

/* --- the pipeline's doors --- */

enum pipeline_result pipeline_find(struct vcpu *vcpu, struct block **found, enum ir_exit *exit)
{
    struct engine *engine = vcpu->engine;
    struct fetched fetched;
    if (!pipeline_fetch(vcpu, &fetched)) {
        return PIPELINE_RAISED;
    }
    if (UNLIKELY(engine->debug.break_count != 0) &&
        debug_page_fetched(vcpu, fetched.gpa & PAGE_MASK)) {
        return PIPELINE_ONCE;
    }
    if (UNLIKELY(engine->probe != NULL)) {
        probe_page_fetched(vcpu, fetched.gpa & PAGE_MASK);
    }
    if (!fetched.uniform) {
        return PIPELINE_ONCE;
    }
    bool direct = exit != NULL && pipeline_may_run_direct(engine);
    for (;;) {
        struct block *block =
            block_find_at(&engine->blocks, fetched.gpa, vcpu->mode, fetched.second_page,
                          fetched.gva_page);
        if (LIKELY(block != NULL)) {
            *found = block;
            return PIPELINE_BLOCK;
        }
        if (direct && pipeline_is_new(engine, &fetched) &&
            pipeline_run_direct(vcpu, &fetched, exit)) {
            return PIPELINE_RAN;
        }
        direct = false;
        pthread_mutex_lock(&engine->lock);
        block = block_find_at(&engine->blocks, fetched.gpa, vcpu->mode, fetched.second_page,
                              fetched.gva_page);
        if (block == NULL) {
            block = make_block(vcpu, &fetched);
        }
        pthread_mutex_unlock(&engine->lock);
        if (block != NULL) {
            *found = block;
            return PIPELINE_BLOCK;
        }
        flush_all(vcpu);
    }
}

/* Lock not held. At most `limit` instructions in a straight line, as IR for the interpreter. */
static void make_straight(struct vcpu *vcpu, const struct fetched *fetched, unsigned limit,
                          struct straight *straight)
{
    struct engine *engine = vcpu->engine;
    struct source source;
    source_read(engine, fetched, &source);
    pthread_mutex_lock(&engine->lock);
    front_expect(vcpu);
    source_cut(engine, &source);
    u32 mode = vcpu->mode & ~(u32)VCPU_MODE_COUNT;
    gva_t gva_page = vcpu->pc & PAGE_MASK;
    engine->answer = host_call_answer(vcpu);
    struct lowered done = make_ir(engine, &source, mode, gva_page, limit);
    while (engine->ir->count > STRAIGHT_MAX_IR) {
        CHECK(done.insns > 1);
        done = make_ir(engine, &source, mode, gva_page, done.insns / 2);
    }
    engine->answer = NULL;
    opt_dead(engine->ir);
    straight->pc = vcpu->pc;
    memset(straight->bytes, 0, sizeof(straight->bytes));
    memcpy(straight->bytes, source.data, source.bytes < 4 ? source.bytes : 4);
    straight->count = engine->ir->count;
    memcpy(straight->insns, engine->ir->insns, straight->count * sizeof(straight->insns[0]));
    engine->stats.interp_once++;
    pthread_mutex_unlock(&engine->lock);
}

enum ir_exit pipeline_run_straight(struct vcpu *vcpu, const struct straight *straight)
{
    probe_sync(vcpu);
    vcpu->pc_page = vcpu->pc & PAGE_MASK;
    return ir_interp_run(straight->insns, straight->count, vcpu);
}

static int step_straight(struct vcpu *vcpu, void *straight)
{
    return (int)pipeline_run_straight(vcpu, straight);
}

enum ir_exit pipeline_run_once(struct vcpu *vcpu, unsigned max_insns)
{
    struct fetched fetched;
    struct straight straight;
    if (!pipeline_fetch(vcpu, &fetched)) {
        return IR_EXIT_RAISED;
    }
    struct commit_log *log = vcpu->engine->commit_log;
    bool several = fetched.uniform && max_insns < 8 && log == NULL;
    make_straight(vcpu, &fetched, several ? max_insns : 1, &straight);
    return (enum ir_exit)commit_log_step(log, vcpu, straight.bytes, sizeof(straight.bytes),
                                         step_straight, &straight);
}

bool pipeline_fetch_plain(struct vcpu *vcpu, struct fetched *fetched)
{
    if (!pipeline_fetch(vcpu, fetched)) {
        vcpu->exception_pending = 0; /* raised again by whoever runs on from here */
        return false;
    }
    return fetched->uniform && fetched->second_page == BLOCK_NO_PAGE;
}

bool pipeline_straight(struct vcpu *vcpu, unsigned max_insns, struct straight *straight)
{
    struct fetched fetched;
    if (!pipeline_fetch_plain(vcpu, &fetched)) {
        return false;
    }
    make_straight(vcpu, &fetched, max_insns, straight);
    return true;
}

void pipeline_block_bytes(const struct engine *engine, const struct block *block, u8 bytes[4])
{
    bool split = block->second_page != BLOCK_NO_PAGE;
    unsigned left = (unsigned)(PAGE_BYTES - (block->gpa & PAGE_OFFSET_MASK));
    unsigned first_bytes = left < 4 ? left : 4;
    memset(bytes, 0, 4);
    memcpy(bytes, memory_host_any_mode(engine->memory, block->gpa, first_bytes), first_bytes);
    if (split && first_bytes < 4) {
        memcpy(bytes + 2, memory_host_any_mode(engine->memory, block->second_page, 2), 2);
    }
}

bool pipeline_view(struct vcpu *vcpu, struct pipeline_view *view, FILE *to,
                   void (*print)(const struct ir *ir, const char *title, FILE *to))
{
    struct engine *engine = vcpu->engine;
    struct fetched fetched;
    struct source source;
    if (pipeline_find(vcpu, &view->block, NULL) == PIPELINE_RAISED ||
        !pipeline_fetch(vcpu, &fetched)) {
        return false;
    }
    source_read(engine, &fetched, &source);
    pthread_mutex_lock(&engine->lock);
    front_expect(vcpu);
    view->source_bytes = 0;
    if (view->block != NULL && view->block->circle != NULL) {
        trace_view(engine, view->block, to == NULL);
        if (to != NULL) {
            print(engine->ir, "ir", to);
            for (unsigned n = 0; trace_view_way(engine, view->block, n); n++) {
                print(engine->ir, "ir of a further way", to);
            }
            trace_view(engine, view->block, true);
        }
        pthread_mutex_unlock(&engine->lock);
        return true;
    }
    unsigned insns = view->block != NULL ? view->block->insn_count : 1;
    if (to != NULL) {
        lower_block(engine, &source, vcpu->mode, insns);
        print(engine->ir, "ir", to);
    }
    struct lowered done = make_ir(engine, &source, vcpu->mode, vcpu->pc & PAGE_MASK, insns);
    pipeline_optimise(engine);
    pthread_mutex_unlock(&engine->lock);
    view->source_bytes = done.bytes < sizeof(view->source) ? done.bytes : sizeof(view->source);
    memcpy(view->source, source.data, view->source_bytes);
    return true;
}

/* --- life --- */

/* The buffer is empty. */
static bool start_host(struct engine *engine, const struct guest *guest)
{
    struct codebuf *code = &engine->code;
    if (!engine->host->init(&engine->host_context, guest,
                            stats_slow(engine->costs, &softmmu_slow),
                            engine->options.host_features, code->write, code->exec,
                            codebuf_room(code))) {
        return false;
    }
    codebuf_commit(code, engine->host_context.used_bytes, 0);
    codebuf_keep(code);
    return true;
}

bool pipeline_start_host(struct engine *engine, const struct guest *guest)
{
    pipeline_flush(engine);
    codebuf_clear_all(&engine->code);
    return start_host(engine, guest);
}

bool pipeline_init(struct engine *engine, struct metic_error *error)
{
    if (!block_table_init(&engine->blocks, engine->memory)) {
        return error_set(error, NULL, "the host has no memory for the block table");
    }
    engine->blocks.patch = patch_link;
    engine->blocks.opaque = engine;
    engine->ir = zeros_new(sizeof(*engine->ir));
    engine->way_ir = zeros_new(sizeof(*engine->way_ir));
    if (engine->ir == NULL || engine->way_ir == NULL) {
        return error_set(error, NULL, "the host has no memory for the translator");
    }
    engine->front = front_find(engine->guest);
    CHECK(engine->front != NULL);
    if (engine->options.kind == ENGINE_INTERP) {
        return true;
    }
    engine->host = host_find();
    if (engine->host == NULL) {
        return error_set(error, "use --engine interp",
                         "there is no translator for this host's processor");
    }
    size_t code_bytes = engine->options.code_bytes != 0 ? engine->options.code_bytes
                                                        : (size_t)DEFAULT_CODE_BYTES;
    if (!codebuf_init(&engine->code, code_bytes, error)) {
        return false;
    }
    engine->host_scratch = zeros_new(engine->host->scratch_bytes);
    if (engine->host_scratch == NULL) {
        return error_set(error, NULL, "the host has no memory for the translator");
    }
    if (!start_host(engine, engine->guest)) {
        return error_set(error, "use --engine interp, or a larger --code-cache",
                         "the translator cannot start on this host");
    }
    if (codebuf_room(&engine->code) < MIN_CODE_BYTES ||
        codebuf_cold_room(&engine->code) < MIN_CODE_BYTES / 2) {
        return error_set(error, "give a larger --code-cache",
                         "a code cache of %zu KiB is too small", code_bytes >> 10);
    }
    return true;
}

void pipeline_fini(struct engine *engine)
{
    block_table_fini(&engine->blocks);
    codebuf_fini(&engine->code);
    zeros_free(engine->host_scratch, engine->host != NULL ? engine->host->scratch_bytes : 0);
    zeros_free(engine->ir, sizeof(*engine->ir));
    zeros_free(engine->way_ir, sizeof(*engine->way_ir));
}
