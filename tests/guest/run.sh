#!/bin/sh
# `make run`: boots Debian's kernel to a shell. Without a terminal on standard input it types two
# commands at the prompt, powers off, and ends with the guest's status. Without network and cache
# it boots the demo that is built in.

set -u
here=$(dirname "$0")
metic=${METIC:-./metic}

cache=$(sh "$here/fetch.sh")
status=$?
if [ $status -eq 3 ]; then
    echo "No Debian kernel to be had here, so booting the built-in demo (metic run --demo)."
    [ -t 0 ] && exec "$metic" run --demo
    exec "$metic" run --demo --expect 'demo> ' --send 'poweroff\n'
fi
[ $status -eq 0 ] || exit $status

set -- run "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append "console=ttyS0"
if [ -t 0 ]; then
    [ ! -t 1 ] || echo "Ctrl-A X ends the machine, Ctrl-A H helps."
    exec "$metic" "$@"
fi
prompt='metic:~# '
exec "$metic" "$@" \
    --expect "$prompt" --send 'uname -a\n' \
    --expect "$prompt" --send 'cat /proc/cpuinfo\n' \
    --expect "$prompt" --send 'poweroff\n'
