/* Recording: metic.h's traces on top of translate/probe/probe.h. What is here: filters that need to
 * know the guest (calls, Linux's tasks), and what devices tell. When harts record is in
 * machine_trace_window.c. */
#include "hw/machine/machine_trace_private.h"

#include "cpu/base/zeros.h"
#include "cpu/guest.h"
#include "cpu/riscv64/csr.h"
#include "translate/probe/probe.h"

#include <string.h>

_Static_assert((int)METIC_EVENT_COUNT == (int)VCPU_EVENT_COUNT, "the same numbers");
_Static_assert((int)METIC_EVENT_TASK == (int)VCPU_EVENT_TASK, "the same numbers");
_Static_assert((int)METIC_EVENT_CSR == (int)VCPU_EVENT_CSR, "the same numbers");
_Static_assert((int)METIC_SLOT_REGISTER == (int)PROBE_REGISTER, "the same numbers");
_Static_assert(METIC_TRACE_EVENT == PROBE_EVENT_BASE, "the same numbers");
_Static_assert(sizeof(struct metic_trace_slot) == sizeof(struct probe_slot) &&
                   offsetof(struct metic_trace_slot, reg) == offsetof(struct probe_slot, reg),
               "the same struct");

#define SATP_PPN (((u64)1 << 44) - 1)

/* --- what there was of what is asked for --- */

static void see_task(struct machine_trace *trace, const char *name, bool matches)
{
    struct metic_trace_seen *seen = &trace->seen;
    unsigned n = 0;
    pthread_mutex_lock(&trace->lock);
    seen->task |= matches;
    while (n < seen->task_count && strncmp(seen->tasks[n], name, GUEST_TASK_BYTES) != 0) {
        n++;
    }
    if (n == seen->task_count && n < METIC_SEEN_TASKS) {
        memcpy(seen->tasks[n], name, GUEST_TASK_BYTES);
        seen->task_count++;
    }
    pthread_mutex_unlock(&trace->lock);
}

static void see_satp(struct machine_trace *trace, u64 satp)
{
    struct metic_trace_seen *seen = &trace->seen;
    unsigned n = 0;
    pthread_mutex_lock(&trace->lock);
    seen->satp |= satp == trace->options.satp;
    while (n < seen->satp_count && seen->satps[n] != satp) {
        n++;
    }
    bool near = ((satp ^ trace->options.satp) & SATP_PPN) == 0;
    if (n == METIC_SEEN_MAX && near) { /* one with another ASID is worth more than the last */
        seen->satps[METIC_SEEN_MAX - 1] = satp;
    } else if (n == seen->satp_count && n < METIC_SEEN_MAX) {
        seen->satps[seen->satp_count++] = satp;
    }
    pthread_mutex_unlock(&trace->lock);
}

void metic_trace_seen(metic_machine *machine, struct metic_trace_seen *seen)
{
    *seen = machine->trace != NULL ? machine->trace->seen : (struct metic_trace_seen){ 0 };
}

/* --- beginning and ending at an event --- */

static void on_any_event(void *opaque, struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b,
                         u64 c)
{
    (void)b;
    (void)c;
    trace_window_event(opaque, vcpu, kind, a, NULL);
}

/* --- Linux's tasks --- */

/* The hart's task is this one now: address and name. */
static void take_task(struct machine_trace *trace, struct vcpu *vcpu, const u64 words[3])
{
    trace->matches[vcpu->index] =
        strncmp((const char *)&words[1], trace->task_name, GUEST_TASK_BYTES - 1) == 0;
    u64 *last = trace->last_task[vcpu->index];
    bool same = words[0] == last[0] && words[1] == last[1] && words[2] == last[2];
    if (!same && trace->options.task != NULL) {
        see_task(trace, (const char *)&words[1], trace->matches[vcpu->index]);
    }
    if (!same) {
        trace_window_task(trace, vcpu, words[0]);
        trace_window_event(trace, vcpu, VCPU_EVENT_TASK, words[0], (const char *)&words[1]);
    }
    bool on = probe_is_on(vcpu);
    if (on && !(same && trace->told_task[vcpu->index]) &&
        (trace->options.events >> METIC_EVENT_TASK & 1)) {
        probe_event(vcpu, VCPU_EVENT_TASK, words, 3);
    }
    trace->told_task[vcpu->index] = on;
    memcpy(last, words, sizeof(trace->last_task[0]));
}

static void look_at_task(struct machine_trace *trace, struct vcpu *vcpu)
{
    u64 words[3] = {0};
    words[0] = guest_task_name(&trace->tasks, vcpu, (char *)&words[1]);
    if (words[0] != 0) {
        take_task(trace, vcpu, words);
    }
}

/* The kernel goes from one task, a0, to another, a1: kernel threads run in no program's mode by
 * which they could be told, and a program that sleeps runs no more in its kernel side either. */
static void on_switch(void *opaque, struct vcpu *vcpu, gva_t pc)
{
    struct machine_trace *trace = opaque;
    u64 words[3] = {0};
    (void)pc;
    if (trace->last_task[vcpu->index][0] == 0) {
        trace_window_task(trace, vcpu, guest_read_reg(vcpu, trace->a[0]));
    }
    words[0] = guest_task_name_at(&trace->tasks, vcpu, guest_read_reg(vcpu, trace->a[1]),
                                  (char *)&words[1]);
    if (words[0] != 0) {
        take_task(trace, vcpu, words);
        probe_ask_again(vcpu);
    }
}

struct task_symbols {
    u64 switch_to, init_task;
};

static void note_task_symbol(void *opaque, uint64_t address, char type, const char *name)
{
    struct task_symbols *symbols = opaque;
    (void)type;
    if (strcmp(name, "__switch_to") == 0) {
        symbols->switch_to = address;
    } else if (strcmp(name, "init_task") == 0) {
        symbols->init_task = address;
    }
}

/* When a kernel runs with its page tables, or may. A kernel without a table of symbols has its
 * tasks told when they come to their programs alone. */
static void find_switch(struct machine_trace *trace, struct vcpu *vcpu)
{
    struct task_symbols symbols = {0};
    metic_kernel_symbols(trace->machine, note_task_symbol, &symbols);
    if (trace->tasks.name_offset == 0 && symbols.init_task != 0) {
        guest_tasks_learn(&trace->tasks, vcpu, symbols.init_task);
    }
    if (trace->tasks.name_offset != 0 && symbols.switch_to != 0) {
        trace->switch_at = symbols.switch_to;
    }
}

/* --- calls --- */

static void on_return(void *opaque, struct vcpu *vcpu, gva_t pc)
{
    struct machine_trace *trace = opaque;
    u64 sp = guest_read_reg(vcpu, trace->sp);
    pthread_mutex_lock(&trace->lock);
    const struct open_call call = calls_take(&trace->calls, pc, sp);
    pthread_mutex_unlock(&trace->lock);
    if (call.ra != 0) {
        const u64 words[5] = {call.function, sp, guest_read_reg(vcpu, trace->a[0]),
                              guest_read_reg(vcpu, trace->a[1]), call.a0};
        probe_event(vcpu, VCPU_EVENT_CALL_END, words, 5);
    }
}

/* Awaits the return of a function that is just entered. */
static void await_return(struct machine_trace *trace, struct vcpu *vcpu, gva_t pc)
{
    const struct open_call call = {
        .function = pc, .ra = guest_read_reg(vcpu, trace->ra),
        .sp = guest_read_reg(vcpu, trace->sp), .a0 = guest_read_reg(vcpu, trace->a[0]),
    };
    pthread_mutex_lock(&trace->lock);
    calls_push(&trace->calls, &call);
    pthread_mutex_unlock(&trace->lock);
    probe_hook_add(vcpu->engine, vcpu, call.ra, on_return, trace);
}

static void on_call(void *opaque, struct vcpu *vcpu, gva_t pc)
{
    struct machine_trace *trace = opaque;
    u64 words[9] = {pc, guest_read_reg(vcpu, trace->ra), guest_read_reg(vcpu, trace->sp)};
    for (unsigned i = 0; i < 6; i++) {
        words[3 + i] = guest_read_reg(vcpu, trace->a[i]);
    }
    if (trace->tasks_at_calls) {
        look_at_task(trace, vcpu);
    }
    probe_event(vcpu, VCPU_EVENT_CALL, words, 9);
    await_return(trace, vcpu, pc);
}

/* What is told of tasks at a change of privilege or address space. */
static void look_for_tasks(struct machine_trace *trace, struct vcpu *vcpu, unsigned privilege)
{
    if (UNLIKELY(!trace->awaits_switch && trace->tasks.name_offset != 0)) {
        trace->awaits_switch = true;
        if (trace->switch_at == 0) {
            find_switch(trace, vcpu);
        }
        if (trace->switch_at != 0) {
            probe_hook_add(vcpu->engine, vcpu, trace->switch_at, on_switch, trace);
        }
    }
    const u64 *last = trace->last_task[vcpu->index];
    if (privilege == GUEST_PRIV_U || (privilege == GUEST_PRIV_S && last[0] == 0)) {
        look_at_task(trace, vcpu);
    } else if (last[0] != 0 && !trace->told_task[vcpu->index] && probe_is_on(vcpu)) {
        const u64 words[3] = {last[0], last[1], last[2]};
        take_task(trace, vcpu, words);
    }
}

static bool on_context(void *opaque, struct vcpu *vcpu, unsigned privilege, u64 address_space)
{
    struct machine_trace *trace = opaque;
    guest_tasks_context(&trace->tasks, vcpu, privilege, address_space);
    if (trace->tasks_at_entry) {
        look_for_tasks(trace, vcpu, privilege);
    }
    if (trace->options.satp != 0 && trace->last_satp[vcpu->index] != address_space) {
        trace->last_satp[vcpu->index] = address_space;
        see_satp(trace, address_space);
    }
    return trace->options.task == NULL || trace->matches[vcpu->index];
}

/* --- what happens outside of harts --- */

static u64 time_ns(void *opaque, struct vcpu *vcpu)
{
    struct machine_trace *trace = opaque;
    struct metic_machine *machine = trace->machine;
    if (vcpu == NULL && machine->in_turn) { /* what a device does for the hart whose turn it is */
        vcpu = machine->engine->vcpus[machine->turn_hart];
    }
    if (vcpu != NULL && machine->in_turn) {
        return machine->hart_ns[vcpu->index] + vcpu->insns -
               machine->hart_start_insns[vcpu->index];
    }
    return clock_now_ns(&machine->clock);
}

void machine_trace_io(void *opaque, enum device_io io, u64 a, u64 b, u64 c)
{
    struct metic_machine *machine = opaque;
    pthread_mutex_lock(&machine->trace_lock);
    struct machine_trace *trace = machine->trace;
    if (trace != NULL && (trace->options.events >> METIC_EVENT_IO & 1)) {
        const u64 words[4] = {io, a, b, c};
        probe_outside(machine->engine, VCPU_EVENT_IO, words, 4);
    }
    if (trace != NULL) {
        trace_window_event(trace, NULL, VCPU_EVENT_IO, io, NULL);
    }
    pthread_mutex_unlock(&machine->trace_lock);
}

void machine_trace_net(void *opaque, bool sent, size_t size_bytes)
{
    machine_trace_io(opaque, DEVICE_IO_NET, sent, size_bytes, 0);
}

void machine_trace_console(struct metic_machine *machine, const u8 *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes && machine->trace != NULL; i += 8) {
        u64 word = 0;
        size_t part = size_bytes - i < 8 ? size_bytes - i : 8;
        memcpy(&word, bytes + i, part);
        machine_trace_io(machine, DEVICE_IO_CONSOLE, word, part, 0);
    }
}

/* --- doors --- */

static void consume(void *opaque, const struct probe_chunk *chunk)
{
    struct machine_trace *trace = opaque;
    const struct metic_trace_chunk out = {
        .words = chunk->words, .count = chunk->count, .stream = chunk->stream,
        .sequence = chunk->sequence, .start_insns = chunk->start_insns,
        .start_ns = chunk->start_ns, .turn_ns = chunk->turn_ns, .satp = chunk->address_space,
        .privilege = chunk->privilege,
    };
    if (trace->options.consume != NULL && chunk->count != 0) {
        trace->options.consume(trace->options.opaque, &out);
    }
}

static void on_unit(void *opaque, struct vcpu *vcpu, u32 number)
{
    const struct machine_trace *trace = opaque;
    trace->options.hooks.unit(trace->options.opaque, vcpu->index, vcpu->pc, number);
}

static void on_insn(void *opaque, struct vcpu *vcpu, u32 number, unsigned insn)
{
    const struct machine_trace *trace = opaque;
    trace->options.hooks.insn(trace->options.opaque, vcpu->index, vcpu->pc, number, insn);
}

static void on_memory(void *opaque, struct vcpu *vcpu, gva_t gva, u64 value, unsigned size_bytes,
                      bool write)
{
    const struct machine_trace *trace = opaque;
    trace->options.hooks.memory(trace->options.opaque, vcpu->index, vcpu->pc, gva, value,
                                size_bytes, write);
}

/* What the access has just used is mostly in the TLB still. */
bool metic_trace_physical(metic_machine *machine, unsigned hart, uint64_t address, bool write,
                          uint64_t *physical)
{
    const struct vcpu *vcpu = machine->engine->vcpus[hart];
    const struct tlb_entry *entry = tlb_find(vcpu, address & PAGE_MASK, write);
    if (entry != NULL) {
        *physical = entry->gpa_page | (address & PAGE_OFFSET_MASK);
        return true;
    }
    return metic_translate(machine, hart, address, physical);
}

static void on_event(void *opaque, struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c)
{
    const struct machine_trace *trace = opaque;
    trace->options.hooks.event(trace->options.opaque, vcpu->index, vcpu->pc,
                               (enum metic_trace_event)kind, a, b, c);
}

static void find_regs(struct machine_trace *trace, const struct guest *guest)
{
    static const char *const args[8] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"};
    trace->ra = guest_find_reg(guest, "ra");
    trace->sp = guest_find_reg(guest, "sp");
    guest_tasks_init(&trace->tasks, guest);
    for (unsigned i = 0; i < ARRAY_LEN(args); i++) {
        trace->a[i] = guest_find_reg(guest, args[i]);
    }
}

static struct probe_config config_of(struct machine_trace *trace)
{
    const struct metic_trace_options *options = &trace->options;
    struct probe_config config = {
        .what = options->what, .events = options->events, .keep_last = options->keep_last,
        .ring_bytes = options->ring_bytes, .privileges = options->privileges,
        .harts = options->harts, .address_space = options->satp, .wanted = on_context,
        .range_count = options->range_count, .consume = consume, .time_ns = time_ns,
        .opaque = trace, .every = options->every, .keeps_paths = options->keeps_paths,
        .counts_ns = trace->machine->options.clock == METIC_CLOCK_VIRTUAL,
        .starts_off = !trace->window || options->function_count != 0,
    };
    config.has_gaps = options->range_count != 0 || options->privileges != 0 ||
                      options->satp != 0 || options->task != NULL || config.starts_off ||
                      options->stop_at != 0 || options->stop_on.event != METIC_EVENT_SYNC;
    if (options->start_on.event != METIC_EVENT_SYNC ||
        options->stop_on.event != METIC_EVENT_SYNC) {
        config.on_event = on_any_event;
        config.heard = (u64)1 << options->start_on.event | (u64)1 << options->stop_on.event;
        config.asks_csrs = options->start_on.event == METIC_EVENT_CSR ||
                           options->stop_on.event == METIC_EVENT_CSR;
    }
    config.calls = (struct probe_calls){
        .unit = options->hooks.unit != NULL ? on_unit : NULL,
        .insn = options->hooks.insn != NULL ? on_insn : NULL,
        .memory = options->hooks.memory != NULL ? on_memory : NULL,
        .event = options->hooks.event != NULL ? on_event : NULL,
    };
    config.what |= config.calls.event != NULL ? (unsigned)PROBE_EXACT : 0u;
    config.heard |= config.calls.event != NULL ? options->hooks.events : 0u;
    config.what &= ~((config.calls.unit == NULL ? (unsigned)PROBE_CALL_UNIT : 0u) |
                     (config.calls.insn == NULL ? (unsigned)PROBE_CALL_INSN : 0u) |
                     (config.calls.memory == NULL ? (unsigned)PROBE_CALL_MEMORY : 0u));
    for (unsigned i = 0; i < options->range_count; i++) {
        config.ranges[i].first = options->ranges[i].first;
        config.ranges[i].end = options->ranges[i].end;
    }
    return config;
}

/* Traps are told with their tasks; calls alone need no more than their own. */
static void choose_tasks(struct machine_trace *trace)
{
    const struct metic_trace_options *options = &trace->options;
    bool told = options->events >> METIC_EVENT_TASK & 1;
    bool alone = options->what == 0 && options->call_count != 0 &&
                 !(options->events >> METIC_EVENT_TRAP & 1);
    trace->tasks_at_calls = told;
    trace->tasks_at_entry = (told && !alone) || options->task != NULL ||
                            options->function_count != 0 ||
                            options->start_on.event == METIC_EVENT_TASK ||
                            options->stop_on.event == METIC_EVENT_TASK;
}

/* A recording that begins when Linux runs already. */
static void know_tasks(struct machine_trace *trace)
{
    const struct engine *engine = trace->machine->engine;
    for (unsigned i = 0; trace->tasks_at_entry && i < engine->vcpu_count; i++) {
        u64 satp = 0;
        if (trace->switch_at == 0 && metic_get_register(trace->machine, i, "satp", &satp) &&
            satp != 0) {
            find_switch(trace, engine->vcpus[i]);
        }
    }
}

static void add_hooks(struct machine_trace *trace)
{
    const struct metic_trace_options *options = &trace->options;
    struct engine *engine = trace->machine->engine;
    for (unsigned i = 0; i < options->call_count; i++) {
        probe_hook_add(engine, NULL, options->calls[i], on_call, trace);
    }
    trace_window_add_hooks(trace);
}

bool metic_trace_start(metic_machine *machine, const struct metic_trace_options *options,
                       struct metic_error *error)
{
    if (machine->options.engine == METIC_ENGINE_BOTH || machine->options.trace_path != NULL) {
        return error_set(error, "record with --engine jit or interp, and one kind of trace",
                         "a lock-step run and a commit log cannot be recorded as well");
    }
    if (machine->trace != NULL) {
        return error_set(error, "end the first one", "there is a recording already");
    }
    struct machine_trace *trace = zeros_new(sizeof(*trace)); /* it has places for many calls */
    if (trace == NULL) {
        return error_set(error, NULL, "the host has no memory for the trace");
    }
    trace->machine = machine;
    trace->options = *options;
    if (options->task != NULL) {
        snprintf(trace->task_name, sizeof(trace->task_name), "%s", options->task);
    }
    pthread_mutex_init(&trace->lock, NULL);
    find_regs(trace, machine->engine->guest);
    trace->window = !options->switches && options->start_at == 0 &&
                    options->start_on.event == METIC_EVENT_SYNC;
    choose_tasks(trace);
    know_tasks(trace);
    struct probe_config config = config_of(trace);
    machine->trace = trace;
    if (!probe_start(machine->engine, &config, error)) {
        machine->trace = NULL;
        zeros_free(trace, sizeof(*trace));
        return false;
    }
    add_hooks(trace);
    return true;
}

void metic_trace_stop(metic_machine *machine)
{
    struct machine_trace *trace = machine->trace;
    if (trace == NULL) {
        return;
    }
    pthread_mutex_lock(&machine->trace_lock);
    probe_stop(machine->engine);
    machine->trace = NULL;
    pthread_mutex_unlock(&machine->trace_lock);
    pthread_mutex_destroy(&trace->lock);
    zeros_free(trace, sizeof(*trace));
}

bool metic_trace_switch(metic_machine *machine, bool on)
{
    pthread_mutex_lock(&machine->trace_lock);
    bool switches = machine->trace != NULL && machine->trace->options.switches;
    if (switches) {
        trace_window_set(machine->trace, NULL, on);
    }
    pthread_mutex_unlock(&machine->trace_lock);
    return switches;
}

bool metic_trace_coverage(metic_machine *machine,
                          void (*block)(void *opaque, uint64_t address, unsigned bytes,
                                        unsigned insns, uint64_t count),
                          void (*edge)(void *opaque, uint64_t from, uint64_t to, uint64_t count),
                          void *opaque)
{
    return machine->trace == NULL || probe_coverage(machine->engine, block, edge, opaque);
}

void metic_trace_settle(metic_machine *machine)
{
    probe_counts_settle(machine->engine);
}

bool metic_trace_get_unit(metic_machine *machine, uint32_t number, struct metic_trace_unit *unit)
{
    const struct probe_unit *found = probe_unit_get(machine->engine, number);
    if (found == NULL) {
        return false;
    }
    *unit = (struct metic_trace_unit){
        .physical = found->gpa, .address = found->gva, .mode = found->mode,
        .insn_count = found->insn_count, .bytes = found->bytes, .slot_count = found->slot_count,
        .code = found->code,
        .count = probe_unit_runs(machine->engine, number),
        .slots = (const struct metic_trace_slot *)(const void *)found->slots,
    };
    return true;
}

_Static_assert(sizeof(struct metic_trace_recipe) == sizeof(struct probe_recipe) &&
                   sizeof(struct metic_trace_node) == sizeof(struct probe_node) &&
                   METIC_TRACE_NODE == PROBE_NODE && METIC_TRACE_NO_WORD == PROBE_NO_WORD &&
                   METIC_TRACE_PATH == PROBE_PATH_BASE && METIC_TRACE_LEFT == PROBE_LEFT_BASE,
               "what is public is what there is");

bool metic_trace_get_path(metic_machine *machine, uint32_t number, struct metic_trace_path *path)
{
    const struct probe_path *found = probe_path_get(machine->engine, number);
    if (found == NULL) {
        return false;
    }
    *path = (struct metic_trace_path){
        .part_count = found->part_count, .slot_count = found->slot_count,
        .word_count = found->word_count, .node_count = found->node_count, .parts = found->parts,
        .recipes = (const struct metic_trace_recipe *)(const void *)found->recipes,
        .nodes = (const struct metic_trace_node *)(const void *)found->nodes,
    };
    return true;
}

unsigned metic_trace_node_operands(unsigned op)
{
    return probe_node_operands(op);
}

unsigned metic_trace_node_operand_bytes(const struct metic_trace_node *node)
{
    return probe_node_operand_bytes((const struct probe_node *)(const void *)node);
}

uint64_t metic_trace_node_value(const struct metic_trace_node *node, const uint64_t operands[4])
{
    return probe_node_value((const struct probe_node *)(const void *)node, operands);
}

uint32_t metic_trace_unit_count(metic_machine *machine)
{
    return probe_unit_count(machine->engine);
}

const char *metic_trace_register(unsigned reg)
{
    const struct guest *guest = guest_list[0];
    return reg < guest->reg_count ? guest->regs[reg].name : "";
}

void metic_csr_name(unsigned number, char *text, size_t text_bytes)
{
    riscv64_csr_name(number, text, text_bytes);
}

unsigned metic_insn_bytes(const uint8_t *bytes)
{
    return guest_list[0]->insn_bytes(bytes);
}

unsigned metic_disassemble(uint64_t address, const uint8_t *bytes, size_t available_bytes,
                           char *text, size_t text_bytes)
{
    return guest_list[0]->disassemble(address, bytes, (unsigned)available_bytes, text, text_bytes);
}
