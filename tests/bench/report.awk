# Samples (see run.sh) in; table out, and JSON and an SVG bar chart into the files that are named by
# the variables json and svg. Values are medians. What takes turns is compared turn by turn, since a
# host may be twice as slow for minutes: a ratio is the median of the turns' ratios, and the spread
# is (largest - smallest) / median of QEMU/metic, or of metic's values where QEMU has none.

BEGIN {
    FS = "\t"
}

NF == 7 {
    row = $1 SUBSEP $3 SUBSEP $4
    if (!(row in class)) {
        rows[++row_count] = row
        section[row] = $1
        class[row] = $2
        name[row] = $3
        unit[row] = $4
    }
    cell = row SUBSEP $5
    value[cell, ++samples[cell]] = $6
    if ($7 != "-" && (row in result) && result[row] != $7) {
        differs[row] = differs[row] " " $5 "=" $7
    }
    if ($7 != "-" && !(row in result)) {
        result[row] = $7
        first[row] = $5 "=" $7
    }
    if ($5 ~ /^metic-/ && !(cell in counted)) {
        counted[cell] = 1
        variants[row] = variants[row] " " $5
    }
}

# Sorts list[1] to list[count].
function sort(list, count,    i, j, swap) {
    for (i = 2; i <= count; i++) {
        for (j = i; j > 1 && list[j] + 0 < list[j - 1] + 0; j--) {
            swap = list[j]
            list[j] = list[j - 1]
            list[j - 1] = swap
        }
    }
}

# Of a list that is sorted; -1 where there is nothing in it.
function middle_of(list, count) {
    return count == 0 ? -1 : count % 2 ? list[(count + 1) / 2] : \
        (list[count / 2] + list[count / 2 + 1]) / 2
}

# Fills the list with a row's values of WHO or, where OTHER is not "", with WHO's over OTHER's of
# the same turn; sorts it, and returns how many there are.
function collect(list, row, who, other,    i, count, mine, theirs) {
    mine = row SUBSEP who
    theirs = row SUBSEP other
    count = samples[mine] + 0
    if (other != "" && samples[theirs] + 0 < count) {
        count = samples[theirs] + 0
    }
    for (i = 1; i <= count; i++) {
        list[i] = other == "" ? value[mine, i] : \
            value[theirs, i] > 0 ? value[mine, i] / value[theirs, i] : 0
    }
    sort(list, count)
    return count
}

function median(row, who,    list, count) {
    count = collect(list, row, who, "")
    return middle_of(list, count)
}

# How many times OTHER's time WHO takes; -1 where one of them has no time.
function times_of(row, who, other,    list, count) {
    count = collect(list, row, who, other)
    return middle_of(list, count)
}

function spread(row,    list, count, middle) {
    count = collect(list, row, "qemu", "metic")
    if (count == 0) {
        count = collect(list, row, "metic", "")
    }
    middle = middle_of(list, count)
    return middle <= 0 ? 0 : (list[count] - list[1]) / middle
}

# A value with its unit, in about six characters.
function show(number, of) {
    if (number < 0) {
        return "-"
    }
    if (of != "ns") {
        return sprintf(number < 100 ? "%.2f %s" : "%.0f %s", number, of)
    }
    if (number < 1e3) {
        return sprintf("%.1f ns", number)
    }
    if (number < 1e6) {
        return sprintf("%.2f us", number / 1e3)
    }
    return number < 1e9 ? sprintf("%.2f ms", number / 1e6) : sprintf("%.2f s", number / 1e9)
}

function ratio(times) {
    return times > 0 ? sprintf("%.2f", times) : "-"
}

function heading(title) {
    printf "\n%s (median of %d)\n", title, runs
    printf "%-9s %-26s %11s %11s %11s %13s %13s %11s %7s\n", "class", "name", "metic", "QEMU", \
        "native", "metic/native", "QEMU/native", "QEMU/metic", "spread"
}

function add_mean(key, log_ratio) {
    mean_sum[key] += log_ratio
    mean_count[key]++
}

function print_means(of,    key, part) {
    for (key in mean_count) {
        split(key, part, SUBSEP)
        if (part[1] == of && part[2] == "") {
            printf "%-36s %60s %.2f\n", "geometric mean of " mean_count[key], \
                part[3], exp(mean_sum[key] / mean_count[key])
        }
    }
}

function print_row(row,    of_native, of_qemu) {
    of_native = times_of(row, "metic", "native")
    of_qemu = times_of(row, "qemu", "metic")
    printf "%-9s %-26s %11s %11s %11s ", class[row], name[row], \
        show(median(row, "metic"), unit[row]), show(median(row, "qemu"), unit[row]), \
        show(median(row, "native"), unit[row])
    if (row in differs) {
        printf "  no ratio: results differ (%s%s)\n", first[row], differs[row]
        bad++
        return
    }
    printf "%13s %13s %11s %6.0f%%\n", ratio(of_native), ratio(times_of(row, "qemu", "native")), \
        ratio(of_qemu), 100 * spread(row)
    if (unit[row] == "ns" && of_qemu > 0) {
        add_mean(section[row] SUBSEP "" SUBSEP "QEMU/metic", log(of_qemu))
    }
    if (unit[row] == "ns" && of_native > 0) {
        add_mean(section[row] SUBSEP "" SUBSEP "metic/native", log(of_native))
    }
}

# Of a section with variants of metic: their values over metic's own, which has nothing switched on.
function print_variants(of,    i, n, part, row, who, times, sums, counts, order, names) {
    for (i = 1; i <= row_count; i++) {
        row = rows[i]
        if (section[row] != of || !(row in variants) || median(row, "metic") <= 0) {
            continue
        }
        if (order == 0) {
            printf "\n%s: times what nothing switched on takes\n", of
        }
        printf "%-9s %-26s", class[row], name[row]
        n = split(variants[row], part, " ")
        for (order = 1; order <= n; order++) {
            who = part[order]
            times = times_of(row, who, "metic")
            sub(/^metic-/, "", who)
            printf "  %s %.2f", who, times
            if (!((class[row] == "boot") SUBSEP who in counts)) {
                names[class[row] == "boot"] = names[class[row] == "boot"] " " who
            }
            sums[(class[row] == "boot") SUBSEP who] += log(times)
            counts[(class[row] == "boot") SUBSEP who]++
        }
        print ""
    }
    n = split(names[0], part, " ")
    for (i = 1; i <= n; i++) {
        who = 0 SUBSEP part[i]
        printf "%s%s %.2f%s", i == 1 ? sprintf("%-36s", "geometric mean of " counts[who]) : "", \
            "  " part[i], exp(sums[who] / counts[who]), i == n ? "\n" : ""
    }
}

function print_table(    i, now) {
    now = ""
    for (i = 1; i <= row_count; i++) {
        if (section[rows[i]] != now) {
            if (now != "") {
                print_means(now)
                print_variants(now)
            }
            now = section[rows[i]]
            heading(now)
        }
        print_row(rows[i])
    }
    print_means(now)
    print_variants(now)
}

function quoted(text) {
    gsub(/[\\"]/, "\\\\&", text)
    return "\"" text "\""
}

# In the order of the turns.
function json_samples(row, who,    cell, i, text) {
    cell = row SUBSEP who
    text = ""
    for (i = 1; i <= samples[cell]; i++) {
        text = text (i > 1 ? ", " : "") value[cell, i]
    }
    return "[" text "]"
}

function write_json(    i, row) {
    printf "{\"host\": %s, \"versions\": %s, \"runs\": %d, \"rows\": [", quoted(host), \
        quoted(versions), runs >json
    for (i = 1; i <= row_count; i++) {
        row = rows[i]
        printf "%s\n  {\"section\": %s, \"class\": %s, \"name\": %s, \"unit\": %s, ", \
            (i > 1 ? "," : ""), quoted(section[row]), quoted(class[row]), quoted(name[row]), \
            quoted(unit[row]) >json
        printf "\"same_result\": %s, \"metic\": %s, \"qemu\": %s, \"native\": %s}", \
            ((row in differs) ? "false" : "true"), json_samples(row, "metic"), \
            json_samples(row, "qemu"), json_samples(row, "native") >json
    }
    print "\n]}" >json
    close(json)
}

# Bars of QEMU's time over metic's on a logarithmic scale: right of the line, metic is faster.
function bar_x(times) {
    return 330 + 90 * log(times) / log(2)
}

function write_bar(row, y,    times, x, from, colour) {
    times = times_of(row, "qemu", "metic")
    x = bar_x(times < 0.25 ? 0.25 : times > 64 ? 64 : times)
    from = bar_x(1)
    colour = times >= 5 ? "#2a7f3f" : times >= 1 ? "#5b9bd5" : "#c0392b"
    printf "<text x=\"140\" y=\"%d\" text-anchor=\"end\">%s</text>", y + 11, name[row] >svg
    printf "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"13\" fill=\"%s\"/>", \
        (x < from ? x : from), y, (x < from ? from - x : x - from), colour >svg
    printf "<text x=\"%.1f\" y=\"%d\">%.1f</text>\n", \
        (x < from ? from : x) + 4, y + 11, times >svg
}

function write_svg(    i, y, row, times) {
    y = 50
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"%d\" ", \
        row_count * 18 + 80 >svg
    print "font-family=\"sans-serif\" font-size=\"11\">" >svg
    print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>" >svg
    print "<text x=\"12\" y=\"20\" font-size=\"14\">QEMU's time / metic's time</text>" >svg
    for (times = 1; times <= 64; times *= 2) {
        printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"42\" y2=\"%d\" stroke=\"#ccc\"/>", \
            bar_x(times), bar_x(times), row_count * 18 + 50 >svg
        printf "<text x=\"%.1f\" y=\"38\" text-anchor=\"middle\">%d</text>\n", bar_x(times), \
            times >svg
    }
    for (i = 1; i <= row_count; i++) {
        row = rows[i]
        if (!(row in differs) && times_of(row, "qemu", "metic") > 0) {
            write_bar(row, y)
            y += 18
        }
    }
    print "</svg>" >svg
    close(svg)
}

END {
    print_table()
    write_json()
    write_svg()
    if (bad > 0) {
        printf "\n%d rows have no ratio because the results differ\n", bad
        exit 1
    }
}
