# SPDX-License-Identifier: MIT
"""The rooms of hypervisor/, and who may include whom. A room includes only rooms above it in this table, and of those only the
ones named: a new edge is a decision, and is made here."""

import os
import re

MAY_INCLUDE = {
    "base": "",
    "sandbox": "",
    "spec": "base",
    "image": "base",
    "cell": "base image",
    "kvm": "base cell",
    "process": "base cell",
    "memory": "base image cell",
    "worker": "base cell",
    "guest": "base spec image cell memory worker",
    "device": "base spec worker guest",
    "run": "base image cell memory guest device",
    "engine": "base image cell kvm process worker guest device run",
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


# The folders of tools/, and which other folders the C files of each may include.
TOOLS = {"common": "", "density": "common", "cassin": "common", "cassind": "common"}


def tools_broken(files):
    found = []
    for file in files:
        parts = file.path.split("/")
        if parts[0] != "tools" or not file.is_c or len(parts) < 3 or parts[1] not in TOOLS or parts[2] == "guests":
            continue
        for number, line in enumerate(file.lines, 1):
            match = INCLUDE.match(line)
            path = match and os.path.normpath(os.path.join(os.path.dirname(file.path), match[1])).split("/")
            if match and (path[0] != "tools" or path[1] not in (parts[1], *TOOLS[parts[1]].split())):
                found.append(f"{file.path}:{number}: tools/{parts[1]}/ may not include {match[1]}")
    return found


def not_in_a_table(files):
    """C files of tools/ that no table of docs/architecture.md names; and names of tables that are no files."""
    page = next(f for f in files if f.path == "docs/architecture.md")
    sections = re.findall(r"^\| in `tools/(\w+)/` \|[^\n]*\n((?:\|.*\n)*)", page.text, re.MULTILINE)
    found = [] if {name for name, _ in sections} == set(TOOLS) else ["docs/architecture.md: no table for each folder of tools/"]
    for folder, rows in sections:
        named = set(re.findall(r"`(\w+\.[ch])`", rows))
        paths = [f.path for f in files if f.is_c and f.path.startswith(f"tools/{folder}/") and "/guests/" not in f.path]
        present = {os.path.basename(path) for path in paths}
        implied = {name[:-2] + ".h" for name in named if name.endswith(".c")}
        found += [f"docs/architecture.md: no row has {path}" for path in paths if os.path.basename(path) not in named | implied]
        found += [f"docs/architecture.md: tools/{folder}/ has no {name}" for name in sorted(named - present)]
    return found


def broken(files):
    return wrong_edges(files) + wrong_order() + unused_edges(files)
