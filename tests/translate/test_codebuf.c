/* The code buffer: W^X by two mappings, and its bump allocation. */
#include "translate/codebuf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_BYTES = 1 << 20 };

static struct codebuf buffer;

static void setup(void)
{
    struct metic_error error;
    cr_assert(codebuf_init(&buffer, SIZE_BYTES, &error), "%s", error.what);
}

static void teardown(void)
{
    codebuf_fini(&buffer);
}

TestSuite(codebuf, .init = setup, .fini = teardown);

/* The permissions ("rwxp") of the mapping an address lies in, as the kernel tells them. */
static void permissions(const void *address, char text[5])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    cr_assert(maps != NULL);
    strcpy(text, "none");
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long long first;
        unsigned long long end;
        char found[5];
        if (sscanf(line, "%llx-%llx %4s", &first, &end, found) == 3 &&
            (uintptr_t)address >= first && (uintptr_t)address < end) {
            strcpy(text, found);
        }
    }
    fclose(maps);
}

Test(codebuf, no_view_is_writable_and_executable)
{
    for (size_t at = 0; at < SIZE_BYTES; at += SIZE_BYTES - 1) {
        char text[5];
        permissions(buffer.write + at, text);
        cr_expect_str_eq(text, "rw-s");
        permissions(buffer.exec + at, text);
        cr_expect_str_eq(text, "r-xs");
    }
}

#if defined(__x86_64__)
Test(codebuf, what_is_written_runs)
{
    static const u8 code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov eax, 42; ret */
    memcpy(buffer.write + 64, code, sizeof(code));
    int (*function)(void) = (int (*)(void))(uintptr_t)(buffer.exec + 64);
    cr_expect(function() == 42);
    codebuf_write_alias(&buffer, buffer.exec + 65)[0] = 43;
    cr_expect(function() == 43);
}
#endif

Test(codebuf, allocation)
{
    size_t cold_room = codebuf_cold_room(&buffer);
    cr_expect(codebuf_room(&buffer) + cold_room == SIZE_BYTES);
    codebuf_commit(&buffer, 100, 0);
    cr_expect(buffer.used_bytes == 112, "the next start is aligned");
    codebuf_keep(&buffer);
    codebuf_commit(&buffer, 1000, 17);
    cr_expect(codebuf_cold_room(&buffer) == cold_room - 17);
    codebuf_clear(&buffer);
    cr_expect(buffer.used_bytes == 112, "the thunks stay");
    cr_expect(codebuf_cold_room(&buffer) == cold_room);
    codebuf_commit(&buffer, codebuf_room(&buffer) - 1, cold_room);
    cr_expect(codebuf_room(&buffer) == 0);
    cr_expect(codebuf_cold_room(&buffer) == 0);
}

/* Whatever pages the host makes of both views while code is being put into it. */
Test(codebuf, views_stay_the_same_while_it_fills)
{
    enum { BLOCK_BYTES = 1 << 12, BLOCKS = 900, COLD_BYTES = 1 << 11 };
    struct codebuf large;
    struct metic_error error;
    cr_assert(codebuf_init(&large, 16 << 20, &error), "%s", error.what);
    size_t cold_start = large.cold_start;
    for (unsigned n = 0; n < BLOCKS; n++) {
        codebuf_ahead(&large);
        memset(large.write + large.used_bytes, (int)(n % 251), BLOCK_BYTES);
        memset(large.write + large.cold_end, (int)(n % 241), COLD_BYTES);
        codebuf_commit(&large, BLOCK_BYTES, COLD_BYTES);
        cr_assert(large.exec[(size_t)n * BLOCK_BYTES] == n % 251);
    }
    for (unsigned n = 0; n < BLOCKS; n++) {
        size_t hot = (size_t)n * BLOCK_BYTES, cold = cold_start + (size_t)n * COLD_BYTES;
        cr_assert(large.exec[hot] == n % 251 && large.exec[hot + BLOCK_BYTES - 1] == n % 251);
        cr_assert(large.exec[cold] == n % 241 && large.exec[cold + COLD_BYTES - 1] == n % 241);
        cr_assert(large.write[hot] == n % 251 && large.write[cold] == n % 241);
    }
    codebuf_fini(&large);
}

Test(codebuf, more_than_the_host_has)
{
    struct codebuf other;
    struct metic_error error = { 0 };
    cr_expect(!codebuf_init(&other, (size_t)1 << 60, &error));
    cr_expect(error.what[0] != '\0' && error.next[0] != '\0');
    codebuf_fini(&other);
}
