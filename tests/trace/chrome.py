"""Looks at Chrome's trace events as strictly as Perfetto reads them: valid JSON; of each track slices
that begin and end in order and inside of each other, marks in between, times that never go back,
and a name. Arguments: FILE [PHASE...], phases that have to be there."""

import json
import sys
from collections import Counter, defaultdict


def main(path, wanted):
    with open(path, encoding="utf-8") as file:
        events = json.load(file)
    wrong, phases = [], Counter()
    now, opened, until, named = {}, defaultdict(int), defaultdict(float), set()
    for event in events:
        phase, track = event["ph"], (event["pid"], event.get("tid"))
        phases[phase] += 1
        if phase == "M":
            named.add(track)
            continue
        if track not in named:
            wrong.append("no name for track %s" % (track,))
            named.add(track)
        if phase not in "BEiX" or not event["name"]:
            wrong.append("what is %s?" % event)
        # Slices with a length and marks are written one kind after the other.
        key = (track, phase in "X" or (phase == "i" and phases["X"] != 0 and phase))
        if event["ts"] < now.get(key, 0) or event["ts"] < 0:
            wrong.append("back in time: %s" % event)
        now[key] = event["ts"]
        opened[track] += (phase == "B") - (phase == "E")
        if opened[track] < 0:
            wrong.append("an end without a beginning: %s" % event)
        if phase == "X":
            if event["dur"] < 0 or event["ts"] + 0.0015 < until[track]:
                wrong.append("slices that overlap: %s" % event)
            until[track] = event["ts"] + event["dur"]
        if phase == "i" and event["s"] != "t":
            wrong.append("a mark of no track: %s" % event)
    wrong += ["a slice without an end: %s" % (t,) for t, n in opened.items() if n > 0]
    wrong += ["no %s" % phase for phase in wanted if phases[phase] == 0]
    print("\n".join(wrong[:10]) or "%d events" % len(events))
    return bool(wrong)


sys.exit(main(sys.argv[1], sys.argv[2:]))
