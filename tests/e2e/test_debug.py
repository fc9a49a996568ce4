# SPDX-License-Identifier: MIT
"""Debugging guests with GDB: cassin run --gdb and cassin debug."""

import re
import signal
import socket
import subprocess

from cassin_test import Failed, contains, equal, have, holds, one_line, wait_until

SQUARES = """
static int square(int n)
{
	int result = n * n;
	return result;
}
int main(int argc, char **argv)
{
	int total = 0;
	for (int i = 1; i <= 4; i++)
		total += square(i);
	cassin_print("total %d, %s\\n", total, argc > 1 ? argv[1] : "");
	return 7;
}
"""
LOOP = """
static volatile unsigned long turns;
static volatile int stop;
static void turn(void)
{
	turns++;
}
int main(void)
{
	cassin_print("looping\\n");
	while (!stop)
		turn();
	cassin_print("stopped\\n");
	return 3;
}
"""
PRECISE = ("-g", "-O0")


def gdb(t, image, *commands):
    words = [word for command in commands for word in ("-ex", command)]
    return t.run([have("gdb"), "-nx", "-batch", "-iex", "set debuginfod enabled off", *words, image], code=0,
                 seconds=100)


def run_debugged(t, image, *args):
    """Starts cassin run --gdb 0; the process and the port that it tells."""
    process = t.start([t.tool("cassin"), "run", "--gdb", 0, image, *args], stdin=subprocess.DEVNULL,
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    told = process.stderr.readline().decode()
    found = re.search(r"waits for a debugger: gdb \S+ -ex 'target remote :(\d+)'", told)
    holds(found, f"the port is told: {told!r}")
    return process, int(found.group(1))


def ends(process, code, seconds=30):
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {seconds} s") from None
    equal(process.returncode, code, f"exit code (stderr: {err!r})")
    return out.decode()


def packet(text):
    data = text if isinstance(text, bytes) else text.encode()
    return b"$" + data + b"#%02x" % (sum(data) & 255)


class Client:
    """The protocol by hand."""

    def __init__(self, connection):
        self.connection, self.data = connection, b""

    def answer(self):
        while True:
            found = re.search(rb"\$([^#]*)#[0-9a-f]{2}", self.data)
            if found:
                self.data = self.data[found.end():]
                try:
                    self.connection.sendall(b"+")
                except BrokenPipeError:
                    pass  # that was the last answer
                return found.group(1).decode("latin-1")
            piece = self.connection.recv(65536)
            if not piece:
                raise Failed(f"the connection ended: {self.data!r}")
            self.data += piece

    def ask(self, text):
        self.connection.sendall(packet(text))
        return self.answer()


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    return Client(connection)


def attach(daemon, name):
    """The daemon's debugger without cassin."""
    connection = daemon.connect(suffix=".gw")
    connection.sendall(f"{name} gdb\n".encode())
    answer = b""
    while not answer.endswith(b"\n"):
        piece = connection.recv(1)
        if not piece:
            break
        answer += piece
    return connection, answer.decode()


def grows(daemon, name):
    before = daemon.guest(name)["counters"]["virtual_ns"]
    wait_until(lambda: daemon.guest(name)["counters"]["virtual_ns"] > before, f"{name} computes")


# seconds: 180
def test_a_guest_is_debugged_from_its_entry_to_its_end(t):
    image = t.compile("squares", SQUARES, *PRECISE)
    process, port = run_debugged(t, image, "word")
    out = gdb(t, image, f"target remote :{port}", "info registers rip", "break square", "continue", "continue", "backtrace",
              "print n", "info args", "finish", "next", "step", "print result", "up", "print total", "print argv[1]",
              "set var total = 100", "delete", "continue").out
    contains(out, "_start", "Breakpoint 1, square (n=1)", "square (n=2)", "#1", "main (argc=2", "$1 = 2", "n = 2",
             "Value returned is $2 = 4", '"word"', "exited with code 07")
    contains(ends(process, 7), "total 125, word")


# seconds: 180
def test_steps_calls_and_writes_of_gdb_work(t):
    image = t.compile("squares", SQUARES, *PRECISE)
    process, port = run_debugged(t, image)
    out = gdb(t, image, f"target remote :{port}", "break main", "continue", "print square(12)", "stepi", "nexti", "display/i $pc",
              "print $rsp == $sp", "set var $r15 = 0x1122334455667788", "print/x $r15", "print $xmm3.v4_int32",
              "set var $xmm3.v4_int32[1] = 77", "print $xmm3.v4_int32[1]", "print $mxcsr", "print $fctrl", "print $eflags",
              "x/4i square", "tbreak square if n == 3", "continue", "print n", "print/x $r15", "watch result", "kill").out
    contains(out, "$1 = 144", "$2 = 1", "0x1122334455667788", "{0, 0, 0, 0}", "= 77", "[ IM DM ZM OM UM PM ]", "= 895",
             "square (n=3)", "= 3")
    ends(process, 137)


# seconds: 180
def test_ctrl_c_stops_a_loop_and_detach_lets_it_go(t):
    image = t.compile("loop", LOOP, *PRECISE)
    process, port = run_debugged(t, image)
    client = connect(port)
    contains(client.ask("qSupported:swbreak+"), "PacketSize=", "swbreak+", "qXfer:features:read+")
    contains(client.ask("?"), "T05")
    client.connection.sendall(packet("vCont;c"))
    equal(process.stdout.readline(), b"looping\n", "the console")
    for _ in range(3):
        client.connection.sendall(b"\x03")
        contains(client.answer(), "T02", "thread:1;")
        client.connection.sendall(packet("c"))
    client.connection.sendall(b"\x03")
    contains(client.answer(), "T02")
    equal(client.ask("D"), "OK")
    client.connection.close()
    # Once more, with GDB, which lets it end.
    out = gdb(t, image, f"target remote :{port}", "print turns > 0", "break turn", "continue", "set var stop = 1", "delete", "continue").out
    contains(out, "= 1", "Breakpoint 1, turn ()", "exited with code 03")
    contains(ends(process, 3), "stopped")


# seconds: 180
def test_a_position_independent_guest_has_its_symbols(t):
    image = t.compile("squares", SQUARES, *PRECISE, "-static-pie")
    process, port = run_debugged(t, image)
    out = gdb(t, image, f"target remote :{port}", "break square", "continue", "print n", "delete", "continue").out
    contains(out, "square (n=1)", "exited with code 07")
    ends(process, 7)


# seconds: 180
def test_a_crash_stops_in_gdb_before_it_ends_the_guest(t):
    image = t.compile("bad", """
static void store(volatile int *at)
{
	*at = 1;
}
int main(void)
{
	store((int *)0);
	return 0;
}
""", *PRECISE)
    process, port = run_debugged(t, image)
    out = gdb(t, image, f"target remote :{port}", "continue", "backtrace", "print at", "continue").out
    contains(out, "SIGSEGV", "store (at=0x0)", "main", "$1 = (volatile int *) 0x0", "Program terminated with signal SIGABRT")
    process.wait(30)
    contains(process.stderr.read().decode(), "page fault: write to 0x0")
    equal(process.returncode, 134, "exit code")


# seconds: 180
def test_two_guests_of_the_daemon_are_debugged_at_once_while_a_third_runs(t):
    image = t.compile("loop", LOOP, *PRECISE)
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 3, "--cpu-max", "20000 100000", "--name", "g", image, code=0)
    tool = f"target remote | {t.tool('cassin')} --socket {daemon.socket} debug"
    first, answer = attach(daemon, "g-0")
    equal(answer, "OK\n", "the gateway's answer")
    contains(Client(first).ask("?"), "T05")
    stopped = daemon.guest("g-0")["counters"]["virtual_ns"]
    contains(daemon.cassin("ps", "g-0", code=0).out, "stopped")
    contains(daemon.cassin("inspect", "g-0", code=0).out, "attached, and has stopped it")
    out = gdb(t, image, f"{tool} g-1", "break turn", "continue", "backtrace", "print turns > 0", "detach").out
    contains(out, "Breakpoint 1, turn ()", "main ()", "= 1", "detached")
    grows(daemon, "g-1")
    grows(daemon, "g-2")
    equal(daemon.guest("g-0")["counters"]["virtual_ns"], stopped, "a stopped guest's time")
    result = daemon.cassin("debug", "g-0", code=1)
    one_line(result.err, "another debugger")
    first.close()
    grows(daemon, "g-0")
    # Again, and to its end: the daemon sees the exit code.
    out = gdb(t, image, f"{tool} g-0", "set var stop = 1", "continue").out
    contains(out, "exited with code 03")
    equal(daemon.await_state("g-0", "exited")["exit_code"], 3, "exit code")
    daemon.cassin("kill", "g-1", code=0)
    one_line(daemon.cassin("debug", "g-1", code=1).err, "does not run")
    one_line(daemon.cassin("debug", "nobody", code=1).err, "nobody")


# seconds: 180
def test_a_guest_that_waits_shows_its_callers_though_built_without_g(t):
    """An idle service is what one attaches to, and its frame is one that GDB cannot guess."""
    daemon = t.daemon()
    for name in ("http", "chat"):
        daemon.cassin("spawn", "--name", name, t.guest(name), code=0)
        out = gdb(t, t.guest(name), f"target remote | {t.tool('cassin')} --socket {daemon.socket} debug {name}",
                  "backtrace", "detach").out
        frames = re.findall(r"^#\d+ .* in (\S+) \(\)$", out, re.MULTILINE)
        expected = {"http": ["cassin_wait", "cassin_serve", "main"],
                    "chat": ["cassin_wait", "cassin_stream_accept", "cassin_thread_begin"]}[name]
        equal([frame for frame in frames if frame in expected], expected, f"frames of {name} in {out!r}")


def test_gdb_that_quits_ends_its_own_guest_and_leaves_the_daemons(t):
    image = t.compile("loop", LOOP, *PRECISE)
    process, port = run_debugged(t, image)
    gdb(t, image, f"target remote :{port}", "break turn", "continue")
    ends(process, 137)
    daemon = t.daemon()
    daemon.cassin("spawn", "--cpu-max", "20000 100000", "--name", "g", image, code=0)
    gdb(t, image, f"target remote | {t.tool('cassin')} --socket {daemon.socket} debug g", "break turn", "continue")
    grows(daemon, "g")


def test_a_stopped_guest_can_be_killed_restarted_and_removed(t):
    image = t.compile("loop", LOOP, *PRECISE)
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "g", image, code=0)
    for command in ("restart", "kill"):
        connection, answer = attach(daemon, "g")
        equal(answer, "OK\n", "the gateway's answer")
        client = Client(connection)
        contains(client.ask("?"), "T05")
        daemon.cassin(command, "g", code=0)
        contains(client.ask("c"), "X09")
        connection.close()
    daemon.cassin("restart", "g", code=0)
    connection, _ = attach(daemon, "g")
    daemon.cassin("rm", "g", code=0)
    contains(Client(connection).ask("c"), "X09")
    equal(daemon.guests(), [], "guests")


def test_a_client_that_sends_garbage_or_breaks_off_leaves_the_guest_running(t):
    image = t.compile("loop", LOOP, *PRECISE)
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "g", image, code=0)
    wait_until(lambda: daemon.guest("g")["ready"] or daemon.guest("g")["counters"]["virtual_ns"] > 10**7, "it loops")
    rubbish = [b"", b"$", b"$m400000,4", b"$qSupported#", b"$qSupported#0", bytes(range(256)) * 40, b"$" + b"A" * 40000,
               b"$X400000,ffff:abc#00", b"+" * 1000, b"-" * 1000, b"$m0,ffffffffffffffffffff#11", b"\x03" * 200,
               packet("Z0,zz,1") + packet("G00") + packet("P3b=00") + packet("pffffffff") + packet("vCont;x") + packet("M400000,4:1"),
               packet(b"X400000,2:}") + packet("qXfer:features:read:target.xml:ffffffffffffffff,1") + packet("m400000,-1"),
               packet("Z1,400000,1") + packet("H") + packet("T") + packet("") + packet("vKill") [:-1]]
    for data in rubbish:
        connection, answer = attach(daemon, "g")
        equal(answer, "OK\n", f"the gateway's answer before {data[:40]!r}")
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        connection.close()
        grows(daemon, "g")
        holds(daemon.alive(), f"the daemon lives after {data[:40]!r}")
    # A packet without an end is refused, and the client with it.
    connection, _ = attach(daemon, "g")
    connection.settimeout(20)
    try:
        connection.sendall(b"$" + b"m" * 100000)
        equal(connection.recv(10), b"", "an answer")
    except (BrokenPipeError, ConnectionResetError):
        pass
    grows(daemon, "g")
    connection.close()


def test_errors_are_answered_and_a_damaged_packet_is_asked_for_again(t):
    image = t.compile("loop", LOOP, *PRECISE)
    daemon = t.daemon()
    daemon.cassin("spawn", "--name", "g", image, code=0)
    connection, _ = attach(daemon, "g")
    client = Client(connection)
    for bad in ("m0,4", "m8000000000,4", "mzz,4", "M400000,4:zz", "Z0,0,1", "Z0,8000000000,1", "z0,400123,1", "G12", "P99=00", "p99",
                "vCont;x", "P10=ffffffffffffffff", "qXfer:features:read:target.xml:x,y", "X400000,5:abc"):
        contains(client.ask(bad)[:1], "E")
    for unknown in ("Z1,400000,1", "Z2,400000,1", "qNobody", "vMustReplyEmpty", "!", "QNonStop:1", "y"):
        equal(client.ask(unknown), "", f"the answer to {unknown}")
    connection.sendall(b"$?#00")
    holds(b"-" in connection.recv(10), "a damaged packet is refused")
    contains(client.ask("?"), "T05")
    connection.sendall(packet("qC"))
    equal(client.answer(), "QC1")
    connection.sendall(b"-")
    equal(client.answer(), "QC1", "once more")
    equal(client.ask("QStartNoAckMode"), "OK")
    connection.close()
    grows(daemon, "g")


def test_the_daemon_ends_while_guests_are_being_debugged(t):
    image = t.compile("loop", LOOP, *PRECISE)
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 2, "--name", "g", image, code=0)
    clients = [attach(daemon, f"g-{i}")[0] for i in range(2)]
    equal(daemon.end(), 0, "exit code")
    for client in clients:
        client.close()


def test_too_many_debuggers_are_refused(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 33, "--name", "g", t.guest("life"), "sleep", code=0)
    answers = [attach(daemon, f"g-{i}") for i in range(33)]
    equal([answer for _, answer in answers[:32]], ["OK\n"] * 32, "answers")
    contains(answers[32][1], "ERR", "too many")
    for connection, _ in answers:
        connection.close()

    def again():
        connection, answer = attach(daemon, "g-32")
        connection.close()
        return answer == "OK\n"
    wait_until(again, "there is room again")


def test_a_port_that_is_taken_is_refused(t):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = t.cassin("run", "--gdb", port, t.guest("hello"), code=125)
    one_line(result.err, f"--gdb {port}", "in use")
    contains(t.cassin("run", "--gdb", "x", t.guest("hello"), code=2).err, "--gdb x")
    contains(t.cassin("run", "--gdb", 65536, t.guest("hello"), code=2).err, "--gdb 65536")


def test_ctrl_c_ends_a_guest_that_waits_for_its_debugger(t):
    process, _ = run_debugged(t, t.guest("hello"))
    process.send_signal(signal.SIGINT)
    ends(process, 130)
