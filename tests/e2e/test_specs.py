# SPDX-License-Identifier: MIT
"""Specs: what is wrong is refused by name and place."""

import json

from cassin_test import contains, equal, holds, one_line

BAD = [
    ({"colour": "red"}, ["colour", "unknown key"]),
    ({"memory": {}}, ["memory"]),
    ({"memory": 0}, ["memory"]),
    ({"memory": 1}, ["memory"]),
    ({"memory": -4096}, ["memory"]),
    ({"memory": "0"}, ["memory"]),
    ({"memory": "4096T"}, ["memory"]),
    ({"memory": 1 << 60}, ["memory"]),
    ({"memory": 1.5}, ["memory"]),
    ({"memory": "much"}, ["memory"]),
    ({"memory": None}, ["memory"]),
    ({"name": 7}, ["name"]),
    ({"name": ""}, ["name"]),
    ({"name": "../../etc"}, ["name"]),
    ({"name": "x" * 64}, ["name"]),
    ({"domain": "a b"}, ["domain"]),
    ({"args": "one two"}, ["args"]),
    ({"args": ["a", 1]}, ["args[1]"]),
    ({"args": ["x"] * 65}, ["args"]),
    ({"args": ["x" * 4000]}, ["args"]),
    ({"ports": {}}, ["ports"]),
    ({"ports": [7]}, ["ports[0]"]),
    ({"ports": [{"host": "tcp:127.0.0.1:99999", "guest": 80}]}, ["ports[0]"]),
    ({"ports": [{"host": "udp:127.0.0.1:53", "guest": 53}]}, ["ports[0]"]),
    ({"ports": [{"host": "tcp:127.0.0.1:9000", "guest": 0}]}, ["ports[0]", "guest"]),
    ({"ports": [{"host": "tcp:127.0.0.1:9000", "guest": 80, "colour": 1}]}, ["ports[0]", "colour"]),
    ({"ports": [{"host": "tcp:127.0.0.1:9000", "guest": 80}, {"host": "tcp:127.0.0.1:9001", "guest": 80}]}, ["ports"]),
    ({"connect": [{"name": "db"}]}, ["connect[0]"]),
    ({"connect": [{"name": "db", "target": "nowhere"}]}, ["connect[0]"]),
    ({"streams": 0}, ["streams"]),
    ({"streams": 1 << 40}, ["streams"]),
    ({"streams": "ten"}, ["streams"]),
    ({"isolation": "none"}, ["isolation"]),
    ({"isolation": True}, ["isolation"]),
    ({"restart": "sometimes"}, ["restart"]),
    ({"restart_max": -1}, ["restart_max"]),
    ({"image": 7}, ["image"]),
    ({"files": {}}, ["files"]),
    ({"files": [7]}, ["files[0]"]),
    ({"files": [{"path": "/a"}]}, ["files[0].name", "missing"]),
    ({"files": [{"name": "a"}]}, ["files[0]", "path", "text"]),
    ({"files": [{"name": "a", "path": "/a", "text": "b"}]}, ["files[0]", "path", "text"]),
    ({"files": [{"name": "a", "text": "b", "mode": 1}]}, ["files[0]", "mode"]),
    ({"files": [{"name": "../a", "text": "b"}]}, ["files[0].name"]),
    ({"files": [{"name": "a//b", "text": "b"}]}, ["files[0].name"]),
    ({"files": [{"name": "a", "text": "b"}, {"name": "a", "text": "c"}]}, ["files[1].name", "files[0]"]),
    ({"files": [{"name": "a", "text": 7}]}, ["files[0].text"]),
    ({"files": [{"name": f"n{i}", "text": ""} for i in range(65)]}, ["files", "64"]),
]


def spec(t, **more):
    return {"name": "g", "image": t.guest("hello"), **more}


def test_bad_specs_are_refused_by_the_key_in_one_line(t):
    for more, parts in BAD:
        t.write("bad.json", json.dumps(spec(t, **more), indent=1))
        result = t.cassin("run", "--spec", "bad.json", code=125)
        one_line(result.err, "bad.json", *parts)


def test_the_daemon_refuses_the_same_specs_with_400(t):
    daemon = t.daemon()
    for more, parts in BAD:
        answer = daemon.request("POST", "/v1/guests", spec(t, **more))
        holds(answer.status == 400, f"{more}: status {answer.status}: {answer.text}")
        contains(answer.json()["error"], *parts)
    equal(daemon.guests(), [], "guests")


def test_what_is_no_json_is_refused_with_its_line(t):
    t.write("bad.json", '{\n "name": "g",\n "memory": \n}')
    one_line(t.cassin("run", "--spec", "bad.json", code=125).err, "bad.json:4")
    t.write("twice.json", '{"name": "g",\n "name": "h"}')
    one_line(t.cassin("run", "--spec", "twice.json", code=125).err, "twice.json", "name")
    for text in ("", "[]", "7", '"x"', "null", "{", '{"name": "g"} trailing', "\xff\xfe", "[" * 5000):
        t.write("odd.json", text.encode("latin-1"))
        one_line(t.cassin("run", "--spec", "odd.json", code=125).err, "odd.json")


def test_a_spec_without_an_image_is_refused(t):
    t.write("noimage.json", '{"name": "g"}')
    one_line(t.cassin("run", "--spec", "noimage.json", code=125).err, "image")
    contains(t.daemon().request("POST", "/v1/guests", {"name": "g"}, status=400).json()["error"], "image")


def test_a_spec_that_is_not_there_or_a_folder_or_endless(t):
    one_line(t.cassin("run", "--spec", "absent.json", code=125).err, "absent.json", "No such file")
    one_line(t.cassin("run", "--spec", t.folder, code=125).err, "not a regular file, but a folder")
    one_line(t.cassin("run", "--spec", "/dev/zero", code=125).err, "/dev/zero", "1 MiB")


def test_a_duplicate_name_is_refused_with_409(t):
    daemon = t.daemon()
    sleeper = {"name": "twin", "image": t.guest("life"), "args": ["sleep"]}
    daemon.request("POST", "/v1/guests", sleeper, status=201)
    contains(daemon.request("POST", "/v1/guests", sleeper, status=409).json()["error"], "twin")
    result = daemon.cassin("spawn", "--name", "twin", t.guest("hello"), code=1)
    contains(result.err, "twin", "exists")
    # Ended is not removed: the name stays taken until then.
    daemon.request("POST", "/v1/guests/twin/kill", status=200)
    daemon.request("POST", "/v1/guests", sleeper, status=409)
    daemon.request("DELETE", "/v1/guests/twin", status=200)
    daemon.request("POST", "/v1/guests", sleeper, status=201)


def test_a_port_in_use_is_refused_with_409_and_nothing_is_left(t):
    daemon = t.daemon()
    first = t.ports(2)
    ports = [{"host": f"tcp:127.0.0.1:{first}", "guest": 80}]
    daemon.request("POST", "/v1/guests", {"name": "a", "image": t.guest("http"), "ports": ports}, status=201)
    both = [{"host": f"tcp:127.0.0.1:{first + 1}", "guest": 81}] + ports
    answer = daemon.request("POST", "/v1/guests", {"name": "b", "image": t.guest("http"), "ports": both}, status=409)
    contains(answer.json()["error"], str(first), "in use")
    equal([g["name"] for g in daemon.guests()], ["a"], "guests")
    # The port that was free has been given back.
    again = [{"host": f"tcp:127.0.0.1:{first + 1}", "guest": 80}]
    daemon.request("POST", "/v1/guests", {"name": "b", "image": t.guest("http"), "ports": again}, status=201)


def test_an_address_that_is_not_the_hosts_is_refused(t):
    port = t.ports()
    answer = t.daemon().request("POST", "/v1/guests", spec(t, ports=[{"host": f"tcp:192.0.2.1:{port}", "guest": 80}]))
    equal(answer.status, 422, "status")
    contains(answer.json()["error"], "192.0.2.1")


def test_more_memory_than_the_pool_is_refused_or_harmless(t):
    daemon = t.daemon("--pool", "64M")
    daemon.request("POST", "/v1/guests", spec(t, memory="32G"))
    daemon.request("POST", "/v1/guests", {"name": "small", "image": t.guest("hello")}, status=201)
    equal(daemon.await_state("small", "exited")["exit_code"], 0, "exit code")


def test_memory_that_does_not_hold_the_image_is_refused(t):
    one_line(t.cassin("run", "--memory", "64K", t.guest("hello"), code=125).err, "hello", "memory", "64 KiB")
    answer = t.daemon().request("POST", "/v1/guests", spec(t, memory="64K"), status=422)
    contains(answer.json()["error"], "memory", "64 KiB")


def test_a_spec_goes_through_the_daemon_and_back(t):
    daemon = t.daemon()
    port = t.ports()
    whole = {"name": "full", "image": t.guest("life"), "domain": "d1", "memory": "2M", "args": ["sleep", "äöü \"x\""],
             "ports": [{"host": f"tcp:127.0.0.1:{port}", "guest": 80}], "streams": 10, "isolation": "vm",
             "connect": [{"name": "db", "target": "unix:/tmp/db.sock"}], "restart": "on-failure", "restart_max": 3}
    daemon.request("POST", "/v1/guests", whole, status=201)
    got = daemon.guest("full")["spec"]
    for key, value in whole.items():
        equal(got[key], (2 << 20) if key == "memory" and got[key] != "2M" else value, key)
    daemon.request("DELETE", "/v1/guests/full", status=200)
    daemon.request("POST", "/v1/guests", got, status=201)
