#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the built hypervisor to the rooms' order: no object calls a function that is defined in a room below its own in the
table of rooms.py, whatever headers say. Usage: check_calls.py BUILD. Prints TAP."""

import glob
import os
import subprocess
import sys

import rooms

ORDER = list(rooms.MAY_INCLUDE)


def symbols(path):
    """What an object defines, and what it needs."""
    defined, needed = set(), set()
    for line in subprocess.run(["nm", "-g", path], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        *_, kind, name = line.split()
        (needed if kind in "Uw" else defined).add(name)
    return defined, needed


def upward_calls(objects):
    """Lines for a person; `objects` maps ROOM, FILE to what it defines and needs."""
    where = {name: place for place, (defined, _) in objects.items() for name in defined}
    return [f"{room}/{file} uses {name}, which is {'/'.join(where[name])}'s"
            for (room, file), (_, needed) in sorted(objects.items()) for name in sorted(needed)
            if name in where and ORDER.index(where[name][0]) > ORDER.index(room)]


def main():
    folder = os.path.join(sys.argv[1], "hypervisor", "libcassin-engine.a.p")
    objects = {}
    for path in glob.glob(os.path.join(folder, "*.o")):
        room, _, file = os.path.basename(path)[:-2].partition("_")
        if room in ORDER:
            objects[room, file] = symbols(path)
    rooms_seen = {room for room, _ in objects}
    calls = sum(len(needed) for _, needed in objects.values())
    missing = [f"no object of {room}/ in {folder}" for room in ORDER if room not in rooms_seen]
    upward = upward_calls(objects)
    print("1..2")
    for number, (name, found) in enumerate([("every room has objects, with calls in them", missing or ([] if calls else [folder])),
                                            ("no call goes up between the rooms of the hypervisor", upward)], 1):
        for line in found:
            print(f"# {line}")
        print(f"{'not ok' if found else 'ok'} {number} - {name}")
    sys.exit(1 if missing or upward else 0)


if __name__ == "__main__":
    main()
