"""s3sign - requests to S3, signed and taken apart by hand.

What the tests need that no client gives: any byte of a request may be wrong on purpose.  A Signer
makes signatures of version 4 (in the Authorization header, in the query, of chunks and trailers, of
POST policies) and of version 2; a Raw is one connection that sends bytes as they are and reads answers one at a time.
"""
import base64
import datetime
import hashlib
import hmac
import re
import socket
import urllib.parse
import zlib

EMPTY_SHA = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKS_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNKS_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
OLD_ARGS = ("acl", "cors", "delete", "lifecycle", "location", "logging", "partNumber", "policy", "tagging",
            "uploadId", "uploads", "versioning", "website", "response-content-type")


def env_file(path):
    """The values of the file `env` that `cairn up` writes: lines export NAME='VALUE'."""
    with open(path, encoding="utf-8") as f:
        return dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", f.read(), re.M))


def quote(text):
    """As S3 encodes names and values in a query, and the parts of a path."""
    return urllib.parse.quote(text, safe="-_.~")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# --- checksums ------------------------------------------------------------------------------------

def _reflected_table(polynomial):
    table = []
    for i in range(256):
        for _ in range(8):
            i = (i >> 1) ^ polynomial if i & 1 else i >> 1
        table.append(i)
    return table


def _crc(table, bits, data):
    crc = ones = (1 << bits) - 1
    for byte in data:
        crc = table[(crc ^ byte) & 0xff] ^ (crc >> 8)
    return (crc ^ ones).to_bytes(bits // 8, "big")


_CRC32C = _reflected_table(0x82f63b78)
_CRC64NVME = _reflected_table(0x9a6c9329ac4bc9b5)
CHECKSUMS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: _crc(_CRC32C, 32, data),
    "CRC64NVME": lambda data: _crc(_CRC64NVME, 64, data),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def checksum(kind, data):
    return base64.b64encode(CHECKSUMS[kind](data)).decode()


def md5_base64(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


# --- signatures -----------------------------------------------------------------------------------

class Signer:
    def __init__(self, env, access=None, secret=None, region=None):
        self.host = urllib.parse.urlsplit(env["AWS_ENDPOINT_URL"]).netloc
        self.access = access or env["AWS_ACCESS_KEY_ID"]
        self.secret = secret or env["AWS_SECRET_ACCESS_KEY"]
        self.region = region or env["AWS_DEFAULT_REGION"]

    @staticmethod
    def now(offset_s=0):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
        return at.strftime("%Y%m%dT%H%M%SZ")

    def scope(self, when):
        return f"{when[:8]}/{self.region}/s3/aws4_request"

    def mac(self, when, text):
        key = ("AWS4" + self.secret).encode()
        for part in (when[:8], self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    def signature(self, method, target, fields, payload, when):
        """Of a request whose signed fields are `fields`: {lower-case name: value}.  A plus sign in
        the query is a blank, and signed as %20."""
        path, _, query = target.partition("?")
        pairs = sorted((p if "=" in p else p + "=").replace("+", "%20") for p in query.split("&") if p)
        lines = "".join(f"{k}:{re.sub(' +', ' ', str(v)).strip()}\n" for k, v in sorted(fields.items()))
        canonical = "\n".join([method, path, "&".join(pairs), lines, ";".join(sorted(fields)), payload])
        return self.mac(when, "\n".join(["AWS4-HMAC-SHA256", when, self.scope(when),
                                         sha256(canonical.encode("latin-1"))]))

    def fields(self, method, target, payload, extra=None, when=None):
        """All fields of a request that is signed in its head.  `target` is encoded already;
        Content-Length is the caller's."""
        when = when or self.now()
        fields = {"host": self.host, "x-amz-date": when, "x-amz-content-sha256": payload}
        fields.update({k.lower(): v for k, v in (extra or {}).items()})
        signed = {k: v for k, v in fields.items() if k not in ("expect", "connection", "user-agent",
                                                               "transfer-encoding")}
        fields["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access}/{self.scope(when)}, "
            f"SignedHeaders={';'.join(sorted(signed))}, "
            f"Signature={self.signature(method, target, signed, payload, when)}")
        return fields

    def presign(self, method, target, expires=900, when=None, extra=None):
        """The target with a signature in its query; `extra` are more signed fields."""
        when = when or self.now()
        signed = {"host": self.host, **{k.lower(): v for k, v in (extra or {}).items()}}
        query = "&".join([
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=" + quote(f"{self.access}/{self.scope(when)}"),
            f"X-Amz-Date={when}", f"X-Amz-Expires={expires}",
            "X-Amz-SignedHeaders=" + quote(";".join(sorted(signed)))])
        target += ("&" if "?" in target else "?") + query
        return f"{target}&X-Amz-Signature={self.signature(method, target, signed, UNSIGNED, when)}"

    def chunks(self, fields, data, size, trailer=None):
        """`data` as signed chunks that follow the head `fields`; `trailer` is (name, value)."""
        when, last = fields["x-amz-date"], fields["authorization"].rpartition("=")[2]
        out = []
        for at in [*range(0, len(data), size), len(data)]:
            part = data[at:at + size]
            last = self.mac(when, "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", when, self.scope(when), last,
                                             EMPTY_SHA, sha256(part)]))
            out.append(f"{len(part):x};chunk-signature={last}\r\n".encode() + part +
                       (b"\r\n" if part or not trailer else b""))
        if trailer:
            line = f"{trailer[0]}:{trailer[1]}\n".encode()
            last = self.mac(when, "\n".join(["AWS4-HMAC-SHA256-TRAILER", when, self.scope(when), last,
                                             sha256(line)]))
            out.append(f"{trailer[0]}:{trailer[1]}\r\nx-amz-trailer-signature:{last}\r\n\r\n".encode())
        return out

    def policy(self, document, when=None):
        """The fields of a POST form for a policy's JSON text."""
        when = when or self.now()
        text = base64.b64encode(document.encode()).decode()
        return {"policy": text, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": when,
                "x-amz-credential": f"{self.access}/{self.scope(when)}",
                "x-amz-signature": self.mac(when, text)}

    # Version 2

    def old_mac(self, text):
        return base64.b64encode(hmac.new(self.secret.encode(), text.encode("latin-1"), "sha1").digest()).decode()

    def old_text(self, method, target, fields, when):
        """What is signed; of the query only what is one of a few words."""
        path, _, query = target.partition("?")
        subs = "&".join(sorted(a for a in query.split("&") if a.split("=")[0] in OLD_ARGS))
        lines = "".join(f"{k}:{v}\n" for k, v in sorted(fields.items()) if k.startswith("x-amz-"))
        return "\n".join([method, fields.get("content-md5", ""), fields.get("content-type", ""), when,
                          lines + path + (f"?{subs}" if subs else "")])

    def old_fields(self, method, target, extra=None, offset_s=0):
        """All fields of a request that is signed by version 2."""
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
        when = when.strftime("%a, %d %b %Y %H:%M:%S GMT")
        fields = {"host": self.host, **{k.lower(): v for k, v in (extra or {}).items()}, "date": when}
        fields["authorization"] = f"AWS {self.access}:{self.old_mac(self.old_text(method, target, fields, when))}"
        return fields

    def old_presign(self, method, target, expires=900, extra=None):
        until = str(int(datetime.datetime.now().timestamp()) + expires)
        signature = self.old_mac(self.old_text(method, target, extra or {}, until))
        return (f"{target}{'&' if '?' in target else '?'}AWSAccessKeyId={self.access}&Expires={until}"
                f"&Signature={quote(signature)}")

    def old_policy(self, document):
        text = base64.b64encode(document.encode()).decode()
        return {"AWSAccessKeyId": self.access, "policy": text, "signature": self.old_mac(text)}


def chunks(data, size, trailer=None):
    """`data` as chunks without signatures, as the newer SDKs send them."""
    out = [f"{len(data[at:at + size]):x}\r\n".encode() + data[at:at + size] + b"\r\n"
           for at in range(0, len(data), size)]
    return b"".join(out) + b"0\r\n" + (f"{trailer[0]}:{trailer[1]}\r\n".encode() if trailer else b"") + \
        b"\r\n"


def form(fields, data, boundary="cairn-boundary"):
    """A POST form: its Content-Type and its body; the file comes last."""
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
             for k, v in fields.items()]
    body = "".join(parts).encode() + \
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'.encode() + \
        data + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


# --- bytes ----------------------------------------------------------------------------------------

class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def code(self):
        """The code of an error; "" when there is none."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found.group(1).decode() if found else ""

    def __repr__(self):
        return f"{self.status} {self.code} {self.body[:300]!r}"


class Raw:
    """One connection.  Everything waits at most `timeout_s`."""

    def __init__(self, signer, timeout_s=20, receive_bytes=0):
        host, _, port = signer.host.rpartition(":")
        self.signer = signer
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout_s)
        self.socket.connect((host.strip("[]"), int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        """False: the other side closed."""
        data = self.socket.recv(1 << 16)
        self.input += data
        return len(data) > 0

    def head(self):
        """(status, fields) of the next answer; 100 is an answer, too."""
        while b"\r\n\r\n" not in self.input:
            if not self.more():
                raise ConnectionError(f"closed after {self.input[:200]!r}")
        text, self.input = self.input.split(b"\r\n\r\n", 1)
        lines = text.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        return int(lines[0].split(" ")[1]), fields

    def answer(self, method="GET"):
        """The next whole answer; those of 100 are skipped."""
        status, fields = self.head()
        while status == 100:
            status, fields = self.head()
        length = 0 if method == "HEAD" or status in (204, 304) else int(fields.get("content-length", 0))
        while len(self.input) < length:
            if not self.more():
                raise ConnectionError(f"closed within a body: {len(self.input)} of {length} bytes")
        body, self.input = self.input[:length], self.input[length:]
        return Answer(status, fields, body)

    @staticmethod
    def text(method, target, fields, version="HTTP/1.1"):
        lines = [f"{method} {target} {version}"] + [f"{k}: {v}" for k, v in fields.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def request(self, method, target, body=b"", extra=None, payload=None, when=None):
        """A good request and its answer, on this connection."""
        extra = dict(extra or {})
        if body or method in ("PUT", "POST"):
            extra["content-length"] = len(body)
        fields = self.signer.fields(method, target, payload or sha256(body), extra, when)
        self.send(self.text(method, target, fields) + body)
        return self.answer(method)
