#!/usr/bin/env python3
"""s3load - S3 load that remembers: creates, overwrites, deletes, listings, multipart uploads.

    s3load.py --env FILE --bucket NAME --journal FILE [OPTIONS] run|verify

`run` works until SIGTERM or --seconds.  Each thread owns the keys under a prefix of its own and has
one request in flight, so that what a key must hold, and what a listing must show, is known exactly.
Answers are not retried: anything but the expected status is an error.  With --kills a broken
connection is no error: the thread waits until the gateway answers again, reads the key to find out
whether the request ran, and goes on.

`verify` reads every key and every listing.  The journal (one line before each request, one after its
answer, as loadgen's) outlives the kill of the cluster and of this program.

Exit 0: no error and nothing lost; 1 otherwise; 2 it could not work.
"""
import argparse
import datetime
import hashlib
import hmac
import http.client
import os
import random
import re
import signal
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

PART_BYTES = 5 << 20  # the smallest that a part before the last may have
BROKEN = (OSError, http.client.HTTPException)


def env_file(path):
    """The values of the file `env` that `cairn up` writes: lines export NAME='VALUE'."""
    with open(path, encoding="utf-8") as f:
        return dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", f.read(), re.M))


def body_of(key, seq, size):
    """What change `seq` writes into `key`: unlike the bytes of any other change."""
    return random.Random(f"{key}:{seq}").randbytes(size)


def etag_of(kind, body):
    if kind == "M":
        digests = [hashlib.md5(body[i:i + PART_BYTES]).digest()
                   for i in range(0, len(body), PART_BYTES)]
        return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"
    return hashlib.md5(body).hexdigest()


class Client:
    """One connection that signs its requests (SigV4 in headers)."""

    def __init__(self, env, answered=lambda seconds: None):
        self.answered = answered  # told how long each request took
        url = urllib.parse.urlsplit(env["AWS_ENDPOINT_URL"])
        self.host = url.netloc
        self.access = env["AWS_ACCESS_KEY_ID"]
        self.secret = env["AWS_SECRET_ACCESS_KEY"]
        self.region = env["AWS_DEFAULT_REGION"]
        self.connection = None

    def sign(self, method, path, query, body_sha, now):
        date = now[:8]
        scope = f"{date}/{self.region}/s3/aws4_request"
        names = "host;x-amz-content-sha256;x-amz-date"
        canonical = "\n".join([method, path, query, f"host:{self.host}",
                               f"x-amz-content-sha256:{body_sha}", f"x-amz-date:{now}", "", names,
                               body_sha])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                             hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.secret).encode()
        for part in (date, self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
        return (f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, "
                f"Signature={signature}")

    def request(self, method, path, query=None, body=b""):
        """(status, headers, body).  Raises one of BROKEN when there is no answer."""
        path = urllib.parse.quote(path, safe="/-_.~")
        query = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
                         for k, v in sorted((query or {}).items()))
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        body_sha = hashlib.sha256(body).hexdigest()
        headers = {"Host": self.host, "x-amz-date": now, "x-amz-content-sha256": body_sha,
                   "Authorization": self.sign(method, path, query, body_sha, now)}
        if method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(body))
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, timeout=120)
            started = time.monotonic()
            self.connection.request(method, path + ("?" + query if query else ""), body=body or None,
                                    headers=headers)
            answer = self.connection.getresponse()
            data = answer.read()
            self.answered(time.monotonic() - started)
            if answer.headers.get("Connection", "").lower() == "close":
                self.close()
            return answer.status, answer.headers, data
        except BROKEN:
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Key:
    def __init__(self, name):
        self.name = name
        self.now = None      # (kind, seq, size) of the change it holds; None: it does not exist
        self.pending = None  # the same of a change without answer; kind D: a delete
        self.last_seq = 0


class Model:
    """All keys and their journal.  Lines: I KEY SEQ KIND SIZE, then A KEY SEQ or N KEY SEQ."""

    def __init__(self, path):
        self.keys = {}
        self.lock = threading.Lock()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                for line in f:
                    self.replay(line.split())
        self.file = open(path, "a", encoding="utf-8", buffering=1)

    def key(self, name):
        with self.lock:
            return self.keys.setdefault(name, Key(name))

    def keys_under(self, prefix):
        with self.lock:
            return [k for n, k in sorted(self.keys.items()) if n.startswith(prefix)]

    def replay(self, words):
        key = self.key(words[1])
        if words[0] == "I":
            key.pending = (words[3], int(words[2]), int(words[4]))
            key.last_seq = int(words[2])
        else:
            self.settle(key, words[0] == "A")

    @staticmethod
    def settle(key, ran):
        if ran:
            key.now = None if key.pending[0] == "D" else key.pending
        key.pending = None

    def intent(self, key, kind, size):
        key.last_seq += 1
        key.pending = (kind, key.last_seq, size)
        with self.lock:
            self.file.write(f"I {key.name} {key.last_seq} {kind} {size}\n")

    def answer(self, key, ran):
        with self.lock:
            self.file.write(f"{'A' if ran else 'N'} {key.name} {key.pending[1]}\n")
        self.settle(key, ran)


class Counters:
    def __init__(self):
        self.lock = threading.Lock()
        self.values = dict.fromkeys(("changes", "reads", "lists", "multiparts", "errors", "lost",
                                     "broken", "resolved"), 0)
        self.slowest = 0.0

    def add(self, name):
        with self.lock:
            self.values[name] += 1

    def answered(self, seconds):
        with self.lock:
            self.slowest = max(self.slowest, seconds)

    def complain(self, name, text):
        self.add(name)
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%H:%M:%S.%f")[:-3]
        print(f"{now} {text}", flush=True)


class Worker(threading.Thread):
    def __init__(self, load, index):
        super().__init__(daemon=True)
        self.load, self.index = load, index
        self.client = Client(load.env, load.counters.answered)
        self.random = random.Random(f"{load.args.seed}:{index}")
        self.prefix = f"t{index:03}/"
        self.blind = set()  # keys of which this run does not know the state any more

    def path(self, key):
        return f"/{self.load.args.bucket}/{key.name}"

    # --- reading ---

    def holds(self, key):
        """(status, body, etag) of the key now."""
        status, headers, data = self.client.request("GET", self.path(key))
        return status, data, headers.get("ETag", "").strip('"')

    @staticmethod
    def agrees(key, state, got):
        status, data, etag = got
        if state is None or state[0] == "D":
            return status == 404
        body = body_of(key.name, state[1], state[2])
        return status == 200 and data == body and etag == etag_of(state[0], body)

    def check(self, key):
        """Compare a key with the model; find out about a change without answer."""
        counters = self.load.counters
        got = self.holds(key)
        counters.add("reads")
        if self.agrees(key, key.now, got):
            if key.pending:
                self.load.model.answer(key, False)
                counters.add("resolved")
        elif key.pending and self.agrees(key, key.pending, got):
            self.load.model.answer(key, True)
            counters.add("resolved")
        else:
            counters.complain("lost", f"LOST {key.name}: status {got[0]}, {len(got[1])} bytes, ETag "
                              f"{got[2]}; must be {key.now}, or {key.pending}; the answer begins "
                              f"{got[1][:200]!r}")
            self.blind.add(key.name)

    def check_list(self):
        """The listing of our prefix, in pages, holds our keys and no others, in order."""
        listed, query = [], {"list-type": "2", "prefix": self.prefix,
                             "max-keys": str(self.random.choice((3, 7, 1000)))}
        while True:
            status, _, data = self.client.request("GET", f"/{self.load.args.bucket}", query)
            if status != 200:
                self.load.counters.complain("errors", f"list {self.prefix}: {status} {data[:300]!r}")
                return
            tree = ElementTree.fromstring(data)
            space = tree.tag[:tree.tag.index("}") + 1] if "}" in tree.tag else ""
            listed += [(e.findtext(f"{space}Key"), int(e.findtext(f"{space}Size")))
                       for e in tree.findall(f"{space}Contents")]
            if tree.findtext(f"{space}IsTruncated") != "true":
                break
            query["continuation-token"] = tree.findtext(f"{space}NextContinuationToken")
        self.load.counters.add("lists")
        mine = self.load.model.keys_under(self.prefix)
        if any(k.pending or k.name in self.blind for k in mine):
            return
        want = sorted(((k.name, k.now[2]) for k in mine if k.now), key=lambda e: e[0].encode())
        if listed != want:
            missing = [e for e in want if e not in listed]
            extra = [e for e in listed if e not in want]
            self.load.counters.complain("lost", f"LOST listing of {self.prefix}: missing {missing}, "
                                        f"extra {extra}, {len(listed)} listed, {len(want)} exist")

    # --- changing ---

    def put(self, key, body):
        status, headers, data = self.client.request("PUT", self.path(key), body=body)
        if status == 200 and headers.get("ETag", "").strip('"') != etag_of("F", body):
            return 0, b"wrong ETag " + headers.get("ETag", "none").encode()
        return status, data

    def multipart(self, key, body):
        status, _, data = self.client.request("POST", self.path(key), {"uploads": ""})
        upload = re.search(rb"<UploadId>([^<]+)</UploadId>", data)
        if status != 200 or not upload:
            return status or 0, data
        upload = upload.group(1).decode()
        parts = []
        for number, at in enumerate(range(0, len(body), PART_BYTES), 1):
            status, headers, data = self.client.request(
                "PUT", self.path(key), {"partNumber": str(number), "uploadId": upload},
                body[at:at + PART_BYTES])
            if status != 200:
                return status, data
            parts.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['ETag']}</ETag></Part>")
        xml = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()
        status, _, data = self.client.request("POST", self.path(key), {"uploadId": upload}, xml)
        if status == 200 and b"<Error>" in data:
            status = 0
        self.load.counters.add("multiparts")
        return status, data

    def change(self, key):
        pick = self.random.random()
        model = self.load.model
        if key.now and pick < 0.2:
            kind, size, expected = "D", 0, 204
        elif pick < 0.2 + self.load.args.multipart / 100:
            kind, size, expected = "M", PART_BYTES + self.random.randrange(1, 1 << 20), 200
        else:
            kind, expected = "F", 200
            size = self.random.choice((0, 1, 1000, 4096, 16384, 16385, 65536, 300000, 1 << 20))
        model.intent(key, kind, size)
        body = body_of(key.name, key.last_seq, size) if kind != "D" else b""
        started = time.monotonic()
        if kind == "D":
            status, _, data = self.client.request("DELETE", self.path(key))
        elif kind == "M":
            status, data = self.multipart(key, body)
        else:
            status, data = self.put(key, body)
        if status == expected:
            model.answer(key, True)
            self.load.counters.add("changes")
        else:
            self.load.counters.complain(
                "errors", f"{kind} {key.name} of {size} bytes after "
                f"{time.monotonic() - started:.1f} s: {status} {data[:300]!r}")
            self.blind.add(key.name)

    # --- the threads ---

    def wait_for_gateway(self):
        """After a break: until it answers, or we are to stop."""
        self.load.counters.add("broken")
        while not self.load.stop.is_set():
            try:
                self.client.request("GET", f"/{self.load.args.bucket}", {"max-keys": "1"})
                return
            except BROKEN:
                self.load.stop.wait(0.05)

    def step(self):
        key = self.load.model.key(f"{self.prefix}k{self.random.randrange(self.load.args.keys):04}")
        pick = self.random.random()
        if key.name in self.blind:
            return
        if key.pending or pick < 0.2:
            self.check(key)
        elif pick < 0.3:
            self.check_list()
        else:
            self.change(key)

    def verify(self):
        for key in self.load.model.keys_under(self.prefix):
            self.check(key)
        self.check_list()

    def run(self):
        try:
            if self.load.args.mode == "verify":
                self.verify()
            else:
                self.load_until_stopped()
        except Exception as e:  # a thread that dies is an error, not silence
            self.load.counters.complain("errors", f"{self.prefix}: {e!r}")

    def load_until_stopped(self):
        while not self.load.stop.is_set():
            try:
                self.step()
            except BROKEN as e:
                if not self.load.args.kills:
                    self.load.counters.complain("errors", f"{self.prefix}: connection: {e!r}")
                self.wait_for_gateway()


class Load:
    def __init__(self, args):
        self.args = args
        self.env = env_file(args.env)
        self.model = Model(args.journal)
        self.counters = Counters()
        self.stop = threading.Event()

    def bucket_make(self):
        status, _, data = Client(self.env).request("PUT", f"/{self.args.bucket}")
        if status not in (200, 409):
            sys.exit(f"cannot make the bucket: {status} {data[:300]!r}")

    def work(self):
        workers = [Worker(self, i) for i in range(self.args.threads)]
        for w in workers:
            w.start()
        if self.args.mode == "run":
            self.stop.wait(self.args.seconds or None)
            self.stop.set()
        deadline = time.monotonic() + (120 if self.args.mode == "run" else 3600)
        for w in workers:
            w.join(max(0.0, deadline - time.monotonic()))
        left = sum(w.is_alive() for w in workers)
        counts = " ".join(f"{k}={v}" for k, v in self.counters.values.items())
        print(f"{self.args.mode} {counts} slowest_ms={self.counters.slowest * 1000:.0f} "
              f"unanswered={left}", flush=True)
        bad = self.counters.values["errors"] or self.counters.values["lost"] or left
        return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--journal", required=True)
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument("--keys", type=int, default=12, help="of each thread")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--multipart", type=float, default=3, help="of a hundred changes")
    parser.add_argument("--kills", action="store_true", help="broken connections are expected")
    parser.add_argument("mode", choices=("run", "verify"))
    load = Load(parser.parse_args())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: load.stop.set())
    while True:
        try:
            load.bucket_make()
            break
        except BROKEN as e:
            if not load.args.kills or load.stop.is_set():
                print(f"no gateway: {e!r}")
                sys.exit(2)
            time.sleep(0.05)  # killed before we came: it is started again
    code = load.work()
    sys.stdout.flush()
    os._exit(code)  # threads that still wait for an answer do not hold us


if __name__ == "__main__":
    main()
