# SPDX-License-Identifier: MIT
"""The daemon's answers are as docs/openapi.json describes them."""

import json
import os

from cassin_test import equal, holds

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TYPES = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}


def document():
    with open(os.path.join(ROOT, "docs", "openapi.json"), encoding="utf-8") as file:
        return json.load(file)


def is_of(value, kind):
    return isinstance(value, int) and not isinstance(value, bool) if kind == "integer" else isinstance(value, TYPES[kind])


def check(value, schema, doc, place):
    """The part of JSON Schema that the document uses."""
    if "$ref" in schema:
        schema = doc["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    holds(any(is_of(value, kind) for kind in kinds), f"{place} is {' or '.join(kinds)}: {value!r}")
    holds(value in schema.get("enum", [value]), f"{place}: {value!r} is one of those that may be")
    if isinstance(value, list):
        for i, item in enumerate(value):
            check(item, schema["items"], doc, f"{place}[{i}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        missing = [key for key in schema.get("required", []) if key not in value]
        equal(missing, [], f"keys that {place} lacks")
        for key, item in value.items():
            holds(key in properties or schema.get("additionalProperties", True), f"{place}.{key} is described")
            if key in properties:
                check(item, properties[key], doc, f"{place}.{key}")


def answered(daemon, doc, method, path, target=None, body=None, code=None):
    """Makes a request and holds its answer to the description of its path. The answer, or its last line."""
    operation = doc["paths"][path][method.lower()]
    expected = code or next(iter(operation["responses"]))
    answer = daemon.request(method, target or path, body)
    described = operation["responses"].get(expected) or operation["responses"]["default"]
    equal(str(answer.status), expected, f"{method} {path}: status")
    (kind, content), = described["content"].items()
    if kind == "text/plain":
        return answer.text
    lines = answer.text.splitlines() if kind == "application/x-ndjson" else [answer.text]
    for line in lines:
        check(json.loads(line), content["schema"], doc, f"{method} {path}")
    return json.loads(lines[-1])


def test_answers_are_as_described(t):
    daemon, doc = t.daemon(), document()
    spec = {"name": "web", "image": t.guest("http"), "memory": "4M", "ports": [{"host": f"tcp:127.0.0.1:{t.ports()}", "guest": 80}]}
    answered(daemon, doc, "POST", "/v1/guests", body=spec)
    answered(daemon, doc, "POST", "/v1/guests", body=spec, code="409")
    answered(daemon, doc, "GET", "/v1/guests")
    answered(daemon, doc, "GET", "/v1/guests/{name}", "/v1/guests/web")
    answered(daemon, doc, "GET", "/v1/guests/{name}", "/v1/guests/nobody", code="404")
    answered(daemon, doc, "POST", "/v1/guests/{name}/restart", "/v1/guests/web/restart")
    answered(daemon, doc, "GET", "/v1/guests/{name}/log", "/v1/guests/web/log")
    answered(daemon, doc, "GET", "/v1/guests/{name}/report", "/v1/guests/web/report", code="404")
    answered(daemon, doc, "POST", "/v1/guests/{name}/stop", "/v1/guests/web/stop?grace_ms=0")
    answered(daemon, doc, "POST", "/v1/guests/{name}/kill", "/v1/guests/web/kill")
    answered(daemon, doc, "DELETE", "/v1/guests/{name}", "/v1/guests/web")
    answered(daemon, doc, "POST", "/v1/templates", body={"name": "web", "image": t.guest("http")})
    answered(daemon, doc, "GET", "/v1/templates")
    done = answered(daemon, doc, "POST", "/v1/spawn", body={"spec": {"template": "web"}, "name_prefix": "clone", "count": 3})
    equal(done["event"], "done", "the last line's event")
    daemon.cassin("spawn", "--name", "crash", t.guest("life"), "crash")
    daemon.await_state("crash", "crashed")
    answered(daemon, doc, "GET", "/v1/guests/{name}", "/v1/guests/crash")
    answered(daemon, doc, "GET", "/v1/guests/{name}/report", "/v1/guests/crash/report")
    answered(daemon, doc, "DELETE", "/v1/templates/{name}", "/v1/templates/web")
    answered(daemon, doc, "GET", "/v1/stats")
    answered(daemon, doc, "GET", "/v1/version")
    answered(daemon, doc, "GET", "/metrics", "/metrics?per_guest=1")


def test_a_trace_is_as_described(t):
    daemon, doc = t.daemon(), document()
    spec = {"name": "h", "image": t.guest("hog"), "args": ["yield"], "restart": "no"}
    answered(daemon, doc, "POST", "/v1/guests", body=spec)
    with daemon.connect() as connection:
        connection.sendall(b"GET /v1/guests/h/trace HTTP/1.0\r\nHost: c\r\n\r\n")
        file = connection.makefile("rb")
        while file.readline().strip():
            pass
        schema = doc["paths"]["/v1/guests/{name}/trace"]["get"]["responses"]["200"]["content"]["application/x-ndjson"]["schema"]
        for _ in range(10):
            check(json.loads(file.readline()), schema, doc, "trace")
