#!/usr/bin/env python3
"""matrix - what S3's clients can do here: measured, compared with what we say, written down.

    matrix.py --data FOLDER --cairn FILE --source FOLDER [--write] [--full] [CLIENT...]

Runs every client (client_*.py) against the cluster on FOLDER.  A cell of the matrix is a call and a
client, and as bad as the worst of its rows.  missing.txt names the cells that do not work, and why;
all others must.  A cell worse than that fails; a better one is named, so that its line can go.
doc/s3-matrix.md says the same for people; --write makes it anew, and a run without checks it.

Prints TAP: a test case is a row.
"""
import argparse
import fnmatch
import functools
import glob
import importlib
import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from s3sign import env_file  # noqa: E402
from table import FAILS, NOT_IMPLEMENTED, WORKS, WORST_FIRST, Table  # noqa: E402

DOC = os.path.join(HERE, "../../doc/s3-matrix.md")
ORDER = ("s3cmd", "aws s3", "aws s3api", "boto3", "rclone", "newer SDKs", "restic", "duplicity", "s3fs")
SIGNS = {WORKS: "yes", NOT_IMPLEMENTED: "501", FAILS: "no", None: ""}


class Missing:
    """missing.txt: what does not work, and why."""

    def __init__(self, path):
        self.lines = []
        with open(path, encoding="utf-8") as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    client, call, result, reason = [w.strip() for w in line.split("|")]
                    self.lines.append((client, call, result, reason))

    def find(self, client, call):
        """(result, reason)"""
        for a_client, a_call, result, reason in self.lines:
            if fnmatch.fnmatchcase(client, a_client) and fnmatch.fnmatchcase(call, a_call):
                return result, reason
        return WORKS, ""


def clients():
    modules = [importlib.import_module(os.path.basename(p)[:-3])
               for p in sorted(glob.glob(os.path.join(HERE, "client_*.py")))]
    return sorted(modules, key=lambda m: ORDER.index(m.NAME))


def lacks(client):
    """What this machine has not of what a client needs; "" when all is there."""
    for command in client.COMMANDS:
        if not shutil.which(command):
            return command
    for module in ["boto3"] if client.NAME in ("boto3", "s3cmd", "duplicity", "s3fs") else []:
        if not importlib.util.find_spec(module):
            return "python3-" + module
    return ""


def second_user(cairn, data):
    """Keys of a user that owns nothing; one that an earlier run made is of no use to us."""
    said = subprocess.run([cairn, "--data", data, "user", "create", f"other{os.getpid()}", "--json"],
                          capture_output=True, text=True, check=True).stdout
    return json.loads(said)


def run_client(setup, name):
    """The rows of a client.  What ends it early is a row, too."""
    module = next(m for m in clients() if m.NAME == name)
    table = Table(module.NAME, setup)
    try:
        module.run(table)
    except Exception as e:  # a row that cannot even begin
        said = f"{type(e).__name__}: {e}"

        def again():
            raise RuntimeError(said)
        table.row(None, "the client's own beginning", again)
    return table.rows


def run_all(modules, setup):
    """The rows of each, in order; as many at a time as there are cores."""
    with multiprocessing.Pool(os.cpu_count(), maxtasksperchild=1) as pool:  # clients' modules do not mix
        yield from pool.imap(functools.partial(run_client, setup), [m.NAME for m in modules], 1)


def worst(results):
    return min(results, key=WORST_FIRST.index)


def cells_of(rows):
    """{(client, call): worst result}; a row of no call counts as one, named after itself."""
    cells = {}
    for row in rows:
        for call in row.calls or [row.what]:
            cells[row.client, call] = worst([cells.get((row.client, call), WORKS), row.result])
    return cells


def due_of(row, missing):
    """What is said of a row: the worst that is said of its calls."""
    return worst([missing.find(row.client, call)[0] for call in row.calls or [row.what]])


# --- the document ---------------------------------------------------------------------------------

def document(rows, missing):
    """What is said to work, of the rows there are."""
    out = ["# S3: what works with which client", "",
           "Made by `./dev matrix`, which runs every client against a cluster; `make check` compares. *yes*: works;",
           "*501*: answered with NotImplemented; *no*: fails; empty: the client was not asked to. Reasons are below.",
           ""]
    cells = {}
    for row in rows:
        for call in row.calls:
            cells.setdefault(call, {})[row.client] = missing.find(row.client, call)
    columns = [c for c in ORDER if any(r.client == c and r.calls for r in rows)]
    out += ["| call | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    reasons = []
    for call in sorted(cells):
        line = []
        for client in columns:
            result, reason = cells[call].get(client, (None, ""))
            if reason and reason not in reasons:
                reasons.append(reason)
            line.append(SIGNS[result] + (f" ({reasons.index(reason) + 1})" if reason else ""))
        out.append(f"| {call} | " + " | ".join(line) + " |")
    out += [""] + [f"{n}. {r}" for n, r in enumerate(reasons, 1)]
    out += ["", "## What each client was asked", ""]
    for client in ORDER:
        mine = [r for r in rows if r.client == client and "every other call" not in r.calls]
        if mine:
            out += [f"### {client}", "", "| asked | about | result |", "| --- | --- | --- |"]
            out += [f"| {r.what} | {', '.join(r.calls)} | {SIGNS[due_of(r, missing)]} |".replace("*", "\\*")
                    for r in mine]
            out.append("")
    return "\n".join(out)


def check_document(rows, missing, write):
    """Does it say what is said to work?"""
    want = document(rows, missing)
    if write:
        with open(DOC, "w", encoding="utf-8") as f:
            f.write(want)
        return True
    try:
        with open(DOC, encoding="utf-8") as f:
            return f.read() == want
    except FileNotFoundError:
        return False


# --- the run --------------------------------------------------------------------------------------

class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def case(self, good, text, said=""):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} {text}", flush=True)
        if said and not good:
            print("\n".join("    " + line for line in said.splitlines()), flush=True)


def report(rows, missing, tap):
    """A case a row.  Its cell may be as bad as missing.txt says; another row of it may be better."""
    for row in rows:
        good = WORST_FIRST.index(row.result) >= WORST_FIRST.index(due_of(row, missing))
        about = f" ({', '.join(row.calls)})" if row.calls else ""
        tap.case(good, f"{row.client}: {row.what}{about}: {row.result}, {row.seconds:.1f} s", row.said)
    for (client, call), result in cells_of(rows).items():
        due, _ = missing.find(client, call)
        if WORST_FIRST.index(result) > WORST_FIRST.index(due):
            print(f"better than missing.txt says: {client} | {call} | {result} (its line says {due})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("clients", nargs="*")
    setup = parser.parse_args()
    setup.env = env_file(os.path.join(setup.data, "env"))
    setup.work = tempfile.mkdtemp(prefix="clients.", dir=os.getcwd())
    setup.other = second_user(setup.cairn, setup.data)
    os.environ.update(setup.env, HOME=setup.work)
    os.environ.pop("AWS_ENDPOINT_URL")
    os.environ.pop("AWS_CA_BUNDLE", None)  # rclone takes no remote without TLS beside it
    missing = Missing(os.path.join(HERE, "missing.txt"))
    tap, rows, here = Tap(), [], []
    asked = [m for m in clients() if not setup.clients or m.NAME in setup.clients]
    for module in asked:
        if lacks(module):
            tap.case(True, f"{module.NAME} # SKIP {lacks(module)} is not installed")
        else:
            here.append(module)
    for of_client in run_all(here, setup):
        report(of_client, missing, tap)
        rows += of_client
    if len(here) == len(ORDER):
        tap.case(check_document(rows, missing, setup.write),
                 "doc/s3-matrix.md says what missing.txt says (./dev matrix writes it)")
    shutil.rmtree(setup.work, ignore_errors=True)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
