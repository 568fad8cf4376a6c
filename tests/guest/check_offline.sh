#!/bin/sh
# Without network and cache, `make run` says so and boots the demo; with a damaged cache it does not
# trust it.

set -u
bad=0
wrong() { echo "$*"; bad=1; }
command -v apt-get >/dev/null 2>&1 || { echo "no apt here"; exit 77; }

# Nobody listens on the discard port of this machine.
METIC_DEBIAN_MIRROR=http://127.0.0.1:9/
XDG_CACHE_HOME=$TMP/cache
export METIC_DEBIAN_MIRROR XDG_CACHE_HOME
printf '#!/bin/sh\necho "metic $*"\n' >"$TMP/metic"
chmod +x "$TMP/metic"

sh "$SRCDIR/tests/guest/fetch.sh" >"$TMP/out" 2>&1
[ $? -eq 3 ] || wrong "fetch.sh without network does not end with 3: $(cat "$TMP/out")"
grep -q 'no network' "$TMP/out" || wrong "fetch.sh does not say that there is no network"

METIC=$TMP/metic sh "$SRCDIR/tests/guest/run.sh" >"$TMP/out" 2>&1 </dev/null ||
    wrong "run.sh fails without network"
grep -q '^metic run --demo' "$TMP/out" || wrong "run.sh does not boot the demo: $(cat "$TMP/out")"

guest=$TMP/cache/metic/guest
mkdir -p "$guest"
echo kernel >"$guest/vmlinuz"
(cd "$guest" && sha256sum vmlinuz >SHA256SUMS)
echo other >"$guest/vmlinuz"
sh "$SRCDIR/tests/guest/fetch.sh" >"$TMP/out" 2>&1
[ $? -eq 3 ] || wrong "fetch.sh trusts a damaged cache"
exit $bad
