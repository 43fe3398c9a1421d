"""From a plan to the function that projects an object onto its part of the response.

The function is generated as Python source, one expression for all cells of a selection, because a
call per field would cost more than all the rest::

    def project(o):
        if o.__class__ is not kind:
            return absent(o)
        return {"chatSessionId": o.chat_session_id, "status": write1(o._status)}

Names from the query appear in it as string literals only.
"""

from typing import TypeAlias, cast

import msgspec

from gateway.executor.plan import Cell, OddValueError, Plan
from gateway.records.decode import excerpt_decoder
from gateway.records.record import Convert, Record

Project: TypeAlias = Convert
"""Makes plain data for the JSON encoder from an object; raises where the plan does not fit."""


def projection(plan: Plan) -> Project:
    """Make the function that executes a plan."""
    if plan.is_map:
        return _of_map(plan)
    project = _of_objects(plan)
    if plan.decode is not None:
        project = _of_json(plan, plan.decode, project)
    for may_be_null in reversed(plan.lists):
        project = _of_lists(project, _absent(may_be_null=may_be_null))
    return project


def _of_objects(plan: Plan) -> Project:
    source = _Source()
    return source.function(f"    return {source.expression(plan, 'o')}\n")


def _of_json(plan: Plan, decode_whole: Project, project: Project) -> Project:
    """Make the function for linked objects in JSON: it decodes only what the plan reads.

    An object without a key may be blank: then all of it is decoded.
    """
    kind = plan.kind
    assert issubclass(kind, Record)  # noqa: S101  only records are decoded lazily

    def project_whole(o: object) -> object:
        return project(decode_whole(o) if o.__class__ is msgspec.Raw else o)

    decode = excerpt_decoder(kind, frozenset(cell.attribute for cell in plan.cells))
    if decode is None:
        return project_whole
    source = _Source(Raw=msgspec.Raw, decode=decode, project_whole=project_whole)
    return source.function(
        "    if o.__class__ is not Raw:\n"
        "        return project_whole(o)\n"
        "    json, o = o, decode(o)\n"
        f"    if o is None or not o.{kind.key}:\n"
        "        return project_whole(json)\n"
        f"    return {source.cells(plan, 'o')}\n"
    )


class _Source:
    """Source text, and the objects that the names in it stand for."""

    def __init__(self, **names: object) -> None:
        self.names: dict[str, object] = names

    def function(self, body: str) -> Project:
        source = f"def project(o):\n{body}"
        exec(compile(source, "<projection>", "exec"), self.names)  # noqa: S102  see above
        return cast("Project", self.names["project"])

    def expression(self, plan: Plan, value: str) -> str:
        """Write the expression for an object of the plan's class, or for a missing one."""
        o, got = value, value
        if "." in value:
            o = self.name("o", None)
            got = f"({o} := {value})"
        absent = self.name("absent", _absent(may_be_null=plan.may_be_null))
        blank = f"{absent}(None) if {_is_blank(plan, o)} else " if plan.is_link else ""
        kind = self.name("kind", plan.kind)
        return f"({absent}({o}) if {got}.__class__ is not {kind} else {blank}{self.cells(plan, o)})"

    def cells(self, plan: Plan, o: str) -> str:
        return f"{{{', '.join(self.cell(cell, f'{o}.{cell.attribute}') for cell in plan.cells)}}}"

    def cell(self, cell: Cell, value: str) -> str:
        if cell.is_required:
            odd = self.name("odd", _absent(may_be_null=False))
            value = f"(v if (v := {value}) is not None else {odd}(None))"
        if cell.inner is None:
            text = value if cell.write is None else f"{self.name('write', cell.write)}({value})"
        elif cell.inner.is_map or cell.inner.lists or cell.inner.decode is not None:
            text = f"{self.name('project', projection(cell.inner))}({value})"
        else:
            text = self.expression(cell.inner, value)
        return f"{cell.name!r}: {text}"

    def name(self, word: str, what: object) -> str:
        name = f"{word}{len(self.names)}"
        self.names[name] = what
        return name


def _is_blank(plan: Plan, o: str) -> str:
    """Write the test for a blank object; in most cases, its slots alone decide."""
    kind = plan.kind
    assert issubclass(kind, Record)  # noqa: S101  only records are links
    if kind.key:
        return f"not {o}.{kind.key} and {o}.is_blank()"
    values = [f"{o}.{p.slot} is None" for p in kind.properties if p.shape == "value"]
    others = [f"{o}.is_blank()"] if len(values) < len(kind.properties) else []
    return " and ".join(values + others)


def _of_lists(project: Project, absent: Project) -> Project:
    def project_list(items: object) -> object:
        if type(items) is not list:
            return absent(items)
        return [project(item) for item in items]

    return project_list


def _of_map(plan: Plan) -> Project:
    """Make the function for a map: still JSON, a dict of objects, or a list of entries."""
    names = plan.names
    project = _of_objects(plan)
    project_list = _of_lists(project, _absent(may_be_null=plan.lists[0]))

    def project_entries(items: object) -> object:
        if names is not None and type(items) is list:
            items = [entry for entry in items if entry.name in names]
        return project_list(items)

    source = _Source(Raw=msgspec.Raw, decode=plan.decode, names=names, entries=project_entries)
    is_wanted = "entry is not None" if names is None else "entry is not None and name in names"
    return source.function(
        "    if o.__class__ is Raw:\n"
        "        o = decode(o)\n"
        "    if o.__class__ is not dict:\n"
        "        return entries(o)\n"
        "    made = []\n"
        "    for name, entry in o.items():\n"
        f"        if {is_wanted}:\n"
        "            entry.name = name\n"
        f"            made.append({source.expression(plan, 'entry')})\n"
        "    return made\n"
    )


def _absent(*, may_be_null: bool) -> Project:
    """Make the function for what is not the object or list that is expected."""

    def absent(value: object) -> None:
        if value is not None or not may_be_null:
            raise OddValueError

    return absent
