# One job on one hart, then the same job twice at once. A line: pair ONE-US TWO-US
bb=/bin/busybox
cd /bench || exit 1
job() {
    i=0
    while [ $i -lt 12 ]; do
        $bb sha256sum text >/tmp/sum.$1
        i=$((i + 1))
    done
}
now() { echo "${EPOCHREALTIME%.*}${EPOCHREALTIME#*.}"; }
job 1
start=$(now)
job 1
middle=$(now)
job 1 &
job 2
wait
end=$(now)
echo "pair $((middle - start)) $((end - middle))"
