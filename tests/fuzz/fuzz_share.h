/* A shared folder for fuzzers, with a file beside it that must stay as it is. Requests are a 16-bit
 * length and so many bytes, one after the other. */
#ifndef METIC_TESTS_FUZZ_FUZZ_SHARE_H
#define METIC_TESTS_FUZZ_FUZZ_SHARE_H

#include "hw/share/share.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FUZZ_SHARE_FILE_BYTES = 1 << 16, FUZZ_SHARE_MAX_REQUESTS = 64 };

struct fuzz_folder {
    char outside[64], path[80], secret[80];
    struct share *share;
};

static inline int fuzz_share_remove(const char *path, const struct stat *stat, int type,
                                    struct FTW *walk)
{
    (void)stat, (void)type, (void)walk;
    return remove(path);
}

static struct fuzz_folder fuzz_folder_kept;

static inline void fuzz_share_exit(void)
{
    nftw(fuzz_folder_kept.outside, fuzz_share_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fuzz_share_fill(const struct fuzz_folder *folder)
{
    char path[128];
    nftw(folder->path, fuzz_share_remove, 16, FTW_DEPTH | FTW_PHYS);
    snprintf(path, sizeof(path), "%s/dir", folder->path);
    if (mkdir(folder->path, 0755) != 0 || mkdir(path, 0755) != 0) {
        abort();
    }
    snprintf(path, sizeof(path), "%s/dir/link", folder->path);
    int made = symlink("../../secret", path);
    snprintf(path, sizeof(path), "%s/file", folder->path);
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    if (made != 0 || fd < 0 || write(fd, "some text", 9) != 9) {
        abort();
    }
    close(fd);
}

/* The folder as new; made once for the process, and removed with it. */
static inline struct fuzz_folder *fuzz_share_begin(void)
{
    struct fuzz_folder *folder = &fuzz_folder_kept;
    static unsigned runs;
    if (folder->outside[0] == '\0') {
        struct rlimit limit = {FUZZ_SHARE_FILE_BYTES, FUZZ_SHARE_FILE_BYTES};
        signal(SIGXFSZ, SIG_IGN);
        snprintf(folder->outside, sizeof(folder->outside), "/tmp/metic-fuzz-XXXXXX");
        if (mkdtemp(folder->outside) == NULL) {
            abort();
        }
        atexit(fuzz_share_exit);
        snprintf(folder->path, sizeof(folder->path), "%s/shared", folder->outside);
        snprintf(folder->secret, sizeof(folder->secret), "%s/secret", folder->outside);
        int fd = open(folder->secret, O_CREAT | O_WRONLY, 0600);
        if (fd < 0 || write(fd, "secret", 6) != 6) {
            abort();
        }
        close(fd);
        setrlimit(RLIMIT_FSIZE, &limit);
        mkdir(folder->path, 0755);
    }
    if (runs++ % 16 == 0) {
        fuzz_share_fill(folder);
    }
    struct share_options options = {.path = folder->path};
    folder->share = share_new(&options, NULL);
    if (folder->share == NULL) {
        abort();
    }
    return folder;
}

/* The secret is as it was, and alone. */
static inline void fuzz_share_end(struct fuzz_folder *folder)
{
    struct stat stat;
    unsigned count = 0;
    share_free(folder->share);
    if (lstat(folder->secret, &stat) != 0 || stat.st_size != 6 ||
        (stat.st_mode & 07777) != 0600 || stat.st_nlink != 1) {
        abort();
    }
    DIR *dir = opendir(folder->outside);
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    if (count != 4) {
        abort();
    }
}

/* The next request; false at the end. */
static inline bool fuzz_share_next(const u8 **at, const u8 *end, const u8 **request,
                                   size_t *size_bytes)
{
    if (end - *at < 2) {
        return false;
    }
    size_t left = (size_t)(end - *at) - 2;
    *size_bytes = ld_le16(*at);
    *size_bytes = *size_bytes < left ? *size_bytes : left;
    *request = *at + 2;
    *at += 2 + *size_bytes;
    return true;
}

struct fuzz_requests {
    u8 bytes[FUZZ_MAX_BYTES];
    size_t size_bytes;
    size_t last_at; /* of the request that is open */
};

static inline void fuzz_put(struct fuzz_requests *to, const void *bytes, size_t size_bytes)
{
    if (to->size_bytes + size_bytes > sizeof(to->bytes)) {
        abort();
    }
    memcpy(to->bytes + to->size_bytes, bytes, size_bytes);
    to->size_bytes += size_bytes;
    st_le16(to->bytes + to->last_at, (u16)(to->size_bytes - to->last_at - 2));
}

static inline void fuzz_put_request(struct fuzz_requests *to)
{
    to->last_at = to->size_bytes;
    fuzz_put(to, "\0\0", 2);
}

#endif
