/* The values of --share and --vsock. */
#include "ui/command/args.h"

#include <stdlib.h>
#include <string.h>

/* One word behind the folder. */
static bool share_word(struct metic_share *share, const char *word)
{
    static const struct {
        const char *word;
        enum metic_share_cache cache;
    } caches[] = {
        {"cache=auto", METIC_SHARE_CACHE_AUTO},
        {"cache=always", METIC_SHARE_CACHE_ALWAYS},
        {"cache=none", METIC_SHARE_CACHE_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(caches); i++) {
        if (strcmp(word, caches[i].word) == 0) {
            share->cache = caches[i].cache;
            return true;
        }
    }
    if (strncmp(word, "tag=", 4) == 0) {
        share->tag = word + 4;
    } else if (strcmp(word, "ro") == 0) {
        share->read_only = true;
    } else if (strcmp(word, "9p") == 0) {
        share->protocol = METIC_SHARE_9P;
    } else if (strcmp(word, "owners") == 0) {
        share->keep_owners = true;
    } else {
        return false;
    }
    return true;
}

OPTION_PARSER(share)
{
    struct metic_options *options = member;
    char *copy = args_own(args, strdup(value));
    if (copy == NULL) {
        return error_set(error, NULL, "out of memory");
    }
    if (options->share_count == METIC_MAX_SHARES) {
        return error_set(error, NULL, "%s: there is room for %d of them", name, METIC_MAX_SHARES);
    }
    struct metic_share *share = &options->shares[options->share_count++];
    *share = (struct metic_share){.path = copy};
    char *words = strchr(copy, ',');
    if (words != NULL) {
        *words++ = '\0';
    }
    size_t path_bytes = strlen(copy);
    if (path_bytes > 3 && strcmp(copy + path_bytes - 3, ":ro") == 0) {
        copy[path_bytes - 3] = '\0';
        share->read_only = true;
    }
    for (char *word; (word = strsep(&words, ",")) != NULL;) {
        if (!share_word(share, word)) {
            return error_set(error, "As in --share DIR, --share DIR:ro or --share DIR,tag=src. A "
                                    "folder with a comma in its name cannot be shared.",
                             "%s: '%s' is none of: ro tag=NAME 9p cache=auto|always|none owners",
                             name, word);
        }
    }
    if (share->protocol == METIC_SHARE_9P && share->cache != METIC_SHARE_CACHE_AUTO) {
        return error_set(error, "Leave cache= out, and mount it with -o cache=loose or the like.",
                         "%s: with 9p the guest's mount says what is cached", name);
    }
    return copy[0] != '\0' || error_set(error, NULL, "%s has an empty value", name);
}

OPTION_PARSER(vsock)
{
    struct metic_options *options = member;
    char *copy = args_own(args, strdup(value)), *end;
    if (copy == NULL) {
        return error_set(error, NULL, "out of memory");
    }
    char *word = strrchr(copy, ',');
    if (word != NULL && strncmp(word, ",cid=", 5) == 0) {
        unsigned long long cid = strtoull(word + 5, &end, 10);
        if (word[5] < '0' || word[5] > '9' || *end != '\0' || cid < 3 || cid >= UINT32_MAX) {
            return error_set(error, "As in --vsock PATH,cid=3.",
                             "%s: an address is a number from 3 to 4294967294, not '%s'", name,
                             word + 5);
        }
        options->vsock_cid = (uint32_t)cid;
        *word = '\0';
    }
    options->vsock_path = copy;
    return copy[0] != '\0' || error_set(error, NULL, "%s has an empty value", name);
}
