#!/bin/sh
# Prints the path of a disk image with chocolate-doom, freedoom and an X server; see fetch_tree.sh.
# Left out is what would only be used for OpenGL, and the service manager.
here=$(cd "$(dirname "$0")" && pwd)
exec sh "$here/../guest/fetch_tree.sh" doom "$here/doom" chocolate-doom freedoom xserver-xorg-core \
    xserver-xorg-input-evdev x11-xkb-utils xkb-data alsa-utils busybox-static \
    -- libllvm19 libz3-4 mesa-libgallium libgl1-mesa-dri systemd libsystemd-shared debconf perl-base \
    libfftw3-single3 timgm6mb-soundfont
