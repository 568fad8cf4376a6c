# Sourced by the tests of shared folders, which have run, says and same. What virtio-fs and 9P are
# both asked.

# sums DIR: every file in it with its checksum.
sums() {
    (cd "$1" && find . -type f -exec cksum {} + | LC_ALL=C sort)
}

# goes_on OPTIONS UP MOUNT: a snapshot has what is open; another process goes on with it. OPTIONS follow the
# folder's name in --share, UP readies the guest, MOUNT mounts what is named behind it.
goes_on() {
    mkdir "$TMP/saved"
    echo first >"$TMP/saved/log"
    run save 124 --share "$TMP/saved$1" --clock virtual --save "$TMP/snapshot" --limit-time 5s --quiet \
        --expect "$prompt" --send "$2; mkdir /a; $3 saved /a; cd /a; exec 3>>log; echo second >&3; sleep 8; echo third >&3; cat log; ls\\n"
    [ "$(tail -n 1 "$TMP/saved/log")" = second ] || wrong "save: the log is $(cat "$TMP/saved/log")"
    echo there >"$TMP/saved/new"
    timeout 60 "$METIC" restore "$TMP/snapshot" --limit-time 15s >"$TMP/restore" 2>&1 </dev/null
    says restore '^third'
    says restore 'log *new'
    [ "$(tail -n 1 "$TMP/saved/log")" = third ] || wrong "restore: the log is $(cat "$TMP/saved/log")"
}

# replays OPTIONS UP MOUNT STRESS: what the folder answers is input; a replay has it, and needs no folder.
# STRESS are stress' arguments. The folder $TMP/shared is gone afterwards.
replays() {
    work="$2; mkdir /a; $3 shared /a; (cd /a/work; cat ../hello; stress $4 | md5sum)\\n"
    rm -rf "$TMP/shared/work"
    mkdir "$TMP/shared/work"
    echo 'only when it was recorded' >"$TMP/shared/hello"
    run record 0 --share "$TMP/shared$1" --record "$TMP/journal" --digest-every 100M --quiet \
        --expect "$prompt" --send "$work" --expect "$prompt" --send 'poweroff\n'
    says record 'only when it was recorded'
    rm -rf "$TMP/shared"
    run replay 0 --share "$TMP/shared$1" --replay "$TMP/journal" --digest-every 100M --quiet \
        --expect "$prompt" --send "$work" --expect "$prompt" --send 'poweroff\n'
    same "replay: the same, digests included, without the folder" "$TMP/record" "$TMP/replay"
    [ ! -e "$TMP/shared" ] || wrong "the replay made files"
}
