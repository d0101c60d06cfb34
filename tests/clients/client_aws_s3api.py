"""aws s3api: one command a call."""
import json
import os

import aws
from table import fetch, has, ok, read, same, write

NAME = "aws s3api"
COMMANDS = ["aws"]
VERSION = ["aws", "--version"]


def run(t):
    run_aws = aws.runner(t)

    def api(*words):
        """The answer; {} when it has no body."""
        said = run_aws("--endpoint-url", t.endpoint, "--output", "json", "s3api", *words)
        return json.loads(said) if said.strip() else {}

    def on(*words):
        return api(words[0], "--bucket", "api-one", *words[1:])

    def key(name, *words):
        return on(words[0], "--key", name, *words[1:])

    buckets(t, api, on)
    objects(t, on, key)
    uploads(t, on, key)
    properties(t, on, key)
    later(t, on, key)
    t.row("DeleteObjects", "delete-objects", lambda: same(2, len(on(
        "delete-objects", "--delete", "Objects=[{Key=copy},{Key=never-was}]")["Deleted"])))
    t.row("DeleteObject", "delete-object", lambda: (
        key("one", "delete-object"), t.refused("404", lambda: key("one", "head-object"))))
    t.row("DeleteBucket", "delete-bucket", lambda: (
        [key(o["Key"], "delete-object") for o in on("list-objects-v2").get("Contents", [])],
        on("delete-bucket")))


def buckets(t, api, on):
    t.row("CreateBucket", "create-bucket", lambda: on("create-bucket"))
    t.row("CreateBucket", "create-bucket with options that say the usual", lambda: (
        api("create-bucket", "--bucket", "api-two", "--acl", "private", "--object-ownership",
            "BucketOwnerEnforced"), api("delete-bucket", "--bucket", "api-two")))
    t.row("HeadBucket", "head-bucket", lambda: on("head-bucket"))
    t.row("HeadBucket", "head-bucket, of none", lambda: t.refused(
        "404", lambda: api("head-bucket", "--bucket", "api-none")))
    t.row("ListBuckets", "list-buckets", lambda: has(str(api("list-buckets")), "api-one"))
    t.row("GetBucketLocation", "get-bucket-location", lambda: same(
        None, on("get-bucket-location")["LocationConstraint"]))


def objects(t, on, key):
    small = os.path.join(t.source, "small")
    t.row("PutObject", "put-object, with metadata and content headers", lambda: key(
        "one", "put-object", "--body", small, "--metadata", "a=b", "--content-type", "text/x",
        "--cache-control", "no-store", "--content-language", "en", "--content-disposition", "inline",
        "--content-encoding", "x-none", "--expires", "2040-01-01T00:00:00Z"))

    def head():
        answer = key("one", "head-object")
        same(({"a": "b"}, "text/x", "no-store", "en", "inline", "x-none"),
             tuple(answer.get(n) for n in ("Metadata", "ContentType", "CacheControl", "ContentLanguage",
                                           "ContentDisposition", "ContentEncoding")))

    def got(want, *words):
        key("one", "get-object", *words, t.path("got"))
        same(want, read(t.path("got")).decode())
    t.row("HeadObject", "head-object", head)
    t.row("GetObject", "get-object", lambda: got("hello\n"))
    t.row("GetObject, range", "get-object --range", lambda: got("ell", "--range", "bytes=1-3"))
    t.row("GetObject, conditions", "get-object --if-none-match", lambda: t.refused("304", lambda: got(
        "", "--if-none-match", key("one", "head-object")["ETag"])))
    t.row("GetObject, conditions", "get-object --if-match", lambda: t.refused("PreconditionFailed", lambda: got(
        "", "--if-match", '"0"')))
    t.row("GetObject, response headers", "get-object --response-content-type", lambda: same(
        "text/y", key("one", "get-object", "--response-content-type", "text/y", t.path("got"))["ContentType"]))
    t.row("PutObject, Content-MD5", "put-object --content-md5", lambda: (
        key("md5", "put-object", "--body", small, "--content-md5", "sZRqySSS0jR8YjW00mERhA=="),
        t.refused("BadDigest", lambda: key("md5", "put-object", "--body", small, "--content-md5",
                                           "AAAAAAAAAAAAAAAAAAAAAA=="))))
    for kind in ("CRC32", "SHA1", "SHA256"):
        t.row("PutObject, checksum", f"put-object --checksum-algorithm {kind}", lambda kind=kind: (
            key("sum", "put-object", "--body", small, "--checksum-algorithm", kind),
            has(str(key("sum", "head-object", "--checksum-mode", "ENABLED")), "Checksum" + kind)))
    t.row("PutObject, tags", "put-object --tagging", lambda: (
        key("tagged", "put-object", "--body", small, "--tagging", "a=1&b=2"),
        same(2, len(key("tagged", "get-object-tagging")["TagSet"]))))
    t.row("PutObject, canned ACL", "put-object --acl public-read", lambda: (
        key("public", "put-object", "--body", small, "--acl", "public-read"),
        same("hello\n", ok(fetch(f"{t.endpoint}/api-one/public")).decode())))
    t.row("CopyObject", "copy-object", lambda: (
        key("copy", "copy-object", "--copy-source", "api-one/one"),
        same({"a": "b"}, key("copy", "head-object")["Metadata"])))
    t.row("CopyObject, directives", "copy-object --metadata-directive REPLACE", lambda: (
        key("copy", "copy-object", "--copy-source", "api-one/one", "--metadata-directive", "REPLACE",
            "--metadata", "c=d"), same({"c": "d"}, key("copy", "head-object")["Metadata"])))
    t.row("CopyObject, directives", "copy-object --tagging-directive REPLACE", lambda: (
        key("copy", "copy-object", "--copy-source", "api-one/one", "--tagging-directive", "REPLACE",
            "--tagging", "e=f"),
        same([{"Key": "e", "Value": "f"}], key("copy", "get-object-tagging")["TagSet"])))
    t.row("CopyObject, conditions", "copy-object --copy-source-if-match", lambda: t.refused(
        "PreconditionFailed", lambda: key("copy", "copy-object", "--copy-source", "api-one/one",
                                          "--copy-source-if-match", '"0"')))
    t.row("GetObjectAttributes", "get-object-attributes", lambda: same(6, key(
        "one", "get-object-attributes", "--object-attributes", "ETag", "ObjectSize",
        "StorageClass")["ObjectSize"]))
    t.row("ListObjects", "list-objects, in pages", lambda: same(
        len(on("list-objects", "--max-items", "1000")["Contents"]),
        len(on("list-objects", "--page-size", "2")["Contents"])))
    t.row("ListObjectsV2", "list-objects-v2, in pages, with prefix and delimiter", lambda: (
        same(len(on("list-objects-v2")["Contents"]),
             len(on("list-objects-v2", "--page-size", "2")["Contents"])),
        same(["on"], [p["Prefix"] for p in on("list-objects-v2", "--prefix", "o", "--delimiter", "n")
                      ["CommonPrefixes"]])))


def uploads(t, on, key):
    part = write(t.path("part"), os.urandom(5 << 20))

    def whole(name, *words):
        upload = key(name, "create-multipart-upload", *words)["UploadId"]
        return upload, lambda verb, *more: key(name, verb, "--upload-id", upload, *more)

    def complete():
        _, call = whole("parts", "--metadata", "a=b")
        tags = [call("upload-part", "--part-number", "1", "--body", part)["ETag"],
                call("upload-part-copy", "--part-number", "2", "--copy-source", "api-one/one",
                     "--copy-source-range", "bytes=1-3")["CopyPartResult"]["ETag"]]
        same(2, len(call("list-parts")["Parts"]))
        call("complete-multipart-upload", "--multipart-upload", json.dumps(
            {"Parts": [{"PartNumber": n, "ETag": e} for n, e in enumerate(tags, 1)]}))
        key("parts", "get-object", t.path("whole"))
        same(read(part) + b"ell", read(t.path("whole")))
    t.row("CreateMultipartUpload + UploadPart + UploadPartCopy + ListParts + CompleteMultipartUpload",
          "create-multipart-upload, upload-part, upload-part-copy, list-parts, complete-multipart-upload",
          complete)
    t.row("GetObject, part number", "get-object --part-number", lambda: (
        key("parts", "get-object", "--part-number", "2", t.path("got")), same(b"ell", read(t.path("got")))))

    def abort():
        upload, call = whole("begun")
        has(str(on("list-multipart-uploads")), upload)
        call("abort-multipart-upload")
        t.refused("NoSuchUpload", lambda: call("list-parts"))
    t.row("ListMultipartUploads + AbortMultipartUpload", "list-multipart-uploads, abort-multipart-upload", abort)


def properties(t, on, key):
    rules = {"CORSRules": [{"AllowedOrigins": ["http://one.example"], "AllowedMethods": ["GET"],
                            "MaxAgeSeconds": 60}]}
    t.row("PutBucketCors + GetBucketCors", "put-bucket-cors, get-bucket-cors", lambda: (
        on("put-bucket-cors", "--cors-configuration", json.dumps(rules)),
        same(rules, on("get-bucket-cors"))))
    t.row("DeleteBucketCors", "delete-bucket-cors", lambda: (
        on("delete-bucket-cors"), t.refused("NoSuchCORSConfiguration", lambda: on("get-bucket-cors"))))
    tags = {"TagSet": [{"Key": "a", "Value": "1"}]}
    t.row("PutBucketTagging + GetBucketTagging", "put-bucket-tagging, get-bucket-tagging", lambda: (
        on("put-bucket-tagging", "--tagging", json.dumps(tags)), same(tags, on("get-bucket-tagging"))))
    t.row("DeleteBucketTagging", "delete-bucket-tagging", lambda: (
        on("delete-bucket-tagging"), t.refused("NoSuchTagSet", lambda: on("get-bucket-tagging"))))
    t.row("PutObjectTagging + GetObjectTagging", "put-object-tagging, get-object-tagging", lambda: (
        key("one", "put-object-tagging", "--tagging", json.dumps(tags)),
        same(tags["TagSet"], key("one", "get-object-tagging")["TagSet"])))
    t.row("DeleteObjectTagging", "delete-object-tagging", lambda: (
        key("one", "delete-object-tagging"), same([], key("one", "get-object-tagging")["TagSet"])))
    t.row("GetBucketAcl", "get-bucket-acl", lambda: same(
        "FULL_CONTROL", on("get-bucket-acl")["Grants"][0]["Permission"]))
    t.row("GetObjectAcl", "get-object-acl", lambda: same(
        "FULL_CONTROL", key("one", "get-object-acl")["Grants"][0]["Permission"]))
    t.row("PutBucketAcl + GetBucketAcl", "put-bucket-acl", lambda: (
        on("put-bucket-acl", "--acl", "public-read"), same(2, len(on("get-bucket-acl")["Grants"])),
        on("put-bucket-acl", "--acl", "private"), same(1, len(on("get-bucket-acl")["Grants"]))))
    t.row("PutObjectAcl + GetObjectAcl", "put-object-acl", lambda: (
        key("one", "put-object-acl", "--acl", "public-read"),
        same(2, len(key("one", "get-object-acl")["Grants"])),
        key("one", "put-object-acl", "--acl", "private")))
    owner = "Rules=[{ObjectOwnership=BucketOwnerEnforced}]"
    t.row("PutBucketOwnershipControls + GetBucketOwnershipControls + DeleteBucketOwnershipControls", "put-bucket-ownership-controls, get-…, delete-…", lambda: (
        on("put-bucket-ownership-controls", "--ownership-controls", owner),
        has(str(on("get-bucket-ownership-controls")), "BucketOwnerEnforced"),
        on("delete-bucket-ownership-controls")))
    block = "BlockPublicAcls=false,IgnorePublicAcls=false,BlockPublicPolicy=false,RestrictPublicBuckets=false"
    t.row("PutPublicAccessBlock + GetPublicAccessBlock + DeletePublicAccessBlock", "put-public-access-block, get-…, delete-…", lambda: (
        on("put-public-access-block", "--public-access-block-configuration", block),
        on("get-public-access-block"), on("delete-public-access-block")))
    for call, verb in (("GetBucketVersioning", "get-bucket-versioning"),
                       ("GetBucketRequestPayment", "get-bucket-request-payment"),
                       ("GetBucketLogging", "get-bucket-logging"),
                       ("GetBucketAccelerateConfiguration", "get-bucket-accelerate-configuration"),
                       ("GetBucketNotificationConfiguration", "get-bucket-notification-configuration")):
        t.row(call, verb, lambda verb=verb: on(verb))
    for call, verb, word in (("GetBucketPolicy", "get-bucket-policy", "NoSuchBucketPolicy"),
                             ("GetBucketWebsite", "get-bucket-website", "NoSuchWebsite"),
                             ("GetBucketEncryption", "get-bucket-encryption", "NotFound"),
                             ("GetBucketReplication", "get-bucket-replication", "NotFound"),
                             ("GetObjectLockConfiguration", "get-object-lock-configuration", "NotFound"),
                             ("GetBucketLifecycleConfiguration", "get-bucket-lifecycle-configuration",
                              "NoSuchLifecycle")):
        t.row(call, f"{verb}, of a bucket without", lambda verb=verb, word=word: t.refused(
            word, lambda: on(verb)))


def later(t, on, key):
    rule = '{"Rules":[{"ID":"a","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":1}}]}'
    t.row("PutBucketLifecycleConfiguration", "put-bucket-lifecycle-configuration",
          lambda: on("put-bucket-lifecycle-configuration", "--lifecycle-configuration", rule))
    t.row("PutBucketVersioning", "put-bucket-versioning",
          lambda: on("put-bucket-versioning", "--versioning-configuration", "Status=Enabled"))
    t.row("ListObjectVersions", "list-object-versions", lambda: on("list-object-versions"))
    t.row("PutBucketPolicy", "put-bucket-policy", lambda: on(
        "put-bucket-policy", "--policy", '{"Version":"2012-10-17","Statement":[]}'))
    t.row("PutBucketEncryption", "put-bucket-encryption", lambda: on(
        "put-bucket-encryption", "--server-side-encryption-configuration",
        "Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=AES256}}]"))
    t.row("PutObjectLegalHold", "put-object-legal-hold",
          lambda: key("one", "put-object-legal-hold", "--legal-hold", "Status=ON"))
    t.row("RestoreObject", "restore-object",
          lambda: key("one", "restore-object", "--restore-request", "Days=1"))
    t.row("SelectObjectContent", "select-object-content", lambda: key(
        "one", "select-object-content", "--expression", "select 1", "--expression-type", "SQL",
        "--input-serialization", '{"CSV":{}}', "--output-serialization", '{"CSV":{}}', t.path("selected")))
