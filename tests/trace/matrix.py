"""Every kind of event with every filter in every form of metic's traces, on matrix.elf: what is left by a filter
is what the unfiltered recording has there, and all forms tell the same. Prints what is wrong, and counts."""
import collections
import json
import os
import re
import subprocess
import sys

METIC = os.environ["METIC"]
WORK = range(int(sys.argv[1], 16), int(sys.argv[2], 16))  # work and leaf, by the supervisor's addresses
LEAF = range(int(sys.argv[3], 16), int(sys.argv[2], 16))
SATP = "0x8000000000080001"
passed = failed = 0


def check(good, *what):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good and failed < 40:
        print("WRONG:", *what)


def metic(*words):
    return subprocess.run([METIC, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=100, text=True)


def record(form, kinds, filters, status=0, tiers=("--no-tier0",)):
    """The recording, in out.FORM."""
    out = "out." + form
    if os.path.exists(out):
        os.unlink(out)
    words = ["run", "matrix.elf", "--cpus", "2", "--clock", "virtual", "--limit-insns", "100k", "--quiet",
             "--trace", out, "--trace-format", form, *tiers]
    words += ["--trace-events", kinds] if kinds else []
    for one in filters:
        words += ["--trace-filter", one]
    ran = metic(*words)
    check(ran.returncode == status, form, kinds, filters, "status", ran.returncode, ran.stderr)
    return out if status == 0 else ran.stderr


def lines_of(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


# --- what the unfiltered recording says ---

def place(row):
    """Where a row happens, and in which privilege: of a return, where it goes."""
    if row["event"] == "trap":
        return int(row["words"][2], 16), row["priv"]
    if row["event"] == "return":
        return int(row["words"][0], 16), "USHM"[int(row["words"][1], 16)]
    if row["event"] == "insn":
        return int(row["pc"], 16), row["priv"]
    return at.get((row["hart"], row["insns"]), (None, None))


def name(row):
    """What stays the same whatever else is recorded."""
    if row["event"] == "insn":
        return ("insn", row["hart"], row["insns"], row["pc"], row["priv"], row["satp"])
    if row["event"] == "io":
        return ("io", tuple(row["words"]))
    return (row["event"], row["hart"], row["insns"], tuple(row["words"]))


whole = lines_of(record("json", "all", []))
insns = [row for row in whole if row["event"] == "insn"]


def exact(rows):
    return [row for row in rows if row["event"] != "translate"]


def pages_of(row):
    """The pages of data that an instruction, or C code for it, touches."""
    words = [row["words"][0]] if row["event"] == "memory" else [m["address"] for m in row.get("memory", [])]
    return {int(word, 16) >> 12 for word in words}


touched = collections.defaultdict(set)
for row in whole:
    if row["event"] in ("insn", "memory"):
        touched[row["hart"], row["insns"]] |= pages_of(row)
for row in whole:
    if row["event"] == "tlb-fill":
        check(int(row["words"][0], 16) >> 12 in touched[row["hart"], row["insns"]],
              "a fill where no instruction asks for its page:", row)


for tiers in [], ["--eager-tier0"]:
    check(exact(lines_of(record("json", "all", [], 0, tiers))) == exact(whole), "the same with tier 0", tiers)
at = {(row["hart"], row["insns"]): (int(row["pc"], 16), row["priv"]) for row in insns}
first = {}
for row in whole:
    if row["event"] != "io":
        first.setdefault((row["event"], row["hart"], row.get("pc")), row["insns"])
check(len(insns) > 500 and len({row["event"] for row in whole}) == 11, "the whole:", len(insns))


def csr(number):
    return next(r["insns"] for r in whole if r["event"] == "csr" and int(r["words"][0], 16) & 0xfff == number)


def trap(cause):
    return next(r["insns"] for r in whole if r["event"] == "trap" and int(r["words"][0], 16) == cause)


def here(row, addresses=None, privileges=None):
    if row["event"] in ("tlb-fill", "tlb-flush", "io", "task"):
        return True
    pc, privilege = place(row)
    if pc is None:
        return None
    return (addresses is None or pc in addresses) and (privileges is None or privilege in privileges)


SUPERVISOR = first["trap", 0, None] - 50  # replaced below by the instruction at its symbol
for row in insns:
    if row.get("symbol") == "supervisor":
        SUPERVISOR = row["insns"]
    if row.get("symbol") == "shout":
        SHOUT = row["insns"]
        break

# A filter, and which rows of the whole it leaves: True or False, or None where harts are told "soon".
FILTERS = {
    "none": ([], lambda r: True),
    "range": (["range=%#x-%#x" % (WORK.start, WORK.stop)], lambda r: here(r, WORK)),
    "names": (["range=work-shout"], lambda r: here(r, WORK)),
    "symbol": (["symbol=leaf"], lambda r: here(r, LEAF)),
    "function": (["function=work"], lambda r: None if r["event"] != "insn" else int(r["pc"], 16) in WORK),
    "task": (["task=cat"], lambda r: r["event"] == "io"),
    "satp": (["satp=" + SATP], lambda r: None if r["event"] != "insn" else r["satp"] == SATP),
    "user": (["priv=U"], lambda r: here(r, None, "U")),
    "supervisor": (["priv=S"], lambda r: here(r, None, "S")),
    "both": (["priv=SM"], lambda r: here(r, None, "SM")),
    "twice": (["priv=S", "symbol=leaf"], lambda r: here(r, LEAF, "S")),
    "hart": (["hart=1"], lambda r: r["event"] == "io" or r["hart"] == 1),
    "hart and symbol": (["hart=0", "symbol=leaf"],
                        lambda r: (r["event"] == "io" or r["hart"] == 0) and here(r, LEAF)),
    "start": (["start=supervisor"], lambda r: after(r, SUPERVISOR, True)),
    "stop": (["stop=shout"], lambda r: before(r, SHOUT)),
    "start trap": (["start=@trap:8"], lambda r: after(r, trap(8), True)),
    "start interrupt": (["start=@interrupt:5"], lambda r: after(r, trap(5 | 1 << 63), True)),
    "start csr": (["start=@csr:satp"], lambda r: after(r, csr(0x180), False)),
    "start device": (["start=@device:0x10000000"], lambda r: behind_block(r, first["device", 0, None])),
    "start console": (["start=@io:console"], lambda r: behind_block(r, first["device", 0, None])),
    "start wait": (["start=@wait"], lambda r: None),
    "start return": (["start=@return"], lambda r: after(r, first["return", 0, None], False)),
    "start fill": (["start=@tlb-fill"], lambda r: None),
    "start flush": (["start=@tlb-flush"], lambda r: None),
    "stop trap": (["stop=@trap:9"], lambda r: before(r, trap(9))),
    "start task": (["start=@task:cat"], lambda r: False),
    "window": (["insns=100-200"], lambda r: None if r["event"] == "io" or r["hart"] else
               100 <= r["insns"] < 200 if r["event"] == "insn" else None),
    "every": (["every=3"], lambda r: None),
}


def after(row, count, at_once):
    """From an event or place of hart 0 on; what else happens in the same instruction may be told or not."""
    if row["event"] == "io" or row["hart"] != 0:
        return None
    if row["event"] == "insn":
        return row["insns"] >= count if at_once else (None if row["insns"] == count else row["insns"] > count)
    return None if row["insns"] == count else row["insns"] > count


def behind_block(row, count):
    """From the block behind an event in the middle of one on."""
    return None if row["event"] != "io" and count <= row["insns"] < count + 3 else after(row, count, False)


def before(row, count):
    if row["event"] == "io" or row["hart"] != 0:
        return None
    return None if row["insns"] == count else row["insns"] < count


KINDS = {
    "blocks": {"insn"}, "memory": {"insn"}, "registers": {"insn"}, "memory,registers": {"insn"},
    "csrs": {"csr"}, "traps": {"trap", "return", "wait"}, "tasks": set(), "tlb": {"tlb-fill", "tlb-flush"},
    "devices": {"device"}, "io": {"io"}, "translation": {"translate"},
    "all": {row["event"] for row in whole} - {"context"},
}
LOOSE = {"translate", "context"}  # what is translated anew depends on what is watched
ANEW = {"window": {"tlb-fill"}}  # TLBs are filled again when watching begins


def compare(rows, kinds, title, leaves):
    """The rows are those of the whole that the filter leaves."""
    loose = LOOSE | ANEW.get(title, set())
    told = collections.Counter(name(row) for row in rows if row["event"] not in loose)
    every = collections.Counter(name(row) for row in whole if row["event"] not in loose)
    check(not told - every, kinds, title, "tells of", list((told - every).items())[:3])
    wanted = [(row, leaves(row)) for row in whole if row["event"] in KINDS[kinds] - LOOSE]
    missing = [name(row) for row, leave in wanted if leave and name(row) not in told]
    more = [name(row) for row, leave in wanted if leave is False and name(row) in told]
    check(not missing, kinds, title, "lacks", len(missing), missing[:3])
    check(not more, kinds, title, "has too many", len(more), more[:3])
    kind = {row["event"] for row in rows} - KINDS[kinds] - {"context"}
    check(not kind, kinds, title, "other kinds:", kind)


for title, (filters, leaves) in FILTERS.items():
    for kinds in KINDS:
        compare(lines_of(record("json", kinds, filters)), kinds, title, leaves)

# --- details are those of the whole, whatever is told of them; the commit log's are the same ---

full = {name(row): row for row in insns}
for kinds, members in (("blocks", []), ("memory", ["memory"]), ("registers", ["registers"]),
                       ("memory,registers", ["memory", "registers"])):
    good = True
    for row in lines_of(record("json", kinds, [])):
        if row["event"] == "insn":
            other = full[name(row)]
            for member in ("memory", "registers"):
                mine = json.dumps(row.get(member)) if member in members else None
                whole_s = re.sub(', "physical": "[^"]*"', "", json.dumps(other.get(member)))
                good &= row.get(member) is None if mine is None else mine == whole_s
    check(good, kinds, "has other details")
NUMBERS = {n: i for i, n in enumerate("zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 "
                                      "s9 s10 s11 t3 t4 t5 t6".split())}
log = collections.defaultdict(list)
for line in open(record("spike", None, [])):
    hart, priv, pc, rest = re.match(r"core +(\d+): (\d) (0x\w+) \(0x\w+\)(.*)", line).groups()
    reg = re.search(r" x(\d+) +(0x\w+)", rest)
    mem = re.search(r" mem (0x\w+) (0x\w+)", rest)
    log[int(hart)].append((int(pc, 16), "USHM"[int(priv)], reg and (int(reg[1]), int(reg[2], 16)),
                           mem and (int(mem[1], 16), int(mem[2], 16))))
for hart in 0, 1:
    ours = []
    for row in (row for row in insns if row["hart"] == hart):
        regs = [(NUMBERS[k], int(v, 16)) for k, v in row.get("registers", {}).items() if k in NUMBERS]
        mems = [(int(m["address"], 16), int(m["value"], 16)) for m in row.get("memory", []) if m["write"]]
        ours.append((int(row["pc"], 16), row["priv"], regs[0] if regs else None, mems[0] if mems else None))
    wrong = [(a, b) for a, b in zip(ours, log[hart]) if a != b]
    check(not wrong and len(log[hart]) >= 150 and abs(len(ours) - len(log[hart])) <= 2,
          "hart", hart, "and its commit log:", wrong[:2], len(ours), len(log[hart]))

# --- all forms tell the same, recorded as such or shown of a store ---

PLAIN = re.compile(r"(\d+) +(\d+) ([USM?]) ([0-9a-f]{16}) ")
EVENT = re.compile(r"([\d-]+) +([\d-]+) ([USM?-]) +\d+ ns ([a-z-]+): ")


def of_text(lines):
    for line in lines:
        event, insn = EVENT.match(line), PLAIN.match(line)
        if event:
            yield event[4], event[1], event[2]
        elif insn:
            yield "insn", insn[1], insn[2], int(insn[4], 16), insn[3]
        else:
            check(False, "a line of neither kind:", line)


def of_json(rows):
    for row in rows:
        if row["event"] == "insn":
            yield "insn", str(row["hart"]), str(row["insns"]), int(row["pc"], 16), row["priv"]
        else:
            yield row["event"], str(row.get("hart", "-")), str(row.get("insns", "-"))


def of_chrome(lines):
    """How many of each phase; every track has a name, its times never go back, and slices are whole."""
    got = json.loads("".join(lines))
    last, open_, names = {}, collections.Counter(), {}
    for e in got:
        if e["ph"] == "M":
            names[e["tid"] if e["name"] == "thread_name" else -1] = e["args"]["name"]
            continue
        check(e["tid"] in names and e["pid"] == 1 and e["name"], "a track without a name:", e)
        check(e["ts"] >= last.get(e["tid"], 0), "a track's time goes back:", e)
        last[e["tid"]] = e["ts"]
        open_[e["tid"]] += {"B": 1, "E": -1}.get(e["ph"], 0)
        check(open_[e["tid"]] >= 0 and (e["ph"] != "i" or e["s"] == "t"), "an end without a beginning:", e)
    check(not +open_, "slices without an end:", open_)
    check(not got or names.get(-1) == "guest", "tracks:", names)
    check(all(name == ("machine" if tid == 2 else "hart %d" % tid) for tid, name in names.items() if tid >= 0),
          "tracks:", names)
    return collections.Counter(e["ph"] for e in got if e["ph"] != "M")


def chrome_wanted(rows):
    """Slices that end without having begun are left out, those that have not ended do so at the end."""
    wanted, open_ = collections.Counter(), collections.Counter()
    for row in rows:
        kind = row["event"]
        begins = kind == "trap" or (kind == "wait" and int(row["words"][0], 16) != 0)
        if kind in ("trap", "return", "wait"):
            wanted["B" if begins else "E"] += begins or open_[row["hart"]] > 0
            open_[row["hart"]] = max(open_[row["hart"]] + (1 if begins else -1), 0)
        elif kind not in ("context", "insn"):
            wanted["i"] += 1
    wanted["E"] += sum(open_.values())
    return +wanted


before_insn, held = {}, collections.defaultdict(lambda: [0] * 32)
for row in insns:
    before_insn[row["hart"], row["insns"]] = list(held[row["hart"]])
    for reg, value in row.get("registers", {}).items():
        if reg in NUMBERS:
            held[row["hart"]][NUMBERS[reg]] = int(value, 16)


def dumps(lines, rows, title):
    """QEMU's register dumps say what registers hold there, or that it is not known: only behind gaps."""
    steps, at, wrong, unknown, told = [r for r in rows if r["event"] == "insn"], 0, [], 0, 0
    for line in lines:
        at += bool(re.match(r"0x[0-9a-f]{16}:  ", line))
        for reg, value in re.findall(r"x(\d+)/\w+ +([0-9a-f]{16}|\?{16})", line):
            told += 1
            unknown += value[0] == "?"
            if value[0] != "?" and int(value, 16) != before_insn[steps[at]["hart"], steps[at]["insns"]][int(reg)]:
                wrong.append((steps[at]["pc"], reg, value))
    check(not wrong, title, "QEMU's registers are wrong:", wrong[:3])
    check(told > 0 if any("registers" in r for r in steps) else told == 0, title, "QEMU's registers:", told)
    check(unknown == 0 if "none" in title else unknown > 0 if "user" in title else True, title, "unknown:", unknown)


def same(path_or_text, form, rows, title):
    lines = path_or_text.splitlines()
    if form == "text":
        check(list(of_text(lines)) == list(of_json(rows)), title, "text differs from JSON")
    elif form == "chrome":
        check(of_chrome(lines) == chrome_wanted(rows), title, "Chrome's differ:", of_chrome(lines))
    elif form == "qemu":
        pcs = [int(line[:18], 16) for line in lines if re.match(r"0x[0-9a-f]{16}:  ", line)]
        check(pcs == [int(r["pc"], 16) for r in rows if r["event"] == "insn"], title, "QEMU's differ")
        traps = sum(line.startswith("riscv_cpu_do_interrupt:") for line in lines)
        check(traps == sum(r["event"] == "trap" for r in rows), title, "QEMU's traps differ")
        dumps(lines, rows, title)
    else:
        check([json.loads(line) for line in lines] == rows, title, "JSON differs")


def by_hart(rows):
    return sorted(rows, key=lambda row: row.get("hart", -1))


def shown_of(store, title, rows):
    """What a store tells: the rows that were recorded, of each hart in their order; harts follow each other as they
    ran, where a text has them as their buffers filled."""
    shown = [json.loads(line) for line in metic("trace", "show", store, "--format", "json").stdout.splitlines()]
    check(by_hart(shown) == by_hart(rows), title, "shown differs from JSON that was recorded")
    return shown


def forms(kinds, filters, title):
    for form in "text", "json", "qemu", "chrome":
        direct = open(record(form, kinds, filters)).read()
        if form == "text":
            rows = lines_of(record("json", kinds, filters))
            store = record("store", kinds, filters)
            if title != "every":  # of a store blocks are left out, of a text instructions
                shown_rows = shown_of(store, title, rows)
        shown = metic("trace", "show", store, "--format", form)
        check(shown.returncode == 0, title, form, shown.stderr)
        same(direct, form, rows, title + " recorded")
        if title != "every":
            same(shown.stdout, form, shown_rows, title + " shown")


for kinds in KINDS:
    forms(kinds, [], kinds)
for title, (filters, _) in FILTERS.items():
    forms("all", filters, title)

# Control transfers: as many as there are in the instructions, and the calls are slices.
rows = lines_of(record("json", "branches", []))
count = collections.Counter(row.get("kind", row["event"]) for row in rows)
calls = [r for r in insns if re.match(r"(jal|jalr) ra,|c\.jalr", r["text"])]
check(count["call"] == len(calls) and count["trap"] == 5, "calls:", count, len(calls))
shown_of(record("store", "branches", []), "branches", rows)
shown = metic("trace", "show", "out.store", "--instructions", "--format", "json").stdout
check(sum('"insn"' in line for line in shown.splitlines()) == len(insns), "a store's instructions")
events = json.load(open(record("chrome", "branches", [])))
work = [e for e in events if e["ph"] == "B" and e["name"] == "work"]
check(len(work) == sum(1 for r in insns if r.get("symbol") == "work"), "slices of work:", len(work))
of_chrome([json.dumps(events)])

# Refusals say why.
for words, says in (
        (["--trace-format", "spike", "--trace-filter", "priv=U"], "a commit log holds everything"),
        (["--trace-format", "qemu", "--trace-events", "branches"], "has no branches"),
        (["--trace-filter", "hart=2"], "hart=2 is no such number"),
        (["--trace-filter", "satp=0"], "satp=0 is no address space"),
        (["--trace-filter", "every=0"], "every=0 is no such number"),
        (["--trace-filter", "range=0x2000-0x1000"], "holds nothing"),
        (["--trace-filter", "insns=5-5"], "is no window"),
        (["--trace-filter", "priv=Q"], "other letters"),
        (["--trace-events", "blocks,colours"], "'colours' is none of them")):
    ran = metic("run", "matrix.elf", "--cpus", "2", "--quiet", "--trace", "out.no", *words)
    check(ran.returncode in (2, 125) and says in ran.stderr, words, ran.returncode, ran.stderr)
for words, says in (
        (["diff", "out.store", "out.store", "--format", "json"], "has no option '--format'"),
        (["query", "out.store", "counts", "insn", "--format", "chrome"], "answers have no other form"),
        (["show", "out.store", "--hart", "x"], "'x' is no hart"),
        (["show", "out.store", "--hart", "64"], "'64' is no hart"),
        (["show", "out.store", "--from", "20", "--to", "10"], "--to is not behind --from"),
        (["show", "out.store", "--format", "qemu", "--branches"], "has no branches")):
    ran = metic("trace", *words)
    check(ran.returncode == 2 and says in ran.stderr, words, ran.returncode, ran.stderr)

print("%d passed, %d failed" % (passed, failed))
sys.exit(failed != 0)
