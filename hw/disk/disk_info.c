/* metic disk info, check. */
#include "hw/disk/disk_tool.h"

#include "hw/block/qcow2.h"
#include <inttypes.h>
#include <string.h>

/* A string of JSON: what is not plain ASCII is escaped, byte by byte. */
static void json_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(to, "\\%c", c);
        } else if (c < ' ' || c >= 127) {
            fprintf(to, "\\u%04x", c);
        } else {
            fputc(c, to);
        }
    }
    fputc('"', to);
}

static void info_json(struct blk_image *image, FILE *to)
{
    fputs("{\"file\": ", to);
    json_string(to, image->path);
    fprintf(to, ", \"format\": \"%s\", \"size_bytes\": %" PRIu64 ", \"used_bytes\": %" PRIu64,
            image->driver->name, image->size_bytes, blk_file_used_bytes(&image->file));
    if (image->backing_name != NULL) {
        fputs(", \"backing\": ", to);
        json_string(to, image->backing_name);
        fputs(", \"backing_format\": ", to);
        json_string(to, image->backing_format != NULL ? image->backing_format : "");
    }
    image->driver->describe(image, to, true);
    fputs("}\n", to);
}

static void info_size(FILE *to, const char *name, u64 size_bytes)
{
    static const char units[][6] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;
    double value = (double)size_bytes;
    while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    fprintf(to, "%-12s %.*f %s", name, value < 10 && unit > 0 ? 1 : 0, value, units[unit]);
    fprintf(to, unit > 0 ? " (%" PRIu64 " bytes)\n" : "\n", size_bytes);
}

static void info_lines(struct blk_image *image, FILE *to)
{
    fprintf(to, "file:        %s\nformat:      %s\n", image->path, image->driver->name);
    info_size(to, "size:", image->size_bytes);
    info_size(to, "on the host:", blk_file_used_bytes(&image->file));
    if (image->backing_name != NULL) {
        fprintf(to, "lies over:   %s (%s)\n", image->backing_name,
                image->backing_format != NULL ? image->backing_format : "format not said");
    }
    image->driver->describe(image, to, false);
}

bool metic_disk_info(const char *path, enum metic_disk_format format, bool json, FILE *to,
                     struct metic_error *error)
{
    struct blk_open open = {.path = path, .format = disk_format(format), .unlocked = true,
                            .no_backing = true};
    struct blk_image *image = blk_image_open(&open, error);
    if (image == NULL) {
        return false;
    }
    if (json) {
        info_json(image, to);
    } else {
        info_lines(image, to);
    }
    blk_image_close(image);
    return true;
}

/* ---- check ---- */

enum { CHECK_MAX_LINES = 50 };

struct check_output {
    FILE *to; /* NULL: none, for JSON */
    unsigned lines;
};

static void check_line(void *opaque, const char *line)
{
    struct check_output *output = opaque;
    if (output->to != NULL && output->lines < CHECK_MAX_LINES) {
        fprintf(output->to, "%s\n", line);
    } else if (output->to != NULL && output->lines == CHECK_MAX_LINES) {
        fputs("... and more\n", output->to);
    }
    output->lines++;
}

static void check_print(const struct qcow2_check *check, const char *path, FILE *to)
{
    if (check->corruptions_fixed + check->leaks_fixed != 0) {
        fprintf(to, "mended: %" PRIu64 " errors and %" PRIu64 " leaked clusters\n",
                check->corruptions_fixed, check->leaks_fixed);
    }
    if (check->corruptions != 0) {
        fprintf(to, "%s: %" PRIu64 " errors. Next: metic disk check --repair %s, on a copy\n",
                path, check->corruptions, path);
    } else if (check->leaks != 0) {
        fprintf(to, "%s: %" PRIu64 " leaked clusters: lost space, no harm. "
                    "Next: metic disk check --repair=leaks %s\n", path, check->leaks, path);
    } else {
        fprintf(to, "%s: no errors\n", path);
    }
    fprintf(to, "%" PRIu64 " of %" PRIu64 " clusters are in use, %" PRIu64 " of them compressed; "
                "%" PRIu64 " do not follow on the one before; the last ends at byte %" PRIu64 "\n",
            check->allocated, check->clusters, check->compressed, check->fragmented,
            check->end_offset);
}

static void check_print_json(const struct qcow2_check *check, FILE *to)
{
    fprintf(to, "{\"errors\": %" PRIu64 ", \"leaks\": %" PRIu64 ", \"errors_fixed\": %" PRIu64
                ", \"leaks_fixed\": %" PRIu64 ", \"clusters\": %" PRIu64 ", \"allocated\": %" PRIu64
                ", \"compressed\": %" PRIu64 ", \"fragmented\": %" PRIu64
                ", \"end_bytes\": %" PRIu64 "}\n",
            check->corruptions, check->leaks, check->corruptions_fixed, check->leaks_fixed,
            check->clusters, check->allocated, check->compressed, check->fragmented,
            check->end_offset);
}

bool metic_disk_check(const char *path, enum metic_disk_repair repair, bool json, FILE *to,
                      bool *clean, struct metic_error *error)
{
    static const enum qcow2_repair repairs[] = {
        [METIC_DISK_LOOK] = QCOW2_REPAIR_NONE,
        [METIC_DISK_REPAIR_LEAKS] = QCOW2_REPAIR_LEAKS,
        [METIC_DISK_REPAIR_ALL] = QCOW2_REPAIR_ALL,
    };
    struct blk_open open = {.path = path, .no_backing = true, .repairing = true,
                            .writable = repair != METIC_DISK_LOOK};
    struct blk_image *image = blk_image_open(&open, error);
    if (image == NULL) {
        return false;
    }
    struct check_output output = {.to = json ? NULL : to};
    struct qcow2_check check = {.say = check_line, .say_opaque = &output};
    bool ok = qcow2_is(image)
                  ? qcow2_check(qcow2_of(image), &check, repairs[repair], error)
                  : error_set(error, "Check what is on it, as with fsck.",
                              "%s is raw: it has nothing that could be checked", path);
    blk_image_close(image);
    if (ok && json) {
        check_print_json(&check, to);
    } else if (ok) {
        check_print(&check, path, to);
    }
    *clean = ok && check.corruptions == 0 && check.leaks == 0;
    return ok;
}
