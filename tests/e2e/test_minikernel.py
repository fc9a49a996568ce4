# SPDX-License-Identifier: MIT
"""The kernel of examples/minikernel, as it is."""

import os
import re

from cassin_test import ROOT, contains, equal


def test_the_lines_of_the_minikernels_readme_build_and_run_it(t):
    for name in ("examples", "guest-lib"):
        os.symlink(os.path.join(ROOT, name), t.path(name))
    with open(os.path.join(ROOT, "examples/minikernel/README.md"), encoding="utf-8") as readme:
        lines = re.search(r"```\n(.*?)```", readme.read(), re.DOTALL).group(1)
    equal(len(lines.splitlines()), 3, "lines")
    path = os.path.join(t.build, "tools") + ":" + os.environ["PATH"]
    contains(t.run(["sh", "-ec", lines], env={"PATH": path}, code=0).out, "ticker: exit 7")
