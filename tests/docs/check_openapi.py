#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/openapi.json against the daemon's table of routes and docs/api.md: the same paths and methods, nothing referred to that is
not there. Prints TAP."""

import json
import os
import re
import sys

from results import report

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def routes():
    """Of routes.c: METHOD /path, with {} for any segment."""
    table = re.findall(r"\{HTTP_(\w+), \{([^}]*)\}, \w+", read("tools", "cassind", "routes.c"))
    return {f"{method} /" + "/".join("{}" if part == "*" else part for part in re.findall(r'"([^"]*)"', path)) for method, path in table}


def described(document):
    return {f"{method.upper()} " + re.sub(r"\{\w+\}", "{}", path) for path, methods in document["paths"].items() for method in methods}


def in_prose():
    lines = re.findall(r"^\| `((?:GET|POST|DELETE) \S+)` \|", read("docs", "api.md"), re.MULTILINE)
    return {re.sub(r"/NAME\b", "/{}", line) for line in lines if "?" not in line}


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "$ref" else references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def difference(a, b, what_a, what_b):
    return [f"in {what_a} only: {one}" for one in sorted(a - b)] + [f"in {what_b} only: {one}" for one in sorted(b - a)]


def main():
    document = json.loads(read("docs", "openapi.json"))
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    results = [
        ("docs/openapi.json has the routes of the daemon", difference(described(document), routes(), "openapi.json", "routes.c")
         or ([] if routes() else ["no routes found"])),
        ("docs/api.md has them, too", difference(in_prose(), routes(), "api.md", "routes.c")),
        ("its references lead to schemas, and every schema is used",
         difference(set(references(document)), schemas, "references", "schemas")),
        ("every operation has a name of its own and an answer for errors",
         [name for name in names if names.count(name) > 1] + [o["operationId"] for o in operations if "default" not in o["responses"]]),
    ]
    return report(results)


if __name__ == "__main__":
    sys.exit(main())
