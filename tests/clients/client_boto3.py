"""boto3: each call that we have, and every other one that it knows."""
import os
import socket
import urllib.request

from table import Refused, fetch, has, ok, read, same, write

NAME = "boto3"
COMMANDS = []
MODULE = "boto3"
VERSION = ["python3", "-c", "import boto3; print(boto3.__version__)"]
BUCKET = "boto-one"


def make(t, **config):
    import boto3
    from botocore.config import Config

    return boto3.client("s3", endpoint_url=t.endpoint, config=Config(
        retries={"max_attempts": 1}, read_timeout=60, **config))


def run(t):
    s3 = make(t)
    covered = set()
    # Which operations the rows below send: the rest is tried by the last one.
    s3.meta.events.register("before-call.s3", lambda model, **_: covered.add(model.name))
    buckets(t, s3)
    objects(t, s3)
    conditions(t, s3)
    multipart(t, s3)
    listings(t, s3)
    properties(t, s3)
    signed_urls(t, s3)
    styles(t, s3)
    deletions(t, s3)
    every_other(t, s3, covered)
    t.row("DeleteBucket", "delete_bucket", lambda: s3.delete_bucket(Bucket=BUCKET))


def get(s3, key, **more):
    return s3.get_object(Bucket=BUCKET, Key=key, **more)["Body"].read()


def put(s3, key, body=b"hello\n", **more):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)


def buckets(t, s3):
    t.row("CreateBucket", "create_bucket", lambda: s3.create_bucket(Bucket=BUCKET))
    t.row("CreateBucket", "create_bucket, of one that we have", lambda: t.refused(
        "BucketAlreadyOwnedByYou", lambda: s3.create_bucket(Bucket=BUCKET)))
    t.row("CreateBucket", "create_bucket, of one that another user has", lambda: t.refused(
        "BucketAlreadyExists", lambda: another(t).create_bucket(Bucket=BUCKET)))
    t.row("HeadBucket", "head_bucket", lambda: s3.head_bucket(Bucket=BUCKET))
    t.row("HeadBucket", "head_bucket, of another user", lambda: t.refused(
        "403", lambda: another(t).head_bucket(Bucket=BUCKET)))
    t.row("ListBuckets", "list_buckets", lambda: has(str(s3.list_buckets()["Buckets"]), BUCKET))
    t.row("ListBuckets", "list_buckets, of another user", lambda: same(
        [], another(t).list_buckets()["Buckets"]))
    t.row("ListBuckets", "list_buckets, with a wrong secret", lambda: t.refused(
        "SignatureDoesNotMatch", lambda: another(t, "wrong").list_buckets()))
    t.row("GetBucketLocation", "get_bucket_location", lambda: same(
        None, s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"]))


def another(t, secret=None):
    import boto3
    return boto3.client("s3", endpoint_url=t.endpoint, aws_access_key_id=t.other["access_key"],
                        aws_secret_access_key=secret or t.other["secret_key"])


def objects(t, s3):
    big = os.path.join(t.source, "deep/er/big")
    t.row("PutObject", "put_object, get_object", lambda: (put(s3, "one"), same(b"hello\n", get(s3, "one"))))
    t.row("PutObject", "put_object, keys of all sorts", lambda: [
        (put(s3, k, k.encode()), same(k.encode(), get(s3, k))) for k in
        ("a//b", "/", "ü ö/€/𝄞", "+ %20&=?#", "k" * 1024, "\t\n\x01")])
    t.row("PutObject", "put_object, metadata", lambda: (
        put(s3, "meta", Metadata={"colour": "blue"}, ContentType="text/x", CacheControl="no-store"),
        same(({"colour": "blue"}, "text/x", "no-store"), tuple(
            s3.head_object(Bucket=BUCKET, Key="meta")[n] for n in ("Metadata", "ContentType", "CacheControl")))))
    t.row("PutObject, checksum", "put_object, ChecksumAlgorithm", lambda: [
        (put(s3, "sum", ChecksumAlgorithm=kind), has(
            str(s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")), "Checksum" + kind))
        for kind in ("CRC32", "SHA1", "SHA256")])
    t.row("PutObject, checksum", "put_object, a wrong one", lambda: t.refused(
        "BadDigest", lambda: put(s3, "bad", ChecksumSHA256="A" * 43 + "=")))
    t.row("PutObject, tags", "put_object, Tagging", lambda: (
        put(s3, "tagged", Tagging="a=1&b=2"),
        same("2", s3.head_object(Bucket=BUCKET, Key="tagged")["ResponseMetadata"]["HTTPHeaders"]
             ["x-amz-tagging-count"]), same(2, get_tag_count(s3, "tagged"))))
    t.row("PutObject, canned ACL", "put_object, ACL public-read", lambda: (
        put(s3, "public", ACL="public-read"), same((200, b"hello\n"), fetch(f"{t.endpoint}/{BUCKET}/public"))))
    t.row("HeadObject", "head_object", lambda: same(6, s3.head_object(Bucket=BUCKET, Key="one")["ContentLength"]))
    t.row("HeadObject", "head_object, of none", lambda: t.refused(
        "404", lambda: s3.head_object(Bucket=BUCKET, Key="none")))
    t.row("GetObject", "get_object, of none", lambda: t.refused("NoSuchKey", lambda: get(s3, "none")))
    t.row("GetObject", "get_object, of another user", lambda: t.refused(
        "AccessDenied", lambda: another(t).get_object(Bucket=BUCKET, Key="one")))
    t.row("GetObject, range", "get_object, Range", lambda: (
        same((b"ell", b"lo\n", b"lo\n"), tuple(get(s3, "one", Range="bytes=" + r) for r in ("1-3", "3-", "-3"))),
        t.refused("InvalidRange", lambda: get(s3, "one", Range="bytes=6-"))))
    t.row("GetObject, response headers", "get_object, Response…", lambda: same(
        ("text/y", "attachment"), tuple(s3.get_object(
            Bucket=BUCKET, Key="one", ResponseContentType="text/y",
            ResponseContentDisposition="attachment")[n] for n in ("ContentType", "ContentDisposition"))))
    t.row("CopyObject", "copy_object", lambda: (
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "meta"}),
        same({"colour": "blue"}, s3.head_object(Bucket=BUCKET, Key="copy")["Metadata"])))
    t.row("CopyObject, directives", "copy_object, MetadataDirective REPLACE, onto itself", lambda: (
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "copy"},
                       MetadataDirective="REPLACE", Metadata={"c": "d"}),
        same({"c": "d"}, s3.head_object(Bucket=BUCKET, Key="copy")["Metadata"])))
    t.row("CopyObject, directives", "copy_object, TaggingDirective", lambda: (
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "tagged"}),
        same(2, get_tag_count(s3, "copy")),
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "tagged"},
                       TaggingDirective="REPLACE", Tagging="x=y"),
        same(1, get_tag_count(s3, "copy"))))
    t.row("CopyObject, conditions", "copy_object, CopySourceIf…", lambda: t.refused(
        "PreconditionFailed", lambda: s3.copy_object(
            Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "meta"},
            CopySourceIfNoneMatch=s3.head_object(Bucket=BUCKET, Key="meta")["ETag"])))
    t.row("GetObjectAttributes", "get_object_attributes", lambda: same(
        6, s3.get_object_attributes(Bucket=BUCKET, Key="one", ObjectAttributes=["ObjectSize", "ETag"])["ObjectSize"]))
    t.row("UploadPart", "upload_file, download_file, 22 MiB", lambda: (
        s3.upload_file(big, BUCKET, "big"), s3.download_file(BUCKET, "big", t.path("big")),
        same(True, read(big) == read(t.path("big")))))


def get_tag_count(s3, key):
    return len(s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"])


def conditions(t, s3):
    def answers():
        head = s3.head_object(Bucket=BUCKET, Key="one")
        etag, at = head["ETag"], head["LastModified"]
        same((b"hello\n",) * 3, tuple(get(s3, "one", **c) for c in (
            {"IfMatch": etag}, {"IfNoneMatch": '"0"'}, {"IfUnmodifiedSince": at})))
        t.refused("304", lambda: get(s3, "one", IfNoneMatch=etag))
        t.refused("304", lambda: get(s3, "one", IfModifiedSince=at))
        t.refused("PreconditionFailed", lambda: get(s3, "one", IfMatch='"0"'))
        t.refused("412", lambda: s3.head_object(Bucket=BUCKET, Key="one", IfMatch='"0"'))
    t.row("GetObject, conditions", "get_object, If…", answers)


def multipart(t, s3):
    part = os.urandom(5 << 20)

    def begin(key, **more):
        return {"Bucket": BUCKET, "Key": key,
                "UploadId": s3.create_multipart_upload(Bucket=BUCKET, Key=key, **more)["UploadId"]}

    def complete(upload, tags):
        return s3.complete_multipart_upload(**upload, MultipartUpload={
            "Parts": [{"PartNumber": n, "ETag": e} for n, e in tags]})

    def whole():
        upload = begin("parts", Metadata={"a": "b"})
        tags = [(3, s3.upload_part(**upload, PartNumber=3, Body=b"end")["ETag"]),
                (2, s3.upload_part_copy(**upload, PartNumber=2, CopySource=f"{BUCKET}/big",
                                        CopySourceRange="bytes=0-5242879")["CopyPartResult"]["ETag"]),
                (1, s3.upload_part(**upload, PartNumber=1, Body=part)["ETag"])]
        listed = s3.list_parts(**upload, MaxParts=2)
        same((2, True, 2), (len(listed["Parts"]), listed["IsTruncated"], listed["NextPartNumberMarker"]))
        etag = complete(upload, sorted(tags))["ETag"]
        same(etag, complete(upload, sorted(tags))["ETag"])  # its first answer may be lost
        same("-3", etag.strip('"')[-2:])
        same(True, get(s3, "parts") == part + get(s3, "big", Range="bytes=0-5242879") + b"end")

    def refusals():
        upload = begin("refused")
        etag = s3.upload_part(**upload, PartNumber=1, Body=b"short")["ETag"]
        last = s3.upload_part(**upload, PartNumber=2, Body=b"short")["ETag"]
        t.refused("EntityTooSmall", lambda: complete(upload, [(1, etag), (2, last)]))
        t.refused("InvalidPartOrder", lambda: complete(upload, [(2, last), (1, etag)]))
        t.refused("InvalidPart", lambda: complete(upload, [(1, '"0"')]))
        t.refused("NoSuchUpload", lambda: complete({**upload, "UploadId": "none"}, [(1, etag)]))
        s3.abort_multipart_upload(**upload)
        t.refused("NoSuchUpload", lambda: s3.list_parts(**upload))
        t.refused("404", lambda: s3.head_object(Bucket=BUCKET, Key="refused"))

    def listed():
        uploads = [begin(f"up/{i}") for i in range(3)]
        first = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="up/", MaxUploads=2)
        rest = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="up/", KeyMarker=first["NextKeyMarker"],
                                         UploadIdMarker=first["NextUploadIdMarker"])
        same([u["UploadId"] for u in uploads],
             [u["UploadId"] for u in first["Uploads"] + rest["Uploads"]])
        for upload in uploads:
            s3.abort_multipart_upload(**upload)

    def summed():
        upload = begin("summed", ChecksumAlgorithm="SHA256")
        done = s3.upload_part(**upload, PartNumber=1, Body=b"part", ChecksumAlgorithm="SHA256")
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [
            {"PartNumber": 1, "ETag": done["ETag"], "ChecksumSHA256": done["ChecksumSHA256"]}]})
        has(s3.head_object(Bucket=BUCKET, Key="summed", ChecksumMode="ENABLED")["ChecksumSHA256"], "-1")

    t.row("CreateMultipartUpload + UploadPart + UploadPartCopy + ListParts + CompleteMultipartUpload",
          "create_…, upload_part, upload_part_copy, list_parts, complete_…", whole)
    t.row("CompleteMultipartUpload + AbortMultipartUpload", "what it must refuse", refusals)
    t.row("CompleteMultipartUpload, checksum", "parts with SHA256", summed)
    t.row("ListMultipartUploads", "list_multipart_uploads, in pages", listed)
    t.row("GetObject, part number", "get_object, head_object, PartNumber", lambda: (
        same(b"end", get(s3, "parts", PartNumber=3)),
        same(3, s3.head_object(Bucket=BUCKET, Key="parts", PartNumber=1)["PartsCount"])))


def listings(t, s3):
    keys = sorted([f"l/{a}/{b}" for a in ("x", "y") for b in "abc"] + ["l/é", "l/a b", "l/z\t"],
                  key=lambda k: k.encode())

    def prepare():
        for k in keys:
            put(s3, k, b"")

    def pages(verb, **more):
        out, prefixes = [], []
        for page in s3.get_paginator(verb).paginate(Bucket=BUCKET, Prefix="l/", PaginationConfig={
                "PageSize": 2}, **more):
            out += [o["Key"] for o in page.get("Contents", [])]
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        return out, prefixes
    t.row("PutObject", "put_object, keys to be listed", prepare)
    for call, verb in (("ListObjects", "list_objects"), ("ListObjectsV2", "list_objects_v2")):
        t.row(call, f"{verb}, in pages of two", lambda verb=verb: same((keys, []), pages(verb)))
        t.row(call, f"{verb}, Delimiter", lambda verb=verb: same(
            ([k for k in keys if k.count("/") == 1], ["l/x/", "l/y/"]), pages(verb, Delimiter="/")))
    t.row("ListObjectsV2", "list_objects_v2, StartAfter, FetchOwner", lambda: (
        same(["l/y/b", "l/y/c"], [o["Key"] for o in s3.list_objects_v2(
            Bucket=BUCKET, Prefix="l/y", StartAfter="l/y/a")["Contents"]]),
        has(str(s3.list_objects_v2(Bucket=BUCKET, FetchOwner=True, MaxKeys=1)["Contents"]), "Owner")))


def properties(t, s3):
    rules = {"CORSRules": [{"AllowedOrigins": ["http://*.example"], "AllowedMethods": ["GET", "PUT"],
                            "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]}
    tags = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü"}]}
    on = {"Bucket": BUCKET}

    def preflight():
        s3.put_bucket_cors(**on, CORSConfiguration=rules)
        request = urllib.request.Request(f"{t.endpoint}/{BUCKET}/one", method="OPTIONS", headers={
            "Origin": "http://one.example", "Access-Control-Request-Method": "PUT"})
        with urllib.request.urlopen(request, timeout=30) as f:
            same("http://one.example", f.headers["Access-Control-Allow-Origin"])

    def acl():
        s3.put_bucket_acl(**on, ACL="public-read")
        same(2, len(s3.get_bucket_acl(**on)["Grants"]))
        same(200, fetch(f"{t.endpoint}/{BUCKET}")[0])
        s3.put_bucket_acl(**on, ACL="private")
        same(403, fetch(f"{t.endpoint}/{BUCKET}")[0])

    def object_acl():
        s3.put_object_acl(**on, Key="one", ACL="public-read")
        same((200, b"hello\n"), fetch(f"{t.endpoint}/{BUCKET}/one"))
        s3.put_object_acl(**on, Key="one", ACL="private")
        same(403, fetch(f"{t.endpoint}/{BUCKET}/one")[0])

    t.row("PutBucketCors + GetBucketCors", "put_bucket_cors, get_bucket_cors", lambda: (
        s3.put_bucket_cors(**on, CORSConfiguration=rules),
        same(rules["CORSRules"], s3.get_bucket_cors(**on)["CORSRules"])))
    t.row("CORS preflight", "OPTIONS", preflight)
    t.row("DeleteBucketCors", "delete_bucket_cors", lambda: (
        s3.delete_bucket_cors(**on), t.refused("NoSuchCORS", lambda: s3.get_bucket_cors(**on))))
    t.row("PutBucketTagging + GetBucketTagging", "put_bucket_tagging, get_…", lambda: (
        s3.put_bucket_tagging(**on, Tagging=tags), same(tags["TagSet"], s3.get_bucket_tagging(**on)["TagSet"])))
    t.row("DeleteBucketTagging", "delete_bucket_tagging", lambda: (
        s3.delete_bucket_tagging(**on), t.refused("NoSuchTagSet", lambda: s3.get_bucket_tagging(**on))))
    t.row("PutObjectTagging + GetObjectTagging", "put_object_tagging, get_…", lambda: (
        s3.put_object_tagging(**on, Key="one", Tagging=tags),
        same(tags["TagSet"], s3.get_object_tagging(**on, Key="one")["TagSet"])))
    t.row("DeleteObjectTagging", "delete_object_tagging", lambda: (
        s3.delete_object_tagging(**on, Key="one"), same(0, get_tag_count(s3, "one"))))
    t.row("GetBucketAcl", "get_bucket_acl", lambda: same(1, len(s3.get_bucket_acl(**on)["Grants"])))
    t.row("GetObjectAcl", "get_object_acl", lambda: same(1, len(s3.get_object_acl(**on, Key="one")["Grants"])))
    t.row("PutBucketAcl", "put_bucket_acl", acl)
    t.row("PutObjectAcl", "put_object_acl", object_acl)
    t.row("PutBucketOwnershipControls + GetBucketOwnershipControls + DeleteBucketOwnershipControls", "put_bucket_ownership_controls, get_…, delete_…", lambda: (
        s3.put_bucket_ownership_controls(**on, OwnershipControls={
            "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}),
        s3.get_bucket_ownership_controls(**on), s3.delete_bucket_ownership_controls(**on)))
    t.row("PutPublicAccessBlock + GetPublicAccessBlock + DeletePublicAccessBlock", "put_public_access_block, get_…, delete_…", lambda: (
        s3.put_public_access_block(**on, PublicAccessBlockConfiguration={
            n: False for n in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy",
                               "RestrictPublicBuckets")}),
        s3.get_public_access_block(**on), s3.delete_public_access_block(**on)))


def post(t, client, name):
    """A form, sent as a browser would; its fields."""
    form = client.generate_presigned_post(BUCKET, "form/${filename}", Fields={"x-amz-meta-a": "b"}, Conditions=[
        ["content-length-range", 1, 100], {"x-amz-meta-a": "b"}], ExpiresIn=60)
    words = [w for k, v in form["fields"].items() for w in ("-F", f"{k}={v}")]
    upload = write(t.path("upload"), b"posted")
    same("204", t.command("curl", "-s", "-o", "/dev/stderr", "-w", "%{http_code}", *words, "-F",
                          f"file=@{upload};filename={name}", form["url"]))
    got = make(t).get_object(Bucket=BUCKET, Key="form/" + name)
    same((b"posted", {"a": "b"}), (got["Body"].read(), got["Metadata"]))
    return form["fields"]


def signed_urls(t, s3):
    v4 = make(t, signature_version="s3v4")  # this boto3 signs URLs as ten years ago, if one lets it

    def url(verb, key="url", client=v4):
        return client.generate_presigned_url(verb, {"Bucket": BUCKET, "Key": key}, ExpiresIn=60)

    t.row("presigned PUT", "generate_presigned_url put_object", lambda: (
        ok(fetch(url("put_object"), method="PUT", data=b"by url", headers={"Content-Type": ""})),
        same(b"by url", get(s3, "url"))))
    t.row("presigned GET", "generate_presigned_url get_object", lambda: same(b"hello\n", ok(fetch(
        url("get_object", "one")))))
    t.row("presigned GET", "a URL changed, or too old", lambda: (
        same(403, fetch(url("get_object", "one").replace("/one", "/two"))[0]),
        same(403, fetch(url("get_object", "one").replace("Expires=60", "Expires=70"))[0])))
    version_2(t, s3)
    t.row("presigned DELETE", "generate_presigned_url delete_object",
          lambda: ok(fetch(url("delete_object"), method="DELETE")))
    t.row("POST form", "generate_presigned_post", lambda: has(str(post(t, v4, "name")), "x-amz-signature"))


def version_2(t, s3):
    """What this boto3 does by default when it signs URLs and forms, and always when told to; with
    sub-resources it signs what no server can know (?acl?acl), later releases do it right."""
    def url(verb, **more):
        return s3.generate_presigned_url(verb, {"Bucket": BUCKET, **more}, ExpiresIn=60)

    def calls():
        old = make(t, signature_version="s3")
        put(old, "old ü", Metadata={"a": "b  c"}, ContentType="text/x")
        same(b"hello\n", get(old, "old ü", Range="bytes=0-9"))
        old.copy_object(Bucket=BUCKET, Key="old-copy", CopySource={"Bucket": BUCKET, "Key": "old ü"})
        has(str(old.list_objects(Bucket=BUCKET, Prefix="old")), "old ü", "old-copy")
        for key in ("old ü", "old-copy"):
            old.delete_object(Bucket=BUCKET, Key=key)
    t.row("presigned GET, Signature Version 2", "generate_presigned_url with the default signature", lambda: (
        has(url("get_object", Key="one"), "&Expires="), same(b"hello\n", ok(fetch(url("get_object", Key="one"))))))
    t.row("presigned PUT, Signature Version 2", "the same, put_object with metadata", lambda: (
        ok(fetch(url("put_object", Key="url-old", Metadata={"colour": "blue"}, ContentType="text/x"), method="PUT",
                 data=b"by url", headers={"Content-Type": "text/x"})),
        same(("text/x", {"colour": "blue"}), tuple(
            s3.head_object(Bucket=BUCKET, Key="url-old")[n] for n in ("ContentType", "Metadata")))))
    t.row("presigned GET, Signature Version 2", "the same, list_objects; not with a sub-resource added", lambda: (
        has(ok(fetch(url("list_objects", Prefix="o"))).decode(), "<Key>one</Key>"),
        same(403, fetch(url("list_objects", Prefix="o") + "&acl")[0])))
    t.row("POST form, Signature Version 2", "generate_presigned_post with the default signature",
          lambda: has(str(post(t, s3, "old")), "'signature'"))
    t.row("Signature Version 2", "signature_version=s3: objects, listings", calls)


def styles(t, s3):
    host = t.endpoint.split("//")[1].rpartition(":")[0]
    real = socket.getaddrinfo

    def virtual():
        """Names of buckets under the gateway's domain lead to it, as its DNS would say."""
        socket.getaddrinfo = lambda name, *more, **words: real(
            host if str(name).endswith("s3.test") else name, *more, **words)
        try:
            import boto3
            from botocore.config import Config
            by_name = boto3.client("s3", endpoint_url=t.endpoint.replace(host, "s3.test"), config=Config(
                s3={"addressing_style": "virtual"}, retries={"max_attempts": 1}))
            same(b"hello\n", get(by_name, "one"))
            has(str(by_name.list_objects_v2(Bucket=BUCKET, Prefix="one")), "'one'")
        finally:
            socket.getaddrinfo = real

    def unsigned():
        loose = make(t, s3={"payload_signing_enabled": False})
        put(loose, "unsigned"), same(b"hello\n", get(loose, "unsigned"))
    t.row("virtual-host style", "addressing_style virtual", virtual)
    t.row("PutObject", "payload_signing_enabled False", unsigned)


def deletions(t, s3):
    t.row("DeleteObject", "delete_object, twice", lambda: (
        s3.delete_object(Bucket=BUCKET, Key="one"), s3.delete_object(Bucket=BUCKET, Key="one"),
        t.refused("NoSuchKey", lambda: get(s3, "one"))))
    t.row("DeleteBucket", "delete_bucket, with objects", lambda: t.refused(
        "BucketNotEmpty", lambda: s3.delete_bucket(Bucket=BUCKET)))

    def all_of_it():
        s3.delete_object(Bucket=BUCKET, Key="\t\n\x01")  # XML has no way to name it
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            gone = s3.delete_objects(Bucket=BUCKET, Delete={
                "Quiet": True, "Objects": [{"Key": o["Key"]} for o in page.get("Contents", [])]})
            same(None, gone.get("Errors"))
        same(0, s3.list_objects_v2(Bucket=BUCKET)["KeyCount"])
    t.row("DeleteObjects", "delete_objects, all there are", all_of_it)

    def as_versions():  # so empty buckets who do not know whether there are any
        for key in ("a", "b/1", "b/2"):
            put(s3, key)
        seen = []
        for page in s3.get_paginator("list_object_versions").paginate(
                Bucket=BUCKET, PaginationConfig={"PageSize": 2}):
            seen += [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page["Versions"]]
            same({True}, {v["IsLatest"] for v in page["Versions"]})
        same([(k, "null") for k in ("a", "b/1", "b/2")], [tuple(v.values()) for v in seen])
        same(seen, s3.delete_objects(Bucket=BUCKET, Delete={"Objects": seen})["Deleted"])
        same(0, s3.list_objects_v2(Bucket=BUCKET)["KeyCount"])
    t.row("ListObjectVersions", "list_object_versions, and delete_objects of them", as_versions)


def dummy(shape, name=""):
    """A value that the model takes."""
    if shape.type_name == "structure":
        one_of = list(shape.members)[:1] if getattr(shape, "is_tagged_union", False) else []
        return {n: dummy(shape.members[n], n) for n in shape.required_members or one_of}
    if shape.type_name == "list":
        return [dummy(shape.member)]
    if shape.type_name == "map":
        return {"a": dummy(shape.value)}
    if shape.type_name == "string":
        return {"Bucket": BUCKET, "CopySource": f"{BUCKET}/x"}.get(name) or (
            shape.enum or ["x" * shape.metadata.get("min", 1)])[0]
    return {"integer": 1, "long": 1, "boolean": True, "blob": b"x"}.get(shape.type_name, "2040-01-01")


def every_other(t, s3, covered):
    """What no row sent is answered with 501 or, asked for something that was never set, with what
    S3 says of a bucket that has none; and never done by halves."""
    model = s3.meta.service_model
    verbs = {o: m for m, o in s3.meta.method_to_api_mapping.items()}
    odd = {"WriteGetObjectResponse", "ListDirectoryBuckets"}  # of other services
    # Removing what was never set succeeds, and did all there was to do.
    never_set = {f"DeleteBucket{x}" for x in ("Encryption", "Lifecycle", "Policy", "Replication", "Website")}

    def one(operation):
        shape = model.operation_model(operation).input_shape
        try:
            getattr(s3, verbs[operation])(**(dummy(shape) if shape else {}))
        except s3.exceptions.ClientError as e:
            status = e.response["ResponseMetadata"]["HTTPStatusCode"]
            if status != 501 and not (operation.startswith("Get") and status == 404):
                raise
            return
        if not operation.startswith("Get") and operation not in never_set:
            raise Refused(f"{operation} succeeded")
    for operation in sorted(set(model.operation_names) - covered - odd):
        if operation in covered:
            continue
        t.row("every other call", operation, lambda operation=operation: one(operation))
