"""Slow senders beside the cases of s3_hostile.py: those that are borne, and those that are not."""
import contextlib
import threading
import time

from s3sign import UNSIGNED, Raw

BODY = 10 ** 6


def put(signer, target, size=BODY):
    """The head of a PUT."""
    return Raw.text("PUT", target, signer.fields("PUT", target, UNSIGNED, {"content-length": str(size)}))


class Drips(threading.Thread):
    """Connections that give little now and then, for as long as the cases run: heads a byte at a time
    and bodies at a kilobyte a second, begun anew before the time of a head is over."""

    COUNT, STEPS, STEP_S, PIECE = 20, 300, 0.1, b"x" * 100

    def __init__(self, signer):
        super().__init__(daemon=True)
        self.signer, self.stop, self.wrong = signer, threading.Event(), ""

    def run(self):
        try:
            while not self.stop.is_set():
                self.drip(put(self.signer, "/hostile/drip"))
        except OSError as e:
            self.wrong = repr(e)

    def drip(self, head):
        with contextlib.ExitStack() as stack:
            raws = [stack.enter_context(Raw(self.signer)) for _ in range(2 * self.COUNT)]
            heads, bodies = raws[::2], raws[1::2]
            for raw in bodies:
                raw.send(head)
            for at in range(self.STEPS):
                if self.stop.wait(self.STEP_S):
                    return
                for raw in heads:
                    raw.send(head[at:at + 1])
                for raw in bodies:
                    raw.send(self.PIECE)


class Creepers:
    """Bodies that are never silent and never come; and one over a slow link, which must pass.  They
    take longer than the grace of a minute, so they run beside the cases."""

    GRACE_S, LATEST_S = 50, 100

    def __init__(self, signer):
        self.signer = signer
        self.wrong = {}
        self.threads = [threading.Thread(target=self.guarded, args=work, daemon=True) for work in (
            (self.creep, "a byte every five seconds", 1, 5), (self.creep, "ten bytes a second", 1, 0.1),
            (self.creep, "a kilobyte at once, then a byte now and then", 1, 2, b"x" * 1024),
            (self.link, "three kilobytes a second"))]

    def start(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()

    def guarded(self, work, name, *words):
        self.wrong[name] = "it did not end"
        try:
            self.wrong[name] = work(*words)
        except Exception as e:
            self.wrong[name] = repr(e)

    def creep(self, piece, every_s, first=b""):
        began = time.monotonic()
        with Raw(self.signer, every_s) as raw:
            raw.send(put(self.signer, "/hostile/creep") + first)
            while time.monotonic() - began < self.LATEST_S:
                try:
                    answer = raw.answer()
                except TimeoutError:
                    raw.send(b"x" * piece)
                    continue
                took = time.monotonic() - began
                if answer.code != "RequestTimeout" or answer.status != 400:
                    return repr(answer)
                return took < self.GRACE_S and f"after {took:.0f} s already"
        return "it was borne"

    def link(self):
        size = 3 * 1024 * 80
        with Raw(self.signer, 20) as raw:
            raw.send(put(self.signer, "/hostile-witness/link", size))
            for _ in range(size // 768):
                raw.send(b"x" * 768)
                time.sleep(0.25)
            answer = raw.answer()
            return answer.status != 200 and repr(answer)
