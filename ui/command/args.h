/* The command line of `metic run` as a value, and the table it is read by. */
#ifndef METIC_UI_ARGS_H
#define METIC_UI_ARGS_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/metic.h"
#include "ui/screen/keymap.h"

enum { RUN_MAX_SHOWS = 8, RUN_MAX_SYMBOLS = 8 };

/* Console steps with their texts unescaped; owns the texts. */
struct run_steps {
    struct metic_step steps[METIC_MAX_STEPS];
    unsigned count;
    bool open; /* the last step has its expect and waits for its send */
};

struct run_show {
    char *stages;  /* owned */
    const char *place; /* points into stages' block: address or symbol */
};

enum { RUN_MAX_FILTERS = 32, RUN_MAX_PLUGINS = 8, RUN_MAX_ALLOWED = 16 };

/* What is recorded, as given. */
struct run_trace {
    const char *path;
    const char *format; /* of what is recorded; NULL: nothing is (but maybe a commit log) */
    const char *events, *calls;
    const char *filters[RUN_MAX_FILTERS];
    unsigned filter_count;
    size_t last_bytes; /* 0: all */
};

struct run_args {
    struct metic_options options;
    const char *thing; /* NULL: none given */
    const char *before_thing; /* the argument before it, or "" */
    bool demo, quiet, json, help;
    bool perf_map, jitdump; /* for the host's perf */
    struct run_restored *restored; /* what to begin with, or NULL: power-on */
    const char *name; /* NULL: made from the image's */
    bool window;            /* --display sdl */
    struct {
        const char *where;         /* it listens (vnc.h), or NULL */
        const char *password_file; /* or NULL */
    } vnc[METIC_MAX_SCREENS];      /* of each screen */
    bool clipboard_given;   /* otherwise shared where there is a screen */
    bool sound_given;       /* otherwise a machine with a screen has a card */
    bool loudspeaker;       /* what it plays is heard here, through SDL */
    const char *keymap_name; /* of the guest's keyboard; NULL: US */
    struct keymap *keymap;  /* that, or NULL; owned */
    const char *screenshot; /* at the end, or NULL */
    unsigned screenshot_screen;
    struct metic_video video; /* path NULL: none */
    const char *monitor; /* path of its socket, "none", or NULL: in the runtime folder */
    bool paused, detach;
    int confine;         /* run_confine.h */
    struct { const char *path; bool read_only; } allow[RUN_MAX_ALLOWED];
    unsigned allow_count;
    char confined[160];  /* once it is: what is in force */
    u64 limit_output_bytes; /* 0: none */
    unsigned limit_cpu_percent; /* of one processor; 0: none */
    u64 limit_memory_bytes; /* 0: none */
    const char *core; /* what an unhappy end leaves, or NULL */
    const char *save; /* a snapshot is saved to this file, or NULL */
    u64 save_at;      /* when all harts have executed so many instructions; 0: at the end */
    bool save_compressed;
    bool revert_disks;
    bool save_done, save_failed; /* run_snapshot.c */
    struct metic_error save_error;
    bool restores;    /* there is no thing: it comes from a snapshot */
    char *kept;       /* the options that make the machine, for a snapshot (args_snapshot.c) */
    const char *gdb;  /* port or path, or NULL: no server */
    bool gdb_wait;
    const char *symbols[RUN_MAX_SYMBOLS]; /* for metic debug */
    unsigned symbol_count;
    struct run_trace trace;
    const char *plugins[RUN_MAX_PLUGINS];
    unsigned plugin_count;
    const char *profile;     /* file, or NULL */
    u64 profile_insns, profile_ns;
    const char *cover;       /* file, or NULL */
    bool clock_given;
    const char *clock_for; /* the option for whose sake the clock is virtual, or NULL */
    struct run_steps steps;
    struct run_show shows[RUN_MAX_SHOWS];
    unsigned show_count;
    char *owned[METIC_MAX_DISKS * 3 + METIC_MAX_SHARES + 16]; /* copies of parts of arguments */
    unsigned owned_count;
};

/* One row of options.def. A group's title has no parser. */
struct option_row {
    const char *name;  /* or the group's title */
    const char *value; /* NULL: a switch */
    const char *words;
    bool (*parse)(struct run_args *args, void *member, const char *name, const char *value,
                  struct metic_error *error);
    size_t offset;
    const char *doc;
};

extern const struct option_row option_rows[];
extern const unsigned option_row_count;

/* Where --gdb listens when it does not say. */
extern const char args_default_gdb[];

/* Reads the arguments behind `run`. False with a reason: the usage was wrong. args_free in any
 * case. The strings of argv are kept by pointer. */
bool args_parse(struct run_args *args, int argc, char *const *argv, struct metic_error *error);
void args_free(struct run_args *args);

/* args_snapshot.c. The command line as a snapshot keeps it: a line for each argument of the options
 * that make the machine, with paths that hold anywhere. Appends one option. */
bool args_is_kept(const struct option_row *row); /* one that makes the machine */
void args_keep(struct run_args *args, const struct option_row *row, const char *value);
void args_keep_thing(struct run_args *args);
/* The same options again, in front of argv's; the strings live until the process ends with those of
 * *owned. NULL: no memory. */
char **args_with_kept(const char *kept, int argc, char *const *argv, int *count);
/* As args_parse, for `metic restore`: without a thing to run. */
bool args_parse_restore(struct run_args *args, int argc, char *const *argv,
                        struct metic_error *error);

/* Keeps a heap string until args_free; returns it. */
char *args_own(struct run_args *args, char *text);

/* The word of `words` (count strings) nearest to `wrong`, or NULL when none is near. */
const char *args_nearest(const char *wrong, const char *(*word_at)(unsigned index));

/* Letters to be changed, put in or left out to make one word of the other. */
unsigned args_distance(const char *a, const char *b);

/* C escapes: \n \r \t \a \b \e \f \v \\ \" \' \0oo \xhh. A new string, or NULL with a reason. A
 * zero byte cannot be typed or awaited. */
char *args_unescape(const char *text, struct metic_error *error);

/* Appends a step. False with a reason. `text` still has its escapes. */
/* option_sound.c: a card where there is a screen, unless --sound says otherwise. */
bool args_choose_sound(struct run_args *args, struct metic_error *error);
void args_choose_clipboard(struct run_args *args); /* option_screen.c: likewise */
bool args_check_screens(struct run_args *args, struct metic_error *error); /* there as well */

bool args_add_expect(struct run_steps *steps, const char *text, struct metic_error *error);
bool args_add_send(struct run_steps *steps, const char *text, struct metic_error *error);
bool args_read_script(struct run_steps *steps, const char *path, struct metic_error *error);

/* "200M", "5000". */
bool args_parse_count(const char *text, u64 *count);

/* Copies `value` without `suffix` when it ends so. NULL when it does not. */
char *option_value_without(struct run_args *args, const char *value, const char *suffix);

/* option_values.c: one parser for each kind of value. */
#define OPTION_PARSER(kind)                                                                  \
    bool option_parse_##kind(struct run_args *args, void *member, const char *name,          \
                             const char *value, struct metic_error *error)
OPTION_PARSER(flag);
OPTION_PARSER(string);
OPTION_PARSER(folder);
OPTION_PARSER(size);
OPTION_PARSER(code_cache);
OPTION_PARSER(harts);
OPTION_PARSER(block_insns);
OPTION_PARSER(u64);
OPTION_PARSER(count);
OPTION_PARSER(time);
OPTION_PARSER(engine);
OPTION_PARSER(clock);
OPTION_PARSER(serial);
OPTION_PARSER(virtio);
OPTION_PARSER(virtio_console);
OPTION_PARSER(disk);
OPTION_PARSER(screen);
OPTION_PARSER(video);
OPTION_PARSER(screenshot);
OPTION_PARSER(share);
OPTION_PARSER(vsock);
OPTION_PARSER(semihosting);
OPTION_PARSER(semihosting_dir);
OPTION_PARSER(sound);
OPTION_PARSER(sound_in);
OPTION_PARSER(port);
OPTION_PARSER(display);
OPTION_PARSER(clipboard);
OPTION_PARSER(keymap);
OPTION_PARSER(net);
OPTION_PARSER(forward);
OPTION_PARSER(mac);
OPTION_PARSER(flash);
OPTION_PARSER(expect);
OPTION_PARSER(send);
OPTION_PARSER(script);
OPTION_PARSER(trace_format);
OPTION_PARSER(trace_filter);
OPTION_PARSER(profile_every);
OPTION_PARSER(plugin);
OPTION_PARSER(trace_last);
OPTION_PARSER(show);
OPTION_PARSER(gdb);
OPTION_PARSER(symbols);
OPTION_PARSER(host_features);
OPTION_PARSER(percent);
OPTION_PARSER(confine);
OPTION_PARSER(allow);

#endif
