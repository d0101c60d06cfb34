"""restic: a repository in a bucket."""
import os

from table import has, same_tree

NAME = "restic"
COMMANDS = ["restic"]
VERSION = ["restic", "version"]


def run(t):
    env = {"RESTIC_REPOSITORY": f"s3:{t.endpoint}/restic-one/repo", "RESTIC_PASSWORD": "test",
           "RESTIC_CACHE_DIR": t.path("cache"), **t.env}

    def r(*words):
        return t.command("restic", *words, extra_env=env)

    def restored(snapshot, folder):
        r("restore", snapshot, "--target", t.path(folder))
        same_tree(t.path("tree"), t.path(folder) + t.path("tree"))

    t.command("cp", "-r", t.source, t.path("tree"))
    t.row(None, "init, makes the bucket", lambda: r("init"))
    t.row(None, "backup", lambda: r("backup", t.path("tree")))
    t.row(None, "backup of a changed tree", lambda: (
        write_more(t.path("tree")), has(r("backup", t.path("tree")), "1 new")))
    t.row(None, "snapshots, ls latest, stats", lambda: (
        has(r("snapshots"), "2 snapshots"), has(r("ls", "latest"), "deep/er/big"), r("stats")))
    t.row(None, "check --read-data", lambda: has(r("check", "--read-data"), "no errors were found"))
    t.row(None, "restore latest, identical", lambda: restored("latest", "back"))
    t.row(None, "forget --keep-last 1 --prune", lambda: (
        r("forget", "--keep-last", "1", "--prune"), r("check")))
    t.row(None, "restore after prune, identical", lambda: restored("latest", "again"))


def write_more(folder):
    with open(os.path.join(folder, "new"), "wb") as f:
        f.write(os.urandom(3 << 20))
