"""An answer as a table for a terminal: the first list in it, with a column for each field."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["table"]

_WIDEST = 40


def table(data: Any) -> str:
    """Write the first list of objects that is anywhere in the data; the data itself if none is."""
    rows = [dict(_cells(row)) for row in _rows(data)]
    names = dict.fromkeys(name for row in rows for name in row)
    # An object that is null in one row has its fields in another.
    columns = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _rows(data: Any) -> list[Any]:
    found = _first_list(data)
    return [data] if found is None else found


def _first_list(data: Any) -> list[Any] | None:
    if isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        return data
    for value in data.values() if isinstance(data, Mapping) else ():
        found = _first_list(value)
        if found is not None:
            return found
    return None


def _cells(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Give the cells of a row; a field of an object inside is called `user.fullName`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _cells(inner, f"{name}.{key}" if name else key)
    else:
        yield name, _text(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            text = ", ".join(map(_text, value))
        case _:
            text = " ".join(str(value).split())
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= _WIDEST else f"{printable[: _WIDEST - 1]}…"
