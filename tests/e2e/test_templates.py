# SPDX-License-Identifier: MIT
"""Templates: guests frozen at `ready`, and clones of them."""

import json
import os
import shutil
import socket

from cassin_test import contains, equal, holds, http_get, mistaken, one_line, wait_until

# Tells where it is; its numbers are drawn before `ready` and after it.
TELLS = """
static unsigned long before, after;
int main(int argc, char **argv)
{
	cassin_random(&before, sizeof before);
	cassin_print("booted\\n");
	cassin_ready();
	cassin_random(&after, sizeof after);
	cassin_print("%s %lu %lu %s\\n", cassin_name(), before, after, argc > 1 ? argv[1] : "-");
	for (;;)
		cassin_sleep_until(cassin_now() + 1000000000);
}
"""

# Draws a number again and again behind `ready`.
DRAWS = """
int main(void)
{
	unsigned long drawn;
	cassin_ready();
	for (;;) {
		cassin_sleep_until(cassin_now() + 100000000);
		cassin_random(&drawn, sizeof drawn);
		cassin_print("%s %lu\\n", cassin_name(), drawn);
	}
}
"""


def create(t, daemon, name="web", image="http", options=()):
    daemon.cassin("template", "create", *options, name, t.guest(image), code=0)


def status(daemon, name, port=80):
    """What an http guest tells of itself, by name through the gateway."""
    out = daemon.cassin("connect", name, port, input="GET /status HTTP/1.0\r\n\r\n", code=0).out
    return json.loads(out.partition("\r\n\r\n")[2])


def templates(daemon):
    return daemon.request("GET", "/v1/templates", status=200).json()["templates"]


def console(daemon, name):
    """The console of a guest that has told all."""
    return wait_until(lambda: (lambda out: out if out.endswith("\n") else None)(daemon.cassin("logs", name, code=0).out),
                      f"{name} says something")


# ---- clones ----

def test_clones_answer_with_their_own_names_on_their_own_ports(t):
    daemon = t.daemon()
    first = t.ports(20)
    create(t, daemon)
    result = daemon.cassin("spawn", "-n", 20, "-p", f"{first}+:80", "--name", "c", "--template", "web", code=0)
    contains(result.out, "20 guests running")
    for i in range(20):
        equal(http_get(first + i, "/status").json()["name"], f"c-{i}", f"who answers on port {first + i}")
        equal(status(daemon, f"c-{i}")["name"], f"c-{i}", "who answers by name")


def test_the_default_name_is_the_templates(t):
    daemon = t.daemon()
    create(t, daemon)
    daemon.cassin("spawn", "-n", 2, "--template", "web", code=0)
    daemon.cassin("spawn", "--template", "web", code=0)
    equal(sorted(g["name"] for g in daemon.guests()), ["web", "web-0", "web-1"], "guests")
    equal(status(daemon, "web")["name"], "web", "name")


def test_a_clone_begins_behind_ready_with_numbers_of_its_own(t):
    daemon = t.daemon()
    image = t.compile("tells", TELLS)
    daemon.cassin("template", "create", "tells", image, "argument", code=0)
    daemon.cassin("spawn", "-n", 30, "--name", "c", "--template", "tells", code=0)
    lines = [console(daemon, f"c-{i}").split() for i in range(30)]
    equal([len(words) for words in lines], [4] * 30, "words of each console: nothing from before `ready`")
    equal([words[0] for words in lines], [f"c-{i}" for i in range(30)], "names")
    equal(len({words[1] for words in lines}), 1, "numbers from before `ready`")
    equal(len({words[2] for words in lines}), 30, "numbers drawn by clones")
    equal({words[3] for words in lines}, {"argument"}, "arguments")


def test_a_clone_of_a_service_runs_when_it_is_asked(t):
    daemon = t.daemon()
    create(t, daemon)
    daemon.cassin("spawn", "-n", 3, "--template", "web", code=0)
    equal([g["counters"]["exits"] for g in daemon.guests()], [0, 0, 0], "exits of clones that nobody has asked")
    equal(status(daemon, "web-1")["name"], "web-1", "name")
    holds(daemon.guest("web-1")["counters"]["exits"] > 0, "who was asked has run")
    equal([daemon.guest(f"web-{i}")["counters"]["exits"] for i in (0, 2)], [0, 0], "exits of the others")


def test_a_clone_waits_where_the_template_did(t):
    daemon = t.daemon()
    image = t.compile("tells", TELLS.replace("cassin_ready();", "cassin_ready_at_wait(); cassin_print(\"once\\n\");"
                                             "cassin_sleep_until(cassin_now() + 1000000);"))
    daemon.cassin("template", "create", "tells", image, code=0)
    daemon.cassin("spawn", "--name", "c", "--template", "tells", code=0)
    equal(console(daemon, "c").split()[0], "c", "the first word: nothing from before the wait")


def test_clones_do_not_see_each_others_writes(t):
    daemon = t.daemon()
    create(t, daemon, "kv", "kv")
    daemon.cassin("spawn", "-n", 3, "--template", "kv", code=0)

    def ask(name, command):
        return daemon.cassin("connect", name, "6379", input=f"{command}\r\nQUIT\r\n", code=0).out

    for i in range(3):
        contains(ask(f"kv-{i}", f"SET key value-{i}"), "+OK")
    for i in range(3):
        contains(ask(f"kv-{i}", "GET key"), f"value-{i}")
    daemon.cassin("spawn", "--name", "fresh", "--template", "kv", code=0)
    contains(ask("fresh", "GET key"), "$-1")


def test_a_clones_clock_and_counters_are_its_own(t):
    daemon = t.daemon()
    create(t, daemon)
    daemon.cassin("spawn", "--name", "a", "--template", "web", code=0)
    told, guest = status(daemon, "a"), daemon.guest("a")
    equal((told["restarts"], guest["restarts"], guest["ready"]), (0, 0, True), "restarts, ready")
    holds(told["uptime_ns"] < 30e9 and guest["uptime_ns"] < 30e9, "uptime begins with the clone")
    holds(guest["started_ns"] >= templates(daemon)[0]["created_ns"], "it started after the template was made")


def test_a_clone_is_told_as_such(t):
    daemon = t.daemon()
    create(t, daemon, options=("--memory", "4M"))
    daemon.cassin("spawn", "--name", "a", "--weight", "7", "--template", "web", code=0)
    guest = daemon.guest("a")
    equal((guest["template"], guest["image"], guest["memory_bytes"], guest["weight"]), ("web", None, 4 << 20, 7), "guest")
    holds("memory" not in guest["spec"] and "args" not in guest["spec"], "its spec has only what is its own")
    lines = [line.split() for line in daemon.cassin("inspect", "a", code=0).out.splitlines()]
    holds(["template", "web"] in lines, "inspect names its template")


def test_a_clone_restarts(t):
    daemon = t.daemon()
    port = t.ports()
    create(t, daemon)
    daemon.cassin("spawn", "--name", "a", "-p", f"{port}:80", "--template", "web", code=0)
    for i in range(3):
        daemon.cassin("restart", "a", code=0)
        equal(http_get(port, "/status").json()["name"], "a", f"name after restart {i + 1}")


def test_a_clone_that_crashes_is_restarted_by_its_policy(t):
    daemon = t.daemon()
    port = t.ports(2)
    daemon.cassin("template", "create", "web", t.guest("http"), "--crash-route", code=0)
    daemon.cassin("spawn", "-n", 2, "-p", f"{port}+:80", "--restart", "on-failure", "--name", "a",
                  "--template", "web", code=0)
    daemon.cassin("connect", "a-0", "80", input="GET /crash HTTP/1.0\r\n\r\n")
    wait_until(lambda: daemon.guest("a-0")["restarts"] == 1 and daemon.guest("a-0")["state"] == "running", "it is back")
    equal(status(daemon, "a-0")["name"], "a-0", "name")
    equal(daemon.guest("a-1")["restarts"], 0, "restarts of the other")
    contains(daemon.request("GET", "/v1/guests/a-0/report", status=200).text, "a-0")


def test_clones_of_clones(t):
    daemon = t.daemon()
    first = t.ports(5)
    create(t, daemon, "a")
    daemon.cassin("template", "create", "b", "--template", "a", code=0)
    daemon.cassin("template", "create", "c", "--template", "b", code=0)
    daemon.cassin("spawn", "-n", 5, "--name", "g", "-p", f"{first}+:80", "--template", "c", code=0)
    for i in range(5):
        equal(http_get(first + i, "/status").json()["name"], f"g-{i}", "name")
    daemon.cassin("template", "rm", "a", "b", code=0)
    daemon.cassin("spawn", "--name", "last", "--template", "c", code=0)
    equal(status(daemon, "last")["name"], "last", "name")
    equal([x["name"] for x in templates(daemon)], ["c"], "templates")
    one_line(daemon.cassin("template", "create", "d", "--template", "a", code=1).err, "a")


def test_clones_of_clones_draw_numbers_of_their_own(t):
    daemon = t.daemon()
    image = t.compile("draws", DRAWS)
    daemon.cassin("template", "create", "a", image, code=0)
    daemon.cassin("template", "create", "b", "--template", "a", code=0)
    daemon.cassin("spawn", "-n", 10, "--name", "g", "--template", "b", code=0)
    lines = [console(daemon, f"g-{i}").split() for i in range(10)]
    equal([words[0] for words in lines], [f"g-{i}" for i in range(10)], "names")
    equal(len({words[1] for words in lines}), 10, "numbers drawn")


def test_a_clone_is_frozen_where_it_first_waits_or_calls_ready_again(t):
    daemon = t.daemon()
    again = t.compile("again", TELLS.replace("cassin_ready();", "cassin_ready(); cassin_print(\"once\\n\"); cassin_ready();"))
    daemon.cassin("template", "create", "c", again, code=0)
    daemon.cassin("template", "create", "d", "--template", "c", code=0)
    daemon.cassin("spawn", "-n", 5, "--name", "g", "--template", "d", code=0)
    lines = [console(daemon, f"g-{i}").split() for i in range(5)]
    equal([words[0] for words in lines], [f"g-{i}" for i in range(5)], "names")
    equal(len({words[2] for words in lines}), 5, "numbers drawn")
    daemon.cassin("template", "rm", "c", code=0)
    daemon.cassin("spawn", "--name", "last", "--template", "d", code=0)
    contains(console(daemon, "last"), "last ")
    equal([x["name"] for x in templates(daemon)], ["d"], "templates")


def test_the_image_file_may_go_or_change(t):
    daemon = t.daemon()
    image = t.path("own.elf")
    shutil.copy(t.guest("http"), image)
    daemon.cassin("template", "create", "web", image, code=0)
    with open(image, "r+b") as file:
        file.write(b"\0" * 4096)
    daemon.cassin("spawn", "--name", "changed", "--template", "web", code=0)
    equal(status(daemon, "changed")["name"], "changed", "name")
    os.unlink(image)
    daemon.cassin("spawn", "--name", "gone", "--template", "web", code=0)
    equal(status(daemon, "gone")["name"], "gone", "name")
    daemon.cassin("restart", "gone", code=0)
    equal(status(daemon, "gone")["name"], "gone", "name after a restart")
    shutil.copy(t.guest("kv"), image)
    daemon.cassin("spawn", "--name", "other", "--template", "web", code=0)
    equal(status(daemon, "other")["name"], "other", "name")


def test_clones_outlive_their_template(t):
    daemon = t.daemon()
    create(t, daemon)
    daemon.cassin("spawn", "-n", 3, "--name", "c", "--template", "web", code=0)
    equal(templates(daemon)[0]["clones"], 3, "clones")
    daemon.cassin("rm", "c-1", code=0)
    equal(templates(daemon)[0]["clones"], 2, "clones")
    equal(daemon.cassin("template", "rm", "web", code=0).out, "web\n", "output")
    equal(templates(daemon), [], "templates")
    equal(status(daemon, "c-0")["name"], "c-0", "name")
    one_line(daemon.cassin("spawn", "--name", "late", "--template", "web", code=1).err.splitlines()[0] + "\n", "web")
    create(t, daemon, "web", "kv")
    equal(status(daemon, "c-2")["name"], "c-2", "an old clone beside the new template")


def test_a_thousand_clones_leave_nothing_behind(t):
    daemon = t.daemon()
    create(t, daemon)
    before = daemon.request("GET", "/v1/stats").json()
    for _ in range(2):
        daemon.cassin("spawn", "-n", 1000, "--template", "web", code=0)
        for i in range(0, 1000, 100):
            equal(status(daemon, f"web-{i}")["name"], f"web-{i}", "name")
        daemon.cassin("rm", "--all", code=0)
    after = daemon.request("GET", "/v1/stats").json()
    held = [x["used_frames"] - x["quarantined_frames"] for x in (before, after)]
    holds(held[1] <= held[0] + 8, f"frames in use before and after: {held}")
    equal(templates(daemon)[0]["clones"], 0, "clones")


# ---- templates ----

def test_templates_are_listed(t):
    daemon = t.daemon()
    equal(daemon.cassin("template", "create", "--memory", "4M", "web", "--domain", "shop", t.guest("http"), code=0).out,
          "web\n", "output")
    create(t, daemon, "db", "kv")
    listed = daemon.cassin("template", "ls", "--json", code=0).json()["templates"]
    equal([(x["name"], x["domain"], x["memory_bytes"], x["clones"]) for x in listed],
          [("web", "shop", 4 << 20, 0), ("db", "default", 16 << 20, 0)], "templates")
    equal(listed[0]["image"], os.path.realpath(t.guest("http")), "image")
    holds(all(x["pages"] > 0 and x["created_ns"] > 0 for x in listed), "pages, time")
    lines = daemon.cassin("template", "ls", code=0).out.splitlines()
    equal([line.split()[0] for line in lines], ["NAME", "web", "db"], "table")
    contains(daemon.request("GET", "/metrics").text, "\ncassin_templates 2\n")
    equal(daemon.request("GET", "/v1/stats").json()["templates"], 2, "templates in the totals")
    equal(daemon.guests(), [], "templates are no guests")


def test_a_guest_that_ends_before_ready_is_no_template(t):
    daemon = t.daemon()
    one_line(daemon.cassin("template", "create", "x", t.guest("life"), "exit", "3", code=1).err, "x", "ready")
    one_line(daemon.cassin("template", "create", "x", t.guest("life"), "crash", code=1).err, "x", "ready")
    answer = daemon.request("POST", "/v1/templates", {"name": "x", "image": t.guest("hello")})
    equal(answer.status, 422, "status")
    contains(answer.json()["error"], "ready")
    equal((templates(daemon), daemon.guests()), ([], []), "templates and guests")
    create(t, daemon, "x", "http")


def test_a_guest_that_is_never_ready_is_no_template(t):
    daemon = t.daemon()
    one_line(daemon.cassin("template", "create", "x", "--timeout", "1", t.guest("hog"), "spin", code=1).err, "x", "ready")
    answer = daemon.request("POST", "/v1/templates?timeout_ms=500",
                            {"name": "x", "image": t.guest("hog"), "args": ["spin"]})
    equal(answer.status, 422, "status")
    equal((templates(daemon), daemon.guests()), ([], []), "templates and guests")
    wait_until(lambda: daemon.request("GET", "/v1/stats").json()["running"] == 0, "nothing runs on")


def test_a_name_is_taken_once(t):
    daemon = t.daemon()
    create(t, daemon)
    one_line(daemon.cassin("template", "create", "web", t.guest("kv"), code=1).err, "web")
    equal(daemon.request("POST", "/v1/templates", {"name": "web", "image": t.guest("kv")}).status, 409, "status")
    daemon.cassin("template", "rm", "web", code=0)
    create(t, daemon, "web", "kv")


def test_what_is_wrong_is_told(t):
    daemon = t.daemon()
    image = t.guest("http")
    create(t, daemon)
    for spec, parts in (({"name": "x", "image": image, "template": "web"}, ["image", "template"]),
                        ({"name": "x", "template": "web", "memory": "4M"}, ["memory", "template"]),
                        ({"name": "x", "template": "web", "args": ["a"]}, ["args", "template"]),
                        ({"name": "x"}, ["image: is missing"]), ({"image": image}, ["name: is missing"]),
                        ({"name": "x", "template": "a b"}, ["template: must be"]),
                        ({"name": "x", "image": "relative.elf"}, ["absolute"])):
        for path in ("/v1/templates", "/v1/guests"):
            contains(daemon.request("POST", path, spec, status=400).json()["error"], *parts)
    ports = {"name": "x", "image": image, "ports": [{"host": "tcp:127.0.0.1:1", "guest": 80}]}
    contains(daemon.request("POST", "/v1/templates", ports, status=400).json()["error"], "ports")
    daemon.request("POST", "/v1/templates?timeout_ms=600001", {"name": "x", "image": image}, status=400)
    contains(daemon.request("POST", "/v1/guests", {"name": "x", "template": "no"}, status=422).json()["error"], "no")
    daemon.request("POST", "/v1/templates", {"name": "x", "image": "/absent.elf"}, status=422)
    daemon.request("DELETE", "/v1/templates/absent", status=404)
    daemon.request("DELETE", "/v1/templates/a%20b", status=404)
    daemon.request("PUT", "/v1/templates", status=405)
    one_line(daemon.cassin("template", "rm", "absent", code=1).err, "absent")
    mistaken(daemon.cassin("spawn", "--template", "web", "--memory", "4M"), "spawn", "--memory")
    mistaken(daemon.cassin("spawn", "--template", "web", image), "spawn", "image")
    t.write("s.json", json.dumps({"name": "x", "memory": "4M"}))
    one_line(daemon.cassin("spawn", "--template", "web", "--spec", "s.json", code=1).err, "s.json", "memory")
    contains(t.cassin("run", "--spec", t.write("r.json", '{"name": "x", "template": "web"}'), code=125).err, "daemon")
    for words in ((), ("nonsense",), ("create",), ("create", "x"), ("rm",), ("ls", "x"), ("create", "--timeout", "x", "y", image)):
        daemon.cassin("template", *words, code=2)
    equal([x["name"] for x in templates(daemon)], ["web"], "templates")
    equal(daemon.guests(), [], "guests")


def test_a_clone_in_another_domain_is_refused(t):
    daemon = t.daemon()
    create(t, daemon, options=("--domain", "shop"))
    daemon.cassin("spawn", "--name", "own", "--template", "web", "--domain", "shop", code=0)
    contains(daemon.request("POST", "/v1/guests", {"name": "x", "template": "web", "domain": "other"}).json()["error"],
             "domain")
    daemon.cassin("spawn", "--name", "heir", "--template", "web", code=0)
    equal([g["domain"] for g in daemon.guests()], ["shop", "shop"], "domains")


def test_templates_and_kept_clones_come_back_with_the_daemon(t):
    state, port = t.path("state"), t.ports()
    daemon = t.daemon("--state", state)
    create(t, daemon)
    create(t, daemon, "gone", "kv")
    daemon.cassin("template", "rm", "gone", code=0)
    daemon.cassin("spawn", "--name", "kept", "-p", f"{port}:80", "--restart", "always", "--weight", "300", "--cpu-max",
                  "50000 100000", "--template", "web", code=0)
    equal(sorted(n for n in os.listdir(state) if n[0] != "."), ["kept.json", "web.template"], "kept files")
    daemon.end()
    daemon = t.daemon("--state", state)
    equal([x["name"] for x in templates(daemon)], ["web"], "templates")
    guest = daemon.guest("kept")
    equal((guest["template"], guest["weight"], guest["cpu_max"]), ("web", 300, "50000 100000"), "guest")
    equal(http_get(port, "/status").json()["name"], "kept", "name")
    daemon.cassin("template", "rm", "web", code=0)
    daemon.end()
    daemon = t.daemon("--state", state)
    equal(daemon.guests(), [], "guests whose template has gone")
    contains(daemon.log(), "cannot start the kept guest kept", "web")


def test_a_template_is_refused_with_the_one_cause(t):
    daemon = t.daemon()
    space = t.compile("space", "int main(void) { cassin_call(CASSIN_CALL_SPACE_CREATE, 0, 0, 0, 0, 0); cassin_ready(); return 0; }")
    one_line(daemon.cassin("template", "create", "s", space, code=1).err,
             "s: cannot be frozen at its ready call: it has made another space\n")
    connected = t.compile("connected", "int main(void) { struct cassin_sqe s = {.op = CASSIN_OP_CONNECT,"
                          " .addr = (uint64_t)\"peer\", .len = 4}; if (cassin_do(&s) < 0) return 1; cassin_ready(); return 0; }")
    with socket.create_server(("127.0.0.1", 0)) as server:
        spec = t.write("connected.json", json.dumps({"image": connected, "connect": [
            {"name": "peer", "target": f"tcp:127.0.0.1:{server.getsockname()[1]}"}]}))
        one_line(daemon.cassin("template", "create", "c", "--spec", spec, code=1).err,
                 "c: cannot be frozen at its ready call: it has a connection\n")
        receives = t.compile("receives", "static char byte; int main(void) { struct cassin_sqe s = {.op = CASSIN_OP_CONNECT,"
                             " .addr = (uint64_t)\"peer\", .len = 4}; int32_t h = cassin_do(&s); if (h < 0) return 1;"
                             " struct cassin_sqe *r = cassin_sqe(CASSIN_OP_RECV, 7); r->handle = h; r->addr = (uint64_t)&byte;"
                             " r->len = 1; cassin_wait(0, 0); cassin_ready(); return 0; }")
        spec = t.write("receives.json", json.dumps({"image": receives, "connect": json.load(open(spec, encoding="utf-8"))["connect"]}))
        one_line(daemon.cassin("template", "create", "r", "--spec", spec, code=1).err,
                 "r: cannot be frozen at its ready call: "
                 "an operation is under way that cannot be started again: recv, user_data 0x7\n")
