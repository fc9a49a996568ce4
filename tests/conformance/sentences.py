# SPDX-License-Identifier: MIT
"""The sentences of docs/abi.md, in their order: what the index of the conformance suite speaks about."""
import hashlib
import os
import re

TEXT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "abi.md")


def plain(text):
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\s+", " ", text.replace("**", "").replace("`", "")).strip()


def split(paragraph):
    """Sentences end at a full stop before a capital letter, a digit, code or nothing."""
    return [plain(s) for s in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9(`*\[])", re.sub(r"\s+", " ", paragraph)) if plain(s)]


def cells(line):
    return [plain(c) for c in line.strip().strip("|").split(" | ")]


def sentences(text=None):
    """Gives (chapter, section, sentence) triples. A row of a table is a sentence, but for its heading; code is none."""
    if text is None:
        with open(TEXT, encoding="utf-8") as file:
            text = file.read()
    chapter, section, found, paragraph, code, rows = "", "", [], [], False, 0

    def end():
        for sentence in split(" ".join(paragraph)):
            found.append((chapter, section, sentence))
        paragraph.clear()

    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("```"):
            end()
            code = not code
        elif code:
            continue
        elif stripped.startswith("#"):
            end()
            section, rows = plain(stripped.lstrip("#")), 0
            if len(stripped) - len(stripped.lstrip("#")) <= 2:
                chapter = section
        elif stripped.startswith("|"):
            end()
            rows += 1
            if rows > 2:
                found.append((chapter, section, " | ".join(cells(stripped))))
        elif not stripped:
            end()
            rows = 0
        elif stripped.startswith("- ") or re.match(r"\d+\. ", stripped):
            end()
            rows = 0
            paragraph.append(re.sub(r"^(- |\d+\. )", "", stripped))
        else:
            rows = 0
            paragraph.append(stripped)
    end()
    return found


def mark(section, sentence):
    """Eight digits that change with the sentence."""
    return hashlib.sha256(f"{section}\n{sentence}".encode()).hexdigest()[:8]


if __name__ == "__main__":
    for _, where, what in sentences():
        print(f"{mark(where, what)} {where}: {what}")
