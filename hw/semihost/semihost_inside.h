/* The inside of hw/semihost/: a program's handles, and the folder. */
#ifndef METIC_HW_SEMIHOST_SEMIHOST_INSIDE_H
#define METIC_HW_SEMIHOST_SEMIHOST_INSIDE_H

#include "cpu/base/bits.h"
#include "hw/semihost/semihost.h"

#include <pthread.h>

enum { SEMIHOST_NAME_MOST_BYTES = 4096, SEMIHOST_PIECE_BYTES = 1 << 16 };

enum semihost_kind { SEMIHOST_CLOSED, SEMIHOST_CONSOLE, SEMIHOST_FEATURES, SEMIHOST_FILE };

struct semihost_saved {
    u64 features_at[SEMIHOST_HANDLES]; /* of a handle of the features: where it reads next */
    u32 error; /* of the last call that failed; newlib's numbers */
    u32 always_zero;
    u8 kinds[SEMIHOST_HANDLES]; /* enum semihost_kind; handle 1 is the first */
};

struct semihost {
    struct semihost_env env;
    char *command_line;
    pthread_mutex_t lock; /* around all below */
    struct semihost_saved saved;
    bool read_only;
    int folder_fd;               /* or -1: there is none, or a replay has its answers */
    bool has_folder;
    int fds[SEMIHOST_HANDLES];   /* of files, or -1 */
    u8 piece[SEMIHOST_PIECE_BYTES];
};

/* What is asked of the folder; names end in a zero byte. */
enum semihost_ask {
    SEMIHOST_OPEN,   /* name, value: a mode of fopen's, 0 to 11; 0 */
    SEMIHOST_CLOSE,  /* 0 */
    SEMIHOST_READ,   /* size_bytes at most to `bytes`; how many came, 0 at the end */
    SEMIHOST_WRITE,  /* size_bytes of `bytes`; how many went */
    SEMIHOST_SEEK,   /* to `value`, from the beginning; 0 */
    SEMIHOST_LENGTH, /* the length in bytes */
    SEMIHOST_REMOVE, /* name; 0 */
    SEMIHOST_RENAME, /* name, new_name; 0 */
};

struct semihost_request {
    enum semihost_ask ask;
    unsigned slot; /* of the handle, from 0; not of REMOVE and RENAME */
    const char *name, *new_name;
    u64 value;
    u8 *bytes;
    size_t size_bytes; /* SEMIHOST_PIECE_BYTES at most */
};

/* semihost_folder.c: opens it; does what is asked of it, or has the answer from the recording: as
 * above, or a negative errno of the host's; closes all files. Lock held. */
bool semihost_folder_open(struct semihost *semihost, const char *path, struct metic_error *error);
s64 semihost_folder_ask(struct semihost *semihost, struct semihost_request *request);
void semihost_folder_close_files(struct semihost *semihost);

#endif
