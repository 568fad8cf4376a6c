# For checks that use a machine through its window, on a desktop of their own. Read after boot.sh, by
# `.`; $guest is the machine's process once there is one, and is ended with the desktop.

# needs TOOL...: those, Xvfb, xdotool and a build with the window, or the check is skipped.
needs() {
    for tool in Xvfb xdotool "$@"; do
        command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
    done
    grep -q 'HAVE_SDL2 1' config.h || { echo "built without SDL2 (Debian: libsdl2-dev)"; exit 77; }
}

needs_terminal() {
    grep -q 'HAVE_VTERM 1' config.h || { echo "built without libvterm (Debian: libvterm-dev)"; exit 77; }
}

needs_vnc() {
    grep -q 'HAVE_VNC 1' config.h || { echo "built without VNC (Debian: libvncserver-dev)"; exit 77; }
}

desktop=
guest=
trap 'kill $desktop $guest 2>/dev/null' EXIT
# start_desktop [OPTION of Xvfb]...
start_desktop() {
    Xvfb "$@" -displayfd 3 -screen 0 1280x900x24 3>"$TMP/display" >/dev/null 2>&1 &
    desktop=$!
    while [ ! -s "$TMP/display" ] && kill -0 $desktop; do sleep 0.1; done
    DISPLAY=:$(cat "$TMP/display")
    export DISPLAY
}

# start_desktop_seen [OPTION of Xvfb]...: one whose pixels look sees.
start_desktop_seen() {
    mkdir -p "$TMP/fb"
    start_desktop -fbdir "$TMP/fb" "$@"
}
look() { python3 "$SRCDIR/tests/screen/look.py" "$TMP/fb/Xvfb_screen0" "$@"; }
# until_is WHAT WANTED LOOK...: sooner or later that is what is seen. until_not: something else is.
until_is() { until_seen = "$@"; }
until_not() { until_seen != "$@"; }
until_seen() {
    relation=$1
    what=$2
    wanted=$3
    shift 3
    tries=0
    until [ "$(look "$@")" "$relation" "$wanted" ]; do
        tries=$((tries + 1))
        [ $tries -lt 150 ] || { wrong "$what: $* is $(look "$@"), wanted $relation $wanted"; return 1; }
        sleep 0.2
    done
    good "$what"
}

# A disk with Debian and GRUB on it ($TMP/disk.img), and firmware for it.
make_disk() {
    export XDG_RUNTIME_DIR="$TMP/run" XDG_STATE_HOME="$TMP/state" XDG_DATA_HOME="$(dirname "$cache")/test-data"
    mkdir -p "$XDG_RUNTIME_DIR" "$XDG_DATA_HOME"
    [ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet || exit 77
    "$METIC" build debian "$TMP/disk.img" --variant minimal --hostname meticos --password 'a b$c' --include less \
        >"$TMP/build" 2>&1 || { tail -n 5 "$TMP/build"; exit 1; }
}
