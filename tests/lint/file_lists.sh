#!/bin/sh
# The explicit file lists of Makefile.in, as the tree has them: printed, or put into Makefile.in with
# --write (after adding or removing a file). check_file_lists.sh compares.

set -u
cd "$(dirname "$0")/../.." || exit 1

# list NAME: file names on standard input, written as make does, at most 100 columns wide.
list() {
    LC_ALL=C sort | awk -v line="$1 =" '
        { if (length(line) + length($0) > 97) { print line " \\"; line = "\t" $0; next }
          line = line " " $0 }
        END { print line }'
}

lists() {
    find cpu/base -name '*.c' | list BASE_SRCS
    find cpu -name '*.c' ! -path 'cpu/base/*' ! -name decode_tables.c | list CPU_SRCS
    find translate -name '*.c' | list TRANSLATE_SRCS
    find hw -name '*.c' | list HW_SRCS
    find roms -maxdepth 1 -name '*.S' | list ROM_SRCS
    find ui -name '*.c' ! -name main.c ! -name confine_filters.c | list UI_SRCS
    [ ! -d tests/support ] || find tests/support -name '*.c' | list TEST_SUPPORT_SRCS
    find tests -name 'test_*.c' | list TEST_SRCS
    find tests -name 'check_*.sh' | list CHECK_SCRIPTS
    find tests -name 'long_*.sh' | list LONG_SCRIPTS
}

case ${1:-} in
--write)
    begin='^# ---- What belongs to which layer'
    end='^# ---- Derived'
    {
        sed "/$begin/q" Makefile.in
        echo
        lists
        echo
        sed -n "/$end/,\$p" Makefile.in
    } >Makefile.in.new && cat Makefile.in.new >Makefile.in && rm Makefile.in.new
    ;;
*) lists ;;
esac
