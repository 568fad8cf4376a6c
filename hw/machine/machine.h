/* The machine: harts, memory, board and engine put together. The inside of metic.h's handle, shared
 * by hw/machine*.c only. */
#ifndef METIC_HW_MACHINE_H
#define METIC_HW_MACHINE_H

#include "cpu/memory.h"
#include "hw/board.h"
#include "hw/char/backend_char.h"
#include "hw/char/spice_agent.h"
#include "hw/clock.h"
#include "hw/display/display.h"
#include "hw/display/input.h"
#include "hw/display/linear.h"
#include "hw/display/typist.h"
#include "hw/display/video.h"
#include "hw/journal/journal.h"
#include "hw/loader/loader.h"
#include "hw/loop.h"
#include "hw/metic.h"
#include "hw/semihost/semihost.h"
#include "hw/usb/xhci.h"
#include "hw/virtio/virtio_9p.h"
#include "hw/virtio/virtio_balloon.h"
#include "hw/virtio/virtio_blk.h"
#include "hw/virtio/virtio_console.h"
#include "hw/virtio/virtio_fs.h"
#include "hw/virtio/virtio_gpu.h"
#include "hw/virtio/virtio_input.h"
#include "hw/virtio/virtio_net.h"
#include "hw/virtio/virtio_ports.h"
#include "hw/virtio/virtio_snd.h"
#include "hw/virtio/virtio_vsock.h"
#include "translate/engine.h"
#include <pthread.h>

enum machine_event {
    MACHINE_EVENT_STOP = 1,     /* metic_stop */
    MACHINE_EVENT_POWEROFF = 2,
    MACHINE_EVENT_RESET = 4,
    MACHINE_EVENT_PANIC = 8,    /* the console said so, whole message */
    MACHINE_EVENT_HART = 16,    /* a hart left its run loop by itself (limit) */
    MACHINE_EVENT_INPUT = 32,   /* the journal has something (virtual clock) */
    MACHINE_EVENT_QUIT = 64,    /* Ctrl-A X */
    MACHINE_EVENT_HANGUP = 128, /* the terminal that is the console was closed */
    MACHINE_EVENT_BREAK = 256,  /* metic_break */
    MACHINE_EVENT_DEBUG = 512,  /* a hart came to what a debugger waits for */
    MACHINE_EVENT_CALL = 1024,  /* metic_call, metic_pause or metic_resume */
    MACHINE_EVENT_SPOILT = 2048, /* half loaded: it may not run on */
    MACHINE_EVENT_FAILED = 4096, /* the host failed a device (DEVICE_REQUEST_STOP) */
};

/* What the guest's console has to say about a panic, matched over writes. */
struct panic_watch {
    bool started; /* "Kernel panic - not syncing" was seen */
    unsigned matched_start, matched_end;
};

/* Sstc comparator of one hart. */
struct hart_timer {
    struct timer timer;
    struct vcpu *vcpu;
};

#define MACHINE_DEMO "built-in demo"

/* What is reloaded at a reset. */
struct machine_boot {
    struct board_boot board;
    char *path;   /* of the main image, or MACHINE_DEMO; NULL: what is in flash starts */
    bool pending; /* the machine came from a snapshot: images are opened at a reset */
    struct image *main, *firmware, *initrd, *dtb;
    bool builtin_firmware, builtin_demo;
    u64 htif_tohost, htif_fromhost; /* 0: none */
    gpa_t entry;
};

struct machine_call;

/* machine_control.c. */
struct machine_control {
    pthread_mutex_t lock; /* around the list and `ended` */
    pthread_cond_t done;
    struct machine_call *first;
    struct machine_call **last;
    bool ended;
    _Atomic bool paused;
    u64 at_insns; /* when at_call is due; ~0: never */
    void (*at_call)(metic_machine *machine, void *opaque);
    void *at_opaque;
    bool told_stop; /* METIC_EVENT_STOP was the last told of the two */
    struct journal_source buttons;
    pthread_mutex_t event_lock; /* around who is told, and telling */
    void (*event)(void *opaque, enum metic_event event, const char *detail);
    void *event_opaque;
    char spoilt[512]; /* why the machine may not run on */
    struct metic_console_monitor monitor;
    _Atomic bool monitor_open;
};

enum { MACHINE_TAG_BYTES = VIRTIO_FS_TAG_BYTES + 1 };

enum { MACHINE_PORT_NAME_BYTES = 64 };

/* A console port with a name. */
struct machine_port {
    char name[MACHINE_PORT_NAME_BYTES];
    struct char_backend *backend;
    struct char_port *port;
};

/* A shared folder and its device's configuration. */
struct machine_share {
    struct share *share;
    char tag[MACHINE_TAG_BYTES];
    struct virtio_fs_config fs;
    struct virtio_9p_config p9;
};

/* Where the next run stops, if it comes there: when all harts together, or one of them, have
 * executed so much; before anything else happens. Virtual clock. */
struct machine_pause {
    u64 total_insns, hart_insns; /* UINT64_MAX: nowhere */
    unsigned hart;
    u64 last_ns; /* no turn begins later than this guest time; 0: any may */
    bool reached;
};

struct machine_history;

enum { SEMIHOSTING_LINE_BYTES = 4096 }; /* of a program's arguments, at most */

/* What was typed before semihosting asked for it, and the UART had taken; saved. */
struct semihosting_input {
    u8 held[16];
    u8 held_bytes;
    bool claimed; /* the console's input is semihosting's */
    u8 always_zero[6];
};

struct metic_machine {
    struct vsock_port vsock;
    struct virtio_vsock_config vsock_config; /* its port is NULL: there is no such device */
    struct metic_options options;
    struct log log;
    struct memory memory;
    struct clock clock;
    struct loop *loop;
    struct journal *journal;
    struct char_backend *console;
    struct char_port *uart;
    struct char_backend *hvc_backend; /* the virtio console's, or NULL */
    struct char_port *hvc;
    struct virtio_console_config hvc_config;
    struct machine_port ports[METIC_MAX_PORTS];
    struct virtio_ports_config ports_config;
    struct {
        struct char_port *port;
        struct spice_agent *agent;
    } clipboard; /* NULL: none */
    void (*code_made)(void *opaque, const struct metic_code *code); /* or NULL */
    void *code_made_opaque;
    struct net_port *net; /* or NULL: no network device */
    struct virtio_net_config net_config;
    bool forwards_open; /* options.forwards say which ports they got */
    struct display *display; /* always there, as is input; maybe nothing shows anything */
    struct linear ramfb, framebuffer; /* what firmware, and a simple guest, draw into */
    struct virtio_gpu_config gpu_config;
    struct input *input;
    struct typist *typist;
    struct video *video; /* or NULL */
    struct virtio_input_config input_configs[INPUT_DEVICES];
    struct xhci_config usb_config;
    struct sound *sound; /* or NULL: no card */
    struct virtio_snd_config snd_config;
    struct char_script *script;
    struct virtio_blk_config disks[METIC_MAX_DISKS];
    struct {
        struct virtio_balloon_config config; /* its virtio is NULL without a balloon */
        struct journal_source wishes;
    } balloon;
    struct machine_share shares[METIC_MAX_SHARES];
    unsigned share_count;
    struct {
        struct semihost *host; /* or NULL: it is off */
        struct semihosting_input input; /* who calls, since calls come one after the other */
        struct journal_source end_source;
        _Atomic bool input_ended;
        _Atomic bool waits; /* the last call, for input */
    } semihosting;
    struct board_virtio virtio[BOARD_MAX_VIRTIO]; /* in the order in which the guest finds them */
    unsigned virtio_count;
    struct board *board;
    struct engine *engine;
    struct guest_isa isa;
    struct hart_timer timers[METIC_MAX_HARTS];
    struct machine_boot boot;
    struct machine_control control;
    void (*running)(void *opaque); /* of the next run; or NULL */
    void *running_opaque;
    bool loaded, started;
    bool in_reset; /* the harts' first instructions are still to come */

    _Atomic u32 events;
    int wake_fd;               /* eventfd: events were set */
    unsigned poweroff_code;
    struct panic_watch panic;
    u64 htif_busy_ns; /* host time: until then the next message may be near; 0: there was none */
    _Atomic bool input_ended;  /* nothing more will come from the console */
    _Atomic bool may_type;      /* somebody looks at the screen, or the console, and may type */

    pthread_t threads[METIC_MAX_HARTS]; /* real clock */
    bool has_thread[METIC_MAX_HARTS];

    u8 actions[METIC_MAX_HARTS]; /* enum metic_action, for the next run */
    struct metic_stop stop;      /* of the last METIC_BREAK */

    /* Virtual clock: how far each hart has come, in guest ns; and the turn being run. */
    u64 hart_ns[METIC_MAX_HARTS];
    u64 hart_start_insns[METIC_MAX_HARTS];
    u64 hart_stop_insns[METIC_MAX_HARTS]; /* the first hart to get there ends the run */
    bool hart_waits[METIC_MAX_HARTS];
    u64 turn_start_ns, turn_end_ns;
    unsigned turn_hart;
    bool in_turn;
    bool turn_open;     /* a debugger stopped in the middle of a turn: */
    unsigned turn_next; /* which hart comes next in it */
    u64 next_digest;
    pthread_mutex_t trace_lock; /* whether there is a trace, for threads of devices */
    struct machine_pause pause;
    struct machine_history *history; /* or NULL */
    struct machine_trace *trace; /* or NULL */
    struct machine_profile *profile; /* or NULL */
    char *owned[16]; /* copies of option strings */
    unsigned owned_count;
};

/* Takes note of an event and wakes whoever runs the machine. Any thread; async-signal-safe. */
void machine_event(struct metic_machine *machine, enum machine_event event);

/* machine_load.c: places images again after a reset. */
bool machine_place(struct metic_machine *machine, struct metic_error *error);
void machine_boot_free(struct machine_boot *boot);
void machine_say(struct metic_machine *machine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* machine_share.c: after the journal; freed after the board. */
bool machine_make_shares(struct metic_machine *machine, struct metic_error *error);
void machine_free_shares(struct metic_machine *machine);

/* machine_semihosting.c: after the board; freed before the journal. */
bool machine_make_semihosting(struct metic_machine *machine, struct metic_error *error);
void machine_free_semihosting(struct metic_machine *machine);
enum host_call machine_host_call(struct vcpu *vcpu, const struct guest_host_call *call,
                                 u64 *answer);
/* Nothing more comes from the console; any thread. An image was loaded. The machine is reset. */
void machine_semihosting_input_ended(struct metic_machine *machine);
void machine_semihosting_loaded(struct metic_machine *machine);
void machine_semihosting_reset(struct metic_machine *machine);
/* While it is on. */
void machine_save_semihosting(struct metic_machine *machine, struct state_writer *writer);
bool machine_load_semihosting(struct metic_machine *machine, struct state_reader *reader,
                              struct metic_error *error);

/* machine_make.c: the guest ended itself. Any thread. */
void machine_power_off(struct metic_machine *machine, unsigned code);

/* machine_console.c. Where a byte stream leads; `label` says whose it is, NULL the main console,
 * which alone has escapes and tells when its input ended; `keeps_all` as in backend_char.h. */
struct char_backend *machine_make_backend(struct metic_machine *machine, enum metic_console where,
                                          const char *path, const char *label, bool keeps_all,
                                          struct metic_error *error);

/* machine_ports.c; stop: nobody waits any more for what a port writes. */
bool machine_make_ports(struct metic_machine *machine, struct metic_error *error);
void machine_stop_ports(struct metic_machine *machine);
void machine_free_ports(struct metic_machine *machine);
/* machine_clipboard.c: called by the three above. */
bool machine_make_clipboard(struct metic_machine *machine, struct metic_error *error);
void machine_free_clipboard(struct metic_machine *machine);
void machine_save_ports(struct metic_machine *machine, struct state_writer *writer);
bool machine_load_ports(struct metic_machine *machine, struct state_reader *reader,
                        struct metic_error *error);

/* machine_vsock.c; detach before the board is freed. */
bool machine_make_vsock(struct metic_machine *machine, struct metic_error *error);
void machine_detach_vsock(struct metic_machine *machine);
void machine_free_vsock(struct metic_machine *machine);

/* machine_console.c, machine_make.c: the parts that metic_new puts together, in this order (the
 * network before the engine). */
bool machine_make_time(struct metic_machine *machine, struct metic_error *error);
bool machine_make_console(struct metic_machine *machine, struct metic_error *error);
bool machine_make_virtio_console(struct metic_machine *machine, struct metic_error *error);
bool machine_make_engine(struct metic_machine *machine, const struct guest *guest,
                         struct metic_error *error);
bool machine_make_board(struct metic_machine *machine, const struct guest *guest,
                        struct metic_error *error);
bool machine_make_script(struct metic_machine *machine, struct metic_error *error);

/* machine_console.c: the run is over, and with it the monitor's use of the terminal. */
void machine_close_monitor(struct metic_machine *machine);

/* machine_virtio.c: adds a device that the board is to have. The type and its config live as long
 * as the machine; the name (with `number` behind it unless that is negative) is the device's,
 * unique. Before the board is made; false with a reason when the machine is full. */
bool machine_add_virtio(struct metic_machine *machine, const struct virtio_type *type,
                        const void *config, const char *name, int number,
                        struct metic_error *error);
/* All that the options ask for. */
bool machine_make_virtio(struct metic_machine *machine, struct metic_error *error);
/* Whether nobody but the hart looks at guest RAM while it runs. */
bool machine_memory_is_private(const struct metic_machine *machine);

/* machine_balloon.c: the device, when it is asked for; freed before the journal. */
bool machine_add_balloon(struct metic_machine *machine, struct metic_error *error);
void machine_free_balloon(struct metic_machine *machine);

/* machine_net.c: the network device's port, with its backend when it is known already which; the
 * same for a kernel that was loaded; and whether anything may still come from outside. */
bool machine_make_net(struct metic_machine *machine, struct metic_error *error);
bool machine_start_net(struct metic_machine *machine, struct metic_error *error);
/* The same for a snapshot of a machine that had a backend or had none. */
bool machine_resume_net(struct metic_machine *machine, bool attached, struct metic_error *error);
bool machine_may_hear(const struct metic_machine *machine);
/* One end of a connection is there, and may send at any moment. */
bool machine_has_connections(const struct metic_machine *machine);

/* machine_trace.c: what devices tell a trace of; nothing when there is none. */
void machine_trace_io(void *opaque, enum device_io io, u64 a, u64 b, u64 c);
void machine_trace_net(void *opaque, bool sent, size_t size_bytes);
void machine_trace_console(struct metic_machine *machine, const u8 *bytes, size_t size_bytes);

/* machine_screen.c: what screens and input devices hang on; then the devices that the options ask
 * for. */
bool machine_make_screen(struct metic_machine *machine, struct metic_error *error);
bool machine_add_screen(struct metic_machine *machine, struct metic_error *error);
void machine_screen_options(struct metic_machine *machine, struct board_options *board);
/* Once there is a board: shows its framebuffer, if it has one. */
bool machine_start_screen(struct metic_machine *machine, struct metic_error *error);
void machine_free_screen(struct metic_machine *machine); /* after the board */

/* machine_sound.c: what a sound card hangs on, if the options ask for one; then the device. */
bool machine_make_sound(struct metic_machine *machine, struct metic_error *error);
bool machine_add_sound(struct metic_machine *machine, struct metic_error *error);

/* machine_run.c */
u64 machine_time_ticks(struct vcpu *vcpu);
void machine_timer_arm(struct vcpu *vcpu, u64 ticks);
u64 machine_next_timer_host_ns(struct vcpu *vcpu);
void machine_run_timers(struct vcpu *vcpu);
void machine_timers_are_watched(struct vcpu *vcpu, bool watched);
u64 machine_total_insns(const struct metic_machine *machine);
/* What the machine is before its first instruction: hardware, images, command line. Not 0. */
u32 machine_identity(struct metic_machine *machine);

/* After the harts stopped: power-on state, images again. */
bool machine_reset(struct metic_machine *machine, struct metic_error *error);

/* machine_history.c: keeps what the machine is now, if it is time. Between two turns. */
void machine_history_due(struct metic_machine *machine);
/* A run with a history. */
void machine_history_run(struct metic_machine *machine, u64 insns, struct metic_result *result);
/* A debugger changed something; the machine is another one; a hart did not run when it would
 * have. */
void machine_history_edited(struct metic_machine *machine);
void machine_history_held(struct metic_machine *machine);
void machine_history_lost(struct metic_machine *machine);

/* machine_kallsyms.c: a kernel may run, and what it says of itself is where it lies. */
bool machine_has_page_tables(struct metic_machine *machine, unsigned hart);

/* machine_control.c */
void machine_control_init(struct metic_machine *machine);
void machine_control_start(struct metic_machine *machine); /* when there is a journal */
void machine_control_fini(struct metic_machine *machine);
void machine_tell(struct metic_machine *machine, enum metic_event event);
void machine_tell_more(struct metic_machine *machine, enum metic_event event, const char *detail);
/* Runs what metic_call_at asked for, when it is time; harts stand still. */
void machine_call_due(struct metic_machine *machine);
bool machine_call_is_due(const struct metic_machine *machine);
/* Somebody waits for the next, or wants the machine to pause. */
bool machine_wants_stand(struct metic_machine *machine);
/* All harts stand still, and guest time: runs calls, and stays while the machine is paused. */
void machine_stand(struct metic_machine *machine);
/* The machine is of no more use; its next run, or this one, ends with the reason. */
void machine_spoil(struct metic_machine *machine, const char *why);

/* machine_debug.c: around a run. True when there is nothing to run first: a hart hit something
 * during the last run that has not been told of yet. */
bool machine_debug_begin(struct metic_machine *machine);
/* All harts stand still. Fills machine->stop. */
void machine_debug_end(struct metic_machine *machine);
bool machine_is_held(const struct metic_machine *machine, unsigned hart);
/* Harts are somewhere else now: what they had hit is no more, and each will stop at the breakpoint
 * where it stands. */
void machine_debug_moved(struct metic_machine *machine);

#endif
