/* See code_map.h.
 *
 * perf reads the map when it reports, by PID, and takes the last line for an address. The dump is
 * perf's "jitdump" (linux: tools/perf/Documentation/jitdump-specification.txt): each record has a
 * time, so that code whose place was used twice is told apart, and the code itself, so that perf
 * annotate can show it. A block or trace has a record for each function it leads through, and one
 * for what runs seldom, which lies elsewhere. A process that writes a dump maps its first page
 * executable, which perf records, and so finds the file; `perf inject --jit` then makes an ELF file
 * of each record. */
#include "ui/symbols/code_map.h"

#include "cpu/base/host_time.h"
#include "ui/guest_files.h"
#include "ui/run/run_symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_BYTES = 200, DUMP_MAGIC = 0x4a695444, DUMP_VERSION = 1, DUMP_LOAD = 0, DUMP_CLOSE = 3 };
enum { PRIVILEGE_USER = 0 };

struct code_map {
    metic_machine *machine;
    FILE *lines, *dump;   /* NULL: not asked for */
    void *marker;         /* the dump's first page, for perf to see */
    struct symbols symbols;
    struct guest_files *files; /* programs that the guest may have moved; NULL: none */
    bool has_kernel;
    u64 unnamed;          /* kernel addresses without a name, so far */
    u64 pieces;
};

/* As the specification has them; all members are the host's byte order. */
struct dump_header {
    u32 magic, version, header_bytes, elf_machine, padding, pid;
    u64 time_ns, flags;
};
struct dump_record {
    u32 id, size_bytes;
    u64 time_ns;
};
struct dump_load {
    struct dump_record record;
    u32 pid, tid;
    u64 virtual_address, address, code_bytes, index;
};
_Static_assert(sizeof(struct dump_header) == 40 && sizeof(struct dump_load) == 56, "no padding");

/* A kernel that unpacks itself has its table when it has done so: it is looked for a few times,
 * when there is code to name. */
static void find_kernel(struct code_map *map)
{
    map->unnamed++;
    if (!map->has_kernel && map->unnamed >= 256 && (map->unnamed & (map->unnamed - 1)) == 0) {
        map->has_kernel = run_symbols_add_kernel(&map->symbols, map->machine) != 0;
    }
}

/* `*above` is how far in the symbol the address is. NULL: it has none. */
static const struct symbol *symbol_of(struct code_map *map, const struct metic_code *code,
                                      u64 address, u64 *above)
{
    const struct symbol *symbol = NULL;
    if (map->files != NULL && code->privilege == PRIVILEGE_USER) {
        symbol = guest_files_symbol(map->files, code->hart, true, address, above);
        if (symbol != NULL || map->has_kernel) { /* another program may have the file's address */
            return symbol;
        }
    }
    symbol = symbols_find(&map->symbols, address);
    if (symbol == NULL && address >> 63 != 0) {
        find_kernel(map);
        symbol = symbols_find(&map->symbols, address);
    }
    *above = symbol != NULL ? address - symbol->address : 0;
    return symbol;
}

static void print_name(const struct symbol *symbol, u64 address, u64 above, const char *suffix,
                       char name[NAME_BYTES])
{
    if (symbol == NULL) {
        snprintf(name, NAME_BYTES, "guest_%" PRIx64 "%s", address, suffix);
    } else if (above == 0) {
        snprintf(name, NAME_BYTES, "%.*s%s", NAME_BYTES - 32, symbol->name, suffix);
    } else {
        snprintf(name, NAME_BYTES, "%.*s+0x%" PRIx64 "%s", NAME_BYTES - 32, symbol->name, above,
                 suffix);
    }
}

static void write_load(struct code_map *map, const u8 *host, size_t host_bytes, const char *name)
{
    size_t name_bytes = strlen(name) + 1;
    const struct dump_load load = {
        .record = {DUMP_LOAD, (u32)(sizeof(load) + name_bytes + host_bytes), host_time_ns()},
        .pid = (u32)getpid(),
        .tid = (u32)syscall(SYS_gettid),
        .virtual_address = (u64)(uintptr_t)host,
        .address = (u64)(uintptr_t)host,
        .code_bytes = host_bytes,
        .index = map->pieces,
    };
    fwrite(&load, sizeof(load), 1, map->dump);
    fwrite(name, name_bytes, 1, map->dump);
    fwrite(host, host_bytes, 1, map->dump);
}

static void write_piece(struct code_map *map, const u8 *host, size_t host_bytes, const char *name)
{
    if (host_bytes == 0) {
        return;
    }
    map->pieces++;
    if (map->lines != NULL) {
        fprintf(map->lines, "%" PRIx64 " %zx %s\n", (u64)(uintptr_t)host, host_bytes, name);
    }
    if (map->dump != NULL) {
        write_load(map, host, host_bytes, name);
    }
}

/* From one function's first instruction to the next one's. What comes before any instruction is
 * the first one's, what comes after all the last one's. */
static void write_pieces(struct code_map *map, const struct metic_code *code)
{
    const u8 *host = code->host;
    const char *suffix = code->trace ? " (trace)" : "";
    char name[NAME_BYTES];
    u64 above, page = code->pc & ~(u64)0xfff;
    const struct symbol *symbol = symbol_of(map, code, code->pc, &above);
    print_name(symbol, code->pc, above, suffix, name);
    size_t began = 0;
    for (unsigned i = 0; i < code->place_count; i++) {
        u64 address = page + (u64)code->places[i].guest_offset, here;
        const struct symbol *next = symbol_of(map, code, address, &here);
        bool first = i == 0;
        if (!first && next == symbol) {
            continue;
        }
        size_t begins = first ? 0 : code->places[i].host_offset;
        write_piece(map, host + began, begins - began, name);
        print_name(next, address, here, suffix, name);
        symbol = next;
        began = begins;
    }
    write_piece(map, host + began, code->host_bytes - began, name);
    print_name(symbol_of(map, code, code->pc, &above), code->pc, above,
               code->trace ? " (trace, cold)" : " (cold)", name);
    write_piece(map, code->cold, code->cold_bytes, name);
}

/* One call at a time. */
static void on_code(void *opaque, const struct metic_code *code)
{
    struct code_map *map = opaque;
    if (code->common) {
        write_piece(map, code->host, code->host_bytes, "metic_common_code");
    } else {
        write_pieces(map, code);
    }
}

static FILE *make_file(const char *pattern, struct metic_error *error)
{
    char path[64];
    snprintf(path, sizeof(path), pattern, (int)getpid());
    unlink(path); /* of another process that had the number */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (file == NULL) {
        error_set(error, "look at the folder's permissions and room", "%s: %s", path,
                  strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
    }
    return file;
}

static bool start_dump(struct code_map *map, struct metic_error *error)
{
    const struct dump_header header = {
        .magic = DUMP_MAGIC,
        .version = DUMP_VERSION,
        .header_bytes = sizeof(header),
#if defined(__x86_64__)
        .elf_machine = EM_X86_64,
#else
        .elf_machine = EM_AARCH64,
#endif
        .pid = (u32)getpid(),
        .time_ns = host_time_ns(),
    };
    map->dump = make_file("/tmp/jit-%d.dump", error);
    if (map->dump == NULL) {
        return false;
    }
    fwrite(&header, sizeof(header), 1, map->dump);
    fflush(map->dump);
    map->marker = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC, MAP_PRIVATE,
                       fileno(map->dump), 0);
    return map->marker != MAP_FAILED ||
           error_set(error, "mount /tmp without noexec, or use --perf-map",
                     "perf could not find the dump: %s", strerror(errno));
}

bool code_map_start(const struct run_args *args, metic_machine *machine, struct code_map **out,
                    struct metic_error *error)
{
    *out = NULL;
    if (!args->perf_map && !args->jitdump) {
        return true;
    }
    struct code_map *map = calloc(1, sizeof(*map));
    if (map == NULL) {
        return error_set(error, NULL, "the host has no memory for perf's map");
    }
    *out = map;
    map->machine = machine;
    map->marker = MAP_FAILED;
    if (!run_symbols_add(&map->symbols, args, machine, error)) {
        return false;
    }
    map->has_kernel = symbols_find_name(&map->symbols, "linux_banner") != NULL;
    map->files = run_symbols_files(args, machine);
    if (args->perf_map) {
        map->lines = make_file("/tmp/perf-%d.map", error);
        if (map->lines == NULL) {
            return false;
        }
        setlinebuf(map->lines); /* whole lines, also of a run that was killed */
    }
    if (args->jitdump && !start_dump(map, error)) {
        return false;
    }
    metic_set_code_listener(machine, on_code, map);
    return true;
}

static bool close_file(FILE *file, const char *what, struct metic_error *error)
{
    if (file == NULL) {
        return true;
    }
    bool good = !ferror(file);
    good = fclose(file) == 0 && good;
    return good || error_set(error, "make room in /tmp", "%s is not whole: %s", what,
                             strerror(errno));
}

bool code_map_end(struct code_map *map, struct metic_error *error)
{
    if (map == NULL) {
        return true;
    }
    metic_set_code_listener(map->machine, NULL, NULL);
    if (map->dump != NULL) {
        const struct dump_record last = {DUMP_CLOSE, sizeof(last), host_time_ns()};
        fwrite(&last, sizeof(last), 1, map->dump);
    }
    if (map->marker != MAP_FAILED) {
        munmap(map->marker, (size_t)sysconf(_SC_PAGESIZE));
    }
    bool good = close_file(map->lines, "perf's map", error);
    good = close_file(map->dump, "perf's dump", error) && good;
    symbols_fini(&map->symbols);
    guest_files_free(map->files);
    free(map);
    return good;
}
