/* Bash completion: source <(metic help --completion). */
#include "ui/command/disk.h"
#include "ui/monitor/monitor.h"

#include <string.h>

/* A case arm that completes the value of one option. */
static void completion_value(FILE *to, const struct option_row *row)
{
    if (row->value == NULL || row->words == NULL) {
        return;
    }
    if (strcmp(row->words, "FILE") == 0) {
        fprintf(to, "    --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", row->name);
    } else {
        fprintf(to, "    --%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", row->name,
                row->words);
    }
}

/* metic monitor NAME WORD...: the words of the commands that begin as what was typed. */
static void completion_monitor(FILE *to)
{
    const char *words, *arguments, *doc;
    fputs("    monitor) if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
          "            COMPREPLY=($(compgen -W \"$(metic ps 2>/dev/null | sed 1d | cut -d' ' -f1)\""
          " -- \"$cur\"))\n            return\n        fi\n"
          "        local at=$((COMP_CWORD - 3)) entry parts\n"
          "        local typed=\"${COMP_WORDS[*]:3:at}\"\n        for entry in", to);
    for (unsigned i = 0; monitor_describe(i, &words, &arguments, &doc); i++) {
        fprintf(to, " '%s'", words);
    }
    fputs("; do\n            case $entry in\n"
          "            \"$typed${typed:+ }$cur\"*)\n"
          "                parts=($entry); COMPREPLY+=(\"${parts[at]}\") ;;\n"
          "            esac\n        done\n        return ;;\n", to);
}

void help_completion(FILE *to)
{
    fputs("# bash completion for metic\n_metic()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '", to);
    for (unsigned i = 0; i < ui_verb_count; i++) {
        fprintf(to, "%s ", ui_verbs[i].name);
    }
    fputs("--version' -- \"$cur\"))\n        return\n    fi\n"
          "    case ${COMP_WORDS[1]} in\n"
          "    list) COMPREPLY=($(compgen -W 'machines devices insns csrs ir keymaps' "
          "-- \"$cur\")); return ;;\n"
          "    help) COMPREPLY=($(compgen -W '--man --completion", to);
    for (unsigned i = 0; i < ui_verb_count; i++) {
        fprintf(to, " %s", ui_verbs[i].name);
    }
    fputs("' -- \"$cur\")); return ;;\n"
          "    disk) if [ \"$COMP_CWORD\" -eq 2 ]; then COMPREPLY=($(compgen -W '", to);
    for (unsigned i = 0; i < disk_command_count; i++) {
        fprintf(to, "%s ", disk_commands[i].name);
    }
    fputs("' -- \"$cur\")); else COMPREPLY=($(compgen -f -W '", to);
    for (unsigned i = 0; i < disk_option_count; i++) {
        fprintf(to, "--%s ", disk_options[i].name);
    }
    fputs("' -- \"$cur\")); fi; return ;;\n", to);
    completion_monitor(to);
    fputs("    run) ;;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n    esac\n"
          "    case $prev in\n", to);
    for (unsigned i = 0; i < option_row_count; i++) {
        completion_value(to, &option_rows[i]);
    }
    fputs("    esac\n    case $cur in\n    -*) COMPREPLY=($(compgen -W '--help", to);
    for (unsigned i = 0; i < option_row_count; i++) {
        if (option_rows[i].parse != NULL) {
            fprintf(to, " --%s", option_rows[i].name);
        }
    }
    fputs("' -- \"$cur\")) ;;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n    esac\n}\n"
          "complete -o filenames -F _metic metic\n", to);
}
