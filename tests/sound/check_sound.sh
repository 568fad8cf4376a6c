#!/bin/sh
# A sound card under Debian's kernel, with ALSA's own programs: what they record is the file's sound
# bit for bit, what they play is in the WAV file, as a tone of its frequency; equal in equal runs and
# in a replay; after a kill; and through SDL.

set -u
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
. "$SRCDIR/tests/boot/boot.sh"
fetch linux guest/fetch_disk.sh
fetch alsa guest/fetch_tree.sh alsa "" alsa-utils busybox-static
cat "$linux/initramfs.cpio.gz" "$linux/media.cpio.gz" >"$TMP/initrd" || exit 1
wav() { python3 "$SRCDIR/tests/sound/wav.py" "$@"; }

# is NAME WHAT IS WANTED
is() { if [ "$3" = "$4" ]; then good "$1: $2"; else wrong "$1: $2 is '$3', not '$4'"; fi; }

# guest NAME STATUS OPTION...: the guest, whose disk has ALSA's programs.
guest() {
    name=$1
    wanted=$2
    shift 2
    timeout "$boot_timeout_s" "$METIC" run "$linux/vmlinux" --initrd "$TMP/initrd" \
        --append 'console=ttyS0 quiet' --disk "$alsa" --net none "$@" >"$TMP/$name" 2>&1 </dev/null
    got=$?
    if [ "$got" -eq "$wanted" ]; then good "$name"; else
        wrong "$name: status $got, not $wanted"
        tail -n 12 "$TMP/$name"
    fi
}

# sound NAME COMMANDS OPTION...: runs commands in it.
sound() {
    name=$1
    commands=$2
    shift 2
    guest "$name" 0 --expect "$prompt" \
        --send 'disk-up; media-up; mount /dev/vda /mnt; exec chroot /mnt /init\n' \
        --expect 'on-disk# ' --send "$commands; poweroff -f\n" "$@"
}

# judged NAME FILE RATE CHANNELS BITS HZ LEAST MOST: a tone, of LEAST to MOST seconds.
judged() {
    set -- "$@" $(wav judge "$TMP/$2")
    is "$1" "rate, channels, bits" "$9 ${10} ${11}" "$3 $4 $5"
    is "$1" 'the frequency' "${13}" "$6"
    if [ "${12}" -ge $(($7 * $3)) ] && [ "${12}" -le $(($8 * $3)) ]; then good "$1: the duration"; else
        wrong "$1: ${12} frames, not $7 to $8 seconds"
    fi
    if [ "${15}" -lt $(($3 / 100)) ]; then good "$1: no gaps"; else wrong "$1: a gap of ${15} frames"; fi
}

wav noise "$TMP/noise.wav" 1 44100 2 16
wav tone "$TMP/tone.wav" 500 1 8000 1 8

# ---- Repeatable: recorded, played, played as a tone ----

work='arecord -q -f S16_LE -r 44100 -c 2 -d 1 /tmp/r.wav && aplay -q /tmp/r.wav && echo pla''yed'
sound record "$work" --clock virtual --sound "wav:$TMP/record.wav" --sound-in "$TMP/noise.wav" \
    --record "$TMP/journal"
has record '^played'
is record 'rate, channels, bits' "$(wav judge "$TMP/record.wav" | cut -d ' ' -f 1-3)" '44100 2 16'
if wav contains "$TMP/record.wav" "$TMP/noise.wav"; then good 'record: bit for bit'; else
    wrong 'record: what was recorded and played is not the file'
fi
guest replay 0 --sound "wav:$TMP/replay.wav" --sound-in "$TMP/tone.wav" --replay "$TMP/journal"
if cmp -s "$TMP/record.wav" "$TMP/replay.wav"; then good 'replay: the same, whatever there is to record'; else
    wrong 'replay: another sound'
fi

sound tone 'speaker-test -t sine -f 440 -c 2 -r 48000 -F S16_LE -l 1 >/dev/null; aplay -l' \
    --virtio pci --clock virtual --sound "wav:$TMP/tone-out.wav"
has tone 'VirtIO SoundCard'
judged tone tone-out.wav 48000 2 16 440 6 7

# ---- The host's time: 8 bits, and a kill while it plays ----

sound bits 'arecord -q -D hw -f U8 -r 8000 -d 1 /tmp/r.wav && aplay -q -D hw /tmp/r.wav' \
    --sound "wav:$TMP/bits.wav" --sound-in "$TMP/tone.wav"
judged bits bits.wav 8000 1 8 500 1 2

(exec "$METIC" run "$linux/vmlinux" --initrd "$TMP/initrd" --append 'console=ttyS0 quiet' \
    --disk "$alsa" --net none --sound "wav:$TMP/killed.wav" --limit-time 120s --expect "$prompt" \
    --send 'disk-up; media-up; mount /dev/vda /mnt; exec chroot /mnt /init\n' \
    --expect 'on-disk# ' --send 'speaker-test -t sine -f 440 -c 1 -r 48000 -F S32_LE\n') \
    >"$TMP/killed" 2>&1 </dev/null &
guest=$!
while kill -0 $guest 2>/dev/null && [ -z "$(find "$TMP/killed.wav" -size +300k 2>/dev/null)" ]; do
    sleep 0.1
done
kill -9 $guest && wait $guest 2>/dev/null
judged killed killed.wav 48000 1 32 440 1 30

# ---- Through SDL ----

"$METIC" run --demo --sound loud >"$TMP/bad" 2>&1
is bad 'the status' $? 2
has bad 'sdl wav:FILE none off'
"$METIC" run --demo --sound none --sound-in "$TMP/journal" --expect 'demo> ' --send 'poweroff\n' >"$TMP/nowav" 2>&1
is nowav 'the status' $? 125
has nowav 'is not a WAV file'
SDL_AUDIODRIVER=none "$METIC" run --demo --sound sdl >"$TMP/nosdl" 2>&1
is nosdl 'the status' $? 125
has nosdl 'metic: no sound\|without sound\|SDL2 is not'
if ! grep -q 'HAVE_SDL2 1' config.h; then
    echo 'not tried: SDL (Debian: libsdl2-dev)'
    finish
fi
export SDL_AUDIODRIVER=disk SDL_DISKAUDIOFILE="$TMP/sdl.raw"
sound sdl 'timeout 3 speaker-test -t sine -f 440 -c 1 -r 44100 -F FLOAT_LE >/dev/null' --sound sdl
wav raw "$TMP/sdl.raw" "$TMP/sdl.wav"
set -- $(wav judge "$TMP/sdl.wav")
# A busy host may leave gaps in the time of others, but makes no other tone.
if [ "$5" -ge 430 ] && [ "$5" -le 450 ] && [ "$4" -ge 48000 ]; then good 'sdl: the tone'; else
    wrong "sdl: $5 Hz in $4 frames"
fi
wav tone "$TMP/speech.wav" 600 15 48000 2 16
wav floats "$TMP/speech.wav" "$TMP/mic.raw"
export SDL_DISKAUDIOFILEIN="$TMP/mic.raw"
sound mic 'arecord -q -f S16_LE -r 48000 -c 2 -d 1 /tmp/r.wav && aplay -q /tmp/r.wav' \
    --sound "wav:$TMP/mic.wav" --sound-in mic
set -- $(wav judge "$TMP/mic.wav")
if [ "$4" -ge 48000 ] && [ "$5" -ge 590 ] && [ "$5" -le 610 ]; then good 'mic: the tone'; else
    wrong "mic: $5 Hz in $4 frames"
fi
finish
