/* Members of structures by a kernel's type information. */
#include "hw/btf.h"

#include "cpu/base/bits.h"

#include <criterion/criterion.h>
#include <string.h>

/* Written as the kernel's documentation describes it. */
struct blob {
    u8 bytes[1024];
    size_t types_bytes, used;
    char strings[256];
    u32 strings_bytes;
};

static void put32(struct blob *blob, u32 value)
{
    st_le32(blob->bytes + 24 + blob->types_bytes, value);
    blob->types_bytes += 4;
}

static u32 text(struct blob *blob, const char *string)
{
    u32 at = blob->strings_bytes;
    strcpy(blob->strings + at, string);
    blob->strings_bytes += (u32)strlen(string) + 1;
    return at;
}

static void record(struct blob *blob, const char *name, unsigned kind, unsigned vlen, u32 size)
{
    put32(blob, name[0] != '\0' ? text(blob, name) : 0);
    put32(blob, kind << 24 | vlen);
    put32(blob, size);
}

static void member(struct blob *blob, const char *name, u32 type, u32 offset)
{
    put32(blob, name[0] != '\0' ? text(blob, name) : 0);
    put32(blob, type);
    put32(blob, offset);
}

static size_t finish(struct blob *blob)
{
    st_le16(blob->bytes, 0xeb9f);
    blob->bytes[2] = 1;
    st_le32(blob->bytes + 4, 24);
    st_le32(blob->bytes + 12, (u32)blob->types_bytes);
    st_le32(blob->bytes + 16, (u32)blob->types_bytes);
    st_le32(blob->bytes + 20, blob->strings_bytes);
    memcpy(blob->bytes + 24 + blob->types_bytes, blob->strings, blob->strings_bytes);
    return 24 + blob->types_bytes + blob->strings_bytes;
}

static size_t example(struct blob *blob)
{
    *blob = (struct blob){.strings_bytes = 1};
    record(blob, "int", 1, 0, 4); /* 1 */
    put32(blob, 32);
    record(blob, "outer", 4, 3, 48); /* 2 */
    member(blob, "first", 1, 0);
    member(blob, "", 3, 64);
    member(blob, "list", 5, 128);
    record(blob, "", 5, 2, 8); /* 3: union without a name */
    member(blob, "either", 1, 0);
    member(blob, "", 4, 0);
    record(blob, "", 4u | 1u << 7, 1, 8); /* 4: struct with bit-fields */
    member(blob, "bits", 1, 3u << 24 | 32);
    record(blob, "", 3, 0, 0); /* 5: array of the typedef */
    put32(blob, 6);
    put32(blob, 1);
    put32(blob, 4);
    record(blob, "alias", 8, 0, 7); /* 6: typedef of const of outer */
    record(blob, "", 10, 0, 2);     /* 7 */
    return finish(blob);
}

Test(btf, members)
{
    struct blob blob;
    struct btf btf;
    struct btf_member found;
    cr_assert(btf_init(&btf, blob.bytes, example(&blob)));
    u32 outer = btf_find_struct(&btf, "outer");
    cr_assert(outer == 2 && btf_struct_bytes(&btf, outer) == 48);
    cr_expect(btf_find_member(&btf, outer, "first", &found) && found.offset_bytes == 0);
    cr_expect(btf_find_member(&btf, outer, "either", &found) && found.offset_bytes == 8);
    cr_expect(btf_find_member(&btf, outer, "bits", &found) && found.offset_bytes == 12);
    cr_expect(btf_find_member(&btf, outer, "list", &found) && found.offset_bytes == 16);
    cr_expect(btf_array_element(&btf, found.type) == outer, "behind typedef and const");
    cr_expect(!btf_find_member(&btf, outer, "nowhere", &found));
    cr_expect(btf_find_struct(&btf, "alias") == 0 && btf_find_struct(&btf, "nowhere") == 0);
    cr_expect(btf_array_element(&btf, 1) == 0);
    btf_fini(&btf);
}

/* A structure that holds itself a hundred times without a name ends, too. */
Test(btf, endless)
{
    static struct blob blob;
    struct btf btf;
    struct btf_member found;
    blob = (struct blob){.strings_bytes = 1};
    record(&blob, "outer", 4, 70, 8);
    for (unsigned i = 0; i < 70; i++) {
        member(&blob, "", 1, 0);
    }
    cr_assert(btf_init(&btf, blob.bytes, finish(&blob)));
    cr_expect(!btf_find_member(&btf, 1, "nowhere", &found));
    btf_fini(&btf);
}

/* Cut anywhere, or with a kind that does not exist, it is refused. */
Test(btf, refuses)
{
    struct blob blob;
    struct btf btf;
    size_t bytes = example(&blob);
    for (size_t cut = 0; cut < bytes; cut++) {
        cr_expect(!btf_init(&btf, blob.bytes, cut), "%zu", cut);
    }
    blob.bytes[24 + 7] = 31;
    cr_expect(!btf_init(&btf, blob.bytes, bytes));
}
