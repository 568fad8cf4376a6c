/* See semihost.h. */
#include "hw/semihost/semihost_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum operation {
    SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_WRITEC = 0x03, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05,
    SYS_READ = 0x06, SYS_READC = 0x07, SYS_ISERROR = 0x08, SYS_ISTTY = 0x09, SYS_SEEK = 0x0a,
    SYS_FLEN = 0x0c, SYS_TMPNAM = 0x0d, SYS_REMOVE = 0x0e, SYS_RENAME = 0x0f, SYS_CLOCK = 0x10,
    SYS_TIME = 0x11, SYS_SYSTEM = 0x12, SYS_ERRNO = 0x13, SYS_GET_CMDLINE = 0x15,
    SYS_HEAPINFO = 0x16, SYS_EXIT = 0x18, SYS_SYNCCACHE = 0x19, SYS_EXIT_EXTENDED = 0x20,
    SYS_ELAPSED = 0x30, SYS_TICKFREQ = 0x31,
};

/* Reasons to end, and the only one that is not a failure. They are no addresses of the board's. */
enum { REASON_FIRST = 0x20000, REASON_LAST = 0x200ff, REASON_EXIT = 0x20026 };

enum { MODE_COUNT = 12, MODE_READ_BINARY = 1, STRING_PIECE_BYTES = 256 };

static const u64 failed = ~(u64)0;
static const u64 ns_per_s = 1000000000, ns_per_centisecond = 10000000;

/* The features that programs ask for: SYS_EXIT_EXTENDED, and standard error apart from standard
 * output. */
static const u8 features[] = {'S', 'H', 'F', 'B', 1 | 2};

_Static_assert(sizeof(features) < SEMIHOST_PIECE_BYTES, "read in one piece");

struct call {
    struct semihost *semihost;
    void *caller;
    u64 parameter;
    u64 block[4]; /* its first words, as many as the operation has */
    u64 answer;
    bool waits;
};

/* --- errors --- */

/* newlib's number for one of Linux's: the first 34 are everybody's. */
static u32 guest_errno(int host)
{
    switch (host) {
    case ENOSYS: return 88;
    case ENOTEMPTY: return 90;
    case ENAMETOOLONG: return 91;
    case ELOOP: return 92;
    default: return host > 0 && host <= 34 ? (u32)host : EIO;
    }
}

static u64 fail(struct call *call, int reason)
{
    call->semihost->saved.error = guest_errno(reason);
    return failed;
}

/* True when the folder may be asked; else why not is said, once for each reason. */
static bool may_ask_folder(struct call *call)
{
    if (!call->semihost->has_folder) {
        log_print(call->semihost->env.log, LOG_GUEST,
                  "the guest asks for a file by semihosting, and gets none; --semihosting-dir DIR "
                  "lets it have those of a folder");
    }
    return call->semihost->has_folder;
}

static s64 ask_folder(struct call *call, struct semihost_request *request)
{
    s64 result = semihost_folder_ask(call->semihost, request);
    if (result == -EXDEV) {
        log_print(call->semihost->env.log, LOG_GUEST,
                  "the guest asks by semihosting for a file outside the folder that "
                  "--semihosting-dir names");
        result = -EACCES;
    }
    if (result < 0) {
        fail(call, (int)-result);
    }
    return result;
}

/* --- the caller's memory --- */

static bool read_memory(struct call *call, u64 address, void *bytes, size_t size_bytes)
{
    const struct semihost_env *env = &call->semihost->env;
    return env->read(env->opaque, call->caller, address, bytes, size_bytes);
}

static bool write_memory(struct call *call, u64 address, const void *bytes, size_t size_bytes)
{
    const struct semihost_env *env = &call->semihost->env;
    return env->write(env->opaque, call->caller, address, bytes, size_bytes);
}

static bool write_word(struct call *call, u64 address, u64 word)
{
    u8 bytes[sizeof(word)];
    st_le64(bytes, word);
    return write_memory(call, address, bytes, sizeof(bytes));
}

static bool read_words(struct call *call, u64 address, u64 *words, unsigned count)
{
    u8 bytes[sizeof(call->block)];
    if (!read_memory(call, address, bytes, count * sizeof(u64))) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        words[i] = ld_le64(bytes + i * sizeof(u64));
    }
    return true;
}

/* A name of that length, which need not end in a zero byte; 0, or why it is none. */
static int read_name(struct call *call, u64 address, u64 size_bytes,
                     char name[SEMIHOST_NAME_MOST_BYTES + 1])
{
    if (size_bytes > SEMIHOST_NAME_MOST_BYTES) {
        return ENAMETOOLONG;
    }
    if (!read_memory(call, address, name, (size_t)size_bytes)) {
        return EFAULT;
    }
    name[size_bytes] = '\0';
    return strlen(name) == size_bytes ? 0 : EINVAL;
}

/* --- handles --- */

static unsigned kind_of(const struct call *call, u64 handle)
{
    return handle >= 1 && handle <= SEMIHOST_HANDLES ? call->semihost->saved.kinds[handle - 1]
                                                     : SEMIHOST_CLOSED;
}

static bool new_slot(const struct semihost *semihost, unsigned *slot)
{
    for (*slot = 0; *slot < SEMIHOST_HANDLES; ++*slot) {
        if (semihost->saved.kinds[*slot] == SEMIHOST_CLOSED) {
            return true;
        }
    }
    return false;
}

static u64 open_kind(struct call *call, unsigned slot, enum semihost_kind kind)
{
    call->semihost->saved.kinds[slot] = (u8)kind;
    call->semihost->saved.features_at[slot] = 0;
    return slot + 1;
}

static u64 sys_open(struct call *call)
{
    char name[SEMIHOST_NAME_MOST_BYTES + 1];
    const u64 mode = call->block[1];
    unsigned slot;
    int reason = read_name(call, call->block[0], call->block[2], name);
    if (reason != 0 || mode >= MODE_COUNT) {
        return fail(call, reason != 0 ? reason : EINVAL);
    }
    if (!new_slot(call->semihost, &slot)) {
        return fail(call, EMFILE);
    }
    if (strcmp(name, ":tt") == 0) {
        return open_kind(call, slot, SEMIHOST_CONSOLE);
    }
    if (strcmp(name, ":semihosting-features") == 0) {
        return mode <= MODE_READ_BINARY ? open_kind(call, slot, SEMIHOST_FEATURES)
                                        : fail(call, EACCES);
    }
    if (!may_ask_folder(call)) {
        return fail(call, EACCES);
    }
    struct semihost_request request = {
        .ask = SEMIHOST_OPEN, .slot = slot, .name = name, .value = mode};
    return ask_folder(call, &request) < 0 ? failed : open_kind(call, slot, SEMIHOST_FILE);
}

static u64 sys_close(struct call *call)
{
    const u64 handle = call->block[0];
    unsigned kind = kind_of(call, handle);
    if (kind == SEMIHOST_CLOSED) {
        return fail(call, EBADF);
    }
    call->semihost->saved.kinds[handle - 1] = SEMIHOST_CLOSED;
    struct semihost_request request = {.ask = SEMIHOST_CLOSE, .slot = (unsigned)handle - 1};
    return kind == SEMIHOST_FILE && ask_folder(call, &request) < 0 ? failed : 0;
}

/* --- console --- */

static void print(struct call *call, const void *bytes, size_t size_bytes)
{
    const struct semihost_env *env = &call->semihost->env;
    env->print(env->opaque, bytes, size_bytes);
}

/* What came, at most so much; 0 at the end of all input; 0 and `waits` before there is any. */
static size_t take_typed(struct call *call, u8 *bytes, size_t capacity_bytes)
{
    const struct semihost_env *env = &call->semihost->env;
    bool more = env->hears_more(env->opaque); /* asked first: what comes meanwhile is not lost */
    size_t got = env->typed(env->opaque, bytes, capacity_bytes);
    call->waits = got == 0 && more;
    return got;
}

static u64 sys_writec(struct call *call)
{
    u8 byte;
    if (!read_memory(call, call->parameter, &byte, 1)) {
        return fail(call, EFAULT);
    }
    print(call, &byte, 1);
    return 0;
}

/* A string's length is not known before it is read, and it may end before the memory does: pieces
 * that lie in one page each. */
static u64 sys_write0(struct call *call)
{
    u8 piece[STRING_PIECE_BYTES];
    u64 done = 0;
    while (done < SEMIHOST_MOST_BYTES) {
        u64 address = call->parameter + done;
        size_t next = STRING_PIECE_BYTES - (address & (STRING_PIECE_BYTES - 1));
        if (!read_memory(call, address, piece, next)) {
            break;
        }
        size_t length_bytes = strnlen((const char *)piece, next);
        print(call, piece, length_bytes);
        if (length_bytes < next) {
            break;
        }
        done += next;
    }
    return 0;
}

/* It cannot say that there is no more, and libraries take what it says for a character: picolibc's
 * getchar would have 0xff for ever. So it waits, for ever if need be, which the machine sees. */
static u64 sys_readc(struct call *call)
{
    u8 byte = 0;
    call->waits = take_typed(call, &byte, 1) == 0;
    return byte;
}

/* --- reading and writing --- */

/* One piece from the caller's memory to where the handle leads: how many bytes went, or a negative
 * errno. */
static s64 write_piece(struct call *call, u64 address, size_t size_bytes)
{
    struct semihost *semihost = call->semihost;
    const u64 handle = call->block[0];
    if (!read_memory(call, address, semihost->piece, size_bytes)) {
        return -EFAULT;
    }
    if (kind_of(call, handle) == SEMIHOST_CONSOLE) {
        print(call, semihost->piece, size_bytes);
        return (s64)size_bytes;
    }
    struct semihost_request request = {.ask = SEMIHOST_WRITE, .slot = (unsigned)handle - 1,
                                       .bytes = semihost->piece, .size_bytes = size_bytes};
    return ask_folder(call, &request);
}

/* The other way; 0 also when the call waits. */
static s64 read_piece(struct call *call, u64 address, size_t size_bytes)
{
    struct semihost *semihost = call->semihost;
    const u64 handle = call->block[0];
    u64 *at = &semihost->saved.features_at[handle - 1];
    s64 got;
    switch (kind_of(call, handle)) {
    case SEMIHOST_CONSOLE: got = (s64)take_typed(call, semihost->piece, size_bytes); break;
    case SEMIHOST_FEATURES:
        got = (s64)(sizeof(features) - *at < size_bytes ? sizeof(features) - *at : size_bytes);
        memcpy(semihost->piece, features + *at, (size_t)got);
        *at += (u64)got;
        break;
    default: {
        struct semihost_request request = {.ask = SEMIHOST_READ, .slot = (unsigned)handle - 1,
                                           .bytes = semihost->piece, .size_bytes = size_bytes};
        got = ask_folder(call, &request);
        break;
    }
    }
    return got > 0 && !write_memory(call, address, semihost->piece, (size_t)got) ? -EFAULT : got;
}

/* Both: the number of bytes that are left. A console gives what there is. */
static u64 move(struct call *call, s64 (*piece)(struct call *call, u64 address, size_t size_bytes),
                bool once)
{
    const u64 address = call->block[1], size_bytes = call->block[2];
    const u64 most = size_bytes < SEMIHOST_MOST_BYTES ? size_bytes : SEMIHOST_MOST_BYTES;
    u64 done = 0;
    while (done < most) {
        u64 next = most - done < SEMIHOST_PIECE_BYTES ? most - done : SEMIHOST_PIECE_BYTES;
        s64 moved = piece(call, address + done, (size_t)next);
        if (moved < 0) {
            fail(call, (int)-moved);
        }
        if (moved <= 0) {
            break;
        }
        done += (u64)moved;
        if (once) {
            break;
        }
    }
    return size_bytes - done;
}

static u64 sys_write(struct call *call)
{
    unsigned kind = kind_of(call, call->block[0]);
    if (kind == SEMIHOST_CLOSED || kind == SEMIHOST_FEATURES) {
        fail(call, EBADF);
        return call->block[2];
    }
    return move(call, write_piece, false);
}

static u64 sys_read(struct call *call)
{
    unsigned kind = kind_of(call, call->block[0]);
    if (kind == SEMIHOST_CLOSED) {
        fail(call, EBADF);
        return call->block[2];
    }
    return move(call, read_piece, kind == SEMIHOST_CONSOLE);
}

/* --- handles, further --- */

static u64 sys_istty(struct call *call)
{
    unsigned kind = kind_of(call, call->block[0]);
    return kind == SEMIHOST_CLOSED ? fail(call, EBADF) : kind == SEMIHOST_CONSOLE;
}

static u64 sys_seek(struct call *call)
{
    const u64 handle = call->block[0], to = call->block[1];
    struct semihost_request request = {
        .ask = SEMIHOST_SEEK, .slot = (unsigned)handle - 1, .value = to};
    switch (kind_of(call, handle)) {
    case SEMIHOST_CLOSED: return fail(call, EBADF);
    case SEMIHOST_CONSOLE: return fail(call, ESPIPE);
    case SEMIHOST_FEATURES:
        if (to > sizeof(features)) {
            return fail(call, EINVAL);
        }
        call->semihost->saved.features_at[handle - 1] = to;
        return 0;
    default:
        if (to > INT64_MAX) {
            return fail(call, EINVAL);
        }
        return ask_folder(call, &request) < 0 ? failed : 0;
    }
}

static u64 sys_flen(struct call *call)
{
    const u64 handle = call->block[0];
    struct semihost_request request = {.ask = SEMIHOST_LENGTH, .slot = (unsigned)handle - 1};
    switch (kind_of(call, handle)) {
    case SEMIHOST_CLOSED: return fail(call, EBADF);
    case SEMIHOST_CONSOLE: return fail(call, ESPIPE);
    case SEMIHOST_FEATURES: return sizeof(features);
    default: {
        s64 length = ask_folder(call, &request);
        return length < 0 ? failed : (u64)length;
    }
    }
}

/* --- names --- */

static u64 sys_remove(struct call *call)
{
    char name[SEMIHOST_NAME_MOST_BYTES + 1];
    int reason = read_name(call, call->block[0], call->block[1], name);
    reason = reason == 0 && !may_ask_folder(call) ? EACCES : reason;
    if (reason != 0) {
        return fail(call, reason);
    }
    struct semihost_request request = {.ask = SEMIHOST_REMOVE, .name = name};
    return ask_folder(call, &request) < 0 ? failed : 0;
}

static u64 sys_rename(struct call *call)
{
    char name[SEMIHOST_NAME_MOST_BYTES + 1], new_name[SEMIHOST_NAME_MOST_BYTES + 1];
    int reason = read_name(call, call->block[0], call->block[1], name);
    reason = reason == 0 ? read_name(call, call->block[2], call->block[3], new_name) : reason;
    reason = reason == 0 && !may_ask_folder(call) ? EACCES : reason;
    if (reason != 0) {
        return fail(call, reason);
    }
    struct semihost_request request = {
        .ask = SEMIHOST_RENAME, .name = name, .new_name = new_name};
    return ask_folder(call, &request) < 0 ? failed : 0;
}

static u64 sys_tmpnam(struct call *call)
{
    char name[16];
    int name_bytes = snprintf(name, sizeof(name), "tmp-%03llu",
                              (unsigned long long)(call->block[1] & 0xff)) + 1;
    if (!may_ask_folder(call)) {
        return fail(call, EACCES);
    }
    if (call->block[1] > 0xff || call->block[2] < (u64)name_bytes) {
        return fail(call, EINVAL);
    }
    return write_memory(call, call->block[0], name, (size_t)name_bytes) ? 0 : fail(call, EFAULT);
}

static u64 sys_system(struct call *call)
{
    log_print(call->semihost->env.log, LOG_GUEST,
              "the guest asks by semihosting for a command of the host's (SYS_SYSTEM): it gets "
              "none, ever");
    return fail(call, EACCES);
}

/* --- time, memory, the end --- */

static u64 sys_clock(struct call *call)
{
    const struct semihost_env *env = &call->semihost->env;
    return env->elapsed_ns(env->opaque, call->caller) / ns_per_centisecond;
}

static u64 sys_time(struct call *call)
{
    struct journal *journal = call->semihost->env.journal;
    return journal != NULL ? journal_wall_ns(journal) / ns_per_s : fail(call, ENOSYS);
}

static u64 sys_elapsed(struct call *call)
{
    const struct semihost_env *env = &call->semihost->env;
    u64 now_ns = env->elapsed_ns(env->opaque, call->caller);
    return write_word(call, call->parameter, now_ns) ? 0 : fail(call, EFAULT);
}

static u64 sys_tickfreq(struct call *call)
{
    (void)call;
    return ns_per_s;
}

static u64 sys_errno(struct call *call)
{
    return call->semihost->saved.error;
}

static u64 sys_iserror(struct call *call)
{
    return call->block[0] >> 63;
}

static u64 sys_get_cmdline(struct call *call)
{
    const char *line = call->semihost->command_line;
    size_t length_bytes = strlen(line);
    if (call->block[1] <= length_bytes) {
        return fail(call, E2BIG);
    }
    return write_memory(call, call->block[0], line, length_bytes + 1) &&
                   write_word(call, call->parameter + sizeof(u64), length_bytes)
               ? 0
               : fail(call, EFAULT);
}

/* Heap's base and limit, the stack's base and limit; 0: whoever asks has to know. */
static u64 sys_heapinfo(struct call *call)
{
    u64 block;
    const u64 places[] = {0, 0, call->semihost->env.stack_top, 0};
    if (!read_words(call, call->parameter, &block, 1)) {
        return fail(call, EFAULT);
    }
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        if (!write_word(call, block + i * sizeof(u64), places[i])) {
            return fail(call, EFAULT);
        }
    }
    return 0;
}

static u64 sys_synccache(struct call *call)
{
    (void)call; /* code that was written is seen at the guest's fence.i */
    return 0;
}

static u64 sys_exit(struct call *call)
{
    const struct semihost_env *env = &call->semihost->env;
    u64 words[2] = {call->parameter, 0};
    bool direct = call->parameter >= REASON_FIRST && call->parameter <= REASON_LAST;
    if (!direct && !read_words(call, call->parameter, words, 2)) {
        words[0] = 0; /* it wants to end, and says nothing good of itself */
    }
    env->end(env->opaque, words[0] == REASON_EXIT ? (unsigned)words[1] : 1);
    return 0;
}

/* --- one call --- */

struct row {
    u64 (*serve)(struct call *call);
    u8 words; /* of its block that it has read before */
};

static const struct row rows[] = {
    [SYS_OPEN] = {sys_open, 3}, [SYS_CLOSE] = {sys_close, 1}, [SYS_WRITEC] = {sys_writec, 0},
    [SYS_WRITE0] = {sys_write0, 0}, [SYS_WRITE] = {sys_write, 3}, [SYS_READ] = {sys_read, 3},
    [SYS_READC] = {sys_readc, 0}, [SYS_ISERROR] = {sys_iserror, 1}, [SYS_ISTTY] = {sys_istty, 1},
    [SYS_SEEK] = {sys_seek, 2}, [SYS_FLEN] = {sys_flen, 1}, [SYS_TMPNAM] = {sys_tmpnam, 3},
    [SYS_REMOVE] = {sys_remove, 2}, [SYS_RENAME] = {sys_rename, 4}, [SYS_CLOCK] = {sys_clock, 0},
    [SYS_TIME] = {sys_time, 0}, [SYS_SYSTEM] = {sys_system, 0}, [SYS_ERRNO] = {sys_errno, 0},
    [SYS_GET_CMDLINE] = {sys_get_cmdline, 2}, [SYS_HEAPINFO] = {sys_heapinfo, 0},
    [SYS_EXIT] = {sys_exit, 0}, [SYS_SYNCCACHE] = {sys_synccache, 0},
    [SYS_EXIT_EXTENDED] = {sys_exit, 0}, [SYS_ELAPSED] = {sys_elapsed, 0},
    [SYS_TICKFREQ] = {sys_tickfreq, 0},
};

static u64 serve(struct call *call, u64 operation)
{
    const struct row *row = operation < ARRAY_LEN(rows) ? &rows[operation] : NULL;
    if (row == NULL || row->serve == NULL) {
        log_print(call->semihost->env.log, LOG_GUEST,
                  "the guest asks by semihosting for operation 0x%llx, which does not exist",
                  (unsigned long long)operation);
        return fail(call, ENOSYS);
    }
    if (row->words > 0 && !read_words(call, call->parameter, call->block, row->words)) {
        return fail(call, EFAULT);
    }
    return row->serve(call);
}

bool semihost_call(struct semihost *semihost, void *caller, u64 operation, u64 parameter,
                   u64 *answer)
{
    struct call call = {.semihost = semihost, .caller = caller, .parameter = parameter};
    pthread_mutex_lock(&semihost->lock);
    *answer = serve(&call, operation);
    pthread_mutex_unlock(&semihost->lock);
    return !call.waits;
}

/* --- life --- */

struct semihost *semihost_new(const struct semihost_options *options,
                              const struct semihost_env *env, struct metic_error *error)
{
    struct semihost *semihost = calloc(1, sizeof(*semihost));
    if (semihost == NULL) {
        error_set(error, NULL, "the host has no memory for semihosting");
        return NULL;
    }
    semihost->env = *env;
    semihost->folder_fd = -1;
    semihost->read_only = options->read_only;
    pthread_mutex_init(&semihost->lock, NULL);
    for (unsigned i = 0; i < SEMIHOST_HANDLES; i++) {
        semihost->fds[i] = -1;
    }
    semihost_set_command_line(semihost, options->command_line);
    if (options->folder != NULL && !semihost_folder_open(semihost, options->folder, error)) {
        semihost_free(semihost);
        return NULL;
    }
    return semihost;
}

void semihost_free(struct semihost *semihost)
{
    if (semihost == NULL) {
        return;
    }
    semihost_folder_close_files(semihost);
    if (semihost->folder_fd >= 0) {
        close(semihost->folder_fd);
    }
    pthread_mutex_destroy(&semihost->lock);
    free(semihost->command_line);
    free(semihost);
}

void semihost_set_command_line(struct semihost *semihost, const char *command_line)
{
    free(semihost->command_line);
    semihost->command_line = strdup(command_line != NULL ? command_line : "");
    if (semihost->command_line == NULL) {
        error_no_memory(SEMIHOST_NAME_MOST_BYTES);
    }
}

void semihost_reset(struct semihost *semihost)
{
    semihost_folder_close_files(semihost);
    semihost->saved = (struct semihost_saved){0};
}

/* --- saved state --- */

#define SEMIHOST_SAVED(FIELD, T) FIELD(T, features_at) FIELD(T, error) FIELD(T, always_zero) \
    FIELD(T, kinds)
STATE_LIST(semihost_saved, struct semihost_saved, SEMIHOST_SAVED);

void semihost_save(struct semihost *semihost, struct state_writer *writer)
{
    state_write_list(writer, &semihost_saved, &semihost->saved);
}

bool semihost_load(struct semihost *semihost, struct state_reader *reader,
                   struct metic_error *error)
{
    struct semihost_saved saved;
    if (!state_read_list(reader, &semihost_saved, &saved, error)) {
        return false;
    }
    for (unsigned i = 0; i < SEMIHOST_HANDLES; i++) {
        if (saved.kinds[i] > SEMIHOST_FILE || saved.features_at[i] > sizeof(features)) {
            return error_set(error, NULL, "the snapshot is damaged: semihosting has an impossible "
                             "file");
        }
    }
    semihost_folder_close_files(semihost);
    semihost->saved = saved;
    return true;
}
