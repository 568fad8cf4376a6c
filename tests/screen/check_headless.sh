#!/bin/sh
# A machine with a screen that nobody looks at: pictures of it by command and by its monitor, and keys
# and pointer that come from there. Debian's kernel shows them: its shell on a screen's terminal, and
# what the pointer's device says. All of it is recorded, and replayed without a monitor.

set -u
. "$SRCDIR/tests/boot/boot.sh"
grep -q 'HAVE_JANSSON 1' config.h || { echo "built without jansson (Debian: libjansson-dev)"; exit 77; }
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" >"$TMP/initrd" || exit 1

# is WHAT IS WANTED
is() { if [ "$2" = "$3" ]; then good "$1"; else wrong "$1: '$2', not '$3'"; fi; }

# qmp COMMAND...: words of the monitor, or JSON; prints the answers, a line each.
cat >"$TMP/qmp.py" <<'END'
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["XDG_RUNTIME_DIR"] + "/metic/box/monitor")
f = s.makefile("rw")
f.readline()
for text in ['{"execute": "qmp_capabilities"}'] + sys.argv[1:]:
    if not text.startswith("{"):
        text = json.dumps({"execute": "human-monitor-command",
                           "arguments": {"command-line": text}})
    f.write(text + "\n")
    f.flush()
    answer = {}
    while "return" not in answer and "error" not in answer:
        answer = json.loads(f.readline())
    if "capabilities" not in text:
        print(json.dumps(answer))
END
qmp() { timeout 60 python3 "$TMP/qmp.py" "$@" >"$TMP/answer" 2>&1 || wrong "qmp: $(cat "$TMP/answer")"; }
said() { if grep -q -- "$1" "$TMP/answer"; then good "$1"; else wrong "not '$1' but: $(cat "$TMP/answer")"; fi; }

# On the virtual clock an idle guest's time flies, and keys that are down would repeat: so it is busy.
run() {
    timeout "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --net none --allow "$TMP" --name box \
        --append 'quiet console=tty0 console=ttyS0' --screen 640x480 --clock virtual "$@" </dev/null
}
run --record "$TMP/journal" \
    --expect "$prompt" --send 'screen-up; while :; do :; done & cat /dev/input/event1 | hexdump -e '"'8/2 \"%d \" \"\\\\n\"'"' & setsid sh -c "exec sh </dev/tty2 >/dev/tty2 2>&1" & chvt 2; echo re''ady\n' \
    >"$TMP/box" 2>&1 &
guest=$!
await box '^ready'
"$METIC" screenshot box "$TMP/before.png" || wrong "screenshot"
is "a PNG" "$(od -An -c -j 1 -N 3 "$TMP/before.png" | tr -d ' ')" PNG
qmp 'type echo "Hi: $((6*7)) <>?|" >/dev/ttyS0\n'
await box 'Hi: 42 <>?|' "typed by the monitor"
"$METIC" screenshot "$TMP/after.png" || wrong "screenshot of the only machine"
if cmp -s "$TMP/before.png" "$TMP/after.png"; then wrong "the picture is the old one"; else good "what was typed is seen"; fi
qmp "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"$TMP/dump.ppm\"}}" "screendump $TMP/dump.png" \
    'screendump /nowhere/x.png' 'screendump x.png 9' 'sendkey ctrl-none' 'type ä' 'pointer 9999 1' 'button none' \
    '{"execute": "send-key", "arguments": {"keys": [{"type": "qcode", "data": "nokey"}]}}' \
    '{"execute": "input-send-event", "arguments": {"events": [{"type": "odd"}]}}' \
    "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"$TMP/x\", \"head\": 3}}"
is "a PPM" "$(head -n 2 "$TMP/dump.ppm" | tr '\n' ' ')" 'P6 640 480 '
is "a PNG again" "$(od -An -c -j 1 -N 3 "$TMP/dump.png" | tr -d ' ')" PNG
for text in 'cannot write the picture /nowhere/x.png' 'a screen.s number' "no key 'none'" 'no key of the guest.s keyboard (us' \
    'which is 640 by 480' 'give left, middle' "key 0 of 'keys'" "event 0 of 'events'" 'screen 3 shows nothing'; do
    said "$text"
done
qmp 'type echo\x20' '{"execute": "send-key", "arguments": {"hold-time": 20, "keys": [{"type": "qcode", "data": "shift"}, {"type": "number", "data": 35}]}}' \
    'type ELLO >/dev/ttyS0\n'
await box 'HELLO$' "send-key: a chord, a key by its number"
qmp 'pointer 639 0' '{"execute": "input-send-event", "arguments": {"events": [{"type": "abs", "data": {"axis": "x", "value": 1234}}, {"type": "btn", "data": {"button": "left", "down": true}}, {"type": "btn", "data": {"button": "left", "down": false}}]}}'
await box '3 0 1234' "the pointer moved to where it was told"
qmp 'type poweroff -f\n'
wait $guest
is "what was typed ended the machine" $? 0
run --replay "$TMP/journal" >"$TMP/replay" 2>&1
is "a replay ends so, too" $? 0
grep -v '^metic:' "$TMP/box" >"$TMP/first"
grep -v '^metic:' "$TMP/replay" >"$TMP/second"
if cmp -s "$TMP/first" "$TMP/second"; then good "keys and pointer are replayed"; else
    wrong "the replay: $(diff "$TMP/first" "$TMP/second" | head -n 4)"
fi
"$METIC" screenshot "$TMP/none.png" >"$TMP/none" 2>&1
is "nothing runs: status" $? 125
finish
