/* metic ssh and metic cp: the host's own ssh and scp, led to a machine that runs. The way in is a
 * forward to the guest's port 22, given when the machine was started; its address is a fact of the
 * machine's folder (runtime_dir.h). The guest's host key is kept in that folder as long as the
 * machine runs, so that a later machine of the same name is not taken for an impostor. */
#include "ui/runtime_dir.h"
#include "ui/ui.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SSH_MAX_WORDS = 256,
    SSH_OPTION_BYTES = 512,
    SSH_QUIET_MS = 2000, /* so long nothing is said of waiting */
    SSH_RETRY_MS = 200,
    SSH_MAX_RETRIES = 900, /* a guest that has no server is left to ssh, which says so */
};

struct ssh_way {
    struct runtime_entry entry;
    char address[64], port[16];
    char known_hosts[SSH_OPTION_BYTES];
    char user[64];
};

/* A new program's arguments; it takes this one's place. */
struct ssh_words {
    const char *words[SSH_MAX_WORDS + 1];
    unsigned count;
};

static void ssh_add(struct ssh_words *words, const char *word)
{
    if (words->count < SSH_MAX_WORDS) {
        words->words[words->count++] = word;
    }
}

/* "NAME" or "USER@NAME"; NULL: the only machine, as root. */
static bool ssh_find(struct ssh_way *way, const char *name, struct metic_error *error)
{
    char fact[96];
    const char *at = name != NULL ? strchr(name, '@') : NULL;
    snprintf(way->user, sizeof(way->user), "root");
    if (at != NULL) {
        snprintf(way->user, sizeof(way->user), "%.*s", (int)(at - name), name);
        name = at[1] != '\0' ? at + 1 : NULL;
    }
    if (!runtime_dir_find(name, &way->entry, error)) {
        return false;
    }
    if (!runtime_entry_get(&way->entry, "ssh", fact, sizeof(fact)) ||
        sscanf(fact, "%63s %15s", way->address, way->port) != 2) {
        return error_set(error, "Start it with --forward 2222:22.",
                         "nothing leads to the ssh server of the machine %s", way->entry.name);
    }
    snprintf(way->known_hosts, sizeof(way->known_hosts), "UserKnownHostsFile=%s/known_hosts",
             way->entry.path);
    return true;
}

/* 1 when the server says a word, as ssh servers do first. A machine answers a connection only when
 * its guest has an address, so this may take a boot. 0 for a guest that has nobody there (yet), -1
 * when there is nothing to wait for: the machine has ended. */
static int ssh_ask(const struct ssh_way *way, const struct addrinfo *to, bool *said)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    struct pollfd watch = {.fd = fd, .events = POLLIN};
    if (poll(&watch, 1, SSH_QUIET_MS) == 0 && !*said) {
        fprintf(stderr, "metic: waiting for the ssh server of %s\n", way->entry.name);
        *said = true;
    }
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    close(fd);
    return got > 0 ? 1 : 0;
}

/* Waits until the guest's ssh server speaks: of a guest that boots, the kernel refuses connections
 * first. */
static void ssh_wait(const struct ssh_way *way)
{
    struct addrinfo *to = NULL;
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    bool said = false;
    if (getaddrinfo(way->address, way->port, &wanted, &to) != 0) {
        return;
    }
    for (unsigned i = 0; i < SSH_MAX_RETRIES && ssh_ask(way, to, &said) == 0; i++) {
        poll(NULL, 0, SSH_RETRY_MS);
    }
    freeaddrinfo(to);
}

static void ssh_add_options(struct ssh_words *words, const struct ssh_way *way)
{
    ssh_add(words, "-o");
    ssh_add(words, "StrictHostKeyChecking=accept-new");
    ssh_add(words, "-o");
    ssh_add(words, way->known_hosts);
    ssh_add(words, "-o");
    ssh_add(words, "LogLevel=ERROR");
}

/* Returns only when there is no such program. */
static int ssh_become(struct ssh_words *words)
{
    struct metic_error error;
    words->words[words->count] = NULL;
    /* The program does not change its arguments; the prototype is older than const. */
    execvp(words->words[0], (char *const *)(uintptr_t)words->words);
    error_set(&error, "Install openssh-client (Debian).", "%s cannot be started: %s",
              words->words[0], strerror(errno));
    ui_print_error(&error);
    return UI_EXIT_FAILED;
}

static int ssh_failed(const struct metic_error *error)
{
    ui_print_error(error);
    return UI_EXIT_FAILED;
}

int cmd_ssh(int argc, char *const *argv)
{
    struct ssh_way way;
    struct ssh_words words = {.count = 0};
    struct metic_error error;
    int at = 0;
    const char *name = argc > 0 && argv[0][0] != '-' ? argv[at++] : NULL;
    if (argc >= SSH_MAX_WORDS - 16) {
        error_set(&error, "metic ssh [[USER@]NAME] [OPTION...] [-- COMMAND...]",
                  "there are too many arguments");
        return ui_usage_error(&error);
    }
    if (!ssh_find(&way, name, &error)) {
        return ssh_failed(&error);
    }
    ssh_wait(&way);
    ssh_add(&words, "ssh");
    ssh_add_options(&words, &way);
    ssh_add(&words, "-p");
    ssh_add(&words, way.port);
    ssh_add(&words, "-l");
    ssh_add(&words, way.user);
    while (at < argc && strcmp(argv[at], "--") != 0) {
        ssh_add(&words, argv[at++]);
    }
    ssh_add(&words, way.address);
    for (at += at < argc; at < argc; at++) {
        ssh_add(&words, argv[at]);
    }
    return ssh_become(&words);
}

/* "[USER@][NAME]:PATH" has its colon before any slash; the rest are this host's files. */
static const char *cp_colon(const char *word)
{
    const char *colon = strchr(word, ':');
    const char *slash = strchr(word, '/');
    return colon != NULL && (slash == NULL || colon < slash) ? colon : NULL;
}

/* The machine that `word` names, which is to be the one that others named. */
static bool cp_find(struct ssh_way *way, bool *found, const char *word, const char *colon,
                    struct metic_error *error)
{
    char name[128];
    struct ssh_way this;
    snprintf(name, sizeof(name), "%.*s", (int)(colon - word), word);
    if (!ssh_find(&this, name[0] != '\0' ? name : NULL, error)) {
        return false;
    }
    if (*found && strcmp(this.entry.name, way->entry.name) != 0) {
        return error_set(error, "Copy to this host first.",
                         "metic cp does not copy from one machine to another");
    }
    *way = this;
    *found = true;
    return true;
}

int cmd_cp(int argc, char *const *argv)
{
    struct ssh_way way;
    struct ssh_words words = {.count = 0};
    struct metic_error error;
    char *places[SSH_MAX_WORDS] = {0};
    bool found = false;
    for (int i = 0; i < argc && i < SSH_MAX_WORDS - 16; i++) {
        const char *colon = argv[i][0] != '-' ? cp_colon(argv[i]) : NULL;
        if (colon == NULL) {
            continue;
        }
        if (!cp_find(&way, &found, argv[i], colon, &error)) {
            return ssh_failed(&error);
        }
        size_t size_bytes = strlen(way.user) + strlen(way.address) + strlen(colon) + 2;
        places[i] = malloc(size_bytes);
        if (places[i] == NULL) {
            error_no_memory(size_bytes);
        }
        snprintf(places[i], size_bytes, "%s@%s%s", way.user, way.address, colon);
    }
    if (!found || argc < 2 || argc >= SSH_MAX_WORDS - 16) {
        error_set(&error, "As in metic cp file NAME:/tmp or metic cp -r :/var/log logs.",
                  "metic cp needs files and a place, one of them in a machine");
        return ui_usage_error(&error);
    }
    ssh_wait(&way);
    ssh_add(&words, "scp");
    ssh_add_options(&words, &way);
    ssh_add(&words, "-P");
    ssh_add(&words, way.port);
    for (int i = 0; i < argc; i++) {
        ssh_add(&words, places[i] != NULL ? places[i] : argv[i]);
    }
    return ssh_become(&words);
}
