#!/usr/bin/env python3
"""crush_x PG - the number that CRUSH maps for a PG such as 3.1f: Ceph's rjenkins1 hash of its seed and pool."""
import sys


def mix(a, b, c):
    m = 0xffffffff
    for left, right, last in ((13, 8, 13), (12, 16, 5), (3, 10, 15)):
        a = (a - b - c) & m ^ (c >> left)
        b = (b - c - a) & m ^ (a << right) & m
        c = (c - a - b) & m ^ (b >> last)
    return a, b, c


def hash32_2(a, b):
    h = 1315423911 ^ a ^ b
    x, y = 231232, 1232
    a, b, h = mix(a, b, h)
    x, a, h = mix(x, a, h)
    b, y, h = mix(b, y, h)
    return h


pool, seed = sys.argv[1].split(".")
print(hash32_2(int(seed, 16), int(pool)))
