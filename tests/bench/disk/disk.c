/* Started as init in a guest by bench_disk.sh: loads the disk's modules, measures /dev/vda past the
 * page cache, prints "disk NAME NANOSECONDS" for one request of each kind, powers off. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH = 32, SPAN_BYTES = 512 << 20 };

static uint64_t seed = 1;

static uint64_t random_offset(size_t size_bytes)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 24) % (SPAN_BYTES / size_bytes) * size_bytes;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void load(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/lib/disk/%s.ko", name);
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        syscall(SYS_finit_module, fd, "", 0);
        close(fd);
    }
}

static void report(const char *name, uint64_t start_ns, unsigned count)
{
    printf("disk %s %llu\n", name, (unsigned long long)((now_ns() - start_ns) / count));
}

/* One request after the other. */
static void one_by_one(int fd, const char *name, int write_it, size_t size_bytes, int is_random,
                       unsigned count, int sync_it)
{
    void *bytes = aligned_alloc(4096, size_bytes);
    memset(bytes, 0x5a, size_bytes);
    uint64_t start_ns = now_ns(), offset = 0;
    for (unsigned i = 0; i < count; i++) {
        offset = is_random ? random_offset(size_bytes) : (i * (uint64_t)size_bytes) % SPAN_BYTES;
        ssize_t done = write_it ? pwrite(fd, bytes, size_bytes, (off_t)offset)
                                : pread(fd, bytes, size_bytes, (off_t)offset);
        if (done != (ssize_t)size_bytes || (sync_it && fdatasync(fd) != 0)) {
            printf("disk %s failed\n", name);
            break;
        }
    }
    report(name, start_ns, count);
    free(bytes);
}

/* DEPTH random requests of 4 KiB under way all the time. */
static void many(int fd, const char *name, int write_it, unsigned count)
{
    static struct iocb blocks[DEPTH];
    struct io_event events[DEPTH];
    aio_context_t context = 0;
    unsigned begun = 0, ended = 0;
    syscall(SYS_io_setup, DEPTH, &context);
    uint64_t start_ns = now_ns();
    for (unsigned i = 0; i < DEPTH; i++) {
        blocks[i].aio_buf = (uintptr_t)aligned_alloc(4096, 4096);
    }
    unsigned free_blocks[DEPTH], free_count = DEPTH;
    for (unsigned i = 0; i < DEPTH; i++) {
        free_blocks[i] = i;
    }
    while (ended < count) {
        struct iocb *list[DEPTH];
        unsigned wanted = 0;
        while (free_count > 0 && begun < count) {
            struct iocb *block = &blocks[free_blocks[--free_count]];
            block->aio_fildes = (uint32_t)fd;
            block->aio_lio_opcode = write_it ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
            block->aio_nbytes = 4096;
            block->aio_offset = (int64_t)random_offset(4096);
            list[wanted++] = block;
            begun++;
        }
        if (wanted > 0 && syscall(SYS_io_submit, context, wanted, list) != (long)wanted) {
            printf("disk %s failed\n", name);
            break;
        }
        long got = syscall(SYS_io_getevents, context, 1, DEPTH, events, NULL);
        for (long i = 0; i < got; i++) {
            struct iocb *block = (struct iocb *)(uintptr_t)events[i].obj;
            free_blocks[free_count++] = (unsigned)(block - blocks);
            ended++;
        }
    }
    report(name, start_ns, count);
    syscall(SYS_io_destroy, context);
}

int main(void)
{
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    dup2(console, 1);
    setvbuf(stdout, NULL, _IONBF, 0);
    load("virtio_blk");
    load("virtio_mmio");
    int fd = -1;
    for (unsigned i = 0; fd < 0 && i < 100; i++) {
        usleep(50000);
        fd = open("/dev/vda", O_RDWR | O_DIRECT);
    }
    if (fd < 0) {
        printf("disk there is none\n");
    } else {
        one_by_one(fd, "write-1M", 1, 1 << 20, 0, 512, 0);
        one_by_one(fd, "read-1M", 0, 1 << 20, 0, 512, 0);
        one_by_one(fd, "read-4K", 0, 4096, 1, 8000, 0);
        one_by_one(fd, "write-4K", 1, 4096, 1, 8000, 0);
        many(fd, "read-4K-32", 0, 32000);
        many(fd, "write-4K-32", 1, 32000);
        one_by_one(fd, "write-sync-4K", 1, 4096, 1, 200, 1);
    }
    printf("disk end\n");
    sync();
    reboot(RB_POWER_OFF);
    for (;;) {
        pause();
    }
}
