/* What a machine is made of: its board, images, devices, limits. */
#ifndef METIC_OPTIONS_H
#define METIC_OPTIONS_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metic_engine { METIC_ENGINE_JIT, METIC_ENGINE_INTERP, METIC_ENGINE_BOTH };

/* How much of the host's processor generated code may use: all that it has; no more than the first
 * x86-64 had; what came up to AVX2, or up to AVX-512 (x86-64-v3 and -v4). Tests want less. */
enum metic_host { METIC_HOST_ALL, METIC_HOST_PLAIN, METIC_HOST_AVX2, METIC_HOST_AVX512 };

/* Real: guest time is host time, harts run in parallel. Virtual: guest time is the instruction
 * count, harts take turns on one thread, every run is the same. */
enum metic_clock { METIC_CLOCK_REAL, METIC_CLOCK_VIRTUAL };

enum metic_console {
    METIC_CONSOLE_NONE,     /* output dropped */
    METIC_CONSOLE_STDIO,    /* stdin and stdout; raw with Ctrl-A escapes when they are a terminal */
    METIC_CONSOLE_FILE,     /* output to console_path */
    METIC_CONSOLE_PTY,
    METIC_CONSOLE_SOCKET,   /* Unix socket at console_path */
    METIC_CONSOLE_MEMORY,   /* metic_console_output / metic_console_feed */
};

/* Whom a program's semihosting calls are answered. The console is the machine's; the end of the
 * program is a power-off with its status. */
enum metic_semihosting {
    METIC_SEMIHOSTING_OFF,  /* they are breakpoints */
    METIC_SEMIHOSTING_ON,   /* in M and S mode */
    METIC_SEMIHOSTING_USER, /* in U mode, too */
};

enum metic_net {
    METIC_NET_NONE,   /* no device */
    METIC_NET_AUTO,   /* a Linux kernel, and what boots from disk or flash, gets METIC_NET_USER on
                       * the real clock; restricted if there are steps */
    METIC_NET_USER,   /* a router and a DHCP server in this process, through libslirp */
    METIC_NET_SOCKET, /* a link to another guest: a Unix socket at net_path */
};

enum {
    METIC_MAX_SCREENS = 4,
    METIC_MIN_SIDE = 64, /* of a screen that is asked for, in pixels */
    METIC_MAX_SIDE = 8192,
    METIC_MAX_DISKS = 6,
    METIC_MAX_STEPS = 64,
    METIC_MAX_HARTS = 64,
    METIC_MAX_FORWARDS = 16,
    METIC_MAX_SHARES = 8,
    METIC_MAX_PORTS = 16,
};

#define METIC_DEFAULT_RAM_BYTES ((uint64_t)512 << 20)
#define METIC_DISK_RAM_BYTES ((uint64_t)1 << 30) /* for a disk that boots */

enum metic_disk_format { METIC_DISK_AUTO, METIC_DISK_RAW, METIC_DISK_QCOW2 };

struct metic_disk {
    const char *path;
    bool read_only;  /* the guest may not write */
    bool write_back; /* writes go to the file; otherwise to an overlay in memory */
    enum metic_disk_format format; /* of the file; AUTO: what it looks like */
    const char *overlay; /* writes go to this qcow2 file, which is made if need be; or NULL */
    bool stop_on_error;  /* when the host fails, stop the machine; otherwise the guest sees it */
};

/* A port of the host's that leads to one of the guest's; the next free one when it is taken. */
struct metic_forward {
    uint32_t host_ip4; /* where to listen: 0x7f000001 is 127.0.0.1, 0 all addresses */
    uint16_t host_port, guest_port;
    bool udp;
};

/* How much of a shared folder the guest keeps in its memory. */
enum metic_share_cache {
    METIC_SHARE_CACHE_AUTO,   /* names and attributes for a second, contents until they change */
    METIC_SHARE_CACHE_ALWAYS, /* everything, writes are delayed: nobody else changes the folder */
    METIC_SHARE_CACHE_NONE,   /* names and attributes are asked for each time */
};

/* A byte stream with a name, /dev/virtio-ports/NAME in Linux. */
struct metic_port {
    const char *name;
    enum metic_console where; /* none, a pty, a file or a socket */
    const char *path;
};

/* How the guest reaches a shared folder. */
enum metic_share_protocol {
    METIC_SHARE_VIRTIOFS,
    METIC_SHARE_9P, /* 9P2000.L, for a guest without virtio-fs; its mount says what is cached */
};

/* A folder of the host's that the guest can mount. */
struct metic_share {
    const char *path;
    const char *tag;   /* its name in the guest; NULL: the folder's own */
    bool read_only;
    bool keep_owners;  /* the guest's owners and modes, in attributes user.virtfs.* */
    enum metic_share_cache cache;
    enum metic_share_protocol protocol;
};

/* Expect and send: wait for `expect` in the console's output, then feed `send`. */
struct metic_step {
    const char *expect;
    const char *send;
};

struct metic_options {
    size_t struct_bytes;     /* set by metic_options_init */
    const char *machine;     /* board: "riscv-virt" */
    bool virtio_pci;         /* virtio devices sit on PCI; otherwise in mmio slots while there are
                              * free ones */
    bool virtio_ports;       /* on PCI, each behind a root port of its own */
    const char *cpu;         /* processor and its properties: "rv64,v=on"; NULL: "rv64" */
    unsigned harts;          /* 1..64 */
    uint64_t ram_bytes;      /* 0: the default */
    enum metic_engine engine;
    enum metic_clock clock;
    uint64_t seed;           /* virtual clock: what the guest's entropy comes from */

    /* What is loaded besides the main image; NULL: nothing (firmware: chosen by the image). */
    const char *firmware;    /* path, "none", "builtin", or NULL: the built-in SBI when one is
                              * needed; metic_plan_boot takes names of others */
    const char *initrd;
    const char *bootargs;
    const char *dtb;
    const char *flash[2];
    bool flash_write[2];     /* changes go back to the file */
    const char *boot_overlay; /* metic_plan_boot: they go to this overlay over the image; or NULL */
    bool boot_write;         /* metic_plan_boot: the guest's writes go to the image */

    enum metic_console console;
    const char *console_path;
    enum metic_console virtio_console; /* a second one, hvc0; METIC_CONSOLE_NONE: no device */
    const char *virtio_console_path;
    struct metic_port ports[METIC_MAX_PORTS];
    unsigned port_count;
    const char *vsock_path;  /* the guest's AF_VSOCK leads to Unix sockets from here on; or NULL */
    uint32_t vsock_cid;      /* the guest's address there; 0: 3 */
    struct metic_disk disks[METIC_MAX_DISKS];
    unsigned disk_count;
    uint64_t overlay_memory_bytes; /* what each overlay in memory may take before it moves to a
                              * file; 0: a 16th of the host's memory, 1 GiB at most */
    const char *scratch_folder; /* where that file is, without a name; NULL: it stays in memory */
    struct metic_share shares[METIC_MAX_SHARES];
    unsigned share_count;
    enum metic_semihosting semihosting;
    const char *semihosting_folder;  /* whose files such programs may have, no others; or NULL */
    bool semihosting_read_only;
    enum metic_net net;
    const char *tftp;        /* user: a folder the guest may read by TFTP, from 10.0.2.2; or NULL */
    const char *bootfile;    /* user: what DHCP says to boot, a file there; or NULL */
    bool net_restrict;       /* user: the guest reaches nothing outside; forwards lead to it */
    bool mac_given;          /* otherwise 52:54:00:12:34:56, or :57 at the second end of a link */
    uint8_t mac[6];
    const char *net_path;
    struct metic_forward forwards[METIC_MAX_FORWARDS];
    unsigned forward_count;
    unsigned screens;        /* of a virtio GPU, with input devices; 0: none */
    bool screen_simple;      /* no GPU but a framebuffer in the device tree; one screen */
    bool screen_early;       /* that framebuffer too, for a firmware that draws on nothing else */
    uint32_t screen_width, screen_height; /* what they prefer; 0: 1280 by 800 */
    bool clipboard;          /* a port for the guest's SPICE agent (metic_clipboard) */
    bool sound;              /* a sound card; heard by players, and: */
    const char *sound_out;   /* a WAV file of what is played, or NULL */
    const char *sound_in;    /* a WAV file that is recorded from, or NULL: silence, or: */
    bool sound_microphone;   /* what metic_feed_sound brings */
    bool balloon;            /* a virtio balloon, by which the guest gives memory back */
    const char *pcap_path;   /* packets are written to this file (pcapng), or NULL */
    struct metic_step steps[METIC_MAX_STEPS];
    unsigned step_count;
    const char *record_path;
    const char *replay_path;

    uint64_t limit_insns;    /* per hart; 0: none. Traps in a row without any between count, too */
    uint64_t limit_ns;       /* guest time; 0: none */
    uint64_t digest_every;   /* instructions; 0: never. Needs the virtual clock */
    const char *trace_path;  /* Spike commit log to this file ("-": standard error), or NULL */

    size_t code_bytes;       /* code cache; 0: default */
    unsigned block_insns;    /* longest translated block; 0: default */
    enum metic_host host;
    bool no_links;           /* tests */
    bool one_entry_tlb;      /* tests */
    bool large_tlb;          /* tests: pages go where a TLB of many entries has them */
    bool no_tier0;           /* tests: code is translated before its first run */
    bool eager_tier0;        /* tests: what can run from its bytes is never translated */
    bool no_tier2;           /* tests: no traces of hot loops */
    bool eager_tier2;        /* tests: traces of what is hardly hot */
    bool verify_ir;
    bool stats;              /* times what harts do, for metic_print_stats */

    /* Lines about what was recognised and chosen; NULL: silent. Called on the caller's thread. */
    void (*say)(void *opaque, const char *line);
    void *say_opaque;
    /* Lines about guest nonsense and warnings, from any thread; NULL: to standard error. */
    void (*log)(void *opaque, const char *line);
    void *log_opaque;
};

void metic_options_init(struct metic_options *options);

#endif
