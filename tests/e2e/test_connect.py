# SPDX-License-Identifier: MIT
"""Connections to guests by name: cassin connect, the gateway behind it, and from guest to guest."""

import os
import socket

from cassin_test import contains, equal, holds, one_line, receive


def spawn(daemon, name, *args, options=()):
    daemon.cassin("spawn", "--name", name, *options, *args, code=0)


def test_connect_reaches_a_guest_without_a_port_of_the_host(t):
    daemon = t.daemon()
    spawn(daemon, "web-3", t.guest("http"))
    equal(daemon.guest("web-3")["ports"], [], "ports")
    out = daemon.cassin("connect", "web-3", "80", input="GET /status HTTP/1.0\r\n\r\n", code=0).out
    contains(out, "200 OK", '"name":"web-3"')


def test_connect_carries_much_both_ways(t):
    daemon = t.daemon()
    spawn(daemon, "echo", t.guest("echo"))
    data = os.urandom(3 << 20)
    port = "7"
    result = daemon.cassin("connect", "echo", port, input=data, code=0)
    holds(result.out_bytes == data, f"{len(result.out_bytes)} of {len(data)} bytes came back as they were sent")


def test_connect_says_what_is_wrong(t):
    daemon = t.daemon()
    spawn(daemon, "deaf", t.guest("life"), "sleep")
    one_line(daemon.cassin("connect", "nobody", "80", code=1).err, "nobody")
    one_line(daemon.cassin("connect", "deaf", "80", input="words that nobody hears", code=1).err, '"deaf" does not listen on port 80')
    daemon.cassin("kill", "deaf", code=0)
    one_line(daemon.cassin("connect", "deaf", "80", code=1).err, "deaf", "killed")
    for port in ("0", "65536", "http", "-1", ""):
        daemon.cassin("connect", "--", "deaf", port, code=2)
    daemon.cassin("connect", "deaf", code=2)


def test_the_gateway_refuses_what_is_malformed_and_slow(t):
    daemon = t.daemon()
    for line in (b"nothing\n", b"web eighty\n", b"web 0\n", b"web 99999\n", b"\n", b"x" * 200 + b"\n", b"nobody 80\n",
                 b"\0\0\0\n"):
        with daemon.connect(suffix=".gw") as connection:
            connection.sendall(line)
            holds(receive(connection).startswith(b"ERR "), f"{line[:20]} is refused")
    with daemon.connect(suffix=".gw", seconds=20) as connection:
        connection.sendall(b"web")
        contains(receive(connection).decode(), "ERR ", "within 5 s")


def test_clients_of_a_guest_that_never_boots_hold_up_no_others(t):
    daemon = t.daemon("--workers", 1)
    daemon.cassin("spawn", "--name", "slow", "--cpu-max", "1000 1000000", "--timeout", "0", t.guest("hog"), "spin", code=0)
    daemon.cassin("spawn", "--name", "echo", t.guest("echo"), code=0)
    early = [daemon.connect(suffix=".gw") for _ in range(300)]
    for connection in early:
        connection.sendall(b"slow 80\n")
    equal(daemon.cassin("connect", "echo", "7", input="hello\n", code=0).out, "hello\n", "an echo")
    ended = 0
    for connection in early:
        connection.setblocking(False)
        try:
            ended += bool(connection.recv(100))
        except BlockingIOError:
            pass
    holds(ended < 150, f"the echo came before the others' time was over, of whom {ended} have ended")
    for connection in early:
        connection.setblocking(True)
        connection.settimeout(60)
        contains(receive(connection).decode(), "ERR ", '"slow" has taken no connection on port 80 for 10 s')
        connection.close()


def test_clients_that_come_early_are_served_when_the_guest_listens(t):
    """However long it boots, or is restarted; and whoever comes when its queue is full."""
    late = t.compile("late", """
static uint32_t input(struct cassin_conn *c)
{
	if (c->in[0] == 'f')
		cassin_exit(1);
	cassin_send(c, "late\\n", 5);
	return c->in_len;
}
int main(void)
{
	struct cassin_service service = {.port = 80, .input = input};
	for (uint64_t until = cassin_now() + 700000000ul; cassin_now() < until;) {
	}
	return cassin_serve(&service);
}
""")
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "late", "--restart", "on-failure", "--timeout", "0", late, code=0)
    connections = [daemon.connect(suffix=".gw") for _ in range(200)]
    for connection in connections:
        connection.sendall(b"late 80\n?")
    for connection in connections:
        connection.shutdown(socket.SHUT_WR)
        equal(receive(connection), b"OK\nlate\n", "the answer")
        connection.close()
    with daemon.connect(suffix=".gw") as connection:
        connection.sendall(b"late 80\nf")
        equal(receive(connection), b"OK\n", "the answer of a guest that fails")
    equal(daemon.cassin("connect", "late", "80", input="?", code=0).out, "late\n", "the next life's answer")


def test_the_gateway_serves_many_at_once(t):
    daemon = t.daemon()
    spawn(daemon, "web", t.guest("http"))
    connections = [daemon.connect(suffix=".gw") for _ in range(100)]
    for connection in connections:
        connection.sendall(b"web 80\nGET /status HTTP/1.0\r\n\r\n")
    for connection in connections:
        answer = receive(connection)
        holds(answer.startswith(b"OK\nHTTP/1."), f"answer: {answer[:100]}")
        contains(answer.decode(), '"name":"web"')
        connection.close()


def test_guests_reach_each_other_by_name(t):
    daemon = t.daemon()
    spawn(daemon, "web", t.guest("http"))
    caller = t.compile("caller", r"""
static int32_t perform(uint8_t op, int32_t handle, const void *addr, uint32_t len)
{
	struct cassin_sqe sqe = {.op = op, .handle = handle, .addr = (uint64_t)addr, .len = len};
	return cassin_do(&sqe);
}
int main(int argc, char **argv)
{
	static const char ask[] = "GET /status HTTP/1.0\r\n\r\n";
	static char text[2048];
	const char *to = argc > 1 ? argv[1] : "web:80";
	int32_t n, stream = perform(CASSIN_OP_CONNECT, 0, to, (uint32_t)strlen(to));
	if (stream < 0) {
		cassin_print("connect: %d\n", stream);
		return 1;
	}
	perform(CASSIN_OP_SEND, stream, ask, sizeof ask - 1);
	while ((n = perform(CASSIN_OP_RECV, stream, text, sizeof text)) > 0)
		cassin_write(text, (size_t)n);
	return 0;
}""")
    spawn(daemon, "caller", caller)
    daemon.await_state("caller", "exited")
    contains(daemon.cassin("logs", "caller", code=0).out, "200 OK", '"name":"web"')
    # Of another domain it has no such name.
    daemon.cassin("spawn", "--name", "stranger", "--domain", "other", caller)
    equal(daemon.await_state("stranger", "exited")["exit_code"], 1, "the stranger's exit code")


def test_the_gateways_answers_have_no_control_characters(t):
    daemon = t.daemon()
    for line in (b"\x1b[31m 80", b"\x07" * 60 + b" 80", b"web \x1b]0;x\x07"):
        with daemon.connect(suffix=".gw") as client:
            client.sendall(line + b"\n")
            answer = client.makefile("rb").readline()
        contains(answer.decode(), "ERR ")
        equal([byte for byte in answer[:-1] if byte < 32 or byte == 127], [], f"control characters in {answer}")
