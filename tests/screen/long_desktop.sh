#!/bin/sh
# A desktop, used through a window as a person would: Debian with Xfce, made from packages; its kernel's
# boot is on the screen, its console takes the login, Xfce starts, its panel opens a terminal in which is
# typed, text is copied and pasted both ways by SPICE's agent, its menu opens. All of it by xdotool's
# events to SDL's window on a desktop of its own; what is seen is compared by region.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/screen/window.sh"
needs python3 xclip
export XDG_RUNTIME_DIR="$TMP/run" XDG_DATA_HOME="$(dirname "$cache")/test-data"
mkdir -p "$XDG_RUNTIME_DIR" "$XDG_DATA_HOME"
"$METIC" build firmware >"$TMP/firmware" 2>&1 || { cat "$TMP/firmware"; exit 77; }
"$METIC" build debian "$TMP/desktop.img" --variant minimal --hostname desktop --include \
    xfce4,xfce4-terminal,xserver-xorg-core,xserver-xorg-input-libinput,xinit,dbus-x11,fonts-dejavu-core,spice-vdagent,xclip \
    >"$TMP/build" 2>&1 || { tail -n 5 "$TMP/build"; exit 1; }

start_desktop

# changed A B X Y WIDTH HEIGHT: per cent of the pixels of that region in which two pictures (PPM) differ.
cat >"$TMP/changed.py" <<'END'
import sys
def read(path):
    kind, size, most, pixels = open(path, "rb").read().split(b"\n", 3)
    return [int(n) for n in size.split()], pixels
(size, a), (other, b) = read(sys.argv[1]), read(sys.argv[2])
x, y, w, h = map(int, sys.argv[3:])
assert size == other == [1024, 768], (size, other)
differ = sum(a[3 * (r * 1024 + c):3 * (r * 1024 + c) + 3] != b[3 * (r * 1024 + c):3 * (r * 1024 + c) + 3]
             for r in range(y, y + h) for c in range(x, x + w))
print(100 * differ // (w * h))
END
changed() { python3 "$TMP/changed.py" "$@"; }

# lines_begun PPM: how many lines of 16 pixels have something at the left edge, as a console's text has.
cat >"$TMP/lines.py" <<'END'
import sys
kind, size, most, pixels = open(sys.argv[1], "rb").read().split(b"\n", 3)
width, height = map(int, size.split())
print(sum(any(any(pixels[3 * y * width:3 * y * width + 24]) for y in range(top, min(top + 16, height)))
          for top in range(0, height, 16)))
END

# qmp TEXT: one command of the monitor.
cat >"$TMP/qmp.py" <<'END'
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["XDG_RUNTIME_DIR"] + "/metic/desk/monitor")
f = s.makefile("rw")
f.readline()
for command in ({"execute": "qmp_capabilities"}, json.loads(sys.argv[1])):
    f.write(json.dumps(command) + "\n")
    f.flush()
    answer = {}
    while "return" not in answer and "error" not in answer:
        answer = json.loads(f.readline())
sys.exit("error" in answer)
END
shot() { timeout 60 python3 "$TMP/qmp.py" "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"$TMP/$1.ppm\"}}"; }

# until_changed NAME BEFORE PERCENT REGION...: takes pictures NAME until that much of the region is other
# than in BEFORE.
until_changed() {
    name=$1
    before=$2
    wanted=$3
    shift 3
    tries=0
    while [ $tries -lt 120 ]; do
        if shot "$name" && per_cent=$(changed "$TMP/$before.ppm" "$TMP/$name.ppm" "$@" 2>/dev/null) &&
            [ "$per_cent" -ge "$wanted" ]; then
            good "$name: $per_cent % of the region is new"
            return 0
        fi
        tries=$((tries + 1))
        kill -0 $guest 2>/dev/null || break
        sleep 2
    done
    wrong "$name: ${per_cent:-none} % of the region is new, not $wanted"
    cp "$TMP/$name.ppm" "$TMP/$before.ppm" . 2>/dev/null
    finish
}

timeout 1500 "$METIC" run "$TMP/desktop.img" --firmware edk2 --display sdl --screen 1024x768 --ram 1G --net none \
    --allow "$TMP" --name desk --expect 'login:' >"$TMP/desk" 2>&1 </dev/null &
guest=$!
tries=0
most=0
until grep -q 'login:' "$TMP/desk" || [ $tries -gt 300 ]; do
    tries=$((tries + 1))
    kill -0 $guest 2>/dev/null || break
    shot boot 2>/dev/null && lines=$(python3 "$TMP/lines.py" "$TMP/boot.ppm") && [ "$lines" -gt $most ] && most=$lines
    sleep 1
done
if [ $most -ge 20 ]; then good "the kernel's boot: $most lines on the screen"; else wrong "the kernel's boot: $most lines"; fi
window=$(timeout 30 xdotool search --sync --onlyvisible --name 'desk - metic' | tail -n 1)
[ -n "$window" ] || { wrong "no window"; tail -n 3 "$TMP/desk"; finish; }
xdotool windowfocus --sync "$window"
click() { xdotool mousemove --window "$window" "$1" "$2" click 1; }
sleep 3
xdotool type --delay 60 root
xdotool key Return
sleep 6
xdotool type --delay 60 'startx /usr/bin/startxfce4 >/dev/null 2>&1'
xdotool key Return
# The desktop is there when its panel is: a light bar at the top, and icons below.
python3 -c 'import sys; sys.stdout.buffer.write(b"P6\n1024 768\n255\n" + bytes(1024 * 768 * 3))' >"$TMP/black.ppm"
until_changed desktop black 90 200 2 500 20
until_changed icons black 20 370 725 280 40
sleep 5
shot before
click 440 744
until_changed terminal before 10 10 40 700 80
sleep 5
shot prompt
xdotool type --delay 60 'echo "Hello from the window: $((6*7))"'
xdotool key Return
sleep 5
until_changed typed prompt 2 5 80 500 60
xdotool type --delay 60 'cat /etc/hostname /proc/sys/kernel/ostype >/dev/ttyS0'
xdotool key Return
await desk '^Linux$' "a shell ran what was typed"
# What is copied on one side is pasted on the other. The guest waits for a text, and another is copied
# now and then: what is copied before SPICE's daemon knows the session's agent is lost to it.
copied='copied outside[ 0-9]*: Äpfel'
outside=
trap 'kill $desktop $guest $outside 2>/dev/null' EXIT
xdotool type --delay 60 'clear; until xclip -o -t UTF8_STRING -selection clipboard | tee /dev/ttyS0 | grep outside; do sleep 2; done'
xdotool key Return
tries=0
until tr -d '\r' <"$TMP/desk" | grep -q "$copied" || [ $tries -gt 120 ]; do
    if [ $((tries % 20)) -eq 0 ]; then
        kill $outside 2>/dev/null
        printf 'copied outside %d: Äpfel' $tries | timeout 900 xclip -quiet -selection clipboard -i >/dev/null 2>&1 &
        outside=$!
    fi
    tries=$((tries + 1))
    sleep 1
done
if tr -d '\r' <"$TMP/desk" | grep -q "$copied"; then good "pasted in the guest"; else wrong "nothing to paste in the guest"; fi
xdotool type --delay 60 'hostname | tr d D | xclip -selection clipboard'
xdotool key Return
tries=0
until [ "$(timeout 10 xclip -selection clipboard -o 2>/dev/null)" = Desktop ] || [ $tries -gt 60 ]; do tries=$((tries + 1)); sleep 1; done
if [ "$(timeout 10 xclip -selection clipboard -o 2>/dev/null)" = Desktop ]; then good "pasted outside"; else wrong "nothing to paste outside"; fi
kill $outside 2>/dev/null
outside=
xdotool type --delay 60 clear
xdotool key Return
sleep 5
shot typed
click 60 12
until_changed menu typed 50 5 35 160 250
click 700 600
sleep 2
until_changed closed menu 50 5 35 160 250
xdotool key F10
"$METIC" stop --power desk >/dev/null 2>&1
"$METIC" stop desk >/dev/null 2>&1
wait $guest
finish
