# Samples (see run.sh) in; table out, and JSON and an SVG bar chart into the files that are named by
# the variables json and svg. Values are medians; the spread is (largest - smallest) / median, of
# the worse of metic and QEMU.

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

# Sorts the samples of a cell where they are, once.
function sort_cell(cell,    i, j, swap) {
    for (i = 2; i <= samples[cell]; i++) {
        for (j = i; j > 1 && value[cell, j] + 0 < value[cell, j - 1] + 0; j--) {
            swap = value[cell, j]
            value[cell, j] = value[cell, j - 1]
            value[cell, j - 1] = swap
        }
    }
    sorted[cell] = 1
}

function median(row, who,    cell, n) {
    cell = row SUBSEP who
    n = samples[cell]
    if (n == 0) {
        return -1
    }
    if (!(cell in sorted)) {
        sort_cell(cell)
    }
    return n % 2 ? value[cell, (n + 1) / 2] : (value[cell, n / 2] + value[cell, n / 2 + 1]) / 2
}

function spread(row, who,    cell, middle) {
    cell = row SUBSEP who
    middle = median(row, who)
    return middle <= 0 ? 0 : (value[cell, samples[cell]] - value[cell, 1]) / middle
}

function worse_spread(row,    a, b) {
    a = spread(row, "metic")
    b = spread(row, "qemu")
    return a > b ? a : b
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

function ratio(a, b) {
    return a > 0 && b > 0 ? sprintf("%.2f", a / b) : "-"
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

function print_row(row,    m, q, n) {
    m = median(row, "metic")
    q = median(row, "qemu")
    n = median(row, "native")
    printf "%-9s %-26s %11s %11s %11s ", class[row], name[row], show(m, unit[row]), \
        show(q, unit[row]), show(n, unit[row])
    if (row in differs) {
        printf "  no ratio: results differ (%s%s)\n", first[row], differs[row]
        bad++
        return
    }
    printf "%13s %13s %11s %6.0f%%\n", ratio(m, n), ratio(q, n), ratio(q, m), \
        100 * worse_spread(row)
    if (unit[row] == "ns" && m > 0 && q > 0) {
        add_mean(section[row] SUBSEP "" SUBSEP "QEMU/metic", log(q / m))
    }
    if (unit[row] == "ns" && m > 0 && n > 0) {
        add_mean(section[row] SUBSEP "" SUBSEP "metic/native", log(m / n))
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
            times = median(row, who) / median(row, "metic")
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

function json_samples(row, who,    cell, i, text) {
    cell = row SUBSEP who
    median(row, who)
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
    times = median(row, "qemu") / median(row, "metic")
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
        if (!(row in differs) && median(row, "qemu") > 0 && median(row, "metic") > 0) {
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
