#!/usr/bin/env python3
"""prom_check - is a page of metrics what Prometheus's text format 0.0.4 says?

    prom_check.py FILE [SERIES...]

A SERIES, such as 'osd_reads_total{role="osd",id="0"}', must be there, whatever its value.  Prints what is wrong
and exits with 1.
"""
import math
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"^({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? ([^ ]+)$")
COMMENT = re.compile(rf"^# (HELP|TYPE) ({NAME}) (.+)$")
TYPES = ("counter", "gauge", "histogram")


class Page:
    def __init__(self, text):
        self.wrong, self.types, self.helps, self.series = [], {}, set(), {}
        self.family, self.done = None, set()
        if not text.endswith("\n"):
            self.wrong.append("the last line has no end")
        for number, line in enumerate(text.splitlines(), 1):
            said = self.comment(line) if line.startswith("#") else self.sample(line)
            if said:
                self.wrong.append(f"line {number}: {said}: {line}")
        self.histograms()
        for name in self.types:
            if name not in self.helps:
                self.wrong.append(f"{name} has no HELP")

    def comment(self, line):
        found = COMMENT.match(line)
        if not found:
            return "no HELP or TYPE"
        kind, name, rest = found.groups()
        if kind == "HELP":
            self.begin(name)
            if name in self.helps:
                return "a second HELP"
            self.helps.add(name)
            return None
        if name != self.family:
            return "a TYPE away from its HELP"
        if rest not in TYPES:
            return "no type"
        if name in self.types:
            return "a second TYPE"
        self.types[name] = rest
        return None

    def begin(self, name):
        """Another family: the one before is over."""
        if self.family:
            self.done.add(self.family)
        self.family = name

    def sample(self, line):
        found = SAMPLE.match(line)
        if not found:
            return "no sample"
        name, labels, value = found.groups()
        family = name
        if self.family and self.types.get(self.family) == "histogram":
            family = re.sub(r"_(bucket|sum|count)$", "", name)
        if family != self.family or family in self.done:
            return "a sample outside its family"
        if family not in self.types:
            return "a sample before its TYPE"
        pairs = re.findall(LABEL, labels or "")
        names = [p.split("=")[0] for p in pairs]
        if len(set(names)) != len(names):
            return "a label twice"
        key = (name, tuple(sorted(pairs)))
        if key in self.series:
            return "a series twice"
        try:
            self.series[key] = float(value)
        except ValueError:
            return "no number"
        if self.types[family] != "gauge" and not (self.series[key] >= 0 and math.isfinite(self.series[key])):
            return "a counter below zero, or none"
        return None

    def histograms(self):
        for name, kind in self.types.items():
            if kind != "histogram":
                continue
            rows = {}
            for (sample, labels), value in self.series.items():
                if sample == name + "_bucket":
                    bound = [p for p in labels if p.startswith('le="')]
                    rest = tuple(p for p in labels if not p.startswith('le="'))
                    rows.setdefault(rest, []).append((bound and bound[0][4:-1], value))
            if not rows:
                self.wrong.append(f"{name} has no buckets")
            for labels, buckets in rows.items():
                self.histogram(name, labels, buckets)

    def histogram(self, name, labels, buckets):
        bounds, counts = [float(b) if b else math.nan for b, _ in buckets], [c for _, c in buckets]
        if bounds != sorted(bounds) or len(set(bounds)) != len(bounds) or bounds[-1] != math.inf:
            self.wrong.append(f"{name}{labels}: bounds {bounds}")
        if counts != sorted(counts):
            self.wrong.append(f"{name}{labels}: counts {counts}")
        if self.series.get((name + "_count", labels)) != counts[-1]:
            self.wrong.append(f"{name}{labels}: its count is not that of the last bucket")
        if (name + "_sum", labels) not in self.series:
            self.wrong.append(f"{name}{labels}: no sum")

    def has(self, text):
        found = re.match(rf"^({NAME})(?:\{{(.*)\}})?$", text)
        key = (found.group(1), tuple(sorted(re.findall(LABEL, found.group(2) or ""))))
        if key not in self.series:
            self.wrong.append(f"{text} is not there")


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        page = Page(f.read())
    for series in sys.argv[2:]:
        page.has(series)
    print("\n".join(page.wrong) or f"{len(page.series)} series of {len(page.types)} families")
    return 1 if page.wrong or not page.series else 0


if __name__ == "__main__":
    sys.exit(main())
