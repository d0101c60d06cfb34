#!/usr/bin/env python3
"""rot - flips bits in a file, as a disk that rots would.

    rot.py text FILE TEXT       one bit in each place where TEXT stands; prints how many places
    rot.py spread FILE N        one bit at each of N places, evenly over what the file holds
    rot.py at FILE OFFSET       one bit there

Past the page cache, as a disk would: whoever writes the file meanwhile past it too sees no error, and
whoever reads it sees the flip.
"""
import mmap
import os
import sys

BLOCK = 4096
CHUNK = 8 << 20


def extents(fd):
    """The parts of a sparse file that hold data."""
    end, at = os.fstat(fd).st_size, 0
    while at < end:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, at


def flip(fd, direct, size, offset):
    start = offset - offset % BLOCK
    if start + BLOCK > size:  # the end of a file is reached through the cache only
        byte = os.pread(fd, 1, offset)[0]
        os.pwrite(fd, bytes([byte ^ 0x10]), offset)
        return
    block = mmap.mmap(-1, BLOCK)
    os.preadv(direct, [block], start)
    block[offset - start] ^= 0x10
    os.pwritev(direct, [block], start)


def places_of(fd, text):
    for start, end in extents(fd):
        at = start
        while at < end:
            chunk = os.pread(fd, min(CHUNK, end - at) + len(text) - 1, at)
            found = chunk.find(text)
            while found >= 0:
                yield at + found
                found = chunk.find(text, found + 1)
            at += CHUNK


def main():
    what, path, value = sys.argv[1:4]
    fd = os.open(path, os.O_RDWR)
    if what == "text":
        places = sorted(set(places_of(fd, value.encode())))
    elif what == "at":
        places = [int(value)]
    else:
        size = sum(end - start for start, end in extents(fd))
        wanted = [size * (2 * i + 1) // (2 * int(value)) for i in range(int(value))]
        places, before = [], 0
        for start, end in extents(fd):
            places += [start + w - before for w in wanted if before <= w < before + end - start]
            before += end - start
    direct = os.open(path, os.O_RDWR | os.O_DIRECT)
    size = os.fstat(fd).st_size
    for place in places:
        flip(fd, direct, size, place)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    print(len(places))


main()
