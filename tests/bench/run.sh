#!/bin/sh
# `make bench`: runs every bench_*.sh here, or those whose name has ONLY in it. Each prints ratios
# against something that it ran in the same minute. METIC is the program, RUNS the number of runs.

set -u
here=$(cd "$(dirname "$0")" && pwd)
METIC=${METIC:-$(pwd)/metic}
RUNS=${RUNS:-5}
export METIC RUNS

printf 'host: %s, %s processors; %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$("$METIC" --version | head -n 1)"
status=0
for bench in "$here"/bench_*.sh; do
    case $bench in
    *"${ONLY:-}"*) sh "$bench" || status=1 ;;
    esac
done
exit $status
