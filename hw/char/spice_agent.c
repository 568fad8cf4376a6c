/* See spice_agent.h.
 *
 * What travels on the port, little-endian (spice-protocol, vd_agent):
 *
 *   chunk    u32 port (1: the client's), u32 bytes, at most 2048 of them
 *   message  in the chunks' bytes, over as many as it takes: u32 protocol (1), u32 type,
 *            u64 opaque, u32 bytes, then those
 *   types    6 capabilities: u32 "tell me yours", u32 bits[]
 *            7 grab: u32 kinds[] that can be had    8 request: u32 kind
 *            4 clipboard: u32 kind, the text        9 release
 *            14 the longest text we take: u32
 *
 * Where both sides have capability 6, messages 4 and 7 to 9 begin with four bytes that say which
 * selection is meant; 0 is the clipboard. Kind 1 is UTF-8 text.
 *
 * A text that is copied in the guest is asked for at once, since the host's clipboards want it and
 * not a promise; one on the host is announced, and sent when a program in the guest pastes. What is
 * sent is input and goes through the journal, so a replay needs no clipboard.
 *
 * Left out: X's primary selection, pictures, files, the agent's mouse, screens and sound (the
 * machine has devices for these). */
#include "hw/char/spice_agent.h"

#include "cpu/base/bits.h"
#include "cpu/base/utf8.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_HEAD_BYTES = 8,
    CHUNK_MAX_BYTES = 2048,
    CHUNK_PORT_CLIENT = 1,

    MESSAGE_HEAD_BYTES = 20,
    MESSAGE_PROTOCOL = 1,
    MESSAGE_CLIPBOARD = 4,
    MESSAGE_CAPABILITIES = 6,
    MESSAGE_GRAB = 7,
    MESSAGE_REQUEST = 8,
    MESSAGE_RELEASE = 9,
    MESSAGE_LONGEST = 14,

    CAPABILITY_BY_DEMAND = 5,
    CAPABILITY_SELECTION = 6,
    CAPABILITY_LONGEST = 10,

    SELECTION_BYTES = 4,
    KIND_NONE = 0,
    KIND_TEXT = 1,

    /* Selection, kind, text. What is longer is passed over. */
    DATA_MAX_BYTES = SELECTION_BYTES + 4 + SPICE_AGENT_TEXT_BYTES,
};

struct agent_saved {
    u32 capabilities; /* the guest's; 0: no agent has spoken */
    u32 chunk_left_bytes;
    u32 data_got_bytes; /* of the message's, also of those that were passed over */
    u8 chunk_head[CHUNK_HEAD_BYTES];
    u8 chunk_got_bytes; /* of its head */
    u8 message_head[MESSAGE_HEAD_BYTES];
    u8 message_got_bytes; /* of its head */
    u8 lost;   /* what comes makes no sense until the port is opened again */
    u8 wanted; /* a text was asked for */
};
#define AGENT_SAVED(FIELD, T)                                                                   \
    FIELD(T, capabilities) FIELD(T, chunk_left_bytes) FIELD(T, data_got_bytes)                  \
    FIELD(T, chunk_head) FIELD(T, chunk_got_bytes) FIELD(T, message_head)                       \
    FIELD(T, message_got_bytes) FIELD(T, lost) FIELD(T, wanted)
STATE_LIST(agent_saved, struct agent_saved, AGENT_SAVED);

struct spice_agent {
    struct char_port *port;
    struct log *log;
    pthread_mutex_t lock; /* around all below; taken under the device's lock, never around it */
    struct agent_saved saved;
    u8 *data; /* of the message that is coming; DATA_MAX_BYTES, made when one has some */
    char *host_text; /* on a client's clipboard; or NULL */
    size_t host_bytes;
    char *guest_text; /* what was copied last, if that was in the guest; or NULL */
    struct spice_client *clients;
};

static void *allocate(size_t size_bytes)
{
    void *memory = malloc(size_bytes);
    if (memory == NULL) {
        error_no_memory(size_bytes);
    }
    return memory;
}

/* --- to the guest --- */

/* A message with `size_bytes` of data, cut into chunks. When the guest does not read, it is lost as
 * a whole: what comes later still makes sense. */
static void send_message(struct spice_agent *agent, u32 type, const u8 *data, size_t size_bytes)
{
    size_t whole_bytes = MESSAGE_HEAD_BYTES + size_bytes;
    size_t chunks = (whole_bytes + CHUNK_MAX_BYTES - 1) / CHUNK_MAX_BYTES;
    size_t total_bytes = whole_bytes + chunks * CHUNK_HEAD_BYTES;
    if (total_bytes > char_port_input_room(agent->port)) {
        log_print(agent->log, LOG_GUEST, "clipboard: the guest's agent does not read");
        return;
    }
    u8 *bytes = allocate(total_bytes + whole_bytes);
    u8 *message = bytes + total_bytes, *to = bytes;
    memset(message, 0, MESSAGE_HEAD_BYTES);
    st_le32(message, MESSAGE_PROTOCOL);
    st_le32(message + 4, type);
    st_le32(message + 16, (u32)size_bytes);
    if (size_bytes > 0) {
        memcpy(message + MESSAGE_HEAD_BYTES, data, size_bytes);
    }
    for (size_t at = 0; at < whole_bytes; at += CHUNK_MAX_BYTES) {
        size_t part = whole_bytes - at < CHUNK_MAX_BYTES ? whole_bytes - at : CHUNK_MAX_BYTES;
        st_le32(to, CHUNK_PORT_CLIENT);
        st_le32(to + 4, (u32)part);
        memcpy(to + CHUNK_HEAD_BYTES, message + at, part);
        to += CHUNK_HEAD_BYTES + part;
    }
    char_port_feed_later(agent->port, bytes, total_bytes);
    free(bytes);
}

static bool guest_has(const struct spice_agent *agent, unsigned capability)
{
    return (agent->saved.capabilities >> capability & 1) != 0;
}

static size_t selection_bytes(const struct spice_agent *agent)
{
    return guest_has(agent, CAPABILITY_SELECTION) ? SELECTION_BYTES : 0;
}

/* A message about the clipboard: which selection, if the guest wants to know, a kind, a text. */
static void send_clipboard(struct spice_agent *agent, u32 type, u32 kind, const char *text,
                           size_t text_bytes)
{
    size_t head_bytes = selection_bytes(agent) + 4;
    u8 *data = allocate(head_bytes + text_bytes);
    memset(data, 0, head_bytes);
    st_le32(data + head_bytes - 4, kind);
    if (text_bytes > 0) {
        memcpy(data + head_bytes, text, text_bytes);
    }
    send_message(agent, type, data, head_bytes + text_bytes);
    free(data);
}

static void send_release(struct spice_agent *agent)
{
    static const u8 clipboard[SELECTION_BYTES];
    send_message(agent, MESSAGE_RELEASE, clipboard, selection_bytes(agent));
}

static void send_capabilities(struct spice_agent *agent)
{
    u8 data[8];
    st_le32(data, 0);
    st_le32(data + 4, BIT(CAPABILITY_BY_DEMAND) | BIT(CAPABILITY_SELECTION));
    send_message(agent, MESSAGE_CAPABILITIES, data, sizeof(data));
}

static void announce_host_text(struct spice_agent *agent)
{
    if (agent->host_text != NULL && guest_has(agent, CAPABILITY_BY_DEMAND)) {
        send_clipboard(agent, MESSAGE_GRAB, KIND_TEXT, NULL, 0);
    }
}

/* --- from the guest --- */

static void on_text(struct spice_agent *agent, const u8 *bytes, size_t size_bytes)
{
    size_t clean_bytes;
    free(agent->guest_text);
    agent->guest_text = utf8_clean(bytes, size_bytes, &clean_bytes);
    free(agent->host_text);
    agent->host_text = NULL;
    for (struct spice_client *client = agent->clients; client != NULL; client = client->next) {
        bool told = client->has_new;
        client->has_new = true;
        if (!told && client->changed != NULL) {
            client->changed(client->opaque);
        }
    }
}

static void on_grab(struct spice_agent *agent, const u8 *kinds, size_t size_bytes)
{
    for (size_t at = 0; at + 4 <= size_bytes; at += 4) {
        if (ld_le32(kinds + at) == KIND_TEXT) {
            agent->saved.wanted = 1;
            send_clipboard(agent, MESSAGE_REQUEST, KIND_TEXT, NULL, 0);
            return;
        }
    }
}

static void on_request(struct spice_agent *agent, u32 kind)
{
    if (kind == KIND_TEXT && agent->host_text != NULL) {
        send_clipboard(agent, MESSAGE_CLIPBOARD, KIND_TEXT, agent->host_text, agent->host_bytes);
    } else {
        send_clipboard(agent, MESSAGE_CLIPBOARD, KIND_NONE, NULL, 0);
    }
}

static void on_capabilities(struct spice_agent *agent, const u8 *data, size_t size_bytes)
{
    if (size_bytes < 4) {
        return;
    }
    agent->saved.capabilities = size_bytes >= 8 ? ld_le32(data + 4) : 0;
    if (ld_le32(data) != 0) {
        send_capabilities(agent);
    }
    if (guest_has(agent, CAPABILITY_LONGEST)) {
        u8 longest[4];
        st_le32(longest, SPICE_AGENT_TEXT_BYTES);
        send_message(agent, MESSAGE_LONGEST, longest, sizeof(longest));
    }
    announce_host_text(agent);
}

static void on_clipboard(struct spice_agent *agent, u32 type, const u8 *data, size_t size_bytes)
{
    size_t selection = selection_bytes(agent);
    if (size_bytes < selection + 4 || (selection != 0 && data[0] != 0)) {
        return; /* of another selection, or of none */
    }
    u32 kind = ld_le32(data + selection);
    data += selection;
    size_bytes -= selection;
    if (type == MESSAGE_GRAB) {
        on_grab(agent, data, size_bytes);
    } else if (type == MESSAGE_REQUEST) {
        on_request(agent, kind);
    } else if (agent->saved.wanted) {
        agent->saved.wanted = 0;
        if (kind == KIND_TEXT) {
            on_text(agent, data + 4, size_bytes - 4);
        }
    }
}

static void on_message(struct spice_agent *agent)
{
    u32 type = ld_le32(agent->saved.message_head + 4);
    size_t size_bytes = ld_le32(agent->saved.message_head + 16);
    if (size_bytes > DATA_MAX_BYTES) {
        log_print(agent->log, LOG_GUEST,
                  "clipboard: a text of the guest's is longer than %d KiB, and is not taken",
                  SPICE_AGENT_TEXT_BYTES >> 10);
        agent->saved.wanted = 0;
    } else if (type == MESSAGE_CAPABILITIES) {
        on_capabilities(agent, agent->data, size_bytes);
    } else if (type == MESSAGE_CLIPBOARD || type == MESSAGE_GRAB || type == MESSAGE_REQUEST) {
        on_clipboard(agent, type, agent->data, size_bytes);
    }
}

/* Of `more` bytes, what `have` lacks of `whole`; copied if there is a place. */
static size_t gather(u8 *to, size_t have, size_t whole, const u8 *bytes, size_t size_bytes)
{
    size_t part = whole - have < size_bytes ? whole - have : size_bytes;
    if (to != NULL && part > 0) {
        memcpy(to + have, bytes, part);
    }
    return part;
}

/* Bytes of messages; returns how many were used. */
static size_t take_message_bytes(struct spice_agent *agent, const u8 *bytes, size_t size_bytes)
{
    struct agent_saved *saved = &agent->saved;
    size_t part = gather(saved->message_head, saved->message_got_bytes, MESSAGE_HEAD_BYTES, bytes,
                         size_bytes);
    saved->message_got_bytes += (u8)part;
    if (saved->message_got_bytes < MESSAGE_HEAD_BYTES) {
        return part;
    }
    if (ld_le32(saved->message_head) != MESSAGE_PROTOCOL) {
        log_print(agent->log, LOG_GUEST, "clipboard: the guest's agent speaks another language");
        saved->lost = 1;
        return size_bytes;
    }
    size_t whole = ld_le32(saved->message_head + 16);
    if (agent->data == NULL) {
        agent->data = allocate(DATA_MAX_BYTES);
    }
    size_t more = gather(whole <= DATA_MAX_BYTES ? agent->data : NULL, saved->data_got_bytes,
                         whole, bytes + part, size_bytes - part);
    saved->data_got_bytes += (u32)more;
    if (saved->data_got_bytes == whole) {
        on_message(agent);
        saved->message_got_bytes = 0;
        saved->data_got_bytes = 0;
    }
    return part + more;
}

/* A part of a chunk; returns how many bytes were used. */
static size_t take_chunk_bytes(struct spice_agent *agent, const u8 *bytes, size_t size_bytes)
{
    struct agent_saved *saved = &agent->saved;
    if (saved->chunk_left_bytes == 0) {
        size_t part = gather(saved->chunk_head, saved->chunk_got_bytes, CHUNK_HEAD_BYTES, bytes,
                             size_bytes);
        saved->chunk_got_bytes += (u8)part;
        if (saved->chunk_got_bytes == CHUNK_HEAD_BYTES) {
            saved->chunk_left_bytes = ld_le32(saved->chunk_head + 4);
            saved->chunk_got_bytes = 0;
        }
        return part;
    }
    size_t part = saved->chunk_left_bytes < size_bytes ? saved->chunk_left_bytes : size_bytes;
    if (ld_le32(saved->chunk_head) == CHUNK_PORT_CLIENT) {
        part = take_message_bytes(agent, bytes, part);
    }
    saved->chunk_left_bytes -= (u32)part;
    return part;
}

/* On the writing hart's thread, the device's lock held. */
static void on_written(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct spice_agent *agent = opaque;
    pthread_mutex_lock(&agent->lock);
    while (size_bytes > 0 && !agent->saved.lost) {
        size_t used = take_chunk_bytes(agent, bytes, size_bytes);
        bytes += used;
        size_bytes -= used;
    }
    pthread_mutex_unlock(&agent->lock);
}

/* A program opened the port, or closed it: a conversation begins, and nothing is left of the one
 * before. */
static void on_used(void *opaque, bool used)
{
    struct spice_agent *agent = opaque;
    (void)used;
    pthread_mutex_lock(&agent->lock);
    agent->saved = (struct agent_saved){0};
    char_port_drop_input(agent->port);
    pthread_mutex_unlock(&agent->lock);
}

/* --- clients --- */

void spice_agent_add_client(struct spice_agent *agent, struct spice_client *client)
{
    pthread_mutex_lock(&agent->lock);
    client->has_new = false;
    client->next = agent->clients;
    agent->clients = client;
    pthread_mutex_unlock(&agent->lock);
}

void spice_agent_remove_client(struct spice_agent *agent, struct spice_client *client)
{
    pthread_mutex_lock(&agent->lock);
    struct spice_client **at = &agent->clients;
    while (*at != NULL && *at != client) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = client->next;
    }
    pthread_mutex_unlock(&agent->lock);
}

char *spice_agent_take(struct spice_agent *agent, struct spice_client *client)
{
    char *text = NULL;
    pthread_mutex_lock(&agent->lock);
    if (client->has_new && agent->guest_text != NULL) {
        text = strdup(agent->guest_text); /* NULL: no memory; the next text may find some */
    }
    client->has_new = false;
    pthread_mutex_unlock(&agent->lock);
    return text;
}

/* The text came from the guest, and a client's desktop tells that it has it now. */
static bool is_echo(const struct spice_agent *agent, const char *text, size_t size_bytes)
{
    return agent->guest_text != NULL && strlen(agent->guest_text) == size_bytes &&
           memcmp(agent->guest_text, text, size_bytes) == 0;
}

static bool is_same(const struct spice_agent *agent, const char *text, size_t size_bytes)
{
    return agent->host_text != NULL && agent->host_bytes == size_bytes &&
           memcmp(agent->host_text, text, size_bytes) == 0;
}

/* Under the lock; the text is the agent's from here on. */
static void offer_text(struct spice_agent *agent, char *text, size_t size_bytes)
{
    if (is_echo(agent, text, size_bytes) || is_same(agent, text, size_bytes)) {
        free(text);
        return;
    }
    free(agent->guest_text);
    agent->guest_text = NULL;
    free(agent->host_text);
    agent->host_text = text;
    agent->host_bytes = size_bytes;
    announce_host_text(agent);
}

bool spice_agent_offer(struct spice_agent *agent, const char *text, size_t size_bytes)
{
    if (size_bytes > SPICE_AGENT_TEXT_BYTES) {
        log_print(agent->log, LOG_WARN,
                  "clipboard: a text of %zu bytes is longer than %d KiB; the guest does not get it",
                  size_bytes, SPICE_AGENT_TEXT_BYTES >> 10);
        return false;
    }
    pthread_mutex_lock(&agent->lock);
    if (text != NULL && size_bytes > 0) {
        size_t clean_bytes;
        char *clean = utf8_clean((const u8 *)text, size_bytes, &clean_bytes);
        offer_text(agent, clean, clean_bytes);
    } else if (agent->host_text != NULL) {
        free(agent->host_text);
        agent->host_text = NULL;
        if (guest_has(agent, CAPABILITY_BY_DEMAND)) {
            send_release(agent);
        }
    }
    pthread_mutex_unlock(&agent->lock);
    return true;
}

/* --- life --- */

struct spice_agent *spice_agent_new(struct char_port *port, struct log *log)
{
    struct spice_agent *agent = calloc(1, sizeof(*agent));
    if (agent != NULL) {
        agent->port = port;
        agent->log = log;
        pthread_mutex_init(&agent->lock, NULL);
        char_port_add_tap(port, on_written, agent);
        char_port_set_used(port, on_used, agent);
        char_port_hold_open(port);
    }
    return agent;
}

void spice_agent_free(struct spice_agent *agent)
{
    if (agent == NULL) {
        return;
    }
    char_port_remove_tap(agent->port, agent);
    char_port_set_used(agent->port, NULL, NULL);
    pthread_mutex_destroy(&agent->lock);
    free(agent->data);
    free(agent->host_text);
    free(agent->guest_text);
    free(agent);
}

/* --- saved state --- */

/* How much of the coming message is kept. */
static size_t kept_bytes(const struct agent_saved *saved)
{
    bool kept = saved->message_got_bytes == MESSAGE_HEAD_BYTES &&
                ld_le32(saved->message_head + 16) <= DATA_MAX_BYTES;
    return kept ? saved->data_got_bytes : 0;
}

void spice_agent_save(struct spice_agent *agent, struct state_writer *writer)
{
    pthread_mutex_lock(&agent->lock);
    state_write_list(writer, &agent_saved, &agent->saved);
    state_write_bytes(writer, agent->data, kept_bytes(&agent->saved));
    pthread_mutex_unlock(&agent->lock);
}

static bool is_possible(const struct agent_saved *saved)
{
    u32 whole = ld_le32(saved->message_head + 16);
    bool in_data = saved->message_got_bytes == MESSAGE_HEAD_BYTES;
    return saved->chunk_got_bytes < CHUNK_HEAD_BYTES &&
           saved->message_got_bytes <= MESSAGE_HEAD_BYTES &&
           (in_data ? saved->data_got_bytes < whole || saved->lost : saved->data_got_bytes == 0) &&
           saved->lost <= 1 && saved->wanted <= 1;
}

bool spice_agent_load(struct spice_agent *agent, struct state_reader *reader,
                      struct metic_error *error)
{
    pthread_mutex_lock(&agent->lock);
    struct agent_saved saved;
    bool ok = state_read_list(reader, &agent_saved, &saved, error) && is_possible(&saved);
    size_t size_bytes = ok ? kept_bytes(&saved) : 0;
    if (size_bytes > 0 && agent->data == NULL) {
        agent->data = allocate(DATA_MAX_BYTES);
    }
    ok = ok && (size_bytes == 0 || state_read_bytes(reader, agent->data, size_bytes));
    if (ok) {
        agent->saved = saved;
        free(agent->guest_text);
        free(agent->host_text);
        agent->guest_text = agent->host_text = NULL;
    }
    pthread_mutex_unlock(&agent->lock);
    return ok || error_set(error, NULL, "the saved state of the clipboard is damaged");
}
