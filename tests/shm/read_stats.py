"""Reads a stats file with nothing but its description (struct, mmap) while
its writers are being killed: no torn value, no counter that falls, and a new
file is noticed.

    read_stats.py STATS_VICTIM DIRECTORY
"""
import mmap
import os
import struct
import subprocess
import sys
import time


class Stats:
    """One open file; the offsets are those of shm/stats.h."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.inode = os.fstat(f.fileno()).st_ino
            self.map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        m = self.map
        assert m[0:8] == b"ROOSTST1", m[0:8]
        order, major = struct.unpack_from("<IH", m, 8)
        assert order == 0x01020304 and major == 1
        assert self.state() != 0, "a file that is not finished is not here"
        self.header_size, self.desc_stride, self.size = \
            struct.unpack_from("<IIQ", m, 16)
        assert self.size == len(m)
        self.start_id = bytes(m[32:48])
        (self.max_desc, self.desc_off, self.str_off, self.str_size,
         self.slot_off, self.nslots, self.slot_stride, self.col_off,
         self.col_stride, self.ncells, self.master) = \
            struct.unpack_from("<IQQQQIIQQII", m, 76)

    def state(self):
        return struct.unpack_from("<I", self.map, 56)[0]

    def heartbeat(self):
        return struct.unpack_from("<Q", self.map, 64)[0]

    def string(self, off):
        at = self.str_off + off
        return self.map[at:self.map.find(b"\0", at)].decode()

    def cell(self, slot, cell):
        at = self.col_off + slot * self.col_stride + 8 * cell
        # one aligned load of 8 bytes, as the writer's store was
        return memoryview(self.map)[at:at + 8].cast("Q")[0]

    def metrics(self):
        ndesc = struct.unpack_from("<I", self.map, 72)[0]
        assert ndesc <= self.max_desc
        out = {}
        for i in range(ndesc):
            name, _help, labels, kind, agg, _unit, _sub, cell, n = \
                struct.unpack_from("<IIIBBBBII", self.map,
                                   self.desc_off + i * self.desc_stride)
            if kind not in (1, 2, 3):
                continue
            assert cell + n <= self.ncells
            out[self.string(name), self.string(labels)] = (kind, agg, cell, n)
        return out

    def total(self, metric):
        _kind, agg, cell, _n = metric
        if agg == 3:
            return self.cell(self.master, cell)
        return sum(self.cell(s, cell) for s in range(self.nslots))


def wait_for(path, old_inode):
    for _ in range(2000):
        try:
            if os.stat(path).st_ino != old_inode:
                return
        except FileNotFoundError:
            pass
        time.sleep(0.005)
    raise SystemExit("no stats file appeared")


def watch(stats):
    """Until the writer ends.  Returns how often it looked."""
    metrics = stats.metrics()
    while ("ns_events_in", 'ns="chat"') not in metrics:
        time.sleep(0.001)  # named in the next writing
        metrics = stats.metrics()
    counters = {k: v for k, v in metrics.items() if v[0] == 1}
    rtt = metrics["rtt_us", ""]
    last = dict.fromkeys(counters, 0)
    looks = counted = beat = 0
    while stats.state() == 1:
        for key, metric in counters.items():
            now = stats.total(metric)
            assert now >= last[key], (key, last[key], now)
            last[key] = now
        assert stats.total(metrics["bytes_in", ""]) % 1000 == 0, "torn"
        rooms = stats.total(metrics["rooms", ""])
        assert 0 <= rooms < 3 * 1010, rooms
        buckets = sum(stats.cell(s, rtt[2] + i) for i in range(rtt[3] - 1)
                      for s in range(stats.nslots))
        assert buckets >= counted, (counted, buckets)
        counted = buckets
        assert stats.heartbeat() >= beat
        beat = stats.heartbeat()
        looks += 1
    assert last["messages_in", ""] > 0
    assert last["ns_events_in", 'ns="chat"'] > 0
    return looks


def main():
    victim, directory = sys.argv[1:3]
    path = os.path.join(directory, "stats")
    inode, start_ids, looks = None, set(), 0
    for _ in range(2):
        with subprocess.Popen([victim, path, "700"]) as p:
            wait_for(path, inode)
            stats = Stats(path)
            inode = stats.inode
            start_ids.add(stats.start_id)
            looks += watch(stats)
            assert p.wait(10) == 0
        assert stats.state() == 2
    assert len(start_ids) == 2, "a new file has a new id"
    print(f"{looks} looks, {len(stats.metrics())} metrics")
    assert os.listdir(directory) == ["stats"]


main()
