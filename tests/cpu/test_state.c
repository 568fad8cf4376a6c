#include "cpu/state.h"

#include "cpu/base/bits.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct sample {
    u64 wide;
    u32 words[3];
    u16 half;
    bool flag;
    u8 byte;
    u8 bytes[7];
    bool flags[1];
};

#define SAMPLE(FIELD, T) \
    FIELD(T, wide) FIELD(T, words) FIELD(T, half) FIELD(T, flag) FIELD(T, byte) FIELD(T, bytes) \
    FIELD(T, flags)
STATE_LIST(sample_list, struct sample, SAMPLE);

static const struct sample sample = {
    .wide = 0x1122334455667788u, .words = {1, 2, 0xffffffff}, .half = 0xabcd, .flag = true,
    .byte = 9, .bytes = {1, 2, 3, 4, 5, 6, 7}, .flags = {true}};

Test(state, rows_know_their_kind_and_count)
{
    cr_assert_eq(sample_list.field_count, 7);
    cr_assert_eq(sample_list.fields[0].kind, STATE_U64);
    cr_assert_eq(sample_list.fields[1].kind, STATE_U32);
    cr_assert_eq(sample_list.fields[1].count, 3);
    cr_assert_eq(sample_list.fields[3].kind, STATE_BOOL);
    cr_assert_eq(sample_list.fields[5].count, 7);
    cr_assert_eq(sample_list.fields[6].kind, STATE_BOOL);
    cr_assert_eq(sample_list.fields[6].count, 1);
}

Test(state, round_trip)
{
    struct state_writer writer;
    struct state_reader reader;
    struct sample got = {0};
    state_writer_init(&writer);
    state_write_list(&writer, &sample_list, &sample);
    state_write_u32(&writer, 77);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(state_read_list(&reader, &sample_list, &got, NULL));
    cr_assert_eq(memcmp(&got, &sample, sizeof(got)), 0);
    u32 after;
    cr_assert(state_read_u32(&reader, &after));
    cr_assert_eq(after, 77);
    cr_assert(!state_read_u32(&reader, &after));
    state_writer_fini(&writer);
}

Test(state, bytes_are_little_endian)
{
    struct state_writer writer;
    state_writer_init(&writer);
    state_write_list(&writer, &sample_list, &sample);
    const u8 *value = writer.bytes + 2 + strlen("sample_list") + 2 + 1 + 1 + strlen("wide") + 4;
    cr_assert_eq(ld_le64(value), sample.wide);
    cr_assert_eq(value[0], 0x88);
    state_writer_fini(&writer);
}

Test(state, every_damaged_file_is_refused_and_changes_nothing)
{
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error;
    state_writer_init(&writer);
    state_write_list(&writer, &sample_list, &sample);
    for (size_t cut = 0; cut < writer.size_bytes; cut++) {
        struct sample got = {.wide = 5};
        error.what[0] = '\0';
        state_reader_init(&reader, writer.bytes, cut);
        cr_assert(!state_read_list(&reader, &sample_list, &got, &error), "cut at %zu", cut);
        cr_assert_eq(got.wide, 5);
        cr_assert_neq(error.what[0], '\0');
    }
    size_t kind_at = 2 + strlen("sample_list") + 2;
    writer.bytes[kind_at] ^= 1;
    struct sample got = {0};
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(!state_read_list(&reader, &sample_list, &got, NULL), "another kind");
    state_writer_fini(&writer);
}

Test(state, digest_sees_every_member)
{
    u64 base = state_digest(&sample_list, &sample, 0);
    cr_assert_eq(base, state_digest(&sample_list, &sample, 0));
    for (unsigned f = 0; f < sample_list.field_count; f++) {
        const struct state_field *field = &sample_list.fields[f];
        struct sample changed = sample;
        u8 *at = (u8 *)&changed + field->offset_bytes;
        at[0] ^= 1;
        cr_assert_neq(base, state_digest(&sample_list, &changed, 0), "%s", field->name);
    }
    cr_assert_neq(state_digest_bytes("ab", 2, 0), state_digest_bytes("ab\0", 3, 0));
}

static void keep_line(void *opaque, const char *text)
{
    char *all = opaque;
    snprintf(all + strlen(all), 1024 - strlen(all), "%s\n", text);
}

Test(state, printed_form)
{
    char all[1024] = "";
    state_print(&sample_list, &sample, keep_line, all);
    cr_assert_not_null(strstr(all, "wide = 0x1122334455667788\n"));
    cr_assert_not_null(strstr(all, "words[0..] = 0x00000001 0x00000002 0xffffffff\n"));
    cr_assert_not_null(strstr(all, "flag = 0x1\n"));
}
