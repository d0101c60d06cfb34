#!/usr/bin/env python3
"""s3_crowd - many connections at once, fast, slow and idle.

    s3_crowd.py --env FILE --pid PID [--many] WHAT

WHAT is one of:
    crowd      idle connections that stay, and busy ones that put and get, each of which is served
    readers    large objects read slowly: memory is bounded, the bytes are right
    writers    large objects written slowly: likewise
    overload   more large bodies than are taken: 200, or 503 SlowDown and the connection stays
    torn       uploads under way, until the gateway is killed; then prints what was acknowledged
    visible    what --acknowledged FILE (of torn) names is there, and nothing else
    inflight   requests under way while the gateway stops: each is finished (prints "under way" first)

PID is the gateway's.  Exit 0: all was as it must be; what was measured is printed.
"""
import argparse
import asyncio
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../clients"))
from s3sign import UNSIGNED, Answer, Raw, Signer, env_file, sha256  # noqa: E402

WITNESS_S_MAX = 10  # and twice that where other programs keep the machine busy
BROKEN = (OSError, asyncio.IncompleteReadError)


class Wrong(Exception):
    pass


def body_of(name, size):
    return random.Random(name).randbytes(size)


class Connection:
    """One connection that stays; requests one after the other.  One that this machine was too busy to use for
    nearly as long as the gateway waits for a head is opened anew, as clients do."""

    IDLE_S = 45

    def __init__(self, signer):
        self.signer = signer
        self.reader = self.writer = None
        self.used = 0.0

    async def open(self):
        host, _, port = self.signer.host.rpartition(":")
        self.reader, self.writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=1 << 17)
        self.used = time.monotonic()

    def close(self):
        self.writer.close()

    def head(self, method, target, size, payload):
        extra = {"content-length": size} if method in ("PUT", "POST") else {}
        self.writer.write(Raw.text(method, target, self.signer.fields(method, target, payload, extra)))

    async def answer_head(self):
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in text[1:] if line)
        return int(text[0].split(" ")[1]), fields

    async def answer(self):
        status, fields = await self.answer_head()
        body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        self.used = time.monotonic()
        return Answer(status, fields, body)

    async def request(self, method, target, body=b""):
        if time.monotonic() - self.used > self.IDLE_S:
            self.close()
            await self.open()
        self.head(method, target, len(body), sha256(body))
        self.writer.write(body)
        await self.writer.drain()
        return await self.answer()


class Crowd:
    def __init__(self, args):
        self.args, self.many = args, args.many
        self.signer = Signer(env_file(args.env))

    def number(self, few, many):
        return many if self.many else few

    def resident_mib(self):
        with open(f"/proc/{self.args.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("VmRSS:")).split()[1]) / 1024

    async def connections(self, count):
        """Open, a hundred at a time: the queue of the listening socket has an end."""
        out = [Connection(self.signer) for _ in range(count)]
        for at in range(0, count, 100):
            await asyncio.gather(*(c.open() for c in out[at:at + 100]))
        return out

    async def one(self, method, target, body=b"", statuses=(200, 204)):
        connection = (await self.connections(1))[0]
        answer = await connection.request(method, target, body)
        connection.close()
        if answer.status not in statuses:
            raise Wrong(f"{method} {target}: {answer!r}")
        return answer

    async def bucket(self):
        await self.one("PUT", "/crowd", statuses=(200, 409))

    # --- idle and busy ---

    async def busy(self, connection, index, until, counts):
        target, body = f"/crowd/busy-{index}", body_of(index, 4096)
        served, got = 0, None
        while time.monotonic() < until or not served:
            started = time.monotonic()
            put = await connection.request("PUT", target, body)
            if put.status == 200:
                got = await connection.request("GET", target)
            for answer in (put, got):
                if answer and answer.code == "SlowDown":
                    counts["slowed"] += 1
                    await asyncio.sleep(0.1)
                elif answer and answer.status != 200:
                    raise Wrong(f"{target}: {answer!r}")
            if got and got.status == 200:
                if got.body != body:
                    raise Wrong(f"{target}: other bytes")
                served += 1
            counts["slowest"] = max(counts["slowest"], time.monotonic() - started)
        counts["served"] += served

    async def crowd(self):
        await self.bucket()
        await self.one("PUT", "/crowd/small", b"small")
        before = self.resident_mib()
        idle_count, busy_count = self.number(300, 5000), self.number(50, 500)
        idle = await self.connections(idle_count)
        counts = {"served": 0, "slowed": 0, "slowest": 0.0}
        until = time.monotonic() + self.number(4, 30)
        busy = await self.connections(busy_count)
        await asyncio.gather(*(self.busy(c, i, until, counts) for i, c in enumerate(busy)))
        grown = self.resident_mib() - before
        for at in range(0, idle_count, 200):  # they were silent; they are served all the same
            for answer in await asyncio.gather(*(c.request("GET", "/crowd/small") for c in idle[at:at + 200])):
                if answer.body != b"small":
                    raise Wrong(f"an idle connection: {answer!r}")
        for connection in idle + busy:
            connection.close()
        print(f"{idle_count} idle, {busy_count} busy: {counts['served']} rounds served, {counts['slowed']} "
              f"slowed, {counts['slowest'] * 1000:.0f} ms at most, {grown:.0f} MiB more")
        self.bounded(grown, 64 + (idle_count + busy_count) * 80 / 1024)

    @staticmethod
    def bounded(grown, most):
        if grown > most:
            raise Wrong(f"the gateway grew by {grown:.0f} MiB; {most:.0f} are allowed")

    # --- slow ---

    async def read_slowly(self, connection, target, body, at_once, peak):
        connection.head("GET", target, 0, sha256(b""))
        status, _ = await connection.answer_head()
        if status != 200:
            raise Wrong(f"{target}: {status}")
        for at in range(0, len(body), at_once):
            want = body[at:at + at_once]
            if await connection.reader.readexactly(len(want)) != want:
                raise Wrong(f"{target}: other bytes at {at}")
            peak[0] = max(peak[0], self.resident_mib())
            await asyncio.sleep(0.25)
        connection.close()

    async def witness(self, what):
        """Another client beside `what`: it is served all the time."""
        task, slowest = asyncio.ensure_future(what), 0.0
        connection = (await self.connections(1))[0]
        while not task.done():
            started = time.monotonic()
            for answer in (await connection.request("PUT", "/crowd/witness", b"witness"),
                           await connection.request("GET", "/crowd/witness")):
                if answer.status != 200:
                    raise Wrong(f"another client: {answer!r}")
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.05)
        connection.close()
        print(f"another client waited {slowest * 1000:.0f} ms at most")
        if slowest > WITNESS_S_MAX * (2 if os.getloadavg()[0] > 3 * os.cpu_count() else 1):
            raise Wrong(f"another client waited {slowest:.1f} s")
        return await task

    async def readers(self):
        count, size = self.number(40, 300), 16 << 20
        body = body_of("slow", size)
        await self.bucket()
        await self.one("PUT", "/crowd/slow", body)
        peak, before = [0.0], self.resident_mib()
        await self.witness(asyncio.gather(*(self.read_slowly(c, "/crowd/slow", body, size // 16, peak)
                                            for c in await self.connections(count))))
        print(f"{count} slow readers of {size >> 20} MiB: {peak[0] - before:.0f} MiB more at most")
        self.bounded(peak[0] - before, 190 + count * 0.7)  # the budget of all GETs; a piece each, and a half

    async def write_slowly(self, connection, target, body, peak):
        connection.head("PUT", target, len(body), UNSIGNED)
        for at in range(0, len(body), len(body) // 16):
            connection.writer.write(body[at:at + len(body) // 16])
            await connection.writer.drain()
            peak[0] = max(peak[0], self.resident_mib())
            await asyncio.sleep(0.25)
        answer = await connection.answer()
        connection.close()
        if answer.status != 200 and answer.code != "SlowDown":
            raise Wrong(f"{target}: {answer!r}")
        return answer.status == 200

    async def writers(self):
        count, size = self.number(40, 300), 8 << 20
        await self.bucket()
        peak, before = [0.0], self.resident_mib()
        body = body_of("slow", size)
        taken = await self.witness(asyncio.gather(*(
            self.write_slowly(c, f"/crowd/written-{i}", body, peak)
            for i, c in enumerate(await self.connections(count)))))
        print(f"{count} slow writers of {size >> 20} MiB: {sum(taken)} taken, the others slowed, "
              f"{peak[0] - before:.0f} MiB more at most")
        self.bounded(peak[0] - before, 320 + count * 1.3)  # the budget of all PUTs; four batches each
        for i in random.Random(1).sample([i for i, t in enumerate(taken) if t], min(8, sum(taken))):
            if (await self.one("GET", f"/crowd/written-{i}")).body != body:
                raise Wrong(f"written-{i}: other bytes")

    # --- too much ---

    async def patient(self, connection, method, target, body, counts):
        """Again until it is done: a client that does as it is told."""
        for _ in range(500):
            answer = await connection.request(method, target, body)
            if answer.status == 200:
                return answer
            if answer.code != "SlowDown":
                raise Wrong(f"{method} {target}: {answer!r}")
            if answer.fields.get("connection") == "close":
                raise Wrong(f"{method} {target}: told to slow down, and dropped")
            counts["slowed"] += 1
            await asyncio.sleep(random.uniform(0.1, 1))
        raise Wrong(f"{method} {target}: never done")

    async def push(self, connection, index, size, counts):
        target, body = f"/crowd/push-{index}", body_of(index, size)
        await self.patient(connection, "PUT", target, body, counts)
        if (await self.patient(connection, "GET", target, b"", counts)).body != body:
            raise Wrong(f"{target}: other bytes")
        connection.close()

    async def overload(self):
        count, size = self.number(60, 500), 2 << 20
        await self.bucket()
        counts = {"slowed": 0}
        started = time.monotonic()
        await asyncio.gather(*(self.push(c, i, size, counts) for i, c in enumerate(await self.connections(count))))
        if not counts["slowed"]:
            raise Wrong("no request was ever too much: what is tested?")
        print(f"{count} connections with {size >> 20} MiB each: {counts['slowed']} times told to slow down, none "
              f"dropped, all there after {time.monotonic() - started:.1f} s")

    # --- the gateway's end ---

    async def tear(self, connection, index, acknowledged):
        """Puts and uploads in parts, until the connection breaks."""
        number = 0
        try:
            while True:
                number += 1
                target, body = f"/torn/{index}-{number}", body_of(index * 1000 + number, random.choice((100, 3 << 20)))
                if index % 2:
                    answer = await connection.request("PUT", target, body)
                else:
                    answer = await self.in_parts(connection, target, body)
                if answer.status == 200 and b"<Error>" not in answer.body:
                    acknowledged.append(target)
        except BROKEN:
            pass

    @staticmethod
    async def in_parts(connection, target, body):
        begun = await connection.request("POST", target + "?uploads")
        upload = re.search(rb"<UploadId>([^<]+)<", begun.body)
        if not upload:
            return begun
        upload = upload.group(1).decode()
        part = await connection.request("PUT", f"{target}?partNumber=1&uploadId={upload}", body)
        if part.status != 200:
            return part
        text = f"<Part><PartNumber>1</PartNumber><ETag>{part.fields['etag']}</ETag></Part>"
        return await connection.request("POST", f"{target}?uploadId={upload}", (
            f"<CompleteMultipartUpload>{text}</CompleteMultipartUpload>").encode())

    async def torn(self):
        await self.one("PUT", "/torn", statuses=(200, 409))
        acknowledged = []
        connections = await self.connections(self.number(8, 40))
        print("under way", flush=True)
        await asyncio.gather(*(self.tear(c, i, acknowledged) for i, c in enumerate(connections)))
        print("\n".join(acknowledged), flush=True)

    async def visible(self):
        """A change without an answer may have been made; what is there of it is whole."""
        with open(self.args.acknowledged, encoding="utf-8") as f:
            acknowledged = {line.strip() for line in f if line.startswith("/torn/")}
        listed, more = set(), ""
        while True:
            answer = await self.one("GET", f"/torn?list-type=2{more}")
            listed |= {"/torn/" + k.decode() for k in re.findall(rb"<Key>([^<]+)</Key>", answer.body)}
            token = re.search(rb"<NextContinuationToken>([^<]+)<", answer.body)
            if not token:
                break
            more = f"&continuation-token={token.group(1).decode()}"
        if acknowledged - listed:
            raise Wrong(f"acknowledged, but gone: {sorted(acknowledged - listed)[:5]}")
        last = {}
        for key in acknowledged:
            index, number = map(int, key[6:].split("-"))
            last[index] = max(last.get(index, 0), number)
        for key in listed - acknowledged:  # at most what each connection was about when it broke
            index, number = map(int, key[6:].split("-"))
            if number != last.get(index, 0) + 1:
                raise Wrong(f"there, but never asked for or refused: {key}")
        for key in listed:
            index, number = map(int, key[6:].split("-"))
            got = (await self.one("GET", key)).body
            if got != body_of(index * 1000 + number, len(got)) or len(got) not in (100, 3 << 20):
                raise Wrong(f"{key} is torn: {len(got)} bytes")
        print(f"{len(acknowledged)} acknowledged, {len(listed)} there, all whole")

    async def inflight(self):
        """A slow PUT, a slow GET, and quick ones, while the gateway is told to stop."""
        await self.bucket()
        size = 2 << 20
        body = body_of("slow", size)
        await self.one("PUT", "/crowd/inflight", body)
        connections = await self.connections(self.number(6, 20))
        tasks = []
        for i, c in enumerate(connections):
            tasks.append(self.write_in_time(c, f"/crowd/inflight-{i}", body) if i % 2 else
                         self.read_in_time(c, "/crowd/inflight", body))
        print("under way", flush=True)
        await asyncio.gather(*tasks)
        print(f"{len(tasks)} requests were finished", flush=True)

    async def write_in_time(self, connection, target, body):
        connection.head("PUT", target, len(body), UNSIGNED)
        for at in range(0, len(body), len(body) // 8):
            connection.writer.write(body[at:at + len(body) // 8])
            await connection.writer.drain()
            await asyncio.sleep(0.25)
        answer = await connection.answer()
        if answer.status != 200:
            raise Wrong(f"{target}: {answer!r}")

    async def read_in_time(self, connection, target, body):
        connection.head("GET", target, 0, sha256(b""))
        status, _ = await connection.answer_head()
        for at in range(0, len(body), len(body) // 8):
            want = body[at:at + len(body) // 8]
            if status != 200 or await connection.reader.readexactly(len(want)) != want:
                raise Wrong(f"{target}: {status}, or other bytes at {at}")
            await asyncio.sleep(0.25)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", required=True)
    parser.add_argument("--pid", required=True)
    parser.add_argument("--many", action="store_true")
    parser.add_argument("--acknowledged")
    parser.add_argument("what", choices=("crowd", "readers", "writers", "overload", "torn", "visible", "inflight"))
    args = parser.parse_args()
    try:
        asyncio.run(asyncio.wait_for(getattr(Crowd(args), args.what)(), 900))
    except (Wrong, *BROKEN) as e:
        print(f"{args.what}: {type(e).__name__}: {e}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
