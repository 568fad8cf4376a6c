/* metic inspect: what a file is, how it would start, and how it would end. */
#include "hw/loader/boot_plan.h"
#include "hw/loader/loader.h"
#include "hw/metic.h"

#include <inttypes.h>
#include <stdio.h>

static const char *inspect_start(const struct image *image)
{
    switch (image->mode) {
    case IMAGE_MODE_SUPERVISOR: return "in S-mode, behind SBI firmware";
    case IMAGE_MODE_MACHINE: return "in M-mode, as firmware or a bare-metal program";
    default: return "not at all";
    }
}

static void inspect_segments(const struct image *image, FILE *to)
{
    const char *base = image->relocatable ? "base + " : "";
    fprintf(to, "entry:     %s0x%" PRIx64 "\n", base, image->entry);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        fprintf(to, "segment:   %s0x%" PRIx64 ", %" PRIu64 " bytes", base, segment->gpa,
                segment->file_bytes);
        if (segment->memory_bytes > segment->file_bytes) {
            fprintf(to, " and %" PRIu64 " of zeros", segment->memory_bytes - segment->file_bytes);
        }
        fputc('\n', to);
    }
    if (image->tohost_gpa != 0) {
        fprintf(to, "ends by:   tohost at 0x%" PRIx64 "\n", image->tohost_gpa);
    }
}

static void inspect_size(FILE *to, u64 size_bytes)
{
    if (size_bytes >= (u64)10 << 30) {
        fprintf(to, "%6" PRIu64 " GiB", size_bytes >> 30);
    } else {
        fprintf(to, "%6" PRIu64 " %s", size_bytes >> (size_bytes >= 1 << 20 ? 20 : 10),
                size_bytes >= 1 << 20 ? "MiB" : "KiB");
    }
}

static void inspect_partition(const struct disk_partition *partition, unsigned number, FILE *to)
{
    char archs[128];
    fprintf(to, "%9u: ", number);
    inspect_size(to, partition->size_bytes);
    fprintf(to, " at 0x%09" PRIx64 ", %s", partition->offset,
            partition->type != NULL ? partition->type : "type unknown");
    fprintf(to, ", %s",
            partition->file_system != NULL ? partition->file_system : "no file system known");
    if (partition->label[0] != '\0' || partition->name[0] != '\0') {
        fprintf(to, " \"%s\"", partition->label[0] != '\0' ? partition->label : partition->name);
    }
    disk_efi_arch_names(partition->efi_archs, archs, sizeof(archs));
    if (archs[0] != '\0') {
        fprintf(to, ", EFI boot program for %s", archs);
    }
    fprintf(to, "%s%s%s\n", partition->loader[0] != '\0' ? ", " : "", partition->loader,
            partition->bootable ? ", marked bootable" : "");
}

/* False when it cannot be looked into, as when a machine writes to it. */
static bool inspect_disk(const char *path, FILE *to)
{
    struct metic_error error;
    struct disk_layout layout;
    u64 size_bytes;
    char why[256];
    if (!boot_read_layout(path, &layout, &size_bytes, &error)) {
        fprintf(to, "contents:  not to be seen: %s\n", error.what);
        return true;
    }
    fprintf(to, "disk:      %" PRIu64 " MiB, partition table: %s%s\n", size_bytes >> 20,
            disk_table_name(layout.table), layout.damaged ? " (damaged)" : "");
    for (unsigned i = 0; i < layout.count; i++) {
        inspect_partition(&layout.partitions[i], i + 1, to);
    }
    if (layout.more) {
        fprintf(to, "      ...: and more\n");
    }
    const char *firmware = boot_layout_firmware(&layout, why, sizeof(why));
    if (firmware == NULL) {
        fprintf(to, "boots by:  nothing: it %s\n", why);
        return false;
    }
    fprintf(to, "boots by:  %s: metic run %s\n", firmware, path);
    return true;
}

bool metic_inspect(const char *path, FILE *to, struct metic_error *error)
{
    struct image *image = image_open(path, error);
    if (image == NULL) {
        return false;
    }
    fprintf(to, "file:      %s (%" PRIu64 " bytes)\n", path, image->file_size_bytes);
    fprintf(to, "is:        %s\n", image_describe(image));
    bool disk = image->packing == IMAGE_PLAIN &&
                (image->kind == IMAGE_DISK || image->kind == IMAGE_QCOW2);
    if (disk && inspect_disk(path, to)) {
        image_free(image);
        return true;
    }
    fprintf(to, "starts:    %s\n", inspect_start(image));
    if (image->mode != IMAGE_MODE_NONE) {
        inspect_segments(image, to);
    } else {
        fprintf(to, "because:   %s\n", image->refusal.what);
        if (image->refusal.next[0] != '\0') {
            fprintf(to, "next:      %s\n", image->refusal.next);
        }
    }
    image_free(image);
    return true;
}
