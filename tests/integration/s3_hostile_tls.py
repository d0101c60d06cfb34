#!/usr/bin/env python3
"""s3_hostile_tls - harm at the port of HTTPS.

    s3_hostile_tls.py --env FILE --port PORT --cert FILE [--slow]
    s3_hostile_tls.py --env FILE --port PORT --cert FILE --load SECONDS

What is no TLS, or TLS that nobody should speak, gets no HTTP and no connection, while another client is served
all the time.  --load: clients on new and on kept connections, of which none may see a failure (whoever calls
exchanges the certificate meanwhile; FILE holds all that may be shown).  Prints TAP.
"""
import argparse
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../clients"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from s3_hostile import Tap, Witness  # noqa: E402
from s3sign import UNSIGNED, Raw, Signer, env_file  # noqa: E402

HALF_OPEN = 200
# The same always: noise that begins with 0x90 to 0xbf may be a long hello of SSL 2, and is waited for.
NOISE = random.Random(1).randbytes(4096)
SERVED_S_MAX = 10


class TlsRaw(Raw):
    """A Raw over TLS."""

    def __init__(self, signer, context, timeout_s=20):
        super().__init__(signer, timeout_s)
        self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")


class Setting:
    def __init__(self, args):
        self.env, self.cert = env_file(args.env), args.cert
        self.env["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{args.port}"
        self.signer, self.port = Signer(self.env), args.port

    def context(self, **versions):
        context = ssl.create_default_context(cafile=self.cert)
        for name, value in versions.items():
            setattr(context, name, value)
        return context

    def connect(self, timeout_s=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


# --- what is no TLS -------------------------------------------------------------------------------

def record(kind, version, data):
    return struct.pack(">BHH", kind, version, len(data)) + data


def client_hello():
    """A good one, as this Python makes it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def garbage():
    hello = client_hello()
    return [
        ("plain HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("plain HTTP, a PUT with its body", b"PUT /hostile/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        ("zeros", bytes(4096)),
        ("random bytes", NOISE),
        ("the hello of SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + os.urandom(37)),
        ("a record of 65,535 bytes", b"\x16\x03\x01\xff\xff" + bytes(65535)),
        ("a record of no bytes", record(22, 0x0301, b"") * 100),
        ("data before any handshake", record(23, 0x0303, b"GET / HTTP/1.1\r\n\r\n")),
        ("10,000 warnings", record(21, 0x0303, b"\x01\x5a") * 10000),
        ("two hellos at once", hello + hello),
        ("a hello, then plain HTTP", hello + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a hello in records of one byte, then garbage",
         b"".join(record(22, 0x0301, hello[5 + i:6 + i]) for i in range(50)) + b"\0" * 100),
    ]


def unfinished():
    """What may become a handshake: as long as a head may take."""
    hello = client_hello()
    return [
        ("nothing", b""),
        ("one byte", hello[:1]),
        ("half a hello", hello[:100]),
        ("a ChangeCipherSpec", record(20, 0x0303, b"\x01")),
        ("the hello of SSL 2, longer than what comes of it", b"\xa0\x00\x01" + NOISE),
        ("a hello that says it is longer than any", record(22, 0x0301, b"\x01\xff\xff\xff" + bytes(512))),
        ("a hello with a byte changed in its length", hello[:6] + bytes([hello[6] ^ 0x40]) + hello[7:]),
        ("a hello, and no key after it", hello),
    ]


def refused(setting, data):
    """The connection ends, and no HTTP comes before."""
    with setting.connect() as s:
        got = b""
        try:
            s.sendall(data)
            while True:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except (ConnectionResetError, BrokenPipeError):
            pass
        except TimeoutError:
            return "the connection is still there"
    return b"HTTP/1" in got and f"an answer: {got[:100]!r}"


# --- what nobody should speak ---------------------------------------------------------------------

def not_spoken(setting, version, ciphers="ALL:@SECLEVEL=0"):
    """The handshake must fail."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.set_ciphers(ciphers)
        context.minimum_version = context.maximum_version = version
    except (ssl.SSLError, ValueError):
        return ""  # this client cannot even ask
    try:
        with setting.connect() as plain, context.wrap_socket(plain) as s:
            return f"{s.version()} with {s.cipher()}"
    except (ssl.SSLError, ConnectionError):
        return ""


def renegotiation(setting):
    """The client asks for another handshake within a connection: it is not given, and the gateway lives on."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{setting.port}", "-tls1_2", "-legacy_renegotiation"],
                          input="R\n", capture_output=True, text=True, timeout=30, check=False)
    said = done.stdout + done.stderr
    if "RENEGOTIATING" not in said:
        return f"it was not asked: {said[-300:]}"
    return said.count("verify return:1") > 2 and f"a second handshake: {said[-300:]}"


def early_end(setting):
    """A client that ends in the middle of its handshake, and one that resets."""
    hello = client_hello()
    for cut in (1, 5, 40, len(hello)):
        for reset in (False, True):
            with setting.connect() as s:
                s.sendall(hello[:cut])
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return ""


def heads(setting):
    """What the guard refuses in the clear it refuses here, too."""
    for head in (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
                 b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"):
        with TlsRaw(setting.signer, setting.context()) as raw:
            raw.send(head)
            answer = raw.answer()
            if answer.status != 400:
                return repr(answer)
            if raw.more():
                return "the connection is not closed"
    return ""


# --- many ------------------------------------------------------------------------------------------

def slow_body(setting):
    """A body of which a byte comes now and then: told on the encrypted connection, too, and cut."""
    with TlsRaw(setting.signer, setting.context(), 2) as raw:
        fields = setting.signer.fields("PUT", "/hostile-tls/slow", UNSIGNED, {"content-length": "1000"})
        raw.send(Raw.text("PUT", "/hostile-tls/slow", fields))
        for _ in range(60):
            try:
                answer = raw.answer()
            except TimeoutError:
                raw.send(b"x")
                continue
            return answer.code != "RequestTimeout" and repr(answer)
        return "it was borne"


def half_open(setting, tap, slow):
    """Handshakes that are begun and left: others are served; and after a minute they are gone."""
    kinds = unfinished()
    open_ = [setting.connect(90) for _ in range(HALF_OPEN)]
    for i, s in enumerate(open_):
        s.sendall(kinds[i % len(kinds)][1])
    wrong = ""
    began = time.monotonic()
    with TlsRaw(setting.signer, setting.context()) as raw:
        for i in range(50):
            answer = raw.request("PUT", "/hostile-tls/half", b"x" * 1000)
            wrong = wrong or (answer.status != 200 and repr(answer))
    took = time.monotonic() - began
    tap.case(wrong or took > SERVED_S_MAX and f"{took:.1f} s", f"{HALF_OPEN} handshakes are half open, others are served")
    if slow:
        left = {kinds[i % len(kinds)][0] for i, s in enumerate(open_) if not ended(s)}
        tap.case(left and f"still there: {left}", "half handshakes are ended in time")
    for s in open_:
        s.close()


def ended(s):
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


class Client(threading.Thread):
    """Requests on new or on kept connections until told to stop."""

    def __init__(self, setting, kept, stop):
        super().__init__(daemon=True)
        self.setting, self.kept, self.stop = setting, kept, stop
        self.count, self.wrong = 0, ""

    def run(self):
        raw = None
        try:
            while not self.stop.is_set():
                if not raw or not self.kept:
                    if raw:
                        raw.close()
                    raw = TlsRaw(self.setting.signer, self.setting.context(), 60)
                body = f"{self.name} {self.count}".encode() * 50
                put = raw.request("PUT", f"/hostile-tls/{self.name}", body)
                got = raw.request("GET", f"/hostile-tls/{self.name}")
                if put.status != 200 or got.body != body:
                    raise RuntimeError(f"{put!r} {got!r}")
                self.count += 1
        except Exception as e:
            self.wrong = f"after {self.count}: {type(e).__name__}: {e}"


def load(setting, seconds, tap):
    stop = threading.Event()
    clients = [Client(setting, kept, stop) for kept in (True, True, False, False)]
    for client in clients:
        client.start()
    stop.wait(seconds)
    stop.set()
    for client in clients:
        client.join()
        kind = "a kept connection" if client.kept else "new connections"
        tap.case(client.wrong or client.count < 3 and f"{client.count} rounds only", f"{client.count} rounds on {kind}")


class TlsWitness(Witness):
    def __init__(self, setting):
        super().__init__(setting.signer)
        self.setting = setting

    def raw(self):
        return TlsRaw(self.signer, self.setting.context(), 60)


def hostile(setting, slow, tap):
    witness = TlsWitness(setting)
    witness.start()
    for name, data in garbage():
        tap.case(refused(setting, data), f"no TLS: {name}")
    with TlsRaw(setting.signer, setting.context()) as raw:
        shown = raw.socket.version()
    tap.case(shown != "TLSv1.3" and shown, "TLS 1.3 is spoken")
    for version in ("TLSv1", "TLSv1_1"):
        tap.case(not_spoken(setting, getattr(ssl.TLSVersion, version)), f"{version} is not spoken")
    for ciphers in ("kRSA", "CBC", "NULL", "RC4:3DES", "ADH:AECDH", "PSK"):
        tap.case(not_spoken(setting, ssl.TLSVersion.TLSv1_2, ciphers + ":@SECLEVEL=0"), f"TLS 1.2 with {ciphers} is not")
    tap.case(renegotiation(setting), "no second handshake in a connection")
    tap.case(early_end(setting), "clients that leave in a handshake")
    tap.case(heads(setting), "heads that the guard refuses")
    half_open(setting, tap, slow)
    if slow:
        tap.case(slow_body(setting), "a body that creeps is told and cut")
    witness.stop.set()
    witness.join()
    tap.case(witness.wrong or not witness.served and "not once",
             f"others were served: {witness.served} times, {witness.slowest * 1000:.0f} ms at most")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--load", type=float, default=0)
    parser.add_argument("--slow", action="store_true")
    args = parser.parse_args()
    setting, tap = Setting(args), Tap()
    with TlsRaw(setting.signer, setting.context()) as raw:
        for bucket in ("/hostile-tls", "/hostile-witness"):
            assert raw.request("PUT", bucket).status in (200, 409)
    if args.load:
        load(setting, args.load, tap)
    else:
        hostile(setting, args.slow, tap)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
