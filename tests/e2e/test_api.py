# SPDX-License-Identifier: MIT
"""The daemon's HTTP interface: what it answers, and what it refuses and survives."""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import resource
import select
import socket
import time

from cassin_test import SLOW, Failed, contains, equal, holds, parse_answer, receive, unchunk, wait_until


def curl(t, daemon, *args, **how):
    return t.run(["curl", "-sS", "--max-time", "20", "--unix-socket", daemon.socket, *args], **how)


def alive(daemon):
    holds(daemon.alive(), "the daemon is alive")
    equal(daemon.request("GET", "/v1/version").status, 200, "status of a good request")


def refused(daemon, data, status):
    """Raw bytes are answered with the status, a JSON error, and the end of the connection."""
    answer = parse_answer(daemon.raw(data))
    equal(answer.status, status, f"status for {data[:60]!r}")
    holds(answer.json()["error"], "an error's text")
    return answer


def test_curl_can_do_all_of_it(t):
    daemon = t.daemon()
    spec = json.dumps({"name": "web", "image": t.guest("http"), "memory": "4M"})
    created = curl(t, daemon, "-w", "%{http_code}", "-d", spec, "http://cassin/v1/guests", code=0).out
    holds(created.endswith("201"), f"status 201: {created}")
    equal(curl(t, daemon, "http://cassin/v1/guests/web", code=0).json()["name"], "web", "name")
    equal(curl(t, daemon, "http://cassin/v1/guests?match=w*", code=0).json()["guests"][0]["name"], "web", "list")
    equal(curl(t, daemon, "http://cassin/v1/guests?match=x*", code=0).json()["guests"], [], "list")
    equal(curl(t, daemon, "http://cassin/v1/guests/web/log", code=0).code, 0, "log")
    for verb in ("stop", "restart", "kill"):
        equal(curl(t, daemon, "-X", "POST", f"http://cassin/v1/guests/web/{verb}", code=0).json()["name"], "web", verb)
    holds("id" in curl(t, daemon, "-X", "DELETE", "http://cassin/v1/guests/web", code=0).json(), "an id")
    contains(curl(t, daemon, "http://cassin/v1/guests/web", code=0).json()["error"], "web")


def test_spawn_tells_how_it_goes_line_by_line(t):
    daemon = t.daemon()
    request = {"name_prefix": "g", "count": 5, "spec": {"image": t.guest("life"), "args": ["sleep"]}}
    lines = [json.loads(line) for line in daemon.request("POST", "/v1/spawn", request, status=200).text.splitlines()]
    equal({line["event"] for line in lines[:-1]}, {"progress"}, "events before the last")
    last = lines[-1]
    equal((last["event"], last["count"], last["running"], last["failed"], last["rolled_back"]), ("done", 5, 5, [], False),
          "the last line")
    holds(0 < last["spawn_ns"] <= last["elapsed_ns"], "times")


def test_spawn_refuses_bad_requests(t):
    daemon = t.daemon()
    good = {"name_prefix": "g", "count": 2, "spec": {"image": t.guest("hello")}}
    for more, part in (({"count": 0}, "count"), ({"count": 100001}, "count"), ({"count": "2"}, "count"),
                       ({"count": 1e10}, "count"), ({"colour": 1}, "colour"), ({"spec": 7}, "spec"), ({"spec": {}}, "image"),
                       ({"spec": {"image": "hello.elf"}}, "absolute"), ({"spec": {"image": "/x", "colour": 1}}, "colour"),
                       ({"name_prefix": "a b"}, "name_prefix"), ({"name_prefix": "x" * 62}, "name_prefix"),
                       ({"atomic": "yes"}, "atomic"), ({"wait_ms": -1}, "wait_ms"), ({"port_base": {}}, "port_base"),
                       ({"port_base": [{"host": "tcp:127.0.0.1:65535", "guest": 80}]}, "65535"),
                       ({"port_base": [{"host": "unix:/x", "guest": 80}]}, "port_base"),
                       ({"port_base": [{"host": "tcp:127.0.0.1:9000", "guest": 0}]}, "port_base")):
        contains(daemon.request("POST", "/v1/spawn", {**good, **more}, status=400).json()["error"], part)
    equal(daemon.guests(), [], "guests")


def test_metrics_are_in_the_text_format_of_prometheus(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 3, t.guest("life"), "sleep", code=0)
    answer = daemon.request("GET", "/metrics", status=200)
    contains(answer.headers["content-type"], "text/plain", "version=0.0.4")
    typed = set()
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("# HELP "):
            matched = re.fullmatch(r"([a-z_]+)(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? \d+", line)
            holds(matched, f"a sample: {line}")
            holds(matched.group(1) in typed, f"a type before {line}")
    contains(answer.text, "\ncassin_running 3\n", "\ncassin_spawns_total 3\n", "cassin_build_info{version=")
    per_guest = daemon.request("GET", "/metrics?per_guest=1", status=200).text
    contains(per_guest, 'cassin_guest_hypercalls_total{guest="life-2",domain="default"} ')
    equal(daemon.request("GET", "/metrics?per_guest=2").status, 400, "status")


def test_what_is_not_there_is_404_and_what_is_not_done_405(t):
    daemon = t.daemon()
    for target in ("/", "/v1", "/v2/guests", "/v1/guests/", "/v1/guests/nobody", "/v1/guests/nobody/log", "/v1/nothing",
                   "/v1/guests/a/b/c/d/e", "/v1//guests", "/v1/guests/%zz", "/v1/guests/%00", "/../etc/passwd", "*", "/%2e%2e"):
        equal(daemon.request("GET", target).status, 404, target)
    for method, target, allowed in (("DELETE", "/v1/guests", "GET"), ("PUT", "/v1/guests/x", "DELETE"),
                                    ("GET", "/v1/spawn", "POST"), ("POST", "/metrics", "GET")):
        answer = daemon.request(method, target, status=405)
        contains(answer.headers["allow"], allowed)


def test_bad_parameters_are_400(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "g", t.guest("life"), "sleep", code=0)
    for target in ("log?offset=x", "log?offset=-1", "log?follow=2", "log?offset=99999999999999999999"):
        equal(daemon.request("GET", f"/v1/guests/g/{target}").status, 400, target)
    for target in ("stop?grace_ms=x", "stop?grace_ms=3600001"):
        equal(daemon.request("POST", f"/v1/guests/g/{target}").status, 400, target)


def test_the_log_can_be_read_on_from_an_offset(t):
    daemon = t.daemon()
    path = t.compile("abc", 'int main(void) { cassin_print("abcdefgh"); return 0; }')
    daemon.cassin("spawn", path, code=0)
    answer = daemon.request("GET", "/v1/guests/abc/log?offset=3", status=200)
    equal((answer.text, answer.headers["cassin-log-next"], answer.headers["cassin-log-lost"]), ("defgh", "8", "0"), "log")
    answer = daemon.request("GET", "/v1/guests/abc/log?offset=1000", status=200)
    equal(answer.text, "", "log")


def test_head_is_get_without_a_body(t):
    daemon = t.daemon()
    data = daemon.raw(b"HEAD /v1/version HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    contains(head.decode(), "200", "Content-Length: ")
    equal(body, b"", "body")


def test_keep_alive_and_pipelining(t):
    daemon = t.daemon()
    one = b"GET /v1/version HTTP/1.1\r\nHost: c\r\n\r\n"
    last = b"GET /v1/stats HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n"
    data = daemon.raw(one * 50 + last)
    equal(data.count(b"HTTP/1.1 200 OK"), 51, "answers")
    holds(data.rfind(b'"workers"') > data.rfind(b'"cassind"'), "in order")


def test_expect_100_continue(t):
    daemon = t.daemon()
    body = json.dumps({"name": "g", "image": t.guest("hello")}).encode()
    with daemon.connect() as connection:
        connection.sendall(b"POST /v1/guests HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nConnection: close\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body))
        contains(connection.recv(100).decode(), "100 Continue")
        connection.sendall(body)
        contains(receive(connection).decode(), "201 Created")


def test_chunked_requests_are_understood(t):
    daemon = t.daemon()
    body = json.dumps({"name": "g", "image": t.guest("hello")}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body))) + b"0\r\n\r\n"
    head = b"POST /v1/guests HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    contains(daemon.raw(head + chunks).decode(), "201 Created")


def test_http_1_0_clients_get_unchunked_answers(t):
    daemon = t.daemon()
    request = json.dumps({"name_prefix": "g", "spec": {"image": t.guest("hello")}}).encode()
    with daemon.connect() as connection:
        connection.sendall(b"POST /v1/spawn HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(request) + request)
        data = receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    holds(b"chunked" not in head.lower(), "no chunks")
    equal(json.loads(body.splitlines()[-1])["event"], "done", "the last line")


def test_malformed_requests_are_400(t):
    daemon = t.daemon()
    for data in (b"\0\0\0\0\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET /v1/version HTTP/9.9\r\n\r\n",
                 b"GET /v1/version HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
                 b"POST /v1/guests HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"POST /v1/guests HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                 b"POST /v1/guests HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                 b"POST /v1/guests HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                 b"GET /\x01\x02 HTTP/1.1\r\n\r\n"):
        refused(daemon, data, 400)
    alive(daemon)


def test_bodies_that_are_no_spec_are_400(t):
    daemon = t.daemon()
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"{}" * 3, b"[" * 100000, b'{"name": "\\ud800", "image": "/x"}',
                 b'{"name":"a","image":"/x\\u0000y"}', b'{"name":"a","name":"b"}', b'"' + b"x" * 500000 + b'"'):
        for target in ("/v1/guests", "/v1/spawn"):
            answer = daemon.request("POST", target, body)
            equal(answer.status, 400, f"{target} {body[:20]!r}: {answer.text[:200]}")
            holds(answer.json()["error"], "an error's text")
    alive(daemon)


def test_oversized_requests_have_their_own_answers(t):
    daemon = t.daemon()
    refused(daemon, b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: c\r\n\r\n", 414)
    refused(daemon, b"GET /v1/version HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 431)
    refused(daemon, b"GET /v1/version HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 431)
    refused(daemon, b"POST /v1/guests HTTP/1.1\r\nHost: c\r\nContent-Length: 1048577\r\n\r\n" + b" " * 1048577, 413)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    refused(daemon, b"POST /v1/guests HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 17 + b"0\r\n\r\n", 413)
    # Exactly the limit is read, and found to be no JSON.
    equal(daemon.request("POST", "/v1/guests", b" " * 1048576).status, 400, "status of the largest body")
    alive(daemon)


def test_curl_can_read_the_refusal_of_an_oversized_upload(t):
    daemon = t.daemon()
    t.write("big", b"x" * (20 << 20))
    for more in ([], ["-H", "Expect:"]):
        result = curl(t, daemon, *more, "-o", "answer", "-w", "%{http_code}", "--data-binary", "@big", "http://cassin/v1/guests")
        equal(result.out, "413", "status")
    alive(daemon)


def test_a_slow_request_is_ended_and_others_are_served_meanwhile(t):
    daemon = t.daemon()
    began = time.monotonic()
    slow = []
    for start in (b"GET /", b"GET /v1/version HTTP/1.1\r\nX-A: b\r\n", b"POST /v1/guests HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
        connection = daemon.connect(30)
        connection.sendall(start)
        slow.append(connection)
    answered = []
    while len(answered) < len(slow):
        alive(daemon)
        holds(time.monotonic() - began < 60 * SLOW, f"{len(slow) - len(answered)} slow requests are not ended")
        answered += [c for c in select.select([c for c in slow if c not in answered], [], [], 0.5)[0]]
        for connection in slow:
            if connection not in answered:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(b"a")
    for connection in slow:
        equal(parse_answer(receive(connection)).status, 408, "status")
        connection.close()
    holds(time.monotonic() - began > 9, "not before 10 s")
    alive(daemon)


def test_clients_that_say_nothing_or_leave_early_are_survived(t):
    daemon = t.daemon()
    silent = [daemon.connect() for _ in range(200)]
    for i in range(100):
        connection = daemon.connect()
        connection.sendall(b"POST /v1/spawn HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"[:i + 1])
        connection.close()
    for _ in range(20):
        connection = daemon.connect()
        connection.sendall(b"GET /metrics?per_guest=1 HTTP/1.1\r\n\r\n" * 20)
        connection.close()
    alive(daemon)
    for connection in silent:
        connection.close()
    wait_until(lambda: daemon.request("GET", "/v1/stats").json()["api"]["connections"] == 1, "the connections are gone")


def test_idle_connections_and_unread_answers_shut_nobody_out(t):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # of this test, behind 1100 of them
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 300, t.guest("life"), "sleep", code=0)
    held = []
    try:
        for i in range(1100):
            held.append(daemon.connect())
            if i % 2:
                held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                held[-1].sendall(b"GET /v1/guests HTTP/1.1\r\n\r\n")
        equal(daemon.request("GET", "/v1/version").status, 200, "one more")
        daemon.cassin("kill", "--all", code=0)
        holds(daemon.request("GET", "/v1/stats").json()["api"]["connections"] <= 1024, "there are no more than allowed")
    finally:
        for connection in held:
            connection.close()


def test_requests_that_last_leave_room_for_others(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "quiet", t.guest("life"), "sleep", code=0)
    held = []
    try:
        for _ in range(768):
            held.append(daemon.connect())
            held[-1].sendall(b"GET /v1/guests/quiet/log?follow=1 HTTP/1.1\r\nConnection: close\r\n\r\n")
        wait_until(lambda: daemon.request("GET", "/v1/guests/quiet/log?follow=1").status == 503, "one too many is refused")
        equal(daemon.request("GET", "/v1/stats").status, 200, "stats")
        daemon.cassin("kill", "quiet", code=0)
        for connection in held:
            holds(receive(connection).startswith(b"HTTP/1.1 200 "), "a follower is told of the end")
    finally:
        for connection in held:
            connection.close()


def test_a_client_that_does_not_read_stops_nobody(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 300, t.guest("life"), "sleep", code=0)
    stuck = []
    for _ in range(5):
        connection = daemon.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        try:
            for _ in range(200):
                connection.send(b"GET /v1/guests HTTP/1.1\r\nHost: c\r\n\r\n")
        except BlockingIOError:
            pass
        stuck.append(connection)
    for _ in range(10):
        alive(daemon)
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        resident = int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
    holds(resident < 400000, f"memory stays bounded: {resident} KiB")


def test_requests_in_parallel(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 20, t.guest("life"), "sleep", code=0)
    connections = []
    for i in range(200):
        connection = daemon.connect()
        verb, name = random.choice([("POST", f"life-{i % 20}/restart"), ("GET", f"life-{i % 20}"), ("POST", f"life-{i % 20}/kill")])
        connection.sendall(f"{verb} /v1/guests/{name} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n".encode())
        connections.append(connection)
    for connection in connections:
        equal(parse_answer(receive(connection)).status, 200, "status")
        connection.close()


def test_spawning_and_removing_the_same_name_in_parallel(t):
    daemon = t.daemon()
    body = json.dumps({"name": "one", "image": t.guest("life"), "args": ["sleep"]}).encode()
    for _ in range(10):
        connections = []
        for request in (b"POST /v1/guests", b"DELETE /v1/guests/one") * 10:
            connection = daemon.connect()
            content = body if request.startswith(b"POST") else b""
            connection.sendall(request + b" HTTP/1.1\r\nHost: c\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(content)
                               + content)
            connections.append(connection)
        for connection in connections:
            status = parse_answer(receive(connection)).status
            holds(status in (200, 201, 404, 409), f"status {status}")
            connection.close()
    holds(len(daemon.guests()) <= 1, "at most one is left")


def mixture(t, daemon, base, seed, until):
    """A client that does this and that to ten guests. Raises what is not answered as it should be. The port base + 10 is
    taken: such a spawn fails when its guest is already listed."""
    dice = random.Random(seed)
    kinds = [("http", ["--crash-route"]), ("life", ["sleep"]), ("life", ["crash"]), ("life", ["exit", "3"]), ("life", ["recover"]),
             ("life", ["accept"]), ("hog", ["spin"])]
    while time.monotonic() < until:
        i = dice.randrange(10)
        image, args = dice.choice(kinds)
        spec = {"name": f"g{i}", "image": t.guest(image), "args": args, "domain": dice.choice("ab"), "memory": "1M",
                "restart": dice.choice(["no", "on-failure", "always"]), "isolation": dice.choice(["cell", "cell", "cell", "vm"]),
                "ports": [{"host": f"tcp:127.0.0.1:{base + dice.choice([i, i, 10])}", "guest": 80}] if image == "http" else []}
        method, target, body = dice.choice([
            ("POST", "/v1/guests", spec), ("POST", "/v1/guests", spec), ("DELETE", f"/v1/guests/g{i}", ""),
            ("POST", f"/v1/guests/g{i}/kill", ""), ("POST", f"/v1/guests/g{i}/restart", ""),
            ("POST", f"/v1/guests/g{i}/stop?grace_ms=50", ""), ("GET", f"/v1/guests/g{i}/log", ""), ("GET", "/v1/guests", "")])
        status = daemon.request(method, target, body).status
        holds(status in (200, 201, 202, 404, 409), f"{method} {target}: status {status}")


def test_any_mixture_of_requests_in_parallel_is_survived(t):
    daemon = t.daemon("--workers", 2)
    base = t.ports(11)
    until = time.monotonic() + 6
    with socket.create_server(("127.0.0.1", base + 10)), concurrent.futures.ThreadPoolExecutor(10) as pool:
        clients = [pool.submit(mixture, t, daemon, base, seed, until) for seed in range(10)]
        for client in clients:
            client.result()
    daemon.cassin("rm", "--all", code=0)
    stats = daemon.request("GET", "/v1/stats", status=200).json()
    equal((stats["guests"], stats["cells"], stats["used_frames"]), (0, 0, 0), "what is left")


def test_random_bytes_are_survived(t):
    daemon = t.daemon()
    noise = random.Random(1)
    for _ in range(200):
        prefix = noise.choice([b"", b"GET ", b"POST /v1/guests HTTP/1.1\r\nContent-Length: 50\r\n\r\n", b"GET /v1/guests/"])
        try:
            daemon.raw(prefix + noise.randbytes(noise.randrange(1, 300)))
        except (Failed, OSError):
            pass
    alive(daemon)


def test_follow_over_the_api_is_chunked_and_ends(t):
    daemon = t.daemon()
    path = t.compile("few", 'int main(void) { for (int i = 0; i < 3; i++) { cassin_print("%d\\n", i); '
                     "cassin_sleep_until(cassin_now() + 200000000); } return 0; }")
    daemon.cassin("spawn", path, "--timeout", "0")
    with daemon.connect() as connection:
        connection.sendall(b"GET /v1/guests/few/log?follow=1 HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n")
        head, _, body = receive(connection).partition(b"\r\n\r\n")
    contains(head.decode(), "chunked")
    equal(unchunk(body), b"0\n1\n2\n", "output")


def test_names_in_targets_are_decoded(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "a.b_c-d", t.guest("life"), "sleep", code=0)
    equal(daemon.request("GET", "/v1/guests/a%2eb%5Fc-d", status=200).json()["name"], "a.b_c-d", "name")
    holds(os.path.exists(daemon.socket), "the socket is still there")
