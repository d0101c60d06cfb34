"""aws - run the aws CLI.

Each of its runs costs half a second to load its modules.  So the short form loads Debian's package
once and forks for every command, in which its own driver then does everything; the full numbers
run `aws` itself.
"""
import os
import sys
import tempfile

from table import Refused

CLEAN = ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
         "AWS_ENDPOINT_URL")


def _in_fork(driver, words, stdin, folder, log):
    with tempfile.TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        os.dup2(given.fileno(), 0)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    os.chdir(folder)
    status = driver.main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _forked(t, driver, words, stdin):
    with tempfile.TemporaryFile() as log:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            status = 255
            try:
                status = _in_fork(driver, words, stdin, t.work, log)
            except SystemExit as e:
                status = e.code if isinstance(e.code, int) else 255
            finally:
                os._exit(status or 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        log.seek(0)
        said = log.read().decode(errors="replace")
    if status != 0:
        raise Refused(f"exit {status}: {said[-700:]}")
    return said


def runner(t):
    """A function that runs aws with words, and gives what it printed."""
    for name in CLEAN:
        os.environ.pop(name, None)
    os.environ["AWS_PAGER"] = ""
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    if not t.full:
        try:
            import awscli.clidriver
            driver = awscli.clidriver.create_clidriver()
            driver.session.create_client("s3", region_name="us-east-1")  # reads what all of them read
            return lambda *words, stdin="": _forked(t, driver, [str(w) for w in words], stdin)
        except ImportError:
            pass  # not Debian's package: the command itself
    return lambda *words, stdin="": t.command("aws", *words, stdin=stdin)
