#!/bin/sh
# Who may include whom: base <- cpu <- translate; hw uses cpu; only the composition root,
# hw/machine/, includes translate; ui includes hw/metic.h and cpu/base only; guests and hosts never
# see each other; a device never sees a vcpu, a board or a machine. Prints each include that breaks a
# rule.

set -u
cd "$SRCDIR" || exit 1

find cpu translate hw ui -name '*.[chS]' -o -name '*.def' | LC_ALL=C sort |
    xargs grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' >"$TMP/includes"
[ -s "$TMP/includes" ] || { echo "found no include at all: the check itself is broken"; exit 1; }

awk -F'"' '
function bad(why) { print where ": " inc " (" why ")"; broken = 1 }
function starts(text, head) { return index(text, head) == 1 }
# part("translate/from_riscv64/x.c", "translate/from_") is "riscv64".
function part(text, head) {
    if (!starts(text, head)) { return "" }
    text = substr(text, length(head) + 1)
    return index(text, "/") ? substr(text, 1, index(text, "/") - 1) : ""
}
function check_cpu() {
    if (starts(file, "cpu/base/")) {
        if (!starts(inc, "cpu/base/")) { bad("cpu/base includes nothing else of ours") }
        return
    }
    if (!starts(inc, "cpu/")) { bad("cpu knows only cpu") }
    guest = part(file, "cpu/")
    theirs = part(inc, "cpu/")
    if (theirs != "" && theirs != "base" && guest != theirs && file !~ /^cpu\/guest\.(c|h)$/) {
        bad("a guest folder is seen only by itself")
    }
}
function check_translate() {
    if (!starts(inc, "cpu/") && !starts(inc, "translate/")) { bad("translate knows cpu and itself") }
    from = part(file, "translate/from_"); to = part(file, "translate/to_")
    their_from = part(inc, "translate/from_"); their_to = part(inc, "translate/to_")
    if (from != "" && their_to != "") { bad("a guest never sees a host") }
    if (to != "" && their_from != "") { bad("a host never sees a guest") }
    if (from != "" && their_from != "" && from != their_from) { bad("a guest never sees another") }
    if (to != "" && their_to != "" && to != their_to) { bad("a host never sees another") }
    guest = part(inc, "cpu/")
    if (guest != "" && guest != "base" && guest != from) {
        bad("only translate/from_" guest " knows that guest")
    }
}
function check_hw() {
    root = starts(file, "hw/machine/")
    if ((starts(inc, "translate/") || inc == "hw/machine/machine.h") && !root) {
        bad("only the composition root, hw/machine/, knows the engine")
    }
    if (!starts(inc, "cpu/") && !starts(inc, "hw/") && !starts(inc, "translate/") &&
        !(root && inc == "roms/roms.h")) {
        bad("hw knows cpu and itself")
    }
    if (file ~ /^hw\/(char|intc|rtc|virtio|pci|display|block|net|misc)\// &&
        inc ~ /^(cpu\/vcpu\.h|hw\/board\.h|hw\/machine\/.*|hw\/metic\.h|hw\/metic\/.*)$/) {
        bad("a device knows neither harts nor boards nor the machine")
    }
}
function check_ui() {
    if (inc != "hw/metic.h" && !starts(inc, "cpu/base/") && !starts(inc, "ui/")) {
        bad("ui knows hw/metic.h and cpu/base only")
    }
}
{
    split($1, head, ":"); file = head[1]; where = head[1] ":" head[2]; inc = $2
    if (inc == "config.h" || inc ~ /^(confine_filters|decode_tables)\.inc$/) { next } # made while building
    if (system("test -f \"" inc "\"") != 0) { bad("no such file, seen from the top"); next }
    if (starts(file, "cpu/")) { check_cpu() }
    if (starts(file, "translate/")) { check_translate() }
    if (starts(file, "hw/")) { check_hw() }
    if (starts(file, "ui/")) { check_ui() }
}
END { exit broken }
' "$TMP/includes"
