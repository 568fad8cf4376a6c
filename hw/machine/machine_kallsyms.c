/* A Linux kernel's own symbol table, kallsyms, found in guest memory: so that traces and profiles
 * of a distribution's kernel, which comes without any other, have names.
 *
 * The table (as Linux has it from 6.4 on) is: number of
 * symbols, names (each a length and that many token numbers), markers (where every 256th name
 * begins), 256 tokens as strings, where each of those begins (u16), offsets (u32) and the address
 * they count from. The tokens are found first: the ten digits stand for themselves and so make a
 * pattern; everything else is checked against everything else. */
#include "hw/machine/machine_kallsyms.h"

#include "hw/machine/machine.h"

#include <stdlib.h>
#include <string.h>

enum {
    KERNEL_BYTES = 4 << 20, /* none is smaller */
    SEARCH_BYTES = 96 << 20, TOKENS = 256, MAX_SYMBOLS = 1 << 20, PER_MARKER = 256,
    MAX_TOKEN_BYTES = 64, MAX_NAME_BYTES = 512 + MAX_TOKEN_BYTES,
};

struct table {
    const u8 *start, *end;  /* what is searched, */
    const u8 *code;         /*   from there on first: tables lie behind code */
    const u8 *tokens, *token_index, *token_end;
    const u8 *markers, *names;
    u32 marker_count, count;
    const u8 *offsets;
    u64 base;
};

static const u8 *align_up(const struct table *table, const u8 *at, unsigned alignment)
{
    size_t offset = (size_t)(at - table->start);
    return table->start + (offset + alignment - 1) / alignment * alignment;
}

/* The token index behind the tokens must say where each of them begins. */
static bool check_tokens(struct table *table, const u8 *tokens)
{
    const u8 *at = tokens;
    u16 begins[TOKENS];
    for (unsigned i = 0; i < TOKENS; i++) {
        size_t left = (size_t)(table->end - at);
        const u8 *zero = memchr(at, 0, left < MAX_TOKEN_BYTES ? left : MAX_TOKEN_BYTES);
        if (zero == NULL || zero == at) {
            return false;
        }
        begins[i] = (u16)(at - tokens);
        at = zero + 1;
    }
    table->token_end = at;
    at = align_up(table, at, 8);
    if (table->end - at < 2 * TOKENS) {
        return false;
    }
    for (unsigned i = 0; i < TOKENS; i++) {
        if (ld_le16(at + 2 * (size_t)i) != begins[i]) {
            return false;
        }
    }
    table->tokens = tokens;
    table->token_index = at;
    return true;
}

/* Token number '0' is "0", and so on: that many tokens lie before the digits. */
static bool find_tokens(struct table *table, const u8 *at, const u8 *end)
{
    static const u8 digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
    while ((at = memmem(at, (size_t)(end - at), digits, sizeof(digits))) != NULL) {
        const u8 *first = at;
        unsigned back = '0';
        while (back != 0 && first - table->start > 2) {
            first--; /* the zero of the token before */
            while (first > table->start && first[-1] != 0) {
                first--;
            }
            back--;
        }
        if (back == 0 && check_tokens(table, first)) {
            return true;
        }
        at++;
    }
    return false;
}

/* Whether numbers of 32 bits rise from here on, as offsets of symbols do; some symbols have the
 * same. */
static bool rises(const u8 *at)
{
    enum { LOOK = 64, DIFFERENT = LOOK / 2 };
    unsigned different = 0;
    for (unsigned i = 1; i < LOOK; i++) {
        u32 before = ld_le32(at + 4 * (size_t)(i - 1)), here = ld_le32(at + 4 * (size_t)i);
        if (here < before) {
            return false;
        }
        different += here != before;
    }
    return different >= DIFFERENT;
}

const u8 *kallsyms_find_rising(const u8 *at, const u8 *end, size_t step_bytes)
{
    for (; end - at >= (s64)step_bytes; at += step_bytes) {
        if (rises(at)) {
            return at;
        }
    }
    return NULL;
}

/* A kernel's first symbols' offsets lie right behind the tokens, and are a long list: some numbers
 * out of each step are enough to meet it. Reading all that lies before it touches each page of 17
 * MB, of which a guest that boots needs few, and a first touch may be dear (10 us in some virtual
 * machines). */
static bool guess_tokens(struct table *table, size_t step_bytes)
{
    enum { BEFORE_BYTES = TOKENS * (MAX_TOKEN_BYTES + 2) + 64 };
    const u8 *at = table->code;
    while ((at = kallsyms_find_rising(at, table->end, step_bytes)) != NULL) {
        const u8 *first = at;
        while (first - table->start >= 4 && at - first < 4 * MAX_SYMBOLS &&
               ld_le32(first - 4) <= ld_le32(first)) {
            first -= 4;
        }
        size_t before = (size_t)(first - table->start);
        const u8 *from = first - (before < BEFORE_BYTES ? before : (size_t)BEFORE_BYTES);
        if (find_tokens(table, from, first)) {
            return true;
        }
        at += step_bytes;
    }
    return false;
}

/* Markers end before the tokens and begin with 0. */
static bool find_markers(struct table *table)
{
    const u8 *at = table->start + (size_t)(table->tokens - table->start) / 8 * 8;
    u32 last = ~0u;
    while (at - table->start > 8 && ld_le32(at - 4) == 0) {
        at -= 4; /* padding */
    }
    const u8 *end = at;
    while (at - table->start > 4) {
        u32 value = ld_le32(at - 4);
        if (value >= last) {
            return false;
        }
        at -= 4;
        last = value;
        if (value == 0) {
            table->markers = at;
            table->marker_count = (u32)(end - at) / 4;
            return table->marker_count > 4;
        }
    }
    return false;
}

/* Length of the name at `at` in tokens; *head: bytes that say so. */
static unsigned name_length(const u8 *at, unsigned *head)
{
    *head = at[0] & 0x80 ? 2 : 1;
    return at[0] & 0x80 ? (at[0] & 0x7fu) | (unsigned)at[1] << 7 : at[0];
}

/* A symbol's name, so many tokens. */
struct name {
    const u8 *tokens;
    unsigned length;
};

/* The names of a group, one marker's, into `names`, which has PER_MARKER; false: they do not end
 * where the next one begins, or not before the markers. A guest that runs may have changed them
 * since anybody looked. */
static bool read_group(const struct table *table, u32 group, struct name *names)
{
    u32 first = group * PER_MARKER;
    u32 count = table->count - first < PER_MARKER ? table->count - first : PER_MARKER;
    size_t room = (size_t)(table->markers - table->names);
    size_t at = ld_le32(table->markers + 4 * (size_t)group);
    for (u32 i = 0; i < count; i++) {
        unsigned head;
        if (at > room || room - at < 3) {
            return false;
        }
        names[i].length = name_length(table->names + at, &head);
        names[i].tokens = table->names + at + head;
        at += head + names[i].length;
    }
    return at <= room && (group + 1 == table->marker_count ||
                          at == ld_le32(table->markers + 4 * ((size_t)group + 1)));
}

/* The names begin behind their number; both must fit the markers. The first and the last group are
 * looked at, the others when somebody wants one of theirs: they are two megabytes. */
static bool check_names(struct table *table, const u8 *number)
{
    struct name names[PER_MARKER];
    table->count = ld_le32(number);
    table->names = number + 8;
    return table->count != 0 && table->count <= MAX_SYMBOLS &&
           (table->count + PER_MARKER - 1) / PER_MARKER == table->marker_count &&
           read_group(table, 0, names) && read_group(table, table->marker_count - 1, names);
}

static bool find_names(struct table *table)
{
    u32 last = ld_le32(table->markers + 4 * (size_t)(table->marker_count - 1));
    u64 most = (u64)last + PER_MARKER * 256 + 16;
    u64 before = (u64)(table->markers - table->start);
    const u8 *at = table->markers - (most < before ? most : before);
    at = align_up(table, at, 8);
    for (; table->markers - at > (s64)last; at += 8) {
        if (check_names(table, at)) {
            return true;
        }
    }
    return false;
}

/* Offsets and base follow the tokens. Before the kernel has relocated itself the base may be 0. */
static bool find_offsets(struct table *table)
{
    const u8 *at = align_up(table, table->token_index + 2 * TOKENS, 8);
    if (table->end - at < 4 * (s64)table->count + 16) {
        return false;
    }
    table->offsets = at;
    at = align_up(table, at + 4 * (size_t)table->count, 8);
    table->base = ld_le64(at);
    if (table->base == 0) {
        table->base = 0xffffffff80000000u;
    }
    return table->base >> 63 == 1;
}

/* As they were when they were checked: the guest may be writing. */
struct tokens {
    u16 starts[TOKENS];
    u8 lengths[TOKENS];
};

static void read_tokens(const struct table *table, struct tokens *tokens)
{
    for (unsigned i = 0; i < TOKENS; i++) {
        const u8 *token = table->tokens + ld_le16(table->token_index + 2 * (size_t)i);
        size_t left = token < table->token_end ? (size_t)(table->token_end - token) : 0;
        size_t most = left < MAX_TOKEN_BYTES ? left : MAX_TOKEN_BYTES;
        size_t length = strnlen((const char *)token, most);
        tokens->starts[i] = (u16)(token - table->tokens);
        tokens->lengths[i] = (u8)length;
    }
}

static void expand(const struct table *table, const struct tokens *tokens, const u8 *name,
                   unsigned length, char *text)
{
    size_t used = 0;
    for (unsigned i = 0; i < length && used < MAX_NAME_BYTES - MAX_TOKEN_BYTES; i++) {
        memcpy(text + used, table->tokens + tokens->starts[name[i]], tokens->lengths[name[i]]);
        used += tokens->lengths[name[i]];
    }
    text[used] = '\0';
}

/* --- where to look --- */

/* Around the code that a hart's traps go to, when that is the kernel's: firmware that loads a
 * kernel puts it anywhere. After a power-off the hart is in the firmware, with the kernel's page
 * tables. False: no hart has any. */
static bool kernel_window(metic_machine *machine, const struct memory_region *ram,
                          struct table *table)
{
    for (unsigned i = 0; i < metic_hart_count(machine); i++) {
        struct vcpu *vcpu = machine->engine->vcpus[i];
        uint64_t stvec = 0;
        gpa_t physical;
        if (metic_get_register(machine, i, "stvec", &stvec) && stvec >> 63 == 1 &&
            vcpu->guest->translate_kernel(vcpu, stvec & ~(u64)3, &physical) &&
            physical >= ram->gpa && physical - ram->gpa < ram->size_bytes) {
            u64 code = physical - ram->gpa;
            u64 first = code > SEARCH_BYTES / 3 ? code - SEARCH_BYTES / 3 : 0;
            u64 left = ram->size_bytes - first;
            table->start = ram->host + first;
            table->end = table->start + (left < SEARCH_BYTES ? left : (u64)SEARCH_BYTES);
            table->code = table->start + (code - first);
            return true;
        }
    }
    return false;
}

static bool find_rest(struct table *table)
{
    return find_markers(table) && find_names(table) && find_offsets(table);
}

static bool find_table(struct table *table)
{
    enum { MANY_BYTES = 256 << 10, SOME_BYTES = 64 << 10 }; /* of offsets; Debian's are 380 KB */
    if ((guess_tokens(table, MANY_BYTES) || guess_tokens(table, SOME_BYTES)) &&
        find_rest(table)) {
        return true;
    }
    return (find_tokens(table, table->code, table->end) ||
            find_tokens(table, table->start, table->end)) && find_rest(table);
}

bool machine_has_page_tables(struct metic_machine *machine, unsigned hart)
{
    uint64_t satp = 0;
    return metic_get_register(machine, hart, "satp", &satp) && satp != 0;
}

/* A hart with page tables may run a kernel, and an image may be one before it runs, or have one in
 * it. For nobody else a table is looked for: that touches a hundred megabytes of memory. */
static bool may_have_kernel(metic_machine *machine)
{
    const struct image *image = machine->boot.main;
    bool may = image != NULL && (image->mode == IMAGE_MODE_SUPERVISOR ||
                                 image->size_bytes >= KERNEL_BYTES);
    for (unsigned i = 0; i < metic_hart_count(machine) && !may; i++) {
        may = machine_has_page_tables(machine, i);
    }
    return may;
}

static bool find(metic_machine *machine, struct table *table)
{
    const struct memory *memory = &machine->memory;
    unsigned n = 0;
    if (!may_have_kernel(machine)) {
        return false;
    }
    while (n < memory->region_count && memory->regions[n].kind != MEMORY_RAM) {
        n++;
    }
    if (n == memory->region_count) {
        return false;
    }
    const struct memory_region *ram = &memory->regions[n];
    *table = (struct table){0};
    if (kernel_window(machine, ram, table) && find_table(table)) {
        return true;
    }
    u64 bytes = ram->size_bytes < SEARCH_BYTES ? ram->size_bytes : (u64)SEARCH_BYTES;
    *table = (struct table){.start = ram->host, .end = ram->host + bytes, .code = ram->host};
    return find_table(table);
}

static u64 address_of(const struct table *table, u32 symbol)
{
    return table->base + ld_le32(table->offsets + 4 * (size_t)symbol);
}

/* Of the symbols from `first` on those of the same address: where they end. */
static u32 same_end(const struct table *table, u32 first)
{
    u32 end = first + 1;
    while (end < table->count && address_of(table, end) == address_of(table, first)) {
        end++;
    }
    return end;
}

/* Whom somebody wants of the symbols, which are asked about in their order. */
struct wanted {
    const struct table *table;
    bool (*wants)(void *opaque, uint64_t first, uint64_t end);
    void *opaque;
    u32 end;            /* those before it are asked about: the last address, */
    bool before, last;  /*   and the one before it */
};

/* Whether symbol i is to be shown: it, or what ends where it begins, is wanted. */
static bool is_shown(struct wanted *wanted, u32 i)
{
    const struct table *table = wanted->table;
    if (i == wanted->end) { /* another address */
        wanted->before = wanted->last;
        wanted->end = same_end(table, i);
        u64 next = wanted->end < table->count ? address_of(table, wanted->end) : UINT64_MAX;
        wanted->last = wanted->wants == NULL ||
                       wanted->wants(wanted->opaque, address_of(table, i), next);
    }
    return wanted->last || wanted->before;
}

size_t metic_kernel_symbols_in(metic_machine *machine,
                               bool (*wants)(void *opaque, uint64_t first, uint64_t end),
                               void (*each)(void *opaque, uint64_t address, char type,
                                            const char *name), void *opaque)
{
    struct table table;
    struct tokens tokens;
    struct name names[PER_MARKER];
    if (!find(machine, &table)) {
        return 0;
    }
    read_tokens(&table, &tokens);
    struct wanted wanted = {.table = &table, .wants = wants, .opaque = opaque};
    for (u32 i = 0, group = ~0u, bad = ~0u; i < table.count; i++) {
        if (!is_shown(&wanted, i) || i / PER_MARKER == bad) {
            continue;
        }
        if (i / PER_MARKER != group) {
            group = i / PER_MARKER;
            if (!read_group(&table, group, names)) {
                bad = group;
                continue;
            }
        }
        char text[MAX_NAME_BYTES];
        const struct name *name = &names[i % PER_MARKER];
        expand(&table, &tokens, name->tokens, name->length, text);
        if (text[0] != '\0') {
            each(opaque, address_of(&table, i), text[0], text + 1);
        }
    }
    return table.count;
}

size_t metic_kernel_symbols(metic_machine *machine,
                            void (*each)(void *opaque, uint64_t address, char type,
                                         const char *name), void *opaque)
{
    return metic_kernel_symbols_in(machine, NULL, each, opaque);
}
