#!/bin/sh
# Firmware used on the screen, by keys of the USB keyboard that its own driver takes: EDK2's set-up and
# boot manager, walked into and out of; U-Boot's prompt. Pictures are compared: where a menu is left the
# same way it was entered, the screen shows what it did.

set -u
. "$SRCDIR/tests/boot/boot.sh"
export XDG_RUNTIME_DIR="$TMP/run" XDG_STATE_HOME="$TMP/state"
mkdir -p "$XDG_RUNTIME_DIR"
if ! "$METIC" doctor | grep -q '^ok *EDK2 *[/]'; then
    XDG_DATA_HOME=$(dirname "$cache")/test-data
    export XDG_DATA_HOME
    [ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet ||
        { echo "EDK2 could not be fetched"; exit 77; }
fi
guest=
trap 'kill $guest 2>/dev/null' EXIT

# begin NAME OPTION... Firmware never sleeps, so that on the virtual clock its prompts wait as long as the
# host is busy elsewhere.
begin() {
    name=$1
    shift
    : >"$TMP/$name"
    timeout 200 "$METIC" run "$@" --screen 1024x768 --net none --clock virtual --name "$name" >"$TMP/$name" 2>&1 </dev/null &
    guest=$!
}
picture() { "$METIC" screenshot "$name" "$TMP/$1.png" >"$TMP/answer" 2>&1 || wrong "$name: $(cat "$TMP/answer")"; }
same() { cmp -s "$TMP/$1.png" "$TMP/$2.png"; }
# settled FILE: the picture when it no longer changes.
settled() {
    picture "$1"
    while kill -0 $guest 2>/dev/null; do
        sleep 0.5
        picture again
        ! same "$1" again || return
        cp "$TMP/again.png" "$TMP/$1.png"
    done
}
# tap KEY: for 400 ms of the host's, or the guest's when its clock is ahead; from 500 on EDK2 repeats keys.
tap() { "$METIC" monitor "$name" sendkey "$1" 400 >"$TMP/answer" 2>&1 || wrong "$name: $(cat "$TMP/answer")"; }
# press KEY FILE: taps it; FILE is what the screen shows then, which is something else than $last.
last=
press() {
    tap "$1"
    settled "$2"
    tries=0
    while [ -n "$last" ] && same "$2" "$last" && [ $tries -lt 60 ]; do
        tries=$((tries + 1))
        settled "$2"
    done
    last=$2
}
# returns KEY FILE WHAT: presses it, and the screen shows once more what FILE has. EDK2 draws a screen in
# parts, with pauses on a busy host, so what stands still for a moment may not be all.
returns() {
    tap "$1"
    tries=0
    settled seen
    while ! same seen "$2" && [ $tries -lt 60 ]; do
        tries=$((tries + 1))
        settled seen
    done
    if same seen "$2"; then good "$name: $3"; else wrong "$name: $3: the pictures differ"; fi
}
differs() { if same "$2" "$3"; then wrong "$name: $1: the picture is the same"; else good "$name: $1"; fi; }

begin edk2 --firmware edk2
await edk2 'Press ESCAPE'
tap esc
await edk2 'Boot Maintenance Manager' "edk2: Escape brings its set-up"
settled front
last=front
press down first
await edk2 'to the Device Manager'
differs 'an arrow key moves' front first
press down second
await edk2 'to the Boot Manager'
press ret manager
await edk2 'Boot Manager Menu' 'edk2: Return enters the boot manager'
returns esc second 'Escape leaves it as it was'
returns up first 'the other arrow key moves back'
"$METIC" stop edk2
wait $guest

begin uboot --firmware u-boot
await uboot 'Hit any key'
tap spc
await uboot '^=> ' 'uboot: a key stops it'
settled prompt
"$METIC" monitor uboot type 'echo "Key $? <>|"\n'
await uboot '^Key 0 <>|' 'uboot: typed'
settled typed
differs 'is seen' prompt typed
"$METIC" stop uboot
wait $guest
finish
