"""What newer SDKs send by default, which no client of Debian 12 sends: requests written from their
documentation (requests/*.req), signed now and replayed.

    ### PutObject, trailing checksum | what this is
    > PUT /requests/key           the target, encoded
    > name: value                 a field
    > payload KIND                x-amz-content-sha256: a kind, or (default) the hash of the body
    > body TEXT                   or: body N bytes
    > chunk N                     bytes a chunk
    > trailer CRC32               its checksum follows the last chunk
    > unsigned                    no signature
    > presigned                   the signature in the query
    < 200 [Code]                  status and, of an error, its code
    < name: value                 a field of the answer; "-" when it must not be there
    < body TEXT                   what its body contains

Values may hold $BYTES (of the body), $CRC32 and the like (its checksum), $MD5, $HOST, $ETAG and
$UPLOAD (those that an answer gave last), $1 … (a body: repeat).
"""
import glob
import hashlib
import os
import re

import s3sign
from table import Refused

NAME = "newer SDKs"
COMMANDS = []
VERSION = ["echo", "requests written from documentation"]
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requests")


def run(t):
    state = {"HOST": s3sign.Signer(t.env).host, "OTHER": t.other["access_key"]}
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.req"))):
        with open(path, encoding="utf-8") as f:
            for title, steps in parse(f.read()):
                call, _, what = title.partition("|")
                t.row(call.strip(), what.strip(), lambda steps=steps: replay(t, steps, state))


def parse(text):
    """[(title, [[request lines], [answer lines]]…)]"""
    blocks = []
    for line in text.splitlines():
        if line.startswith("### "):
            blocks.append((line[4:], []))
        elif line.startswith("> ") and blocks:
            steps = blocks[-1][1]
            if not steps or steps[-1][1]:
                steps.append(([], []))
            steps[-1][0].append(line[2:])
        elif line.startswith("< ") and blocks:
            blocks[-1][1][-1][1].append(line[2:])
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"neither > nor <: {line}")
    return blocks


def body_of(words):
    found = re.fullmatch(r"(\d+) bytes", words)
    if not found:
        return words.replace("\\n", "\n").encode()
    return (hashlib.sha256(words.encode()).digest() * (int(found.group(1)) // 32 + 1))[:int(found.group(1))]


def filled(text, values):
    return re.sub(r"\$([A-Z][A-Z0-9]*)", lambda m: str(values.get(m.group(1), m.group(0))), text)


class Request:
    def __init__(self, lines, state):
        self.method, self.target = lines[0].split(" ", 1)
        self.fields, self.payload, self.body, self.chunk, self.trailer = {}, None, b"", 65536, None
        self.unsigned = self.presigned = False
        for line in lines[1:]:
            word, _, rest = line.partition(" ")
            if word == "body":
                self.body = body_of(filled(rest, state))
            elif word in ("unsigned", "presigned"):
                setattr(self, word, True)
            elif word in ("payload", "chunk", "trailer"):
                setattr(self, word, rest)
            else:
                self.fields[word.rstrip(":").lower()] = rest
        self.values = {**state, "BYTES": len(self.body), "MD5": s3sign.md5_base64(self.body),
                       "MD5HEX": hashlib.md5(self.body).hexdigest()}
        for kind in s3sign.CHECKSUMS:
            if "$" + kind in str(lines) or self.trailer == kind or kind in str(self.fields):
                self.values[kind] = s3sign.checksum(kind, self.body)
        self.fields = {k: filled(v, self.values) for k, v in self.fields.items()}
        self.target = filled(self.target, state)

    def bytes(self, signer):
        """All of it, as it goes on the wire."""
        trailer = self.trailer and (f"x-amz-checksum-{self.trailer.lower()}", self.values[self.trailer])
        payload = self.payload or s3sign.sha256(self.body)
        body, target, fields = self.body, self.target, dict(self.fields)
        if payload == s3sign.CHUNKS_TRAILER:
            body = s3sign.chunks(self.body, int(self.chunk), trailer)
        signed_chunks = payload in (s3sign.CHUNKS_SIGNED, s3sign.CHUNKS_SIGNED_TRAILER)
        if signed_chunks:  # their length is known before they are signed
            dummy = {"x-amz-date": signer.now(), "authorization": "=" + "0" * 64}
            body = b"".join(signer.chunks(dummy, self.body, int(self.chunk), trailer))
        if self.method in ("PUT", "POST") or body:
            fields.setdefault("content-length", len(body))
        if fields.get("transfer-encoding"):
            del fields["content-length"]
        if self.unsigned:
            fields = {"host": signer.host, **fields}
        elif self.presigned:
            target = signer.presign(self.method, target, extra=fields)
            fields = {"host": signer.host, **fields}
        else:
            fields = signer.fields(self.method, target, payload, fields)
        if signed_chunks:
            body = b"".join(signer.chunks(fields, self.body, int(self.chunk), trailer))
        if fields.get("transfer-encoding"):
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        return s3sign.Raw.text(self.method, target, fields) + body


def check(line, request, answer):
    line = filled(line, request.values)
    if re.match(r"\d\d\d( |$)", line):
        status, _, code = line.partition(" ")
        if answer.status != int(status) or code and answer.code != code:
            raise Refused(f"{answer!r}, not {line}")
    elif line.startswith("body "):
        if body_of(line[5:]) not in answer.body:
            raise Refused(f"{answer.body[:500]!r} has no {line[5:]!r}")
    else:
        name, _, value = line.partition(": ")
        got = answer.fields.get(name.lower(), "-")
        if got != value:
            raise Refused(f"{name} is {got!r}, not {value!r}")


def replay(t, steps, state):
    signer = s3sign.Signer(t.env)
    for request_lines, answer_lines in steps:
        request = Request(request_lines, state)
        with s3sign.Raw(signer, 60) as raw:
            raw.send(request.bytes(signer))
            answer = raw.answer(request.method)
        state["ETAG"] = answer.fields.get("etag", state.get("ETAG", ""))
        found = re.search(rb"<UploadId>([^<]+)<", answer.body)
        if found:
            state["UPLOAD"] = found.group(1).decode()
        request.values.update(state)
        for line in answer_lines:
            check(line, request, answer)
