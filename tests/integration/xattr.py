#!/usr/bin/env python3
"""xattr - an object's attribute, through libcairn: to look at it, or to damage what uses it.

    xattr.py LIBCAIRN CONF get POOL NAME OBJECT...   of each object that has it: object, value in hex
    xattr.py LIBCAIRN CONF set POOL NAME OBJECT HEX
    xattr.py LIBCAIRN CONF rm POOL NAME OBJECT
"""
import ctypes
import os
import sys

VALUE_MAX = 65536


def main():
    path, conf, what, pool_name, name, *rest = (os.fsencode(a) for a in sys.argv[1:])
    lib = ctypes.CDLL(path)
    lib.cairn_op_create.restype = ctypes.c_void_p
    lib.cairn_op_data.restype = ctypes.c_size_t
    cluster, pool = ctypes.c_void_p(), ctypes.c_void_p()
    why = ctypes.create_string_buffer(512)
    if lib.cairn_connect(conf, 30000, ctypes.byref(cluster), why, ctypes.c_size_t(len(why))) < 0:
        sys.exit(why.value.decode())
    if lib.cairn_pool_open(cluster, pool_name, ctypes.byref(pool)) < 0:
        sys.exit(f"no pool {pool_name.decode()}")

    def run(target, build):
        op = ctypes.c_void_p(lib.cairn_op_create())
        build(op)
        rc = lib.cairn_run(pool, target, ctypes.c_size_t(len(target)), op)
        value = ctypes.create_string_buffer(VALUE_MAX)
        n = 0
        if rc == 0 and what == b"get":
            n = lib.cairn_op_data(op, 0, ctypes.c_uint64(0), value, ctypes.c_size_t(VALUE_MAX))
        lib.cairn_op_destroy(op)
        return rc, value.raw[:n]

    rc = 0
    if what == b"get":
        for target in rest:
            missing, value = run(target, lambda op: lib.cairn_op_xattr_get(op, name))
            if missing == 0:
                print(target.decode(), value.hex())
    elif what == b"set":
        value = bytes.fromhex(rest[1].decode())
        rc, _ = run(rest[0], lambda op: lib.cairn_op_xattr_set(op, name, value, ctypes.c_size_t(len(value))))
    else:
        rc, _ = run(rest[0], lambda op: lib.cairn_op_xattr_rm(op, name))
    lib.cairn_pool_close(pool)
    lib.cairn_shutdown(cluster)
    sys.exit(f"{what.decode()}: {os.strerror(-rc)}" if rc < 0 else 0)


main()
