# SPDX-License-Identifier: MIT
"""Images that are no guests are refused in one clear line; those that are run, however they were linked."""

import os
import struct

from cassin_test import contains, equal, holds, one_line

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
