/* The machine's shared folders. */
#include "hw/machine/machine.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool tag_is_taken(const struct metic_machine *machine, const char *tag)
{
    for (unsigned i = 0; i < machine->share_count; i++) {
        if (strcmp(machine->shares[i].tag, tag) == 0) {
            return true;
        }
    }
    return false;
}

/* The folder's own name, without what a shell would take amiss; "share" when nothing is left. */
static void tag_of_path(const char *path, char tag[MACHINE_TAG_BYTES])
{
    char resolved[PATH_MAX];
    const char *whole = realpath(path, resolved) != NULL ? resolved : path;
    const char *last = strrchr(whole, '/');
    size_t used = 0;
    for (const char *at = last != NULL ? last + 1 : whole; *at != '\0' && used < 24; at++) {
        if (isalnum((unsigned char)*at) || (used > 0 && strchr("._-", *at) != NULL)) {
            tag[used++] = *at;
        }
    }
    tag[used] = '\0';
    if (used == 0) {
        strcpy(tag, "share");
    }
}

static bool make_tag(struct metic_machine *machine, const struct metic_share *wanted,
                     char tag[MACHINE_TAG_BYTES], struct metic_error *error)
{
    if (wanted->tag != NULL) {
        size_t size_bytes = strlen(wanted->tag);
        if (size_bytes == 0 || size_bytes >= MACHINE_TAG_BYTES) {
            return error_set(error, "Give another name, as in --share DIR,tag=src.",
                             "the name of a share has 1 to %d letters", MACHINE_TAG_BYTES - 1);
        }
        memcpy(tag, wanted->tag, size_bytes + 1);
        return !tag_is_taken(machine, tag) ||
               error_set(error, "Give each its own, as in --share DIR,tag=src.",
                         "two shares are called %s", tag);
    }
    tag_of_path(wanted->path, tag);
    size_t name_bytes = strlen(tag);
    for (unsigned number = 2; tag_is_taken(machine, tag); number++) {
        snprintf(tag + name_bytes, MACHINE_TAG_BYTES - name_bytes, "-%u", number);
    }
    return true;
}

static bool make_share(struct metic_machine *machine, const struct metic_share *wanted,
                       struct metic_error *error)
{
    static const enum fuse_cache caches[] = {
        [METIC_SHARE_CACHE_AUTO] = FUSE_CACHE_AUTO,
        [METIC_SHARE_CACHE_ALWAYS] = FUSE_CACHE_ALWAYS,
        [METIC_SHARE_CACHE_NONE] = FUSE_CACHE_NONE,
    };
    struct machine_share *share = &machine->shares[machine->share_count];
    struct share_options options = {.path = wanted->path, .read_only = wanted->read_only,
                                    .keep_owners = wanted->keep_owners, .log = &machine->log};
    if (!make_tag(machine, wanted, share->tag, error)) {
        return false;
    }
    if (!journal_is_replay(machine->journal)) { /* a recording has the folder's part in it */
        share->share = share_new(&options, error);
        if (share->share == NULL) {
            return false;
        }
    }
    share->fs = (struct virtio_fs_config){share->share, caches[wanted->cache], share->tag};
    share->p9 = (struct virtio_9p_config){share->share, share->tag};
    machine->share_count++;
    bool is_9p = wanted->protocol == METIC_SHARE_9P;
    if (!machine_add_virtio(machine, is_9p ? &virtio_9p_type : &virtio_fs_type,
                            is_9p ? (const void *)&share->p9 : &share->fs, "share",
                            (int)machine->share_count - 1, error)) {
        return false;
    }
    machine_say(machine, "share: %s%s: in the guest, mount -t %s %s /mnt", wanted->path,
                wanted->read_only ? " (read-only)" : "",
                is_9p ? "9p -o trans=virtio,version=9p2000.L,msize=512000" : "virtiofs",
                share->tag);
    return true;
}

bool machine_make_shares(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (options->share_count > METIC_MAX_SHARES) {
        return error_set(error, "leave some out", "a machine cannot have more than %d shares",
                         METIC_MAX_SHARES);
    }
    for (unsigned i = 0; i < options->share_count; i++) {
        if (!make_share(machine, &options->shares[i], error)) {
            return false;
        }
    }
    return true;
}

void machine_free_shares(struct metic_machine *machine)
{
    for (unsigned i = 0; i < ARRAY_LEN(machine->shares); i++) {
        share_free(machine->shares[i].share);
    }
}
