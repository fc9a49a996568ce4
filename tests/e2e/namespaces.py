# SPDX-License-Identifier: MIT
"""Namespaces for a program alone, as root and as an ordinary user, who is the root of a user namespace then."""

import os


def namespace(kinds, *command):
    """A command in new namespaces: kinds are options of unshare(1)."""
    return ["unshare", *([] if os.geteuid() == 0 else ["-r"]), *kinds, *command]
