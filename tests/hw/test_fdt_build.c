#include "hw/fdt_build.h"

#include "cpu/base/bits.h"
#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdlib.h>

Test(fdt_build, properties_read_back)
{
    struct fdt_build fdt;
    void *blob;
    u32 size_bytes;
    static const char *const list[] = {"x", "yy", "zzz"};
    fdt_build_init(&fdt);
    fdt_build_begin(&fdt, "");
    fdt_build_begin_at(&fdt, "node", 0x10000000);
    fdt_build_empty(&fdt, "flag");
    fdt_build_u32(&fdt, "word", 0x12345678);
    fdt_build_u64(&fdt, "wide", 0x123456789abcdef0);
    fdt_build_string(&fdt, "text", "hello");
    fdt_build_strings(&fdt, "two", "a\0bc", sizeof("a\0bc"));
    fdt_build_string_list(&fdt, "three", list, 3);
    fdt_build_reg(&fdt, 0x100000000, 0x1000);
    fdt_build_end(&fdt);
    fdt_build_end(&fdt);
    cr_assert(fdt_build_finish(&fdt, &blob, &size_bytes, NULL));
    fdt_build_fini(&fdt);
    cr_assert_eq(fdt_check_full(blob, size_bytes), 0);
    int node = fdt_path_offset(blob, "/node@10000000");
    int length = -1;
    cr_assert_not_null(fdt_getprop(blob, node, "flag", &length));
    cr_assert_eq(length, 0);
    cr_assert_eq(ld_be32(fdt_getprop(blob, node, "word", NULL)), 0x12345678);
    cr_assert_eq(ld_be64(fdt_getprop(blob, node, "wide", NULL)), 0x123456789abcdef0);
    cr_assert_str_eq(fdt_getprop(blob, node, "text", NULL), "hello");
    cr_assert_eq(fdt_stringlist_count(blob, node, "two"), 2);
    cr_assert_str_eq(fdt_stringlist_get(blob, node, "three", 2, NULL), "zzz");
    cr_assert_eq(ld_be64(fdt_getprop(blob, node, "reg", &length)), 0x100000000);
    cr_assert_eq(length, 16);
    free(blob);
}

Test(fdt_build, grows_as_needed)
{
    struct fdt_build fdt;
    void *blob;
    u32 size_bytes;
    static const u8 big[3000];
    fdt_build_init(&fdt);
    fdt_build_begin(&fdt, "");
    for (unsigned i = 0; i < 100; i++) {
        fdt_build_begin_at(&fdt, "n", i);
        fdt_build_bytes(&fdt, "big", big, sizeof(big));
        fdt_build_end(&fdt);
    }
    fdt_build_end(&fdt);
    cr_assert(fdt_build_finish(&fdt, &blob, &size_bytes, NULL));
    cr_assert_gt(size_bytes, 300000);
    cr_assert_eq(fdt_check_full(blob, size_bytes), 0);
    cr_assert_gt(fdt_path_offset(blob, "/n@63"), 0);
    free(blob);
    fdt_build_fini(&fdt);
}

Test(fdt_build, the_first_error_stays)
{
    struct fdt_build fdt;
    struct metic_error error = {0};
    void *blob;
    u32 size_bytes;
    static u8 huge[2 << 20];
    fdt_build_init(&fdt);
    fdt_build_begin(&fdt, "");
    fdt_build_bytes(&fdt, "huge", huge, sizeof(huge));
    fdt_build_end(&fdt);
    cr_assert(!fdt_build_finish(&fdt, &blob, &size_bytes, &error));
    cr_assert_neq(error.what[0], '\0');
    fdt_build_fini(&fdt);
}

Test(fdt_build, an_unfinished_tree_is_refused)
{
    struct fdt_build fdt;
    struct metic_error error = {0};
    void *blob;
    u32 size_bytes;
    fdt_build_init(&fdt);
    fdt_build_begin(&fdt, "");
    cr_assert(!fdt_build_finish(&fdt, &blob, &size_bytes, &error));
    fdt_build_fini(&fdt);
}
