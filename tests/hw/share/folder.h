/* A folder for a share's tests, with a file beside it that no guest may reach. */
#ifndef METIC_TESTS_HW_SHARE_FOLDER_H
#define METIC_TESTS_HW_SHARE_FOLDER_H

#include "hw/share/share.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct folder {
    char outside[64]; /* a new folder; "secret" in it is not shared */
    char path[80];    /* the shared folder in it */
    struct share *share;
};

static inline void folder_write(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static inline bool folder_has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat stat;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return lstat(path, &stat) == 0;
}

/* The file's first bytes as a string. */
static inline const char *folder_read(const char *folder, const char *name)
{
    static char text[256];
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    size_t got = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[got] = '\0';
    if (file != NULL) {
        fclose(file);
    }
    return text;
}

static inline void folder_open(struct folder *folder, struct share_options options)
{
    snprintf(folder->outside, sizeof(folder->outside), "/tmp/metic-share-XXXXXX");
    cr_assert_not_null(mkdtemp(folder->outside));
    snprintf(folder->path, sizeof(folder->path), "%s/shared", folder->outside);
    cr_assert_eq(mkdir(folder->path, 0755), 0);
    folder_write(folder->outside, "secret", "secret");
    options.path = folder->path;
    folder->share = share_new(&options, NULL);
    cr_assert_not_null(folder->share);
    umask(0);
}

static inline int folder_remove(const char *path, const struct stat *stat, int type,
                                struct FTW *walk)
{
    (void)stat, (void)type, (void)walk;
    return remove(path);
}

static inline void folder_close(struct folder *folder)
{
    share_free(folder->share);
    nftw(folder->outside, folder_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many descriptors this process has open. */
static inline unsigned folder_open_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 4096; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

#endif
