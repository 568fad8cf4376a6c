/* What host controller and devices say to each other (USB 2.0, chapters 8 and 9). */
#ifndef METIC_HW_USB_USB_H
#define METIC_HW_USB_USB_H

#include "cpu/base/types.h"

/* How a device answers to a packet (8.4.6): it took it or gave it, has nothing to give yet, or will
 * have none of it. */
enum usb_answer { USB_ACK, USB_NAK, USB_STALL };

enum { USB_SETUP_BYTES = 8 };

/* The SETUP packet (9.3). */
struct usb_setup {
    u8 type;    /* bmRequestType: 7 device to host, 6:5 standard, class, vendor; 4:0 to whom */
    u8 request; /* bRequest */
    u16 value, index, length_bytes;
};

enum {
    USB_IN = 0x80, /* in a request's type and in an endpoint's address */

    USB_GET_STATUS = 0,
    USB_CLEAR_FEATURE = 1,
    USB_SET_FEATURE = 3,
    USB_SET_ADDRESS = 5,
    USB_GET_DESCRIPTOR = 6,
    USB_GET_CONFIGURATION = 8,
    USB_SET_CONFIGURATION = 9,
    USB_GET_INTERFACE = 10,
    USB_SET_INTERFACE = 11,

    USB_FEATURE_HALT = 0,
    USB_FEATURE_WAKEUP = 1,

    USB_DESCRIPTOR_DEVICE = 1,
    USB_DESCRIPTOR_CONFIGURATION = 2,
    USB_DESCRIPTOR_STRING = 3,
    USB_DESCRIPTOR_INTERFACE = 4,
    USB_DESCRIPTOR_ENDPOINT = 5,
    USB_DESCRIPTOR_QUALIFIER = 6,
    USB_DESCRIPTOR_OTHER_SPEED = 7,
};

#endif
