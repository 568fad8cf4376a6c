/* Reading a line and finding its command. */
#include "roms/common/mem.h"
#include "roms/demo/demo.h"

#define LINE_BYTES 128u
#define KEY_BACKSPACE 0x08
#define KEY_CTRL_C 0x03
#define KEY_CTRL_U 0x15
#define KEY_DELETE 0x7f

static void erase(size_t *length, size_t down_to)
{
    while (*length > down_to) {
        put_text("\b \b");
        (*length)--;
    }
}

/* One line with echo; backspace, Ctrl-U and Ctrl-C do what one expects. */
static void read_line(char *line)
{
    size_t length = 0;

    for (;;) {
        char c = console_get();
        if (c == '\r' || c == '\n') {
            break;
        }
        if (c == KEY_CTRL_C) {
            put_text("^C");
            length = 0;
            break;
        }
        if (c == KEY_CTRL_U) {
            erase(&length, 0);
        } else if ((c == KEY_BACKSPACE || c == KEY_DELETE) && length > 0) {
            erase(&length, length - 1);
        } else if (c >= ' ' && c < KEY_DELETE && length + 1 < LINE_BYTES) {
            line[length++] = c;
            console_put(c);
        }
    }
    line[length] = '\0';
    console_put('\n');
}

static void run_line(const struct machine *m, char *line)
{
    while (*line == ' ') {
        line++;
    }
    char *arg = line;
    while (*arg != '\0' && *arg != ' ') {
        arg++;
    }
    while (*arg == ' ') {
        *arg++ = '\0';
    }
    if (*line == '\0') {
        return;
    }
    for (size_t i = 0; i < command_count; i++) {
        if (text_equal(commands[i].name, line)) {
            commands[i].run(m, arg);
            return;
        }
    }
    put_text(line);
    put_text(": no such command; help lists them.\n");
}

/* run=a,b,c from the boot arguments, as if typed; a + in a command stands for a blank. */
static void run_boot_commands(const struct machine *m)
{
    char line[LINE_BYTES];
    const char *p = m->run;

    while (p != NULL && *p != '\0' && *p != ' ') {
        size_t length = 0;
        for (; *p != '\0' && *p != ' ' && *p != ','; p++) {
            if (length + 1 < LINE_BYTES) {
                line[length++] = *p == '+' ? ' ' : *p;
            }
        }
        p += *p == ',';
        line[length] = '\0';
        put_text("demo> ");
        put_text(line);
        console_put('\n');
        run_line(m, line);
    }
}

_Noreturn void shell_run(const struct machine *m)
{
    char line[LINE_BYTES];

    run_boot_commands(m);
    for (;;) {
        put_text("demo> ");
        read_line(line);
        run_line(m, line);
    }
}
