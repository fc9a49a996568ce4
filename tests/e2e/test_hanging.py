# SPDX-License-Identifier: MIT
"""Files that hang, as on a network file system whose server is gone: they harm the spawn that names them, and nobody else."""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import time

from cassin_test import contains, equal, holds, one_line, parse_answer, receive, stays, wait_until
from hanging import Hanging, paths_hang

LOADERS = 32  # threads of the daemon that spawn


def kept(t):
    return sorted(name for name in os.listdir(t.path("state")) if not name.startswith("."))


def answers(connections, status=201):
    for connection in connections:
        with connection:
            equal(parse_answer(receive(connection)).status, status, "status of a spawn that hung")


def test_an_operator_gets_in_while_a_hundred_spawns_hang(t):
    hanging = Hanging(t)
    daemon = hanging.daemon
    daemon.cassin("spawn", "-n", 3, "--name", "other", t.guest("life"), "sleep", code=0)
    daemon.cassin("spawn", "--name", "echo", t.guest("echo"), code=0)
    spawns = [hanging.spawn(t, f"stuck-{i}") for i in range(100)]
    wait_until(lambda: hanging.waiting() == LOADERS, "all loaders wait for the file system")
    contains(daemon.cassin("ps", code=0).out, "other-0", "other-2")
    contains(daemon.cassin("stats", code=0).out, "guests")
    daemon.cassin("kill", "other-0", code=0)
    daemon.cassin("restart", "other-0", code=0)
    daemon.cassin("stop", "other-1", code=0)
    daemon.cassin("rm", "other-*", code=0)
    equal(daemon.cassin("connect", "echo", "7", input="hello\n", code=0).out, "hello\n", "an echo")
    time.sleep(6)
    late = daemon.request("POST", "/v1/guests", {"name": "late", "image": t.guest("hello")}, status=507)
    contains(late.text, f"{LOADERS} spawns are still reading their files")
    hanging.release()
    answers(spawns)
    equal(len(daemon.guests()), 101, "guests: the hundred, and echo")
    daemon.cassin("rm", "--all", code=0)


def test_fewer_than_all_loaders_hold_up_no_other_spawn(t):
    hanging = Hanging(t, "--state", t.path("state"), "--max-guests", "60")
    daemon = hanging.daemon
    spawns = [hanging.spawn(t, f"stuck-{i}", restart="always" if i % 2 else "no")
              for i in range(LOADERS - 1)]
    wait_until(lambda: hanging.waiting() == LOADERS - 1, "the loaders wait for the file system")
    daemon.cassin("spawn", "-n", 20, "--name", "kept", "--restart", "always", t.guest("life"), "sleep", code=0)
    daemon.cassin("rm", "kept-1", code=0)
    holds(not os.path.exists(t.path("state/kept-1.json")), "a guest that is removed is forgotten")
    holds(os.path.exists(t.path("state/kept-2.json")), "another is kept")
    hanging.release()
    answers(spawns)
    equal(sum(name.startswith("stuck") for name in os.listdir(t.path("state"))), (LOADERS - 1) // 2, "specs that are kept")


def test_what_hangs_does_not_hold_up_the_end(t):
    hanging = Hanging(t, "--swap", t.path("swap"))
    daemon = hanging.daemon
    daemon.cassin("spawn", "--name", "other", t.guest("hog"), "spin", "--timeout", "0", code=0)
    spawns = [hanging.spawn(t, f"stuck-{i}") for i in range(3)]
    wait_until(lambda: hanging.waiting() == 3, "the spawns hang")
    equal(daemon.end(signal.SIGTERM, 30), 0, "exit code")
    contains(daemon.log(), "ending without them")
    equal([name for name in os.listdir(t.folder) if ".sock" in name or name == "swap"], [], "files that are left")
    for connection in spawns:
        connection.close()


def test_a_kept_guest_whose_files_hang_holds_up_no_other(t):
    def leave_specs(hanging):
        os.mkdir(t.path("state"))
        for name in ("a-stuck", "b", "c"):
            spec = hanging.spec(t, name, restart="always")
            if name != "a-stuck":
                del spec["files"]
            t.write(f"state/{name}.json", json.dumps(spec))

    hanging = Hanging(t, "--state", t.path("state"), prepare=leave_specs, wait=False)
    daemon = hanging.daemon
    wait_until(lambda: "listens on" in daemon.log() and len(daemon.guests()) == 2, "the others run")
    equal(sorted(guest["name"] for guest in daemon.guests()), ["b", "c"], "guests")
    daemon.cassin("rm", "b", code=0)
    hanging.release()
    wait_until(lambda: len(daemon.guests()) == 2, "the third has come to be")
    equal(sorted(name for name in os.listdir(t.path("state")) if name.endswith(".json")), ["a-stuck.json", "c.json"], "kept")


def test_the_end_comes_while_kept_guests_hang(t):
    def leave_spec(hanging):
        os.mkdir(t.path("state"))
        t.write("state/stuck.json", json.dumps(hanging.spec(t, "stuck", restart="always")))

    hanging = Hanging(t, "--state", t.path("state"), prepare=leave_spec, wait=False)
    wait_until(lambda: hanging.waiting() == 1, "the start hangs")
    equal(hanging.daemon.end(signal.SIGTERM, 30), 0, "exit code")
    holds(os.path.exists(t.path("state/stuck.json")), "it is kept")


def test_an_image_that_hangs_holds_up_its_own_spawns_alone(t):
    with open(t.guest("life"), "rb") as image:
        t.write("hanging.elf", image.read())
    hanging = Hanging(t)
    daemon = hanging.daemon
    daemon.cassin("spawn", "-n", 2, "--name", "other", t.guest("life"), "sleep", code=0)
    spawns = [hanging.spawn(t, f"stuck-{i}", image=t.path("hanging.elf"), files=[]) for i in range(4)]
    wait_until(lambda: hanging.waiting() == 4, "four spawns wait for one image")
    contains(daemon.cassin("stats", code=0).out, "guests")
    contains(daemon.cassin("ps", code=0).out, "other-0", "other-1")
    daemon.cassin("kill", "other-0", code=0)
    daemon.cassin("rm", "other-1", code=0)
    daemon.cassin("spawn", "--name", "new", "--domain", "new", t.guest("life"), "sleep", code=0)
    hanging.release()
    answers(spawns)
    daemon.cassin("rm", "--all", code=0)


def test_a_template_that_is_removed_while_it_is_being_kept_is_not_kept(t):
    hanging = Hanging(t, "--state", t.path("state"))
    daemon = hanging.daemon
    create = hanging.ask("POST", "/v1/templates", {"name": "hanging", "image": t.guest("life"), "args": ["ready"]})
    wait_until(lambda: hanging.waiting() == 1, "the spec is being written")
    remove = hanging.ask("DELETE", "/v1/templates/hanging")
    select.select([remove], [], [], 2)  # whether it is done by then or waits
    hanging.release()
    with create, remove:
        holds(parse_answer(receive(create)).status in (201, 404), "it was made")
        equal(parse_answer(receive(remove)).status, 200, "status of the removal")
    equal(daemon.request("GET", "/v1/templates", status=200).json()["templates"], [], "templates")
    equal([name for name in os.listdir(t.path("state")) if "hanging" in name], [], "specs that are kept")


def test_a_spec_that_hangs_while_it_is_kept_holds_up_its_own_name_alone(t):
    hanging = Hanging(t, "--state", t.path("state"))
    daemon = hanging.daemon
    plain = {"image": t.guest("life"), "args": ["sleep"], "restart": "always"}
    daemon.request("POST", "/v1/guests", {"name": "before", **plain}, status=201)
    create = hanging.ask("POST", "/v1/guests", {"name": "hanging", **plain})
    wait_until(lambda: hanging.waiting() == 1, "the spec is being written")
    daemon.request("POST", "/v1/guests", {"name": "other", **plain}, status=201)
    equal(sorted(guest["name"] for guest in daemon.guests()), ["before", "hanging", "other"], "guests")
    template = {"name": "hanging", "image": t.guest("life"), "args": ["ready"]}
    made = hanging.ask("POST", "/v1/templates", template)
    wait_until(lambda: hanging.waiting() == 2, "the template's, too")
    daemon.request("POST", "/v1/templates", {**template, "name": "quick"}, status=201)
    for target in ("guests/before", "templates/quick"):
        daemon.request("DELETE", f"/v1/{target}", status=200)
    equal(kept(t), ["other.json"], "specs that are kept meanwhile")
    remove = hanging.ask("DELETE", "/v1/guests/hanging")
    select.select([remove], [], [], 1)
    hanging.release()
    with create, made, remove:
        holds(parse_answer(receive(create)).status in (201, 404), "it was there, and may be gone")
        equal(parse_answer(receive(made)).status, 201, "status of the template")
        equal(parse_answer(receive(remove)).status, 200, "status of the removal")
    equal(kept(t), ["hanging.template", "other.json"], "specs that are kept")


def connected(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            return True
        except OSError:
            return False


FICKLE = """
static int32_t perform(uint8_t op, int32_t handle, void *bytes, uint64_t offset)
{
	struct cassin_sqe sqe = {.op = op, .handle = handle, .addr = (uint64_t)bytes, .len = bytes != NULL, .offset = offset};
	return cassin_do(&sqe);
}
int main(void)
{
	int32_t orders = perform(CASSIN_OP_LISTEN, 0, NULL, 9), listener = perform(CASSIN_OP_LISTEN, 0, NULL, 80);
	for (;;) {
		char letter = 0;
		int32_t h = perform(CASSIN_OP_ACCEPT, orders, NULL, 0);
		perform(CASSIN_OP_RECV, h, &letter, 0);
		if (letter == 'x')
			cassin_exit(1);
		if (letter == 'l')
			listener = perform(CASSIN_OP_LISTEN, 0, NULL, 80);
		else
			perform(CASSIN_OP_CLOSE, listener, NULL, 0);
		perform(CASSIN_OP_SEND, h, &letter, 0);
		perform(CASSIN_OP_CLOSE, h, NULL, 0);
	}
}
"""


def order(daemon, name, letter):
    """Has a guest of the above close its listener on port 80 (c), listen again (l), end (x)."""
    daemon.cassin("connect", name, "9", input=letter)


def ask_others(daemon, echoes):
    """Everything that has to do with others goes on: one worker serves all."""
    contains(daemon.cassin("ps", code=0).out, *echoes)
    contains(daemon.cassin("stats", code=0).out, "guests")
    for name in echoes:
        equal(daemon.cassin("connect", name, "7", input="hello\n", code=0).out, "hello\n", f"an echo of {name}")


def test_ports_at_paths_that_hang_hold_up_their_guests_alone(t):
    hanging = Hanging(t, "--workers", "1")
    daemon, echoes = hanging.daemon, ("echo-0", "echo-1")
    daemon.cassin("spawn", "-n", 2, "--name", "echo", t.guest("echo"), code=0)
    paths = {name: t.path(f"hanging-{name}.sock") for name in ("killed", "failing", "fickle", "removed")}
    image = t.compile("fickle", FICKLE)
    for name, path in paths.items():
        daemon.cassin("spawn", "--name", name, "--restart", "on-failure", "-p", f"unix:{path}:80", image, code=0)
        holds(connected(path), f"{name} listens")
    with paths_hang(hanging):
        daemon.cassin("kill", "killed", code=0)
        ask_others(daemon, echoes)
        said = daemon.cassin("restart", "killed", code=1).err
        one_line(said, "killed", "the file system there does not answer")
        ask_others(daemon, echoes)
        daemon.cassin("rm", "removed", code=0)
        holds("removed" not in [guest["name"] for guest in daemon.guests()], "its name is free")
        for name in ("fickle", "failing"):
            order(daemon, name, "c")
            holds(daemon.guest(name)["ports"][0]["refuses"], "the port of a listener that was closed refuses")
        order(daemon, "fickle", "l")
        order(daemon, "failing", "x")
        ask_others(daemon, echoes)
        stays(lambda: daemon.guest("fickle")["ports"][0]["refuses"], "it cannot listen yet", 0.3)
        equal([path for path in paths.values() if connected(path)], [], "who listens")
        contains(daemon.await_state("failing", "crashed")["report"], "the restart failed", "does not answer")
        daemon.cassin("kill", "echo-1", code=0)
        daemon.cassin("restart", "echo-1", code=0)
        ask_others(daemon, echoes)
    wait_until(lambda: connected(paths["fickle"]), "the socket of who listens again is there")
    wait_until(lambda: not os.path.exists(paths["killed"]) and not os.path.exists(paths["removed"]), "the others' files are gone")
    daemon.cassin("restart", "killed", code=0)
    wait_until(lambda: connected(paths["killed"]), "it was restarted")
    daemon.cassin("rm", "--all", code=0)
    equal([path for path in paths.values() if os.path.exists(path)], [], "files that are left")


CONNECTS = """
static int32_t dial(uint8_t flags)
{
	struct cassin_sqe sqe = {.op = CASSIN_OP_CONNECT, .addr = (uint64_t)"there", .len = 5};
	int32_t h = flags ? 0 : cassin_do(&sqe);
	if (flags) {
		sqe.user_data = 7;
		*cassin_sqe(CASSIN_OP_CONNECT, 7) = sqe;
		cassin_wait(0, 0);
		sqe = (struct cassin_sqe){.op = CASSIN_OP_CANCEL, .offset = 7};
		h = cassin_do(&sqe);
	}
	return h;
}
int main(int argc, char **argv)
{
	for (int i = 0; argc > 1 && i < 500; i++)
		dial(1);
	cassin_print("connects\\n");
	int32_t h = dial(0);
	char byte = 0;
	struct cassin_sqe receive = {.op = CASSIN_OP_RECV, .handle = h, .addr = (uint64_t)&byte, .len = 1};
	cassin_print("connected: %d, said %d\\n", h >= 0, h >= 0 ? cassin_do(&receive) : h);
	return 0;
}
"""


def test_targets_at_paths_that_hang_hold_up_who_connects_alone(t):
    hanging = Hanging(t, "--workers", "1")
    daemon, echoes, path = hanging.daemon, ("echo-0", "echo-1"), t.path("hanging.sock")
    daemon.cassin("spawn", "-n", 2, "--name", "echo", t.guest("echo"), code=0)
    image = t.compile("connects", CONNECTS)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(8)
        with paths_hang(hanging):
            for name, args in (("waits", []), ("killed", []), ("storm", ["give-up"])):
                t.write("spec.json", json.dumps({"name": name, "image": image, "args": args,
                                                 "connect": [{"name": "there", "target": f"unix:{path}"}]}))
                daemon.cassin("spawn", "--timeout", "0", "--spec", "spec.json", code=0)
                wait_until(lambda guest=name: "connects" in daemon.cassin("logs", guest, code=0).out, "it connects")
            ask_others(daemon, echoes)
            daemon.cassin("kill", "killed", code=0)
            equal(daemon.guest("waits")["state"], "running", "state of who waits")
            contains(daemon.cassin("logs", "storm", code=0).out, f"connected: 0, said {-errno.EMFILE}")
        server.setblocking(False)

        def served():
            """Whoever connects is closed at once; the killed guest's connection may be among them."""
            with contextlib.suppress(BlockingIOError):
                server.accept()[0].close()
            return daemon.guest("waits")["state"] == "exited"
        wait_until(served, "who waited is connected, and ends")
        contains(daemon.cassin("logs", "waits", code=0).out, "connected: 1, said 0")
    daemon.cassin("rm", "--all", code=0)
    wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["descriptors"] == 0, "descriptors are given back")


def test_what_is_ended_while_its_path_hangs_does_not_begin(t):
    """A restart waits for its port; a kill meanwhile ends that wait. Of what was there, nothing of somebody else's goes."""
    hanging = Hanging(t, "--workers", "1")
    daemon, path = hanging.daemon, t.path("hanging.sock")
    daemon.cassin("spawn", "--name", "web", "-p", f"unix:{path}:80", t.guest("http"), code=0)
    daemon.cassin("kill", "web", code=0)
    wait_until(lambda: not os.path.exists(path), "the socket is gone")
    with paths_hang(hanging):
        restart = hanging.ask("POST", "/v1/guests/web/restart")
        stays(lambda: daemon.guest("web")["state"] == "killed", "it waits for its port", 0.3)
        daemon.cassin("kill", "web", code=0)
        with restart:
            answer = parse_answer(receive(restart))
            equal(answer.status, 409, "status")
            contains(answer.text, "ended meanwhile")
        t.write("hanging.sock", "somebody else's")
    stays(lambda: os.path.isfile(path), "it is not ours", 0.5)
    one_line(daemon.cassin("restart", "web", code=1).err, "hanging.sock", "it stays")
    daemon.cassin("rm", "web", code=0)
    holds(os.path.isfile(path), "nor is it removed with the guest")


def test_a_spawn_that_fails_half_way_leaves_no_socket(t):
    daemon = t.daemon()
    ports = [{"host": f"unix:{t.path(name)}", "guest": 80 + i} for i, name in enumerate(("a.sock", "b.sock", "missing/c.sock"))]
    answer = daemon.request("POST", "/v1/guests", {"name": "web", "image": t.guest("http"), "ports": ports}, status=422)
    contains(answer.text, "missing/c.sock")
    kept_file = t.write("b.sock", "somebody else's")
    answer = daemon.request("POST", "/v1/guests", {"name": "web", "image": t.guest("http"), "ports": ports[:2]}, status=409)
    contains(answer.text, "b.sock")
    equal([name for name in os.listdir(t.folder) if name.endswith(".sock")], sorted(["b.sock", os.path.basename(daemon.socket)]), "sockets")
    holds(os.path.isfile(kept_file), "what is not ours stays")


def test_the_daemon_ends_while_paths_of_ports_hang(t):
    hanging = Hanging(t)
    daemon = hanging.daemon
    daemon.cassin("spawn", "--name", "web", "-p", f"unix:{t.path('hanging.sock')}:80", t.guest("http"), code=0)
    with paths_hang(hanging):
        equal(daemon.end(signal.SIGTERM, 40), 0, "exit code")


def test_a_domain_whose_paths_hang_holds_up_no_other(t):
    """Of as many guests as there are threads for paths, and one more of another domain."""
    hanging = Hanging(t, "--workers", "1")
    daemon = hanging.daemon
    for i in range(70):
        name = f"stuck-{i}"
        daemon.cassin("spawn", "--name", name, "--domain", "stuck", "-p", f"unix:{t.path(f'hanging-{i}.sock')}:80", t.guest("http"), code=0)
    daemon.cassin("spawn", "--name", "other", "--domain", "other", "-p", f"unix:{t.path('other.sock')}:80", t.guest("http"), code=0)
    with paths_hang(hanging):
        daemon.cassin("kill", "stuck-*", code=0)
        daemon.cassin("kill", "other", code=0)
        wait_until(lambda: not os.path.exists(t.path("other.sock")), "another's socket goes")
        daemon.cassin("restart", "other", code=0)
        holds(connected(t.path("other.sock")), "and is there again")
        equal(sum(os.path.exists(t.path(f"hanging-{i}.sock")) for i in range(70)), 70, "sockets of those that hang")
    wait_until(lambda: not any(name.startswith("hanging-") for name in os.listdir(t.folder)), "they go on")
    daemon.cassin("rm", "--all", code=0)
