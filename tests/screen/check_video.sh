#!/bin/sh
# Films of a screen: in guest time, equal in equal runs, every frame there, the last one what the
# screenshot shows; as a series, one picture a change.

set -u
. "$SRCDIR/tests/boot/boot.sh"
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" >"$TMP/initrd" || exit 1

# film NAME OPTION...: Debian's console, for 16 seconds of guest time, two frames in each.
film() {
    name=$1
    shift
    timeout "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --net none \
        --append 'quiet console=tty0 console=ttyS0' --screen 320x240 --clock virtual --limit-time 16s \
        --screenshot "$TMP/$name.png" --expect "$prompt" --send 'screen-up\n' \
        --expect "$prompt" --send 'sleep 2; printf "\\033[?25l\\033[41mred\\033[0m\\n" >/dev/tty0\n' "$@" >"$TMP/$name.log" 2>&1 </dev/null
    [ $? -eq 124 ] || { wrong "$name: $(tail -n 3 "$TMP/$name.log")"; return 1; }
}
film one --record-video "$TMP/one.y4m,fps=2" && film two --record-video "$TMP/two.y4m,fps=2" &&
    film three --record-video "$TMP/three/,fps=2"
if cmp -s "$TMP/one.y4m" "$TMP/two.y4m"; then good "equal films"; else wrong "films differ"; fi
python3 - "$TMP" <<'END' && good "frames, their number, and the last one" || wrong "the film"
import glob, struct, sys, zlib
tmp = sys.argv[1]

def png(path):
    data = open(path, "rb").read()
    at, raw = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        part = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height = struct.unpack(">II", part[:8])
        elif kind == b"IDAT":
            raw += part
        at += 12 + size
    raw = zlib.decompress(raw)
    rows, before = [], bytes(3 * width)
    for y in range(height):
        kind, line = raw[y * (3 * width + 1)], bytearray(raw[y * (3 * width + 1) + 1:(y + 1) * (3 * width + 1)])
        for x in range(3 * width):
            a = line[x - 3] if x >= 3 else 0
            b = before[x]
            c = before[x - 3] if x >= 3 else 0
            p = a + b - c
            paeth = min((a, b, c), key=lambda v: abs(p - v))
            line[x] = (line[x] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        rows.append(bytes(line))
        before = line
    return width, height, b"".join(rows)

film = open(tmp + "/one.y4m", "rb").read()
head, _, frames = film.partition(b"\n")
assert head == b"YUV4MPEG2 W320 H240 F2:1 Ip A1:1 C444 XCOLORRANGE=LIMITED", head
one = 6 + 3 * 320 * 240
assert len(frames) % one == 0
count = len(frames) // one
assert 32 <= count <= 33, count
assert all(frames[i * one:i * one + 6] == b"FRAME\n" for i in range(count))
first, last = frames[6:one], frames[(count - 1) * one + 6:]
assert first[:100] == bytes([16]) * 100, "the first frame is not black"
width, height, rgb = png(tmp + "/one.png")
assert (width, height) == (320, 240)
red = 0
for i in range(0, width * height, 7):
    r, g, b = rgb[3 * i:3 * i + 3]
    assert abs(last[i] - (16 + (66 * r + 129 * g + 25 * b) / 256)) < 2, i
    red += r > 100 and g < 60
assert red > 10, "nothing red was drawn"
files = sorted(glob.glob(tmp + "/three/*.png"))
lines = open(tmp + "/three/frames.ffconcat").read().split("\n")
assert lines[0] == "ffconcat version 1.0"
assert [l[5:] for l in lines if l.startswith("file ")] == [f.rsplit("/", 1)[1] for f in files]
assert 2 <= len(files) < count, files
start = int(files[0].rsplit("/", 1)[1][:8]) / 2
total = sum(float(l[9:]) for l in lines if l.startswith("duration "))
assert abs(start + total - 16) < 1.1, (start, total)
assert png(files[-1])[2] == rgb
END
"$METIC" run --demo --screen 64x64 --record-video film.mp4 >"$TMP/mp4" 2>&1 </dev/null
[ $? -eq 2 ] && good "another kind is refused" || wrong "film.mp4: $(cat "$TMP/mp4")"
"$METIC" run --demo --screen 64x64 --record-video /nowhere/x.y4m >"$TMP/nowhere" 2>&1 </dev/null
[ $? -eq 125 ] && good "a place that cannot be written is said" || wrong "$(cat "$TMP/nowhere")"
"$METIC" run --demo --record-video "$TMP/x.y4m" >"$TMP/none" 2>&1 </dev/null
[ $? -eq 125 ] && good "no screen is said" || wrong "$(cat "$TMP/none")"
"$METIC" run --demo --screen 64x64,simple --record-video "$TMP/real.y4m,fps=10" --quiet --expect 'demo> ' \
    --send 'poweroff\n' >"$TMP/real" 2>&1 </dev/null && [ "$(head -c 9 "$TMP/real.y4m")" = YUV4MPEG2 ] &&
    good "on the real clock" || wrong "real: $(cat "$TMP/real")"
finish
