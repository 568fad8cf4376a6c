/* See runtime_dir.h. */
#include "ui/runtime_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ENTRIES = 4096, MAX_TRIES = 1000 };

struct runtime_dir {
    char name[RUNTIME_NAME_BYTES];
    char path[RUNTIME_PATH_BYTES];
    int lock_fd;
    pthread_mutex_t lock; /* of the facts */
    bool gathers;         /* and nobody reads them yet */
    char facts[RUNTIME_FACTS_BYTES];
};

/* --- the folder of folders --- */

static bool root_path(char path[RUNTIME_PATH_BYTES])
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    int length = run != NULL && run[0] == '/'
                     ? snprintf(path, RUNTIME_PATH_BYTES, "%s/metic", run)
                     : snprintf(path, RUNTIME_PATH_BYTES, "/tmp/metic-%u", (unsigned)getuid());
    return length > 0 && length < RUNTIME_PATH_BYTES - RUNTIME_NAME_BYTES - 16;
}

/* It must be ours alone: in /tmp somebody else may have made it. */
static bool root_make(char path[RUNTIME_PATH_BYTES], struct metic_error *error)
{
    struct stat status;
    if (!root_path(path)) {
        return error_set(error, "set XDG_RUNTIME_DIR to a folder with a shorter path",
                         "the path of the folder for running machines is too long");
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return error_set(error, "set XDG_RUNTIME_DIR to a folder that can be written",
                         "cannot make %s: %s", path, strerror(errno));
    }
    if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != getuid() ||
        (status.st_mode & 077) != 0) {
        return error_set(error, "set XDG_RUNTIME_DIR to a folder of your own",
                         "%s is not a folder that is yours alone", path);
    }
    return true;
}

/* --- names --- */

static bool name_is_good(const char *name)
{
    size_t length = strlen(name);
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return length > 0 && length < RUNTIME_NAME_BYTES && good == length && name[0] != '.' &&
           name[0] != '-';
}

/* A name from the image's: its last part, without what a name cannot have. */
static void name_from(const char *image, char name[RUNTIME_NAME_BYTES])
{
    const char *slash = strrchr(image, '/');
    size_t used = 0;
    for (const char *c = slash != NULL ? slash + 1 : image; *c != '\0' && used < 24; c++) {
        char one[2] = {*c, '\0'};
        if (name_is_good(one) || (used > 0 && (*c == '.' || *c == '-'))) {
            name[used++] = *c;
        }
    }
    name[used] = '\0';
    if (used == 0) {
        strcpy(name, "machine");
    }
}

/* --- stale entries --- */

static void remove_entry(const char *path)
{
    DIR *folder = opendir(path);
    if (folder != NULL) {
        struct dirent *entry;
        while ((entry = readdir(folder)) != NULL) {
            unlinkat(dirfd(folder), entry->d_name, 0); /* "." and ".." it refuses */
        }
        closedir(folder);
    }
    rmdir(path);
}

/* Takes the lock of a folder when nobody has it. -1 with EWOULDBLOCK: its process lives. */
static int take_lock(const char *path)
{
    char file[RUNTIME_PATH_BYTES + 8];
    snprintf(file, sizeof(file), "%s/lock", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

/* Two that make an entry of the same name at once, or make one that a third takes for stale and
 * removes, must not both believe they have it: the lock counts only while its file is still the
 * one in the folder. */
static bool lock_is_in_place(int fd, const char *path)
{
    char file[RUNTIME_PATH_BYTES + 8];
    struct stat here, there;
    snprintf(file, sizeof(file), "%s/lock", path);
    return fstat(fd, &here) == 0 && stat(file, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

/* --- our own entry --- */

/* 1: made, 0: a running machine has the name, -1: errno. */
static int try_name(struct runtime_dir *dir, const char *root, const char *name)
{
    snprintf(dir->name, sizeof(dir->name), "%s", name);
    int length = snprintf(dir->path, sizeof(dir->path), "%s/%s", root, name);
    if (length < 0 || (size_t)length >= sizeof(dir->path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (unsigned i = 0; i < MAX_TRIES; i++) {
        if (mkdir(dir->path, 0700) != 0 && errno != EEXIST) {
            return -1;
        }
        dir->lock_fd = take_lock(dir->path);
        if (dir->lock_fd >= 0 && lock_is_in_place(dir->lock_fd, dir->path)) {
            return 1;
        }
        if (dir->lock_fd >= 0) {
            close(dir->lock_fd);
            dir->lock_fd = -1;
        } else if (errno == EWOULDBLOCK) {
            return 0;
        } else if (errno != ENOENT) {
            return -1;
        }
    }
    errno = EBUSY;
    return -1;
}

static bool enter(struct runtime_dir *dir, const char *name, const char *image,
                  struct metic_error *error)
{
    char root[RUNTIME_PATH_BYTES], base[RUNTIME_NAME_BYTES], numbered[RUNTIME_NAME_BYTES + 12];
    if (name != NULL && !name_is_good(name)) {
        return error_set(error, "use letters, digits, '.', '_' and '-', at most 47 of them",
                         "'%s' cannot be a machine's name", name);
    }
    if (!root_make(root, error)) {
        return false;
    }
    if (name == NULL) {
        name_from(image, base);
    }
    int made = try_name(dir, root, name != NULL ? name : base);
    for (unsigned i = 2; made == 0 && name == NULL && i < MAX_TRIES; i++) {
        snprintf(numbered, sizeof(numbered), "%s-%u", base, i);
        made = try_name(dir, root, numbered);
    }
    if (made == 0) {
        return error_set(error, "choose another --name; metic ps lists the machines that run",
                         "a machine named %s runs already", dir->name);
    }
    return made > 0 || error_set(error, "set XDG_RUNTIME_DIR to a folder that can be written",
                                 "cannot make %s: %s", dir->path, strerror(errno));
}

/* Facts of a machine that was killed are none any more; and a file system that writes out at once
 * what replaces a file by rename() makes the start of a machine wait for its disk. */
static void forget_facts(const struct runtime_dir *dir)
{
    char path[RUNTIME_PATH_BYTES];
    if (runtime_dir_file(dir, "facts", path)) {
        unlink(path);
    }
}

struct runtime_dir *runtime_dir_new(const char *name, const char *image,
                                    struct metic_error *error)
{
    struct runtime_dir *dir = calloc(1, sizeof(*dir));
    char pid[24];
    if (dir == NULL) {
        error_set(error, NULL, "the host has no memory");
        return NULL;
    }
    pthread_mutex_init(&dir->lock, NULL);
    dir->lock_fd = -1;
    if (!enter(dir, name, image, error)) {
        dir->path[0] = '\0';
        runtime_dir_free(dir);
        return NULL;
    }
    int length = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (write(dir->lock_fd, pid, (size_t)length) != length ||
        ftruncate(dir->lock_fd, (off_t)length) != 0) {
        error_set(error, NULL, "cannot write %s/lock: %s", dir->path, strerror(errno));
        runtime_dir_free(dir);
        return NULL;
    }
    forget_facts(dir);
    return dir;
}

void runtime_dir_free(struct runtime_dir *dir)
{
    if (dir == NULL) {
        return;
    }
    if (dir->path[0] != '\0') {
        remove_entry(dir->path);
    }
    if (dir->lock_fd >= 0) {
        close(dir->lock_fd);
    }
    pthread_mutex_destroy(&dir->lock);
    free(dir);
}

const char *runtime_dir_name(const struct runtime_dir *dir)
{
    return dir->name;
}

const char *runtime_dir_path(const struct runtime_dir *dir)
{
    return dir->path;
}

bool runtime_dir_file(const struct runtime_dir *dir, const char *file,
                      char path[RUNTIME_PATH_BYTES])
{
    int length = snprintf(path, RUNTIME_PATH_BYTES, "%s/%s", dir->path, file);
    return length > 0 && length < RUNTIME_PATH_BYTES;
}

/* --- facts --- */

/* The line of `key`, or NULL; and where it ends, its newline included. */
static const char *find_fact(const char *facts, const char *key, const char **end)
{
    size_t key_bytes = strlen(key);
    for (const char *line = facts; *line != '\0'; line = *end) {
        size_t line_bytes = strcspn(line, "\n");
        *end = line + line_bytes + (line[line_bytes] == '\n');
        if (line_bytes > key_bytes && strncmp(line, key, key_bytes) == 0 &&
            line[key_bytes] == ' ') {
            return line;
        }
    }
    return NULL;
}

/* A reader sees the old file or the new one. */
static bool write_facts(const struct runtime_dir *dir)
{
    char path[RUNTIME_PATH_BYTES], fresh[RUNTIME_PATH_BYTES];
    size_t left = strlen(dir->facts);
    if (!runtime_dir_file(dir, "facts", path) || !runtime_dir_file(dir, "facts.new", fresh)) {
        return false;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write(fd, dir->facts, left) == (ssize_t)left;
    if (fd >= 0) {
        ok = close(fd) == 0 && ok;
    }
    return ok && rename(fresh, path) == 0;
}

bool runtime_dir_set(struct runtime_dir *dir, const char *key, const char *value)
{
    char changed[RUNTIME_FACTS_BYTES];
    const char *end = NULL;
    pthread_mutex_lock(&dir->lock);
    const char *old = find_fact(dir->facts, key, &end);
    int before = old != NULL ? (int)(old - dir->facts) : (int)strlen(dir->facts);
    int length = snprintf(changed, sizeof(changed), "%.*s%s %.*s\n%s", before, dir->facts, key,
                          (int)strcspn(value, "\n"), value, old != NULL ? end : "");
    bool ok = length > 0 && (size_t)length < sizeof(changed);
    if (ok) {
        memcpy(dir->facts, changed, (size_t)length + 1);
        ok = dir->gathers || write_facts(dir);
    }
    pthread_mutex_unlock(&dir->lock);
    return ok;
}

void runtime_dir_gather(struct runtime_dir *dir, bool gather)
{
    pthread_mutex_lock(&dir->lock);
    dir->gathers = gather;
    if (!gather) {
        write_facts(dir);
    }
    pthread_mutex_unlock(&dir->lock);
}

bool runtime_entry_get(const struct runtime_entry *entry, const char *key, char *value,
                       size_t value_bytes)
{
    const char *end = NULL;
    const char *line = find_fact(entry->facts, key, &end);
    if (line == NULL) {
        return false;
    }
    line += strlen(key) + 1;
    snprintf(value, value_bytes, "%.*s", (int)strcspn(line, "\n"), line);
    return true;
}

/* --- everybody's --- */

/* A whole small file as a string; empty when it cannot be read. */
static void read_text(const char *folder, const char *file, char *text, size_t text_bytes)
{
    char path[RUNTIME_PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = fd >= 0 ? read(fd, text, text_bytes - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

/* False: it was stale and is gone. */
static bool read_entry(const char *root, const char *name, struct runtime_entry *entry)
{
    char pid[24];
    snprintf(entry->name, sizeof(entry->name), "%.*s", (int)sizeof(entry->name) - 1, name);
    int length = snprintf(entry->path, sizeof(entry->path), "%s/%s", root, name);
    if (length < 0 || (size_t)length >= sizeof(entry->path)) {
        return false;
    }
    int fd = take_lock(entry->path);
    if (fd >= 0) {
        if (lock_is_in_place(fd, entry->path)) {
            remove_entry(entry->path);
        }
        close(fd);
        return false;
    }
    if (errno != EWOULDBLOCK) {
        return false;
    }
    read_text(entry->path, "lock", pid, sizeof(pid));
    read_text(entry->path, "facts", entry->facts, sizeof(entry->facts));
    entry->pid = atoi(pid);
    return true;
}

static int is_entry(const struct dirent *entry)
{
    return name_is_good(entry->d_name);
}

void runtime_dir_list(bool (*found)(void *opaque, const struct runtime_entry *entry),
                      void *opaque)
{
    char root[RUNTIME_PATH_BYTES];
    struct dirent **names = NULL;
    struct runtime_entry *entry = malloc(sizeof(*entry));
    int count = entry != NULL && root_path(root) ? scandir(root, &names, is_entry, alphasort) : 0;
    bool more = true;
    for (int i = 0; i < count; i++) {
        if (more && i < MAX_ENTRIES && read_entry(root, names[i]->d_name, entry)) {
            more = found(opaque, entry);
        }
        free(names[i]);
    }
    free(names);
    free(entry);
}

struct search {
    const char *name;
    int pid;
    unsigned count;
    struct runtime_entry *entry;
};

static bool search_entry(void *opaque, const struct runtime_entry *entry)
{
    struct search *search = opaque;
    if (search->name == NULL || strcmp(search->name, entry->name) == 0 ||
        search->pid == entry->pid) {
        search->count++;
        *search->entry = *entry;
    }
    return true;
}

bool runtime_dir_find(const char *name, struct runtime_entry *entry, struct metic_error *error)
{
    struct search search = {.name = name, .pid = -1, .entry = entry};
    if (name != NULL && name[0] != '\0' && strspn(name, "0123456789") == strlen(name)) {
        search.pid = atoi(name);
    }
    runtime_dir_list(search_entry, &search);
    if (search.count == 1) {
        return true;
    }
    if (search.count > 1) {
        return error_set(error, "give the name of one; metic ps lists them",
                         "%u machines run", search.count);
    }
    return name != NULL ? error_set(error, "metic ps lists the machines that run",
                                    "no machine named %s runs", name)
                        : error_set(error, "metic run starts one", "no machine runs");
}
