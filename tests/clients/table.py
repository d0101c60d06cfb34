"""table - what one client does, row by row, and what came of it.

A row is one thing that a client is asked to do.  It names the S3 calls that it is about ("one + two";
None: of a program that uses many), and ends in
WORKS, in NOT_IMPLEMENTED (the answer was 501, and the client said so) or in FAILS.  A row never ends
the run: what it could not make, later rows find missing and fail as well.
"""
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

WORKS, NOT_IMPLEMENTED, FAILS = "works", "501", "fails"
WORST_FIRST = (FAILS, NOT_IMPLEMENTED, WORKS)
COMMAND_S = 120
SAYS_501 = re.compile(r"NotImplemented|not implemented|(?<!\d)501(?!\d)")  # code, message or status


class Refused(Exception):
    """What a client said when it did not succeed."""


class Row:
    def __init__(self, client, call, what, result, said, seconds):
        self.client, self.what = client, what
        self.calls = call.split(" + ") if call else []
        self.result, self.said, self.seconds = result, said, seconds


class Table:
    """The rows of one client, filled by its module's run(table)."""

    def __init__(self, client, setup):
        self.client, self.rows = client, []
        self.env, self.data, self.full = setup.env, setup.data, setup.full
        self.endpoint = self.env["AWS_ENDPOINT_URL"]
        self.cairn_binary = setup.cairn
        self.work = os.path.join(setup.work, client.replace(" ", "-"))
        self.source = setup.source  # a folder with files of all sorts
        self.other = setup.other    # another user: {"access_key": …, "secret_key": …, "name": …}
        os.makedirs(self.work)

    def path(self, *names):
        return os.path.join(self.work, *names)

    def row(self, call, what, action):
        """Do it: a function, or a list that is a command."""
        started = time.monotonic()
        try:
            if callable(action):
                action()
            else:
                self.command(*action)
            result, said = WORKS, ""
        except Exception as e:  # whatever a client raises is this row's result
            said = f"{type(e).__name__}: {e}"
            result = NOT_IMPLEMENTED if SAYS_501.search(said) else FAILS
        row = Row(self.client, call, what, result, said, time.monotonic() - started)
        self.rows.append(row)
        return result == WORKS

    def command(self, *words, stdin="", extra_env=None):
        """Its output; Refused when it fails."""
        done = subprocess.run([str(w) for w in words], input=stdin, capture_output=True, text=True,
                              errors="replace", timeout=COMMAND_S, cwd=self.work, check=False,
                              env={**os.environ, **(extra_env or {})})
        if done.returncode != 0:
            raise Refused(f"exit {done.returncode}: {(done.stderr + done.stdout)[-700:]}")
        return done.stdout

    @staticmethod
    def refused(word, action):
        """`action` must fail and name `word`, and nothing else will do."""
        try:
            action()
        except Exception as e:
            if word in f"{type(e).__name__}: {e}":
                return
            raise
        raise Refused(f"it succeeded, but {word} was due")


def fetch(url, **more):
    """(status, body) without any client."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **more), timeout=30) as f:
            return f.status, f.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def ok(answer):
    """The body of a (status, body) that must be a success; the error otherwise, for its row."""
    status, body = answer
    if status not in (200, 201, 204):
        raise Refused(f"{status} {body[:300]!r}")
    return body


def same(want, got):
    if want != got:
        raise Refused(f"{str(got)[:300]!r} instead of {str(want)[:300]!r}")


def has(text, *words):
    for word in words:
        if word not in text:
            raise Refused(f"{word!r} is not in {text[-700:]!r}")


def lacks(text, *words):
    for word in words:
        if word in text:
            raise Refused(f"{word!r} is in {text[-700:]!r}")


def same_tree(one, two):
    """Two folders hold the same files with the same bytes."""
    done = subprocess.run(["diff", "-r", one, two], capture_output=True, text=True, check=False,
                          errors="replace")
    if done.returncode != 0:
        raise Refused(done.stdout[-500:] + done.stderr[-500:])


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path
