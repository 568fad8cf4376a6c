# One job on one hart, then the same job twice at once; and make with one job at a time and with
# two, once before to have it warm. Lines: pair ONE-US TWO-US, make ONE-US TWO-US
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

make_jobs() { make -s -f /bench/jobs.mk -j"$1" >/tmp/make.out 2>&1 || $bb cat /tmp/make.out; }
make_jobs 2
start=$(now)
make_jobs 1
middle=$(now)
make_jobs 2
end=$(now)
echo "make $((middle - start)) $((end - middle))"
