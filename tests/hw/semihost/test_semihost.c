/* Semihosting's operations on a program that is only memory: what check_semihosting.sh cannot see
 * from inside a guest, files of the folder by all their operations, and blocks of random words. */
#include "tests/hw/semihost/program.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN = 1, CLOSE, WRITEC, WRITE0, WRITE, READ, READC, ISERROR, ISTTY, SEEK, FLEN = 12,
       TMPNAM, REMOVE, RENAME, ERRNO = 0x13, EXIT = 0x18 };
enum { BLOCK_AT = PROGRAM_AT, TEXT_AT = PROGRAM_AT + 0x100, BUFFER_AT = PROGRAM_AT + 0x1000 };

static struct program program;
static struct semihost *semihost;
static struct log quiet;
static char folder[64];

static void begin(const char *path, bool read_only)
{
    program = (struct program){.typed = ""};
    struct semihost_env env = program_env(&program);
    log_init(&quiet, LOG_ERROR);
    env.log = &quiet;
    const struct semihost_options options = {.folder = path, .read_only = read_only};
    semihost = semihost_new(&options, &env, NULL);
    cr_assert_not_null(semihost);
}

static void end(void)
{
    semihost_free(semihost);
    log_fini(&quiet);
}

static void begin_in_folder(bool read_only)
{
    strcpy(folder, "/tmp/metic-semihost-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    begin(folder, read_only);
}

static void end_in_folder(void)
{
    char command[96];
    end();
    snprintf(command, sizeof(command), "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

/* All ones also when it waits, which no test here wants unawares. */
static u64 call(unsigned operation, u64 a, u64 b, u64 c, u64 d)
{
    const u64 words[] = {a, b, c, d};
    u64 answer;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        st_le64(program.memory + 8 * i, words[i]);
    }
    return semihost_call(semihost, NULL, operation, BLOCK_AT, &answer) ? answer : ~(u64)0;
}

static u64 text(const char *bytes, u64 at)
{
    memcpy(program.memory + (at - PROGRAM_AT), bytes, strlen(bytes));
    return strlen(bytes);
}

static u64 open_file(const char *name, unsigned mode)
{
    return call(OPEN, TEXT_AT, mode, text(name, TEXT_AT), 0);
}

static u64 error(void)
{
    return call(ERRNO, 0, 0, 0, 0);
}

Test(semihost, files_of_every_mode)
{
    begin_in_folder(false);
    cr_assert_eq(open_file("a", 0), ~(u64)0);
    cr_assert_eq(error(), 2);
    u64 handle = open_file("a", 4);
    cr_assert_eq(handle, 1);
    text("0123456789", BUFFER_AT);
    cr_assert_eq(call(WRITE, handle, BUFFER_AT, 10, 0), 0);
    cr_assert_eq(call(READ, handle, BUFFER_AT, 10, 0), 10);
    cr_assert_eq(error(), 9);
    cr_assert_eq(call(FLEN, handle, 0, 0, 0), 10);
    cr_assert_eq(call(ISTTY, handle, 0, 0, 0), 0);
    cr_assert_eq(call(CLOSE, handle, 0, 0, 0), 0);
    cr_assert_eq(call(CLOSE, handle, 0, 0, 0), ~(u64)0);
    handle = open_file("a", 9);
    cr_assert_eq(call(WRITE, handle, BUFFER_AT, 3, 0), 0);
    cr_assert_eq(call(FLEN, handle, 0, 0, 0), 13);
    cr_assert_eq(call(CLOSE, handle, 0, 0, 0), 0);
    handle = open_file("a", 3);
    cr_assert_eq(call(SEEK, handle, 8, 0, 0), 0);
    cr_assert_eq(call(READ, handle, BUFFER_AT + 0x100, 100, 0), 95);
    cr_assert_arr_eq(program.memory + 0x1100, "89012", 5);
    cr_assert_eq(call(READ, handle, BUFFER_AT, 100, 0), 100, "the end");
    cr_assert_eq(call(SEEK, handle, (u64)1 << 63, 0, 0), ~(u64)0);
    cr_assert_eq(call(READ, handle, 0x10, 100, 0), 100);
    cr_assert_eq(call(SEEK, handle, 0, 0, 0), 0);
    cr_assert_eq(call(READ, handle, PROGRAM_AT + PROGRAM_BYTES - 4, 8, 0), 8);
    cr_assert_eq(error(), 14);
    cr_assert_eq(call(CLOSE, handle, 0, 0, 0), 0);
    text("b", TEXT_AT + 0x100);
    text("a", TEXT_AT);
    cr_assert_eq(call(RENAME, TEXT_AT, 1, TEXT_AT + 0x100, 1), 0);
    cr_assert_eq(call(REMOVE, TEXT_AT, 1, 0, 0), ~(u64)0);
    cr_assert_eq(error(), 2);
    cr_assert_eq(call(REMOVE, TEXT_AT + 0x100, 1, 0, 0), 0);
    cr_assert_eq(call(TMPNAM, TEXT_AT, 7, 8, 0), 0);
    cr_assert_str_eq((char *)program.memory + 0x100, "tmp-007");
    cr_assert_eq(call(TMPNAM, TEXT_AT, 7, 7, 0), ~(u64)0);
    end_in_folder();
}

Test(semihost, names_stay_in_the_folder)
{
    char path[128];
    begin_in_folder(false);
    snprintf(path, sizeof(path), "%s/link", folder);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof(path), "%s/up", folder);
    cr_assert_eq(symlink("..", path), 0);
    snprintf(path, sizeof(path), "%s/pipe", folder);
    cr_assert_eq(mkfifo(path, 0600), 0);
    static const char *const outside[] = {"link", "up/x", "../x", "/etc/passwd", "/", "up", "pipe"};
    for (unsigned i = 0; i < ARRAY_LEN(outside); i++) {
        for (unsigned mode = 0; mode < 12; mode += 2) {
            cr_assert_eq(open_file(outside[i], mode), ~(u64)0, "%s", outside[i]);
        }
        u64 length = text(outside[i], TEXT_AT);
        if (strchr(outside[i], '/') != NULL) {
            cr_assert_eq(call(REMOVE, TEXT_AT, length, 0, 0), ~(u64)0, "%s", outside[i]);
            cr_assert_eq(call(RENAME, TEXT_AT, length, TEXT_AT, length), ~(u64)0);
        }
    }
    cr_assert_eq(call(REMOVE, TEXT_AT, text("..", TEXT_AT), 0, 0), ~(u64)0);
    cr_assert_eq(call(OPEN, TEXT_AT, 0, 5000, 0), ~(u64)0);
    cr_assert_eq(error(), 91);
    end_in_folder();
}

Test(semihost, a_folder_to_be_read)
{
    char path[128];
    begin_in_folder(true);
    snprintf(path, sizeof(path), "%s/a", folder);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    cr_assert_eq(write(fd, "abc", 3), 3);
    close(fd);
    cr_assert_eq(open_file("a", 0), 1);
    for (unsigned mode = 2; mode < 12; mode++) {
        cr_assert_eq(open_file("a", mode), ~(u64)0);
        cr_assert_eq(error(), 30);
    }
    cr_assert_eq(call(REMOVE, TEXT_AT, 1, 0, 0), ~(u64)0);
    cr_assert_eq(call(WRITE, 1, TEXT_AT, 1, 0), 1);
    cr_assert_eq(call(FLEN, 1, 0, 0, 0), 3);
    end_in_folder();
}

Test(semihost, input_waits_and_ends)
{
    u64 answer;
    begin(NULL, false);
    u64 handle = open_file(":tt", 0);
    program.more = true;
    cr_assert_not(semihost_call(semihost, NULL, READC, 0, &answer));
    st_le64(program.memory, handle);
    st_le64(program.memory + 8, BUFFER_AT);
    st_le64(program.memory + 16, 4);
    cr_assert_not(semihost_call(semihost, NULL, READ, BLOCK_AT, &answer));
    program.typed = "abcdef";
    cr_assert(semihost_call(semihost, NULL, READ, BLOCK_AT, &answer));
    cr_assert_eq(answer, 0);
    cr_assert(semihost_call(semihost, NULL, READC, 0, &answer));
    cr_assert_eq(answer, 'e');
    program.more = false;
    cr_assert_eq(call(READ, handle, BUFFER_AT, 4, 0), 3, "what there is");
    cr_assert_eq(call(READ, handle, BUFFER_AT, 4, 0), 4, "the end");
    cr_assert_not(semihost_call(semihost, NULL, READC, 0, &answer), "it cannot say that");
    cr_assert_eq(call(READ, handle, BUFFER_AT, 0, 0), 0);
    end();
}

Test(semihost, strings_end_with_the_memory)
{
    u64 answer;
    begin(NULL, false);
    u64 at = PROGRAM_AT + PROGRAM_BYTES - 5;
    memcpy(program.memory + PROGRAM_BYTES - 5, "abcde", 5);
    semihost_call(semihost, NULL, WRITE0, at, &answer);
    cr_assert_str_eq(program.printed, "abcde");
    memset(program.memory, 'x', 1000);
    program.memory[1000] = 0;
    semihost_call(semihost, NULL, WRITE0, PROGRAM_AT + 3, &answer);
    cr_assert_eq(program.printed_bytes, 5 + 997);
    end();
}

Test(semihost, ends_in_each_form)
{
    static const struct {
        u64 reason, status;
        unsigned wanted;
    } blocks[] = {{0x20026, 0, 0}, {0x20026, 3, 3}, {0x20023, 3, 1}, {0, 0, 1}};
    u64 answer;
    begin(NULL, false);
    for (unsigned i = 0; i < ARRAY_LEN(blocks); i++) {
        call(i % 2 == 0 ? EXIT : 0x20, blocks[i].reason, blocks[i].status, 0, 0);
        cr_assert_eq(program.status, blocks[i].wanted);
    }
    semihost_call(semihost, NULL, EXIT, 0x20026, &answer);
    cr_assert_eq(program.status, 0);
    semihost_call(semihost, NULL, EXIT, 0x20024, &answer);
    cr_assert_eq(program.status, 1);
    semihost_call(semihost, NULL, EXIT, 8, &answer);
    cr_assert_eq(program.status, 1, "a block that is none");
    cr_assert_eq(program.ends, ARRAY_LEN(blocks) + 3);
    end();
}

/* A loaded state has open what was open, but for files, which are gone. */
Test(semihost, saved_and_loaded)
{
    struct state_writer writer;
    struct state_reader reader;
    begin_in_folder(false);
    cr_assert_eq(open_file(":semihosting-features", 0), 1);
    cr_assert_eq(call(READ, 1, BUFFER_AT, 2, 0), 0);
    cr_assert_eq(open_file("a", 4), 2);
    state_writer_init(&writer);
    semihost_save(semihost, &writer);
    semihost_reset(semihost);
    cr_assert_eq(call(READ, 1, BUFFER_AT, 2, 0), 2);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(semihost_load(semihost, &reader, NULL));
    cr_assert_eq(call(READ, 1, BUFFER_AT, 9, 0), 6);
    cr_assert_arr_eq(program.memory + 0x1000, "FB\3", 3);
    cr_assert_eq(call(WRITE, 2, BUFFER_AT, 2, 0), 2);
    cr_assert_eq(error(), 9);
    cr_assert_eq(call(CLOSE, 2, 0, 0, 0), 0);
    state_writer_fini(&writer);
    end_in_folder();
}

/* Whatever a block says: an answer, and no more than the limit moved. */
Test(semihost, random_blocks)
{
    static const u64 likely[] = {0, 1, 2, 3, 7, BLOCK_AT, TEXT_AT, BUFFER_AT, PROGRAM_AT + 0xffff,
                                 PROGRAM_AT + 0x10000, (u64)1 << 63, ~(u64)0, ~(u64)7, 0x20026};
    u64 random = 1;
    begin_in_folder(false);
    text("file", TEXT_AT);
    for (unsigned i = 0; i < 20000; i++) {
        u64 words[4];
        for (unsigned n = 0; n < 4; n++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            words[n] = likely[(random >> 33) % ARRAY_LEN(likely)];
        }
        program.moved_bytes = 0;
        call((unsigned)(random >> 50) % 0x34, words[0], words[1], words[2], words[3]);
        cr_assert_leq(program.moved_bytes, SEMIHOST_MOST_BYTES + 2 * 4096 + 64);
    }
    end_in_folder();
}
