"""s3fs: a bucket mounted, and what programs do with files."""
import os
import shutil
import subprocess
import time

from table import Refused, read, same, same_tree, write

NAME = "s3fs"
COMMANDS = ["s3fs", "fusermount"]
VERSION = ["s3fs", "--version"]


def run(t):
    import boto3

    keys = t.path("keys")
    with open(keys, "w", encoding="utf-8") as f:
        f.write(f"{t.env['AWS_ACCESS_KEY_ID']}:{t.env['AWS_SECRET_ACCESS_KEY']}\n")
    os.chmod(keys, 0o600)
    boto3.client("s3", endpoint_url=t.endpoint).create_bucket(Bucket="s3fs-one")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Refused("/dev/fuse cannot be opened here")
    at = t.path("mnt")
    os.mkdir(at)
    with open(t.path("s3fs.log"), "wb") as log:
        process = subprocess.Popen(
            ["s3fs", "s3fs-one", at, "-f", "-o", f"url={t.endpoint}", "-o", "use_path_request_style",
             "-o", f"passwd_file={keys}", "-o", "multipart_size=5", "-o", f"use_cache={t.path('cache')}",
             "-o", "del_cache", "-o", "use_xattr"], stdout=log, stderr=log)
    try:
        t.row(None, "mount", lambda: mounted(t, process, at))
        files(t, at)
    finally:
        subprocess.run(["fusermount", "-uz", at], check=False, capture_output=True)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def mounted(t, process, at):
    until = time.monotonic() + 20
    while not os.path.ismount(at):
        if process.poll() is not None or time.monotonic() > until:
            raise Refused(f"s3fs did not mount: {read(t.path('s3fs.log'))[-500:]!r}")
        time.sleep(0.05)


def files(t, at):
    def path(*names):
        return os.path.join(at, *names)

    def moved():
        os.rename(path("one"), path("two"))
        same((False, b"one more"), (os.path.exists(path("one")), read(path("two"))))

    def linked():
        os.symlink("two", path("link"))
        same(b"one more", read(path("link")))

    def folder_moved():
        os.mkdir(path("folder"))
        write(path("folder", "inner"), b"x")
        os.rename(path("folder"), path("renamed"))
        same(["inner"], os.listdir(path("renamed")))

    def truncated():
        os.truncate(path("two"), 3)
        same(b"one", read(path("two")))

    def in_the_middle():
        data = bytearray(os.urandom(12 << 20))
        write(path("large"), data)
        with open(path("large"), "r+b") as f:
            f.seek(6 << 20)
            f.write(b"changed")
        data[6 << 20:(6 << 20) + 7] = b"changed"
        shutil.rmtree(t.path("cache"), ignore_errors=True)
        same(True, bytes(data) == read(path("large")))

    def attributes():
        os.chmod(path("two"), 0o640)
        os.utime(path("two"), (1577934245, 1577934245))
        os.setxattr(path("two"), "user.colour", b"blue")
        st = os.stat(path("two"))
        same((0o640, 1577934245, b"blue"),
             (st.st_mode & 0o777, int(st.st_mtime), os.getxattr(path("two"), "user.colour")))

    def removed():
        os.remove(path("link"))
        shutil.rmtree(path("renamed"))
        shutil.rmtree(path("tree"))
        same({"two", "large"}, set(os.listdir(at)))

    def append():
        with open(path("one"), "ab") as f:
            f.write(b" more")
        same(b"one more", read(path("one")))

    t.row(None, "write and read a file", lambda: same(b"one", read(write(path("one"), b"one"))))
    t.row(None, "append", append)
    t.row(None, "rename a file", moved)
    t.row(None, "symbolic link", linked)
    t.row(None, "mode, time, extended attribute", attributes)
    t.row(None, "truncate", truncated)
    t.row(None, "make, fill and rename a folder", folder_moved)
    t.row(None, "cp -r of a tree, identical", lambda: (
        t.command("cp", "-r", t.source, path("tree")), same_tree(t.source, path("tree"))))
    t.row(None, "12 MiB in parts, changed in the middle", in_the_middle)
    t.row(None, "statfs, find, du", lambda: (os.statvfs(at), t.command("find", at), t.command("du", "-s", at)))
    t.row(None, "remove files and folders", removed)
