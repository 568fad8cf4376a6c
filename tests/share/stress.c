/* Random work on files: stress SEED STEPS [9p], in the current directory; "9p" leaves out what that
 * protocol has no request for, an exchange of two names. Prints each step with its result, and at
 * the end the whole tree, so that a run in a shared folder can be compared with one on a disk. Only
 * what both must agree on is printed: no times, no inode numbers, no order of a directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NAMES = 12, OPEN = 6, MAX_BYTES = 300000 };

static uint64_t state;
static int fds[OPEN];
static int no_exchange;
static unsigned char buffer[MAX_BYTES];

static unsigned pick(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

/* "a", "d3/b", "d3/d1/c": paths that often meet. */
static const char *path(void)
{
    static char texts[4][64];
    static unsigned next;
    char *text = texts[next++ % 4];
    text[0] = '\0';
    for (unsigned depth = pick(3); depth > 0; depth--) {
        sprintf(text + strlen(text), "d%u/", pick(3));
    }
    if (pick(4) == 0) {
        sprintf(text + strlen(text), "d%u", pick(3));
    } else {
        sprintf(text + strlen(text), "%c", 'a' + (int)pick(NAMES));
    }
    return text;
}

static uint32_t sum(const unsigned char *bytes, long size)
{
    uint32_t hash = 2166136261u;
    for (long i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

static long result(long value)
{
    return value < 0 ? -errno : value;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted. */
static void list(const char *where)
{
    char *names[256];
    unsigned count = 0;
    DIR *dir = opendir(where);
    if (dir == NULL) {
        printf("list %s = %d\n", where, -errno);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < 256;) {
        names[count++] = strdup(entry->d_name);
    }
    closedir(dir);
    qsort(names, count, sizeof(names[0]), by_name);
    printf("list %s =", where);
    for (unsigned i = 0; i < count; i++) {
        printf(" %s", names[i]);
        free(names[i]);
    }
    printf("\n");
}

static void show(const char *where)
{
    struct stat stat;
    if (lstat(where, &stat) != 0) {
        printf("stat %s = %d\n", where, -errno);
        return;
    }
    printf("stat %s = %o", where, stat.st_mode);
    if (!S_ISDIR(stat.st_mode)) {
        printf(" links %lu size %lld", (unsigned long)stat.st_nlink, (long long)stat.st_size);
    }
    printf("\n");
}

static void do_write(int fd, unsigned slot)
{
    long size = pick(pick(5) == 0 ? MAX_BYTES : 5000), at = pick(MAX_BYTES);
    for (long i = 0; i < size; i++) {
        buffer[i] = (unsigned char)(state >> (i % 7)) ^ (unsigned char)i;
    }
    if (pick(2) == 0) {
        printf("pwrite %u %ld+%ld = %ld\n", slot, at, size,
               result(pwrite(fd, buffer, (size_t)size, at)));
    } else {
        printf("write %u %ld = %ld\n", slot, size, result(write(fd, buffer, (size_t)size)));
    }
}

static void do_read(int fd, unsigned slot)
{
    long at = pick(MAX_BYTES), got = result(pread(fd, buffer, sizeof(buffer), at));
    printf("read %u %ld = %ld %08x\n", slot, at, got, sum(buffer, got));
}

static void do_map(int fd, unsigned slot)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || stat.st_size < 4096 || !S_ISREG(stat.st_mode)) {
        return;
    }
    size_t size = (size_t)stat.st_size & ~(size_t)4095;
    unsigned char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        printf("map %u = %d\n", slot, -errno);
        return;
    }
    map[pick((unsigned)size)] ^= 0x55;
    int reason = msync(map, size, MS_SYNC);
    printf("map %u = %d %08x\n", slot, reason, sum(map, (long)size));
    munmap(map, size);
}

static void do_open(unsigned slot)
{
    static const int flags[] = {O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL,
                                O_RDWR | O_TRUNC, O_RDWR | O_CREAT | O_APPEND};
    const char *where = path();
    unsigned kind = pick(5);
    if (fds[slot] >= 0) {
        printf("close %u = %ld\n", slot, result(close(fds[slot])));
    }
    fds[slot] = open(where, flags[kind], 0600 | pick(0200));
    printf("open %u %s %u = %ld\n", slot, where, kind, fds[slot] >= 0 ? 0 : result(fds[slot]));
}

static void do_with_file(unsigned slot)
{
    int fd = fds[slot];
    switch (pick(9)) {
    case 0:
    case 1:
    case 2: do_write(fd, slot); break;
    case 3:
    case 4: do_read(fd, slot); break;
    case 5: do_map(fd, slot); break;
    case 6: printf("ftruncate %u = %ld\n", slot, result(ftruncate(fd, pick(MAX_BYTES)))); break;
    case 7: printf("fsync %u = %ld\n", slot, result(fsync(fd))); break;
    case 8: {
        int to = fds[pick(OPEN)];
        off_t from_at = pick(1000), to_at = 400000 + pick(1000);
        if (to >= 0 && to != fd) {
            printf("copy %u = %ld\n", slot,
                   result(copy_file_range(fd, &from_at, to, &to_at, pick(50000), 0)));
        }
        break;
    }
    }
}

static void do_with_names(void)
{
    const char *a = path(), *b = path();
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    switch (pick(15)) {
    case 0:
    case 1: printf("mkdir %s = %ld\n", a, result(mkdir(a, 0755))); break;
    case 2: printf("rmdir %s = %ld\n", a, result(rmdir(a))); break;
    case 3:
    case 4: printf("unlink %s = %ld\n", a, result(unlink(a))); break;
    case 5:
    case 6: printf("rename %s %s = %ld\n", a, b, result(rename(a, b))); break;
    case 7:
        printf("exchange %s %s = %ld\n", a, b,
               no_exchange ? 0 : result(syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2)));
        break;
    case 8: printf("link %s %s = %ld\n", a, b, result(link(a, b))); break;
    case 9: printf("symlink %s %s = %ld\n", a, b, result(symlink(a, b))); break;
    case 10: printf("chmod %s = %ld\n", a, result(chmod(a, 0400 | pick(0400)))); break;
    case 11: printf("truncate %s = %ld\n", a, result(truncate(a, pick(MAX_BYTES)))); break;
    case 12: list(a); break;
    case 13:
        printf("utimens %s = %ld\n", a, result(utimensat(AT_FDCWD, a, times, 0)));
        break;
    case 14:
        printf("set xattr %s = %ld\n", a, result(setxattr(a, "user.k", b, strlen(b), 0)));
        printf("get xattr %s = %ld\n", a, result(getxattr(a, "user.k", buffer, 100)));
        break;
    }
    show(a);
    show(b);
}

/* Everything there is, with the sums of contents. */
static void tree(const char *where)
{
    struct dirent **entries;
    int count = scandir(where, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char whole[600];
        struct stat stat;
        const char *name = entries[i]->d_name;
        snprintf(whole, sizeof(whole), "%s/%s", where, name);
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && lstat(whole, &stat) == 0) {
            show(whole);
            if (S_ISDIR(stat.st_mode)) {
                tree(whole);
            } else if (S_ISLNK(stat.st_mode)) {
                long got = readlink(whole, (char *)buffer, sizeof(buffer));
                printf("to %.*s\n", (int)got, buffer);
            } else {
                int fd = open(whole, O_RDONLY);
                uint32_t hash = 0;
                for (long got; (got = read(fd, buffer, sizeof(buffer))) > 0;) {
                    hash = hash * 31 + sum(buffer, got);
                }
                close(fd);
                printf("contents %08x time %ld\n", hash,
                       stat.st_mtime == 2000 ? 2000L : 0L);
            }
        }
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    unsigned steps = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
    no_exchange = argc > 3 && strcmp(argv[3], "9p") == 0;
    umask(022);
    memset(fds, 0xff, sizeof(fds));
    for (unsigned i = 0; i < steps; i++) {
        unsigned slot = pick(OPEN);
        unsigned kind = pick(5);
        if (kind == 0) {
            do_open(slot);
        } else if (kind < 3 && fds[slot] >= 0) {
            do_with_file(slot);
        } else {
            do_with_names();
        }
    }
    for (unsigned i = 0; i < OPEN; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    tree(".");
    return 0;
}
