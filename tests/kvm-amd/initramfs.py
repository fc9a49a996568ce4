# SPDX-License-Identifier: MIT
"""Makes the test machine's initial file system: busybox, the modules, a program with its libraries, other files.

Every file keeps the path that it has here, so that a program finds its files as it does at home.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def put(root, source, target=None):
    """Copies a file into the tree, at its own absolute path unless another is given."""
    where = os.path.join(root, (target or os.path.abspath(source)).lstrip("/"))
    os.makedirs(os.path.dirname(where), exist_ok=True)
    shutil.copy(source, where)


def put_folder(root, folder):
    """Copies a folder's files, but not what the compiler left in its *.p folders."""
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.endswith(".p")]
        for name in names:
            if not name.endswith((".a", ".o")):
                put(root, os.path.join(path, name))


def libraries(program):
    """The shared libraries and the loader that a program needs; none for a static one."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise RuntimeError(f"{program} misses a library:\n{done.stdout}")
    return re.findall(r"(/\S+) \(0x", done.stdout)


def make(target, kernel, command, environment, files, folders, kept):
    """Writes the cpio archive `target` for a machine that runs `command`, with "NAME=VALUE"s in its environment, in the
    present directory. `kept` are the host's folders that it may write to, if it sees the host's files."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as root:
        put(root, os.path.join(HERE, "init"), "/init")
        os.chmod(os.path.join(root, "init"), 0o755)
        put(root, "/bin/busybox", "/bin/busybox")
        for name in os.listdir(kernel):
            if name != "vmlinuz":
                put(root, os.path.join(kernel, name), f"/modules/{name}")
        for path in [command[0], *libraries(command[0]), *files]:
            put(root, path)
        for folder in folders:
            put_folder(root, folder)
        here = os.getcwd()
        os.makedirs(os.path.join(root, here.lstrip("/")), exist_ok=True)
        for name, lines in (("kept", kept), ("here", [here])):
            with open(os.path.join(root, name), "w", encoding="utf-8") as out:
                out.writelines(f"{line}\n" for line in lines)
        with open(os.path.join(root, "run-program"), "w", encoding="utf-8") as script:
            script.write(f"cd {shlex.quote(here)} && exec env {shlex.join(environment + command)}\n")
        names = subprocess.run(["find", ".", "-print0"], cwd=root, stdout=subprocess.PIPE, check=True).stdout
        with open(target, "wb") as out:
            subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"], cwd=root, input=names, stdout=out,
                           check=True)
