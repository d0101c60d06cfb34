#!/usr/bin/env python3
"""s3_hostile - input that means harm, or that two readers could understand differently.

    s3_hostile.py --env FILE --pid PID [--rounds N] [--only WORDS] [--slow]

A case (s3_hostile_cases.py, _signed, _forms) is a connection on which just its bytes are sent and, right behind them,
a good PUT of a canary.  What is due: exactly this status and code; then either the connection stays
(KEPT: the canary's answer follows) or it is closed (SHUT: the canary never ran).  After each case
nothing of it is stored.  All through it another client writes and reads, and is served; and after
the first round, which warms caches up, the memory of the gateway (process PID) stays as it is.

Prints TAP.
"""
import argparse
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../clients"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import s3_hostile_cases as hostile  # noqa: E402
import s3_hostile_forms as forms  # noqa: E402
import s3_hostile_signed as signed  # noqa: E402
import s3_hostile_slow as slow  # noqa: E402
from s3sign import Raw, Signer, env_file  # noqa: E402

GROWTH_KIB_MAX = 24 * 1024 # of the gateway's memory after the first round: its heap finds its size
LATER_KIB_MAX = 4 * 1024   # and in the second half of many rounds
SERVED_S_MAX = 10          # the other client's slowest round; twice that on a machine that does much else


class Witness(threading.Thread):
    """The other client, which must be served all the time."""

    def __init__(self, signer):
        super().__init__(daemon=True)
        self.signer, self.stop = signer, threading.Event()
        self.served, self.slowest, self.wrong = 0, 0.0, []

    def run(self):
        try:
            with self.raw() as raw:
                while not self.stop.wait(0.02):
                    self.once(raw)
        except Exception as e:
            self.wrong.append(repr(e))

    def raw(self):
        return Raw(self.signer, 60)

    def once(self, raw):
        body = str(self.served).encode() * 100
        started = time.monotonic()
        put = raw.request("PUT", "/hostile-witness/key", body)
        got = raw.request("GET", "/hostile-witness/key")
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.served += 1
        if put.status != 200 or got.body != body:
            self.wrong.append(f"{put!r} {got!r}")


class Setting:
    """What cases may use: a signer, an object that is there, an upload, a second connection."""

    def __init__(self, env):
        self.env, self.signer = env, Signer(env)
        self.count = 0
        with Raw(self.signer, 60) as raw:
            for bucket in ("/hostile", "/hostile-witness"):
                self.must(raw.request("PUT", bucket), 200, 409)
            self.must(raw.request("PUT", "/hostile/there", b"hello"), 200)
            upload = raw.request("POST", "/hostile/upload?uploads")
            self.must(upload, 200)
            self.upload = upload.body.split(b"<UploadId>")[1].split(b"<")[0].decode()

    @staticmethod
    def must(answer, *statuses):
        if answer.status not in statuses:
            raise RuntimeError(f"{answer!r} instead of {statuses}")

    def canary(self):
        self.count += 1
        target = f"/hostile/canary-{self.count}"
        fields = self.signer.fields("PUT", target, "UNSIGNED-PAYLOAD", {"content-length": "6"})
        return target, Raw.text("PUT", target, fields) + b"canary"

    def stored(self, targets):
        """Those of the keys that are there; they are not afterwards."""
        there = []
        with Raw(self.signer, 60) as raw:
            for target in targets:
                if raw.request("HEAD", target).status == 200:
                    there.append(target)
                    self.must(raw.request("DELETE", target), 204)
        return there


def send(raw, data):
    """Its bytes; the other side may have had enough before the last."""
    try:
        raw.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def judge(setting, case):
    """What is wrong with how it ended; "" when nothing is."""
    target, canary = setting.canary()
    # An end that comes together with bytes may be seen only when the connection was silent for long.
    with Raw(setting.signer, 75 if case.ends else 20) as raw:
        send(raw, case.data(setting) + (b"" if case.ends else canary))
        if case.ends:
            raw.socket.shutdown(1)
        try:
            answer = raw.answer(case.method)
        except ConnectionError:
            answer = None
        wrong = weigh(case, answer)
        if not wrong and case.then == hostile.KEPT:
            after = raw.answer()
            wrong = "" if after.status == 200 else f"the canary's answer is {after!r}"
        elif not wrong:
            wrong = still_open(raw)
    there = setting.stored([target, *hostile.TARGETS])
    if case.then == hostile.KEPT and target in there:
        there.remove(target)
    return wrong or (there and f"stored: {there}") or ""


def still_open(raw):
    """Is anything but the end to come?"""
    try:
        while raw.more():
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return f"the connection is not closed: {raw.input[:200]!r}"
    return f"another answer: {raw.input[:200]!r}" if b"HTTP/1.1" in raw.input else ""


def weigh(case, answer):
    if answer is None:
        return "" if case.status == 0 else "closed without an answer"
    if case.status == 0:
        return f"an answer: {answer!r}"
    if answer.status != case.status or case.code and answer.code != case.code:
        return f"{answer!r} instead of {case.status} {case.code}"
    return ""


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS:")).split()[1])


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def case(self, wrong, text):
        self.count += 1
        self.failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {self.count} {text}", flush=True)
        if wrong:
            print(f"    {wrong}", flush=True)


def rounds(setting, cases, count, pid, tap):
    memory = []
    for number in range(count):
        for case in cases:
            try:
                wrong = judge(setting, case)
            except Exception as e:
                wrong = f"{type(e).__name__}: {e}"
            if wrong or number == 0:
                tap.case(wrong, case.name)
        memory.append(resident_kib(pid))
    later = memory[-1] - memory[count // 2] if count >= 10 else 0
    tap.case((memory[-1] - memory[0] > GROWTH_KIB_MAX or later > LATER_KIB_MAX) and f"{memory}",
             f"memory is flat: {memory[-1] - memory[0]} KiB more after {count - 1} more rounds")


def nothing_left(setting, tap):
    with Raw(setting.signer, 60) as raw:
        listing = raw.request("GET", "/hostile?list-type=2").body
        uploads = raw.request("GET", "/hostile?uploads").body
    keys = [k.split(b"<")[0] for k in listing.split(b"<Key>")[1:]]
    tap.case(keys != [b"there"] and f"{keys}", "nothing is stored")
    tap.case(uploads.count(b"<Upload>") != 1 and uploads.decode(), "no upload was begun or ended")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", required=True)
    parser.add_argument("--pid", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--slow", action="store_true", help="and bodies that never come: two minutes")
    args = parser.parse_args()
    setting, tap = Setting(env_file(args.env)), Tap()
    witness = Witness(setting.signer)
    drips = slow.Drips(setting.signer)
    creepers = slow.Creepers(setting.signer)
    if args.slow:
        creepers.start()
    witness.start()
    drips.start()
    cases = [c for c in [*hostile.cases(), *signed.cases(), *forms.cases()] if args.only in c.name]
    rounds(setting, cases, args.rounds, args.pid, tap)
    drips.stop.set()
    drips.join()
    if args.slow:
        creepers.join()
        for name, wrong in creepers.wrong.items():
            tap.case(wrong, f"a slow body: {name}")
    witness.stop.set()
    witness.join()
    tap.case(witness.wrong or not witness.served and "not once",
             f"others were served: {witness.served} times, {witness.slowest * 1000:.0f} ms at most")
    most = SERVED_S_MAX * (2 if os.getloadavg()[0] > 3 * os.cpu_count() else 1)
    tap.case(witness.slowest > most and f"{witness.slowest:.1f} s", "and none of them waited long")
    tap.case(drips.wrong, "slow senders are borne, byte by byte")
    nothing_left(setting, tap)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
