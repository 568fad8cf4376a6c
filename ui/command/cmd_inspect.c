/* metic inspect. */
#include "ui/ui.h"

#include <string.h>
#include <time.h>

/* True when it was one, damaged or not. */
static bool inspect_snapshot(const char *path, struct metic_error *error, bool *good)
{
    char head[16] = "", created[32] = "";
    FILE *file = fopen(path, "rb");
    size_t got = file != NULL ? fread(head, 1, sizeof(head), file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    if (got != sizeof(head) || memcmp(head + 8, "METICSN", 7) != 0) {
        return false;
    }
    metic_snapshot *snapshot = metic_snapshot_open(path, error);
    *good = snapshot != NULL;
    if (snapshot == NULL) {
        return true;
    }
    struct metic_snapshot_info info;
    metic_snapshot_info(snapshot, &info);
    time_t when = (time_t)info.created_s;
    struct tm local;
    if (localtime_r(&when, &local) != NULL) {
        strftime(created, sizeof(created), "%Y-%m-%d %H:%M:%S", &local);
    }
    printf("file:      %s\nis:        snapshot of a %s by metic %s, %s%s\n"
           "machine:   %u hart%s, %llu MiB, started with %s\n"
           "at:        %.3f s of guest time, %llu instructions\n"
           "starts:    metic restore %s\n", path, info.board, info.version, created,
           info.compressed ? ", compressed" : "", info.harts, info.harts == 1 ? "" : "s",
           (unsigned long long)(info.ram_bytes >> 20),
           info.image[0] != '\0' ? info.image : "what is in flash", (double)info.clock_ns / 1e9,
           (unsigned long long)info.insns, path);
    *good = metic_snapshot_check(snapshot, error);
    metic_snapshot_free(snapshot);
    return true;
}

int cmd_inspect(int argc, char *const *argv)
{
    struct metic_error error;
    if (argc == 0) {
        error_set(&error, "metic inspect FILE...", "there is no file to look at");
        return ui_usage_error(&error);
    }
    int status = UI_EXIT_OK;
    for (int i = 0; i < argc; i++) {
        if (i > 0) {
            putchar('\n');
        }
        bool good;
        if (!inspect_snapshot(argv[i], &error, &good)) {
            good = metic_inspect(argv[i], stdout, &error);
        }
        if (!good) {
            fflush(stdout);
            ui_print_error(&error);
            status = UI_EXIT_FAILED;
        }
    }
    return status;
}
