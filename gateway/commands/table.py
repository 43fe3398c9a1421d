"""An answer as text for a terminal: single values, then a table for each list."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

_WIDEST = 40


def table(data: Mapping[str, object]) -> str:
    """Write single values, one per line; then each list of objects under its name.

    A field of a nested object is named like `user.fullName`; a single root field is not named.
    """
    match list(data.values()):
        case [Mapping() as only]:
            data = only
    fields = dict(_fields(data))
    lists = {name: value for name, value in fields.items() if _is_rows(value)}
    single = [[name, _text(value)] for name, value in fields.items() if name not in lists]
    parts = [aligned(single)] if single else []
    parts += [f"{name}\n{_rows(rows)}" for name, rows in lists.items()]
    return "\n\n".join(parts)


def _is_rows(value: object) -> TypeGuard[list[Mapping[str, object]]]:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)


def _rows(rows: Sequence[Mapping[str, object]]) -> str:
    """Write a column for each field."""
    if not rows:
        return "(none)"
    cells = [{name: _text(value) for name, value in _fields(row)} for row in rows]
    names = dict.fromkeys(name for row in cells for name in row)
    # An object that is null in some rows needs no column beside those of its fields.
    columns = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    return aligned([columns, *([row.get(name, "") for name in columns] for row in cells)])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Write lines of cells in columns."""
    widths = [max(map(_width, cells)) for cells in zip(*lines, strict=True)]
    padded = (
        [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        for line in lines
    )
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _width(text: str) -> int:
    """Return the width on a terminal, where a Chinese or Japanese letter takes two columns."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def _fields(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _fields(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        text = " ".join(filter(None, map(_text, value.values())))
    elif isinstance(value, list):
        text = ", ".join(map(_text, value))
    else:
        text = "" if value is None else " ".join(str(value).split())
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= _WIDEST else f"{printable[: _WIDEST - 1]}…"
