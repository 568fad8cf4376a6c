#!/bin/sh
# `make bench`: metic, QEMU and native code on the same work, taking turns in one run, so that a
# change of the host's mood meets all of them. Prints a table of medians with ratios, and writes
# bench/report.json and bench/report.svg below the current (build) directory.
#
#   ONLY=kernels|vector|primitives|linux|boot|scale|disk|net|share|screen|trace
#                                              one, or several with commas (default: all)
#   N=5                                        runs of each; the median counts
#   KERNELS=fib,crc                            only these kernels
#   PARTS=kernels,boot,disk                    of trace, only these
#   METIC, QEMU                                the programs
#
# Each bench_*.sh appends lines to $OUT, fields with tabs between them:
#   section  class  name  unit  who  value  result
# where WHO is metic, qemu, native or metic-something (a variant). RESULT is what the work produced,
# - where there is no such thing: report.awk prints no ratio between results that differ.

set -u
here=$(cd "$(dirname "$0")" && pwd)
METIC=${METIC:-$(pwd)/metic}
QEMU=${QEMU:-qemu-system-riscv64}
N=${N:-${RUNS:-5}}
only=${ONLY:-kernels,vector,primitives,linux,boot,scale,disk,net,share,screen,trace}
DIR=$(pwd)/bench
OUT=$DIR/samples.tsv
export METIC QEMU N DIR OUT

mkdir -p "$DIR" || exit 1
: >"$OUT"
command -v "$QEMU" >/dev/null 2>&1 || {
    echo "bench: no $QEMU to compare with (configure --install-bench-deps brings it)"
    exit 1
}
host="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, load $(
    cut -d' ' -f1 /proc/loadavg)"
versions="$("$METIC" --version | head -n 1); $("$QEMU" --version | head -n 1)"
printf 'host: %s\n%s\n' "$host" "$versions"

status=0
for section in $(echo "$only" | tr , ' '); do
    [ -r "$here/bench_$section.sh" ] || {
        echo "bench: there is no $section (kernels, vector, primitives, linux, boot, scale, disk, net, share, \
screen, trace)"
        exit 1
    }
    sh "$here/bench_$section.sh" || { echo "bench: $section failed"; status=1; }
done
[ -s "$OUT" ] || exit 1
awk -v json="$DIR/report.json" -v svg="$DIR/report.svg" -v host="$host" -v versions="$versions" \
    -v runs="$N" -f "$here/report.awk" "$OUT" || status=1
echo "written: bench/report.json, bench/report.svg"
exit $status
