"""aws s3: the commands that work on whole trees."""
import os

import aws
from table import fetch, has, lacks, ok, read, same, same_tree

NAME = "aws s3"
COMMANDS = ["aws"]
VERSION = ["aws", "--version"]


def run(t):
    run_aws = aws.runner(t)

    def s3(*words, **more):
        return run_aws("--endpoint-url", t.endpoint, "s3", *words, **more)

    small, big = os.path.join(t.source, "small"), os.path.join(t.source, "deep/er/big")
    t.row("CreateBucket", "mb", lambda: s3("mb", "s3://aws-one"))
    t.row("ListBuckets", "ls", lambda: has(s3("ls"), "aws-one"))
    t.row("PutObject", "cp, a file up", lambda: s3("cp", small, "s3://aws-one/small"))
    t.row("GetObject", "cp, to standard output", lambda: same(
        read(small).decode(), s3("cp", "s3://aws-one/small", "-")))
    t.row("PutObject", "cp, from standard input", lambda: (
        s3("cp", "-", "s3://aws-one/stdin", stdin="piped"),
        same("piped", s3("cp", "s3://aws-one/stdin", "-"))))
    t.row("CreateMultipartUpload + UploadPart + CompleteMultipartUpload", "cp, 22 MiB in parts", lambda: (
        s3("cp", "--no-progress", big, "s3://aws-one/big"),
        s3("cp", "--no-progress", "s3://aws-one/big", t.path("big")), same(read(big), read(t.path("big")))))
    t.row("UploadPartCopy", "cp, 22 MiB from key to key", lambda: (
        s3("cp", "--no-progress", "s3://aws-one/big", "s3://aws-one/copy"),
        s3("cp", "--no-progress", "s3://aws-one/copy", t.path("copy")), same(read(big), read(t.path("copy")))))
    t.row("CopyObject", "mv, from key to key", lambda: (
        s3("mv", "s3://aws-one/stdin", "s3://aws-one/moved"),
        same("piped", s3("cp", "s3://aws-one/moved", "-")), lacks(s3("ls", "s3://aws-one"), "stdin")))
    t.row("PutObject", "sync, a folder up", lambda: s3("sync", "--no-progress", t.source, "s3://aws-one/tree"))
    t.row("ListObjectsV2", "sync again sends nothing", lambda: same(
        "", s3("sync", t.source, "s3://aws-one/tree")))
    t.row("GetObject", "sync, a folder down", lambda: (
        s3("sync", "--no-progress", "s3://aws-one/tree", t.path("down")), same_tree(t.source, t.path("down"))))
    t.row("CopyObject", "sync, prefix to prefix", lambda: (
        s3("sync", "--no-progress", "s3://aws-one/tree/deep", "s3://aws-one/deep"),
        has(s3("ls", "--recursive", "s3://aws-one/deep"), "deep/er/big")))
    t.row("ListObjectsV2", "ls --recursive --summarize", lambda: has(
        s3("ls", "--recursive", "--summarize", "s3://aws-one/tree/"), "Total Objects: 7"))
    t.row("ListObjectsV2", "ls of a folder", lambda: has(s3("ls", "s3://aws-one/tree/"), "PRE deep/"))
    t.row("PutObject, canned ACL", "cp --acl public-read", lambda: (
        s3("cp", "--acl", "public-read", small, "s3://aws-one/public"),
        same(read(small).decode(), ok(fetch(f"{t.endpoint}/aws-one/public")).decode())))
    t.row("PutObject, storage class", "cp --storage-class STANDARD --metadata",
          lambda: s3("cp", "--storage-class", "STANDARD", "--metadata", "a=b", small, "s3://aws-one/standard"))
    t.row("PutObject, encryption", "cp --sse AES256",
          lambda: s3("cp", "--sse", "AES256", small, "s3://aws-one/encrypted"))
    t.row("presigned GET", "presign", lambda: same(
        read(small).decode(), ok(fetch(s3("presign", "s3://aws-one/small").strip())).decode()))
    t.row("PutBucketWebsite", "website", lambda: s3("website", "--index-document", "i", "s3://aws-one"))
    t.row("DeleteObject", "rm", lambda: s3("rm", "s3://aws-one/moved"))
    t.row("DeleteObject", "rm --recursive --exclude", lambda: (
        s3("rm", "--recursive", "--exclude", "tree/*", "s3://aws-one"),
        lacks(s3("ls", "--recursive", "s3://aws-one"), " copy"),
        has(s3("ls", "--recursive", "s3://aws-one"), "tree/small")))
    t.row("DeleteBucket", "rb of a bucket with objects", lambda: t.refused(
        "BucketNotEmpty", lambda: s3("rb", "s3://aws-one")))
    t.row("DeleteBucket", "rb --force", lambda: s3("rb", "--force", "s3://aws-one"))
