/* The x86-64 host's descriptor: features, compiling a block, patching links. */
#include "translate/to_x86_64/compile.h"
#include "translate/to_x86_64/loop.h"

/* --- features --- */

/* glibc asked when the process began; in a virtual machine asking takes 9 us each time. What it
 * calls active the host's kernel saves, too. */
#if !defined(__x86_64__)
#define HAS(feature, name) false
#elif __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS(feature, name) is_active(x86_cpu_##feature)

/* CPU_FEATURE_ACTIVE, which shifts an int by 31 for some. */
static bool is_active(unsigned feature)
{
    const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(feature / 128);
    return leaf->active_array[feature % 128 / 32] >> feature % 32 & 1;
}
#else
#define HAS(feature, name) (__builtin_cpu_supports(name) != 0)
#endif

static u32 detect_features(void)
{
    bool avx = HAS(AVX, "avx");
    bool avx2 = avx && HAS(AVX2, "avx2");
    bool avx512 = avx2 && HAS(AVX512F, "avx512f") && HAS(AVX512DQ, "avx512dq") &&
                  HAS(AVX512BW, "avx512bw") && HAS(AVX512VL, "avx512vl");
    bool vbmi = avx512 && HAS(AVX512_VBMI, "avx512vbmi") && HAS(AVX512_VBMI2, "avx512vbmi2");
    u32 features = HAS(POPCNT, "popcnt") ? HOST_FEATURE_POPCNT : 0;
    features |= HAS(LZCNT, "lzcnt") ? HOST_FEATURE_LZCNT : 0;
    features |= avx ? HOST_FEATURE_AVX : 0;
    features |= avx && HAS(FMA, "fma") ? HOST_FEATURE_FMA : 0;
    features |= avx && HAS(BMI1, "bmi") ? HOST_FEATURE_BMI1 : 0;
    features |= avx && HAS(BMI2, "bmi2") ? HOST_FEATURE_BMI2 : 0;
    features |= avx2 ? HOST_FEATURE_AVX2 : 0;
    features |= avx512 ? HOST_FEATURE_AVX512 : 0;
    features |= vbmi ? HOST_FEATURE_VBMI : 0;
    return features;
}

static bool x86_init(struct host_context *context, const struct guest *guest,
                     const struct host_slow *slow, u32 feature_mask, u8 *write, const u8 *exec,
                     size_t room_bytes)
{
    struct asm_buf a = {write, write, write + room_bytes, exec};
    context->guest = guest;
    context->slow = slow;
    context->features = detect_features() & feature_mask;
    context->pin_base = x86_pin_base(guest);
    if (!thunks_emit(context, &a)) {
        return false;
    }
    context->used_bytes = asm_offset(&a);
    uintptr_t enter = (uintptr_t)context->thunks[THUNK_ENTER];
    context->enter = (enum ir_exit(*)(struct vcpu *, const void *))enter;
    return true;
}

/* --- stubs --- */

struct stub *stub_add(struct compile *c, void (*emit)(struct compile *, const struct stub *),
                      u32 field)
{
    if (c->stub_count == STUBS_MAX) {
        c->status = HOST_TOO_COMPLEX;
        return &c->stubs[STUBS_MAX]; /* a spare one */
    }
    struct stub *stub = &c->stubs[c->stub_count++];
    memset(stub, 0, sizeof(*stub));
    stub->emit = emit;
    stub->field = field;
    return stub;
}

void stub_return(struct compile *c, const struct stub *stub)
{
    asm_jmp(&c->a, c->cold.exec + stub->back);
}

enum { INSN_BYTES_MAX = 2048, STUB_BYTES_MAX = 1536 };

/* Room for that much of the body and for a stub. */
static bool has_room(struct compile *c, size_t bytes)
{
    if ((size_t)(c->a.limit - c->a.p) < bytes ||
        (size_t)(c->cold.limit - c->cold.p) < STUB_BYTES_MAX) {
        c->status = HOST_NO_ROOM;
    }
    return c->status == HOST_OK;
}

static void exchange_parts(struct compile *c)
{
    struct asm_buf body = c->a;
    c->a = c->cold;
    c->cold = body;
}

void stubs_emit(struct compile *c)
{
    unsigned count = c->stub_count;
    for (unsigned n = 0; n < count && has_room(c, STUB_BYTES_MAX); n++) {
        if (c->stubs[n].tail) {
            asm_bind(&c->a, c->stubs[n].field);
            c->stubs[n].emit(c, &c->stubs[n]);
        }
    }
    for (unsigned n = 0; n < count && has_room(c, STUB_BYTES_MAX); n++) {
        if (!c->stubs[n].tail) {
            bind_cold(c, c->stubs[n].field);
            exchange_parts(c);
            c->stubs[n].emit(c, &c->stubs[n]);
            exchange_parts(c);
        }
    }
}

/* --- compiling --- */

static emit_fn *const emitters[IR_OP_COUNT] = {
    [IR_GET] = emit_get,          [IR_SET] = emit_set,         [IR_PC_PAGE] = emit_pc_page,
    [IR_INSN_COUNT] = emit_insn_count,
    [IR_ADD] = emit_alu,          [IR_SUB] = emit_alu,         [IR_AND] = emit_alu,
    [IR_OR] = emit_alu,           [IR_XOR] = emit_alu,         [IR_ANDN] = emit_alu,
    [IR_MUL] = emit_muldiv,       [IR_MULH_SS] = emit_muldiv,  [IR_MULH_SU] = emit_muldiv,
    [IR_MULH_UU] = emit_muldiv,   [IR_DIV_S] = emit_muldiv,    [IR_DIV_U] = emit_muldiv,
    [IR_REM_S] = emit_muldiv,     [IR_REM_U] = emit_muldiv,    [IR_SHL] = emit_shift,
    [IR_SHR] = emit_shift,        [IR_SAR] = emit_shift,       [IR_ROTR] = emit_shift,
    [IR_CLZ] = emit_bits,         [IR_CTZ] = emit_bits,        [IR_POPCNT] = emit_bits,
    [IR_BSWAP] = emit_bits,       [IR_ORC_B] = emit_bits,      [IR_SEXT] = emit_extend,
    [IR_ZEXT] = emit_extend,      [IR_TRUNC] = emit_extend,    [IR_SETCC] = emit_compare,
    [IR_SELECT] = emit_compare,   [IR_FADD] = emit_fp_arith,   [IR_FSUB] = emit_fp_arith,
    [IR_FMUL] = emit_fp_arith,    [IR_FDIV] = emit_fp_arith,   [IR_FSQRT] = emit_fp_arith,
    [IR_FMADD] = emit_fp_arith,   [IR_FMIN] = emit_fp_minmax,  [IR_FMAX] = emit_fp_minmax,
    [IR_FNEG] = emit_fp_sign,     [IR_FSGNJ] = emit_fp_sign,   [IR_FCMP] = emit_fp_compare,
    [IR_FCLASS] = emit_fp_soft,   [IR_FCVT_FF] = emit_fp_convert, [IR_FCVT_FI] = emit_fp_convert,
    [IR_FCVT_IF] = emit_fp_convert, [IR_FBITS] = emit_fp_box,  [IR_FUNBOX] = emit_fp_box,
    [IR_FBOX] = emit_fp_box,      [IR_FENV_FLAGS] = emit_fp_env, [IR_FENV_SET] = emit_fp_env,
    [IR_TLB_CHECK] = emit_check,  [IR_LOAD] = emit_load,       [IR_STORE] = emit_store,
    [IR_AMO] = emit_amo,          [IR_CAS] = emit_cas,         [IR_FENCE] = emit_fence,
    [IR_CALL] = emit_call,        [IR_POLL] = emit_poll,       [IR_EXIT_IF] = emit_exit_if,
    [IR_LOOK] = emit_look,        [IR_EXIT_UNLESS] = emit_exit_unless,
    [IR_EXIT_PAGE] = emit_exit_page,
    [IR_JUMP] = emit_jump,        [IR_JUMP_NEXT] = emit_jump,  [IR_JUMP_IND] = emit_jump_ind,
    [IR_RAISE] = emit_raise,      [IR_LEAVE] = emit_leave,   [IR_PROBE] = emit_probe,
    [IR_PROBE_WORD] = emit_probe_word, [IR_PROBE_LEFT] = emit_probe_left,
    [IR_PROBE_AT] = emit_probe_path, [IR_PROBE_ADD] = emit_probe_add,
    [IR_PROBE_EDGE] = emit_probe_edge,
    [IR_VECTOR] = emit_vector,    [IR_UNRETIRE] = emit_unretire,
};

void pins_as_usual(struct compile *c)
{
    const struct guest *guest = c->context->guest;
    c->pinned_count = x86_pinned_count(guest);
    c->pin_base = c->context->pin_base;
    c->pin_reg = thunk(c, THUNK_PINS);
}

static void start(struct compile *c, const struct host_request *request,
                  struct host_result *result)
{
    c->a = (struct asm_buf){request->write, request->write, request->write + request->room_bytes,
                            request->exec};
    c->cold = (struct asm_buf){request->cold_write, request->cold_write,
                               request->cold_write + request->cold_room_bytes, request->cold_exec};
    c->ir = request->ir;
    c->request = request;
    c->context = request->context;
    c->result = result;
    c->status = HOST_OK;
    c->features = request->context->features;
    c->flags = request->flags;
    c->insn_offset = 0;
    c->insn_index = 0;
    c->counted = 0;
    c->entry_target = 0;
    c->entry = 0;
    c->left = (struct left){ 0 };
    c->path = 0;
    c->path_first = 0;
    c->in_way = false;
    c->slot_count = 0;
    c->float_count = 0;
    c->way_jump_count = 0;
    memset(c->way_entries, 0, sizeof(c->way_entries));
    for (unsigned i = 0; i < c->ir->count; i++) {
        if (c->ir->insns[i].op == IR_INSN) {
            c->entry_target = (s64)c->ir->insns[i].imm;
            break;
        }
    }
    result->exit_count = 0;
    result->place_count = 0;
    result->slot_count = 0;
    result->code_bytes = 0;
    result->entry_offset = 0;
}

void x86_prepare(struct compile *c)
{
    c->stub_count = 0;
    c->passed_count = 0;
    c->nan_wait.root = IR_REF_NONE;
    c->divided = IR_REF_NONE;
    alloc_begin(c);
    if (c->flags & HOST_TRACE) {
        narrow_find(c);
    }
    scan_block(c);
}

/* Side exits know what is kept, other ways on do not. */
static void keep_before(struct compile *c, const struct ir_insn *insn)
{
    if ((ir_op_info[insn->op].props & (IR_T | IR_X)) && insn->op != IR_EXIT_IF &&
        insn->op != IR_EXIT_UNLESS && insn->op != IR_EXIT_PAGE) {
        vec_keep_flush(c);
    }
}

static void begin_insn(struct compile *c, const struct ir_insn *insn)
{
    const struct host_request *request = c->request;
    struct host_result *result = c->result;
    c->insn_offset = (s64)insn->imm;
    c->insn_index = insn->a;
    if (UNLIKELY(request->places != NULL) && result->place_count < request->places_max) {
        request->places[result->place_count++] =
            (struct host_place){asm_offset(&c->a), c->insn_offset};
    }
}

bool x86_has_room(struct compile *c)
{
    return has_room(c, INSN_BYTES_MAX);
}

/* Where the body keeps vectors in registers or adds up in them. */
static NOINLINE void emit_with_vectors(struct compile *c, const struct ir_insn *insn)
{
    if (c->keeps_vectors) {
        keep_before(c, insn);
    }
    if (c->lanes.sum_count == 0 || !lanes_emit(c, insn)) {
        emitters[insn->op](c, insn);
    }
}

/* Room for everything that so many instructions may become. */
static bool has_plenty(const struct compile *c, size_t insns)
{
    return (size_t)(c->a.limit - c->a.p) >= insns * INSN_BYTES_MAX &&
           (size_t)(c->cold.limit - c->cold.p) >= insns * STUB_BYTES_MAX;
}

/* There is room for the first instruction. */
void x86_emit_body(struct compile *c)
{
    const struct ir_insn *const insns = c->ir->insns;
    const bool plenty = has_plenty(c, IR_MAX_INSNS - c->live_first + 1);
    const bool plain = !c->keeps_vectors && c->lanes.sum_count == 0;
    for (unsigned n = c->live_first; n < IR_MAX_INSNS; n++) {
        unsigned i = c->live[n];
        const struct ir_insn *insn = &insns[i];
        if (insn->op == IR_INSN) {
            begin_insn(c, insn);
            continue;
        }
        c->at = i;
        c->live_at = n;
        c->locked = 0;
        if (UNLIKELY(c->nan_wait.root != IR_REF_NONE)) {
            nan_before(c, insn);
        }
        if (LIKELY(plain)) {
            emitters[insn->op](c, insn);
        } else {
            emit_with_vectors(c, insn);
        }
        if (UNLIKELY(c->status != HOST_OK || (!plenty && !has_room(c, INSN_BYTES_MAX)))) {
            break;
        }
    }
    if (c->status == HOST_OK) {
        stubs_emit(c);
    }
}

static enum host_status x86_compile(const struct host_request *request, struct host_result *result)
{
    struct compile *c = request->scratch;
    start(c, request, result);
    pins_as_usual(c);
    hoist_find(c);
    hoist_find_exits(c);
    own_find(c);
    c->has_slow = c->hoist_count != 0 || c->exits_count != 0 || c->own_pins != 0;
    sink_find(c);
    wide_find(c);
    lanes_find(c);
    vec_rounds_find(c);
    x86_prepare(c);
    own_float_choose(c);
    loop_find(c);
    if (has_room(c, INSN_BYTES_MAX)) {
        loop_enter(c);
        slot_enter(c);
        loop_carry(c);
        c->outer_entry = asm_offset(&c->a);
        own_enter(c);
        table_enter(c);
        c->entry = asm_offset(&c->a);
        hoist_enter(c);
        hoist_enter_exits(c);
        lanes_enter(c);
        x86_emit_body(c);
    }
    ways_emit(c);
    if (c->has_slow && has_room(c, INSN_BYTES_MAX)) {
        hoist_begin_slow(c);
        x86_prepare(c);
        loop_mark(c);
        x86_emit_body(c);
    }
    if (has_room(c, INSN_BYTES_MAX)) {
        loop_end(c);
        slot_end(c);
    }
    result->code_bytes = asm_offset(&c->a);
    result->cold_bytes = asm_offset(&c->cold);
    return c->status;
}

static void x86_patch_link(u8 *write, const u8 *exec, const void *target)
{
    s32 distance = (s32)((const u8 *)target - (exec + 4));
    __atomic_store_n((s32 *)(void *)write, distance, __ATOMIC_RELEASE);
}

const struct host x86_64_host = {
    .name = "x86_64",
    .scratch_bytes = sizeof(struct compile),
    .pinned_max = PINNED_MAX,
    .init = x86_init,
    .compile = x86_compile,
    .does_vector = x86_does_vector,
    .patch_link = x86_patch_link,
    .disassemble = x86_disassemble,
};
