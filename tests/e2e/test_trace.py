# SPDX-License-Identifier: MIT
"""Tracing guests: cassin trace and the API behind it."""

import json
import re
import signal
import socket
import subprocess
import time

from cassin_test import contains, equal, holds, http_get, one_line, wait_until


def started(t, daemon, *args):
    """Starts cassin trace; what it prints goes to a file. Waits until the guest is being traced."""
    out = open(t.path("trace.out"), "wb+")
    process = t.start([t.tool("cassin"), "--socket", daemon.socket, "trace", *args], stdin=subprocess.DEVNULL, stdout=out,
                      stderr=subprocess.PIPE)
    name = args[-1]
    wait_until(lambda: daemon.guest(name)["traced"], "it is traced")
    return process, lambda: open(t.path("trace.out"), encoding="utf-8").read()


def finish(process, number=signal.SIGINT, code=0):
    process.send_signal(number)
    equal(process.wait(20), code, "exit code")


def serve(t, daemon):
    port = t.ports()
    daemon.cassin("spawn", "--name", "web", "-p", f"{port}:80", t.guest("http"), code=0)
    wait_until(lambda: http_get(port, "/status").status == 200, "it serves")
    return port


def test_a_request_is_seen_as_accept_recv_and_send(t):
    daemon = t.daemon()
    port = serve(t, daemon)
    process, text = started(t, daemon, "web")
    equal(http_get(port, "/status").status, 200, "status")
    wait_until(lambda: "done send" in text() and "done close" in text(), "the answer is traced")
    finish(process)
    lines = text().splitlines()
    for pattern in (r"\d\d:\d\d:\d\d\.\d{6} enter\(to_submit=\d+, min_complete=\d+, deadline=\w+\)( \.\.\.| = \d+ <\d+\.\d{6}>)$",
                    r"\.\.\. enter = \d+ <\d+\.\d{6}>$", r"  done accept #0x[0-9a-f]+ = \d+ <\d+\.\d{6}>$",
                    r'  done recv #0x[0-9a-f]+ = \d+ "GET /status HTTP/1\.1\\r\\n.*" <',
                    r'  submit send\(handle=\d+, addr=0x[0-9a-f]+, len=\d+(, flags=\w+)?, "HTTP/1\.1 200 OK\\r\\n.*"\) #0x',
                    r"  done send #0x[0-9a-f]+ = \d+ <"):
        holds(any(re.search(pattern, line) for line in lines), f"{pattern} is in the trace: {lines}")
    times = [line[:15] for line in lines if re.match(r"\d\d:", line)]
    equal(times, sorted(times), "times")


def test_totals_add_up(t):
    daemon = t.daemon()
    port = serve(t, daemon)
    equal(http_get(port, "/status").status, 200, "status")  # or it might still submit what it begins with
    seen = []
    wait_until(lambda: seen.append(daemon.guest("web")["counters"]["hypercalls"]) or seen[-5:] == 5 * seen[-1:], "it waits")
    before = daemon.guest("web")["counters"]
    process, text = started(t, daemon, "-c", "--json", "web")
    for _ in range(5):
        equal(http_get(port, "/status").status, 200, "status")
        time.sleep(0.1)  # the guest waits as long, but in a call that has not returned at the end, the last time
    time.sleep(0.4)
    finish(process)
    after = daemon.guest("web")["counters"]
    totals = json.loads(text())
    equal(totals["lost"], 0, "lost")
    operations, calls = totals["operations"], totals["calls"]
    equal(sum(o["count"] for o in operations.values()), after["operations"] - before["operations"], "operations")
    # The call in which it waited when the trace began was counted before.
    equal(sum(c["count"] for c in calls.values()), after["hypercalls"] - before["hypercalls"] + 1, "calls")
    equal(operations["send"]["count"], 5, "sends")
    holds(operations["recv"]["count"] >= 5 and operations["accept"]["count"] >= 5, f"operations: {operations}")
    holds(calls["enter"]["total_ns"] > 10**8, "waiting is the call's")
    result = daemon.cassin("trace", "-c", "-t", 1, "web", code=0)
    contains(result.out, "CALL", "OPERATION", "COUNT", "ERRORS", "enter")


def test_json_lines_are_events_of_the_api(t):
    daemon = t.daemon()
    port = serve(t, daemon)
    process, text = started(t, daemon, "--json", "web")
    http_get(port, "/status")
    wait_until(lambda: '"op":"send"' in text(), "the answer is traced")
    daemon.cassin("kill", "web", code=0)
    equal(process.wait(20), 0, "exit code")
    events = [json.loads(line) for line in text().splitlines()]
    equal(events[0]["event"], "call", "the first event")
    equal((events[-1]["event"], events[-1]["how"], events[-1]["result"]), ("end", "killed", 137), "the last event")
    for event in events:
        holds({"event", "time_ns"} <= set(event), f"{event}")
        if event["event"] in ("return", "complete"):
            holds({"result", "took_ns"} <= set(event), f"{event}")
    accepts = [e for e in events if e.get("op") == "accept" and e["event"] == "complete"]
    holds(accepts and accepts[0]["result"] >= 0, "an accept")


def test_errors_arguments_and_ends_have_their_names(t):
    image = t.compile("asks", r'''
int main(void)
{
	char byte;
	cassin_read(&byte, 1);
	cassin_map(0, (void *)0x10000000, cassin_boot->heap_page, 1, CASSIN_READ | CASSIN_WRITE);
	cassin_map(0, (void *)0x10000000, cassin_boot->heap_page, 1, CASSIN_READ);
	cassin_call(999, 1, 2, 3, 4, 5);
	cassin_call(CASSIN_CALL_TIME, 77, 0, 0, 0, 0);
	cassin_call(CASSIN_CALL_LOG, (uint64_t) "a \"quoted\"\n\x01", 12, 0, 0, 0);
	*(volatile int *)0 = 1;
	return 0;
}
''')
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "g", image, code=0)
    wait_until(lambda: daemon.guest("g")["ready"], "it waits")
    process, text = started(t, daemon, "g")
    daemon.cassin("stop", "g")
    equal(process.wait(20), 0, "exit code")
    contains(text(), "map(space=0, va=0x10000000, page=", "count=1, rights=rw-) = 0 <", "rights=r--) = -17 EEXIST <",
             "call-999() = -38 ENOSYS <", "time(clock=77) = -22 EINVAL <", r'len=12, "a \"quoted\"\n\x01") = 12 <',
             "+++ crashed +++", "done console_read #0x")


def test_a_trace_goes_on_behind_a_restart_and_has_one_reader(t):
    daemon = t.daemon()
    port = serve(t, daemon)
    process, text = started(t, daemon, "web")
    one_line(daemon.cassin("trace", "web", code=1).err, "web", "traced already")
    daemon.cassin("restart", "web", code=0)
    wait_until(lambda: "+++ killed +++" in text(), "the end of the first life")
    http_get(port, "/status")
    wait_until(lambda: "submit send" in text().partition("+++ killed +++")[2], "the second life")
    finish(process, signal.SIGTERM)
    # Nobody reads any more: there is room for another.
    wait_until(lambda: daemon.cassin("trace", "-t", 1, "web").code == 0, "it can be traced again")
    equal(daemon.cassin("trace", "nobody", code=1).err, 'cassin: no guest is named "nobody"\n', "stderr")
    equal(daemon.request("HEAD", "/v1/guests/web/trace").status, 200, "HEAD")


def test_a_reader_that_does_not_read_loses_records_and_nothing_else(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "g", t.guest("hog"), "call", code=0)
    with daemon.connect() as connection:
        connection.sendall(b"GET /v1/guests/g/trace HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: daemon.guest("g")["traced"], "it is traced")
        first = daemon.guest("g")["counters"]["hypercalls"]
        wait_until(lambda: daemon.guest("g")["counters"]["hypercalls"] > first + 10000, "it goes on", 50)
        data = b""
        until = time.monotonic() + 30
        while b'"lost"' not in data and time.monotonic() < until:
            data = (data + connection.recv(65536))[-200000:]
        contains(data, b'"event":"lost"')
    daemon.cassin("kill", "g", code=0)


def test_the_daemon_ends_while_guests_are_traced(t):
    daemon = t.daemon()
    serve(t, daemon)
    process, _ = started(t, daemon, "web")
    equal(daemon.end(), 0, "exit code")
    equal(process.wait(20), 1, "exit code")
    contains(process.stderr.read().decode(), "the daemon ended")


USER_AND_UPCALLS = """
static char stack[8192] __attribute__((aligned(16)));
static uint64_t mask;
static struct cassin_user_frame user;
static void handler(uint64_t events, struct cassin_upcall_frame *frame)
{
	(void)events;
	frame->mask = 0;
	cassin_call(CASSIN_CALL_UPCALL_RETURN, (uint64_t)frame, 0, 0, 0, 0);
}
int main(void)
{
	int64_t space = cassin_call(CASSIN_CALL_SPACE_CREATE, 0, 0, 0, 0, 0);
	for (;;) {
		memset(&user, 0, sizeof user);
		user.regs.rip = 0x700000;
		cassin_call(CASSIN_CALL_USER_RUN, (uint64_t)space, (uint64_t)&user, CASSIN_FOREVER, 0, 0);
		cassin_call(CASSIN_CALL_UPCALL_SET, (uint64_t)handler, (uint64_t)stack, sizeof stack, (uint64_t)&mask,
			    cassin_now() + 10000000);
		uint64_t until = cassin_now() + 50000000;
		while (cassin_now() < until)
			cassin_call(CASSIN_CALL_ENTER, 0, 0, until, 0, 0);
	}
}
"""


def test_user_runs_say_their_reason_and_upcalls_have_a_line(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "--timeout", "0", "--name", "g", t.compile("user", USER_AND_UPCALLS), code=0)
    process, text = started(t, daemon, "g")
    wait_until(lambda: "upcall(" in text() and "reason=" in text(), "both are traced")
    finish(process)
    holds(re.search(r"user_run\(space=1, frame=0x[0-9a-f]+, deadline=forever\) = 1 "
                    r"\{reason=fault, rip=0x700000, vector=14, error=--x, address=0x700000\} <\d", text()), f"the reason: {text()}")
    holds(re.search(r"^\d\d:\S+ --- upcall\(events=timer, rip=0x[0-9a-f]+, frame=0x[0-9a-f]+\) ---$", text(), re.MULTILINE),
          f"the upcall: {text()}")
    done = daemon.cassin("trace", "--json", "-t", "1", "g", code=0)
    lines = [json.loads(line) for line in done.out.splitlines()]
    user = next(line["user"] for line in lines if line["event"] == "return" and line["call"] == "user_run")
    equal(user, {"reason": "fault", "rip": "0x700000", "vector": 14, "error": "--x", "address": "0x700000"}, "the event's user")


# ---- From the first instruction ----

BOOTS = """
int main(void)
{
	cassin_call(CASSIN_CALL_NULL, 0, 0, 0, 0, 0);
	cassin_print("boots\\n");
	return 3;
}
"""


def short_life(text):
    """The lines of the whole life of the guest above, without their times."""
    lines = [re.sub(r"^\d\d:\d\d:\d\d\.\d{6} |0x[0-9a-f]+| <\d+\.\d{6}>", "", line) for line in text.splitlines()]
    equal(lines, ["null() = 0", r'log(addr=, len=6, "boots\n") = 6', "exit(code=3) ...", "+++ exited with 3 +++"], "the trace")


def test_run_traces_from_the_first_instruction_to_the_end(t):
    image, path = t.compile("boots", BOOTS), t.path("boots.trace")
    done = t.cassin("run", "--trace", image, code=3)
    equal(done.out, "boots\n", "the console")
    short_life(done.err)
    t.write("boots.trace", "what was there before\n" * 100)
    done = t.cassin("run", f"--trace={path}", image, code=3)
    equal((done.out, done.err), ("boots\n", ""), "the console and stderr")
    with open(path, encoding="utf-8") as file:
        short_life(file.read())


def test_run_with_a_trace_that_cannot_be_written(t):
    image = t.compile("boots", BOOTS)
    one_line(t.cassin("run", "--trace=/dev/full", image, code=1).err, "cannot write the trace to /dev/full: No space left on device")
    missing = t.path("missing/trace")
    done = t.cassin("run", f"--trace={missing}", image, code=125)
    equal(done.out, "", "what a guest that was not started says")
    one_line(done.err, missing, "No such file or directory")
    t.cassin("run", "--trace=", image, code=2)
    # Nobody reads it, and signals end it all the same.
    talks = t.compile("asks", "int main(void) { for (;;) cassin_call(CASSIN_CALL_NULL, 0, 0, 0, 0, 0); }")
    process = t.start([t.tool("cassin"), "run", "--trace", talks], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                      stderr=subprocess.PIPE)
    process.stderr.read(100)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    equal(process.wait(30), 130, "exit code")


def test_run_is_traced_and_debugged_at_once(t):
    process = t.start([t.tool("cassin"), "run", "--gdb", "0", f"--trace={t.path('boots.trace')}", t.compile("boots", BOOTS)],
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = b""
    while b"target remote :" not in line:
        line = process.stderr.readline()
    port = int(re.search(rb"target remote :(\d+)", line).group(1))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as debugger:
        debugger.sendall(b"$c#63")
        equal(process.wait(30), 3, "exit code")
    with open(t.path("boots.trace"), encoding="utf-8") as file:
        short_life(file.read())


def test_spawned_guests_keep_their_traces_for_who_asks(t):
    """Each by its name, from the first instruction, also behind its end; once; and they go with the guests."""
    image = t.compile("boots", BOOTS)
    daemon = t.daemon()
    daemon.cassin("spawn", "--trace", "-n", 3, "--name", "g", image, code=1)
    for name in ("g-0", "g-1"):
        daemon.await_state(name, "exited")
        guest = daemon.guest(name)
        equal(guest["traced"], True, "traced")
        holds(1 << 19 < guest["account"]["traces"] < 1 << 20, f"its memory is in the account: {guest['account']}")
    short_life(daemon.cassin("trace", "g-1", code=0).out)
    wait_until(lambda: not daemon.guest("g-1")["traced"], "it is read, and gone")
    equal(daemon.guest("g-1")["account"]["traces"], 0, "its memory")
    equal(daemon.cassin("trace", "g-1", code=0).out, "", "a second reader")
    short_life(daemon.cassin("trace", "g-0", code=0).out)
    daemon.cassin("rm", "--all", code=0)
    equal(daemon.request("GET", "/v1/stats").json()["account"]["traces"], 0, "memory of traces that nobody has read")


def test_the_api_starts_one_guest_with_a_trace(t):
    daemon = t.daemon()
    spec = {"name": "g", "image": t.compile("boots", BOOTS)}
    daemon.request("POST", "/v1/guests?trace=maybe", spec, status=400)
    daemon.request("POST", "/v1/guests?trace=1", spec, status=201)
    events = [json.loads(line) for line in daemon.request("GET", "/v1/guests/g/trace", status=200).text.splitlines()]
    equal([(e["event"], e.get("call")) for e in events],
          [("call", "null"), ("return", "null"), ("call", "log"), ("return", "log"), ("call", "exit"), ("end", None)], "events")
    daemon.request("POST", "/v1/spawn", {"spec": spec, "name_prefix": "x", "trace": 7}, status=400)


def test_traces_that_nobody_reads_have_a_bound(t):
    """Each its 4096 records, and all of them the memory of the pool: who finds no room is told what it is full of."""
    daemon = t.daemon("--pool", "100M")
    daemon.cassin("spawn", "--trace", "--name", "calls", "--timeout", "0", t.guest("hog"), "call", code=0)
    wait_until(lambda: daemon.guest("calls")["counters"]["hypercalls"] > 10000, "it calls", 50)
    daemon.cassin("kill", "calls", code=0)
    each = daemon.guest("calls")["account"]["traces"]
    holds(1 << 19 < each < 1 << 20, f"a trace of {each} bytes")
    refused = daemon.cassin("spawn", "--trace", "-n", 200, "--name", "g", "--memory", "256K", t.guest("life"), "sleep", code=1)
    contains(refused.err, "no memory: the pool of 100 MiB is exhausted", "traces ")
    n = len(daemon.guests())
    holds(20 < n < 160, f"{n} guests have a trace")
    equal(daemon.request("GET", "/v1/stats").json()["account"]["traces"], n * each, "memory of the traces")
    text = daemon.cassin("trace", "calls", code=0).out
    holds(re.match(r"\[\d+ records lost\]$", text.splitlines()[0]), f"the beginning: {text[:100]}")
    contains(text, "+++ killed +++")
