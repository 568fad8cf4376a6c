#include "hw/char/char_backend_internal.h"
#include "hw/char/spice_agent.h"
#include "tests/hw/fixture.h"
#include <stdlib.h>
#include <string.h>

enum { CLIPBOARD = 4, CAPABILITIES = 6, GRAB = 7, REQUEST = 8, RELEASE = 9, LONGEST = 14 };

static struct fixture f;
static struct char_port *port;
static struct spice_agent *agent;
static struct spice_client client;
static unsigned told;
static u8 heard[2 << 20]; /* what the guest got, without chunks' heads */
static size_t heard_bytes, heard_at;

static void on_changed(void *opaque)
{
    (void)opaque;
    told++;
}

static void setup(void)
{
    fixture_init(&f);
    port = char_port_new("agent", NULL, NULL, f.journal, NULL);
    agent = spice_agent_new(port, &f.log);
    client = (struct spice_client){.changed = on_changed};
    spice_agent_add_client(agent, &client);
    told = 0;
    heard_bytes = heard_at = 0;
}

static void teardown(void)
{
    spice_agent_remove_client(agent, &client);
    spice_agent_free(agent);
    char_port_free(port);
    fixture_fini(&f);
}

TestSuite(spice_agent, .init = setup, .fini = teardown);

/* The guest says a message, in chunks of at most `chunk_bytes`, each in one write of its own. */
static void say_in(u32 type, const void *data, size_t size_bytes, size_t chunk_bytes)
{
    u8 *message = calloc(1, 20 + size_bytes), *chunk = malloc(8 + chunk_bytes);
    st_le32(message, 1);
    st_le32(message + 4, type);
    st_le32(message + 16, (u32)size_bytes);
    memcpy(message + 20, data, size_bytes);
    for (size_t at = 0; at < 20 + size_bytes; at += chunk_bytes) {
        size_t part = 20 + size_bytes - at < chunk_bytes ? 20 + size_bytes - at : chunk_bytes;
        st_le32(chunk, 1);
        st_le32(chunk + 4, (u32)part);
        memcpy(chunk + 8, message + at, part);
        char_port_write(port, chunk, 8 + part);
    }
    free(message);
    free(chunk);
}

static void say(u32 type, const void *data, size_t size_bytes)
{
    say_in(type, data, size_bytes, 2048);
}

static void say_u32s(u32 type, u32 first, u32 second)
{
    u8 data[8];
    st_le32(data, first);
    st_le32(data + 4, second);
    say(type, data, sizeof(data));
}

static void announce(void)
{
    say_u32s(CAPABILITIES, 1, BIT(5) | BIT(6) | BIT(10));
}

static void say_text(const char *text, size_t size_bytes, size_t chunk_bytes)
{
    u8 *data = calloc(1, 8 + size_bytes);
    data[4] = 1;
    memcpy(data + 8, text, size_bytes);
    say_in(CLIPBOARD, data, 8 + size_bytes, chunk_bytes);
    free(data);
}

/* Reads what came, out of its chunks. */
static void listen_to_host(void)
{
    u8 bytes[2056];
    journal_deliver(f.journal, 1);
    while (char_port_read(port, bytes, 8) == 8) {
        u32 size_bytes = ld_le32(bytes + 4);
        cr_assert_eq(ld_le32(bytes), 1);
        cr_assert_leq(size_bytes, 2048);
        cr_assert_eq(char_port_read(port, heard + heard_bytes, size_bytes), size_bytes);
        heard_bytes += size_bytes;
    }
}

/* The next message has that type; returns its data. */
static const u8 *expect(u32 type, size_t size_bytes)
{
    listen_to_host();
    cr_assert_leq(heard_at + 20, heard_bytes, "no message, %u is missing", type);
    const u8 *message = heard + heard_at;
    cr_assert_eq(ld_le32(message), 1);
    cr_assert_eq(ld_le32(message + 4), type, "message %u, not %u", ld_le32(message + 4), type);
    cr_assert_eq(ld_le32(message + 16), size_bytes);
    heard_at += 20 + size_bytes;
    cr_assert_leq(heard_at, heard_bytes);
    return message + 20;
}

static void expect_none(void)
{
    listen_to_host();
    cr_assert_eq(heard_at, heard_bytes, "a message that nobody expects");
}

static void begin(void)
{
    announce();
    const u8 *data = expect(CAPABILITIES, 8);
    cr_assert_eq(ld_le32(data), 0);
    cr_assert_eq(ld_le32(data + 4), BIT(5) | BIT(6));
    data = expect(LONGEST, 4);
    cr_assert_eq(ld_le32(data), SPICE_AGENT_TEXT_BYTES);
}

Test(spice_agent, somebody_is_there)
{
    cr_assert(char_port_is_open(port));
}

Test(spice_agent, text_from_the_guest)
{
    begin();
    say_u32s(GRAB, 0, 1);
    const u8 *data = expect(REQUEST, 8);
    cr_assert_eq(ld_le32(data), 0);
    cr_assert_eq(ld_le32(data + 4), 1);
    for (size_t chunk_bytes = 1; chunk_bytes < 40; chunk_bytes += 7) {
        say_u32s(GRAB, 0, 1);
        say_text("Gr\xc3\xbc\xc3\x9f" "e", 7, chunk_bytes);
        char *text = spice_agent_take(agent, &client);
        cr_assert_str_eq(text, "Gr\xc3\xbc\xc3\x9f" "e");
        free(text);
    }
    cr_assert_eq(told, 6);
    cr_assert_null(spice_agent_take(agent, &client));
}

Test(spice_agent, nothing_unasked)
{
    begin();
    say_text("unasked", 7, 2048);
    say_u32s(GRAB, 1, 1); /* the primary selection */
    say_u32s(GRAB, 0, 2); /* a picture */
    expect_none();
    cr_assert_null(spice_agent_take(agent, &client));
    cr_assert_eq(told, 0);
}

Test(spice_agent, text_from_the_host)
{
    cr_assert(spice_agent_offer(agent, "before", 6));
    expect_none(); /* nobody is there */
    begin();
    const u8 *data = expect(GRAB, 8);
    cr_assert_eq(ld_le32(data + 4), 1);
    cr_assert(spice_agent_offer(agent, "before", 6));
    expect_none(); /* it has it already */
    cr_assert(spice_agent_offer(agent, "text", 4));
    expect(GRAB, 8);
    say_u32s(REQUEST, 0, 1);
    data = expect(CLIPBOARD, 12);
    cr_assert_eq(ld_le32(data + 4), 1);
    cr_assert_arr_eq(data + 8, "text", 4);
    cr_assert(spice_agent_offer(agent, NULL, 0));
    expect(RELEASE, 4);
    say_u32s(REQUEST, 0, 1);
    data = expect(CLIPBOARD, 8);
    cr_assert_eq(ld_le32(data + 4), 0, "there is no text any more");
}

/* A desktop tells of the text that we put onto it. */
Test(spice_agent, no_echo)
{
    begin();
    say_u32s(GRAB, 0, 1);
    expect(REQUEST, 8);
    say_text("mine", 4, 2048);
    cr_assert(spice_agent_offer(agent, "mine", 4));
    expect_none();
    cr_assert(spice_agent_offer(agent, "yours", 5));
    expect(GRAB, 8);
    cr_assert(spice_agent_offer(agent, "mine", 4));
    expect(GRAB, 8);
}

Test(spice_agent, an_agent_without_selections)
{
    u8 kind[4] = {1};
    say_u32s(CAPABILITIES, 0, BIT(5));
    expect_none();
    say(GRAB, kind, sizeof(kind));
    expect(REQUEST, 4);
    cr_assert(spice_agent_offer(agent, "text", 4));
    expect(GRAB, 4);
    say(REQUEST, kind, sizeof(kind));
    cr_assert_arr_eq(expect(CLIPBOARD, 8) + 4, "text", 4);
    cr_assert(spice_agent_offer(agent, "", 0));
    expect(RELEASE, 0);
}

Test(spice_agent, the_longest_text)
{
    char *text = malloc(SPICE_AGENT_TEXT_BYTES + 1);
    memset(text, 'x', SPICE_AGENT_TEXT_BYTES + 1);
    begin();
    cr_assert_not(spice_agent_offer(agent, text, SPICE_AGENT_TEXT_BYTES + 1));
    expect_none();
    cr_assert(strstr(f.log_line, "longer than 512 KiB") != NULL);
    cr_assert(spice_agent_offer(agent, text, SPICE_AGENT_TEXT_BYTES));
    expect(GRAB, 8);
    say_u32s(REQUEST, 0, 1);
    const u8 *data = expect(CLIPBOARD, 8 + SPICE_AGENT_TEXT_BYTES);
    cr_assert_arr_eq(data + 8, text, SPICE_AGENT_TEXT_BYTES);

    say_u32s(GRAB, 0, 1);
    expect(REQUEST, 8);
    say_text(text, SPICE_AGENT_TEXT_BYTES, 2048);
    char *taken = spice_agent_take(agent, &client);
    cr_assert_eq(strlen(taken), SPICE_AGENT_TEXT_BYTES);
    free(taken);
    say_u32s(GRAB, 0, 1);
    expect(REQUEST, 8);
    say_text(text, SPICE_AGENT_TEXT_BYTES + 1, 2048);
    cr_assert_null(spice_agent_take(agent, &client));
    cr_assert(strstr(f.log_line, "is not taken") != NULL);
    say_u32s(GRAB, 0, 1);
    expect(REQUEST, 8);
    say_text("short", 5, 2048); /* what comes behind it is understood */
    taken = spice_agent_take(agent, &client);
    cr_assert_str_eq(taken, "short");
    free(taken);
    free(text);
}

/* Who asks and does not read costs a queue, not the host's memory, and loses whole messages. */
Test(spice_agent, a_guest_that_does_not_read)
{
    char *text = calloc(1, 300000);
    memset(text, 'y', 300000);
    begin();
    cr_assert(spice_agent_offer(agent, text, 300000));
    for (unsigned i = 0; i < 100; i++) {
        say_u32s(REQUEST, 0, 1);
    }
    cr_assert_lt(char_port_input_under_way(port), CHAR_QUEUE_BYTES);
    expect(GRAB, 8);
    for (unsigned i = 0; i < 3; i++) {
        expect(CLIPBOARD, 300008);
    }
    expect_none();
    say_u32s(REQUEST, 0, 1);
    expect(CLIPBOARD, 300008);
    free(text);
}

Test(spice_agent, opened_again)
{
    begin();
    say_u32s(GRAB, 0, 1);
    char_port_write(port, "\1\0\0\0\5", 5); /* half of a chunk's head */
    journal_deliver(f.journal, 1);
    char_port_tell_used(port, false);
    char_port_tell_used(port, true);
    expect_none();
    begin();
    static const u8 nonsense[32] = {1, 0, 0, 0, 24, 0, 0, 0, 9};
    char_port_write(port, nonsense, sizeof(nonsense));
    announce();
    expect_none();
    char_port_tell_used(port, true);
    begin();
}

Test(spice_agent, saved_state)
{
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error;
    begin();
    say_u32s(GRAB, 0, 1);
    expect(REQUEST, 8);
    u8 message[8 + 20 + 8 + 6] = {1, 0, 0, 0, 34, 0, 0, 0, 1, 0, 0, 0, CLIPBOARD};
    message[8 + 16] = 14;
    message[8 + 20 + 4] = 1;
    memcpy(message + 36, "halves", 6);
    char_port_write(port, message, 39);
    state_writer_init(&writer);
    spice_agent_save(agent, &writer);

    struct char_port *other_port = char_port_new("agent", NULL, NULL, f.journal, NULL);
    struct spice_agent *other = spice_agent_new(other_port, &f.log);
    struct spice_client looks = {0};
    spice_agent_add_client(other, &looks);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(spice_agent_load(other, &reader, &error));
    char_port_write(other_port, message + 39, 3);
    char *text = spice_agent_take(other, &looks);
    cr_assert_str_eq(text, "halves");
    free(text);
    for (size_t cut = 0; cut < writer.size_bytes; cut++) {
        state_reader_init(&reader, writer.bytes, cut);
        cr_assert_not(spice_agent_load(other, &reader, &error));
    }
    spice_agent_free(other);
    char_port_free(other_port);
    state_writer_fini(&writer);
}
