# Makes what `metic run --show host@...` prints the same everywhere: addresses become offsets from the
# block's first line, or `outside`.
function value(text, i, sum) {
    for (i = 1; i <= length(text); i++) {
        sum = sum * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
    }
    return sum
}
{ sub(/:$/, "", $1); line[NR] = $0; at[NR] = value($1) }
END {
    for (n = 1; n <= NR; n++) {
        text = line[n]; sub(/^ *[0-9a-f]+:? /, "", text)
        if (match(text, /0x[0-9a-f]+/) && RLENGTH >= 10 && RLENGTH < 18) {
            to = value(substr(text, RSTART + 2, RLENGTH - 2))
            name = to >= at[1] && to <= at[NR] ? sprintf("+0x%02x", to - at[1]) : "outside"
            text = substr(text, 1, RSTART - 1) name substr(text, RSTART + RLENGTH)
        }
        printf "  +0x%02x: %s\n", at[n] - at[1], text
    }
}