/* See build_scripts.h. The assembler takes the files in; -I says where the tree is. */
#include "ui/command/build_scripts.h"

#include "cpu/base/types.h"

#define SCRIPT(label, file)                                                              \
    __asm__(".section .rodata\n.globl " #label "_begin\n" #label "_begin:\n.incbin \"" file \
            "\"\n.globl " #label "_end\n" #label "_end:\n.byte 0\n.previous\n");            \
    extern const char label##_begin[], label##_end[]

SCRIPT(build_script_apt, "ui/build/apt_private.sh");
SCRIPT(build_script_debian, "ui/build/debian.sh");
SCRIPT(build_script_guest, "ui/build/debian_guest.sh");
SCRIPT(build_script_firmware, "ui/build/firmware.sh");

const struct build_script build_scripts[] = {
    {"apt_private.sh", build_script_apt_begin, build_script_apt_end},
    {"debian.sh", build_script_debian_begin, build_script_debian_end},
    {"debian_guest.sh", build_script_guest_begin, build_script_guest_end},
    {"firmware.sh", build_script_firmware_begin, build_script_firmware_end},
};
const size_t build_script_count = ARRAY_LEN(build_scripts);
