"""Find the characters that divide a template; what is escaped or within other braces is not."""

from __future__ import annotations


def find_braces(source: str) -> dict[int, list[int]]:
    """Return all braces of a template that are closed, by their positions.

    >>> find_braces("{a|{b|c}} {d")
    {3: [3, 5, 7], 0: [0, 2, 8]}

    Returns:
        For each brace its position, those of the bars directly within it, and that of the brace
        that closes it.
    """
    found: dict[int, list[int]] = {}
    opened: list[list[int]] = []
    at = 0
    while at < len(source):
        char = source[at]
        if char == "\\":
            at += 1
        elif char == "{":
            opened.append([at])
        elif char == "|" and opened:
            opened[-1].append(at)
        elif char == "}" and opened:
            braces = opened.pop()
            found[braces[0]] = [*braces, at]
        at += 1
    return found


def marks_within(source: str, at: int, end: int) -> tuple[list[int], list[int]]:
    """Return the positions of the colons and of the bars that are in no braces.

    >>> marks_within("a:{b:c}:1", 0, 9)
    ([1, 7], [])

    Args:
        source: The template.
        at: Where the text begins.
        end: Where it ends.
    """
    colons: list[int] = []
    bars: list[int] = []
    depth = 0
    while at < end:
        char = source[at]
        if char == "\\":
            at += 1
        elif char in "{}":
            depth += 1 if char == "{" else -1
        elif char in ":|" and not depth:
            (colons if char == ":" else bars).append(at)
        at += 1
    return colons, bars
