/* SiFive test finisher: how a bare-metal test or a firmware ends the machine.
 *
 * One 32-bit register at offset 0. The low half of a written word is a command, the high half an
 * exit status:
 *   0x5555  pass: power off, status 0
 *   0x3333  fail: power off with the status in bits 31:16 (a plain 0x3333 is a failure too: 1)
 *   0x7777  reset the machine
 * Anything else is ignored. Reads give 0. Linux and OpenSBI reach it as a "syscon" with
 * syscon-poweroff and syscon-reboot nodes, which the board writes. */
#include "hw/misc/sifive_test.h"

#include "hw/fdt_build.h"

enum {
    SIFIVE_TEST_FAIL = 0x3333,
    SIFIVE_TEST_PASS = 0x5555,
    SIFIVE_TEST_RESET = 0x7777,
    SIFIVE_TEST_REGION_BYTES = 0x1000,
};

static u64 sifive_test_read(struct device *device, u64 offset, unsigned size_bytes)
{
    (void)device;
    (void)offset;
    (void)size_bytes;
    return 0;
}

static void sifive_test_request(struct device *device, enum device_request request, unsigned code)
{
    if (device->env->request != NULL) {
        device->env->request(device->env->request_opaque, request, code);
    }
}

static void sifive_test_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    (void)size_bytes;
    unsigned code = (unsigned)(value >> 16) & 0xffff;
    if (offset != 0) {
        device_guest_error(device, "write to a register that does not exist");
        return;
    }
    switch (value & 0xffff) {
    case SIFIVE_TEST_PASS:
        sifive_test_request(device, DEVICE_REQUEST_POWEROFF, 0);
        break;
    case SIFIVE_TEST_FAIL:
        sifive_test_request(device, DEVICE_REQUEST_POWEROFF, code != 0 ? code : 1);
        break;
    case SIFIVE_TEST_RESET:
        sifive_test_request(device, DEVICE_REQUEST_RESET, code);
        break;
    default:
        device_guest_error(device, "unknown command 0x%llx", (unsigned long long)value);
        break;
    }
}

static void sifive_test_fdt(const struct device *device, const struct device_place *place,
                            struct fdt_build *fdt)
{
    (void)device;
    fdt_build_begin_at(fdt, "test", place->gpa[0]);
    fdt_build_u32(fdt, "phandle", place->phandle);
    fdt_build_reg(fdt, place->gpa[0], SIFIVE_TEST_REGION_BYTES);
    fdt_build_strings(fdt, "compatible", "sifive,test1\0sifive,test0\0syscon",
                      sizeof("sifive,test1\0sifive,test0\0syscon"));
    fdt_build_end(fdt);
}

static const struct device_region sifive_test_regions[] = {{
    .size_bytes = SIFIVE_TEST_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .min_bytes = 2,
    .max_bytes = 4,
    .read = sifive_test_read,
    .write = sifive_test_write,
}};

const struct device_class sifive_test_class = {
    .name = "sifive-test",
    .summary = "test finisher: power off with a status, reset",
    .regions = sifive_test_regions,
    .region_count = ARRAY_LEN(sifive_test_regions),
    .fdt = sifive_test_fdt,
};
