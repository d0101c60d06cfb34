"""rclone, with its own tests."""
import os

from table import fetch, has, lacks, ok, read, same, same_tree

NAME = "rclone"
COMMANDS = ["rclone"]
VERSION = ["rclone", "version"]


def run(t):
    os.environ.pop("AWS_CA_BUNDLE", None)  # rclone takes no S3 remote over plain HTTP with it

    def r(*words, **more):
        return t.command("rclone", "--config", os.path.join(t.data, "rclone.conf"), *words, **more)

    one = "cairn:rclone-one"
    small = os.path.join(t.source, "small")
    t.row("CreateBucket", "mkdir", lambda: r("mkdir", one))
    t.row("ListBuckets", "lsd", lambda: has(r("lsd", "cairn:"), "rclone-one"))
    t.row("PutObject", "copy, a folder up", lambda: r("copy", t.source, one + "/tree"))
    t.row("CreateMultipartUpload + UploadPart + CompleteMultipartUpload", "copyto --s3-upload-cutoff 5M --s3-chunk-size 5M", lambda: (
        r("copyto", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", t.source + "/deep/er/big",
          one + "/parts"), same_file(t, r, one + "/parts", t.source + "/deep/er/big")))
    t.row("HeadObject", "check", lambda: r("check", t.source, one + "/tree"))
    t.row("GetObject", "check --download", lambda: r("check", "--download", t.source, one + "/tree"))
    t.row("GetObject", "copy, a folder down", lambda: (
        r("copy", one + "/tree", t.path("down")), same_tree(t.source, t.path("down"))))
    t.row("GetObject, range", "cat --offset --count", lambda: same(
        "ell", r("cat", "--offset", "1", "--count", "3", one + "/tree/small")))
    t.row("CopyObject", "copyto, key to key", lambda: (
        r("copyto", one + "/tree/small", one + "/copied"), same("hello\n", r("cat", one + "/copied"))))
    t.row("CopyObject", "moveto", lambda: (
        r("moveto", one + "/copied", one + "/moved"), same("hello\n", r("cat", one + "/moved")),
        lacks(r("lsf", one), "copied")))
    t.row("UploadPartCopy", "copyto --s3-copy-cutoff 5M --s3-chunk-size 5M", lambda: (
        r("copyto", "--s3-copy-cutoff", "5M", "--s3-chunk-size", "5M", one + "/parts", one + "/parts2"),
        same_file(t, r, one + "/parts2", t.source + "/deep/er/big")))
    t.row("CopyObject, directives", "touch, the time kept in metadata", lambda: (
        r("touch", "-t", "2020-01-02T03:04:05", one + "/moved"), has(r("lsl", one + "/moved"), "2020-01-02")))
    t.row("PutObject", "rcat, of unknown length", lambda: (
        r("rcat", one + "/piped", stdin="piped"), same("piped", r("cat", one + "/piped"))))
    t.row("ListObjects", "lsf -R, size, tree", lambda: (
        has(r("lsf", "-R", one), "tree/deep/er/big"), has(r("size", one + "/tree"), "Total objects: 7"),
        has(r("tree", one), "big")))
    t.row("HeadObject", "hashsum md5", lambda: has(
        r("hashsum", "md5", one + "/tree/small"), "b1946ac92492d2347c6235b4d2611184"))
    t.row("PutObject", "sync, then sync of fewer files", lambda: (
        r("sync", t.source, one + "/mirror"), r("sync", t.source + "/deep", one + "/mirror"),
        r("check", t.source + "/deep", one + "/mirror")))
    t.row("presigned GET", "link", lambda: same(
        read(small).decode(), ok(fetch(r("link", one + "/tree/small").strip())).decode()))
    t.row("Signature Version 2", "--s3-v2-auth: copy up, check, down", lambda: (
        r("copy", "--s3-v2-auth", t.source, one + "/old"), r("check", "--s3-v2-auth", "--download", t.source, one + "/old"),
        r("purge", "--s3-v2-auth", one + "/old")))
    t.row("PutObject, canned ACL", "copyto --s3-acl public-read", lambda: (
        r("copyto", "--s3-acl", "public-read", small, one + "/public"),
        same("hello\n", ok(fetch(f"{t.endpoint}/rclone-one/public")).decode())))
    t.row("ListMultipartUploads", "backend list-multipart-uploads, cleanup", lambda: (
        r("backend", "list-multipart-uploads", one), r("cleanup", one)))
    own_tests(t, r)
    t.row("DeleteObject", "deletefile, delete", lambda: (
        r("deletefile", one + "/moved"), r("delete", one + "/mirror"), lacks(r("lsf", "-R", one), "moved", "mirror")))
    t.row("DeleteBucket", "purge", lambda: (r("purge", one), lacks(r("lsd", "cairn:"), "rclone-one")))


def same_file(t, r, remote, local):
    r("copyto", remote, t.path("back"))
    same(read(local), read(t.path("back")))


def own_tests(t, r):
    """What rclone brings to try a remote with."""
    def info():
        said = t.path("info.json")
        words = ["--check-control", "--check-length", "--check-normalization", "--check-streaming"]
        r("test", "info", *(words if t.full else words[2:]), "--write-json", said, "cairn:rclone-info",
          "--retries", "1", "--low-level-retries", "2")
        has(read(said).decode(), '"CanStream": true', '"CanWriteUnnormalized": true')
        r("purge", "cairn:rclone-info")

    files = "2000" if t.full else "60"

    def makefiles():
        r("test", "makefiles", "--files", files, "--max-file-size", "20k", "--seed", "1", t.path("made"))
        r("sync", "--transfers", "8", t.path("made"), "cairn:rclone-one/made")
        r("check", "--download", t.path("made"), "cairn:rclone-one/made")

    t.row("PutObject", "test info", info)
    t.row("PutObject", "test makefiles, sync, check --download", makefiles)
    t.row("ListObjects", "test histogram", lambda: r("test", "histogram", "cairn:rclone-one/made"))
