#!/bin/sh
# metic ssh and metic cp find a machine that runs, and start the host's ssh and scp with what leads to
# it: here programs that print their arguments, and for ssh ask the guest's port.

set -u
grep -q 'HAVE_SLIRP 1' config.h || { echo "built without libslirp (Debian: libslirp-dev)"; exit 77; }
. "$SRCDIR/tests/boot/boot.sh"
XDG_RUNTIME_DIR=$TMP/run
PATH=$TMP/bin:$PATH
export XDG_RUNTIME_DIR PATH
mkdir -p "$TMP/bin" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
$CC -std=gnu11 -D_GNU_SOURCE -O1 -o "$TMP/host" "$SRCDIR/tests/net/host.c" || exit 1
cat >"$TMP/bin/ssh" <<END
#!/bin/sh
# Between two of its connections the guest has no server, and metic asked it just now.
echo "ssh \$*"
while [ "\$1" != -p ]; do shift; done
tries=0
until "$TMP/host" get "\$2" | grep . || [ \$tries -eq 100 ]; do
    tries=\$((tries + 1))
    sleep 0.1
done
END
printf '#!/bin/sh\necho "scp $*"\n' >"$TMP/bin/scp"
chmod +x "$TMP/bin/ssh" "$TMP/bin/scp"

says() {
    if grep -q -- "$1" "$TMP/said"; then good "$1"; else
        wrong "no '$1'"
        cat "$TMP/said"
    fi
}
ask() { "$METIC" "$@" >"$TMP/said" 2>&1; }

ask ssh && wrong "ssh to nobody succeeds"
says 'no machine'
(failed=0; boot guest 0 --name one --forward 20022:22 --forward 20023:23 --expect "$prompt" \
    --send 'net-up; (while :; do echo guest speaks | nc -l -p 22; done) & echo end | nc -l -p 23\n' \
    --expect 'nc -l -p 23' --expect "$prompt" --send 'poweroff\n'
    exit $failed) &
guest=$!
# A machine says what its forwards are before it is loaded, and can be found by its name after that.
until "$METIC" ps 2>/dev/null | grep -q '^one ' || ! kill -0 $guest 2>/dev/null; do
    sleep 0.2
done
# The guest's server is still to come: both wait until it speaks.
ask cp -r file one:/tmp
says '^scp .*-P 200[0-9]* -r file root@127.0.0.1:/tmp$'
ask cp user@one:/etc/motd .
says ' user@127.0.0.1:/etc/motd \.$'
ask cp file file2 && wrong "cp without a machine succeeds"
says 'one of them in a machine'
ask ssh two && wrong "ssh to a machine that is not there succeeds"
says 'two'
ask ssh me@one -v -- uname -a
says '^ssh .*known_hosts .*-p 200[0-9]* -l me -v 127.0.0.1 uname -a$'
says 'guest speaks'
end=$(tr -d '\r' <"$TMP/guest" | sed -n "s/.*127.0.0.1:\([0-9]*\) .*the guest's port 23$/\1/p")
tries=0
until "$TMP/host" get "$end" >/dev/null 2>&1 || [ $tries -eq 100 ]; do
    tries=$((tries + 1))
    sleep 0.3
done
wait $guest || wrong "the guest did not end well"
finish
