"""What a person says about the machine: which accelerators, spot or not, what to prefer among equals."""

from __future__ import annotations

from orchestrator.domain.accelerators import accelerator_of, nearest_accelerators
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.run import MachineWishes, Prefer

MOST_ACCELERATORS = 16


def parse_wishes(accelerators: object, spot: object, prefer: object) -> MachineWishes:
    """Raises `InvalidInputError` naming `accelerators`, `spot` or `prefer`."""
    problems: list[FieldProblem] = []
    names = _accelerators(accelerators, problems)
    if spot is not None and not isinstance(spot, bool):
        problems.append(FieldProblem("spot", "must be true (only spot), false (none of it) or left out (either)"))
    known = [each.value for each in Prefer]
    if prefer is not None and prefer not in known:
        problems.append(FieldProblem("prefer", f"must be one of {', '.join(known)}"))
    if problems:
        raise InvalidInputError(problems)
    return MachineWishes(
        names, spot if isinstance(spot, bool) else None, Prefer.TIME if prefer is None else Prefer(str(prefer))
    )


def _accelerators(value: object, problems: list[FieldProblem]) -> tuple[str, ...]:
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not 0 < len(listed) <= MOST_ACCELERATORS:
        problems.append(FieldProblem("accelerators", "must be a name or a list of names, for example [H200, H100]"))
        return ()
    found: dict[str, None] = {}
    for each in listed:
        name = accelerator_of(each) if isinstance(each, str) else None
        if name is None:
            near = ", ".join(nearest_accelerators(str(each)[:64]))
            problems.append(FieldProblem("accelerators", f"unknown accelerator {str(each)[:64]!r}; known: {near}"))
        else:
            found[name] = None
    return tuple(found)
