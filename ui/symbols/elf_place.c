/* See elf_place.h. */
#include "ui/symbols/elf_place.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SEGMENTS = 64, MAX_PIECE_BYTES = 4096, TAG_ABI = 1 };
static const u64 memory_begins = 0x80000000; /* of the boards for RISC-V */

/* The contents of a segment, its first MAX_PIECE_BYTES; how many. */
static size_t read_piece(int fd, const Elf64_Phdr *segment, u8 *piece)
{
    size_t bytes = segment->p_filesz < MAX_PIECE_BYTES ? segment->p_filesz : MAX_PIECE_BYTES;
    ssize_t got = pread(fd, piece, bytes, (off_t)segment->p_offset);
    return got > 0 ? (size_t)got : 0;
}

/* A note that says for which system's kernel the program is. */
static bool says_abi(int fd, const Elf64_Phdr *segment)
{
    u8 piece[MAX_PIECE_BYTES];
    size_t bytes = read_piece(fd, segment, piece);
    Elf64_Nhdr note;
    for (size_t at = 0; at + sizeof(note) + 4 <= bytes;) {
        memcpy(&note, piece + at, sizeof(note));
        if (note.n_type == TAG_ABI && note.n_namesz == 4 &&
            memcmp(piece + at + sizeof(note), ELF_NOTE_GNU, 4) == 0) {
            return true;
        }
        at += sizeof(note) + (((size_t)note.n_namesz + 3) & ~(size_t)3) +
              (((size_t)note.n_descsz + 3) & ~(size_t)3);
    }
    return false;
}

/* Linked as a program, not as a library. */
static bool says_program(int fd, const Elf64_Phdr *segment)
{
    u8 piece[MAX_PIECE_BYTES];
    size_t bytes = read_piece(fd, segment, piece);
    Elf64_Dyn entry;
    for (size_t at = 0; at + sizeof(entry) <= bytes; at += sizeof(entry)) {
        memcpy(&entry, piece + at, sizeof(entry));
        if (entry.d_tag == DT_FLAGS_1) {
            return entry.d_un.d_val & DF_1_PIE;
        }
    }
    return false;
}

static bool read_any_header(int fd, Elf64_Ehdr *header)
{
    return pread(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0;
}

static bool read_header(int fd, Elf64_Ehdr *header)
{
    return read_any_header(fd, header) && header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_machine == EM_RISCV;
}

unsigned elf_type(const char *path)
{
    Elf64_Ehdr header;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool elf = fd >= 0 && read_any_header(fd, &header);
    if (fd >= 0) {
        close(fd);
    }
    return elf ? header.e_type : (unsigned)ET_NONE;
}

static bool read_segment(int fd, const Elf64_Ehdr *header, unsigned i, Elf64_Phdr *segment)
{
    off_t at = (off_t)(header->e_phoff + i * sizeof(*segment));
    return pread(fd, segment, sizeof(*segment), at) == (ssize_t)sizeof(*segment);
}

static u64 place(int fd)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    u64 lowest = memory_begins;
    bool program = false;
    if (!read_header(fd, &header) || header.e_type != ET_DYN) {
        return 0;
    }
    for (unsigned i = 0; i < header.e_phnum && i < MAX_SEGMENTS; i++) {
        if (!read_segment(fd, &header, i, &segment) ||
            segment.p_type == PT_INTERP || (segment.p_type == PT_NOTE && says_abi(fd, &segment))) {
            return 0;
        }
        program |= segment.p_type == PT_DYNAMIC && says_program(fd, &segment);
        if (segment.p_type == PT_LOAD && segment.p_vaddr < lowest) {
            lowest = segment.p_vaddr;
        }
    }
    return program ? memory_begins - lowest : 0;
}

u64 elf_place(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    u64 moved = fd >= 0 ? place(fd) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return moved;
}

bool elf_span(const char *path, u64 *first, u64 *end)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    *first = ~(u64)0;
    *end = 0;
    bool good = fd >= 0 && read_header(fd, &header);
    u64 moved = good ? place(fd) : 0;
    for (unsigned i = 0; good && i < header.e_phnum && i < MAX_SEGMENTS; i++) {
        if (!read_segment(fd, &header, i, &segment)) {
            break;
        }
        u64 begins = segment.p_vaddr + moved, ends = begins + segment.p_memsz;
        if (segment.p_type == PT_LOAD && ends > begins) {
            *first = begins < *first ? begins : *first;
            *end = ends > *end ? ends : *end;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return *end > *first;
}
