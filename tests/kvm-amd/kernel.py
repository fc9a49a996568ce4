# SPDX-License-Identifier: MIT
"""Fetches Debian's cloud kernel and its KVM modules, once, without installing them."""

import fcntl
import glob
import os
import re
import shutil
import subprocess
import tempfile

METAPACKAGE = "linux-image-cloud-amd64"
WANTED = ["kvm", "kvm-amd"]
FOR_FILES = ["virtio-pci", "virtiofs", "overlay"]  # a machine that sees this host's files


def say(text):
    print(f"# kvm-amd: {text}", flush=True)


def real_package():
    """The name of the kernel's own package, or None if apt knows no such package."""
    done = subprocess.run(["apt-cache", "depends", METAPACKAGE], capture_output=True, text=True, check=False)
    found = re.search(r"Depends: (linux-image-\S+-cloud-amd64)$", done.stdout, re.MULTILINE)
    return found.group(1) if found else None


def update_lists():
    command = ["apt-get", "-qq", "update"]
    if os.getuid() != 0:
        command.insert(0, "sudo")
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def download(folder):
    """Leaves the package in the folder and returns its path, or None. Old package lists are brought up to date."""
    for attempt in range(2):
        package = real_package()
        if package:
            say(f"fetching {package}")
            subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], cwd=folder,
                           stdin=subprocess.DEVNULL, capture_output=True, check=False)
            found = glob.glob(os.path.join(folder, "*.deb"))
            if found:
                return found[0]
        if attempt == 0:
            update_lists()
    return None


def module_files(tree):
    """The modules of an unpacked package: {name: path}. A name's dashes and underscores are the same."""
    found = {}
    for folder, _, names in os.walk(os.path.join(tree, "lib", "modules")):
        for name in names:
            base, dot, _ = name.partition(".ko")
            if dot:
                found[base.replace("-", "_")] = os.path.join(folder, name)
    return found


def module_bytes(path):
    if path.endswith(".xz"):
        return subprocess.run(["xz", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    with open(path, "rb") as file:
        return file.read()


def load_order(files, names, order):
    """Appends the names to the order, each after the modules that it says it depends on."""
    for name in names:
        name = name.replace("-", "_")
        if name in order:
            continue
        if name not in files:
            raise RuntimeError(f"the kernel package has no module {name}")
        said = re.search(rb"\0depends=([^\0]*)\0", module_bytes(files[name]))
        load_order(files, [n for n in said.group(1).decode().split(",") if n] if said else [], order)
        order.append(name)


def unpack(package, tree, kernel):
    """Puts vmlinuz, the modules and their order of loading into the folder `kernel`."""
    subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
    shutil.copy(glob.glob(os.path.join(tree, "boot", "vmlinuz-*"))[0], os.path.join(kernel, "vmlinuz"))
    files, order = module_files(tree), []
    load_order(files, WANTED + FOR_FILES, order)
    for name in order:
        with open(os.path.join(kernel, f"{name}.ko"), "wb") as out:
            out.write(module_bytes(files[name]))
    with open(os.path.join(kernel, "order"), "w", encoding="utf-8") as out:
        out.writelines(f"{name}.ko\n" for name in order)


def is_complete(kernel):
    """Whether the folder has all that is wanted: what an older version of this script left may have less."""
    try:
        with open(os.path.join(kernel, "order"), encoding="utf-8") as order:
            names = order.read().split()
    except OSError:
        return False
    return all(f"{name.replace('-', '_')}.ko" in names for name in WANTED + FOR_FILES)


def fetch(cache):
    """Returns a folder with vmlinuz, *.ko and order; asks the network only if it is not there yet."""
    kernel = os.path.join(cache, "kernel")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another machine may be about to start
        if not is_complete(kernel):
            fetch_into(kernel, cache)
    return kernel


def fetch_into(kernel, cache):
    with tempfile.TemporaryDirectory(dir=cache) as work:
        package = download(work)
        if not package:
            raise RuntimeError(f"cannot fetch the package that {METAPACKAGE} depends on (no network?)")
        ready = os.path.join(work, "kernel")
        os.mkdir(ready)
        unpack(package, os.path.join(work, "tree"), ready)
        shutil.rmtree(kernel, ignore_errors=True)
        os.rename(ready, kernel)
