/* See core_file.h.
 *
 * A PT_LOAD for each piece of memory that a hart's page tables map alike, at its virtual address;
 * then one for each region of physical memory, at its physical one. Several may show the same
 * bytes, which are in the file once. A debugger takes the first that has an address, so that a
 * virtual one wins; p_paddr is the physical address in both.
 *
 * Harts are threads 1, 2, ..., as for gdb.c. For each hart, notes with the integer registers
 * (NT_PRSTATUS, struct elf_prstatus of riscv64 Linux), with the floating-point ones (NT_FPREGSET),
 * with all CSRs (NT_RISCV_CSR, GDB's: in the order of the target description), and with vectors
 * (NT_RISCV_VECTOR, Linux's struct __riscv_v_regset_state). For all of them GDB's target
 * description (NT_GDB_TDESC), and for tools that know Linux what its kernel says of itself
 * (VMCOREINFO). */
#include "ui/gdb/core_file.h"

#include "cpu/base/bits.h"
#include "cpu/base/path.h"
#include "ui/gdb/gdb_session.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOTE_PRSTATUS = 1, NOTE_FPREGSET = 2 };
enum { NOTE_GDB_CSR = 0x900, NOTE_VECTOR = 0x901 };
static const u32 note_gdb_description = 0xff000000;

/* GDB's numbers of registers. */
enum { REG_PC = 32, REG_F0 = 33, REG_FCSR = 65 + 3 };

/* Offsets in and size of struct elf_prstatus. */
enum { PRSTATUS_PID = 32, PRSTATUS_REGS = 112, PRSTATUS_FPVALID = 368, PRSTATUS_BYTES = 376 };

/* A guest may map as many pieces as it likes, and its tables may have no end; what is more than
 * this is left out. Fewer pieces than PN_XNUM. */
enum { MAX_PIECES = 60000, MAP_RUNS = 1 << 17, RUN_ENTRIES = 1 << 8 };
enum { MAX_REGIONS = 64, PIECE_BYTES = 1 << 16 };

struct core {
    metic_machine *machine;
    int fd;
    char *notes;
    size_t notes_bytes;
    struct metic_region regions[MAX_REGIONS]; /* of memory, without devices */
    u64 offsets[MAX_REGIONS];                 /* in the file, from memory's first byte */
    unsigned region_count;
    u64 memory_bytes;
    Elf64_Phdr *segments; /* until they are written, p_offset counts from there, too */
    unsigned segment_count;
};

/* --- notes --- */

static void put_padding(FILE *to, size_t size_bytes)
{
    fwrite("\0\0\0", 1, -size_bytes & 3, to);
}

static void put_note(FILE *to, const char *name, u32 type, const void *bytes, size_t size_bytes)
{
    const Elf64_Nhdr head = {
        .n_namesz = (u32)strlen(name) + 1, .n_descsz = (u32)size_bytes, .n_type = type
    };
    fwrite(&head, sizeof(head), 1, to);
    fwrite(name, 1, head.n_namesz, to);
    put_padding(to, head.n_namesz);
    fwrite(bytes, 1, size_bytes, to);
    put_padding(to, size_bytes);
}

/* By its name; 0 when the hart has none of it. */
static u64 read_named(const struct core *core, unsigned hart, const char *name)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < metic_register_limit(core->machine); i++) {
        struct metic_register reg;
        if (metic_describe_register(core->machine, i, &reg) && strcmp(reg.name, name) == 0) {
            metic_read_register(core->machine, hart, i, &value);
        }
    }
    return value;
}

static u64 read_register(const struct core *core, unsigned hart, unsigned number)
{
    uint64_t value = 0;
    metic_read_register(core->machine, hart, number, &value);
    return value;
}

static void put_integers(FILE *to, const struct core *core, unsigned hart)
{
    u8 status[PRSTATUS_BYTES] = {0};
    st_le32(status + PRSTATUS_PID, hart + 1);
    st_le64(status + PRSTATUS_REGS, read_register(core, hart, REG_PC));
    for (unsigned i = 1; i < 32; i++) {
        st_le64(status + PRSTATUS_REGS + 8 * (size_t)i, read_register(core, hart, i));
    }
    st_le32(status + PRSTATUS_FPVALID, 1);
    put_note(to, "CORE", NOTE_PRSTATUS, status, sizeof(status));
}

static void put_floats(FILE *to, const struct core *core, unsigned hart)
{
    u8 floats[33 * 8] = {0};
    for (unsigned i = 0; i < 32; i++) {
        st_le64(floats + 8 * (size_t)i, read_register(core, hart, REG_F0 + i));
    }
    st_le32(floats + 32 * 8, (u32)read_register(core, hart, REG_FCSR));
    put_note(to, "CORE", NOTE_FPREGSET, floats, sizeof(floats));
}

/* What is of a group, one register behind the other, as the target description has them. */
static void put_group(FILE *to, const struct core *core, unsigned hart, const char *group)
{
    for (unsigned i = 0; i < metic_register_limit(core->machine); i++) {
        u8 value[METIC_REGISTER_BYTES] = {0};
        struct metic_register reg;
        if (metic_describe_register(core->machine, i, &reg) && strcmp(reg.feature, group) == 0) {
            metic_read_register_bytes(core->machine, hart, i, value, reg.size_bytes);
            fwrite(value, 1, reg.size_bytes, to);
        }
    }
}

static bool put_csrs(FILE *to, const struct core *core, unsigned hart)
{
    char *bytes = NULL;
    size_t size_bytes = 0;
    FILE *csrs = open_memstream(&bytes, &size_bytes);
    if (csrs == NULL) {
        return false;
    }
    put_group(csrs, core, hart, "org.gnu.gdb.riscv.csr");
    bool good = fclose(csrs) == 0;
    if (good) {
        put_note(to, "GDB", NOTE_GDB_CSR, bytes, size_bytes);
    }
    free(bytes);
    return good;
}

static bool put_vectors(FILE *to, const struct core *core, unsigned hart)
{
    static const char *const names[] = {"vstart", "vl", "vtype", "vcsr", "vlenb"};
    char *bytes = NULL;
    size_t size_bytes = 0;
    FILE *state = open_memstream(&bytes, &size_bytes);
    if (state == NULL) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        u8 word[8];
        st_le64(word, read_named(core, hart, names[i]));
        fwrite(word, sizeof(word), 1, state);
    }
    size_t head_bytes = ARRAY_LEN(names) * sizeof(u64);
    put_group(state, core, hart, "org.gnu.gdb.riscv.vector");
    bool good = fclose(state) == 0;
    if (good && size_bytes > head_bytes) { /* or it has none */
        put_note(to, "LINUX", NOTE_VECTOR, bytes, size_bytes);
    }
    free(bytes);
    return good;
}

/* --- what Linux says of itself --- */

struct vmcoreinfo {
    u64 data, size; /* addresses of the kernel's variables */
};

static void on_symbol(void *opaque, uint64_t address, char type, const char *name)
{
    struct vmcoreinfo *info = opaque;
    (void)type;
    if (strcmp(name, "vmcoreinfo_data") == 0) {
        info->data = address;
    } else if (strcmp(name, "vmcoreinfo_size") == 0) {
        info->size = address;
    }
}

/* Its text is at most a page (CONFIG_VMCORE_INFO: VMCOREINFO_BYTES). */
static void put_vmcoreinfo(FILE *to, const struct core *core, unsigned hart)
{
    struct vmcoreinfo info = {0, 0};
    u8 word[8], text[4096];
    metic_kernel_symbols(core->machine, on_symbol, &info);
    if (info.data == 0 || info.size == 0 ||
        !metic_read_virtual(core->machine, hart, info.size, word, sizeof(word))) {
        return;
    }
    u64 size_bytes = ld_le64(word);
    if (size_bytes != 0 && size_bytes <= sizeof(text) &&
        metic_read_virtual(core->machine, hart, info.data, word, sizeof(word)) &&
        metic_read_virtual(core->machine, hart, ld_le64(word), text, (size_t)size_bytes)) {
        put_note(to, "VMCOREINFO", 0, text, (size_t)size_bytes);
    }
}

static bool make_notes(struct core *core, unsigned hart)
{
    FILE *to = open_memstream(&core->notes, &core->notes_bytes);
    if (to == NULL) {
        return false;
    }
    bool good = true;
    for (unsigned i = 0; i < metic_hart_count(core->machine); i++) {
        put_integers(to, core, i);
        put_floats(to, core, i);
        good = put_csrs(to, core, i) && put_vectors(to, core, i) && good;
    }
    size_t xml_bytes;
    char *xml = gdb_describe_target(core->machine, &xml_bytes);
    put_note(to, "GDB", note_gdb_description, xml, xml_bytes + 1); /* with its zero */
    free(xml);
    put_vmcoreinfo(to, core, hart);
    return fclose(to) == 0 && good;
}

/* --- segments --- */

static void add_segment(struct core *core, u64 address, u64 physical, u64 size_bytes, u64 offset,
                        u32 flags)
{
    Elf64_Phdr *last = core->segments + core->segment_count - 1;
    if (core->segment_count != 0 && last->p_flags == flags &&
        last->p_vaddr + last->p_memsz == address && last->p_paddr + last->p_memsz == physical &&
        last->p_offset + last->p_memsz == offset) {
        last->p_filesz = last->p_memsz += size_bytes;
        return;
    }
    core->segments[core->segment_count++] = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_flags = flags, .p_offset = offset, .p_vaddr = address,
        .p_paddr = physical, .p_filesz = size_bytes, .p_memsz = size_bytes,
    };
}

/* The parts of a mapping that are memory. */
static void add_mapping(struct core *core, const struct metic_mapping *mapping)
{
    u64 end = mapping->physical + (mapping->last - mapping->first) + 1;
    for (unsigned i = 0; i < core->region_count && core->segment_count < MAX_PIECES; i++) {
        const struct metic_region *region = &core->regions[i];
        u64 first = region->address, behind = first + region->size_bytes;
        first = first > mapping->physical ? first : mapping->physical;
        behind = behind < end ? behind : end;
        if (first < behind) {
            add_segment(core, mapping->first + (first - mapping->physical), first, behind - first,
                        core->offsets[i] + (first - region->address),
                        (mapping->readable ? PF_R : 0u) | (mapping->writable ? PF_W : 0u) |
                            (mapping->executable ? PF_X : 0u));
        }
    }
}

static bool translates(const struct core *core, unsigned hart)
{
    struct metic_mapping mapping;
    return metic_get_mapping(core->machine, hart, 0, &mapping) && mapping.translated;
}

/* *hart becomes the one whose addresses are meant. False: not all of them. */
static bool add_mappings(struct core *core, unsigned *hart)
{
    for (unsigned i = 0; !translates(core, *hart); i++) {
        if (i == metic_hart_count(core->machine)) {
            return true;
        }
        *hart = i;
    }
    struct metic_mapping run = {.last = ~(u64)0};
    for (unsigned i = 0; i < MAP_RUNS && core->segment_count < MAX_PIECES; i++) {
        metic_get_mapping_run(core->machine, *hart, run.last + 1, RUN_ENTRIES, &run);
        if (run.mapped) {
            add_mapping(core, &run);
        }
        if (run.last == ~(u64)0) {
            return true;
        }
    }
    return false;
}

static void find_regions(struct core *core)
{
    struct metic_region region;
    for (unsigned i = 0; core->region_count < MAX_REGIONS &&
                         metic_get_region(core->machine, i, &region); i++) {
        if (strcmp(region.kind, "device") != 0) {
            core->offsets[core->region_count] = core->memory_bytes;
            core->regions[core->region_count++] = region;
            core->memory_bytes += region.size_bytes;
        }
    }
}

static void add_regions(struct core *core)
{
    for (unsigned i = 0; i < core->region_count; i++) {
        const struct metic_region *region = &core->regions[i];
        u32 writable = strcmp(region->kind, "ram") == 0 ? PF_W : 0;
        add_segment(core, region->address, region->address, region->size_bytes, core->offsets[i],
                    PF_R | PF_X | writable);
    }
}

/* --- the file --- */

static bool put(const struct core *core, const void *bytes, size_t size_bytes, u64 offset)
{
    const u8 *from = bytes;
    while (size_bytes > 0) {
        ssize_t done = pwrite(core->fd, from, size_bytes, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done < 0 ? errno : ENOSPC;
            return false;
        }
        from += done;
        size_bytes -= (size_t)done;
        offset += (u64)done;
    }
    return true;
}

static bool put_region(const struct core *core, const struct metic_region *region, u64 offset)
{
    u8 bytes[PIECE_BYTES];
    for (u64 at = 0; at < region->size_bytes; at += PIECE_BYTES) {
        u64 left = region->size_bytes - at;
        size_t size_bytes = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        u64 address = region->address + at;
        if (metic_memory_is_touched(core->machine, address, size_bytes) &&
            metic_read_memory(core->machine, address, bytes, size_bytes) &&
            !bytes_are_all(bytes, size_bytes, 0) && !put(core, bytes, size_bytes, offset + at)) {
            return false;
        }
    }
    return true;
}

static bool put_head(struct core *core, u64 memory_offset)
{
    u64 segments_bytes = core->segment_count * sizeof(Elf64_Phdr);
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE, .e_machine = EM_RISCV, .e_version = EV_CURRENT,
        .e_flags = EF_RISCV_RVC | EF_RISCV_FLOAT_ABI_DOUBLE, .e_phoff = sizeof(header),
        .e_ehsize = sizeof(header), .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)(core->segment_count + 1),
    };
    const Elf64_Phdr notes = {
        .p_type = PT_NOTE, .p_offset = sizeof(header) + sizeof(notes) + segments_bytes,
        .p_filesz = core->notes_bytes, .p_align = 4,
    };
    for (unsigned i = 0; i < core->segment_count; i++) {
        core->segments[i].p_offset += memory_offset;
    }
    return put(core, &header, sizeof(header), 0) &&
           put(core, &notes, sizeof(notes), sizeof(header)) &&
           put(core, core->segments, segments_bytes, sizeof(header) + sizeof(notes)) &&
           put(core, core->notes, core->notes_bytes, notes.p_offset);
}

static bool put_all(struct core *core)
{
    u64 head_bytes = sizeof(Elf64_Ehdr) + (core->segment_count + 1) * sizeof(Elf64_Phdr) +
                     core->notes_bytes;
    u64 memory_offset = (head_bytes + 4095) & ~(u64)4095;
    bool good = put_head(core, memory_offset) &&
                ftruncate(core->fd, (off_t)(memory_offset + core->memory_bytes)) == 0;
    for (unsigned i = 0; good && i < core->region_count; i++) {
        good = put_region(core, &core->regions[i], memory_offset + core->offsets[i]);
    }
    return good;
}

static bool save(struct core *core, const char *path, struct metic_error *error)
{
    /* What a guest knows is for its owner only. */
    core->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (core->fd < 0) {
        return error_set(error, "give a path that can be written", "cannot write the core %s: %s",
                         path, strerror(errno));
    }
    bool good = put_all(core);
    int reason = errno;
    if (close(core->fd) != 0 && good) {
        good = false;
        reason = errno;
    }
    if (!good) {
        path_discard(path);
        error_set(error, "make room, or give another path", "cannot write the core %s: %s", path,
                  strerror(reason));
    }
    return good;
}

bool core_file_write(metic_machine *machine, unsigned hart, const char *path, bool *whole,
                     struct metic_error *error)
{
    struct core *core = calloc(1, sizeof(*core));
    bool good = core != NULL;
    if (good) {
        core->machine = machine;
        core->segments = calloc(MAX_PIECES + MAX_REGIONS, sizeof(*core->segments));
        find_regions(core);
        good = core->segments != NULL;
    }
    if (good) {
        *whole = add_mappings(core, &hart);
        add_regions(core);
        good = make_notes(core, hart);
    }
    good = good ? save(core, path, error)
                : error_set(error, NULL, "the host has no memory for a core");
    if (core != NULL) {
        free(core->segments);
        free(core->notes);
    }
    free(core);
    return good;
}
