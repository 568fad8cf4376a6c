/* See guest_files.h. */
#include "ui/guest_files.h"

#include "ui/symbols/elfutils.h"

#if HAVE_LIBDW

#include "cpu/base/bits.h"

#include <dwarf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    REGS = 32, PC = 32, RA = 1, SP = 2, FP = 8, /* GDB's numbers; DWARF's are the same */
    HEAD_BYTES = 256,     /* of a file are compared: its header and most segments */
    PLACES = 64, MISSES = 1024, MISS_LOOKS = 64, RULES = 4096,
    PAGE = 4096, MAX_SPAN_BYTES = 64 << 20, MAX_FRAME_BYTES = 1 << 20,
};

struct file {
    const struct elfutils *api;
    const char *name; /* without folders */
    int fd;
    Elf *elf;
    Dwarf *dwarf;
    Dwarf_CFI *eh_frame, *debug_frame; /* the latter belongs to dwarf */
    bool moves;          /* ET_DYN */
    bool has_head;
    u64 first, end;      /* of what is loaded, as in the file */
    u64 head_at;         /* where its ELF header is loaded */
    u8 head[HEAD_BYTES];
    size_t head_bytes;
    struct symbols symbols;
};

/* How the caller's registers follow from a frame's. */
struct rule {
    u64 pc;              /* in the file; */
    const struct file *file; /* NULL: nothing here yet */
    bool good, is_signal;
    u8 cfa_reg, ra;
    s64 cfa_offset;
    struct {
        enum { SAME, UNDEFINED, SAVED, VALUE } how;
        s64 offset;      /* from the CFA */
    } regs[REGS];
};

struct place {
    struct file *file; /* NULL: nothing here yet */
    u64 moved;         /* it lies so far above what the file says */
};

struct guest_files {
    struct elfutils api;
    metic_machine *machine;
    struct file *list;
    unsigned count;
    struct place places[PLACES]; /* where programs were found last */
    unsigned next_place;
    struct {
        u64 page, satp;
        unsigned looks;
    } misses[MISSES];            /* pages in which nothing was found */
    struct rule rules[RULES];
    unsigned satp_number;
};

/* --- files --- */

/* Where it is loaded, and what its header looks like there. */
static bool read_segments(struct file *file)
{
    GElf_Ehdr header;
    size_t count;
    if (file->api->gelf_getehdr(file->elf, &header) == NULL ||
        file->api->elf_getphdrnum(file->elf, &count) != 0 ||
        (header.e_type != ET_EXEC && header.e_type != ET_DYN)) {
        return false;
    }
    file->moves = header.e_type == ET_DYN;
    file->first = ~(u64)0;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (file->api->gelf_getphdr(file->elf, (int)i, &segment) == NULL ||
            segment.p_type != PT_LOAD || segment.p_vaddr + segment.p_memsz < segment.p_vaddr) {
            continue;
        }
        u64 end = segment.p_vaddr + segment.p_memsz;
        file->first = segment.p_vaddr < file->first ? segment.p_vaddr : file->first;
        file->end = end > file->end ? end : file->end;
        if (segment.p_offset == 0 && segment.p_filesz >= sizeof(Elf64_Ehdr)) {
            file->head_at = segment.p_vaddr;
            file->head_bytes = segment.p_filesz < HEAD_BYTES ? (size_t)segment.p_filesz
                                                             : (size_t)HEAD_BYTES;
            ssize_t got = pread(file->fd, file->head, file->head_bytes, 0);
            file->has_head = got == (ssize_t)file->head_bytes;
        }
    }
    return file->end > file->first;
}

static bool open_file(struct file *file, const struct elfutils *api, const char *path)
{
    struct metic_error ignored;
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    *file = (struct file){.api = api, .name = name, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    file->elf = file->fd >= 0 ? file->api->elf_begin(file->fd, ELF_C_READ_MMAP, NULL) : NULL;
    if (file->elf == NULL || file->api->elf_kind(file->elf) != ELF_K_ELF || !read_segments(file)) {
        return false;
    }
    file->eh_frame = file->api->dwarf_getcfi_elf(file->elf);
    file->dwarf = file->api->dwarf_begin_elf(file->elf, DWARF_C_READ, NULL);
    file->debug_frame = file->dwarf != NULL ? file->api->dwarf_getcfi(file->dwarf) : NULL;
    symbols_add_elf(&file->symbols, path, 0, &ignored);
    return true;
}

static void close_file(struct file *file)
{
    symbols_fini(&file->symbols);
    if (file->eh_frame != NULL) {
        file->api->dwarf_cfi_end(file->eh_frame);
    }
    file->api->dwarf_end(file->dwarf);
    file->api->elf_end(file->elf);
    if (file->fd >= 0) {
        close(file->fd);
    }
}

static unsigned find_register(metic_machine *machine, const char *name)
{
    struct metic_register found;
    for (unsigned i = 0; i < metic_register_limit(machine); i++) {
        if (metic_describe_register(machine, i, &found) && strcmp(found.name, name) == 0) {
            return i;
        }
    }
    return 0;
}

struct guest_files *guest_files_new(metic_machine *machine, const char *const *paths,
                                    unsigned count)
{
    struct guest_files *files = calloc(1, sizeof(*files));
    struct file *list = calloc(count + 1u, sizeof(*list));
    struct metic_error ignored;
    if (files == NULL || list == NULL || !elfutils_open(&files->api, &ignored)) {
        free(files);
        free(list);
        return NULL;
    }
    files->machine = machine;
    files->list = list;
    files->satp_number = find_register(machine, "satp");
    for (unsigned i = 0; i < count; i++) {
        if (open_file(&list[files->count], &files->api, paths[i])) {
            files->count++;
        } else {
            close_file(&list[files->count]);
        }
    }
    if (files->count == 0) {
        guest_files_free(files);
        return NULL;
    }
    return files;
}

void guest_files_free(struct guest_files *files)
{
    if (files == NULL) {
        return;
    }
    for (unsigned i = 0; i < files->count; i++) {
        close_file(&files->list[i]);
    }
    free(files->list);
    free(files);
}

/* --- which file an address belongs to --- */

/* Whether the file's header is seen where it would be. */
static bool is_there(const struct guest_files *files, unsigned hart, const struct file *file,
                     u64 moved)
{
    u8 seen[HEAD_BYTES];
    return file->has_head &&
           metic_read_virtual(files->machine, hart, file->head_at + moved, seen,
                              file->head_bytes) &&
           memcmp(seen, file->head, file->head_bytes) == 0;
}

static bool holds(const struct file *file, u64 moved, u64 address)
{
    return address - moved >= file->first && address - moved < file->end;
}

static bool is_missed(struct guest_files *files, u64 page, u64 satp, bool missed)
{
    unsigned n = (unsigned)((page / PAGE ^ satp * 0x9e37u) % MISSES);
    if (missed) {
        files->misses[n].page = page;
        files->misses[n].satp = satp;
        files->misses[n].looks = MISS_LOOKS;
        return true;
    }
    /* Now and then it is looked again: another program may be there by now. */
    return files->misses[n].page == page && files->misses[n].satp == satp &&
           files->misses[n].looks != 0 && files->misses[n].looks-- != 0;
}

/* Looks for the header of a file that moves, page by page below the address. */
static bool search(struct guest_files *files, unsigned hart, struct file *file, u64 address,
                   u64 *moved)
{
    u64 span = file->end - file->head_at;
    span = span < MAX_SPAN_BYTES ? span : (u64)MAX_SPAN_BYTES;
    for (u64 below = 0; below <= span && below <= address; below += PAGE) {
        u64 head = (address - below) & ~(u64)(PAGE - 1);
        *moved = head - file->head_at;
        if (holds(file, *moved, address) && is_there(files, hart, file, *moved)) {
            return true;
        }
    }
    return false;
}

static bool find_program(struct guest_files *files, unsigned hart, u64 address,
                         struct place *found)
{
    uint64_t satp = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        const struct place *place = &files->places[i];
        if (place->file != NULL && holds(place->file, place->moved, address) &&
            is_there(files, hart, place->file, place->moved)) {
            *found = *place;
            return true;
        }
    }
    metic_read_register(files->machine, hart, files->satp_number, &satp);
    u64 page = address & ~(u64)(PAGE - 1);
    if (is_missed(files, page, satp, false)) {
        return false;
    }
    for (unsigned i = 0; i < files->count; i++) {
        struct file *file = &files->list[i];
        u64 moved = 0;
        bool there = file->moves ? file->has_head && search(files, hart, file, address, &moved)
                                 : holds(file, 0, address) && is_there(files, hart, file, 0);
        if (there) {
            *found = (struct place){file, moved};
            files->places[files->next_place++ % PLACES] = *found;
            return true;
        }
    }
    is_missed(files, page, satp, true);
    return false;
}

static bool find_place(struct guest_files *files, unsigned hart, bool user, u64 address,
                       struct place *found)
{
    if (user) {
        return find_program(files, hart, address, found);
    }
    for (unsigned i = 0; i < files->count; i++) {
        if (!files->list[i].moves && holds(&files->list[i], 0, address)) {
            *found = (struct place){&files->list[i], 0};
            return true;
        }
    }
    return false;
}

const struct symbol *guest_files_symbol(struct guest_files *files, unsigned hart, bool user,
                                        u64 address, u64 *above)
{
    struct place place;
    const struct symbol *symbol =
        find_place(files, hart, user, address, &place)
            ? symbols_find(&place.file->symbols, address - place.moved)
            : NULL;
    *above = symbol != NULL ? address - place.moved - symbol->address : 0;
    return symbol;
}

const char *guest_files_name(struct guest_files *files, unsigned hart, u64 address,
                             u64 *file_address)
{
    struct place place;
    if (!find_program(files, hart, address, &place)) {
        return NULL;
    }
    *file_address = address - place.moved;
    return place.file->name;
}

/* --- rules --- */

/* A base register plus an offset; other expressions are not followed. */
static bool read_cfa(const struct elfutils *api, Dwarf_Frame *frame, struct rule *rule)
{
    Dwarf_Op *ops;
    size_t count;
    if (api->dwarf_frame_cfa(frame, &ops, &count) != 0 || count != 1) {
        return false;
    }
    if (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
        rule->cfa_reg = (u8)(ops[0].atom - DW_OP_breg0);
        rule->cfa_offset = (s64)ops[0].number;
        return true;
    }
    rule->cfa_reg = (u8)ops[0].number;
    rule->cfa_offset = (s64)ops[0].number2;
    return ops[0].atom == DW_OP_bregx && ops[0].number < REGS;
}

static bool read_register(const struct elfutils *api, Dwarf_Frame *frame, struct rule *rule,
                          int number)
{
    Dwarf_Op space[3], *ops;
    size_t count;
    if (api->dwarf_frame_register(frame, number, space, &ops, &count) != 0) {
        return false;
    }
    if (count == 0) {
        rule->regs[number].how = ops == NULL ? SAME : UNDEFINED;
        return true;
    }
    size_t used = 1;
    if (ops[0].atom == DW_OP_call_frame_cfa) {
        if (used < count && ops[used].atom == DW_OP_plus_uconst) {
            rule->regs[number].offset = (s64)ops[used++].number;
        }
        rule->regs[number].how = SAVED;
        if (used < count && ops[used].atom == DW_OP_stack_value) {
            rule->regs[number].how = VALUE;
            used++;
        }
        if (used == count) {
            return true;
        }
    }
    rule->regs[number].how = UNDEFINED; /* in a way that is not followed */
    return true;
}

static void read_rule(const struct file *file, u64 pc, struct rule *rule)
{
    const struct elfutils *api = file->api;
    Dwarf_Frame *frame = NULL;
    *rule = (struct rule){.pc = pc, .file = file};
    if ((file->eh_frame == NULL || api->dwarf_cfi_addrframe(file->eh_frame, pc, &frame) != 0) &&
        (file->debug_frame == NULL ||
         api->dwarf_cfi_addrframe(file->debug_frame, pc, &frame) != 0)) {
        return;
    }
    int ra = api->dwarf_frame_info(frame, NULL, NULL, &rule->is_signal);
    rule->ra = (u8)ra;
    rule->good = ra > 0 && ra < REGS && read_cfa(api, frame, rule);
    for (int i = 1; i < REGS && rule->good; i++) {
        rule->good = read_register(api, frame, rule, i);
    }
    free(frame);
}

static const struct rule *find_rule(struct guest_files *files, const struct file *file, u64 pc)
{
    struct rule *rule = &files->rules[(pc >> 1) % RULES];
    if (rule->file != file || rule->pc != pc) {
        read_rule(file, pc, rule);
    }
    return rule->good ? rule : NULL;
}

/* --- steps --- */

struct frame {
    u64 pc, regs[REGS];
    bool is_exact; /* pc is where it stands, not where a call returns to */
    unsigned known; /* bit n: register n */
};

static bool read_word(const struct guest_files *files, unsigned hart, u64 address, u64 *value)
{
    u8 bytes[8];
    bool good = address % 8 == 0 &&
                metic_read_virtual(files->machine, hart, address, bytes, sizeof(bytes));
    *value = good ? ld_le64(bytes) : 0;
    return good;
}

static bool step_by_rule(const struct guest_files *files, unsigned hart, const struct rule *rule,
                         struct frame *frame)
{
    struct frame old = *frame;
    if (!(old.known >> rule->cfa_reg & 1)) {
        return false;
    }
    u64 cfa = old.regs[rule->cfa_reg] + (u64)rule->cfa_offset;
    for (unsigned i = 1; i < REGS; i++) {
        u64 at = cfa + (u64)rule->regs[i].offset;
        bool known = true;
        switch (rule->regs[i].how) {
        case SAME: known = old.known >> i & 1; break;
        case UNDEFINED: known = false; break;
        case SAVED: known = read_word(files, hart, at, &frame->regs[i]); break;
        case VALUE: frame->regs[i] = at; break;
        }
        frame->known = known ? frame->known | 1u << i : frame->known & ~(1u << i);
    }
    if (rule->regs[SP].how == SAME || rule->regs[SP].how == UNDEFINED) {
        frame->regs[SP] = cfa;
        frame->known |= 1u << SP;
    }
    frame->pc = frame->regs[rule->ra];
    frame->is_exact = rule->is_signal;
    bool goes_on = cfa > old.regs[SP] || (cfa == old.regs[SP] && frame->pc != old.pc);
    return (frame->known >> rule->ra & 1) && goes_on;
}

/* RISC-V ELF psABI, "Frame Pointer Convention". */
static bool step_by_pointer(const struct guest_files *files, unsigned hart, struct frame *frame)
{
    u64 fp = frame->regs[FP], ra, saved;
    if (!(frame->known >> FP & 1) || fp < frame->regs[SP] ||
        fp - frame->regs[SP] > MAX_FRAME_BYTES || !read_word(files, hart, fp - 8, &ra) ||
        !read_word(files, hart, fp - 16, &saved)) {
        return false;
    }
    frame->pc = ra;
    frame->regs[SP] = fp;
    frame->regs[FP] = saved;
    frame->known = 1u << SP | 1u << FP;
    frame->is_exact = false;
    return true;
}

/* A signal's handler returns to code of Linux's vDSO, whose call frame information says no more
 * than that it is such: "li a7, 139" (rt_sigreturn), "ecall". The registers of what was interrupted
 * lie on the stack: Linux, struct rt_sigframe of its RISC-V port, behind 128 bytes of
 * siginfo and 176 of ucontext, with the pc in the place of x0. */
static bool step_by_signal(const struct guest_files *files, unsigned hart, struct frame *frame)
{
    const u64 sigreturn = (u64)0x00000073 << 32 | 0x08b00893;
    enum { REGS_ABOVE = 128 + 176 };
    u8 code[8];
    u64 from = frame->regs[SP] + REGS_ABOVE;
    if (!(frame->known >> SP & 1) ||
        !metic_read_virtual(files->machine, hart, frame->pc, code, sizeof(code)) ||
        ld_le64(code) != sigreturn || !read_word(files, hart, from, &frame->pc)) {
        return false;
    }
    for (unsigned i = 1; i < REGS; i++) {
        if (!read_word(files, hart, from + 8 * i, &frame->regs[i])) {
            return false;
        }
    }
    frame->known = ~0u;
    frame->is_exact = true;
    return true;
}

static const struct rule *rule_at(struct guest_files *files, unsigned hart, bool user, u64 address)
{
    struct place place;
    return find_place(files, hart, user, address, &place)
               ? find_rule(files, place.file, address - place.moved)
               : NULL;
}

/* Code without call frame information that calls nothing: of the vDSO, or written by hand. If it
 * does call, its return address is its own, and there is no information for that. */
static bool step_by_return(struct guest_files *files, unsigned hart, bool user, struct frame *frame)
{
    u64 ra = frame->regs[RA];
    if (!user || !frame->is_exact || !(frame->known >> RA & 1) ||
        rule_at(files, hart, user, ra - 1) == NULL) {
        return false;
    }
    frame->pc = ra;
    frame->is_exact = false;
    return true;
}

static unsigned unwind(struct guest_files *files, unsigned hart, bool user, struct frame frame,
                       u64 *stack, unsigned limit)
{
    unsigned depth = 0;
    for (bool goes_on = true; goes_on && depth < limit && frame.pc != 0;) {
        u64 at = frame.is_exact ? frame.pc : frame.pc - 1;
        const struct rule *rule = rule_at(files, hart, user, at);
        stack[depth++] = frame.pc;
        if (rule != NULL) {
            goes_on = step_by_rule(files, hart, rule, &frame);
        } else if (!step_by_return(files, hart, user, &frame)) {
            if (depth == 1) {
                return 0;
            }
            goes_on = (user && step_by_signal(files, hart, &frame)) ||
                      step_by_pointer(files, hart, &frame);
        }
    }
    return depth;
}

unsigned guest_files_unwind(struct guest_files *files, unsigned hart, bool user, u64 *stack,
                            unsigned limit)
{
    struct frame frame = {.is_exact = true, .known = ~0u};
    uint64_t value;
    for (unsigned i = 0; i <= PC; i++) {
        if (!metic_read_register(files->machine, hart, i, &value)) {
            return 0;
        }
        *(i == PC ? &frame.pc : &frame.regs[i]) = value;
    }
    return unwind(files, hart, user, frame, stack, limit);
}

unsigned guest_files_unwind_from(struct guest_files *files, unsigned hart, const u64 regs[32],
                                 u64 *stack, unsigned limit)
{
    struct frame frame = {.is_exact = true, .known = ~0u, .pc = regs[0]};
    for (unsigned i = 1; i < 32; i++) {
        frame.regs[i] = regs[i];
    }
    return unwind(files, hart, true, frame, stack, limit);
}

#else

struct guest_files *guest_files_new(metic_machine *machine, const char *const *paths,
                                    unsigned count)
{
    (void)machine;
    (void)paths;
    (void)count;
    return NULL;
}

void guest_files_free(struct guest_files *files)
{
    (void)files;
}

const struct symbol *guest_files_symbol(struct guest_files *files, unsigned hart, bool user,
                                        u64 address, u64 *above)
{
    (void)files;
    (void)hart;
    (void)user;
    (void)address;
    *above = 0;
    return NULL;
}

const char *guest_files_name(struct guest_files *files, unsigned hart, u64 address,
                             u64 *file_address)
{
    (void)files;
    (void)hart;
    (void)address;
    (void)file_address;
    return NULL;
}

unsigned guest_files_unwind(struct guest_files *files, unsigned hart, bool user, u64 *stack,
                            unsigned limit)
{
    (void)files;
    (void)hart;
    (void)user;
    (void)stack;
    (void)limit;
    return 0;
}

unsigned guest_files_unwind_from(struct guest_files *files, unsigned hart, const u64 regs[32],
                                 u64 *stack, unsigned limit)
{
    (void)files;
    (void)hart;
    (void)regs;
    (void)stack;
    (void)limit;
    return 0;
}

#endif
