# SPDX-License-Identifier: MIT
"""Guests with threads: the chat room, and guest-kernel as an outsider links it."""

import socket
import subprocess

from cassin_test import contains, equal, holds, receive, wait_until


class Person:
    """Somebody in the room."""

    def __init__(self, port, name):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.lines = self.connection.makefile("rb")
        self.say(name)

    def say(self, text):
        self.connection.sendall(text.encode() + b"\n")

    def hears(self, text):
        equal(self.lines.readline().decode(), text and text + "\n", "heard")

    def goes(self):
        self.lines.close()
        self.connection.close()


def room(t, daemon, *options):
    port = t.ports()
    daemon.cassin("spawn", "--name", "chat", "-p", f"{port}:5000", *options, t.guest("chat"), code=0)
    return port


def test_chat_tells_everybody_what_one_says(t):
    port = room(t, t.daemon())
    ann = Person(port, "ann")
    ann.hears("* ann comes")
    bob = Person(port, "bob")
    for person in (ann, bob):
        person.hears("* bob comes")
    ann.say("hello")
    bob.say("hi\r")
    for person in (ann, bob):
        equal({person.lines.readline(), person.lines.readline()}, {b"ann: hello\n", b"bob: hi\n"}, "heard")
    bob.say("/quit")
    ann.hears("* bob goes")
    bob.hears("")
    ann.connection.shutdown(socket.SHUT_WR)
    ann.hears("")


def test_chat_holds_many_people_and_those_who_leave_without_a_word(t):
    daemon = t.daemon()
    port = room(t, daemon)
    people = []
    for i in range(40):
        people.append(Person(port, f"p{i}"))
        people[i].hears(f"* p{i} comes")
    for i, person in enumerate(people):
        for j in range(i + 1, 40):
            person.hears(f"* p{j} comes")
    for person in people[1:]:
        person.goes()
    gone = {people[0].lines.readline() for _ in range(39)}
    equal(gone, {f"* p{i} goes\n".encode() for i in range(1, 40)}, "gone")
    silent = socket.create_connection(("127.0.0.1", port), timeout=20)
    silent.sendall(b"x" * 1000)  # no line
    equal(receive(silent), b"", "what the silent one hears")
    people[0].say("still here")
    people[0].hears("p0: still here")
    equal(daemon.guest("chat")["state"], "running", "state")


def test_chat_sends_away_who_does_not_read(t):
    port = room(t, t.daemon(), "--memory", "2M")
    deaf = Person(port, "deaf")
    ann = Person(port, "ann")
    wait_until(lambda: ann.lines.readline() == b"* ann comes\n", "ann is there")
    line = "x" * 380
    heard = 0
    # What nobody takes fills the host's buffers first, megabytes of them.
    for _ in range(400):
        ann.connection.sendall((line + "\n").encode() * 50)
        for _ in range(50):
            got = ann.lines.readline()
            if got == b"* deaf goes\n":
                deaf.goes()
                return
            heard += got == f"ann: {line}\n".encode()
    holds(False, f"the deaf one is sent away; ann heard {heard}")


def test_chat_says_goodbye_when_it_is_asked_to_stop(t):
    daemon = t.daemon()
    port = room(t, daemon)
    ann = Person(port, "ann")
    ann.hears("* ann comes")
    daemon.cassin("stop", "chat", code=0)
    ann.hears("* bye")
    ann.hears("")
    equal(daemon.await_state("chat", "exited")["exit_code"], 0, "exit code")
    contains(daemon.cassin("logs", "chat", code=0).out, "Z info person: ann comes\n")


def test_clones_of_a_chat_room_have_their_own_threads(t):
    daemon = t.daemon()
    daemon.cassin("template", "create", "room", t.guest("chat"), code=0)
    ports = t.ports(2)
    daemon.cassin("spawn", "-n", "2", "--template", "room", "--name", "room", "-p", f"{ports}+:5000", code=0)
    people = [Person(ports + i, f"p{i}") for i in range(2)]
    for i, person in enumerate(people):
        person.hears(f"* p{i} comes")
        person.say("anybody?")
        person.hears(f"p{i}: anybody?")
    daemon.cassin("stop", "--all", code=0)
    for person in people:
        person.hears("* bye")


def test_the_manuals_program_with_threads_is_built_by_cassin_cc(t):
    t.write("threads.c", t.programs_of("guest-kernel.md")[0])
    compiler = t.compiler()
    for option in ([], ["-static-pie"]):
        t.run([compiler, "--kernel", "-Wall", "-Werror", *option, "threads.c", "-o", "threads.elf"], code=0)
        out = t.cassin("run", t.path("threads.elf"), code=0).out
        equal(sorted(out.splitlines()), ["one 0", "one 1", "one 2", "two 0", "two 1", "two 2"], "output")
    contains(t.run([compiler, "--help"], code=0).out, "--kernel")
    result = t.run([compiler, "threads.c", "-o", "none.elf"])
    holds(result.code, "without --kernel the header is not found")
    contains(result.err, "cassin/kernel.h")


def test_the_manuals_ordinary_program_is_built_by_cassin_cc(t):
    t.write("root.c", t.programs_of("libc.md")[0])
    compiler = t.compiler()
    t.run([compiler, "-Wall", "-Werror", "root.c", "-o", "root.elf", "-lm"], code=0)
    equal(t.cassin("run", t.path("root.elf"), "it", code=0).out, "it: the root of two is 1.414213562373095\n", "output")
    t.write("ends.c", '#include <stdio.h>\n#include <stdatomic.h>\n#include <stdlib.h>\natomic_int n;\n'
            'int main(void)\n{\n\tatomic_fetch_add(&n, 1);\n\tprintf("%g", n * 1.5);\n\texit(3);\n}\n')
    t.run([compiler, "--libc", "ends.c", "-o", "ends.elf"], code=0)
    equal(t.cassin("run", t.path("ends.elf"), code=3).out, "1.5", "output")
    t.write("asks.c", "#ifndef __STDC_NO_THREADS__\n#include <threads.h>\n#endif\nint main(void)\n{\n\treturn 0;\n}\n")
    t.run([compiler, "--libc", "asks.c", "-o", "asks.elf"], code=0)
    t.write("host.c", "#include <sys/epoll.h>\nint main(void)\n{\n\treturn 0;\n}\n")
    result = t.run([compiler, "--libc", "host.c", "-o", "none.elf"])
    holds(result.code, "the host's headers are not found")
    contains(result.err, "sys/epoll.h")
    result = t.run([compiler, "--libc", "-static-pie", "ends.c", "-o", "none.elf"], code=2)
    contains(result.err, "position-independent")


def test_a_thread_guest_reads_the_console_of_cassin_run(t):
    # The guest first looks for input that must not be there yet.
    process = t.start([t.tool("cassin"), "run", t.guest("kernel_io"), "lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    equal(process.stdout.readline(), b"waiting\n", "output")
    out, _ = process.communicate(b"one\ntwo", timeout=40)
    equal(process.returncode, 0, "exit code")
    contains(out.decode(), "4<one\n>3<two>the end")


def test_the_minikernel_preempts_threads_and_runs_two_programs(t):
    out = t.cassin("run", t.guest("minikernel"), code=0).out
    said = sorted(line for line in out.splitlines() if "memory" not in line and "cut short" not in line)
    equal(said, ["counted", "counter: ended by exception 14", "thread: has met the other: 0",
                 "thread: has met the other: 1", "tick", "tick", "tick", "ticker: exit 7"], "output")
    contains(out, "kernel: pages of memory: ")
    contains(out, "counter: turns that were cut short: ")


def test_a_panic_of_the_minikernel_is_a_crash_with_its_message(t):
    result = t.cassin("run", t.guest("minikernel"), "argument", code=134)
    contains(result.out + result.err, "panic: this kernel takes no arguments")
    contains(result.out + result.err, "invalid opcode")
