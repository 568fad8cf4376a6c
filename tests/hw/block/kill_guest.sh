# Sourced after disk_guest.sh: a machine whose guest writes to ext4 is killed again and again.
#
# kill_rounds IMAGE FORMAT ROUNDS   the guest writes numbered files, syncs and says so; it is killed
#                                   some time after it began. Each time the image must be consistent,
#                                   the file system whole, and every file there that the guest had
#                                   said was synced, with its contents.

kill_seed=${RANDOM_SEED:-1}

# A tenth of seconds to wait, 0 to 29.
kill_delay() {
    kill_seed=$(((kill_seed * 1103515245 + 12345) % 2147483648))
    echo "$(((kill_seed / 65536) % 3)).$(((kill_seed / 1024) % 10))"
}

# One life: $1 image and options, $2 the number of the round.
kill_life() {
    loop="mount -t ext4 /dev/vda /mnt; i=0; while true; do i=\$((i+1)); f=/mnt/$2-\$i"
    loop="$loop; seq \$i 30000 >\$f; [ \$((i % 3)) -eq 0 ] && rm -f /mnt/$2-\$((i-2)) && fstrim /mnt"
    loop="$loop; sync; echo synced \$i.; done"
    : >life # the one before said "synced", too
    "$METIC" run "$linux/vmlinux" --initrd "$linux/initramfs.cpio.gz" --append 'console=ttyS0 quiet' \
        --net none --cpus 2 --expect "$prompt" --send 'disk-up\n' --expect "$prompt" \
        --send "$loop\n" --disk "$1" >life 2>&1 </dev/null &
    life=$!
    waited=0
    # A host may be so busy that this takes minutes; a guest that hangs is found all the same.
    until grep -q '^synced 2\.' life || [ $waited -eq 2400 ]; do
        kill -0 $life 2>/dev/null || { wrong "killed $2: it ended by itself"; break; }
        sleep 0.1
        waited=$((waited + 1))
    done
    [ $waited -lt 600 ] || { echo "slow: $((waited / 10)) s"; ps -L -o tid,stat,time,wchan:20,comm -p $life; uptime; }
    sleep "$(kill_delay)"
    kill -9 $life 2>/dev/null
    wait $life 2>/dev/null
}

# The files of one round that must be there, are.
kill_files() {
    last=$(tr -d '\r' <life | sed -n 's/^synced \([0-9]*\)\.$/\1/p' | tail -n 1)
    [ -n "$last" ] || { echo "the guest never synced"; tail -n 5 life; return 1; }
    i=1
    while [ $i -le "$last" ]; do
        # Each third takes away the one but one before it.
        if [ $((i % 3)) -ne 1 ] || [ $((i + 2)) -gt "$last" ]; then
            seq $i 30000 >want
            debugfs -R "cat $1-$i" copy >is 2>/dev/null
            [ $((i % 3)) -eq 1 ] && [ ! -s is ] || cmp want is || return 1
        fi
        i=$((i + 1))
    done
    echo "$last synced"
}

kill_rounds() {
    round=0
    while [ $round -lt "$3" ]; do
        round=$((round + 1))
        kill_life "$1:write" $round
        if [ "$2" = qcow2 ]; then
            qemu-img check "$1" >check 2>&1
            status=$?
            # 3: only leaks, which the next check --repair=leaks gives back.
            if [ $status -eq 0 ] || [ $status -eq 3 ]; then good "killed $round: the image"; else
                wrong "killed $round: $(cat check)"
            fi
            ok "killed $round: leaks" "$METIC" disk check --repair=leaks "$1"
        fi
        ok "killed $round: the file system" whole "$1"
        ok "killed $round: what was synced" kill_files $round
    done
}
