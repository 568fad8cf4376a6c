/* QEMU's firmware configuration device; see fw_cfg.c. */
#ifndef METIC_HW_MISC_FW_CFG_H
#define METIC_HW_MISC_FW_CFG_H

#include "hw/device.h"

extern const struct device_class fw_cfg_class;

/* Well-known keys (QEMU docs/specs/fw_cfg). */
enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
};

/* Adds or replaces what a key or a file holds; the bytes are copied. Before harts start, or after a
 * reset. False when there is no room (40 files) or no memory. */
bool fw_cfg_set_bytes(struct device *device, unsigned key, const void *bytes, u32 size_bytes,
                      struct metic_error *error);
bool fw_cfg_set_u16(struct device *device, unsigned key, u16 value, struct metic_error *error);
bool fw_cfg_set_u32(struct device *device, unsigned key, u32 value, struct metic_error *error);
bool fw_cfg_set_u64(struct device *device, unsigned key, u64 value, struct metic_error *error);
/* `name` as in "etc/boot-fail-wait" or "opt/org.example/x", at most 55 characters. */
bool fw_cfg_set_file(struct device *device, const char *name, const void *bytes, u32 size_bytes,
                     struct metic_error *error);

/* A file that the guest may write, by DMA; zeros at first and after a reset. `written` is called
 * with the whole of it after each write and load, with the device's lock held. */
typedef void fw_cfg_written_fn(void *opaque, const u8 *bytes, u32 size_bytes);
bool fw_cfg_add_writable(struct device *device, const char *name, u32 size_bytes,
                         fw_cfg_written_fn *written, void *opaque, struct metic_error *error);

#endif
