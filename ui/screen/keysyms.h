/* X's names of keys and letters (X Window System Protocol, appendix A), those that our code knows
 * one by one. Letters are in keymap.h, and what is on a US keyboard in keys.def. */
#ifndef METIC_UI_KEYSYMS_H
#define METIC_UI_KEYSYMS_H

enum {
    KEYSYM_ISO_FIRST = 0xfe00, /* from here to 0xffff keys, not letters */
    KEYSYM_LAST = 0xffff,
    KEYSYM_VENDOR = 0x10000000, /* and from here on */
    KEYSYM_UNICODE = 0x01000000,

    KEYSYM_LEVEL3_SHIFT = 0xfe03,
    KEYSYM_LEVEL5_SHIFT = 0xfe11,
    KEYSYM_DEAD_FIRST = 0xfe50, /* to dead_longsolidusoverlay */
    KEYSYM_DEAD_LAST = 0xfe93,
    KEYSYM_AID_FIRST = 0xfe70, /* among them, no dead keys: AccessX_Enable and its like */
    KEYSYM_AID_LAST = 0xfe7f,
    KEYSYM_TAB = 0xff09,
    KEYSYM_RETURN = 0xff0d,
    KEYSYM_ESCAPE = 0xff1b,
    KEYSYM_MODE_SWITCH = 0xff7e,
    KEYSYM_KP_HOME = 0xff95, /* the keypad without num lock, to KP_Delete */
    KEYSYM_KP_DELETE = 0xff9f,
    KEYSYM_KP_SEPARATOR = 0xffac, /* and with it: this, KP_Decimal, KP_0 to KP_9 */
    KEYSYM_KP_DECIMAL = 0xffae,
    KEYSYM_KP_0 = 0xffb0,
    KEYSYM_KP_9 = 0xffb9,
    KEYSYM_SHIFT_L = 0xffe1,
    KEYSYM_HYPER_R = 0xffee,
};

#endif
