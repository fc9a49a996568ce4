# SPDX-License-Identifier: MIT
"""cassin conformance: a hypervisor is held to docs/abi.md."""

from cassin_test import contains, equal, holds, one_line


def test_this_hypervisor_conforms(t):
    answer = t.cassin("conformance", "--json", seconds=200).json()
    equal([c for c in answer["checks"] if not c["passed"]], [], "what did not pass")
    holds(answer["passed"] > 100 and not answer["failed"], "over a hundred checks")


def test_a_hypervisor_that_always_succeeds_does_not_conform(t):
    found = t.cassin("conformance", "--hypervisor", "true {image} {args}", "faults.ud2", "rings.sizes", code=1)
    contains(found.out, "faults.ud2: exit code 0, not 134", "1 checks passed, 1 failed: 50.0 %")


def test_mistakes_are_told(t):
    contains(t.cassin("conformance", "--hypervisor", "vmm {args}", code=2).err, "{image}")
    one_line(t.cassin("conformance", "no-such-check", code=1).err, 'no check is called "no-such-check"')
