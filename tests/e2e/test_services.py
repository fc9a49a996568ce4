# SPDX-License-Identifier: MIT
"""The examples as services, asked by the clients that people use."""

import os
import re
import socket
import subprocess
import time

from cassin_test import Failed, contains, equal, have, holds, http_get, one_line, parse_answer, receive, wait_until


def serve(t, daemon, image, guest_port, *args, name=None, options=()):
    """Spawns a guest on a port of its own and returns the port."""
    port = t.ports()
    daemon.cassin("spawn", "--name", name or image, "-p", f"{port}:{guest_port}", *options, t.guest(image), *args, code=0)
    return port


def redis(t, port, *words, code=0):
    return t.run([have("redis-cli"), "-p", port, *words], code=code).out.rstrip("\n")


# ---- hello, clock, echo ----

def test_clock_tells_three_times(t):
    out = t.cassin("run", t.guest("clock"), "2", code=0).out
    contains(out.lower(), "monotonic", "wall", "virtual")
    holds(str(time.gmtime().tm_year) in out, f"the year is in {out!r}")


def test_echo_sends_back_what_it_gets(t):
    port = serve(t, t.daemon(), "echo", 7)
    data = bytes(range(256)) * 4096
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        got = b""
        for at in range(0, len(data), 65536):
            connection.sendall(data[at:at + 65536])
            while len(got) < at + 65536:
                piece = connection.recv(65536)
                holds(piece, "the connection stays")
                got += piece
        connection.shutdown(socket.SHUT_WR)
        equal(connection.recv(1), b"", "the end")
    holds(got == data, "what came back")


def test_echo_serves_many_connections_at_once(t):
    port = serve(t, t.daemon(), "echo", 7)
    connections = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(200)]
    for i, connection in enumerate(connections):
        connection.sendall(b"%d" % i)
    for i, connection in enumerate(connections):
        equal(connection.recv(100), b"%d" % i, f"echo on connection {i}")
        connection.close()


# ---- http ----

def test_http_serves_a_page_and_its_status_to_curl(t):
    port = serve(t, t.daemon(), "http", 80, name="web-7", options=("--memory", "4M"))
    page = t.run(["curl", "-sS", "-i", f"http://127.0.0.1:{port}/"], code=0).out
    contains(page, "HTTP/1.1 200 OK", "text/html", "<html")
    result = t.run(["curl", "-sS", f"http://127.0.0.1:{port}/status"], code=0).json()
    equal((result["name"], result["requests"]), ("web-7", 2), "name and requests")
    holds(0 < result["memory"] < 4 << 20, f"memory: {result['memory']}")
    holds(0 < result["virtual_ns"] <= result["uptime_ns"], "virtual time runs no faster than time")


def test_http_head_404_405_and_400(t):
    port = serve(t, t.daemon(), "http", 80)
    head = t.run(["curl", "-sS", "-I", f"http://127.0.0.1:{port}/"], code=0).out
    contains(head, "200 OK", "Content-Length: ")
    equal(http_get(port, "/nothing").status, 404, "status")
    equal(http_get(port, "/", method="POST", extra="Content-Length: 0\r\n").status, 405, "status")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        equal(parse_answer(receive(connection)).status, 400, "status")
    equal(http_get(port, "/status").status, 200, "status afterwards")


def test_http_serves_a_document_of_any_size_that_it_has_memory_for(t):
    daemon = t.daemon()
    port = t.ports()
    daemon.cassin("spawn", "--name", "d", "-p", f"{port}:80", t.guest("http"), "--document", "102400", code=0)
    for _ in range(2):
        body = http_get(port, "/document").body
        equal((len(body), body[-1:]), (102400, b"\n"), "document")
    equal(http_get(port, "/").status, 200, "status of the page")
    daemon.cassin("spawn", "--name", "large", "--memory", "1M", t.guest("http"), "--document", "4000000")
    equal(daemon.await_state("large", "exited")["exit_code"], 1, "exit code")
    contains(daemon.cassin("logs", "large", code=0).out, "no memory", "4000000")
    daemon.cassin("spawn", "--name", "bad", t.guest("http"), "--document", "many")
    equal(daemon.await_state("bad", "exited")["exit_code"], 2, "exit code")


def test_http_keeps_connections_alive(t):
    port = serve(t, t.daemon(), "http", 80)
    url = f"http://127.0.0.1:{port}/status"
    out = t.run(["curl", "-sS", "-w", "%{num_connects}\n", *([url] * 5)], code=0).out
    equal(re.findall(r"^(\d)$", out, re.MULTILINE), ["1", "0", "0", "0", "0"], "connections made")
    out = t.run(["curl", "-sS", "--http1.0", "-i", url], code=0).out
    contains(out, "200 OK", '"name":"http"')


def test_http_answers_pipelined_requests_in_order(t):
    port = serve(t, t.daemon(), "http", 80)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /status HTTP/1.1\r\nHost: t\r\n\r\n" * 99
                           + b"GET /status HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        data = receive(connection).decode()
    equal([int(n) for n in re.findall(r'"requests":(\d+)', data)], list(range(1, 101)), "requests, in order")


def test_http_takes_requests_byte_by_byte_and_refuses_huge_ones(t):
    port = serve(t, t.daemon(), "http", 80)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /status HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        equal(parse_answer(receive(connection)).status, 200, "status")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n")
        holds(receive(connection).startswith(b"HTTP/1.1 4"), "a huge head is refused")
    equal(http_get(port, "/status").status, 200, "status afterwards")


def test_http_under_load_by_wrk(t):
    daemon = t.daemon()
    port = serve(t, daemon, "http", 80)
    out = t.run([have("wrk"), "-t1", "-c20", "-d3s", "--timeout", "60s", f"http://127.0.0.1:{port}/status"], code=0).out
    answered = int(re.search(r"(\d+) requests in", out).group(1))
    holds(answered > 0, f"requests are answered: {out}")
    holds("Socket errors" not in out and "Non-2xx" not in out, f"no errors: {out}")
    equal(daemon.guest("http")["restarts"], 0, "restarts")


def test_an_http_guest_that_crashes_is_started_again(t):
    daemon = t.daemon()
    port = serve(t, daemon, "http", 80, "--crash-route", options=("--restart", "on-failure"))
    other = serve(t, daemon, "http", 80, name="other")
    equal(t.run(["curl", "-sS", f"http://127.0.0.1:{port}/crash"]).code, 52, "curl's exit code: an empty answer")
    equal(http_get(other, "/status").json()["restarts"], 0, "the other has not restarted")
    wait_until(lambda: daemon.guest("http")["restarts"] == 1 and daemon.guest("http")["state"] == "running", "it runs again")
    equal(http_get(port, "/status").json()["restarts"], 1, "restarts")
    contains(daemon.guest("http")["report"], "page fault: write to 0x0", "main+")


# ---- kv ----

def test_kv_answers_redis_cli(t):
    port = serve(t, t.daemon(), "kv", 6379)
    for words, answer in ((["PING"], "PONG"), (["ECHO", "hello"], "hello"), (["SET", "a", "1"], "OK"), (["GET", "a"], "1"),
                          (["GET", "none"], ""), (["EXISTS", "a"], "1"), (["EXISTS", "none"], "0"), (["INCR", "a"], "2"),
                          (["DECR", "a"], "1"), (["INCR", "new"], "1"), (["SET", "a", "x", "NX"], ""),
                          (["SET", "b", "x", "XX"], ""), (["SET", "a", "y", "XX"], "OK"), (["GET", "a"], "y"),
                          (["SET", "t", "v", "EX", "100"], "OK"), (["TTL", "a"], "-1"), (["TTL", "none"], "-2"),
                          (["EXPIRE", "a", "50"], "1"), (["EXPIRE", "none", "50"], "0"), (["DEL", "a", "b"], "1"),
                          (["GET", "a"], ""), (["FLUSHALL"], "OK"), (["KEYS", "*"], "")):
        equal(redis(t, port, *words), answer, " ".join(words))


def test_kv_keys_expire(t):
    port = serve(t, t.daemon(), "kv", 6379)
    redis(t, port, "SET", "later", "v", "EX", "100")
    both = t.run([have("redis-cli"), "-p", port], input="SET soon v PX 300\nGET soon\n", code=0)
    equal(both.out.split(), ["OK", "v"], "before")
    time.sleep(0.5)
    equal(redis(t, port, "GET", "soon"), "", "after")
    holds(50 <= int(redis(t, port, "TTL", "later")) <= 100, "time to live")
    equal(redis(t, port, "KEYS", "*"), "later", "keys")


def test_kv_says_what_is_wrong_and_goes_on(t):
    port = serve(t, t.daemon(), "kv", 6379)
    redis(t, port, "SET", "word", "x")
    contains(redis(t, port, "INCR", "word", code=None), "ERR")
    contains(redis(t, port, "NONSENSE", code=None), "ERR", "NONSENSE")
    contains(redis(t, port, "GET", code=None), "ERR")
    contains(redis(t, port, "SET", "a", "b", "EX", "-1", code=None), "ERR")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"*1\r\n$-5\r\n\0\0\r\n" + b"\xff" * 100 + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        receive(connection)
    equal(redis(t, port, "PING"), "PONG", "afterwards")


def test_kv_holds_large_values_and_many_keys(t):
    port = serve(t, t.daemon(), "kv", 6379, options=("--memory", "64M"))
    value = "".join(chr(97 + i % 26) for i in range(100000))
    result = t.run([have("redis-cli"), "-p", port, "-x", "SET", "large"], input=value, code=0)
    equal(result.out.strip(), "OK", "SET")
    equal(redis(t, port, "GET", "large"), value, "the large value")
    lines = "".join(f"SET key:{i} {i}\r\n" for i in range(5000))
    result = t.run([have("redis-cli"), "-p", port, "--pipe"], input=lines, code=0)
    contains(result.out, "errors: 0, replies: 5000")
    equal(redis(t, port, "GET", "key:4999"), "4999", "the last key")
    equal(len(redis(t, port, "KEYS", "key:1*").split()), 1111, "keys")
    contains(redis(t, port, "INFO"), "cassin")


def test_kv_that_runs_out_of_memory_says_so_and_goes_on(t):
    daemon = t.daemon()
    port = serve(t, daemon, "kv", 6379, options=("--memory", "2M"))
    value = "v" * 50000
    answers = []
    for i in range(80):
        answers.append(t.run([have("redis-cli"), "-p", port, "-x", "SET", f"k{i}"], input=value, code=None).out.strip())
        if answers[-1] != "OK":
            break
    contains(answers[-1], "OOM")
    holds(len(answers) > 10, f"{len(answers)} values were taken")
    equal(redis(t, port, "PING"), "PONG", "afterwards")
    equal(len(redis(t, port, "GET", "k0")), 50000, "the first value")
    equal(redis(t, port, "FLUSHALL"), "OK", "FLUSHALL")
    equal(t.run([have("redis-cli"), "-p", port, "-x", "SET", "again"], input=value, code=0).out.strip(), "OK", "SET")
    equal(daemon.guest("kv")["state"], "running", "state")


def test_kv_under_redis_benchmark_plain_and_pipelined(t):
    daemon = t.daemon()
    port = serve(t, daemon, "kv", 6379, options=("--memory", "64M"))
    for more in ([], ["-P", "16"]):
        out = t.run([have("redis-benchmark"), "-p", port, "-c", "20", "-n", "5000", "-r", "1000", "-t", "ping,set,get,incr",
                     "--csv", *more], code=0).out
        rates = dict(re.findall(r'^"([A-Z_]+)","([\d.]+)"', out, re.MULTILINE))
        for name in ("SET", "GET", "INCR"):
            holds(float(rates.get(name, 0)) > 0, f"all of {name} were answered: {out}")
    equal(daemon.guest("kv")["state"], "running", "state")


# ---- beside others ----

def answers(port, count=30):
    """Each request has a connection of its own."""
    for i in range(count):
        equal(http_get(port, "/status").status, 200, f"status of answer {i}")


def hogs_beside(t, properties, states=("running",)):
    """Requests are answered beside hogs, which all are in one of the states afterwards."""
    daemon = t.daemon("--workers", "2")
    port = serve(t, daemon, "http", 80)
    for i, name in enumerate(properties):
        daemon.cassin("spawn", "--name", f"hog-{i}", "--timeout", "0", t.guest("hog"), name)
    answers(port)
    for i in range(len(properties)):
        holds(daemon.guest(f"hog-{i}")["state"] in states, f"the hog is {daemon.guest(f'hog-{i}')['state']}")
    equal(daemon.guest("http")["restarts"], 0, "restarts")
    return daemon


def test_endless_loops_do_not_stop_the_others(t):
    daemon = hogs_beside(t, ["spin"] * 4)
    holds(daemon.request("GET", "/v1/stats").json()["preemptions"] > 0, "hogs are preempted")


def test_endless_loops_without_interrupts_do_not_stop_the_others(t):
    # On some KVMs the instruction is allowed at I/O privilege level 3, on others it ends the guest.
    hogs_beside(t, ["cli"] * 3, ("running", "crashed"))


def test_endless_calls_yields_and_faults_do_not_stop_the_others(t):
    hogs_beside(t, ["call", "yield", "fault", "call"])


def test_a_guest_that_opens_connections_without_end_is_bounded(t):
    daemon = t.daemon()
    port = serve(t, daemon, "http", 80)
    # More connections than the guest may hold: those beyond wait; the guest and the daemon live.
    held = []
    serve(t, daemon, "http", 80, name="small", options=("--spec", t.write("small.json", '{"streams": 20}')))
    small = daemon.guest("small")["ports"][0]["host"].rpartition(":")[2]
    for _ in range(60):
        held.append(socket.create_connection(("127.0.0.1", int(small)), timeout=20))
    time.sleep(0.3)
    equal(http_get(port, "/status").status, 200, "the other guest's status")
    equal(daemon.guest("small")["state"], "running", "state")
    for connection in held:
        connection.close()
    wait_until(lambda: http_get(int(small), "/status").status == 200, "it serves again")


def test_clients_that_reset_harm_nothing(t):
    daemon = t.daemon()
    port = serve(t, daemon, "http", 80)
    for _ in range(100):
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        connection.sendall(b"GET /status HTTP/1.1\r\nHost: t\r\n\r\n" * 20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    equal(wait_until(lambda: http_get(port, "/status").json(), "an answer")["name"], "http", "name")
    wait_until(lambda: http_get(port, "/status").json()["connections"] == 1, "no connection is leaked")


def test_a_client_that_does_not_read_stops_no_other(t):
    daemon = t.daemon()
    port = serve(t, daemon, "http", 80)
    stuck = socket.create_connection(("127.0.0.1", port), timeout=20)
    stuck.setblocking(False)
    try:
        for _ in range(20000):
            stuck.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    except BlockingIOError:
        pass
    for _ in range(10):
        equal(http_get(port, "/status").status, 200, "status")
    stuck.close()
    wait_until(lambda: http_get(port, "/status").json()["connections"] == 1, "the stuck connection is gone")


def test_two_daemons_side_by_side(t):
    first, second = t.daemon(), t.daemon()
    ports = serve(t, first, "http", 80, name="one"), serve(t, second, "http", 80, name="two")
    equal([http_get(port, "/status").json()["name"] for port in ports], ["one", "two"], "names")
    equal(first.end(), 0, "exit code")
    equal(http_get(ports[1], "/status").json()["name"], "two", "name")


def test_cassin_run_serves_wrk_too(t):
    port = t.ports()
    t.start([t.tool("cassin"), "run", "-p", f"{port}:80", t.guest("http")], stdin=subprocess.DEVNULL)
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "it listens")
    out = t.run([have("wrk"), "-t1", "-c5", "-d1s", f"http://127.0.0.1:{port}/"], code=0).out
    holds("Non-2xx" not in out and "Socket errors" not in out, f"no errors: {out}")


def test_a_port_on_which_the_guest_does_not_listen_refuses(t):
    """At once, and `ps` says so; when the guest listens later, it serves."""
    path = t.compile("later", """
static uint32_t input(struct cassin_conn *c)
{
	cassin_send(c, "late\\n", 5);
	return c->in_len;
}
int main(void)
{
	struct cassin_service service = {.port = 81, .input = input};
	cassin_enter(0, 0, cassin_now() + 3000000000ul);
	return cassin_serve(&service);
}
""")
    daemon = t.daemon()
    never, later, local = t.ports(), t.ports(), t.path("local.sock")
    daemon.cassin("spawn", "--name", "http", "-p", f"{never}:8080", "-p", f"unix:{local}:8081", t.guest("http"), code=0)
    daemon.cassin("spawn", "--name", "later", "-p", f"{later}:81", path, code=0)
    daemon.cassin("spawn", "--name", "local", "-p", f"unix:{t.path('later.sock')}:81", path, code=0)
    for port in (never, later):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=20).close()
            raise Failed(f"port {port} takes a connection")
        except ConnectionRefusedError:
            pass
    holds(not os.path.exists(local), "the Unix socket is not there")
    contains(daemon.cassin("ps", code=0).out, f"127.0.0.1:{never}->8080 (refuses)", f"127.0.0.1:{later}->81 (refuses)")
    contains(daemon.cassin("inspect", "http", code=0).out, f"tcp:127.0.0.1:{never}->8080, refuses: the guest does not listen there")
    table = daemon.cassin("stats", "http", "later", code=0).out.splitlines()
    equal([line.split()[-1] for line in table], ["REFUSING", "2", "1"], "the last column")
    holds(re.search(r"^refusing_ports +4$", daemon.cassin("stats", code=0).out, re.MULTILINE), "the sum")
    metrics = daemon.request("GET", "/metrics?per_guest=1", status=200).text
    contains(metrics, "\ncassin_refusing_ports 4\n", 'cassin_guest_refusing_ports{guest="http",domain="default"} 2\n')
    wait_until(lambda: not daemon.guest("later")["ports"][0]["refuses"], "it listens")
    with socket.create_connection(("127.0.0.1", later), timeout=20) as connection:
        connection.sendall(b"?")
        equal(connection.recv(10), b"late\n", "what it says")
    holds("refuses" not in daemon.cassin("ps", "later", code=0).out, "it does not refuse any more")
    # A Unix socket is made anew by a worker, whose sandbox lets it.
    wait_until(lambda: not daemon.guest("local")["ports"][0]["refuses"], "it listens")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(t.path("later.sock"))
        connection.sendall(b"?")
        equal(connection.recv(10), b"late\n", "what it says")


def test_a_listener_that_was_closed_refuses_curl_and_connect(t):
    """Who waited is told at once, and who comes; a new listener serves."""
    path = t.compile("closes", """
static int32_t perform(uint8_t op, int32_t handle, uint64_t offset)
{
	struct cassin_sqe sqe = {.op = op, .handle = handle, .offset = offset};
	return cassin_do(&sqe);
}
int main(void)
{
	char byte;
	int32_t listener = perform(CASSIN_OP_LISTEN, 0, 80);
	cassin_print("listens\\n");
	perform(CASSIN_OP_CLOSE, perform(CASSIN_OP_ACCEPT, listener, 0), 0);
	perform(CASSIN_OP_CLOSE, listener, 0);
	cassin_print("closed\\n");
	cassin_read(&byte, 1);
	return 0;
}
""")
    daemon = t.daemon()
    port = t.ports()
    daemon.cassin("spawn", "--name", "g", "-p", f"{port}:80", path, code=0)
    wait_until(lambda: "listens" in daemon.cassin("logs", "g", code=0).out, "it listens")
    with socket.create_connection(("127.0.0.1", port), timeout=20), daemon.connect(suffix=".gw") as waits:
        waits.sendall(b"g 80\n")
        holds(receive(waits) in (b"OK\n", b'ERR "g" does not listen on port 80\n'), "who waited is told")
    wait_until(lambda: "closed" in daemon.cassin("logs", "g", code=0).out, "it is closed")
    t.run(["curl", "-sS", "-m", "20", f"http://127.0.0.1:{port}/"], code=7)
    one_line(daemon.cassin("connect", "g", "80", code=1).err, '"g" does not listen on port 80')
    contains(daemon.cassin("ps", code=0).out, "(refuses)")
