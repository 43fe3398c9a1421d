"""From a plan to the function that makes an answer of an object.

The function is written as Python source, one expression for all the cells of a selection, as a
call and a look-up per field would cost more than all the rest::

    def project(o):
        if o.__class__ is not kind:
            return absent(o)
        return {"chatSessionId": o.chat_session_id, "status": write1(o._status)}

Names out of the query stand in it as string literals only.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.executor.plan import Cell, OddValueError, Plan
from gateway.records.decode import excerpt_decoder
from gateway.records.record import Record

__all__ = ["Project", "projection"]

Project = Callable[[Any], Any]
"""Makes plain data, ready to be encoded, of an object; raises where the plan does not fit it."""


def projection(plan: Plan) -> Project:
    """Make the function that carries a plan out."""
    project = _of_objects(plan)
    if plan.load is not None and not plan.lists:
        project = _of_json(plan, project)
    for may_be_null in reversed(plan.lists):
        project = _of_lists(project, plan, _absent(may_be_null=may_be_null))
    return project


def _of_objects(plan: Plan) -> Project:
    return _function(
        plan,
        f"    if o.__class__ is not kind:\n        return absent(o)\n{_blank_check(plan)}",
        kind=plan.kind,
        absent=_absent(may_be_null=plan.may_be_null),
    )


def _of_json(plan: Plan, project: Project) -> Project:
    """Make the function for linked objects in JSON: only what the plan takes is read of them.

    Whether one without a key is an object at all, `project` finds out from all that is sent.
    """
    kind, load = plan.kind, plan.load
    assert issubclass(kind, Record)  # noqa: S101  nothing else is JSON still

    def project_whole(o: Any) -> Any:
        return project(load(o) if load is not None and o.__class__ is msgspec.Raw else o)

    decode = excerpt_decoder(kind, frozenset(cell.attribute for cell in plan.cells))
    if decode is None:
        return project_whole
    return _function(
        plan,
        "    if o.__class__ is not Raw:\n"
        "        return project_whole(o)\n"
        "    json, o = o, decode(o)\n"
        f"    if o is None or not o.{kind.key}:\n"
        "        return project_whole(json)\n",
        Raw=msgspec.Raw,
        decode=decode,
        project_whole=project_whole,
    )


def _function(plan: Plan, exits: str, **names: Any) -> Project:
    """Write the function for a plan's cells, with the lines that may end it before."""
    cells = ", ".join(_cell(cell, f"write{n}", names) for n, cell in enumerate(plan.cells))
    source = f"def project(o):\n{exits}    return {{{cells}}}\n"
    exec(compile(source, "<projection>", "exec"), names)  # noqa: S102  what is in it: see above
    made: Project = names["project"]
    return made


def _cell(cell: Cell, write: str, names: dict[str, Any]) -> str:
    names[write] = cell.write if cell.inner is None else projection(cell.inner)
    value = f"o.{cell.attribute}"
    return f"{cell.name!r}: {value if names[write] is None else f'{write}({value})'}"


def _blank_check(plan: Plan) -> str:
    """Write the way out for objects that stand for "none": a look at their slots settles most."""
    if not plan.is_link or not issubclass(plan.kind, Record):
        return ""
    kind = plan.kind
    if kind.key:
        is_blank = f"not o.{kind.key} and o.is_blank()"
    else:
        values = [f"o.{p.slot} is None" for p in kind.properties if p.shape == "value"]
        others = ["o.is_blank()"] if len(values) < len(kind.properties) else []
        is_blank = " and ".join(values + others)
    return f"    if {is_blank}:\n        return absent(None)\n"


def _of_lists(project: Project, plan: Plan, absent: Project) -> Project:
    load, names = plan.load, plan.names

    def project_list(items: Any) -> Any:
        if load is not None and items.__class__ is msgspec.Raw:
            items = load(items)
        if items.__class__ is not list:
            return absent(items)
        if names is None:
            return [project(item) for item in items]
        return [project(item) for item in items if item.name in names]

    return project_list


def _absent(*, may_be_null: bool) -> Project:
    """Make the function for what is not the object or list that it should be."""

    def absent(value: Any) -> None:
        if value is not None or not may_be_null:
            raise OddValueError

    return absent
