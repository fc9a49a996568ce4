# SPDX-License-Identifier: MIT
"""The key-value service and those who talk to it: client libraries, browsers that were led astray, the silent."""

import os
import socket

from cassin_test import Failed, contains, equal, have, holds, SLOW

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"  # whose modules are Debian's packages


def serve(t, *options):
    port = t.ports()
    t.daemon().cassin("spawn", "--wait", "--name", "kv", "-p", f"{port}:6379", *options, t.guest("kv"), code=0)
    return port


def talk(port, text, seconds=20):
    """What comes until the other side closes, which it must do by itself."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds * SLOW) as connection:
        connection.sendall(text)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        except TimeoutError as late:
            raise Failed(f"not closed after {answer!r}") from late
        return answer


def test_redis_py_works_with_kv(t):
    result = t.run([SYSTEM_PYTHON, os.path.join(HERE, "kv_redis_py.py"), serve(t)])
    equal((result.out, result.code), ("fine\n", 0), f"what it says ({result.err[-800:]})")


def test_hiredis_works_with_kv(t):
    t.run(["gcc", "-Wall", "-o", "client", os.path.join(HERE, "kv_hiredis.c"), "-lhiredis"], code=0)
    result = t.run([t.path("client"), serve(t)])
    equal((result.out, result.code), ("fine\n", 0), "what it says")


def test_redis_cli_works_with_kv(t):
    port = serve(t)
    cli = [have("redis-cli"), "-p", port]
    script = "SET a 1\nINCRBY a 41\nMSET b 2 c 3\nMGET a b none\nMULTI\nDECRBY a 2\nGET a\nEXEC\nCLIENT SETNAME me\nSELECT 0\n"
    equal(t.run(cli, input=script, code=0).out.split(), "OK 42 OK 42 2 OK QUEUED QUEUED 40 40 OK OK".split(), "answers")
    contains(t.run([*cli, "-n", "1", "PING"]).out + t.run([*cli, "-n", "1", "PING"]).err, "out of range")
    contains(t.run([*cli, "-3", "HELLO", "3"]).out + t.run([*cli, "-3", "HELLO", "3"]).err, "NOPROTO")


def test_kv_gives_up_on_those_who_speak_http(t):
    port = serve(t)
    body = b"*3\r\n$3\r\nSET\r\n$4\r\nevil\r\n$1\r\n1\r\n"
    for request in (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" + body,
                    b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n" + body,
                    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + body,
                    b"*1\r\n$4\r\nPOST\r\n" + body):
        answer = talk(port, request)
        holds(b"+OK" not in answer, f"no command is carried out: {answer!r}")
    equal(talk(port, b"GET evil\r\nQUIT\r\n"), b"$-1\r\n+OK\r\n", "answer")


def test_kv_keeps_transactions_apart(t):
    port = serve(t)
    equal(talk(port, b"MULTI\r\nMULTI\r\nNONE\r\nEXEC\r\nEXEC\r\nDISCARD\r\nMULTI\r\nSET a 1\r\nDISCARD\r\nGET a\r\nQUIT\r\n"),
          b"+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR unknown command 'NONE'\r\n"
          b"-EXECABORT Transaction discarded because of previous errors.\r\n-ERR EXEC without MULTI\r\n"
          b"-ERR DISCARD without MULTI\r\n+OK\r\n+QUEUED\r\n+OK\r\n$-1\r\n+OK\r\n", "answers")
    # What waits for EXEC is bounded, and forgotten with its connection.
    large = b"SET a " + b"x" * 4000 + b"\r\n"
    answer = talk(port, b"MULTI\r\n" + large * 300 + b"EXEC\r\nQUIT\r\n", 30)
    contains(answer.decode(), "OOM no room for the transaction", "-EXECABORT")
    for _ in range(20):
        talk(port, b"MULTI\r\n" + large * 200 + b"QUIT\r\n", 30)
    equal(talk(port, b"SET b 1\r\nDBSIZE\r\nQUIT\r\n"), b"+OK\r\n:1\r\n+OK\r\n", "answers")


IDLE = r"""
static uint32_t input(struct cassin_conn *c)
{
	if (*c->in == 'm') { /* much, which nobody takes */
		static char piece[65536];
		for (int i = 0; i < 128; i++)
			cassin_send(c, piece, sizeof piece);
		return c->in_len;
	}
	cassin_send(c, c->in, c->in_len);
	return c->in_len;
}

int main(int argc, char **argv)
{
	(void)argv;
	struct cassin_service service = {.port = 7, .connections = 4, .input = input, .idle = argc > 1 ? CASSIN_FOREVER : 200000000};
	return cassin_serve(&service) ? 1 : 0;
}
"""


def test_silent_connections_do_not_keep_others_out(t):
    port = t.ports(2)
    patient = port + 1
    image = t.compile("service", IDLE)
    daemon = t.daemon()
    daemon.cassin("spawn", "--wait", "--memory", "24M", "-p", f"{port}:7", "--name", "short", image, code=0)
    daemon.cassin("spawn", "--wait", "--memory", "24M", "-p", f"{patient}:7", "--name", "long", image, "for-ever", code=0)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=30 * SLOW) for _ in range(4)]
    silent[0].sendall(b"much")  # and is not read from
    with socket.create_connection(("127.0.0.1", port), timeout=30 * SLOW) as other:
        other.sendall(b"hello")
        equal(other.recv(16), b"hello", "the answer to who comes when all places are taken")
    for connection in silent[1:]:
        equal(connection.recv(16), b"", "what a silent one hears")
    with socket.create_connection(("127.0.0.1", patient), timeout=30 * SLOW) as kept:
        kept.sendall(b"one")
        equal(kept.recv(16), b"one", "answer")
        while silent[0].recv(1 << 20):  # by then a limit would have been over
            pass
        kept.sendall(b"two")
        equal(kept.recv(16), b"two", "answer")
