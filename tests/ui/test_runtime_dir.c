/* The folders of running machines: names, facts, what is stale. */
#include "ui/runtime_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static void set_up(void)
{
    strcpy(folder, "/tmp/metic-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    setenv("XDG_RUNTIME_DIR", folder, 1);
}

static void tear_down(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/metic", folder);
    rmdir(path);
    cr_assert_eq(rmdir(folder), 0, "something was left in %s", folder);
}

TestSuite(runtime_dir, .init = set_up, .fini = tear_down);

Test(runtime_dir, a_name_is_made_from_the_image_and_numbered)
{
    struct metic_error error;
    struct runtime_dir *first = runtime_dir_new(NULL, "/boot/vmlinuz-6.12 a", &error);
    struct runtime_dir *second = runtime_dir_new(NULL, "/boot/vmlinuz-6.12 a", &error);
    cr_assert_not_null(first);
    cr_assert_not_null(second);
    cr_assert_str_eq(runtime_dir_name(first), "vmlinuz-6.12a");
    cr_assert_str_eq(runtime_dir_name(second), "vmlinuz-6.12a-2");
    runtime_dir_free(first);
    runtime_dir_free(second);
}

Test(runtime_dir, names_are_checked_and_unique)
{
    struct metic_error error;
    cr_assert_null(runtime_dir_new("../x", "i", &error));
    cr_assert_null(runtime_dir_new(".", "i", &error));
    cr_assert_null(runtime_dir_new("", "i", &error));
    struct runtime_dir *first = runtime_dir_new("box", "i", &error);
    cr_assert_not_null(first);
    cr_assert_null(runtime_dir_new("box", "i", &error));
    cr_assert_not_null(strstr(error.what, "runs already"));
    runtime_dir_free(first);
    first = runtime_dir_new("box", "i", &error);
    cr_assert_not_null(first, "the name was free again");
    runtime_dir_free(first);
}

Test(runtime_dir, facts_are_found_and_changed)
{
    struct metic_error error;
    struct runtime_entry entry;
    char value[64];
    struct runtime_dir *dir = runtime_dir_new("box", "i", &error);
    cr_assert(runtime_dir_set(dir, "image", "a kernel"));
    cr_assert(runtime_dir_set(dir, "ssh", "127.0.0.1 2222"));
    cr_assert(runtime_dir_set(dir, "image", "another\nkernel"));
    cr_assert(runtime_dir_find(NULL, &entry, &error));
    cr_assert_str_eq(entry.name, "box");
    cr_assert_eq(entry.pid, getpid());
    cr_assert(runtime_entry_get(&entry, "image", value, sizeof(value)));
    cr_assert_str_eq(value, "another");
    cr_assert(runtime_entry_get(&entry, "ssh", value, sizeof(value)));
    cr_assert_str_eq(value, "127.0.0.1 2222");
    cr_assert_not(runtime_entry_get(&entry, "imag", value, sizeof(value)));
    snprintf(value, sizeof(value), "%d", (int)getpid());
    cr_assert(runtime_dir_find(value, &entry, &error));
    runtime_dir_free(dir);
    cr_assert_not(runtime_dir_find(NULL, &entry, &error));
    cr_assert_not_null(strstr(error.what, "no machine runs"));
}

Test(runtime_dir, a_fact_that_does_not_fit_is_refused)
{
    struct metic_error error;
    char *large = malloc(RUNTIME_FACTS_BYTES + 1);
    struct runtime_dir *dir = runtime_dir_new("box", "i", &error);
    memset(large, 'x', RUNTIME_FACTS_BYTES);
    large[RUNTIME_FACTS_BYTES] = '\0';
    cr_assert_not(runtime_dir_set(dir, "large", large));
    cr_assert(runtime_dir_set(dir, "small", "x"));
    free(large);
    runtime_dir_free(dir);
}

static bool count_entry(void *opaque, const struct runtime_entry *entry)
{
    unsigned *count = opaque;
    (void)entry;
    (*count)++;
    return true;
}

Test(runtime_dir, who_was_killed_is_forgotten)
{
    struct metic_error error;
    unsigned count = 0;
    pid_t child = fork();
    if (child == 0) {
        struct runtime_dir *dir = runtime_dir_new("dead", "i", NULL);
        runtime_dir_set(dir, "image", "x");
        _exit(dir != NULL ? 0 : 1); /* leaves everything behind */
    }
    int status;
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
    char path[128];
    snprintf(path, sizeof(path), "%s/metic/dead/facts", folder);
    cr_assert_eq(access(path, F_OK), 0);
    runtime_dir_list(count_entry, &count);
    cr_assert_eq(count, 0);
    cr_assert_neq(access(path, F_OK), 0, "the stale folder is gone");
    struct runtime_dir *dir = runtime_dir_new("dead", "i", &error);
    cr_assert_not_null(dir);
    runtime_dir_free(dir);
}

Test(runtime_dir, a_folder_that_others_may_write_is_refused)
{
    struct metic_error error;
    char path[128];
    snprintf(path, sizeof(path), "%s/metic", folder);
    mkdir(path, 0700);
    chmod(path, 0777);
    cr_assert_null(runtime_dir_new("box", "i", &error));
    cr_assert_not_null(strstr(error.what, "yours alone"));
}
