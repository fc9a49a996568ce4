# SPDX-License-Identifier: MIT
"""The rooms of hypervisor/, and who may include whom. A room includes only rooms above it in this table, and of those only the
ones named: a new edge is a decision, and is made here."""

import re

MAY_INCLUDE = {
    "base": "",
    "sandbox": "",
    "spec": "base",
    "image": "base",
    "cell": "base image",
    "kvm": "base cell",
    "memory": "base image cell",
    "worker": "base cell",
    "guest": "base spec image cell memory worker",
    "device": "base spec guest",
    "run": "base image cell memory guest device",
    "engine": "base image cell kvm worker guest device run",
}
INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]*)"')
PUBLIC = re.compile(r"hypervisor/include/cassin/\w+\.h")


def wrong_edges(files):
    """Lines of hypervisor/ that include what their room may not know, or by another path than ROOM/NAME.h."""
    found = []
    for file in files:
        parts = file.path.split("/")
        if parts[0] != "hypervisor" or not file.is_c or PUBLIC.fullmatch(file.path):
            continue
        room = parts[1]
        if len(parts) != 3 or room not in MAY_INCLUDE:
            found.append(f"{file.path}: in no room; the rooms are {' '.join(MAY_INCLUDE)}")
            continue
        allowed = {room, *MAY_INCLUDE[room].split()}
        for number, line in enumerate(file.lines, 1):
            match = INCLUDE.match(line)
            other = match and match[1].split("/")[0]
            if match and (match[1].count("/") != 1 or other not in allowed):
                found.append(f"{file.path}:{number}: {room}/ may not include {match[1]}")
    return found


def wrong_order():
    """Rooms of the table that name one which is not above them: then there could be a circle."""
    found, above = [], set()
    for room, others in MAY_INCLUDE.items():
        found += [f"tests/lint/rooms.py: {room} names {other}, which is not above it" for other in others.split() if other not in above]
        above.add(room)
    return found


def unused_edges(files):
    """Edges of the table that no file uses any more."""
    used = set()
    for file in files:
        parts = file.path.split("/")
        if parts[0] == "hypervisor" and len(parts) == 3:
            used |= {(parts[1], match[1].split("/")[0]) for match in map(INCLUDE.match, file.lines) if match}
    return [f"tests/lint/rooms.py: {room} does not include {other} any more" for room, others in MAY_INCLUDE.items()
            for other in others.split() if (room, other) not in used]


def broken(files):
    return wrong_edges(files) + wrong_order() + unused_edges(files)
