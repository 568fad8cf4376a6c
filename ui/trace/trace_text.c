/* See trace_text.h. */
#include "ui/trace/trace_text.h"

#include "ui/ui.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { REGS = 72 }; /* of metic_trace_register's numbers */

bool trace_text_format_find(const char *name, enum trace_text_format *format)
{
    static const char *const names[] = {"text", "qemu", "json", "chrome"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *format = (enum trace_text_format)i;
            return true;
        }
    }
    return false;
}

const char *trace_privilege(u32 privilege)
{
    static const char *const names[] = {"U", "S", "H", "M"};
    return privilege < ARRAY_LEN(names) ? names[privilege] : "?";
}

const char *trace_event_name(enum metic_trace_event kind)
{
    static const char *const names[METIC_EVENT_COUNT] = {
        "sync", "context", "trap", "return", "tlb-fill", "tlb-flush", "translate", "device",
        "memory", "wait", "call", "call-end", "io", "task", "csr",
    };
    return (unsigned)kind < METIC_EVENT_COUNT ? names[kind] : "?";
}

/* --- accesses --- */

static u64 amo_result(const struct metic_trace_slot *slot, u64 old, u64 operand)
{
    bool wide = slot->size_bytes == 8;
    s64 a = wide ? (s64)old : (s32)old, b = wide ? (s64)operand : (s32)operand;
    u64 mask = trace_mask(slot->size_bytes);
    switch (slot->amo) {
    case 1: return (old + operand) & mask;
    case 2: return old & operand;
    case 3: return old | operand;
    case 4: return old ^ operand;
    case 5: return a < b ? old : operand;
    case 6: return a > b ? old : operand;
    case 7: return (old & mask) < (operand & mask) ? old : operand;
    case 8: return (old & mask) > (operand & mask) ? old : operand;
    default: return operand;
    }
}

bool trace_next_access(const struct trace_step *step, unsigned *at, struct trace_access *access)
{
    for (; *at < step->slot_count; (*at)++) {
        const struct metic_trace_slot *slot = &step->slots[*at];
        const u64 *words = &step->words[*at];
        unsigned left = step->slot_count - *at;
        u64 mask = trace_mask(slot->size_bytes);
        bool load = slot->kind == METIC_SLOT_LOAD_ADDRESS;
        *access = (struct trace_access){.address = words[0], .size_bytes = slot->size_bytes};
        if ((load || slot->kind == METIC_SLOT_STORE_ADDRESS) && left >= 2) {
            access->read = load;
            access->write = !load;
            access->value = words[1] & mask;
            *at += 2;
            return true;
        }
        if (slot->kind == METIC_SLOT_AMO_ADDRESS && left >= 3) {
            bool cas = slot->amo == 15 && left >= 4;
            u64 old = words[cas ? 3 : 2] & mask;
            access->read = true;
            access->write = !cas || old == (words[2] & mask);
            access->value = cas ? words[1] & mask : amo_result(slot, old, words[1] & mask);
            *at += cas ? 4 : 3;
            return true;
        }
    }
    return false;
}

/* --- people --- */

static void disassemble(const struct trace_step *step, char *text, size_t bytes)
{
    metic_disassemble(step->pc, step->code, step->bytes, text, bytes);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\t' ? ' ' : *at;
    }
}

static void place(const struct trace_text *text, u64 pc, char *out, size_t bytes)
{
    out[0] = '\0';
    if (text->symbols != NULL && symbols_find(text->symbols, pc) != NULL) {
        symbols_print(text->symbols, pc, out, bytes);
    }
}

static void plain_step(struct trace_text *text, const struct trace_step *step)
{
    char code[128], where[128];
    const char *file;
    unsigned line;
    disassemble(step, code, sizeof(code));
    place(text, step->pc, where, sizeof(where));
    fprintf(text->to, "%u %10" PRIu64 " %s %016" PRIx64 " %-28s %-32s", step->stream, step->insns,
            trace_privilege(step->privilege), step->pc, where, code);
    for (unsigned i = 0; i < step->slot_count; i++) {
        if (step->slots[i].kind == METIC_SLOT_REGISTER) {
            fprintf(text->to, " %s=%" PRIx64, metic_trace_register(step->slots[i].reg),
                    step->words[i]);
        }
    }
    struct trace_access access;
    for (unsigned at = 0; trace_next_access(step, &at, &access);) {
        fprintf(text->to, " %s[%" PRIx64 "]%s%0*" PRIx64, access.write ? "w" : "r", access.address,
                access.write ? "=" : "->", 2 * access.size_bytes, access.value);
        u64 gpa;
        if (trace_pages_find(&text->pages, step->stream, step->privilege, step->satp,
                             access.address, &gpa)) {
            fprintf(text->to, " @%" PRIx64, gpa);
        }
    }
    if (source_lines_find(text->lines, step->pc, &file, &line)) {
        fprintf(text->to, "  %s:%u", file, line);
    }
    fputc('\n', text->to);
}

static void print_io(FILE *to, const struct trace_event *event)
{
    const u64 *w = event->words;
    if (event->count < 4) {
        return;
    }
    if (w[0] == 1) {
        static const char *const types[] = {"read", "write"};
        fprintf(to, "disk %s sector %" PRIu64 ", %" PRIu64 " bytes",
                w[1] < 2 ? types[w[1]] : "request", w[2], w[3]);
    } else if (w[0] == 2) {
        fprintf(to, "network %s %" PRIu64 " bytes", w[1] ? "sends" : "receives", w[2]);
    } else {
        fprintf(to, "console \"");
        for (unsigned i = 0; i < w[2] && i < 8; i++) {
            unsigned c = (unsigned)(w[1] >> 8 * i) & 0xff;
            fprintf(to, c >= ' ' && c < 127 && c != '"' && c != '\\' ? "%c" : "\\x%02x", c);
        }
        fputc('"', to);
    }
}

static void print_or_all(FILE *to, const char *what, u64 value, const char *all)
{
    if (value == ~(u64)0) {
        fputs(all, to);
    } else {
        fprintf(to, "%s%" PRIx64, what, value);
    }
}

void trace_event_print(FILE *to, const struct trace_event *event, struct symbols *symbols)
{
    static const struct symbols none;
    struct symbols *known = symbols != NULL ? symbols : (struct symbols *)(uintptr_t)&none;
    u64 w[9] = {0};
    char name[160], other[160];
    for (unsigned i = 0; i < event->count && i < ARRAY_LEN(w); i++) {
        w[i] = event->words[i];
    }
    switch (event->kind) {
    case METIC_EVENT_CONTEXT:
        fprintf(to, "%s-mode, satp %" PRIx64, trace_privilege((u32)w[0]), w[1]);
        break;
    case METIC_EVENT_TRAP:
        symbols_print(known, w[2], name, sizeof(name));
        fprintf(to, "%s %" PRIu64 " at %s, value %" PRIx64, w[0] >> 63 ? "interrupt" : "exception",
                w[0] & ~((u64)1 << 63), name, w[1]);
        break;
    case METIC_EVENT_RETURN:
        symbols_print(known, w[0], name, sizeof(name));
        fprintf(to, "to %s, %s-mode", name, trace_privilege((u32)w[1]));
        break;
    case METIC_EVENT_TLB_FILL:
        fprintf(to, "%" PRIx64 " is %" PRIx64 ", %s%s%s", w[0], w[1], w[2] & 1 ? "r" : "-",
                w[2] & 2 ? "w" : "-", w[2] & 16 ? ", global" : "");
        break;
    case METIC_EVENT_TLB_FLUSH:
        print_or_all(to, "address ", w[0], "all addresses");
        print_or_all(to, ", ASID ", w[1], ", all ASIDs");
        break;
    case METIC_EVENT_TRANSLATE:
        fprintf(to, "physical %" PRIx64 ", mode %" PRIx64 ": %" PRIu64 " instructions, %" PRIu64
                " bytes of host code", w[0], w[1], w[2] >> 32, w[2] & 0xffffffff);
        break;
    case METIC_EVENT_DEVICE:
    case METIC_EVENT_MEMORY:
        fprintf(to, "%s %" PRIx64 " %s %" PRIx64 ", %u bytes", w[2] >> 8 & 1 ? "write" : "read",
                w[0], w[2] >> 8 & 1 ? "of" : "gives", w[1], (unsigned)(w[2] & 0xff));
        break;
    case METIC_EVENT_CALL:
        symbols_print(known, w[0], name, sizeof(name));
        symbols_print(known, w[1], other, sizeof(other));
        fprintf(to, "%s(%" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64
                ") from %s", name, w[3], w[4], w[5], w[6], w[7], w[8], other);
        break;
    case METIC_EVENT_CALL_END:
        symbols_print(known, w[0], name, sizeof(name));
        fprintf(to, "%s(%" PRIx64 ", ...) = %" PRIx64 " (%" PRId64 ")", name, w[4], w[2],
                (s64)w[2]);
        break;
    case METIC_EVENT_IO: print_io(to, event); break;
    case METIC_EVENT_CSR:
        metic_csr_name((unsigned)(w[0] & 0xfff), name, sizeof(name));
        fprintf(to, "%s %s %" PRIx64, name, w[0] >> 16 & 1 ? "gives" : "was", w[1]);
        if (w[0] >> 17 & 1) {
            fprintf(to, ", set to %" PRIx64, w[2]);
        }
        break;
    case METIC_EVENT_TASK:
        fprintf(to, "%.16s (%" PRIx64 ")", (const char *)&w[1], w[0]);
        break;
    default: fprintf(to, "%" PRIx64 " %" PRIx64 " %" PRIx64, w[0], w[1], w[2]); break;
    }
}

/* --- QEMU's -d in_asm,exec,int,cpu --- */

static bool unit_is_new(struct trace_text *text, u32 unit)
{
    if (unit >= text->shown_capacity) {
        u32 capacity = unit * 2 + 1024;
        u8 *bigger = realloc(text->shown_units, capacity);
        if (bigger == NULL) {
            return false;
        }
        memset(bigger + text->shown_capacity, 0, capacity - text->shown_capacity);
        text->shown_units = bigger;
        text->shown_capacity = capacity;
    }
    bool is_new = !text->shown_units[unit];
    text->shown_units[unit] = 1;
    return is_new;
}

/* What registers hold is known from a hart's reset on, when all are 0, and from their next write
 * after a gap: what ran there may have written any. */
static void qemu_find_gap(struct trace_text *text, const struct trace_step *step)
{
    u64 *next = &text->next_insns[step->stream];
    if (step->insns == 0) {
        text->known[step->stream] = ~(u32)0;
    } else if (step->insns != *next) {
        text->known[step->stream] = 1; /* x0 */
    }
    *next = step->insns + 1;
}

static void qemu_registers(struct trace_text *text, const struct trace_step *step)
{
    const u64 *regs = text->regs[step->stream];
    fprintf(text->to, " pc       %016" PRIx64 "\n", step->pc);
    for (unsigned i = 0; i < 32; i++) {
        char name[16];
        snprintf(name, sizeof(name), "x%u/%s", i, metic_trace_register(i));
        fprintf(text->to, " %-8s ", name);
        if (text->known[step->stream] >> i & 1) {
            fprintf(text->to, "%016" PRIx64, regs[i]);
        } else {
            fputs("????????????????", text->to);
        }
        fputs(i % 4 == 3 ? "\n" : "", text->to);
    }
}

static void qemu_step(struct trace_text *text, const struct trace_step *step)
{
    char code[128], where[128];
    place(text, step->pc, where, sizeof(where));
    qemu_find_gap(text, step);
    if (step->first) {
        if (unit_is_new(text, step->unit)) {
            fprintf(text->to, "----------------\nIN: %s\nPriv: %u; Virt: 0\n", where,
                    step->privilege & 3);
        }
        fprintf(text->to, "Trace %u: 0x%08x [00000000/%016" PRIx64 "/%08x/00000000] %s\n",
                step->stream, step->unit, step->pc, step->privilege & 3, where);
        if (text->has_registers) {
            qemu_registers(text, step);
        }
    }
    disassemble(step, code, sizeof(code));
    u32 word = step->bytes == 4 ? ld_le32(step->code)
                                : (u32)(step->code[0] | step->code[1] << 8);
    fprintf(text->to, "0x%016" PRIx64 ":  %0*x%*s%s\n", step->pc, (int)(2 * step->bytes), word,
            step->bytes == 4 ? 10 : 14, "", code);
    for (unsigned i = 0; i < step->slot_count; i++) {
        if (step->slots[i].kind == METIC_SLOT_REGISTER && step->slots[i].reg < REGS) {
            text->regs[step->stream][step->slots[i].reg] = step->words[i];
            text->known[step->stream] |= step->slots[i].reg < 32 ? (u32)1 << step->slots[i].reg : 0;
        }
    }
}

static void qemu_event(struct trace_text *text, const struct trace_event *event)
{
    static const char *const exceptions[16] = {
        "misaligned_fetch", "fault_fetch", "illegal_instruction", "breakpoint", "misaligned_load",
        "fault_load", "misaligned_store", "fault_store", "user_ecall", "supervisor_ecall",
        "hypervisor_ecall", "machine_ecall", "exec_page_fault", "load_page_fault", "reserved",
        "store_page_fault",
    };
    static const char *const interrupts[16] = {
        "u_software", "s_software", "vs_software", "m_software", "u_timer", "s_timer", "vs_timer",
        "m_timer", "u_external", "s_external", "vs_external", "m_external", "reserved",
        "counter_overflow", "reserved", "reserved",
    };
    if (event->kind != METIC_EVENT_TRAP || event->count < 3) {
        return;
    }
    u64 cause = event->words[0];
    bool async = cause >> 63;
    fprintf(text->to, "riscv_cpu_do_interrupt: hart:%u, async:%d, cause:%016" PRIx64
            ", epc:0x%016" PRIx64 ", tval:0x%016" PRIx64 ", desc=%s\n", event->stream, async,
            cause & ~((u64)1 << 63), event->words[2], event->words[1],
            async ? interrupts[cause & 15] : exceptions[cause & 15]);
}

/* --- JSON lines --- */

static void json_step(struct trace_text *text, const struct trace_step *step)
{
    char code[128], where[128];
    disassemble(step, code, sizeof(code));
    place(text, step->pc, where, sizeof(where));
    fprintf(text->to, "{\"event\":\"insn\",\"hart\":%u,\"insns\":%" PRIu64 ",\"priv\":\"%s\","
            "\"satp\":\"0x%" PRIx64 "\",\"pc\":\"0x%" PRIx64 "\",\"text\":", step->stream,
            step->insns, trace_privilege(step->privilege), step->satp, step->pc);
    ui_print_json_string(text->to, code);
    if (where[0] != '\0') {
        fputs(",\"symbol\":", text->to);
        ui_print_json_string(text->to, where);
    }
    const char *before = ",\"registers\":{";
    for (unsigned i = 0; i < step->slot_count; i++) {
        if (step->slots[i].kind == METIC_SLOT_REGISTER) {
            fprintf(text->to, "%s\"%s\":\"0x%" PRIx64 "\"", before,
                    metic_trace_register(step->slots[i].reg), step->words[i]);
            before = ",";
        }
    }
    fputs(before[1] == '\0' ? "}" : "", text->to);
    before = ",\"memory\":[";
    struct trace_access access;
    for (unsigned at = 0; trace_next_access(step, &at, &access);) {
        fprintf(text->to, "%s{\"write\":%s,\"address\":\"0x%" PRIx64 "\",\"bytes\":%u,"
                "\"value\":\"0x%" PRIx64 "\"", before, access.write ? "true" : "false",
                access.address, access.size_bytes, access.value);
        u64 gpa;
        if (trace_pages_find(&text->pages, step->stream, step->privilege, step->satp,
                             access.address, &gpa)) {
            fprintf(text->to, ",\"physical\":\"0x%" PRIx64 "\"", gpa);
        }
        fputs("}", text->to);
        before = ",";
    }
    fputs(before[1] == '\0' ? "]}\n" : "}\n", text->to);
}

static void json_event(struct trace_text *text, const struct trace_event *event)
{
    char *says = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&says, &bytes);
    if (to == NULL) {
        return;
    }
    trace_event_print(to, event, text->symbols);
    fclose(to);
    fprintf(text->to, "{\"event\":\"%s\"", trace_event_name(event->kind));
    if (event->kind != METIC_EVENT_IO) { /* that is of the machine, not of a hart */
        fprintf(text->to, ",\"hart\":%u,\"insns\":%" PRIu64 ",\"priv\":\"%s\"", event->stream,
                event->insns, trace_privilege(event->privilege));
    }
    fprintf(text->to, ",\"ns\":%" PRIu64 ",\"words\":[", event->ns);
    for (unsigned i = 0; i < event->count; i++) {
        fprintf(text->to, "%s\"0x%" PRIx64 "\"", i != 0 ? "," : "", event->words[i]);
    }
    fputs("],\"text\":", text->to);
    ui_print_json_string(text->to, says);
    fputs("}\n", text->to);
    free(says);
}

/* --- Chrome's trace events: traps and calls as slices, the rest as instants --- */

/* Names the track, a hart's or that of what happens outside of them. */
static void chrome_name(struct trace_text *text, unsigned stream, bool is_hart)
{
    char name[16] = "machine";
    if (text->tracks[stream].named) {
        return;
    }
    text->tracks[stream].named = true;
    if (is_hart) {
        snprintf(name, sizeof(name), "hart %u", stream);
    }
    if (!text->begun) {
        fputs("[\n{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"process_name\","
              "\"args\":{\"name\":\"guest\"}}", text->to);
        text->begun = true;
    }
    fprintf(text->to, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
            "\"args\":{\"name\":\"%s\"}}", stream, name);
}

bool trace_text_slice(struct trace_text *text, unsigned stream, u64 ns, char phase,
                      const char *name)
{
    if (phase == 'E' && text->tracks[stream].open == 0) {
        return false;
    }
    chrome_name(text, stream, true);
    text->tracks[stream].open += phase == 'B';
    text->tracks[stream].open -= phase == 'E';
    ns = ns > text->tracks[stream].ns ? ns : text->tracks[stream].ns;
    text->tracks[stream].ns = ns;
    fprintf(text->to, ",\n{\"ph\":\"%c\",\"pid\":1,\"tid\":%u,\"ts\":%" PRIu64
            ".%03u,\"name\":", phase, stream, ns / 1000, (unsigned)(ns % 1000));
    ui_print_json_string(text->to, name);
    return true;
}

/* Slices that go on where the recording ends do so there. */
static void chrome_end(struct trace_text *text)
{
    for (unsigned i = 0; i < ARRAY_LEN(text->tracks); i++) {
        while (text->tracks[i].open != 0 &&
               trace_text_slice(text, i, text->tracks[i].ns, 'E', "end of the recording")) {
            fputc('}', text->to);
        }
    }
    fputs(text->begun ? "\n]\n" : "[]\n", text->to);
}

static void chrome_slice(struct trace_text *text, const struct trace_event *event, char phase,
                         const char *name)
{
    if (event->kind == METIC_EVENT_IO) {
        chrome_name(text, event->stream, false);
    }
    if (!trace_text_slice(text, event->stream, event->ns, phase, name)) {
        return;
    }
    if (phase == 'i') {
        fputs(",\"s\":\"t\"", text->to);
    }
    if (phase != 'E') {
        char *says = NULL;
        size_t bytes = 0;
        FILE *to = open_memstream(&says, &bytes);
        if (to != NULL) {
            trace_event_print(to, event, text->symbols);
            fclose(to);
            fputs(",\"args\":{\"says\":", text->to);
            ui_print_json_string(text->to, says);
            fprintf(text->to, ",\"insns\":%" PRIu64 "}", event->insns);
            free(says);
        }
    }
    fputc('}', text->to);
}

static void chrome_event(struct trace_text *text, const struct trace_event *event)
{
    char name[160] = "";
    u64 first = event->count != 0 ? event->words[0] : 0;
    switch (event->kind) {
    case METIC_EVENT_TRAP:
        snprintf(name, sizeof(name), "%s %u", first >> 63 ? "interrupt" : "exception",
                 (unsigned)(first & 63));
        chrome_slice(text, event, 'B', name);
        break;
    case METIC_EVENT_RETURN: chrome_slice(text, event, 'E', "trap"); break;
    case METIC_EVENT_CALL:
        if (text->symbols != NULL) {
            symbols_print(text->symbols, first, name, sizeof(name));
        }
        chrome_slice(text, event, 'B', name);
        break;
    case METIC_EVENT_CALL_END: chrome_slice(text, event, 'E', "call"); break;
    case METIC_EVENT_WAIT: chrome_slice(text, event, first ? 'B' : 'E', "waits"); break;
    case METIC_EVENT_SYNC:
    case METIC_EVENT_CONTEXT: break;
    default: chrome_slice(text, event, 'i', trace_event_name(event->kind)); break;
    }
}

/* --- doors --- */

bool trace_text_is_full(const struct trace_text *text)
{
    return text->limit != 0 && text->told >= text->limit;
}

static bool wanted(struct trace_text *text, unsigned stream, u64 insns)
{
    return !trace_text_is_full(text) && (text->harts == 0 || text->harts >> stream & 1) &&
           insns >= text->from_insns && (text->to_insns == 0 || insns < text->to_insns);
}

/* Instruction number `insns` of the hart is at `pc`. */
static void text_branch(struct trace_text *text, unsigned stream, u64 insns, u64 pc)
{
    struct trace_branch branch;
    if (trace_branch_is_told(text, stream, insns, pc, &branch) &&
        wanted(text, stream, branch.insns) &&
        (text->end == 0 || (branch.from >= text->first && branch.from < text->end)) &&
        (text->every <= 1 || text->seen++ % text->every == 0)) {
        text->told++;
        trace_branch_print(text, stream, &branch);
    }
}

void trace_text_step(void *opaque, const struct trace_step *step)
{
    struct trace_text *text = opaque;
    if (text->branches) {
        text_branch(text, step->stream, step->insns, step->pc);
        if (step->mine) {
            trace_branch_step(text, step);
        }
        return;
    }
    if (!step->mine || !wanted(text, step->stream, step->insns) ||
        (text->end != 0 && (step->pc < text->first || step->pc >= text->end)) ||
        (text->every > 1 && text->seen++ % text->every != 0)) {
        return;
    }
    text->told++;
    switch (text->format) {
    case TRACE_TEXT_PLAIN: plain_step(text, step); break;
    case TRACE_TEXT_QEMU: qemu_step(text, step); break;
    case TRACE_TEXT_JSON: json_step(text, step); break;
    case TRACE_TEXT_CHROME:
        text->told--;
        text->left_out = true;
        break;
    }
}

/* Beside calls and traps, slices of a track, Chrome's form has what a reader finds his way by. */
static bool is_beside_branches(const struct trace_text *text, const struct trace_event *event)
{
    return event->kind == METIC_EVENT_TRAP ||
           (text->format == TRACE_TEXT_CHROME &&
            (event->kind == METIC_EVENT_TASK || event->kind == METIC_EVENT_DEVICE ||
             event->kind == METIC_EVENT_IO));
}

void trace_text_event(void *opaque, const struct trace_event *event)
{
    struct trace_text *text = opaque;
    trace_pages_event(&text->pages, event);
    if (text->branches && event->kind == METIC_EVENT_TRAP && event->count >= 3) {
        text_branch(text, event->stream, event->insns, event->words[2]); /* where it came to */
    }
    if ((text->branches && !is_beside_branches(text, event)) || !event->mine ||
        !wanted(text, event->stream, event->insns)) {
        return;
    }
    if (text->format == TRACE_TEXT_CHROME) {
        chrome_event(text, event);
        return;
    }
    if (text->end != 0 || event->kind == METIC_EVENT_SYNC) {
        return;
    }
    text->told++;
    switch (text->format) {
    case TRACE_TEXT_QEMU: qemu_event(text, event); break;
    case TRACE_TEXT_JSON: json_event(text, event); break;
    default:
        if (event->kind == METIC_EVENT_IO) { /* of the machine, not of a hart */
            fprintf(text->to, "-          - - %10" PRIu64 " ns io: ", event->ns);
        } else {
            fprintf(text->to, "%u %10" PRIu64 " %s %10" PRIu64 " ns %s: ", event->stream,
                    event->insns, trace_privilege(event->privilege), event->ns,
                    trace_event_name(event->kind));
        }
        trace_event_print(text->to, event, text->symbols);
        fputc('\n', text->to);
        break;
    }
}

void trace_text_end(struct trace_text *text)
{
    if (text->format == TRACE_TEXT_CHROME) {
        chrome_end(text);
    }
    if (text->left_out) {
        fputs("metic: Chrome's form shows events, not instructions; as branches it shows calls\n",
              stderr);
    }
    trace_pages_free(&text->pages);
    free(text->shown_units);
    text->shown_units = NULL;
}
