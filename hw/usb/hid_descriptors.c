/* Descriptors of the keyboard and the tablet (USB 2.0, 9.6; HID 1.11, 6.2 and appendix E). */
#include "hw/usb/hid.h"

#include "cpu/base/bits.h"
#include <string.h>

enum {
    DEVICE_BYTES = 18,
    QUALIFIER_BYTES = 10,
    CONFIGURATION_BYTES = 9 + 9 + 9 + 7, /* with interface, HID and endpoint descriptor */

    HID_DESCRIPTOR_HID = 0x21,
    HID_DESCRIPTOR_REPORT = 0x22,
    HID_CLASS = 3,
    HID_BOOT_SUBCLASS = 1,
    HID_BOOT_KEYBOARD = 1,

    USB_VERSION = 0x0200,
    HID_VERSION = 0x0111,
    VENDOR = 0x6d74, /* nobody's */
    CONTROL_PACKET_BYTES = 64,
    REMOTE_WAKEUP = 0xa0, /* bmAttributes: powered by the bus, can wake the host */
    POWER_2MA = 50,
    ENDPOINT_INTERRUPT = 3,
    LANGUAGE_US = 0x0409,
};

/* 6.2.2: items of one byte (tag, type, size of data) and their data. */
static const u8 keyboard_items[] = {
    0x05, 0x01,             /* usage page: generic desktop */
    0x09, 0x06,             /* usage: keyboard */
    0xa1, 0x01,             /* collection: application */
    0x05, 0x07,             /*   usage page: keys */
    0x19, 0xe0, 0x29, 0xe7, /*   usages: the modifiers */
    0x15, 0x00, 0x25, 0x01, /*   0 to 1 */
    0x75, 0x01, 0x95, 0x08, /*   eight of one bit */
    0x81, 0x02,             /*   input: data, variable, absolute */
    0x75, 0x08, 0x95, 0x01, /*   one of eight bits */
    0x81, 0x01,             /*   input: constant */
    0x05, 0x08,             /*   usage page: lamps */
    0x19, 0x01, 0x29, 0x05, /*   usages: num lock to kana */
    0x75, 0x01, 0x95, 0x05, /*   five of one bit */
    0x91, 0x02,             /*   output: data, variable, absolute */
    0x75, 0x03, 0x95, 0x01, /*   one of three bits */
    0x91, 0x01,             /*   output: constant */
    0x05, 0x07,             /*   usage page: keys */
    0x19, 0x00, 0x2a, 0xff, 0x00, /*   usages: all */
    0x15, 0x00, 0x26, 0xff, 0x00, /*   0 to 255 */
    0x75, 0x08, 0x95, 0x06, /*   six of eight bits */
    0x81, 0x00,             /*   input: data, array */
    0xc0,                   /* end */
};

static const u8 tablet_items[] = {
    0x05, 0x01,             /* usage page: generic desktop */
    0x09, 0x02,             /* usage: mouse */
    0xa1, 0x01,             /* collection: application */
    0x09, 0x01,             /*   usage: pointer */
    0xa1, 0x00,             /*   collection: physical */
    0x05, 0x09,             /*     usage page: buttons */
    0x19, 0x01, 0x29, 0x05, /*     usages: the first five */
    0x15, 0x00, 0x25, 0x01, /*     0 to 1 */
    0x75, 0x01, 0x95, 0x05, /*     five of one bit */
    0x81, 0x02,             /*     input: data, variable, absolute */
    0x75, 0x03, 0x95, 0x01, /*     one of three bits */
    0x81, 0x01,             /*     input: constant */
    0x05, 0x01,             /*     usage page: generic desktop */
    0x09, 0x30, 0x09, 0x31, /*     usages: x, y */
    0x15, 0x00, 0x26, 0xff, 0x7f, /*     0 to 32767 */
    0x35, 0x00, 0x46, 0xff, 0x7f, /*     the same in the world */
    0x75, 0x10, 0x95, 0x02, /*     two of sixteen bits */
    0x81, 0x02,             /*     input: data, variable, absolute */
    0x09, 0x38,             /*     usage: wheel */
    0x15, 0x81, 0x25, 0x7f, /*     -127 to 127 */
    0x35, 0x00, 0x45, 0x00, /*     no unit */
    0x75, 0x08, 0x95, 0x01, /*     one of eight bits */
    0x81, 0x06,             /*     input: data, variable, relative */
    0x05, 0x0c,             /*     usage page: consumer */
    0x0a, 0x38, 0x02,       /*     usage: pan */
    0x81, 0x06,             /*     input: data, variable, relative */
    0xc0, 0xc0,             /* end, end */
};

static const struct hid_shape {
    const char *product;
    const u8 *items;
    unsigned items_bytes;
    u8 subclass, protocol;
    u8 report_bytes;
    u8 interval; /* of high speed: 2 ^ (n - 1) units of 125 us */
} shapes[HID_KINDS] = {
    [HID_KEYBOARD] = {"USB keyboard", keyboard_items, sizeof(keyboard_items),
                      HID_BOOT_SUBCLASS, HID_BOOT_KEYBOARD, 8, 7},
    [HID_TABLET] = {"USB tablet", tablet_items, sizeof(tablet_items), 0, 0, 7, 4},
};

static unsigned describe_device(enum hid_kind kind, u8 *at)
{
    memset(at, 0, DEVICE_BYTES);
    at[0] = DEVICE_BYTES;
    at[1] = USB_DESCRIPTOR_DEVICE;
    st_le16(at + 2, USB_VERSION);
    at[7] = CONTROL_PACKET_BYTES;
    st_le16(at + 8, VENDOR);
    st_le16(at + 10, (u16)(0x10 + kind));
    st_le16(at + 12, 0x0100); /* the device's own version */
    at[14] = 1;               /* strings: manufacturer, product, serial number */
    at[15] = 2;
    at[16] = 3;
    at[17] = 1; /* configurations */
    return DEVICE_BYTES;
}

/* What it would be at full speed. */
static unsigned describe_qualifier(u8 *at)
{
    memset(at, 0, QUALIFIER_BYTES);
    at[0] = QUALIFIER_BYTES;
    at[1] = USB_DESCRIPTOR_QUALIFIER;
    st_le16(at + 2, USB_VERSION);
    at[7] = CONTROL_PACKET_BYTES;
    at[8] = 1;
    return QUALIFIER_BYTES;
}

static unsigned describe_hid(enum hid_kind kind, u8 *at)
{
    at[0] = 9;
    at[1] = HID_DESCRIPTOR_HID;
    st_le16(at + 2, HID_VERSION);
    at[4] = 0; /* country */
    at[5] = 1; /* descriptors behind it */
    at[6] = HID_DESCRIPTOR_REPORT;
    st_le16(at + 7, (u16)shapes[kind].items_bytes);
    return 9;
}

static unsigned describe_configuration(enum hid_kind kind, u8 type, u8 *at)
{
    const struct hid_shape *shape = &shapes[kind];
    const u8 head[18] = {
        9, type, CONFIGURATION_BYTES, 0, 1 /* interfaces */, 1 /* its number */, 0, REMOTE_WAKEUP,
        POWER_2MA,
        9, USB_DESCRIPTOR_INTERFACE, 0, 0, 1 /* endpoints */, HID_CLASS, shape->subclass,
        shape->protocol, 0};
    const u8 endpoint[7] = {7, USB_DESCRIPTOR_ENDPOINT, USB_IN | HID_ENDPOINT, ENDPOINT_INTERRUPT,
                            shape->report_bytes, 0, shape->interval};
    memcpy(at, head, sizeof(head));
    describe_hid(kind, at + sizeof(head));
    memcpy(at + CONFIGURATION_BYTES - sizeof(endpoint), endpoint, sizeof(endpoint));
    return CONFIGURATION_BYTES;
}

static unsigned describe_string(enum hid_kind kind, unsigned number, u8 *at)
{
    const char *const texts[] = {"", "metic", shapes[kind].product, "1"};
    at[1] = USB_DESCRIPTOR_STRING;
    if (number == 0) {
        at[0] = 4;
        st_le16(at + 2, LANGUAGE_US);
    } else if (number < ARRAY_LEN(texts)) {
        at[0] = 2;
        for (const char *c = texts[number]; *c != '\0'; c++, at[0] = (u8)(at[0] + 2)) {
            st_le16(at + at[0], (u8)*c);
        }
    } else {
        at[0] = 0;
    }
    return at[0];
}

unsigned hid_describe(enum hid_kind kind, u16 value, bool of_interface, u8 *bytes)
{
    unsigned type = value >> 8, number = value & 0xff;
    if (of_interface) {
        if (type == HID_DESCRIPTOR_REPORT) {
            memcpy(bytes, shapes[kind].items, shapes[kind].items_bytes);
            return shapes[kind].items_bytes;
        }
        return type == HID_DESCRIPTOR_HID ? describe_hid(kind, bytes) : 0;
    }
    if (type == USB_DESCRIPTOR_STRING) {
        return describe_string(kind, number, bytes);
    }
    if (number != 0) {
        return 0;
    }
    switch (type) {
    case USB_DESCRIPTOR_DEVICE: return describe_device(kind, bytes);
    case USB_DESCRIPTOR_CONFIGURATION:
    case USB_DESCRIPTOR_OTHER_SPEED: return describe_configuration(kind, (u8)type, bytes);
    case USB_DESCRIPTOR_QUALIFIER: return describe_qualifier(bytes);
    default: return 0;
    }
}
