#!/bin/sh
# translate/WALK.md tells the truth: the listings in it are what `metic run --show` prints for putc of
# hello.S, and what the pages name is there. A listing is the fenced block after a line
# <!-- listing: decode --> (or ir, opt, host, log). Host addresses are made offsets from the block's
# start, and `outside` elsewhere; the host's features are forced, so the listing is the same everywhere.
#
#   sh tests/docs/check_walk.sh --update     with METIC, SRCDIR and TMP set: writes the listings anew

set -u
update=${1:-}
page=$SRCDIR/translate/WALK.md
passed=0
failed=0
stages="decode ir opt host log"

cc=riscv64-linux-gnu-gcc
command -v $cc >/dev/null 2>&1 || { echo "no $cc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
$cc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o "$TMP/hello.elf" \
    "$SRCDIR/tests/docs/hello.S" || exit 1

for stage in $stages; do
    case $stage in
    log)
        "$METIC" run "$TMP/hello.elf" --quiet --serial none --trace-format spike --trace "$TMP/trace" \
            --limit-insns 25 >/dev/null 2>&1
        grep -A 1 0x000000008000003c "$TMP/trace" | sed 's/^/  /' | head -n 2 >"$TMP/log"
        continue
        ;;
    esac
    "$METIC" run "$TMP/hello.elf" --quiet --serial none --host-features plain --show "$stage@putc" \
        >"$TMP/shown" 2>"$TMP/err" || { cat "$TMP/err"; exit 1; }
    sed 1d "$TMP/shown" >"$TMP/$stage"
    if [ "$stage" = host ]; then
        awk -f "$SRCDIR/tests/support/host_code.awk" "$TMP/host" >"$TMP/host.new" && mv "$TMP/host.new" "$TMP/host"
    fi
done

if [ "$update" = --update ]; then
    awk -v dir="$TMP" '
    /^<!-- listing: / { stage = $3 }
    stage != "" && /^```/ {
        print; opened = !opened
        if (opened) { while ((getline text < (dir "/" stage)) > 0) { print text } }
        else { stage = "" }
        next
    }
    !opened { print }' "$page" >"$TMP/page" && cp "$TMP/page" "$page"
fi

for stage in $stages; do
    awk -v wanted="$stage" '
    /^<!-- listing: / { stage = $3 }
    stage == wanted && /^```/ { opened = !opened; if (!opened) { stage = "" }; next }
    opened { print }' "$page" >"$TMP/in_page"
    if [ -s "$TMP/$stage" ] && diff -u "$TMP/in_page" "$TMP/$stage"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WALK.md: the listing '$stage' is not what metic prints (--update writes it anew)"
    fi
done

# What stands between backquotes: files exist, and identifiers of ours (name() or with an underscore)
# occur in the code.
cd "$SRCDIR" || exit 1
# shellcheck disable=SC2016
cat README.md ARCHITECTURE.md translate/WALK.md docs/*.md | awk '/^```/ { code = !code; next }
    !code { print }' | grep -o '`[^` ]*`' | tr -d '`' | LC_ALL=C sort -u >"$TMP/names"
find cpu translate hw ui tests roms configure Makefile.in -type f ! -name '*.bin' ! -name '*.md' >"$TMP/files"
# Every word of the code and of its file names once. What a macro pastes together is not among them.
{ cat "$TMP/files"; xargs cat <"$TMP/files"; } | tr -c 'A-Za-z0-9_\n' '\n' | LC_ALL=C sort -u >"$TMP/words"
while read -r name; do
    case $name in
    *[!A-Za-z0-9_/.\(\)-]* | */*\**) continue ;;
    cpu/*/ | translate/*/ | hw/*/ | cpu/* | translate/* | hw/* | ui/* | tests/* | roms/* | docs/*)
        path=${name%/}
        [ -e "$path" ] && passed=$((passed + 1)) && continue
        echo "there is no $name"
        failed=$((failed + 1))
        ;;
    *'()' | [a-zA-Z]*_[a-zA-Z]*)
        word=${name%'()'}
        case $word in *[!A-Za-z0-9_]* | RISCV_INSN_*) continue ;; esac
        if LC_ALL=C grep -qxF "$word" "$TMP/words"; then
            passed=$((passed + 1))
        else
            echo "the code has no $name"
            failed=$((failed + 1))
        fi
        ;;
    esac
done <"$TMP/names"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
