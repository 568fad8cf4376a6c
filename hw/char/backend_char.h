/* Byte streams between a guest's serial device and the host.
 *
 *   device  <->  struct char_port  <->  struct char_backend  <->  terminal, file, pty, ...
 *
 * The port is the device's end. What the guest writes is shown to taps and to the script filter and
 * then queued; a thread of the backend's own writes it out, so that a hart does not wait for the
 * host unless the queue (1 MiB) is full. A full queue loses new output for a terminal, a pty and a
 * socket (somebody stopped looking), and makes the guest wait for a file or a pipe (every byte
 * counts) until char_backend_stop_waiting; a device that asks char_port_has_room before waits
 * without a hart. What arrives from outside is read on the loop thread and goes through the journal
 * into the port's input queue, from where the device takes bytes as its FIFO has room; the backend
 * stops reading while 16 KiB are under way. */
#ifndef METIC_HW_BACKEND_CHAR_H
#define METIC_HW_BACKEND_CHAR_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "cpu/base/types.h"
#include "cpu/state.h"
#include "hw/journal/journal.h"
#include "hw/loop.h"

struct char_backend;
struct char_port;
struct char_script;

enum char_backend_kind {
    CHAR_NULL,     /* output is dropped, no input */
    CHAR_TERMINAL, /* stdin/stdout as a raw terminal, escapes handled */
    CHAR_STDIO,    /* stdin/stdout that are not a terminal: bytes as they are */
    CHAR_FILE,     /* output to `path`, no input */
    CHAR_PTY,      /* a new pseudo-terminal; its name is in char_backend_path() */
    CHAR_SOCKET,   /* a Unix socket listening at `path`, mode 0600, one client at a time; one that
                    * somebody else listens at is refused */
    CHAR_MEMORY,   /* output is kept (see char_backend_output), input from char_backend_feed */
};

struct char_backend_options {
    enum char_backend_kind kind;
    const char *path; /* CHAR_FILE, CHAR_SOCKET */
    bool keeps_all;   /* what does not fit waits for a terminal, a pty and a socket, too */
    /* CHAR_TERMINAL: called on the loop thread with the key after Ctrl-A ('x', 'h', 'c', 'b' ...);
     * true: it was understood; false: the key is dropped. Ctrl-A Ctrl-A (or Ctrl-A a) sends one
     * Ctrl-A to the guest by itself. NULL: no escapes, bytes as they are. */
    bool (*escape)(void *opaque, u8 key);
    void *opaque;
    bool enter_is_newline; /* CHAR_TERMINAL: that key is \n, not \r */
    /* Called on the loop thread once when the input side ended (end of file); may be NULL. */
    void (*input_ended)(void *opaque);
    /* Whether who waits for room in the queue should wait no longer; asked now and then, on the
     * waiting thread; may be NULL. */
    bool (*gives_up)(void *opaque);
};

/* The loop and log outlive the backend. For CHAR_TERMINAL the terminal is raw from here to
 * char_backend_free, and restored on every way out of the process, crashes included. */
struct char_backend *char_backend_new(struct loop *loop, struct log *log,
                                      const struct char_backend_options *options,
                                      struct metic_error *error);
void char_backend_free(struct char_backend *backend); /* after its port; flushes for at most 1 s */

/* From now on nobody waits for room: output that does not fit is lost. Any thread; called when the
 * machine stops, so that no hart hangs in a write. */
void char_backend_stop_waiting(struct char_backend *backend);

/* Has the thread that writes there before the guest has printed anything; else it begins then. Any
 * thread. */
void char_backend_start(struct char_backend *backend);

const char *char_backend_path(const struct char_backend *backend); /* the pty's name, or NULL */

/* CHAR_TERMINAL. From now on `keys` gets what is typed, on the loop thread, escapes taken out, and
 * what the guest prints waits (up to 1 MiB of it), so that somebody else may use the terminal; when
 * this returns nothing of the guest's is being written. NULL: as before. Any thread. */
void char_backend_divert(struct char_backend *backend,
                         void (*keys)(void *opaque, const u8 *bytes, size_t size_bytes),
                         void *opaque);

/* Waits, at most `timeout_ms`, until what was written has left. Not on the loop thread. */
void char_backend_flush(struct char_backend *backend, unsigned timeout_ms);

/* CHAR_MEMORY only. The copy of the output so far: returns its whole length in bytes and copies at
 * most `capacity_bytes` from `from_byte` on. */
size_t char_backend_output(struct char_backend *backend, size_t from_byte, void *buffer,
                           size_t capacity_bytes);
void char_backend_feed(struct char_backend *backend, const void *bytes, size_t size_bytes);

/* Puts the terminal back, if this process has one in raw mode. Async-signal-safe; for handlers of
 * fatal signals that somebody else owns. */
void char_terminal_restore(void);

/* `backend` may be NULL (then as CHAR_NULL) and may serve one port. `loop` may be NULL when there
 * is neither a backend nor, with the real clock, a script. `name` becomes the journal source's name
 * and is kept by pointer. Input flows from here on; with the virtual clock a standard input that is
 * a regular file is read at once (at most 1 MiB), so that runs are equal. */
struct char_port *char_port_new(const char *name, struct loop *loop, struct char_backend *backend,
                                struct journal *journal, struct metic_error *error);
void char_port_free(struct char_port *port);

/* The device's side; any thread, may be called with the device's lock held. Writes of several
 * threads come one after the other. */
void char_port_write(struct char_port *port, const void *bytes, size_t size_bytes);
size_t char_port_read(struct char_port *port, void *buffer, size_t capacity_bytes);
/* `ready` is called when input was queued, without any lock of the port's held; the device takes
 * its lock and reads what it has room for. */
void char_port_set_ready(struct char_port *port, void (*ready)(void *opaque), void *opaque);

/* From now on another reader than the device gets the input: char_port_read has none, `ready` is
 * the other's, and what the device took without a driver having asked for it comes back, at most
 * `capacity_bytes` of it. Returns how much. A device whose driver may not come says by
 * char_port_set_unread how it gives back. Not with the device's lock held. */
size_t char_port_claim(struct char_port *port, void *buffer, size_t capacity_bytes,
                       void (*ready)(void *opaque), void *opaque);
size_t char_port_read_claimed(struct char_port *port, void *buffer, size_t capacity_bytes);
void char_port_set_unread(struct char_port *port,
                          size_t (*unread)(void *opaque, void *buffer, size_t capacity_bytes),
                          void *opaque);

/* Whether what a device writes next finds room. After a no, `room` is called on the loop thread
 * when there is some; not with the virtual clock, where the answer is always yes, since what the
 * guest sees must not depend on it. */
bool char_port_has_room(struct char_port *port);
void char_port_set_room(struct char_port *port, void (*room)(void *opaque), void *opaque);

/* Whether somebody is there: a socket's client; always for what needs nobody. `opened` is called as
 * `ready` is when that changes, through the journal. */
bool char_port_is_open(struct char_port *port);
void char_port_set_opened(struct char_port *port, void (*opened)(void *opaque, bool open),
                          void *opaque);

/* A break condition, from a terminal's escape or a debugger, through the journal. Any thread, but
 * with the real clock not with the device's lock held. `broken` is called as `ready` is. */
void char_port_send_break(struct char_port *port);
void char_port_set_broken(struct char_port *port, void (*broken)(void *opaque), void *opaque);

/* Input the device has not taken yet; while no hart runs. */
void char_port_save(struct char_port *port, struct state_writer *writer);
bool char_port_load(struct char_port *port, struct state_reader *reader, struct metic_error *error);

/* A machine that is put back (journal.h, "a history") writes again what it has written. How much it
 * had; that it is so much again, and what comes is not to leave a second time; that what comes is
 * new after all. While no hart runs. */
u64 char_port_written(const struct char_port *port);
void char_port_go_back(struct char_port *port, u64 written);
void char_port_forget_future(struct char_port *port);

/* Something else that wants to see the guest's output (panic detection, a test): called for every
 * write, on the writing thread under the device's lock; must be quick. At most eight. */
void char_port_add_tap(struct char_port *port,
                       void (*tap)(void *opaque, const u8 *bytes, size_t size_bytes),
                       void *opaque);
/* The same, but it also sees what is written a second time, by a machine that was put back. */
void char_port_add_inner_tap(struct char_port *port,
                             void (*tap)(void *opaque, const u8 *bytes, size_t size_bytes),
                             void *opaque);
/* The tap of that `opaque` is called no more; under the device's lock, or while no hart runs. */
void char_port_remove_tap(struct char_port *port, const void *opaque);

/* Bytes from outside, or from the program itself (a test, the script filter), through the journal.
 * Any thread, but with the real clock not with the device's lock held. */
void char_port_feed(struct char_port *port, const void *bytes, size_t size_bytes);
/* The same, but may be called with the device's lock held. */
void char_port_feed_later(struct char_port *port, const void *bytes, size_t size_bytes);
/* How much can be fed that surely finds room in the input queue. */
size_t char_port_input_room(const struct char_port *port);

/* For a port without a backend, whose other end is in this process. Somebody is always there; set
 * before harts start. */
void char_port_hold_open(struct char_port *port);
/* `used` is called when a program in the guest opens the port, and when none has it open any more,
 * on the hart's thread with the device's lock held. */
void char_port_set_used(struct char_port *port, void (*used)(void *opaque, bool used),
                        void *opaque);
void char_port_tell_used(struct char_port *port, bool used); /* the device's */
void char_port_drop_input(struct char_port *port); /* what the device has not taken yet */

/* Expect and send. Steps run in order: wait until `expect` has appeared in the guest's output since
 * the previous step ended (NULL or empty: at once), then send `send`. The guest's output is the
 * only clock, so with the virtual clock a script is as deterministic as the guest. */
struct char_script_step {
    const char *expect;
    const void *send;
    size_t send_bytes;
};

struct char_script_options {
    const struct char_script_step *steps; /* copied with all they point to */
    size_t step_count;
    const char *fail_text; /* NULL, or text whose appearance fails the script */
    /* Called once, on the thread that wrote the deciding byte, possibly under the device's lock.
     * Passed means that the last step's bytes were sent. */
    void (*finished)(void *opaque, bool passed);
    /* Likewise, or NULL: Ctrl-A X is sent, which ends the machine, as at a terminal. What stands
     * before it is sent, nothing behind it. */
    void (*quit)(void *opaque);
    void *opaque;
};

struct char_script *char_script_new(struct char_port *port,
                                    const struct char_script_options *options,
                                    struct metic_error *error);
void char_script_free(struct char_script *script); /* before the port */
/* How far it is; while no hart runs. */
void char_script_save(const struct char_script *script, struct state_writer *writer);
bool char_script_load(struct char_script *script, struct state_reader *reader);
size_t char_script_steps_done(const struct char_script *script);

#endif
