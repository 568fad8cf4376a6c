"""Every kind of event and every filter of metic's traces on a boot of Debian's kernel that runs a program, around where
that begins, with one and four harts on the virtual clock: what a filter leaves is what the unfiltered recording of the
same window has there, and a store tells the same in all forms. Prints what is wrong, and counts."""
import collections
import json
import os
import re
import subprocess
import sys

METIC, CACHE = os.environ["METIC"], sys.argv[1]
BEFORE, BEHIND = 60000, 120000  # instructions of the window around the program's first
STAYING = {"tlb-fill", "tlb-flush", "io", "task"}  # whatever addresses and privileges are left in
LOOSE = {"translate", "context", "tlb-fill"}  # these depend on what else is recorded (docs/tracing.md)
passed = failed = 0


def check(good, *what):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print("WRONG:", *what)


def metic(*words):
    return subprocess.run([METIC, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=600, text=True)


def record(harts, form, kinds, filters):
    """The recording, in out.FORM."""
    words = ["run", CACHE + "/vmlinuz", "--initrd", CACHE + "/initramfs.cpio.gz", "--append", "console=ttyS0",
             "--serial", "none", "--quiet", "--clock", "virtual", "--cpus", str(harts), "--trace", "out." + form,
             "--trace-format", form, "--trace-events", kinds, "--expect", "metic:~# ",
             "--send", "cat /proc/version; poweroff -f\\n"]
    for one in filters:
        words += ["--trace-filter", one]
    ran = metic(*words)
    check(ran.returncode == 0, harts, kinds, filters, "status", ran.returncode, ran.stderr)
    return "out." + form


def lines_of(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def name(row):
    """What stays the same whatever else is recorded."""
    if row["event"] == "insn":
        return ("insn", row["hart"], row["insns"], row["pc"], row["priv"], row["satp"])
    if row["event"] == "io":
        return ("io", tuple(row["words"]))
    return (row["event"], row["hart"], row["insns"], tuple(row["words"]))


def symbol(row):
    return row.get("symbol", "").split("+")[0]


class Window:
    """The same instructions each time, around the first of the task "cat"."""

    def __init__(self, harts):
        self.harts = harts
        tasks = [row for row in lines_of(record(harts, "json", "tasks", [])) if row["event"] in ("task", "context")]
        begin = next(row["ns"] for row in tasks if row.get("text", "").startswith("cat ("))
        most = max(row["insns"] for row in tasks if row["ns"] <= begin)  # it ends when any hart is there
        self.filter = "insns=%d-%d" % (most - BEFORE, most + BEHIND)
        self.rows = self.record("all", [])
        self.at, task = {}, {}
        for row in self.rows:
            if row["event"] == "insn":
                self.at[row["hart"], row["insns"]] = int(row["pc"], 16), row["priv"]
            if row["event"] == "task":
                task[row["hart"]] = row["text"].rsplit(" (", 1)[0]
            row["task"] = task.get(row.get("hart"))
        self.every = collections.Counter(name(row) for row in self.rows if row["event"] not in LOOSE)

    def record(self, kinds, filters):
        return lines_of(record(self.harts, "json", kinds, [self.filter, *filters]))

    def here(self, row, addresses=None, privileges=None):
        """Whether ranges and privileges leave the row: None where it is not known at which instruction it is."""
        if row["event"] in STAYING:
            return True
        pc, privilege = self.at.get((row.get("hart"), row.get("insns")), (None, None))
        if row["event"] in ("trap", "return"):
            is_trap = row["event"] == "trap"
            pc = int(row["words"][2 if is_trap else 0], 16)
            privilege = row["priv"] if is_trap else "USHM"[int(row["words"][1], 16)]
        if pc is None:
            return None
        return (addresses is None or pc in addresses) and (privileges is None or privilege in privileges)

    def compare(self, kinds, title, filters, leaves, wanted):
        rows = self.record(kinds, filters)
        told = collections.Counter(name(row) for row in rows if row["event"] not in LOOSE)
        more = told - self.every
        check(not [key for key in more if key[0] != "task"], self.harts, kinds, title, "tells of", list(more)[:3])
        answers = [(name(row), leaves(row)) for row in self.rows if row["event"] in wanted - LOOSE]
        lacks = [key for key, answer in answers if answer and key not in told]
        many = [key for key, answer in answers if answer is False and key in told]
        check(not lacks, self.harts, kinds, title, "lacks", len(lacks), lacks[:3])
        check(not many, self.harts, kinds, title, "has too many", len(many), many[:3])

    def filters(self):
        insns = [row for row in self.rows if row["event"] == "insn"]
        memset = [int(row["pc"], 16) for row in insns if symbol(row) == "__memset"]
        page = range(min(memset) & ~4095, (min(memset) & ~4095) + 4096)
        satp = collections.Counter(row["satp"] for row in insns if row["satp"] != "0x0").most_common(1)[0][0]

        def insn(answer):
            """What a filter of code leaves of instructions; what else happens is near them."""
            return lambda row: answer(row) if row["event"] == "insn" else None
        yield "a page", ["range=%#x-%#x" % (page.start, page.stop)], lambda row: self.here(row, page)
        yield "a symbol", ["symbol=__memset"], insn(lambda row: symbol(row) == "__memset")
        yield "both", ["symbol=__memset", "priv=S"], insn(lambda row: symbol(row) == "__memset")
        yield "a function", ["function=do_sys_openat2"], insn(lambda row: symbol(row) == "do_sys_openat2" or None)
        yield "satp", ["satp=" + satp], insn(lambda row: row["satp"] == satp)
        yield "programs", ["priv=U"], lambda row: self.here(row, None, "U")
        yield "the kernel", ["priv=S"], lambda row: self.here(row, None, "S")
        yield "a hart", ["hart=0"], lambda row: row["event"] == "io" or row["hart"] == 0
        for task in sorted({row["task"] for row in insns if row["task"]}):
            # the return into a new program may be the old one's or the new one's
            yield "task " + task, ["task=" + task], insn(
                lambda row, task=task: None if row["text"].startswith("sret") else row["task"] == task)

    def forms(self):
        """A store of all, shown in each form."""
        store = record(self.harts, "store", "all", [self.filter])
        shown = {form: metic("trace", "show", store, "--format", form).stdout.splitlines()
                 for form in ("json", "text", "qemu", "chrome")}
        rows = [json.loads(line) for line in shown["json"]]
        by_hart = [[{key: row[key] for key in row if key != "task"} for row in sorted(
            some, key=lambda row: row.get("hart", -1))] for some in (rows, self.rows)]
        check(by_hart[0] == by_hart[1], self.harts, "a store differs from JSON that was recorded")
        check(len(shown["text"]) == len(rows), self.harts, "text:", len(shown["text"]), "lines of", len(rows))
        pcs = [int(line[:18], 16) for line in shown["qemu"] if re.match(r"0x[0-9a-f]{16}:  ", line)]
        check(pcs == [int(row["pc"], 16) for row in rows if row["event"] == "insn"], self.harts, "QEMU's differ")
        instants = sum(event["ph"] == "i" for event in json.loads("".join(shown["chrome"])))
        others = {"insn", "context", "trap", "return", "wait"}
        check(instants == sum(row["event"] not in others for row in rows), self.harts, "Chrome's:", instants)


KINDS = {
    "blocks": {"insn"}, "memory,registers": {"insn", "memory"}, "csrs": {"csr"}, "tasks": {"task"}, "io": {"io"},
    "traps": {"trap", "return", "wait", "task"}, "tlb": {"tlb-flush"}, "devices": {"device"},
}
for count in 1, 4:
    window = Window(count)
    check(len({row["event"] for row in window.rows}) >= 9, count, "the window has little:", window.filter)
    for some, events in KINDS.items():
        window.compare(some, "none", [], lambda row: True, events)
    for title, filters, leaves in window.filters():
        window.compare("all", title, filters, leaves, {row["event"] for row in window.rows})
    window.forms()
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed != 0)
