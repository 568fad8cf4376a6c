#!/bin/sh
# Machines that run, seen from outside: metic ps, log and stop, and the monitor's socket with a client
# of its own.

set -u
grep -q 'HAVE_JANSSON 1' config.h || { echo "built without jansson (Debian: libjansson-dev)"; exit 77; }
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
export XDG_RUNTIME_DIR="$TMP/run"
export XDG_STATE_HOME="$TMP/state"
mkdir -p "$XDG_RUNTIME_DIR"
passed=0
failed=0
good() { passed=$((passed + 1)); echo "ok: $*"; }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }

# start NAME OPTION...: a demo in the background, its process in $pid. Its console could be typed into, so that
# it waits for that however long this takes.
start() {
    name=$1
    shift
    timeout 120 "$METIC" run --demo --serial pty --net none --name "$name" "$@" >"$TMP/$name.log" 2>&1 &
    pid=$!
    i=0
    until "$METIC" ps | grep -q "^$name "; do
        i=$((i + 1))
        [ $i -lt 100 ] || { wrong "$name does not start"; cat "$TMP/$name.log"; return 1; }
        sleep 0.1
    done
}

# ended PID STATUS
ended() {
    wait "$1"
    got=$?
    [ $got -eq "$2" ] && good "status $2" || wrong "status $got, not $2"
}

# says FILE TEXT
says() {
    grep -q -- "$2" "$TMP/$1" && good "$1: $2" || { wrong "$1: no '$2'"; cat "$TMP/$1"; }
}

# ---- ps, log, stop ----

start one
one=$pid
start two --cpus 2
two=$pid
"$METIC" ps >"$TMP/ps"
says ps '^one .*1 hart, 512 MiB *demo'
says ps '^two .*2 harts'
"$METIC" ps --json | python3 -m json.tool >/dev/null && good "ps --json is JSON" || wrong "ps --json"
[ "$(stat -c %a "$XDG_RUNTIME_DIR/metic/one/monitor")" = 600 ] && good "the socket is the user's" ||
    wrong "the socket's mode"
"$METIC" stop >"$TMP/which" 2>&1 && wrong "stop chose one of two"
says which 'machines run'
i=0
until "$METIC" log one | grep -q 'demo> ' || [ $i -eq 100 ]; do i=$((i + 1)); sleep 0.1; done
"$METIC" log one >"$TMP/log"
says log 'demo> '
timeout 30 "$METIC" run --demo --serial none --name one >"$TMP/again" 2>&1
says again 'runs already'
"$METIC" stop one && good "stop one"
ended $one 143
kill -9 "$(sed -n 1p "$XDG_RUNTIME_DIR/metic/two/lock")"
wait $two
[ "$("$METIC" ps)" = "no machine runs" ] && good "what was killed is forgotten" || wrong "$("$METIC" ps)"
start two # where the other one left its socket
"$METIC" stop two && good "its name serves again" || { wrong "stop two"; kill $pid; }
ended $pid 143

# ---- in the background ----

timeout 60 "$METIC" run --demo --net none --detach --name back >"$TMP/back" 2>&1 </dev/null
[ $? -eq 0 ] && good "--detach comes back" || { wrong "--detach"; cat "$TMP/back"; }
says back 'back runs in the background'
says back 'console: /dev/pts/'
"$METIC" ps | grep -q '^back ' && good "metic ps finds it" || wrong "metic ps does not find it"
i=0
until "$METIC" log back | grep -q 'demo> ' || [ $i -eq 100 ]; do i=$((i + 1)); sleep 0.1; done
"$METIC" log back >"$TMP/backlog"
says backlog 'demo> '
if "$METIC" monitor back info registers 99 2>"$TMP/err"; then wrong "registers of hart 99"; fi
"$METIC" monitor back info harts >"$TMP/harts" && says harts '^hart 0: pc 0x'
"$METIC" monitor info status >"$TMP/status" && says status running
"$METIC" monitor >"$TMP/none" 2>&1
[ $? -eq 2 ] && good "metic monitor without a command" || wrong "metic monitor without a command"
if command -v bash >/dev/null; then
    "$METIC" help --completion >"$TMP/completion"
    bash -c '. "$1"; COMP_WORDS=(metic monitor back info har); COMP_CWORD=4; _metic; echo "${COMPREPLY[*]}"
        COMP_WORDS=(metic monitor back sn); COMP_CWORD=3; COMPREPLY=(); _metic; echo "${COMPREPLY[0]}"' \
        x "$TMP/completion" >"$TMP/completed" 2>&1
    [ "$(paste -sd' ' "$TMP/completed")" = "harts snapshot" ] && good "completion of commands" ||
        wrong "completion: $(cat "$TMP/completed")"
fi
"$METIC" stop back && good "and stop ends it" || wrong "it is not ended"
cp "$XDG_STATE_HOME/metic/log/back.log" "$TMP/messages"
says messages 'stopped from outside'
timeout 20 "$METIC" run no-such-file --detach >"$TMP/nothing" 2>&1 </dev/null
[ $? -eq 125 ] && good "a start that fails says so" || wrong "a start that fails"
says nothing "there is no file 'no-such-file'"

# ---- QMP ----

start box --paused --allow "$TMP"
cat >"$TMP/commands" <<END
query-status
qmp_capabilities
query-status
query-commands
cont
event RESUME
query-status
query-cpus-fast
query-name
query-version
human-monitor-command {"command-line": "info harts"}
human-monitor-command {"command-line": "info devices uart0"}
human-monitor-command {"command-line": "xp 0x1000 16"}
human-monitor-command {"command-line": "nonsense"}
human-monitor-command {"command-line": "info"}
stop
event STOP
snapshot-save {"job-id": "a", "tag": "first"}
human-monitor-command {"command-line": "info snapshots"}
snapshot-load {"tag": "first"}
snapshot-load {"tag": "second"}
snapshot-delete {"tag": "first"}
snapshot-save {}
dump-guest-memory {"paging": false, "protocol": "file:$TMP/box.core"}
dump-guest-memory {"paging": true, "protocol": "fd:7"}
dump-guest-memory {"paging": true, "protocol": "file:$TMP/other.core", "format": "kdump-zlib"}
cont
system_powerdown
event POWERDOWN
system_reset
event RESET
device_add
quit
event SHUTDOWN
END
python3 "$SRCDIR/tests/ui/qmp_talk.py" "$XDG_RUNTIME_DIR/metic/box/monitor" <"$TMP/commands" >"$TMP/qmp" 2>&1
ended $pid 0
says qmp '^{"QMP": {"capabilities": \[\], "version": {"package": "metic'
says qmp 'Expecting capabilities negotiation'
says qmp '"status": "paused"'
says qmp '"status": "running"'
says qmp '"name": "system_powerdown"'
says qmp '"target": "riscv64"'
says qmp 'return": "hart 0: pc 0x'
says qmp 'ns16550a'
says qmp '"return": "0000000000001000: '
says qmp "there is no command 'nonsense'"
says qmp '"info status .*info kernel '
says qmp 'first  *1 hart, 512 MiB'
says qmp 'cannot open the snapshot .*second'
says qmp "Parameter 'tag' is missing"
says qmp 'The command device_add has not been found'
says qmp "Parameter 'protocol' expects file: and a path"
says qmp "Parameter 'format' expects elf"
[ "$(head -c 4 "$TMP/box.core" | tail -c 3)" = ELF ] && [ ! -e "$TMP/other.core" ] && good "a core" ||
    wrong "no core"
for event in RESUME STOP POWERDOWN RESET SHUTDOWN; do says qmp "^event $event"; done
[ "$(grep -c '"return": {}' "$TMP/qmp")" -eq 11 ] && good "each command was answered" || {
    wrong "$(grep -c '"return": {}' "$TMP/qmp") commands were answered with nothing, not 11"
    cat "$TMP/qmp"
}
[ ! -e "$XDG_RUNTIME_DIR/metic/box" ] && good "its folder is gone" || wrong "its folder is left"

# ---- A limit on what is printed ----

timeout 60 "$METIC" run --demo --limit-output 100 --expect 'demo> ' --send 'help\n' --expect 'never' \
    >"$TMP/printed" 2>&1 </dev/null
[ $? -eq 124 ] && good "--limit-output" || wrong "--limit-output: not status 124"
says printed 'printed more than --limit-output'
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
