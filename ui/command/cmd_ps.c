/* metic ps: the machines of this user that run. */
#include "ui/runtime_dir.h"
#include "ui/ui.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ps_list {
    bool json;
    unsigned count;
};

static void ps_age(const struct runtime_entry *entry, char *text, size_t text_bytes)
{
    char started[24] = "0";
    runtime_entry_get(entry, "started", started, sizeof(started));
    long long age_s = (long long)time(NULL) - atoll(started);
    age_s = age_s > 0 ? age_s : 0;
    if (age_s < 3600) {
        snprintf(text, text_bytes, "%lldm%02llds", age_s / 60, age_s % 60);
    } else {
        snprintf(text, text_bytes, "%lldh%02lldm", age_s / 3600, age_s / 60 % 60);
    }
}

static bool ps_line(void *opaque, const struct runtime_entry *entry)
{
    struct ps_list *list = opaque;
    char age[32], machine[64] = "", image[512] = "";
    ps_age(entry, age, sizeof(age));
    runtime_entry_get(entry, "machine", machine, sizeof(machine));
    runtime_entry_get(entry, "image", image, sizeof(image));
    if (list->json) {
        printf("%s{\"name\":", list->count == 0 ? "" : ",");
        ui_print_json_string(stdout, entry->name);
        printf(",\"pid\":%d,\"machine\":", entry->pid);
        ui_print_json_string(stdout, machine);
        fputs(",\"image\":", stdout);
        ui_print_json_string(stdout, image);
        fputs(",\"folder\":", stdout);
        ui_print_json_string(stdout, entry->path);
        putchar('}');
    } else {
        if (list->count == 0) {
            printf("%-20s %8s %8s  %-24s %s\n", "NAME", "PID", "SINCE", "MACHINE", "IMAGE");
        }
        printf("%-20s %8d %8s  %-24s %s\n", entry->name, entry->pid, age, machine, image);
    }
    list->count++;
    return true;
}

int cmd_ps(int argc, char *const *argv)
{
    struct ps_list list = {.json = argc == 1 && strcmp(argv[0], "--json") == 0};
    if (argc > 0 && !list.json) {
        struct metic_error error;
        error_set(&error, "metic ps [--json]", "metic ps does not know '%s'", argv[0]);
        return ui_usage_error(&error);
    }
    fputs(list.json ? "[" : "", stdout);
    runtime_dir_list(ps_line, &list);
    fputs(list.json ? "]\n" : list.count == 0 ? "no machine runs\n" : "", stdout);
    return UI_EXIT_OK;
}
