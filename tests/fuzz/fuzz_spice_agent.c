/* The guest's end of the clipboard: what a hostile agent writes, between texts of the host's. */
#include "hw/char/spice_agent.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* The journal is the virtual clock's: what is sent waits until it is delivered. */
struct fuzz_agent {
    struct clock clock;
    struct journal *journal;
    struct char_port *port;
    struct spice_agent *agent;
    struct spice_client client;
};

static void begin(struct fuzz_agent *fuzz)
{
    static const struct journal_options options;
    clock_init(&fuzz->clock, CLOCK_VIRTUAL);
    fuzz->journal = journal_new(&fuzz->clock, NULL, &options, NULL);
    fuzz->port = char_port_new("agent", NULL, NULL, fuzz->journal, NULL);
    fuzz->agent = spice_agent_new(fuzz->port, NULL);
}

static void end(struct fuzz_agent *fuzz)
{
    spice_agent_free(fuzz->agent);
    char_port_free(fuzz->port);
    journal_free(fuzz->journal);
    clock_fini(&fuzz->clock);
}

static void listen_to_host(struct fuzz_agent *fuzz)
{
    u8 buffer[4096];
    journal_deliver(fuzz->journal, 1);
    while (char_port_read(fuzz->port, buffer, sizeof(buffer)) > 0) {
    }
    free(spice_agent_take(fuzz->agent, &fuzz->client));
}

/* The state of one goes into another, which goes on. */
static void move(struct fuzz_agent *from)
{
    struct fuzz_agent to = {0};
    struct state_writer writer;
    struct state_reader reader;
    state_writer_init(&writer);
    spice_agent_save(from->agent, &writer);
    begin(&to);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    if (!spice_agent_load(to.agent, &reader, NULL)) {
        abort();
    }
    state_writer_fini(&writer);
    end(from);
    *from = to;
}

/* Each step: a byte that says what, one for how many bytes of the input are written. */
void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct fuzz_agent fuzz = {0};
    begin(&fuzz);
    spice_agent_add_client(fuzz.agent, &fuzz.client);
    while (size_bytes >= 2) {
        size_t part = bytes[1] < size_bytes - 2 ? bytes[1] : size_bytes - 2;
        switch (bytes[0] & 7) {
        case 0: spice_agent_offer(fuzz.agent, (const char *)bytes + 2, part); break;
        case 1: listen_to_host(&fuzz); break;
        case 2: char_port_tell_used(fuzz.port, (bytes[1] & 1) != 0); break;
        case 3:
            move(&fuzz);
            spice_agent_add_client(fuzz.agent, &fuzz.client);
            break;
        default: char_port_write(fuzz.port, bytes + 2, part); break;
        }
        bytes += 2 + part;
        size_bytes -= 2 + part;
    }
    listen_to_host(&fuzz);
    end(&fuzz);
}

static void add_message(u8 *script, size_t *at, u8 type, const u8 *data, u8 size_bytes)
{
    u8 *to = script + *at;
    memset(to, 0, 30);
    to[0] = 4;
    to[1] = (u8)(28 + size_bytes);
    to[2] = 1;
    to[6] = (u8)(20 + size_bytes);
    to[10] = 1;
    to[14] = type;
    to[26] = size_bytes;
    memcpy(to + 30, data, size_bytes);
    *at += 30u + size_bytes;
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const u8 capabilities[8] = {1, 0, 0, 0, 0x60, 4}, grab[8] = {0, 0, 0, 0, 1};
    static const u8 text[12] = {0, 0, 0, 0, 1, 0, 0, 0, 't', 'e', 'x', 't'};
    static const u8 offer[] = {0, 4, 'h', 'o', 's', 't', 1, 0, 3, 0};
    u8 script[256];
    size_t at = 0;
    add_message(script, &at, 6, capabilities, sizeof(capabilities));
    add_message(script, &at, 7, grab, sizeof(grab));
    add_message(script, &at, 4, text, sizeof(text));
    memcpy(script + at, offer, sizeof(offer));
    at += sizeof(offer);
    add_message(script, &at, 8, grab, sizeof(grab));
    add(script, at);
}
