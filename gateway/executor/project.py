"""Generate the function that projects an object onto its part of the response, from a plan.

It is Python source, one expression for all cells of a selection, because a call per field would
take longer than everything else::

    def project(o, known):
        if o.__class__ is not kind:
            return absent(o)
        return row(o.chat_session_id, write1(o._status))

A row is a msgspec struct whose fields have the names of the response: to make a dict of sixty
entries takes four times as long. No name from the query appears in the source.
"""

from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any, TypeAlias, cast

import msgspec

from gateway.executor.plan import Cell, OddValueError, Plan
from gateway.records.decode import excerpt_decoder
from gateway.records.record import Convert, Record

Known: TypeAlias = dict[object, list[object]]
"""The projected maps of one list of objects: most objects have the same rights."""

_MOST_KNOWN = 2_000

Project: TypeAlias = Callable[[Any, Known], Any]
"""Makes rows from an object, for msgspec's encoder; raises if the plan does not fit."""


def projection(plan: Plan) -> Project:
    """Make the function that executes a plan."""
    if plan.shape == "map":
        return _of_map(plan)
    source = _Source()
    project = source.function(f"    return {source.expression(plan, 'o')}\n")
    if plan.load is not None:
        project = _of_json(plan, plan.load, project)
    for may_be_null in reversed(plan.lists):
        project = _of_lists(project, _absent(may_be_null=may_be_null))
    return project


def _of_json(plan: Plan, load: Convert, project: Project) -> Project:
    """Make the function for linked objects in JSON: it decodes only what the plan reads.

    An object without a key may be blank: then all of it is decoded.
    """
    kind = plan.kind
    assert issubclass(kind, Record)  # noqa: S101  only records are decoded lazily

    def project_whole(o: object, known: Known) -> object:
        return project(load(o) if o.__class__ is msgspec.Raw else o, known)

    decode = excerpt_decoder(kind, frozenset(cell.attribute for cell in plan.cells))
    if decode is None:
        return project_whole
    source = _Source(Raw=msgspec.Raw, decode=decode, project_whole=project_whole)
    return source.function(
        "    if o.__class__ is not Raw:\n"
        "        return project_whole(o, known)\n"
        "    json, o = o, decode(o)\n"
        f"    if o is None or not o.{kind.key}:\n"
        "        return project_whole(json, known)\n"
        f"    return {source.cells(plan, 'o')}\n"
    )


class _Source:
    """Source text, and the objects that the names in it stand for."""

    def __init__(self, **names: object) -> None:
        self.names: dict[str, object] = names

    def function(self, body: str) -> Project:
        exec(_compiled(f"def project(o, known):\n{body}"), self.names)  # noqa: S102  see above
        return cast("Project", self.names["project"])

    def expression(self, plan: Plan, value: str) -> str:
        """Write the expression for an object of the plan's class, or for a missing one."""
        o, got = value, value
        if "." in value:
            o = self.name("o", None)
            got = f"({o} := {value})"
        absent = self.name("absent", _absent(may_be_null=plan.may_be_null))
        blank = f"{absent}(None) if {_is_blank(plan, o)} else " if plan.shape == "record" else ""
        kind = self.name("kind", plan.kind)
        return f"({absent}({o}) if {got}.__class__ is not {kind} else {blank}{self.cells(plan, o)})"

    def cells(self, plan: Plan, o: str) -> str:
        row = self.name("row", _row(tuple(cell.name for cell in plan.cells)))
        return (
            f"{row}({', '.join(self.cell(cell, f'{o}.{cell.attribute}') for cell in plan.cells)})"
        )

    def cell(self, cell: Cell, value: str) -> str:
        if cell.is_required:
            odd = self.name("odd", _absent(may_be_null=False))
            value = f"(v if (v := {value}) is not None else {odd}(None))"
        if cell.inner is None:
            return value if cell.write is None else f"{self.name('write', cell.write)}({value})"
        if cell.inner.lists or cell.inner.load is not None:
            return f"{self.name('project', projection(cell.inner))}({value}, known)"
        return self.expression(cell.inner, value)

    def name(self, word: str, what: object) -> str:
        name = f"{word}{len(self.names)}"
        self.names[name] = what
        return name


@lru_cache(256)  # rights are selected in the same way in many places of one query
def _compiled(source: str) -> CodeType:
    return compile(source, "<projection>", "exec")


@lru_cache(256)
def _row(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """Make the type of an object of the response."""
    fields = [(f"f{i}", Any, msgspec.field(name=name)) for i, name in enumerate(names)]
    return msgspec.defstruct("Row", fields, gc=False)


def _is_blank(plan: Plan, o: str) -> str:
    """Write the test for a blank object; in most cases, its slots alone decide."""
    kind = plan.kind
    assert issubclass(kind, Record)  # noqa: S101  only records are links
    if kind.key:
        return f"not {o}.{kind.key} and {o}.is_blank()"
    values = [f"{o}.{p.slot} is None" for p in kind.properties if p.shape == "value"]
    others = [f"{o}.is_blank()"] if len(values) < len(kind.properties) else []
    return " and ".join(values + others)


def _of_lists(project: Project, absent: Convert) -> Project:
    def project_list(items: object, known: Known) -> object:
        if type(items) is not list:
            return absent(items)
        return [project(item, known) for item in items]

    return project_list


def _of_map(plan: Plan) -> Project:
    """Make the function for a map of objects or texts, which is JSON; equal ones are read once."""
    source = _Source(load=plan.load, names=plan.names, absent=_absent(may_be_null=True))
    is_wanted = "" if plan.names is None else " if entry.name in names"
    project_json = source.function(
        "    o = load(o)\n"
        "    if o.__class__ is not list:\n"
        "        return absent(o)\n"
        f"    return [{source.expression(plan, 'entry')} for entry in o{is_wanted}]\n"
    )

    def project_map(o: msgspec.Raw | None, known: Known) -> object:
        if o is None:  # as most maps are
            return None
        key = (project_json, bytes(o))
        made = known.get(key)
        if made is None:
            if len(known) == _MOST_KNOWN:
                known.clear()
            made = known[key] = project_json(o, known)
        return made

    return project_map


def _absent(*, may_be_null: bool) -> Convert:
    """Make the function for a value that is not the expected object or list."""

    def absent(value: object) -> None:
        if value is not None or not may_be_null:
            raise OddValueError

    return absent
