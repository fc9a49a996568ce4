# SPDX-License-Identifier: MIT
"""Images that are no guests are refused in one clear line; those that are run, however they were linked."""

import json
import os
import struct

from cassin_test import contains, equal, holds, mistaken, one_line, wait_until

PT_LOAD, PT_INTERP, PT_NOTE = 1, 3, 4
PF_X, PF_W = 1, 2


class Elf:
    """An ELF64 file to be patched. Fields of the headers are named as in elf(5)."""

    HEADER = {"type": (16, "H"), "machine": (18, "H"), "entry": (24, "Q"), "phoff": (32, "Q"), "phentsize": (54, "H"),
              "phnum": (56, "H")}
    PROGRAM = {"type": (0, "I"), "flags": (4, "I"), "offset": (8, "Q"), "vaddr": (16, "Q"), "filesz": (32, "Q"),
               "memsz": (40, "Q"), "align": (48, "Q")}

    def __init__(self, path):
        with open(path, "rb") as image:
            self.bytes = bytearray(image.read())

    def get(self, field):
        at, kind = self.HEADER[field]
        return struct.unpack_from("<" + kind, self.bytes, at)[0]

    def set(self, field, value):
        at, kind = self.HEADER[field]
        struct.pack_into("<" + kind, self.bytes, at, value)

    def segment(self, i, field):
        at, kind = self.PROGRAM[field]
        return struct.unpack_from("<" + kind, self.bytes, self.get("phoff") + i * 56 + at)[0]

    def set_segment(self, i, field, value):
        at, kind = self.PROGRAM[field]
        struct.pack_into("<" + kind, self.bytes, self.get("phoff") + i * 56 + at, value)

    def segments(self, kind):
        return [i for i in range(self.get("phnum")) if self.segment(i, "type") == kind]

    def note(self):
        """Offset of the ABI note's description: two 32-bit numbers, major and minor."""
        at = bytes(self.bytes).index(b"Cassin\0\0", 64)
        return at + 8


def add_segments(elf, segments):
    """Program headers (type, flags, offset, vaddr, filesz, memsz) behind those that are there, in a table at the end."""
    table = bytes(elf.bytes[elf.get("phoff"):elf.get("phoff") + 56 * elf.get("phnum")])
    elf.bytes += bytes(-len(elf.bytes) % 8)
    elf.set("phoff", len(elf.bytes))
    elf.set("phnum", elf.get("phnum") + len(segments))
    for kind, flags, offset, vaddr, filesz, memsz in segments:
        table += struct.pack("<IIQQQQQQ", kind, flags, offset, vaddr, vaddr, filesz, memsz, 4096)
    elf.bytes += table


def with_symbol(path, name):
    """A guest with one symbol, of that name, that covers all of it."""
    elf = Elf(path)
    symbols = len(elf.bytes) + -len(elf.bytes) % 8
    elf.bytes += bytes(symbols - len(elf.bytes))
    elf.bytes += bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x10000, 0)
    names = len(elf.bytes)
    elf.bytes += b"\0" + name + b"\0"
    sections = len(elf.bytes) + -len(elf.bytes) % 8
    elf.bytes += bytes(sections - len(elf.bytes)) + bytes(64)
    for kind, at, size, link, each in ((2, symbols, 48, 2, 24), (3, names, len(name) + 2, 0, 0)):
        elf.bytes += struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, at, size, link, 0, 8, each)
    struct.pack_into("<Q", elf.bytes, 40, sections)
    struct.pack_into("<HHH", elf.bytes, 58, 64, 3, 0)
    return bytes(elf.bytes)


def refused(t, image, *parts):
    """Both doors refuse the image, in one line with all the parts in it."""
    path = t.write("broken.elf", bytes(image.bytes) if isinstance(image, Elf) else image)
    one_line(t.cassin("run", path, code=125).err, "broken.elf", *parts)
    if not t.daemons:
        t.daemon()
    answer = t.daemons[0].request("POST", "/v1/guests", {"name": "broken", "image": path}, status=422)
    contains(answer.json()["error"], "broken.elf", *parts)
    equal(t.daemons[0].guests(), [], "guests that remain")


def hello(t):
    return Elf(t.guest("hello"))


def test_wrong_class(t):
    elf = hello(t)
    elf.bytes[4] = 1
    refused(t, elf, "class 1", "64-bit")


def test_wrong_byte_order(t):
    elf = hello(t)
    elf.bytes[5] = 2
    refused(t, elf, "little-endian")


def test_wrong_machine(t):
    elf = hello(t)
    elf.set("machine", 183)
    refused(t, elf, "machine 183", "x86-64")


def test_wrong_type(t):
    for kind in (1, 4):
        elf = hello(t)
        elf.set("type", kind)
        refused(t, elf, f"type {kind}")


def test_no_elf_at_all(t):
    refused(t, b"#!/bin/sh\necho hello\n" + b"\n" * 4096, "not an ELF file")
    refused(t, b"", "truncated")


def test_a_program_of_the_host(t):
    path = os.path.realpath("/bin/true")
    one_line(t.cassin("run", path, code=125).err, "true")


def test_a_folder_or_nothing(t):
    holds(t.cassin("run", t.folder, "--name", "x").code == 125, "a folder is refused")
    one_line(t.cassin("run", t.path("absent.elf"), code=125).err, "absent.elf", "No such file")


def test_a_path_that_cannot_be_opened_is_the_clients_mistake(t):
    """Whatever the path is that it names, for an image, a file or a port: never the status of a fault of the daemon's own."""
    daemon = t.daemon()
    os.symlink("loop", t.path("loop"))
    for path, words in ((t.path("loop"), "symbolic link"), (t.write("plain", "") + "/x", "Not a directory"),
                        (t.path("x" * 300), "File name too long"), ("/dev/tty", "a device"), (daemon.socket, "a socket"),
                        ("/proc/self/mem", "ELF")):
        for spec in ({"image": path}, {"image": t.guest("hello"), "files": [{"name": "f", "path": path}]}):
            if words != "ELF" or "files" not in spec:
                contains(daemon.request("POST", "/v1/guests", {"name": "g", **spec}, status=422).text, words)
    for path in (t.path("plain/x"), "/sys/x.sock", "/proc/x.sock"):
        spec = {"name": "g", "image": t.guest("hello"), "ports": [{"host": f"unix:{path}", "guest": 80}]}
        contains(daemon.request("POST", "/v1/guests", spec, status=422).text, path)


def test_truncated_files(t):
    whole = bytes(hello(t).bytes)
    for size in (1, 16, 63, 64, 100, 64 + 56):
        refused(t, whole[:size], "truncated" if size >= 4 else "broken.elf")
    elf = hello(t)
    last = max(elf.segment(i, "offset") + elf.segment(i, "filesz") for i in elf.segments(PT_LOAD))
    refused(t, whole[:last - 1], "truncated")


def test_program_headers_outside_the_file(t):
    elf = hello(t)
    elf.set("phoff", len(elf.bytes) - 10)
    refused(t, elf, "truncated", "program headers")
    elf = hello(t)
    elf.set("phoff", (1 << 64) - 8)
    refused(t, elf, "truncated", "program headers")
    elf = hello(t)
    elf.set("phentsize", 32)
    refused(t, elf, "program headers")


def test_content_outside_the_file(t):
    elf = hello(t)
    elf.set_segment(elf.segments(PT_LOAD)[0], "offset", (1 << 64) - 4096)
    refused(t, elf, "truncated")


def test_overlapping_segments(t):
    elf = hello(t)
    first, second = elf.segments(PT_LOAD)[:2]
    for field in ("vaddr", "offset", "filesz", "memsz"):
        elf.set_segment(second, field, elf.segment(first, field))
    refused(t, elf, "overlapping")


def test_unaligned_segments(t):
    elf = hello(t)
    i = elf.segments(PT_LOAD)[0]
    elf.set_segment(i, "vaddr", elf.segment(i, "vaddr") + 8)
    refused(t, elf, "unaligned")
    elf = hello(t)
    elf.set_segment(elf.segments(PT_LOAD)[0], "align", 16)
    refused(t, elf, "unaligned")


def test_an_alignment_below_a_page_is_called_that(t):
    elf = hello(t)
    elf.set_segment(elf.segments(PT_LOAD)[0], "align", 16)
    refused(t, elf, "p_align", "16", "4096")


def test_an_empty_segment_may_lie_beyond_the_end(t):
    elf = hello(t)
    add_segments(elf, [(PT_LOAD, 6, 1 << 30, 0x600000, 0, 4096)])
    equal(t.cassin("run", t.write("empty.elf", bytes(elf.bytes)), code=0).out, "hello from empty\n", "output")


def test_writable_and_executable_segments(t):
    elf = hello(t)
    i = next(i for i in elf.segments(PT_LOAD) if elf.segment(i, "flags") & PF_X)
    elf.set_segment(i, "flags", 7)
    refused(t, elf, "writable and executable")


def test_segments_out_of_range(t):
    for address in (0, 1 << 47, (1 << 64) - (1 << 20)):
        elf = hello(t)
        elf.set_segment(elf.segments(PT_LOAD)[0], "vaddr", address)
        refused(t, elf, "out of range")
    elf = hello(t)
    elf.set_segment(elf.segments(PT_LOAD)[-1], "memsz", 1 << 50)
    refused(t, elf, "out of range")


def test_a_segment_smaller_than_its_content(t):
    elf = hello(t)
    i = elf.segments(PT_LOAD)[0]
    elf.set_segment(i, "memsz", elf.segment(i, "filesz") - 1)
    refused(t, elf, "smaller in memory")


def test_an_entry_outside_the_code(t):
    for entry in (0, 0x1000, hello(t).get("entry") + (1 << 30)):
        elf = hello(t)
        elf.set("entry", entry)
        refused(t, elf, "entry")


def test_a_missing_abi_note(t):
    elf = hello(t)
    elf.bytes[elf.note() - 8:elf.note() - 2] = b"Nissac"
    refused(t, elf, "note")


def test_a_newer_abi(t):
    for major, minor, text in ((2, 0, "2.0"), (1, 99, "1.99"), (0, 0, "0.0")):
        elf = hello(t)
        struct.pack_into("<II", elf.bytes, elf.note(), major, minor)
        refused(t, elf, f"needs ABI {text}", "has 1.")


def test_an_interpreter(t):
    elf = hello(t)
    elf.set_segment(elf.segments(PT_NOTE)[-1], "type", PT_INTERP)
    refused(t, elf, "broken.elf")


def test_any_flipped_byte_of_the_headers_is_survived(t):
    daemon = t.daemon()
    whole = bytes(hello(t).bytes)
    for at in range(4, 64 + 56 * hello(t).get("phnum")):
        image = bytearray(whole)
        image[at] ^= 0xFF
        path = t.write("flipped.elf", bytes(image))
        answer = daemon.request("POST", "/v1/guests", {"name": "flipped", "image": path})
        holds(answer.status in (201, 422, 507), f"byte {at}: status {answer.status}: {answer.text}")
        if answer.status == 201:
            daemon.request("DELETE", "/v1/guests/flipped", status=200)
    daemon.cassin("spawn", t.guest("hello"), code=0)


def test_a_position_independent_guest_runs(t):
    t.write("pie.c", '#include <cassin/guest.h>\nstatic const char *text[] = {"moved"};\n'
            'int main(void) { cassin_print("%s\\n", text[0]); return 4; }\n')
    t.run([t.compiler(), "-static-pie", "-o", "pie.elf", "pie.c"], code=0)
    equal(Elf(t.path("pie.elf")).get("type"), 3, "ELF type")
    equal(t.cassin("run", "pie.elf", code=4).out, "moved\n", "output")


def test_a_stripped_guest_runs(t):
    t.run(["strip", "-o", "stripped.elf", t.guest("life")], code=0)
    t.cassin("run", "stripped.elf", "exit", "3", code=3)
    contains(t.cassin("run", "stripped.elf", "crash", code=134).err, "backtrace", "#0 0x")


def test_one_c_file_becomes_a_guest_in_one_command(t):
    path = t.compile("mine", 'int main(int argc, char **argv) { cassin_print("%s has %d arguments\\n", argv[0], argc - 1); return 0; }')
    equal(t.cassin("run", path, "a", "b", code=0).out, "mine.elf has 2 arguments\n", "output")


def test_an_image_that_changes_on_disk_is_loaded_anew(t):
    daemon = t.daemon()
    for code in (11, 12):
        path = t.compile("changing", f"int main(void) {{ return {code}; }}")
        daemon.cassin("spawn", "--name", f"g{code}", path)
        equal(daemon.await_state(f"g{code}", "exited")["exit_code"], code, "exit code")


def test_an_image_of_many_notes_is_refused_and_holds_up_nobody(t):
    """Each of 60,000 headers shows the same 16 MiB of notes of 12 bytes: taken one by one that would be hours."""
    elf = hello(t)
    own = elf.segments(PT_NOTE)
    for i in own:
        elf.set_segment(i, "type", 0)
    at, size = len(elf.bytes), 16 << 20
    elf.bytes += struct.pack("<III", 0, 0, 2) * (size // 12)
    add_segments(elf, [(PT_NOTE, 4, at, 0, size // 12 * 12, 0)] * 60000)
    for i in own:
        elf.set_segment(i, "type", PT_NOTE)
    daemon = t.daemon()
    path = t.write("notes.elf", bytes(elf.bytes))
    daemon.cassin("spawn", "--name", "own", path, code=0)  # its own note is among the first
    daemon.cassin("rm", "own", code=0)
    for i in own:
        elf.set_segment(i, "type", 0)
    refused(t, elf, "KiB of notes")
    daemon.cassin("stats", code=0)


def test_a_hostile_symbol_is_cut_and_escaped_wherever_it_is_shown(t):
    daemon = t.daemon()
    before = daemon.memory_kib()
    name = b"\x1b[2Jx\nguest other (o.elf) crashed: \xff\xc2\x9b\"" + b"A" * (16 << 20)
    path = t.write("symbol.elf", with_symbol(t.guest("life"), name))
    daemon.cassin("spawn", "--name", "bad", "--timeout", "0", path, "crash", code=None)
    daemon.await_state("bad", "crashed")
    shown = "\\x1b[2Jx\\nguest other (o.elf) crashed: \\xff\\xc2\\x9b\\\"AAA"
    guest = daemon.request("GET", "/v1/guests/bad", status=200).json()
    report = daemon.request("GET", "/v1/guests/bad/report", status=200).text
    equal(guest["report"], report, "the report in JSON")
    for text in (report, daemon.cassin("inspect", "bad", code=0).out, t.cassin("run", path, "crash", code=134).err):
        holds(all(" " <= c <= "~" or c == "\n" for c in text), f"plain text: {text[:2000]!r}")
        holds(len(text) < 64 << 10, "the text is short")
        contains(text, "AAA...+0x")
    contains(report, shown)
    holds(all(line.startswith(("guest bad (symbol.elf) crashed: ", "  ", "backtrace:")) for line in report.splitlines()),
          f"no line is forged: {report!r}")
    holds(daemon.memory_kib() - before < 40 << 10, "the daemon holds the file once, and no report of its size")


def test_an_argument_that_is_no_utf8_is_called_that(t):
    daemon = t.daemon()
    for command in (["spawn"], ["template", "create", "mould"]):
        mistaken(daemon.cassin(*command, t.guest("hello"), "fine", "\udcff\udcfe"), command[0], "args[1]", "is not UTF-8")


def test_a_spec_as_editors_and_programs_write_it(t):
    path = t.write("spec.json", b"\xef\xbb\xbf" + json.dumps({"image": t.guest("hello"), "memory": 64e6}).encode())
    t.cassin("run", "--spec", path, "--name", "marked", code=0)
    path = t.write("wide.json", "{}".encode("utf-16"))
    one_line(t.cassin("run", "--spec", path, "--name", "wide", code=125).err, "wide.json: is UTF-16")


def test_large_images_that_no_guest_uses_are_not_kept_without_end(t):
    daemon = t.daemon()
    path = t.write("large.elf", bytes(hello(t).bytes))
    before = daemon.memory_kib()
    for i in range(10):
        with open(path, "r+b") as image:
            image.truncate((40 << 20) + i)
        daemon.cassin("spawn", "--name", "large", path, code=0)
        daemon.cassin("rm", "large", code=0)
        os.rename(path, t.path(f"large-{i}.elf"))
        path = t.write("large.elf", bytes(hello(t).bytes))
        daemon.cassin("spawn", "--name", "kept", t.path(f"large-{i}.elf"), code=0)
        daemon.cassin("rm", "kept", code=0)
    wait_until(lambda: daemon.memory_kib() - before < 100 << 10, "at most 64 MiB of them are kept")
