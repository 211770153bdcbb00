"""Patterns of wording: "[go|move] {way} {D}[ please|]".

Square brackets hold alternatives (they nest, and an empty one is allowed), braces a slot. A table is a tuple of patterns;
a leading "3*" makes a row three times as likely.
"""
import functools


class PatternError(Exception):
    pass


def _parse(text, at, is_inside):
    """Nodes from `at` on: a string, ("slot", name) or ("any", [nodes, ...]); returns (alternatives, position)."""
    alternatives, nodes, start = [], [], at
    while at < len(text):
        char = text[at]
        if char in "[{|]" and at > start and (is_inside or char in "[{"):
            nodes.append(text[start:at])
        if char == "[":
            inner, at = _parse(text, at + 1, True)
            nodes.append(("any", inner))
            start = at
        elif char == "{":
            end = text.index("}", at)
            nodes.append(("slot", text[at + 1:end]))
            start = at = end + 1
        elif is_inside and char == "|":
            alternatives.append(tuple(nodes))
            nodes, at = [], at + 1
            start = at
        elif is_inside and char == "]":
            alternatives.append(tuple(nodes))
            return alternatives, at + 1
        elif char == "]":
            raise PatternError(f"unopened ] in {text!r}")
        else:
            at += 1
    if is_inside:
        raise PatternError(f"unclosed [ in {text!r}")
    if at > start:
        nodes.append(text[start:at])
    return [tuple(nodes)], at


@functools.lru_cache(maxsize=None)
def compiled(pattern):
    return _parse(pattern, 0, False)[0][0]


def _write(rng, nodes, slots, out):
    for node in nodes:
        if isinstance(node, str):
            out.append(node)
        elif node[0] == "any":
            _write(rng, rng.pick(node[1]), slots, out)
        else:
            value = slots[node[1]]
            out.append(value(rng) if callable(value) else value)


def expand(rng, pattern, slots=None):
    out = []
    _write(rng, compiled(pattern), slots or {}, out)
    return tidy("".join(out))


def tidy(text):
    text = " ".join(text.split())
    for mark in (",", ".", "?", "!"):
        text = text.replace(" " + mark, mark)
    return text


@functools.lru_cache(maxsize=None)
def table(rows):
    """The rows of a table, repeated by their weights."""
    out = []
    for row in rows:
        head, star, tail = row.partition("*")
        if star and head.isdigit():
            out += [tail] * int(head)
        else:
            out.append(row)
    return tuple(out)


def say(rng, rows, slots=None):
    return expand(rng, rng.pick(table(rows)), slots)
