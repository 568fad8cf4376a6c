/* The USB host controller: registers, rings and contexts, and keys that come in the middle of it.
 * See fuzz_input.h. */
#include "hw/pci/pci.h"
#include "hw/usb/xhci.h"
#include "tests/fuzz/fuzz_input.h"

enum {
    FUZZ_XHCI_BYTES = 0x4000,
    AT_DCBAA = 0x1000,
    AT_COMMANDS = 0x2000,
    AT_ERST = 0x3000,
    AT_EVENTS = 0x4000,
    AT_INPUT = 0x5000,
    AT_CONTEXT = 0x6000,
    AT_CONTROL = 0x8000,
    AT_REPORTS = 0x9000,
    AT_DATA = 0xa000,
    REG_OP = 0x40,
    REG_RT = 0x1020,
    REG_DB = 0x2000,
};

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct fuzz_rig rig;
    if (size_bytes < 2) {
        return;
    }
    fuzz_rig_begin(&rig);
    struct input *input = input_new(rig.journal);
    struct xhci_config config = {input, (bytes[0] & 1) != 0};
    fuzz_rig_add(&rig, &xhci_class, &config, FUZZ_XHCI_BYTES);
    pci_config_write(pci_function_of(rig.device), PCI_COMMAND,
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    fuzz_input_run(&rig, input, bytes, size_bytes);
}

static void script_words(struct fuzz_script *script, unsigned at, u32 a, u32 b, u32 c, u32 d)
{
    u8 bytes[16];
    st_le32(bytes, a);
    st_le32(bytes + 4, b);
    st_le32(bytes + 8, c);
    st_le32(bytes + 12, d);
    script_ram(script, at, bytes, sizeof(bytes));
}

static u32 in_ram(unsigned where)
{
    return (u32)FUZZ_RAM_GPA + where;
}

/* A device in port 1 with an address and an endpoint for reports, asked for a descriptor. */
void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    struct fuzz_script script = {.size_bytes = 0};
    script_put(&script, 9, 1);
    script_put(&script, 220, 1);
    script_words(&script, AT_ERST, in_ram(AT_EVENTS), 0, 64, 0);
    script_words(&script, AT_DCBAA + 8, in_ram(AT_CONTEXT), 0, 0, 0);
    script_words(&script, AT_COMMANDS, 0, 0, 0, 9u << 10 | 1);
    script_words(&script, AT_COMMANDS + 16, in_ram(AT_INPUT), 0, 0, 1u << 24 | 11u << 10 | 1);
    script_words(&script, AT_INPUT, 0, 3, 0, 0);
    script_words(&script, AT_INPUT + 32, 1u << 27 | 3u << 20, 1u << 16, 0, 0);
    script_words(&script, AT_INPUT + 64, 0, 4u << 3, in_ram(AT_CONTROL) | 1, 0);
    script_words(&script, AT_INPUT + 128, 0, 7u << 3, in_ram(AT_REPORTS) | 1, 0);
    script_words(&script, AT_CONTROL, 0x00010900, 0, 8, 2u << 10 | 1u << 6 | 1);
    script_words(&script, AT_CONTROL + 16, 0, 0, 0, 4u << 10 | 1u << 5 | 1);
    script_words(&script, AT_CONTROL + 32, 0x02000680, 0x00400000, 8, 2u << 10 | 1u << 6 | 1);
    script_words(&script, AT_CONTROL + 48, in_ram(AT_DATA), 0, 64, 3u << 10 | 1u << 16 | 5);
    script_words(&script, AT_CONTROL + 64, 0, 0, 0, 4u << 10 | 1u << 5 | 1);
    script_words(&script, AT_REPORTS, in_ram(AT_DATA), 0, 8, 1u << 10 | 1u << 5 | 1);
    script_words(&script, AT_REPORTS + 16, in_ram(AT_REPORTS), 0, 0, 6u << 10 | 1);
    script_write(&script, REG_OP + 0x38, 8, 2);
    script_address(&script, REG_OP + 0x30, AT_DCBAA, 2);
    script_address(&script, REG_OP + 0x18, AT_COMMANDS + 1, 2);
    script_write(&script, REG_RT + 8, 1, 2);
    script_address(&script, REG_RT + 0x18, AT_EVENTS, 2);
    script_address(&script, REG_RT + 0x10, AT_ERST, 2);
    script_write(&script, REG_RT, 2, 2);
    script_write(&script, REG_OP, 5, 2);
    script_write(&script, REG_OP + 0x400, 0x210, 2);
    script_write(&script, REG_DB, 0, 2);
    script_put(&script, 5, 1);
    script_words(&script, AT_INPUT, 0, 1 | 1 << 3, 0, 0);
    script_words(&script, AT_COMMANDS + 32, in_ram(AT_INPUT), 0, 0, 1u << 24 | 12u << 10 | 1);
    script_write(&script, REG_DB, 0, 2);
    script_write(&script, REG_DB + 4, 1, 2);
    script_put(&script, 5, 1);
    script_write(&script, REG_DB + 4, 3, 2);
    script_put(&script, 5, 1);
    script_words(&script, AT_COMMANDS + 48, 0, 0, 0, 1u << 24 | 3u << 16 | 15u << 10 | 1);
    script_write(&script, REG_DB, 0, 2);
    script_put(&script, 5, 1);
    add(script.bytes, script.size_bytes);
}
