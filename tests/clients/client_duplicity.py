"""duplicity: full and incremental backups in a bucket, by its boto3 backend."""
import os

from table import has, same_tree

NAME = "duplicity"
COMMANDS = ["duplicity"]
VERSION = ["duplicity", "--version"]


def run(t):
    import boto3

    url = "boto3+s3://duplicity-one/backup"
    options = ["--no-encryption", "--archive-dir", t.path("archive"), "--s3-endpoint-url", t.endpoint,
               "--s3-region-name", t.env["AWS_DEFAULT_REGION"], "--num-retries", "1"]

    def d(*words):
        return t.command("duplicity", *words, *options)

    t.command("cp", "-r", t.source, t.path("tree"))
    boto3.client("s3", endpoint_url=t.endpoint).create_bucket(Bucket="duplicity-one")
    t.row(None, "full", lambda: d("full", "--volsize", "10", t.path("tree"), url))
    with open(os.path.join(t.path("tree"), "new"), "wb") as f:
        f.write(os.urandom(100000))
    t.row(None, "incr", lambda: has(d("incr", t.path("tree"), url), "Errors 0", "NewFileSize 10"))
    t.row(None, "collection-status, list-current-files", lambda: (
        has(d("collection-status", url), "Number of contained backup sets: 2"),
        has(d("list-current-files", url), "deep/er/big")))
    t.row(None, "verify --compare-data", lambda: d("verify", "--compare-data", url, t.path("tree")))
    t.row(None, "restore, identical", lambda: (
        d("restore", url, t.path("back")), same_tree(t.path("tree"), t.path("back"))))
    t.row(None, "restore with no local archive", lambda: (
        t.command("rm", "-r", t.path("archive")), d("restore", url, t.path("again")),
        same_tree(t.path("tree"), t.path("again"))))
    t.row(None, "remove-all-but-n-full 1 --force, cleanup", lambda: (
        d("full", t.path("tree"), url), d("remove-all-but-n-full", "1", "--force", url),
        d("cleanup", "--force", url)))
