"""More cases of s3_hostile.py: browsers' forms.  As s3_hostile_cases.py."""
import base64
import datetime
import json

from s3_hostile_cases import DATA, KEPT, SHUT, table
from s3sign import Raw, Signer, form

EDGE = "cairn-boundary"
HEAD = "Content-Disposition: form-data; name="


def cases():
    return table(forms, policies, boundaries)


def posts(conditions=(), fields=None, drop=(), expires=900, document=None, made=None, old=False, target="/hostile",
          type_=None, length=None, more=None, **signer):
    """A form that is good but for what is said: `fields` are put before its file and named in its policy, if
    they are not among its `conditions`; made(body) changes the bytes, document(text) the policy's."""
    def make(s):
        by = Signer(s.env, **signer)
        when = by.now()
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=expires)
        rules = [{"bucket": "hostile"}, ["starts-with", "$key", "target"], *conditions]
        if not old:
            rules += [{"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-date": when},
                      {"x-amz-credential": f"{by.access}/{by.scope(when)}"}]
        text = json.dumps({"expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "conditions": rules})
        text = document(text) if document else text
        signed = by.old_policy(text) if old else by.policy(text, when)
        all_fields = {"key": "target", **signed, **(fields or {})}
        kind, body = form({k: v for k, v in all_fields.items() if k not in drop}, DATA)
        body = made(body) if made else body
        return Raw.text("POST", target, {
            "host": by.host, "content-type": type_ or kind,
            **({} if length is False else {"content-length": length or len(body)}), **(more or {})}) + body
    return make


def swap(was, now, count=1):
    was, now = (w.encode() if isinstance(w, str) else w for w in (was, now))

    def change(body):
        assert was in body, (was, body)
        return body.replace(was, now, count)
    return change


def part(name, value=b"x"):
    value = value if isinstance(value, bytes) else value.encode()
    return f'--{EDGE}\r\n{HEAD}"{name}"\r\n\r\n'.encode() + value + b"\r\n"


def before_file(data):
    """`data`, made of parts, stands before the file."""
    return swap(f'--{EDGE}\r\n{HEAD}"file"', data + f'--{EDGE}\r\n{HEAD}"file"'.encode())


def forms():
    invalid, files = "InvalidArgument", "IncorrectNumberOfFilesInPostRequest"
    large, malformed = "MaxPostPreDataLengthExceededError", "MalformedPOSTRequest"
    return [
        ("no key", posts(drop=["key"]), 400, invalid, KEPT),
        ("an empty key", posts(fields={"key": ""}), 400, invalid, KEPT),
        ("a key of 1,025 bytes", posts(fields={"key": "target" + "k" * 1019}), 400, "KeyTooLongError", KEPT),
        ("a key that is no UTF-8", posts(made=swap("\r\n\r\ntarget", b"\r\n\r\ntarget\xff\xfe")), 400, "InvalidURI", KEPT),
        ("a key with a NUL", posts(made=swap("\r\n\r\ntarget", b"\r\n\r\ntarget\0a")), 400, "InvalidURI", KEPT),
        ("two keys", posts(made=before_file(part("Key", "target-2"))), 400, invalid, KEPT),
        ("no file", posts(made=swap('name="file"; filename="f"', 'name="x-ignore-file"')), 400, files, KEPT),
        ("two files", posts(made=swap(f"--{EDGE}--", part("file").decode() + f"--{EDGE}--")), 400, files, KEPT),
        ("the key behind the file", posts(drop=["key"], made=swap(
            f"--{EDGE}--", part("key", "target").decode() + f"--{EDGE}--")), 400, invalid, KEPT),
        ("the signature behind the file", posts(drop=["x-amz-signature"], made=swap(
            f"--{EDGE}--", part("x-amz-signature", "0" * 64).decode() + f"--{EDGE}--")), 400, invalid, KEPT),
        ("a field of 21 KiB", posts(fields={"x-ignore-a": "a" * 21 * 1024}), 400, large, KEPT),
        ("a field of a mebibyte", posts(fields={"x-ignore-a": "a" * 1024 * 1024}), 400, large, KEPT),
        ("1,000 fields", posts(fields={f"x-ignore-{i}": "" for i in range(1000)}), 400, large, KEPT),
        ("100 small fields", posts(made=before_file(b"".join(part(f"x-ignore-{i}", "") for i in range(100)))), 400,
         large, KEPT),
        ("10,000 fields", posts(fields={f"x-ignore-{i}": "" for i in range(10000)}), 400, large, KEPT),
        ("a field twice", posts(made=before_file(part("x-ignore-a") * 2)), 400, invalid, KEPT),
        ("a field's name of 3,000 bytes", posts(made=before_file(part("x" * 3000))), 400, malformed, KEPT),
        ("a part without a name", posts(made=swap('"file"; filename="f"', '""')), 400, "MalformedPOSTRequest", KEPT),
        ("a part without a disposition", posts(made=swap(HEAD + '"file"; filename="f"', "Content-Type: a/b")), 400,
         malformed, KEPT),
        ("a part of 1,000 lines of head", posts(made=before_file(
            f"--{EDGE}\r\n".encode() + b"X-A: b\r\n" * 1000 + b"\r\nx\r\n")), 400, malformed, KEPT),
        ("CR and LF in metadata", posts([["starts-with", "$x-amz-meta-a", ""]], {"x-amz-meta-a": "b\r\nc: d"}), 400,
         invalid, KEPT),
        ("a NUL in metadata", posts([["starts-with", "$x-amz-meta-a", ""]], {"x-amz-meta-a": "b\0c"}), 400, invalid,
         KEPT),
        ("2 KiB and a byte of metadata", posts([["starts-with", "$x-amz-meta-a", ""]], {"x-amz-meta-a": "a" * 2049}), 400,
         "MetadataTooLarge", KEPT),
        ("an ACL that we do not have", posts([{"acl": "public-read-write"}], {"acl": "public-read-write"}), 501,
         "NotImplemented", KEPT),
        ("encryption", posts([{"x-amz-server-side-encryption": "AES256"}], {"x-amz-server-side-encryption": "AES256"}), 501,
         "NotImplemented", KEPT),
        ("a wrong Content-MD5", posts([["starts-with", "$content-md5", ""]], {"content-md5": "A" * 22 + "=="}), 400,
         "BadDigest", KEPT),
        ("a wrong checksum", posts([["starts-with", "$x-amz-checksum-crc32", ""]], {"x-amz-checksum-crc32": "AAAAAA=="}),
         400, "BadDigest", KEPT),
        ("a token", posts(fields={"x-amz-security-token": "t"}), 400, "InvalidToken", KEPT),
        ("the wrong bucket in a field", posts(fields={"bucket": "hostile-witness"}), 400, invalid, KEPT),
        ("another bucket than its policy's", posts(target="/hostile-witness"), 403, "AccessDenied", KEPT),
        ("a bucket that is not there", posts([], target="/hostile-none", document=lambda text: text.replace(
            '"hostile"', '"hostile-none"')), 404, "NoSuchBucket", KEPT),
        ("to a key, not a bucket", posts(target="/hostile/target"), 501, "NotImplemented", KEPT),
        ("with a sub-resource", posts(target="/hostile?acl"), 501, "NotImplemented", KEPT),
        ("an Authorization field, too", posts(more={"authorization": "AWS a:b"}), 400, invalid, KEPT),
        ("no length", posts(length=False), 411, "MissingContentLength", SHUT),
        ("chunked", posts(more={"transfer-encoding": "chunked"}), 400, "BadRequest", SHUT),
        ("a length that is too short", posts(made=lambda body: body[:-9], drop=[]), 400, malformed, KEPT),
    ]


def policies():
    wrong, denied = (403, "SignatureDoesNotMatch", KEPT), (403, "AccessDenied", KEPT)
    bad = (400, "InvalidPolicyDocument", KEPT)
    signed = ("policy", "x-amz-algorithm", "x-amz-date", "x-amz-credential", "x-amz-signature")
    return [
        ("none", posts(drop=signed), *denied),
        ("unsigned", posts(drop=signed[1:]), 400, "InvalidArgument", KEPT),
        ("signed, but left out", posts(drop=["policy"]), 400, "InvalidArgument", KEPT),
        ("of another key", posts(access="AKIDNOBODY"), 403, "InvalidAccessKeyId", KEPT),
        ("with another secret", posts(secret="wrong"), *wrong),
        ("of another region", posts(region="eu-west-1"), 400, "InvalidArgument", KEPT),
        ("changed", posts(fields={"policy": base64.b64encode(b'{"conditions": []}').decode()}), *wrong),
        ("another algorithm", posts(fields={"x-amz-algorithm": "AWS4-HMAC-SHA1"}), 400, "InvalidArgument", KEPT),
        ("another date", posts(fields={"x-amz-date": "20200101T000000Z"}), 400, "InvalidArgument", KEPT),
        ("a date that is none", posts(fields={"x-amz-date": "now"}), 400, "InvalidArgument", KEPT),
        ("a short signature", posts(fields={"x-amz-signature": "00"}), 400, "InvalidArgument", KEPT),
        ("a signature that is not hexadecimal", posts(fields={"x-amz-signature": "z" * 64}), 400, "InvalidArgument", KEPT),
        ("expired", posts(expires=-5), *denied),
        ("without an end", posts(document=lambda t: t.replace("expiration", "exp")), *bad),
        ("an end that is none", posts(document=lambda t: t.replace("T", " ", 1)), *bad),
        ("an end in no month", posts(document=lambda t: '{"expiration": "2099-13-01T00:00:00Z", "conditions": []}'), *bad),
        ("no conditions", posts(document=lambda t: t.replace('"conditions"', '"none"')), *bad),
        ("conditions of another kind", posts(document=lambda t: t[:t.index("[")] + '"all"}'), *bad),
        ("not JSON", posts(document=lambda t: t[:-1]), *bad),
        ("an array", posts(document=lambda t: "[]"), *bad),
        ("a name twice", posts(document=lambda t: t.replace("{", '{"expiration": "2099-01-01T00:00:00Z",', 1)), *bad),
        ("10,000 brackets", posts(document=lambda t: "[" * 10000), *bad),
        ("a NUL in it", posts(document=lambda t: t.replace("hostile", "hostile\\u0000")), *bad),
        ("bad UTF-8 in it", posts(document=lambda t: t.replace("hostile", "\udcff").encode(
            "utf-8", "surrogateescape").decode("latin-1")), *denied),
        ("nothing in it", posts(document=lambda t: ""), 400, "InvalidArgument", KEPT),
        ("not in base64", posts(fields={"policy": "{}"}), *wrong),
        ("good for every bucket", posts(document=lambda t: t.replace('{"bucket": "hostile"}, ', "")), *denied),
        ("a condition that does not hold", posts([{"acl": "private"}]), *denied),
        ("a prefix that does not hold", posts(fields={"key": "else"}), *denied),
        ("an operator that there is not", posts([["ends-with", "$key", "t"]]), *bad),
        ("a condition of two words", posts([["eq", "$key"]]), *bad),
        ("a condition without a dollar", posts([["eq", "key", "target"]]), *bad),
        ("a condition of numbers", posts([[1, 2, 3]]), *bad),
        ("a field that it does not name", posts(fields={"x-amz-meta-a": "b"}), *denied),
        ("a file that is too large", posts([["content-length-range", 0, 4]]), 400, "EntityTooLarge", KEPT),
        ("a file that is too small", posts([["content-length-range", 6, 9]]), 400, "EntityTooSmall", KEPT),
        ("a range that is none", posts([["content-length-range", "a", 9]]), *bad),
        ("a range from behind", posts([["content-length-range", 9, 1]]), *bad),
        ("a negative range", posts([["content-length-range", -5, -1]]), *bad),
        ("version 2, another secret", posts(old=True, secret="wrong"), *wrong),
        ("version 2, another key", posts(old=True, access="AKIDNOBODY"), 403, "InvalidAccessKeyId", KEPT),
        ("version 2, expired", posts(old=True, expires=-5), *denied),
        ("version 2, without its key", posts(old=True, drop=["AWSAccessKeyId"]), 400, "InvalidArgument", KEPT),
        ("version 2, a signature that is none", posts(old=True, fields={"signature": "AAAA"}), *wrong),
        ("of both versions", posts(old=True, fields={"x-amz-signature": "0" * 64}), 400, "InvalidArgument", KEPT),
    ]


def boundaries():
    malformed = (400, "MalformedPOSTRequest", KEPT)
    kind = "multipart/form-data; boundary="
    not_one = (412, "PreconditionFailed", KEPT)
    return [
        ("none told", posts(type_="multipart/form-data"), *not_one),
        ("an empty one", posts(type_=kind), *not_one),
        ("another type", posts(type_="application/x-www-form-urlencoded"), *not_one),
        ("of 71 bytes", posts(type_=kind + "b" * 71), *not_one),
        ("that ends in a blank", posts(type_=kind + '"b "'), *not_one),
        ("an open quote", posts(type_=kind + '"b'), *not_one),
        ("another one than told", posts(type_=kind + "other"), *malformed),
        ("the last left out", posts(made=lambda body: body[:body.rindex(b"\r\n--")]), *malformed),
        ("the last cut short", posts(made=lambda body: body.replace(f"--{EDGE}--".encode(), f"--{EDGE}-".encode())),
         *malformed),
        ("something behind it on its line", posts(made=swap(f"--{EDGE}\r\n", f"--{EDGE}x\r\n")), *malformed),
        ("lines that end in bare LFs", posts(made=lambda body: body.replace(b"\r\n", b"\n")), *malformed),
        ("nothing at all", posts(made=lambda body: b""), *malformed),
        ("nothing but the last", posts(made=lambda body: f"--{EDGE}--\r\n".encode()), 400,
         "IncorrectNumberOfFilesInPostRequest", KEPT),
        ("a form in a form", posts(type_="multipart/form-data; boundary=a; boundary=b"), *malformed),
        ("100 KiB before the first", posts(made=lambda body: b"x" * 100 * 1024 + body), 400,
         "MaxPostPreDataLengthExceededError", KEPT),
        ("half of it, then the end", posts(length=2000), 0, "", SHUT, {"ends": True}),
    ]
