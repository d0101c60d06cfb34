"""The cases of s3_hostile.py: a table.

    case(what, bytes, status, code, KEPT or SHUT)

Bytes are a function of the setting.  Status 0: the connection is closed without an answer.  The good
request that most of them spoil is a PUT of five bytes to /hostile/target, signed.
"""
import hashlib

from s3sign import (CHUNKS_SIGNED, CHUNKS_SIGNED_TRAILER, CHUNKS_TRAILER, EMPTY_SHA, UNSIGNED, Raw, Signer,
                    checksum, chunks, md5_base64, quote, sha256)

KEPT, SHUT = "kept", "shut"
TARGET = "/hostile/target"
TARGETS = [TARGET, "/hostile/upload", "/hostile/%00", "/hostile/%FF", "/hostile-witness/target"]
DATA = b"hello"
LARGE = hashlib.sha256(b"large").digest() * 4096  # 128 KiB


class Case:
    def __init__(self, name, data, status, code, then, ends=False, method="GET"):
        self.name, self.data, self.status, self.code, self.then = name, data, status, code, then
        self.ends = ends      # nothing follows: the client shuts its side
        self.method = method  # HEAD: an answer without a body


# --- how bytes are made ---------------------------------------------------------------------------

def signed(method="PUT", target=TARGET, body=None, fields=None, payload=None, when=0, **signer):
    """A request that is signed well, whatever else it is."""
    given = body if body is not None else DATA if method == "PUT" else b""

    def make(s):
        body = given(s) if callable(given) else given
        by = Signer(s.env, **signer)
        extra = {"content-length": len(body)} if body or method in ("PUT", "POST") else {}
        extra.update({k: v.replace("$UPLOAD", s.upload) if isinstance(v, str) else v
                      for k, v in (fields or {}).items()})
        extra = {k: v for k, v in extra.items() if v is not None}
        to = target.replace("$UPLOAD", s.upload)
        return Raw.text(method, to, by.fields(method, to, payload or sha256(body), extra,
                                              by.now(when))) + body
    return make


def changed(old, new, make=None):
    """A good request with one thing changed after it was signed."""
    def change(s):
        data = (make or signed())(s)
        assert old in data, (old, data)
        return data.replace(old, new, 1)
    return change


def line(text, make=None):
    """A good request with a line more in its head."""
    return changed(b"\r\nhost:", b"\r\n" + text + b"\r\nhost:", make)


def request_line(text):
    """A good request with another first line."""
    return changed(b"PUT " + TARGET.encode() + b" HTTP/1.1", text)


def raw(data):
    return lambda s: data


def streaming(payload, make_body, fields=None, decoded=None, size=None):
    """A streamed PUT: make_body(signer, head fields) gives the bytes on the wire."""
    def make(s):
        extra = {"x-amz-decoded-content-length": len(LARGE) if decoded is None else decoded,
                 "content-encoding": "aws-chunked", **(fields or {})}
        extra = {k: v for k, v in extra.items() if v is not None}
        dummy = {"x-amz-date": s.signer.now(), "authorization": "=" + "0" * 64}
        length = len(make_body(s.signer, dummy))
        head = s.signer.fields("PUT", TARGET, payload, {
            **extra, "content-length": length if size is None else size})
        return Raw.text("PUT", TARGET, head) + make_body(s.signer, head)
    return make


def chunked(body):
    """A streamed PUT in a chunked transfer coding with these bytes."""
    def make(s):
        head = s.signer.fields("PUT", TARGET, CHUNKS_TRAILER, {
            "x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32",
            "transfer-encoding": "chunked"})
        return Raw.text("PUT", TARGET, head) + body
    return make


def chunk_list(change=None, trailer=None):
    """LARGE in signed chunks of 16 KiB, after `change` had its way with their list."""
    def make_body(signer, head):
        parts = signer.chunks(head, LARGE, 16384, trailer)
        return b"".join(change(parts) if change else parts)
    return make_body


def flipped(index, at):
    """A byte of one chunk is another, past its first `at` bytes."""
    def change(parts):
        one = bytearray(parts[index])
        one[at] = ord("1") if one[at] == ord("0") else ord("0")
        return [bytes(one) if part is parts[index] else part for part in parts]
    return change


def chunk_signature_wrong(index):
    return flipped(index, 30 if index >= 0 else 24)


SUM = ("x-amz-checksum-crc32", checksum("CRC32", LARGE))
ANNOUNCED = {"x-amz-trailer": "x-amz-checksum-crc32"}


def trailing(end, fields=None, **more):
    """Unsigned chunks of LARGE and this end; the checksum is announced."""
    body = chunks(LARGE, 16384)[:-len(b"0\r\n\r\n")] + end
    return streaming(CHUNKS_TRAILER, lambda signer, head: body, ANNOUNCED if fields is None else fields, **more)


def xml(method, target, text, **fields):
    return signed(method, target, text if isinstance(text, bytes) else text.encode(),
                  {"content-md5": md5_base64(text if isinstance(text, bytes) else text.encode()), **fields})


def deletes(text):
    return xml("POST", "/hostile?delete", text)


def completes(text):
    return xml("POST", "/hostile/upload?uploadId=$UPLOAD", text)


def presigned(method="GET", target="/hostile/there", expires=900, when=0, change=None):
    def make(s):
        url = s.signer.presign(method, target, expires, s.signer.now(when))
        return Raw.text(method, change(url) if change else url, {"host": s.signer.host})
    return make


def cases():
    return table(framing, lengths, bodies, streams, trailers, signatures, urls, targets, fields, documents, numbers)


def table(*groups):
    for group in groups:
        for name, data, status, code, then, *more in group():
            yield Case(f"{group.__name__}: {name}", data, status, code, then, **(more[0] if more else {}))


# --- the table ------------------------------------------------------------------------------------

def framing():
    long = b"a" * 20000
    return [
        ("a line of the head ends in a bare LF", changed(b"\r\nhost:", b"\nhost:"), 400, "BadRequest", SHUT),
        ("the request line ends in a bare LF", changed(b" HTTP/1.1\r\n", b" HTTP/1.1\n"), 400, "BadRequest", SHUT),
        ("the head ends in bare LFs", changed(b"\r\n\r\n", b"\n\n"), 400, "BadRequest", SHUT),
        ("a bare CR in a value", line(b"x-a: b\rc: d"), 400, "BadRequest", SHUT),
        ("a folded field", line(b"x-a: b\r\n c"), 400, "BadRequest", SHUT),
        ("a folded first field", changed(b" HTTP/1.1\r\n", b" HTTP/1.1\r\n x: y\r\n"), 400, "BadRequest", SHUT),
        ("a blank before the colon", line(b"x-a : b"), 400, "BadRequest", SHUT),
        ("a blank within a name", line(b"x a: b"), 400, "BadRequest", SHUT),
        ("a field without a name", line(b": b"), 400, "BadRequest", SHUT),
        ("a field without a colon", line(b"nonsense"), 400, "", SHUT),
        ("a NUL in a value", line(b"x-a: b\0c"), 400, "BadRequest", SHUT),
        ("a NUL in a name", line(b"x\0a: b"), 400, "", SHUT),
        ("a control character in a value", line(b"x-a: b\x01c"), 400, "BadRequest", SHUT),
        ("a DEL in a value", line(b"x-a: b\x7fc"), 400, "BadRequest", SHUT),
        ("a name of 200 bytes", line(b"x" * 200 + b": b"), 400, "BadRequest", SHUT),
        ("a field of 20,000 bytes", line(b"x-a: " + long), 431, "RequestHeaderSectionTooLarge", SHUT),
        ("120 fields", line(b"\r\n".join(b"x-%d: y" % i for i in range(120))), 431,
         "RequestHeaderSectionTooLarge", SHUT),
        ("a target of 20,000 bytes", request_line(b"PUT /hostile/" + long + b" HTTP/1.1"), 431,
         "RequestHeaderSectionTooLarge", SHUT),
        ("no Host", changed(b"\r\nhost:", b"\r\nx-host:"), 400, "BadRequest", SHUT),
        ("two Hosts", line(b"host: other"), 400, "BadRequest", SHUT),
        ("a Host with a path", changed(b"\r\nhost: ", b"\r\nhost: a/"), 400, "BadRequest", SHUT),
        ("a list of methods", request_line(b"PUT,GET " + TARGET.encode() + b" HTTP/1.1"), 400, "BadRequest", SHUT),
        ("a method of 40 bytes", request_line(b"A" * 40 + b" / HTTP/1.1"), 400, "BadRequest", SHUT),
        ("HTTP/2.0 in the request line", request_line(b"PUT " + TARGET.encode() + b" HTTP/2.0"), 505,
         "", SHUT),
        ("the beginning of HTTP/2", raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "", SHUT),
        ("no version", request_line(b"PUT " + TARGET.encode()), 400, "", SHUT),
        ("two blanks in the request line", request_line(b"PUT  " + TARGET.encode() + b" HTTP/1.1"), 400,
         "BadRequest", SHUT),
        ("a target in absolute form", request_line(b"PUT http://other/hostile/target HTTP/1.1"), 400,
         "BadRequest", SHUT),
        ("a target that is a star", request_line(b"OPTIONS * HTTP/1.1"), 400, "BadRequest", SHUT),
        ("a target without a slash", request_line(b"PUT hostile/target HTTP/1.1"), 400, "BadRequest", SHUT),
        ("a fragment", request_line(b"PUT " + TARGET.encode() + b"#a HTTP/1.1"), 400, "BadRequest", SHUT),
        ("raw bytes above 126 in the target", request_line(b"PUT /hostile/\xc3\xbc HTTP/1.1"), 400, "BadRequest", SHUT),
        ("a NUL in the target", request_line(b"PUT /hostile/a\0b HTTP/1.1"), 400, "BadRequest", SHUT),
        ("an unknown expectation", line(b"expect: 200-ok"), 417, "ExpectationFailed", SHUT),
        ("the hello of TLS", raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256))), 0, "", SHUT,
         {"ends": True}),
        ("nothing but line ends", raw(b"\r\n" * 100), 0, "", SHUT, {"ends": True}),
        ("half a head", raw(b"GET /hostile HTTP/1.1\r\nhost: a\r\nx-"), 0, "", SHUT, {"ends": True}),
    ]


def lengths():
    # What is no number the HTTP library refuses by itself, with words of its own (s3/README.md).
    def length(text):
        return changed(b"content-length: 5", text)
    return [
        ("a length beside a chunked coding", line(b"transfer-encoding: chunked"), 400, "BadRequest", SHUT),
        ("two lengths that differ", line(b"content-length: 6"), 400, "BadRequest", SHUT),
        ("two lengths that agree", line(b"content-length: 5"), 400, "BadRequest", SHUT),
        ("a list of lengths", length(b"content-length: 5, 5"), 400, "", SHUT),
        ("a length with a plus", length(b"content-length: +5"), 400, "", SHUT),
        ("a negative length", length(b"content-length: -5"), 400, "", SHUT),
        ("a length in hexadecimal", length(b"content-length: 0x5"), 400, "", SHUT),
        ("an empty length", length(b"content-length: "), 400, "", SHUT),
        ("a length of 30 digits", length(b"content-length: " + b"9" * 30), 413, "", SHUT),
        ("a length beyond what an object may have", signed(fields={"content-length": "6000000000000"}, payload=UNSIGNED),
         400, "EntityTooLarge", SHUT),
        ("no length", signed(body=b"", fields={"content-length": None}), 411, "MissingContentLength", KEPT),
        ("the coding gzip", length(b"transfer-encoding: gzip"), 501, "NotImplemented", SHUT),
        ("the coding chunked, twice", length(b"transfer-encoding: chunked, chunked"), 501, "NotImplemented", SHUT),
        ("the coding chunked in two lines", length(b"transfer-encoding: chunked\r\ntransfer-encoding: chunked"), 400,
         "BadRequest", SHUT),
        ("the coding identity", length(b"transfer-encoding: identity"), 501, "NotImplemented", SHUT),
        ("the coding \\x0bchunked", length(b"transfer-encoding: \x0bchunked"), 400, "BadRequest", SHUT),
        ("a chunked coding under HTTP/1.0", changed(b"HTTP/1.1", b"HTTP/1.0", length(b"transfer-encoding: chunked")),
         400, "BadRequest", SHUT),
        ("a trailer announced to HTTP", line(b"trailer: x-a"), 400, "BadRequest", SHUT),
        ("chunks whose size is no number", chunked(b"zz\r\nhello\r\n0\r\n\r\n"), 400, "", SHUT),
        ("chunks whose size overflows", chunked(b"fffffffffffffffff\r\nhello"), 413, "", SHUT),
        ("a body behind a GET", signed("GET", "/hostile/there", b"hello", payload=EMPTY_SHA), 400, "InvalidRequest", KEPT),
        ("a body that is a request, of a refused one", signed(body=signed("DELETE", "/hostile/there"), payload=EMPTY_SHA),
         400, "XAmzContentSHA256Mismatch", KEPT),
        ("a body that is a request, of one not signed", changed(
            b"Signature=", b"Signature=0", signed(body=signed("DELETE", "/hostile/there"))),
         400, "AuthorizationHeaderMalformed", KEPT),
        ("a body that is a request, after a length beside a coding", changed(
            b"\r\nhost:", b"\r\ntransfer-encoding: chunked\r\nhost:", signed(body=signed("DELETE", "/hostile/there"))),
         400, "BadRequest", SHUT),
    ]


def bodies():
    wrong = "A" * 22 + "=="
    return [
        ("the SHA-256 of another body", signed(payload=sha256(b"other")), 400, "XAmzContentSHA256Mismatch", KEPT),
        ("the SHA-256 of another large body", signed(body=LARGE, payload=sha256(b"other")), 400,
         "XAmzContentSHA256Mismatch", KEPT),
        ("the MD5 of another body", signed(fields={"content-md5": wrong}), 400, "BadDigest", KEPT),
        ("an MD5 that is none", signed(fields={"content-md5": "hello"}), 400, "InvalidDigest", KEPT),
        ("the CRC32 of another body", signed(fields={"x-amz-checksum-crc32": "AAAAAA=="}), 400, "BadDigest", KEPT),
        ("the SHA1 of another body", signed(fields={"x-amz-checksum-sha1": checksum("SHA1", b"other")}), 400,
         "BadDigest", KEPT),
        ("the CRC64NVME of another body", signed(fields={"x-amz-checksum-crc64nvme": checksum("CRC64NVME", b"")}), 400,
         "BadDigest", KEPT),
        ("a checksum that is none", signed(fields={"x-amz-checksum-crc32": "hello"}), 400, "InvalidRequest", KEPT),
        ("two checksums", signed(fields={"x-amz-checksum-crc32": checksum("CRC32", DATA),
                                         "x-amz-checksum-sha1": checksum("SHA1", DATA)}), 400, "InvalidRequest", KEPT),
        ("shorter than announced", signed(fields={"content-length": 6}, payload=UNSIGNED), 0, "", SHUT, {"ends": True}),
        ("shorter than announced, large", signed(body=LARGE, fields={"content-length": 10 * len(LARGE)}, payload=UNSIGNED),
         0, "", SHUT, {"ends": True}),
        ("empty, the signature of five bytes", changed(b"\r\n\r\nhello", b"\r\n\r\n", changed(
            b"content-length: 5", b"content-length: 0")), 403, "SignatureDoesNotMatch", KEPT),
    ]


def streams():
    last = chunks(b"", 1)
    return [
        ("the signature of the first chunk wrong", streaming(CHUNKS_SIGNED, chunk_list(chunk_signature_wrong(0))), 403,
         "SignatureDoesNotMatch", KEPT),
        ("the signature of chunk 5 wrong", streaming(CHUNKS_SIGNED, chunk_list(chunk_signature_wrong(4))), 403,
         "SignatureDoesNotMatch", KEPT),
        ("the signature of the last chunk wrong", streaming(CHUNKS_SIGNED, chunk_list(chunk_signature_wrong(-1))), 403,
         "SignatureDoesNotMatch", KEPT),
        ("a byte of chunk 3 changed", streaming(CHUNKS_SIGNED, chunk_list(flipped(2, 5000))), 403,
         "SignatureDoesNotMatch", KEPT),
        ("two chunks change places", streaming(CHUNKS_SIGNED, chunk_list(lambda c: [c[1], c[0], *c[2:]])), 403,
         "SignatureDoesNotMatch", KEPT),
        ("a chunk twice", streaming(CHUNKS_SIGNED, chunk_list(lambda c: [c[0], *c]), decoded=len(LARGE) + 16384), 403, "SignatureDoesNotMatch", KEPT),
        ("a chunk left out", streaming(CHUNKS_SIGNED, chunk_list(lambda c: [c[0], *c[2:]]), decoded=len(LARGE) - 16384), 403,
         "SignatureDoesNotMatch", KEPT),
        ("no last chunk", streaming(CHUNKS_SIGNED, chunk_list(lambda c: c[:-1])), 400, "IncompleteBody", KEPT),
        ("bytes after the last chunk", streaming(CHUNKS_SIGNED, chunk_list(lambda c: [*c, b"more"])),
         400, "IncompleteBody", KEPT),
        ("a chunk without a signature", streaming(CHUNKS_SIGNED, chunk_list(
            lambda c: [b"4000\r\n" + c[0].split(b"\r\n", 1)[1], *c[1:]])), 400, "IncompleteBody", KEPT),
        ("chunks without signatures", streaming(CHUNKS_SIGNED, lambda s, h: chunks(LARGE, 16384)), 400, "IncompleteBody", KEPT),
        ("the size of a chunk is no number", streaming(CHUNKS_SIGNED, chunk_list(
            lambda c: [b"xx" + c[0][4:], *c[1:]])), 400, "IncompleteBody", KEPT),
        ("the size of a chunk overflows", streaming(CHUNKS_SIGNED, chunk_list(
            lambda c: [b"f" * 17 + c[0][4:], *c[1:]])), 400, "IncompleteBody", KEPT),
        ("the line of a chunk is 100,000 bytes long", streaming(CHUNKS_SIGNED, chunk_list(
            lambda c: [b"0" * 100000, *c])), 400, "IncompleteBody", KEPT),
        ("a chunk whose data end elsewhere", streaming(CHUNKS_SIGNED, chunk_list(
            lambda c: [c[0].replace(b"4000;", b"3fff;", 1), *c[1:]])), 400, "IncompleteBody", KEPT),
        ("fewer bytes than announced inside", streaming(CHUNKS_SIGNED, chunk_list(), decoded=len(LARGE) + 1), 400,
         "IncompleteBody", KEPT),
        ("more bytes than announced inside", streaming(CHUNKS_SIGNED, chunk_list(), decoded=len(LARGE) - 1),
         400, "IncompleteBody", KEPT),
        ("no length of what is inside", streaming(CHUNKS_SIGNED, chunk_list(), {"x-amz-decoded-content-length": None}),
         411, "MissingContentLength", KEPT),
        ("a length inside that is none", streaming(CHUNKS_SIGNED, chunk_list(), decoded="-1"), 400, "InvalidArgument",
         KEPT),
        ("a length inside, of a body that is not chunked", signed(fields={"x-amz-decoded-content-length": "5"}), 400,
         "InvalidArgument", KEPT),
        ("an unknown kind of stream", streaming("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", lambda s, h: last), 501,
         "NotImplemented", KEPT),
        ("a stream behind a GET", signed("GET", "/hostile/there", payload=CHUNKS_SIGNED),
         400, "XAmzContentSHA256Mismatch", KEPT),
    ]


def trailers():
    good = f"{SUM[0]}:{SUM[1]}\r\n".encode()
    return [
        ("announced, but missing", trailing(b"0\r\n\r\n"), 400, "MalformedTrailerError", KEPT),
        ("another than announced", trailing(b"0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n"), 400, "MalformedTrailerError", KEPT),
        ("of another body", trailing(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), 400, "BadDigest", KEPT),
        ("no checksum at all", trailing(b"0\r\nx-amz-checksum-crc32:hello\r\n\r\n"), 400, "InvalidRequest", KEPT),
        ("twice", trailing(b"0\r\n" + good + good + b"\r\n"), 400, "MalformedTrailerError", KEPT),
        ("with metadata", trailing(b"0\r\n" + good + b"x-amz-meta-a:b\r\n\r\n"), 400, "MalformedTrailerError", KEPT),
        ("of 100,000 bytes", trailing(b"0\r\n" + b"x" * 100000 + b"\r\n\r\n"), 400, "MalformedTrailerError", KEPT),
        ("without its end", trailing(b"0\r\n" + good), 400, "IncompleteBody", KEPT),
        ("announced as metadata", trailing(b"0\r\n" + good + b"\r\n", {"x-amz-trailer": "x-amz-meta-a"}), 400,
         "InvalidRequest", KEPT),
        ("not announced, though the payload says so", trailing(b"0\r\n" + good + b"\r\n", {}), 400, "MalformedTrailerError",
         KEPT),
        ("announced beside a checksum in a field", trailing(b"0\r\n" + good + b"\r\n", {**ANNOUNCED, SUM[0]: SUM[1]}),
         400, "InvalidRequest", KEPT),
        ("its signature wrong", streaming(CHUNKS_SIGNED_TRAILER, chunk_list(
            lambda c: [*c[:-1], c[-1].replace(b"signature:", b"signature:0", 1)], SUM), ANNOUNCED),
         400, "MalformedTrailerError", KEPT),
        ("changed after it was signed", streaming(CHUNKS_SIGNED_TRAILER, chunk_list(
            lambda c: [*c[:-1], c[-1].replace(SUM[1].encode(), b"AAAAAA==", 1)], SUM), ANNOUNCED), 403,
         "SignatureDoesNotMatch", KEPT),
        ("not signed", streaming(CHUNKS_SIGNED_TRAILER, chunk_list(
            lambda c: [*c[:-1], good + b"\r\n"], SUM), ANNOUNCED), 400, "MalformedTrailerError", KEPT),
    ]


def signatures():
    def authorization(old, new):
        return changed(old, new)
    no_host = signed(fields={"x-none": "1"})
    return [
        ("none", changed(b"\r\nauthorization:", b"\r\nx-authorization:"), 403, "AccessDenied", KEPT),
        ("an unknown key", signed(access="AKIDNOBODY"), 403, "InvalidAccessKeyId", KEPT),
        ("a wrong secret", signed(secret="wrong"), 403, "SignatureDoesNotMatch", KEPT),
        ("of another key of the bucket", request_line(b"PUT /hostile/upload HTTP/1.1"), 403, "SignatureDoesNotMatch", KEPT),
        ("of another bucket", request_line(b"PUT /hostile-witness/target HTTP/1.1"), 403, "SignatureDoesNotMatch", KEPT),
        ("of another method", request_line(b"DELETE /hostile/target HTTP/1.1"), 403, "SignatureDoesNotMatch", KEPT),
        ("of no arguments", request_line(b"PUT /hostile/target?acl HTTP/1.1"), 403, "SignatureDoesNotMatch", KEPT),
        ("of another value of a field", changed(b"x-amz-meta-a: 1", b"x-amz-meta-a: 2", signed(
            fields={"x-amz-meta-a": "1"})), 403, "SignatureDoesNotMatch", KEPT),
        ("of another Host", changed(b"\r\nhost: ", b"\r\nhost: a"), 403, "SignatureDoesNotMatch", KEPT),
        ("that leaves an x-amz- field out", line(b"x-amz-meta-a: 1"), 403, "AccessDenied", KEPT),
        ("that leaves Host out", changed(b"SignedHeaders=content-length;host;", b"SignedHeaders=content-length;"), 403,
         "AccessDenied", KEPT),
        ("of a field that is not there", changed(b"\r\nx-none: 1", b"", no_host), 403, "SignatureDoesNotMatch", KEPT),
        ("of 1,000 names", authorization(b"SignedHeaders=", b"SignedHeaders=" + b"a;" * 1000), 400,
         "AuthorizationHeaderMalformed", KEPT),
        ("of names out of order", authorization(b"content-length;host", b"host;content-length"), 400,
         "AuthorizationHeaderMalformed", KEPT),
        ("16 minutes old", signed(when=-960), 403, "RequestTimeTooSkewed", KEPT),
        ("16 minutes ahead", signed(when=960), 403, "RequestTimeTooSkewed", KEPT),
        ("a day old, replayed", signed(when=-86400), 403, "RequestTimeTooSkewed", KEPT),
        ("replayed with another body", changed(b"\r\n\r\nhello", b"\r\n\r\nworld"), 400,
         "XAmzContentSHA256Mismatch", KEPT),
        ("a date that is none", changed(b"x-amz-date: 2", b"x-amz-date: x"), 403, "AccessDenied", KEPT),
        ("a scope of another day", authorization(b"/us-east-1/", b"0/us-east-1/"), 400, "AuthorizationHeaderMalformed",
         KEPT),
        ("another region", signed(region="eu-west-1"), 400, "AuthorizationHeaderMalformed", KEPT),
        ("another service", authorization(b"/s3/aws4", b"/ec2/aws4"), 400, "AuthorizationHeaderMalformed", KEPT),
        ("another algorithm", authorization(b"AWS4-HMAC-SHA256 ", b"AWS4-HMAC-SHA512 "), 400, "InvalidRequest", KEPT),
        ("too short", authorization(b"Signature=", b"Signature=00, x="), 400, "AuthorizationHeaderMalformed", KEPT),
        ("not hexadecimal", authorization(b"Signature=", b"Signature=zz"), 400, "AuthorizationHeaderMalformed", KEPT),
        ("twice", line(b"authorization: AWS4-HMAC-SHA256 a"), 400, "BadRequest", SHUT),
        ("of Basic", authorization(b"AWS4-HMAC-SHA256 ", b"Basic "), 400, "InvalidArgument", KEPT),
        ("version 2, without a signature", changed(b"authorization: AWS4-HMAC-SHA256 Credential=", b"authorization: AWS a:"),
         400, "InvalidArgument", KEPT),
        ("nothing but commas", authorization(b"Credential=", b",,,,,,,,"), 400, "AuthorizationHeaderMalformed", KEPT),
        ("in the head and in the query", request_line(
            b"PUT /hostile/target?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00 HTTP/1.1"),
         400, "InvalidArgument", KEPT),
        ("no x-amz-content-sha256", changed(b"\r\nx-amz-content-sha256:", b"\r\nx-content-sha256:"), 400,
         "InvalidRequest", KEPT),
        ("an x-amz-content-sha256 that is none", signed(payload="hello"), 400, "InvalidArgument", KEPT),
    ]


def urls():
    def at(old, new):
        return lambda url: url.replace(old, new, 1)
    malformed = "AuthorizationQueryParametersError"
    return [
        ("expired", presigned(when=-100, expires=60), 403, "AccessDenied", KEPT),
        ("of tomorrow", presigned(when=86400), 403, "AccessDenied", KEPT),
        ("good for more than a week", presigned(expires=604801), 400, malformed, KEPT),
        ("good for no time", presigned(expires=0), 400, malformed, KEPT),
        ("good for a negative time", presigned(expires=-1), 400, malformed, KEPT),
        ("good for a word", presigned(expires="week"), 400, malformed, KEPT),
        ("prolonged", presigned(expires=900, change=at("Expires=900", "Expires=901")), 403, "SignatureDoesNotMatch", KEPT),
        ("of another key", presigned(target=TARGET, change=at("/target", "/there")), 403, "SignatureDoesNotMatch", KEPT),
        ("of another method", changed(b"GET /hostile/there", b"PUT /hostile/there", presigned()), 403,
         "SignatureDoesNotMatch", KEPT),
        ("with an argument more", presigned(change=lambda u: u + "&response-content-type=a"), 403, "SignatureDoesNotMatch",
         KEPT),
        ("with an argument less", presigned(target="/hostile?prefix=a", change=at("prefix=a&", "")), 403,
         "SignatureDoesNotMatch", KEPT),
        ("with two signatures", presigned(change=lambda u: u + "&X-Amz-Signature=" + "0" * 64),
         400, "AuthorizationQueryParametersError", KEPT),
        ("without a date", presigned(change=at("X-Amz-Date=", "X-Date=")), 400, malformed, KEPT),
        ("without signed names", presigned(change=at("X-Amz-SignedHeaders=", "X-Names=")), 400, malformed, KEPT),
        ("without a credential", presigned(change=at("X-Amz-Credential=", "X-Credential=")), 400, malformed, KEPT),
        ("another algorithm", presigned(change=at("SHA256", "SHA1")), 400, "AuthorizationQueryParametersError", KEPT),
        ("another region", presigned(change=at("us-east-1", "eu-west-1")), 400, malformed, KEPT),
        ("of an unknown key", presigned(change=at("Credential=", "Credential=A")), 403, "InvalidAccessKeyId", KEPT),
        ("an unsigned x-amz- field beside it", line(b"x-amz-meta-a: 1", presigned()), 403, "AccessDenied", KEPT),
    ]


def targets():
    return [
        ("a key of 1,025 bytes", signed(target="/hostile/" + "k" * 1025), 400, "KeyTooLongError", KEPT),
        ("a key of 1,025 bytes, encoded", signed(target="/hostile/" + "%C3%BC" * 512 + "k"), 400, "KeyTooLongError", KEPT),
        ("a NUL in a key", signed(target="/hostile/%00"), 400, "InvalidURI", KEPT),
        ("bytes that are no UTF-8", signed(target="/hostile/%FF"), 400, "InvalidURI", KEPT),
        ("UTF-8 longer than needed", signed(target="/hostile/%C0%AF"), 400, "InvalidURI", KEPT),
        ("half a surrogate", signed(target="/hostile/%ED%A0%80"), 400, "InvalidURI", KEPT),
        ("beyond Unicode", signed(target="/hostile/%F4%90%80%80"), 400, "InvalidURI", KEPT),
        ("a percent without digits", signed(target="/hostile/%zz"), 400, "InvalidURI", KEPT),
        ("a percent at the end", signed(target="/hostile/a%"), 400, "InvalidURI", KEPT),
        ("dots lead nowhere", signed("GET", "/hostile/../hostile-witness/key"), 404, "NoSuchKey", KEPT),
        ("dots with encoded slashes lead nowhere", signed("GET", "/hostile/..%2Fhostile-witness%2Fkey"), 404, "NoSuchKey", KEPT),
        ("a bucket of dots", signed("PUT", "/..", b""), 400, "InvalidBucketName", KEPT),
        ("a bucket with an encoded slash", signed("PUT", "/a%2Fb", b""), 400, "InvalidBucketName", KEPT),
        ("a bucket in capitals", signed("PUT", "/Hostile", b""), 400, "InvalidBucketName", KEPT),
        ("a bucket that is an address", signed("PUT", "/192.168.0.1", b""), 400, "InvalidBucketName", KEPT),
        ("a bucket of two letters", signed("PUT", "/ab", b""), 400, "InvalidBucketName", KEPT),
        ("a bucket of 64 letters", signed("PUT", "/" + "b" * 64, b""), 400, "InvalidBucketName", KEPT),
        ("an unknown method", signed("BREW", "/hostile/target", b""), 405, "MethodNotAllowed", KEPT),
        ("a method of WebDAV", signed("PROPFIND", "/hostile", b""), 405, "MethodNotAllowed", KEPT),
        ("CONNECT", request_line(b"CONNECT other:80 HTTP/1.1"), 400, "BadRequest", SHUT),
    ]


def fields():
    return [
        ("metadata of more than 2 KiB", signed(fields={"x-amz-meta-a": "b" * 2049}), 400, "MetadataTooLarge", KEPT),
        ("CR and LF in an answer's field", signed("GET", "/hostile/there?response-content-type=a%0D%0Ab%3A%20c"), 400,
         "InvalidArgument", KEPT),
        ("a NUL in an answer's field", signed("GET", "/hostile/there?response-content-type=a%00b"), 400,
         "InvalidArgument", KEPT),
        ("CR and LF in metadata", changed(b"x-amz-meta-a: b", b"x-amz-meta-a: b\r\nx-amz-meta-c: d", signed(
            fields={"x-amz-meta-a": "b"})), 403, "AccessDenied", KEPT),
        ("an unknown x-amz- field", signed(fields={"x-amz-unknown": "1"}), 501, "NotImplemented", KEPT),
        ("to a bucket of somebody else, as he believes", signed(fields={"x-amz-expected-bucket-owner": "nobody"}), 403,
         "AccessDenied", KEPT),
        ("a checksum of a kind that is not there, announced", signed(payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER", fields={
            "x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-xxhash64"}), 501, "NotImplemented", KEPT),
        ("of a bucket of somebody else, by a copy", signed(body=b"", fields={
            "x-amz-copy-source": "/hostile/there", "x-amz-source-expected-bucket-owner": "nobody"}), 403, "AccessDenied",
         KEPT),
        ("a copy source that leads out", signed(body=b"", fields={"x-amz-copy-source": "/../etc/passwd"}), 404, "NoSuchBucket", KEPT),
        ("a copy source without a key", signed(body=b"", fields={"x-amz-copy-source": "hostile"}), 400, "InvalidArgument",
         KEPT),
        ("a copy source with a NUL", signed(body=b"", fields={"x-amz-copy-source": "/hostile/a%00"}),
         400, "InvalidURI", KEPT),
        ("a copy of an object that is not there", signed(body=b"", fields={"x-amz-copy-source": "/hostile/none"}), 404,
         "NoSuchKey", KEPT),
        ("a copy with a body", signed(fields={"x-amz-copy-source": "/hostile/there"}), 400, "InvalidRequest", KEPT),
        ("1,000 ranges", signed("GET", "/hostile/there", fields={
            "range": "bytes=" + ",".join("0-0" for _ in range(1000))}), 200, "", KEPT),
        ("a range beyond the end", signed("GET", "/hostile/there", fields={"range": "bytes=5-"}), 416, "InvalidRange", KEPT),
        ("a range of numbers that overflow", signed("GET", "/hostile/there", fields={
            "range": "bytes=99999999999999999999999-"}), 416, "InvalidRange", KEPT),
        ("an ACL that is none", signed(fields={"x-amz-acl": "everybody"}), 400, "InvalidArgument", KEPT),
    ]


def documents():
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)) + "]>"
    entity = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    one = "<Object><Key>there</Key></Object>"
    parts = "<Part><PartNumber>{}</PartNumber><ETag>" + "0" * 32 + "</ETag></Part>"
    malformed = "MalformedXML"

    def whole(text):
        return f"<CompleteMultipartUpload>{text}</CompleteMultipartUpload>"
    return [
        ("a billion laughs", deletes(bomb + "<Delete><Object><Key>&a9;</Key></Object></Delete>"), 400, malformed, KEPT),
        ("an external entity", deletes(entity + "<Delete><Object><Key>&a;</Key></Object></Delete>"), 400, malformed, KEPT),
        ("an external DTD", deletes('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a"><Delete>' + one + "</Delete>"), 400,
         malformed, KEPT),
        ("1,001 deletes", deletes("<Delete>" + "".join(f"<Object><Key>{i}</Key></Object>" for i in range(1001)) +
                                  "</Delete>"), 400, malformed, KEPT),
        ("no deletes", deletes("<Delete></Delete>"), 400, malformed, KEPT),
        ("10,000 levels", deletes("<a>" * 10000), 400, malformed, KEPT),
        ("30,000 attributes", deletes("<Delete " + " ".join(f'a{i}="b"' for i in range(30000)) + "/>"), 400, malformed,
         KEPT),
        ("a name of 1 MiB", deletes("<" + "a" * (1 << 20)), 400, "MalformedXML", KEPT),
        ("a comment of 5 MiB", deletes("<Delete><!--" + "a" * (5 << 20) + "-->" + one + "</Delete>"),
         400, "MalformedXML", KEPT),
        ("another root", deletes("<Remove>" + one + "</Remove>"), 400, malformed, KEPT),
        ("two roots", deletes("<Delete>" + one + "</Delete><Delete/>"), 400, malformed, KEPT),
        ("cut off", deletes("<Delete>" + one), 400, malformed, KEPT),
        ("nothing", deletes(""), 400, "MalformedXML", KEPT),
        ("no XML", deletes("hello"), 400, malformed, KEPT),
        ("bytes that are no UTF-8", deletes(b"<Delete><Object><Key>\xff</Key></Object></Delete>"), 400, malformed, KEPT),
        ("a NUL", deletes(b"<Delete><Object><Key>a\0b</Key></Object></Delete>"), 400, malformed, KEPT),
        ("no parts", completes(whole("")), 400, malformed, KEPT),
        ("part 0", completes(whole(parts.format(0))), 400, "MalformedXML", KEPT),
        ("part 10,001", completes(whole(parts.format(10001))), 400, "MalformedXML", KEPT),
        ("10,001 parts", completes(whole("".join(parts.format(i) for i in range(1, 10002)))), 400, malformed, KEPT),
        ("a part twice", completes(whole(parts.format(1) * 2)), 400, "InvalidPartOrder", KEPT),
        ("parts out of order", completes(whole(parts.format(2) + parts.format(1))), 400, "InvalidPartOrder", KEPT),
        ("a part that was never sent", completes(whole(parts.format(1))), 400, "InvalidPart", KEPT),
        ("a part whose number is a word", completes(whole(parts.format("one"))), 400, "MalformedXML", KEPT),
        ("a region that is not ours", xml("PUT", "/hostile-new", "<CreateBucketConfiguration><LocationConstraint>"
                                          "mars-1</LocationConstraint></CreateBucketConfiguration>"),
         400, "IllegalLocationConstraintException", KEPT),
    ]


def numbers():
    def part(number, upload="$UPLOAD"):
        return signed("PUT", f"/hostile/upload?partNumber={number}&uploadId={upload}")

    def listing(query):
        return signed("GET", "/hostile?" + query)
    return [
        ("part 0", part(0), 400, "InvalidArgument", KEPT),
        ("part 10,001", part(10001), 400, "InvalidArgument", KEPT),
        ("part -1", part(-1), 400, "InvalidArgument", KEPT),
        ("part 1x", part("1x"), 400, "InvalidArgument", KEPT),
        ("part 2^64 + 1", part((1 << 64) + 1), 400, "InvalidArgument", KEPT),
        ("a part of no upload", part(1, "0" * 32), 404, "NoSuchUpload", KEPT),
        ("a part of an upload that is no name", part(1, quote("../../there")), 404, "NoSuchUpload", KEPT),
        ("a part of another key's upload", signed("PUT", "/hostile/target?partNumber=1&uploadId=$UPLOAD"), 404,
         "NoSuchUpload", KEPT),
        ("max-keys -1", listing("max-keys=-1"), 400, "InvalidArgument", KEPT),
        ("max-keys of a word", listing("max-keys=all"), 400, "InvalidArgument", KEPT),
        ("max-keys that overflows", listing("max-keys=99999999999999999999"), 400, "InvalidArgument", KEPT),
        ("a token that we never gave", listing("list-type=2&continuation-token=hello"), 400, "InvalidArgument", KEPT),
        ("list-type 3", listing("list-type=3"), 400, "InvalidArgument", KEPT),
        ("an unknown encoding", listing("encoding-type=base64"), 400, "InvalidArgument", KEPT),
        ("an argument twice", listing("prefix=a&prefix=b"), 400, "InvalidArgument", KEPT),
        ("500 arguments", listing("&".join(f"a{i}" for i in range(500))), 400, "InvalidURI", KEPT),
        ("an unknown argument", listing("torrents"), 501, "NotImplemented", KEPT),
        ("a version's marker without a key's", listing("versions&version-id-marker=null"), 400, "InvalidArgument", KEPT),
        ("a version that is not there", signed("GET", "/hostile/there?versionId=1"), 501, "NotImplemented", KEPT),
    ]
