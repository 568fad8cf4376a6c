/* The fuzzing driver: fuzz_TARGET SECONDS SEED CORPUS FOUND
 *
 * Begins with the target's seeds and the files of the directories CORPUS and FOUND, changes them
 * at random, and keeps what reaches new code, in memory and as files of FOUND. The input being run
 * is always in FOUND/current, which is what to look at after a crash. With SECONDS 0 nothing is
 * changed, and those files of CORPUS that add something are copied to FOUND: that is how a corpus
 * is made small. Coverage comes from the compiler: __sanitizer_cov_trace_pc is called in every
 * basic block of the target. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { FUZZ_MAP_BITS = 16, FUZZ_MAP_BYTES = 1 << FUZZ_MAP_BITS, FUZZ_MAX_INPUTS = 8192 };
enum { FUZZ_HANG_S = 30 }; /* of processor time */

struct fuzz_input {
    u8 *bytes;
    size_t size_bytes;
};

static struct fuzz {
    struct fuzz_input inputs[FUZZ_MAX_INPUTS];
    unsigned input_count;
    u8 hits[FUZZ_MAP_BYTES]; /* of the input being run: pairs of blocks, saturating */
    u8 seen[FUZZ_MAP_BYTES]; /* of all so far: hit counts in classes, one bit each */
    uintptr_t previous_pc;
    u64 random;
    u64 runs;
    u8 *current; /* shared mapping of FOUND/current: 8 bytes of length, then the bytes */
    const char *found_directory;
    unsigned pairs;
} fuzz;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    uintptr_t pc = (uintptr_t)__builtin_return_address(0);
    uintptr_t pair = (pc ^ fuzz.previous_pc) * 0x9e3779b97f4a7c15u >> (64 - FUZZ_MAP_BITS);
    fuzz.previous_pc = pc >> 1;
    u8 *hit = &fuzz.hits[pair];
    *hit = *hit == 255 ? 255 : (u8)(*hit + 1);
}

static _Noreturn void fuzz_die(const char *why)
{
    perror(why);
    exit(2);
}

static u64 fuzz_random(u64 below)
{
    fuzz.random ^= fuzz.random << 13;
    fuzz.random ^= fuzz.random >> 7;
    fuzz.random ^= fuzz.random << 17;
    return (fuzz.random * 0x2545f4914f6cdd1du >> 16) % below;
}

/* 1, 2, 3, 4.., 8.., 16.., 32.., 128..: AFL's classes, one bit each. */
static u8 fuzz_class(u8 hits)
{
    static const u8 starts[] = {1, 2, 3, 4, 8, 16, 32, 128};
    u8 class = 0;
    for (unsigned i = 0; i < ARRAY_LEN(starts); i++) {
        class = hits >= starts[i] ? (u8)(1u << i) : class;
    }
    return class;
}

/* Adds what the last run hit to what was seen; true when there is something new in it. */
static bool fuzz_news(void)
{
    bool news = false;
    for (unsigned i = 0; i < FUZZ_MAP_BYTES; i++) {
        u8 class = fuzz.hits[i] != 0 ? fuzz_class(fuzz.hits[i]) : 0;
        if ((class & ~fuzz.seen[i]) != 0) {
            fuzz.pairs += fuzz.seen[i] == 0;
            fuzz.seen[i] |= class;
            news = true;
        }
    }
    return news;
}

static void fuzz_keep_file(const u8 *bytes, size_t size_bytes)
{
    char path[512];
    u64 hash = 14695981039346656037u;
    for (size_t i = 0; i < size_bytes; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    snprintf(path, sizeof(path), "%s/%016llx", fuzz.found_directory, (unsigned long long)hash);
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(bytes, 1, size_bytes, file) != size_bytes || fclose(file) != 0) {
        fuzz_die(path);
    }
}

/* A hang ends the process. Not by the clock: on a busy host a run may wait longer than that. */
static void limit_processor_time(void)
{
    struct itimerval limit = {.it_value = {.tv_sec = FUZZ_HANG_S}};
    setitimer(ITIMER_PROF, &limit, NULL);
}

/* Runs an input and keeps it when it reached something new; `write`: as a file too. */
static void fuzz_run(const u8 *bytes, size_t size_bytes, bool write)
{
    u8 *exact = malloc(size_bytes != 0 ? size_bytes : 1);
    memcpy(exact, bytes, size_bytes);
    st_le64(fuzz.current, size_bytes);
    memcpy(fuzz.current + 8, bytes, size_bytes);
    memset(fuzz.hits, 0, sizeof(fuzz.hits));
    fuzz.previous_pc = 0;
    limit_processor_time();
    fuzz_one(exact, size_bytes);
    fuzz.runs++;
    if (!fuzz_news() || fuzz.input_count == FUZZ_MAX_INPUTS) {
        free(exact);
        return;
    }
    fuzz.inputs[fuzz.input_count++] = (struct fuzz_input){exact, size_bytes};
    if (write) {
        fuzz_keep_file(bytes, size_bytes);
    }
}

static void fuzz_add_seed(const u8 *bytes, size_t size_bytes)
{
    fuzz_run(bytes, size_bytes < FUZZ_MAX_BYTES ? size_bytes : FUZZ_MAX_BYTES, false);
}

struct fuzz_file {
    char path[1024];
    off_t size_bytes;
};

static int fuzz_compare_files(const void *a, const void *b)
{
    off_t x = ((const struct fuzz_file *)a)->size_bytes;
    off_t y = ((const struct fuzz_file *)b)->size_bytes;
    return (x > y) - (x < y);
}

/* Runs a directory's files, smallest first. `write`: as for fuzz_run. */
static void fuzz_read_corpus(const char *directory, bool write)
{
    static u8 bytes[FUZZ_MAX_BYTES];
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        return; /* none yet */
    }
    struct fuzz_file *files = calloc(FUZZ_MAX_INPUTS, sizeof(*files));
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < FUZZ_MAX_INPUTS;) {
        struct stat stat_now;
        snprintf(files[count].path, sizeof(files[count].path), "%s/%s", directory, entry->d_name);
        if (strcmp(entry->d_name, "current") != 0 && stat(files[count].path, &stat_now) == 0 &&
            S_ISREG(stat_now.st_mode)) {
            files[count++].size_bytes = stat_now.st_size;
        }
    }
    closedir(dir);
    qsort(files, count, sizeof(*files), fuzz_compare_files);
    for (unsigned i = 0; i < count; i++) {
        FILE *file = fopen(files[i].path, "re");
        if (file != NULL) {
            fuzz_run(bytes, fread(bytes, 1, sizeof(bytes), file), write);
            fclose(file);
        }
    }
    free(files);
}

static void fuzz_store(u8 *at, u64 value, unsigned size_bytes, bool big)
{
    for (unsigned i = 0; i < size_bytes; i++) {
        at[big ? size_bytes - 1 - i : i] = (u8)(value >> 8 * i);
    }
}

/* Overwrites 1 to 8 bytes by a number that code likes to get wrong. */
static void fuzz_change_number(u8 *bytes, size_t size_bytes)
{
    static const u64 numbers[] = {
        0, 1, 2, 3, 4, 7, 8, 16, 32, 64, 0x7f, 0x80, 0xff, 0x100, 0x200, 0x1000, 0x7fff, 0x8000,
        0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80200000, 0xfffffff0, 0xffffffff, 0x100000000,
        0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffff0, 0xffffffffffffffff,
    };
    unsigned width = 1u << fuzz_random(4);
    if (size_bytes < width) {
        return;
    }
    u8 *at = bytes + fuzz_random(size_bytes - width + 1);
    u64 value = numbers[fuzz_random(ARRAY_LEN(numbers))];
    switch (fuzz_random(4)) {
    case 0: value = size_bytes - fuzz_random(16); break;
    case 1: value = ld_le(at, width) + fuzz_random(33) - 16; break;
    default: break;
    }
    fuzz_store(at, value, width, fuzz_random(4) == 0);
}

/* Takes a piece of another input, or of this one, and puts it over or between what is there. */
static size_t fuzz_splice(u8 *bytes, size_t size_bytes)
{
    const struct fuzz_input *other = &fuzz.inputs[fuzz_random(fuzz.input_count)];
    if (other->size_bytes == 0) {
        return size_bytes;
    }
    size_t from = fuzz_random(other->size_bytes);
    size_t length = 1 + fuzz_random(other->size_bytes - from);
    size_t to = fuzz_random(size_bytes + 1);
    if (fuzz_random(2) == 0) { /* between */
        length = length < FUZZ_MAX_BYTES - size_bytes ? length : FUZZ_MAX_BYTES - size_bytes;
        memmove(bytes + to + length, bytes + to, size_bytes - to);
        size_bytes += length;
    } else {
        length = length < size_bytes - to ? length : size_bytes - to;
    }
    memcpy(bytes + to, other->bytes + from, length);
    return size_bytes;
}

static size_t fuzz_cut(u8 *bytes, size_t size_bytes)
{
    size_t from = fuzz_random(size_bytes);
    size_t length = fuzz_random(3) == 0 ? size_bytes - from : 1 + fuzz_random(16);
    length = length < size_bytes - from ? length : size_bytes - from;
    memmove(bytes + from, bytes + from + length, size_bytes - from - length);
    return size_bytes - length;
}

static size_t fuzz_change(u8 *bytes, size_t size_bytes)
{
    for (u64 changes = (u64)1 << fuzz_random(5); changes > 0 && size_bytes > 0; changes--) {
        switch (fuzz_random(8)) {
        case 0: case 1: bytes[fuzz_random(size_bytes)] ^= (u8)(1u << fuzz_random(8)); break;
        case 2: bytes[fuzz_random(size_bytes)] = (u8)fuzz_random(256); break;
        case 3: case 4: case 5: fuzz_change_number(bytes, size_bytes); break;
        case 6: size_bytes = fuzz_splice(bytes, size_bytes); break;
        default: size_bytes = fuzz_random(4) == 0 ? fuzz_cut(bytes, size_bytes) : size_bytes; break;
        }
    }
    return size_bytes;
}

static void fuzz_map_current(void)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/current", fuzz.found_directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, 8 + FUZZ_MAX_BYTES) != 0) {
        fuzz_die(path);
    }
    fuzz.current = mmap(NULL, 8 + FUZZ_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fuzz.current == MAP_FAILED) {
        fuzz_die(path);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s SECONDS SEED CORPUS FOUND\n", argv[0]);
        return 2;
    }
    time_t end = time(NULL) + atol(argv[1]);
    fuzz.random = strtoull(argv[2], NULL, 0) * 2 + 1;
    fuzz.found_directory = argv[4];
    fuzz_map_current();
    fuzz_seeds(fuzz_add_seed);
    fuzz_read_corpus(argv[3], end <= time(NULL));
    fuzz_read_corpus(argv[4], false);
    if (fuzz.input_count == 0) {
        fprintf(stderr, "no input reached any code: was the target built with coverage?\n");
        return 2;
    }
    unsigned known = fuzz.input_count, known_pairs = fuzz.pairs;
    static u8 bytes[FUZZ_MAX_BYTES];
    while (time(NULL) < end) {
        const struct fuzz_input *input = &fuzz.inputs[fuzz_random(fuzz.input_count)];
        memcpy(bytes, input->bytes, input->size_bytes);
        fuzz_run(bytes, fuzz_change(bytes, input->size_bytes), true);
    }
    printf("%llu runs, %u inputs known and %u found, %u block pairs known and %u found\n",
           (unsigned long long)fuzz.runs, known, fuzz.input_count - known, known_pairs,
           fuzz.pairs - known_pairs);
    return 0;
}
