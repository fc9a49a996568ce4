# SPDX-License-Identifier: MIT
"""The example services as processes, the baseline of measurements, answer as the guests do."""

import json
import os
import socket
import time

from cassin_test import equal, holds, receive, wait_until

PAGE = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
REFUSED = b"nonsense\r\n\r\n"
PIPELINE = (b"HEAD / HTTP/1.1\r\nHost: t\r\n\r\nPOST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"
            b"GET /none HTTP/1.0\r\n\r\n")
HUGE = b"GET / HTTP/1.1\r\nX: " + b"x" * 8192
COMMANDS = (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\nGET k\r\nGET none\r\nINCR n\r\nINCR k\r\nDEL k n\r\nNOPE\r\n"
            b"SET t 1 PX 40\r\nDBSIZE\r\n*x\r\n")


def open_port(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except ConnectionRefusedError:
        return False


def both(t, name, guest_port, *args):
    """The service as a guest and as a process; the ports of both, and the process."""
    ports = t.ports(2)
    t.daemon().cassin("spawn", "--name", "same", "-p", f"{ports}:{guest_port}", t.guest(name), code=0)
    program = os.path.join(t.build, "tests", "native", name)
    process = t.start([program, *args, ports + 1], env={"CASSIN_NAME": "same"})
    wait_until(lambda: open_port(ports + 1), "the process listens")
    return ports, ports + 1, process


def ask(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        return receive(connection)


def test_http_as_a_process_answers_as_the_guest(t):
    guest, native, process = both(t, "http", 80, "--port")
    for request in (PAGE, REFUSED, PIPELINE, HUGE):
        answer = ask(native, request)
        holds(answer.startswith(b"HTTP/1.1 "), f"an answer: {answer[:100]}")
        equal(answer, ask(guest, request), f"the answer to {request[:40]}")
    figures = [json.loads(ask(port, PAGE.replace(b"/", b"/status", 1)).split(b"\r\n\r\n")[1]) for port in (guest, native)]
    equal(list(figures[0]), list(figures[1]), "what /status tells")
    equal(figures[1]["name"], "same", "the name")
    holds(figures[1]["memory"] > 0, "memory")
    process.terminate()
    equal(process.wait(20), 0, "exit code after SIGTERM")


def test_kv_as_a_process_answers_as_the_guest(t):
    guest, native, _ = both(t, "kv", 6379, "--port")
    answers = []
    for port in (guest, native):
        first = ask(port, COMMANDS)
        time.sleep(0.1)
        answers.append((first, ask(port, b"GET t\r\n*x\r\n")))
    equal(answers[1], answers[0], "answers")
    holds(b"value" in answers[1][0], f"the value is told: {answers[1][0]}")
    large = b"x" * 500000
    answer = ask(native, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000\r\n" + large + b"\r\nGET k\r\nGET k\r\nGET k\r\n*x\r\n")
    equal(answer.count(large), 3, "large values")


def test_echo_as_a_process_echoes(t):
    _, native, _ = both(t, "echo", 7)
    connections = [socket.create_connection(("127.0.0.1", native), timeout=20) for _ in range(256)]
    late = socket.create_connection(("127.0.0.1", native), timeout=20)
    late.sendall(b"late")
    for i, connection in enumerate(connections):
        connection.sendall(b"%d" % i)
    for i, connection in enumerate(connections):
        equal(connection.recv(100), b"%d" % i, f"echo on connection {i}")
        connection.close()
    equal(late.recv(100), b"late", "one more than it serves at once waits")
    late.close()
