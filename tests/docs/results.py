# SPDX-License-Identifier: MIT
"""What the checks of documents have found, as TAP."""


def report(results):
    """Prints (name, lines of what is wrong) pairs. Gives the exit status."""
    print(f"1..{len(results)}")
    for number, (name, wrong) in enumerate(results, 1):
        for line in wrong:
            print(f"# {line}")
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
    return 1 if any(wrong for _, wrong in results) else 0
