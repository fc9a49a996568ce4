# SPDX-License-Identifier: MIT
"""What an installation offers to other build systems."""

import os

from cassin_test import ROOT, Failed, contains, equal, have, holds

GUEST = """#include <cassin/guest.h>
int main(void) { cassin_print("%s has %lu pages\\n", cassin_name(), cassin_boot->pages); return 0; }
"""
KERNEL = """#include <cassin/guest.h>
#include <cassin/kernel.h>
static int body(void *text) { cassin_print("%s\\n", (const char *)text); return 0; }
int main(void)
{
	struct cassin_thread *t;
	return cassin_thread_create(&t, NULL, body, "a thread has pages") || cassin_thread_join(t, NULL, CASSIN_FOREVER);
}
"""
PROCESS = """#include <cassin/guest.h>
#include <cassin/process.h>
int main(void) { cassin_print("no archive, no pages: %d\\n", cassin_processes_start("", 0, NULL)); return 0; }
"""
LIBC = """#include <math.h>
#include <stdio.h>
int main(int argc, char **argv) { return printf("%s: the root of %d pages is %.3f\\n", argv[0], argc, sqrt(argc)) < 0; }
"""
USER = """#include <cassin/user.h>
int main(int argc, char **argv) { (void)argv; return argc; }
"""


def find(folder, name):
    for where, _, names in os.walk(folder):
        if name in names:
            return where
    raise Failed(f"{name} is not installed")


# seconds: 180
def test_pkg_config_compiles_and_links_with_every_library_of_guests(t):
    t.run([have("meson"), "install", "-C", t.build, "--no-rebuild", "--quiet", "--destdir", t.path("root")], code=0, seconds=120)
    packages = find(t.path("root"), "cassin-guest.pc")
    prefix = os.path.dirname(os.path.dirname(find(t.path("root"), "guest.h")))
    kits = {"cassin-guest": GUEST, "cassin-kernel": KERNEL, "cassin-process": PROCESS, "cassin-libc": LIBC, "cassin-user": USER}
    equal(sorted(name for name in os.listdir(packages) if name.startswith("cassin-")),
          sorted(f"{kit}.pc" for kit in [*kits, "cassin-engine"]), "packages")
    for kit, source in kits.items():
        t.write(f"{kit}.c", source)
        cflags, libs = (t.run([have("pkg-config"), f"--define-variable=prefix={prefix}", which, kit],
                              env={"PKG_CONFIG_LIBDIR": packages}, code=0).out.split() for which in ("--cflags", "--libs"))
        made = t.run(["cc", "-Wall", "-Werror", *cflags, f"{kit}.c", "-o", f"{kit}.elf", *libs], code=0)
        equal(made.err, "", f"warnings with {kit}")
        if kit != "cassin-user":
            contains(t.cassin("run", f"{kit}.elf", code=0).out, "pages")


# seconds: 180
def test_programs_in_c_and_in_cpp_link_with_the_installed_engine(t):
    t.run([have("meson"), "install", "-C", t.build, "--no-rebuild", "--quiet", "--destdir", t.path("root")], code=0, seconds=120)
    packages = find(t.path("root"), "cassin-engine.pc")
    prefix = os.path.dirname(os.path.dirname(find(t.path("root"), "engine.h")))
    library = os.path.join(find(t.path("root"), "libcassin-engine.a"), "libcassin-engine.a")
    names = [line.split()[-1] for line in t.run(["nm", "-g", "--defined-only", library], code=0).out.splitlines() if len(line.split()) == 3]
    equal([name for name in names if not name.startswith("cassin_")], [], "names that are nobody's business")
    holds("cassin_engine_create" in names, "the engine is there")
    flags = [t.run([have("pkg-config"), f"--define-variable=prefix={prefix}", which, "cassin-engine"],
                   env={"PKG_CONFIG_PATH": packages}, code=0).out.split() for which in ("--cflags", "--libs")]
    for compiler, options, source in (("cc", ["-std=c11"], "host.c"), ("g++", ["-std=c++17"], "host.cpp")):
        made = t.run([have(compiler), *options, "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags[0],
                      os.path.join(ROOT, "examples", "embed", source), "-o", "host", *flags[1]], code=0)
        equal(made.err, "", f"warnings of {compiler}")
        contains(t.run([t.path("host"), t.guest("hello")], code=0).out, "hello")
        equal(t.run([t.path("host"), "/nowhere.elf"]).code, 1, "exit code without an image")
