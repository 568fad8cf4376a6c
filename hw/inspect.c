/* metic inspect: what a file is, how it would start, and how it would end. */
#include "hw/loader.h"
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

bool metic_inspect(const char *path, FILE *to, struct metic_error *error)
{
    struct image *image = image_open(path, error);
    if (image == NULL) {
        return false;
    }
    fprintf(to, "file:      %s (%" PRIu64 " bytes)\n", path, image->file_size_bytes);
    fprintf(to, "is:        %s\n", image->description);
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
