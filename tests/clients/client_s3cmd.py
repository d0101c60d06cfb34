"""s3cmd, all it can."""
import os
import urllib.request

from table import fetch, has, lacks, ok, read, same, same_tree

NAME = "s3cmd"
COMMANDS = ["s3cmd"]
VERSION = ["s3cmd", "--version"]


def run(t):
    def s3(*words):
        return t.command("s3cmd", "-c", os.path.join(t.data, "s3cfg"), "--no-progress", *words)

    def row(call, *words):
        t.row(call, " ".join(os.path.basename(w) if w.startswith("/") else w for w in words),
              lambda: s3(*words))

    def got(key, want, *words):
        s3("get", "--force", *words, f"s3://s3cmd-one/{key}", t.path("got"))
        same(want, read(t.path("got")))

    def said(words, *wanted):
        has(s3(*words), *wanted)

    small, big = os.path.join(t.source, "small"), os.path.join(t.source, "deep/er/big")
    row("CreateBucket", "mb", "s3://s3cmd-one")
    t.row("CreateBucket", "mb --bucket-location=us-east-1",
          lambda: s3("mb", "--bucket-location=us-east-1", "s3://s3cmd-two"))
    t.row("ListBuckets", "ls", lambda: said(["ls"], "s3://s3cmd-one", "s3://s3cmd-two"))
    row("PutObject", "put", small, "s3://s3cmd-one/small")
    t.row("GetObject", "get", lambda: got("small", read(small)))
    t.row("PutObject", "put, from standard input", lambda: (
        t.command("s3cmd", "-c", os.path.join(t.data, "s3cfg"), "put", "-", "s3://s3cmd-one/stdin",
                  stdin="piped"), got("stdin", b"piped")))
    t.row("HeadObject", "info of an object", lambda: said(["info", "s3://s3cmd-one/small"], "File size", "MD5"))
    t.row("HeadBucket", "info of a bucket", lambda: said(["info", "s3://s3cmd-one"], "Location"))
    t.row("ListObjects", "ls s3://s3cmd-one", lambda: said(["ls", "s3://s3cmd-one"], "s3://s3cmd-one/small"))
    t.row("ListObjects", "la", lambda: said(["la"], "s3://s3cmd-one/small"))
    t.row("ListObjects", "du", lambda: said(["du", "s3://s3cmd-one"], "objects"))
    t.row("PutObject", "put, user metadata and content headers", lambda: (
        s3("put", "--add-header=x-amz-meta-colour:blue", "--add-header=Cache-Control:no-store",
           "--mime-type=text/x-one", small, "s3://s3cmd-one/meta"),
        said(["info", "s3://s3cmd-one/meta"], "blue", "text/x-one")))
    t.row("PutObject, storage class", "put --storage-class=STANDARD",
          lambda: s3("put", "--storage-class=STANDARD", small, "s3://s3cmd-one/standard"))
    t.row("CopyObject", "cp", lambda: (
        s3("cp", "s3://s3cmd-one/small", "s3://s3cmd-two/copied"), said(["ls", "s3://s3cmd-two"], "copied")))
    t.row("CopyObject", "mv", lambda: (
        s3("mv", "s3://s3cmd-two/copied", "s3://s3cmd-one/moved"), got("moved", read(small)),
        lacks(s3("ls", "s3://s3cmd-two"), "copied")))
    t.row("CopyObject", "modify --add-header", lambda: (
        s3("modify", "--add-header=x-amz-meta-colour:red", "s3://s3cmd-one/meta"),
        said(["info", "s3://s3cmd-one/meta"], "red"), got("meta", read(small))))

    multipart(t, s3, got, big)
    sync(t, s3)
    bucket_properties(t, s3, said)
    access(t, s3, small)
    version_2(t, small, big)

    t.row("DeleteObject", "del", lambda: (s3("del", "s3://s3cmd-one/moved"),
                                          lacks(s3("ls", "s3://s3cmd-one"), "moved")))
    t.row("DeleteObjects", "del --recursive --force", lambda: (
        s3("del", "--recursive", "--force", "s3://s3cmd-one"), same("", s3("ls", "s3://s3cmd-one"))))
    row("DeleteBucket", "rb", "s3://s3cmd-one")
    t.row("DeleteBucket", "rb --recursive --force", lambda: (
        s3("put", small, "s3://s3cmd-two/x"), s3("rb", "--recursive", "--force", "s3://s3cmd-two")))


def multipart(t, s3, got, big):
    t.row("CreateMultipartUpload + UploadPart + CompleteMultipartUpload", "put --multipart-chunk-size-mb=5", lambda: (
        s3("put", "--multipart-chunk-size-mb=5", big, "s3://s3cmd-one/big"), got("big", read(big))))
    t.row("GetObject, range", "get --continue", lambda: (
        s3("get", "--force", "s3://s3cmd-one/big", t.path("part")), os.truncate(t.path("part"), 1000000),
        s3("get", "--continue", "s3://s3cmd-one/big", t.path("part")),
        same(read(big), read(t.path("part")))))
    t.row("ListMultipartUploads", "multipart", lambda: s3("multipart", "s3://s3cmd-one"))
    t.row("ListParts + AbortMultipartUpload", "listmp, abortmp", lambda: abort(t, s3))


def abort(t, s3):
    """Another client begins an upload; s3cmd finds it, lists its parts and ends it."""
    import boto3

    upload = boto3.client("s3", endpoint_url=t.endpoint).create_multipart_upload(
        Bucket="s3cmd-one", Key="begun")["UploadId"]
    has(s3("multipart", "s3://s3cmd-one"), upload, "begun")
    s3("listmp", "s3://s3cmd-one/begun", upload)
    s3("abortmp", "s3://s3cmd-one/begun", upload)
    lacks(s3("multipart", "s3://s3cmd-one"), upload)


def sync(t, s3):
    t.row("PutObject", "sync, a folder up", lambda: s3("sync", t.source + "/", "s3://s3cmd-one/tree/"))
    t.row("GetObject", "sync, a folder down", lambda: (
        os.mkdir(t.path("down")), s3("sync", "s3://s3cmd-one/tree/", t.path("down") + "/"),
        same_tree(t.source, t.path("down"))))
    t.row("ListObjects", "sync again sends nothing", lambda: lacks(
        s3("sync", t.source + "/", "s3://s3cmd-one/tree/"), "upload:"))
    t.row("CopyObject", "sync, bucket to bucket", lambda: (
        s3("sync", "s3://s3cmd-one/tree/", "s3://s3cmd-two/tree/"),
        has(s3("ls", "-r", "s3://s3cmd-two"), "tree/deep/er/big")))
    t.row("CopyObject", "cp --recursive", lambda: (
        s3("cp", "--recursive", "s3://s3cmd-one/tree/", "s3://s3cmd-two/again/"),
        has(s3("ls", "-r", "s3://s3cmd-two"), "again/deep/er/big")))
    t.row("DeleteObjects", "sync --delete-removed", lambda: (
        os.mkdir(t.path("less")), s3("sync", "--delete-removed", "--force", t.path("less") + "/",
                                     "s3://s3cmd-two/again/"),
        lacks(s3("ls", "-r", "s3://s3cmd-two"), "again/")))


def bucket_properties(t, s3, said):
    rules = t.path("cors.xml")
    with open(rules, "w", encoding="utf-8") as f:
        f.write("<CORSConfiguration><CORSRule><AllowedOrigin>http://one.example</AllowedOrigin>"
                "<AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>"
                "</CORSConfiguration>")
    t.row("PutBucketCors", "setcors", lambda: (
        s3("setcors", rules, "s3://s3cmd-one"), said(["info", "s3://s3cmd-one"], "one.example")))
    t.row("DeleteBucketCors", "delcors", lambda: (
        s3("delcors", "s3://s3cmd-one"), lacks(s3("info", "s3://s3cmd-one"), "one.example")))
    t.row("PutBucketLifecycleConfiguration", "expire",
          lambda: s3("expire", "--expiry-days=1", "s3://s3cmd-one"))
    t.row("GetBucketLifecycleConfiguration", "getlifecycle, of a bucket without one",
          lambda: t.refused("NoSuchLifecycle", lambda: s3("getlifecycle", "s3://s3cmd-one")))
    policy = t.path("policy.json")
    with open(policy, "w", encoding="utf-8") as f:
        f.write('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
                '"Action":"s3:GetObject","Resource":"arn:aws:s3:::s3cmd-one/*"}]}')
    t.row("PutBucketPolicy", "setpolicy", lambda: s3("setpolicy", policy, "s3://s3cmd-one"))
    t.row("PutBucketWebsite", "ws-create", lambda: s3("ws-create", "s3://s3cmd-one"))
    t.row("PutBucketRequestPayment", "payer --requester-pays",
          lambda: s3("payer", "--requester-pays", "s3://s3cmd-one"))
    t.row("PutBucketLogging", "accesslog --access-logging-target-prefix",
          lambda: s3("accesslog", "--access-logging-target-prefix=s3://s3cmd-two/log", "s3://s3cmd-one"))


def access(t, s3, small):
    one = f"{t.endpoint}/s3cmd-one"
    t.row("PutObjectAcl", "setacl --acl-public s3://BUCKET/KEY", lambda: (
        s3("setacl", "--acl-public", "s3://s3cmd-one/small"), same(b"hello\n", ok(fetch(one + "/small")))))
    t.row("PutObjectAcl", "setacl --acl-private s3://BUCKET/KEY", lambda: (
        s3("setacl", "--acl-private", "s3://s3cmd-one/small"), same(403, fetch(one + "/small")[0])))
    t.row("PutObject, canned ACL", "put --acl-public", lambda: (
        s3("put", "--acl-public", small, "s3://s3cmd-one/public"), same(b"hello\n", ok(fetch(one + "/public")))))
    t.row("PutBucketAcl", "setacl --acl-public s3://BUCKET", lambda: (
        s3("setacl", "--acl-public", "s3://s3cmd-one"), has(ok(fetch(one)).decode(), "<Key>small</Key>")))
    t.row("PutBucketAcl", "setacl --acl-private s3://BUCKET", lambda: (
        s3("setacl", "--acl-private", "s3://s3cmd-one"), same(403, fetch(one)[0])))
    t.row("presigned GET, Signature Version 2", "signurl", lambda: same(
        b"hello\n", ok(fetch(s3("signurl", "s3://s3cmd-one/small", "+60").strip()))))
    t.row("presigned GET, Signature Version 2", "signurl --content-disposition --content-type", lambda: has(
        headers(s3("signurl", "--content-disposition=attachment; filename=ü b", "--content-type=text/x",
                   "s3://s3cmd-one/small", "+60").strip()), "content-type: text/x", "content-disposition: "))
    t.row("presigned GET, Signature Version 2", "signurl, of yesterday, and with a word changed", lambda: (
        same(403, fetch(s3("signurl", "s3://s3cmd-one/small", "1600000000").strip())[0]),
        same(403, fetch(s3("signurl", "s3://s3cmd-one/small", "+60").strip().replace("small", "big"))[0])))


def headers(url):
    with urllib.request.urlopen(url, timeout=30) as f:
        return str(f.headers)


def version_2(t, small, big):
    """--signature-v2: the commands as before, signed as they once were."""
    bucket = "s3://s3cmd-old"

    def s3(*words):
        return t.command("s3cmd", "-c", os.path.join(t.data, "s3cfg"), "--no-progress", "--signature-v2", *words)

    def row(what, action):
        t.row("Signature Version 2", "--signature-v2: " + what, action)

    def got(key, want):
        s3("get", "--force", f"{bucket}/{key}", t.path("got"))
        same(want, read(t.path("got")))

    row("mb, ls", lambda: (s3("mb", bucket), has(s3("ls"), bucket)))
    row("put, get, of keys of all sorts", lambda: [
        (s3("put", small, f"{bucket}/{key}"), got(key, read(small))) for key in ("a", "ü ö/€", "+ %20&=#", "a//b")])
    row("put, user metadata and content headers; info", lambda: (
        s3("put", "--add-header=x-amz-meta-colour:blue", "--mime-type=text/x-one", small, f"{bucket}/meta"),
        has(s3("info", f"{bucket}/meta"), "blue", "text/x-one")))
    row("put --multipart-chunk-size-mb=5", lambda: (
        s3("put", "--multipart-chunk-size-mb=5", big, f"{bucket}/big"), got("big", read(big))))
    row("cp, mv", lambda: (
        s3("cp", f"{bucket}/a", f"{bucket}/b"), s3("mv", f"{bucket}/b", f"{bucket}/c"), got("c", read(small))))
    row("sync, a folder up and down", lambda: (
        s3("sync", t.source + "/", bucket + "/tree/"), os.mkdir(t.path("old")),
        s3("sync", bucket + "/tree/", t.path("old") + "/"), same_tree(t.source, t.path("old"))))
    row("setacl --acl-public", lambda: (
        s3("setacl", "--acl-public", f"{bucket}/a"), same(b"hello\n", ok(fetch(f"{t.endpoint}/s3cmd-old/a")))))
    row("multipart, of none", lambda: s3("multipart", bucket))
    row("del --recursive --force, rb", lambda: (
        s3("del", "--recursive", "--force", bucket), same("", s3("ls", bucket)), s3("rb", bucket)))
