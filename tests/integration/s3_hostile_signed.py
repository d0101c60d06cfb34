"""More cases of s3_hostile.py: signatures of version 2, and browsers' forms.  As s3_hostile_cases.py."""
from s3_hostile_cases import DATA, KEPT, TARGET, changed, line, table
from s3sign import CHUNKS_SIGNED, CHUNKS_TRAILER, EMPTY_SHA, Raw, Signer, md5_base64


def cases():
    return table(old_signatures, old_urls)


# --- version 2 ------------------------------------------------------------------------------------

def old(method="PUT", target=TARGET, fields=None, when=0, add="", **signer):
    """A request with a signature of version 2; `add` comes behind the target that was signed."""
    def make(s):
        body = DATA if method == "PUT" else b""
        by = Signer(s.env, **signer)
        extra = {"content-length": len(body), **(fields or {})} if body else fields
        return Raw.text(method, target + add, by.old_fields(method, target, extra, when)) + body
    return make


def old_url(method="GET", target="/hostile/there", expires=900, add="", change=None, sent=None, **more):
    """A URL of version 2; `more` are fields that are sent."""
    def make(s):
        url = s.signer.old_presign(method, target, expires) + add
        return Raw.text(sent or method, change(url) if change else url, {
            "host": s.signer.host, **{k.replace("_", "-"): v for k, v in more.items()}})
    return make


def old_signatures():
    wrong = (403, "SignatureDoesNotMatch", KEPT)
    return [
        ("an unknown key", old(access="AKIDNOBODY"), 403, "InvalidAccessKeyId", KEPT),
        ("a wrong secret", old(secret="wrong"), *wrong),
        ("of another key", changed(b"/hostile/target ", b"/hostile/upload ", old()), *wrong),
        ("of another bucket", changed(b"/hostile/target ", b"/hostile-witness/target ", old()), *wrong),
        ("of another method", changed(b"PUT /", b"DELETE /", old()), *wrong),
        ("of another date", changed(b"date: ", b"date: Sat, 01 Jan 2000 00:00:00 GMT\r\nx-date: ", old()), 403,
         "RequestTimeTooSkewed", KEPT),
        ("16 minutes old", old(when=-960), 403, "RequestTimeTooSkewed", KEPT),
        ("16 minutes ahead", old(when=960), 403, "RequestTimeTooSkewed", KEPT),
        ("a date that is none", changed(b"date: ", b"date: x", old()), 403, "AccessDenied", KEPT),
        ("no date", changed(b"date: ", b"x-date: ", old()), 403, "AccessDenied", KEPT),
        ("a sub-resource added", old(add="?acl"), *wrong),
        ("a sub-resource added that it would not cover", old(add="?attributes"), 403, "AccessDenied", KEPT),
        ("a bucket made into its access block", old(target="/hostile-new", add="?publicAccessBlock"), 403,
         "AccessDenied", KEPT),
        ("an argument twice", old("GET", "/hostile?acl", add="&acl"), 400, "InvalidArgument", KEPT),
        ("an x-amz- field added", line(b"x-amz-acl: public-read", old()), *wrong),
        ("an x-amz- field left out", changed(b"x-amz-meta-a: 1\r\n", b"", old(fields={"x-amz-meta-a": "1"})), *wrong),
        ("a type added", line(b"content-type: text/html", old()), *wrong),
        ("a Content-MD5 added", line(b"content-md5: " + md5_base64(DATA).encode(), old()), *wrong),
        ("a body that is not the one it names", old(fields={"content-md5": md5_base64(b"world")}), 400, "BadDigest",
         KEPT),
        ("a hash of another body", old(fields={"x-amz-content-sha256": EMPTY_SHA}), 400, "XAmzContentSHA256Mismatch",
         KEPT),
        ("chunks that are signed", old(fields={"x-amz-content-sha256": CHUNKS_SIGNED,
                                               "x-amz-decoded-content-length": 5}), 400, "InvalidRequest", KEPT),
        ("chunks with a trailer", old(fields={"x-amz-content-sha256": CHUNKS_TRAILER,
                                              "x-amz-decoded-content-length": 5}), 400, "InvalidRequest", KEPT),
        ("a token", old(fields={"x-amz-security-token": "t"}), 400, "InvalidToken", KEPT),
        ("with version 4 in the query", old(add="?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"), 400,
         "InvalidArgument", KEPT),
        ("with version 2 in the query", old(add="?Signature=00"), 400, "InvalidArgument", KEPT),
        ("no signature", changed(b"authorization: AWS ", b"authorization: AWS x:\r\nx-none: ", old()), 400,
         "InvalidArgument", KEPT),
        ("no key", changed(b"authorization: AWS ", b"authorization: AWS :", old()), 403, "InvalidAccessKeyId", KEPT),
        ("not of 20 bytes", changed(b"authorization: AWS ", b"authorization: AWS a:AAAA\r\nx-none: ", old()), 400,
         "InvalidArgument", KEPT),
    ]


def old_urls():
    def at(was, now):
        return lambda url: url.replace(was, now, 1)
    wrong = (403, "SignatureDoesNotMatch", KEPT)
    twice = (400, "InvalidArgument", KEPT)
    return [
        ("expired", old_url(expires=-5), 403, "AccessDenied", KEPT),
        ("prolonged", old_url(expires=-5, change=at("Expires=", "Expires=9")), *wrong),
        ("good until a word", old_url(change=at("Expires=", "Expires=x")), 403, "AccessDenied", KEPT),
        ("good until a second before 1970", old_url(change=at("Expires=", "Expires=-")), 403, "AccessDenied", KEPT),
        ("good until 10^40", old_url(change=at("Expires=", "Expires=" + "9" * 30)), 403, "AccessDenied", KEPT),
        ("without an end", old_url(change=at("Expires=", "Until=")), 403, "AccessDenied", KEPT),
        ("without a key", old_url(change=at("AWSAccessKeyId=", "Key=")), 403, "AccessDenied", KEPT),
        ("of another method", old_url(sent="DELETE"), *wrong),
        ("of another key", old_url(target=TARGET, change=at("/target", "/there")), *wrong),
        ("a sub-resource added", old_url(add="&tagging"), *wrong),
        ("a sub-resource added that it would not cover", old_url(add="&attributes"), 403, "AccessDenied", KEPT),
        ("a field of the answer added", old_url(add="&response-content-type=text/html"), *wrong),
        ("a field added in the query", old_url(add="&x-amz-acl=public-read"), *wrong),
        ("a type added in the query", old_url(add="&Content-Type=text/html"), *wrong),
        ("a field in the query that no head could have", old_url(add="&x-amz-meta-a=%0D%0Ab:c"), *twice),
        ("two ends", old_url(add="&Expires=9999999999"), *twice),
        ("two signatures", old_url(add="&Signature=AAAA"), *twice),
        ("two keys", old_url(add="&AWSAccessKeyId=AKIDNOBODY"), *twice),
        ("of both versions", old_url(add="&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"), *twice),
        ("and in the head", old_url(authorization="AWS a:b"), *twice),
        ("an x-amz- field beside it", old_url(x_amz_meta_a="1"), *wrong),
    ]
