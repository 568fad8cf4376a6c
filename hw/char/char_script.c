/* Expect and send; see backend_char.h. */
#include "hw/char/char_backend_internal.h"

#include <stdlib.h>
#include <string.h>

struct char_script {
    struct char_port *port;
    struct char_script_step *steps; /* own copies of texts and bytes */
    size_t step_count;
    char *fail_text;
    void (*finished)(void *opaque, bool passed);
    void (*quit)(void *opaque);
    void *opaque;
    /* The end of the output so far, as long as the longest text to look for; written by the thread
     * that writes the port, which the device's lock makes one at a time. */
    char *window;
    size_t window_bytes, window_capacity;
    _Atomic size_t steps_done;
    bool over;
};

static void char_script_end(struct char_script *script, bool passed)
{
    script->over = true;
    if (script->finished != NULL) {
        script->finished(script->opaque, passed);
    }
}

static bool char_script_seen(const struct char_script *script, const char *text)
{
    size_t text_bytes = strlen(text);
    return script->window_bytes >= text_bytes &&
           memcmp(script->window + script->window_bytes - text_bytes, text, text_bytes) == 0;
}

/* True: the rest is not to be sent, nor are later steps. */
static bool char_script_send(struct char_script *script, const struct char_script_step *step)
{
    static const u8 ctrl_a_x[] = {1, 'x'};
    const u8 *quit = script->quit != NULL && step->send_bytes > 0
                         ? memmem(step->send, step->send_bytes, ctrl_a_x, sizeof(ctrl_a_x))
                         : NULL;
    size_t bytes = quit != NULL ? (size_t)(quit - (const u8 *)step->send) : step->send_bytes;
    if (bytes > 0) {
        char_port_feed_later(script->port, step->send, bytes);
    }
    if (quit != NULL) {
        script->over = true;
        script->quit(script->opaque);
    }
    return quit != NULL;
}

/* Runs every step whose condition holds now. */
static void char_script_advance(struct char_script *script)
{
    while (!script->over && script->steps_done < script->step_count) {
        const struct char_script_step *step = &script->steps[script->steps_done];
        bool at_once = step->expect == NULL || step->expect[0] == '\0';
        if (!at_once && !char_script_seen(script, step->expect)) {
            return;
        }
        if (!at_once) {
            script->window_bytes = 0; /* the next step looks at later output only */
        }
        script->steps_done++;
        if (char_script_send(script, step)) {
            return;
        }
    }
    if (!script->over && script->steps_done == script->step_count) {
        char_script_end(script, true);
    }
}

static void char_script_tap(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct char_script *script = opaque;
    for (size_t i = 0; i < size_bytes && !script->over; i++) {
        if (script->window_bytes == script->window_capacity) {
            size_t half = script->window_capacity / 2;
            memmove(script->window, script->window + script->window_bytes - half, half);
            script->window_bytes = half;
        }
        script->window[script->window_bytes++] = (char)bytes[i];
        if (script->fail_text != NULL && char_script_seen(script, script->fail_text)) {
            char_script_end(script, false);
        } else {
            char_script_advance(script);
        }
    }
}

static bool char_script_copy(struct char_script *script,
                             const struct char_script_options *options)
{
    size_t longest = options->fail_text != NULL ? strlen(options->fail_text) : 0;
    script->steps = calloc(options->step_count + 1, sizeof(*script->steps));
    bool ok = script->steps != NULL;
    for (size_t i = 0; ok && i < options->step_count; i++) {
        const struct char_script_step *from = &options->steps[i];
        struct char_script_step *to = &script->steps[i];
        size_t expect_bytes = from->expect != NULL ? strlen(from->expect) : 0;
        longest = expect_bytes > longest ? expect_bytes : longest;
        char *expect = calloc(1, expect_bytes + 1);
        u8 *send = calloc(1, from->send_bytes + 1);
        *to = (struct char_script_step){expect, send, from->send_bytes};
        script->step_count = i + 1;
        ok = expect != NULL && send != NULL;
        if (ok && expect_bytes > 0) {
            memcpy(expect, from->expect, expect_bytes);
        }
        if (ok && from->send_bytes > 0) {
            memcpy(send, from->send, from->send_bytes);
        }
    }
    script->window_capacity = 2 * longest + 64;
    script->window = malloc(script->window_capacity);
    if (options->fail_text != NULL) {
        script->fail_text = strdup(options->fail_text);
        ok = ok && script->fail_text != NULL;
    }
    return ok && script->window != NULL;
}

struct char_script *char_script_new(struct char_port *port,
                                    const struct char_script_options *options,
                                    struct metic_error *error)
{
    struct char_script *script = calloc(1, sizeof(*script));
    if (script == NULL || !char_script_copy(script, options)) {
        error_set(error, NULL, "out of memory");
        char_script_free(script);
        return NULL;
    }
    script->port = port;
    script->finished = options->finished;
    script->quit = options->quit;
    script->opaque = options->opaque;
    char_port_add_inner_tap(port, char_script_tap, script);
    char_script_advance(script);
    return script;
}

void char_script_free(struct char_script *script)
{
    if (script == NULL) {
        return;
    }
    if (script->port != NULL) {
        char_port_remove_tap(script->port, script);
        char_port_drain(script->port); /* a feed under way still holds the port */
    }
    for (size_t i = 0; i < script->step_count; i++) {
        free((void *)(uintptr_t)script->steps[i].expect);
        free((void *)(uintptr_t)script->steps[i].send);
    }
    free(script->steps);
    free(script->fail_text);
    free(script->window);
    free(script);
}

size_t char_script_steps_done(const struct char_script *script)
{
    return script->steps_done;
}

void char_script_save(const struct char_script *script, struct state_writer *writer)
{
    state_write_u64(writer, script->steps_done);
    state_write_u32(writer, script->over);
    state_write_u32(writer, (u32)script->window_bytes);
    state_write_bytes(writer, script->window, script->window_bytes);
}

bool char_script_load(struct char_script *script, struct state_reader *reader)
{
    u64 steps_done;
    u32 over, window_bytes;
    if (!state_read_u64(reader, &steps_done) || !state_read_u32(reader, &over) ||
        !state_read_u32(reader, &window_bytes) || steps_done > script->step_count ||
        window_bytes > script->window_capacity ||
        !state_read_bytes(reader, script->window, window_bytes)) {
        return false;
    }
    script->steps_done = (size_t)steps_done;
    script->over = over != 0;
    script->window_bytes = window_bytes;
    return true;
}
