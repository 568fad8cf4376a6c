#!/bin/sh
# Confinement: a plug-in that tries to break out of the process (escape.c), with several
# configurations; what a confined machine must still be able to do; and refusals.
set -u
passed=0
failed=0
good() { passed=$((passed + 1)); echo "ok: $*"; }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }
cd "$TMP" || exit 1
export XDG_RUNTIME_DIR="$TMP/run" XDG_STATE_HOME="$TMP/state"
mkdir -p run share elsewhere kept saved sockets
cc=${CC:-cc}
"$METIC" doctor >doctor
if grep -q -i 'with.*-fsanitize' config.h 2>/dev/null; then echo "sanitizers need what is given up"; exit 77; fi
grep -q '^ok .*confinement' doctor || { grep confinement doctor; echo "this host cannot confine all"; exit 77; }
# shellcheck disable=SC2086
$cc -shared -fPIC -D_GNU_SOURCE -I"$SRCDIR" -o escape.so "$SRCDIR/tests/ui/escape.c" -pthread || exit 1
echo secret >elsewhere/secret

# escape NAME PLUGIN-ARGUMENTS OPTION...: a demo with the plug-in; its words in NAME.err.
escape() {
    name=$1 arguments=$2
    shift 2
    touch kept/precious
    timeout 100 "$METIC" run --demo --quiet --plugin "escape.so,precious=$TMP/kept/precious$arguments" \
        --expect 'demo> ' --send 'poweroff\n' "$@" >"$name.out" 2>"$name.err" </dev/null
    status=$?
    [ $status -eq 0 ] && good "$name: runs" || { wrong "$name: status $status"; cat "$name.err"; }
}
# done_of NAME: what it could do, in one line.
done_of() { sed -n 's/^escape: \(.*\): DONE$/\1/p' "$1.err" | paste -sd, -; }
# only NAME WHAT...: it could do this and nothing else, and no thread could.
only() {
    got=$(done_of "$1")
    [ "$got" = "$2" ] && good "$1: can do: $got" || wrong "$1: can do: $got; should: $2"
    [ "$(grep -c ': refused$' "$1.err")" -ge 20 ] || wrong "$1: few attempts"
    sed -n 's/^escape: \([0-9]*\) threads asked, \([0-9]*\) answered, \([0-9]*\) opened.*/\1 \2 \3/p' \
        "$1.err" >threads
    read -r asked answered opened <threads
    { [ "$asked" -ge 4 ] && [ "$asked" = "$answered" ] && [ "$opened" = 0 ]; } &&
        good "$1: none of $asked threads" || wrong "$1: threads: $(cat threads)"
}

escape off '' --confine off
case $(done_of off) in
*'read /etc/passwd'*'fork'*) good "without confinement it breaks out" ;;
*) wrong "without confinement: $(done_of off)" ;;
esac
rm -rf /tmp/metic-escaped /tmp/metic-escaped-folder /tmp/metic-escaped-link

escape plain '' --confine must
only plain 'a thread'
[ -e kept/precious ] || wrong "plain: a file is gone"
escape virtual '' --confine must --clock virtual --cpus 2
only virtual 'a thread'
escape net '' --confine must --net user --forward 22022:22
only net 'connect,a thread'
escape restricted '' --confine must --net user:restrict
only restricted 'a thread'
escape share ",folder=$TMP/share,allowed=$TMP/share/made" --confine must --share share
only share 'allowed folder,allowed link,a thread'
rm -f share/*
escape read-only ",folder=$TMP/share" --confine must --share share:ro
only read-only 'a thread'
escape allowed ",folder=$TMP/share,allowed=$TMP/elsewhere/secret" --allow share --allow elsewhere/secret:ro
only allowed 'allowed file,allowed folder,allowed link,a thread'
escape link '' --confine must --net socket:"$TMP/sockets/cable"
only link 'connect on this host,a thread'
escape pty '' --confine must --virtio-console pty --gdb="$TMP/sockets/gdb" --profile p.html
only pty 'a thread'
ls /tmp/metic-escaped* 2>/dev/null && wrong "it left something"

# ---- what must go on working ----

truncate -s 1M disk.img
timeout 100 "$METIC" run --demo --confine must --name box --serial pty --net user:restrict --disk disk.img \
    --gdb="$TMP/sockets/gdb" --save saved/last.zst --profile p.folded \
    --pcap none.pcap >box.log 2>&1 &
pid=$!
i=0
while i=$((i + 1)) && [ $i -lt 100 ]; do "$METIC" log box 2>/dev/null | grep -q 'demo> ' && break; sleep 0.1; done
python3 "$SRCDIR/tests/ui/qmp_talk.py" run/metic/box/monitor >qmp 2>&1 <<'END'
qmp_capabilities
human-monitor-command {"command-line": "info confinement"}
snapshot-save {"tag": "one"}
snapshot-load {"tag": "one"}
human-monitor-command {"command-line": "snapshot save ./elsewhere/two.zst"}
snapshot-delete {"tag": "one"}
system_reset
event RESET
quit
END
wait $pid
status=$?
[ $status -eq 0 ] && good "a confined machine ends well" || { wrong "status $status"; cat box.log qmp; }
grep -q 'no_new_privs, seccomp, Landlock (version' qmp && good "info confinement" || wrong "info: $(cat qmp)"
[ "$(grep -c '"return": {}' qmp)" -eq 6 ] && good "snapshots by name" || { wrong "snapshots"; cat qmp; }
grep -q 'elsewhere/two.zst.*--allow' qmp && good "a snapshot elsewhere is refused by name" || {
    wrong "a snapshot elsewhere"; cat qmp; }
for file in saved/last.zst p.folded; do [ -s $file ] && good "$file" || wrong "$file is not there"; done
[ ! -e run/metic/box ] && good "its folder is gone" || wrong "its folder is left"
[ ! -e sockets/gdb ] && good "its socket is gone" || wrong "its socket is left"
timeout 100 "$METIC" restore saved/last.zst --confine must --quiet --serial none >restored 2>&1
[ $? -eq 91 ] && good "restored" || { wrong "restore"; cat restored; }

timeout 20 "$METIC" run --demo --confine perhaps >bad 2>&1
[ $? -eq 2 ] && grep -q "Say on, off or must" bad && good "a bad value" || wrong "$(cat bad)"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
