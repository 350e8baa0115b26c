"""What can go wrong, in the words of the domain. The API answers each with one problem type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field of an input.

    `field` is the path as the user wrote it, dotted: `budget`, `overrides.lora_r`, `dataset:17` (line 17). Both can be
    written in any encoding of Unicode: half of a surrogate pair, in a key that was sent, is kept as its escape.
    """

    field: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", _writable(self.field))
        object.__setattr__(self, "message", _writable(self.message))


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class LatticeForgeError(Exception):
    """Root of every error that this package raises on purpose."""


class InvalidInputError(LatticeForgeError):
    """The input cannot be accepted as it is; every problem names its field. Nothing was started or reserved."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in self.problems))

    @classmethod
    def of(cls, field: str, message: str) -> InvalidInputError:
        """An error about a single field."""
        return cls([FieldProblem(field, message)])


class NotFoundError(LatticeForgeError):
    """No such thing. `kind` is the noun, `name` what was asked for."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"no {kind} {name!r}")


class UnaffordableError(LatticeForgeError):
    """No plan fits the cap. `cheapest_micros` is what the least plan would need, None when no sum would help."""

    def __init__(self, message: str, cheapest_micros: int | None, refusals: Sequence[str] = ()) -> None:
        self.cheapest_micros = cheapest_micros
        self.refusals = tuple(refusals)
        super().__init__(message)


class StorageError(LatticeForgeError):
    """The disk does not take what was sent, most often because it is full. Nothing of it was kept."""


class ConflictError(LatticeForgeError):
    """The thing is in a state that does not allow what was asked."""


class StaleVersionError(ConflictError):
    """Someone else saved the run first; load it again."""


class LedgerError(LatticeForgeError):
    """A posting that the ledger must refuse: it would spend what is not there, or settle twice."""


class IllegalTransitionError(LatticeForgeError):
    """An event that the current status does not know."""


class ComputeError(LatticeForgeError):
    """The compute backend answered with an error or could not be understood. Nothing is concluded from it."""


class ArtifactStoreError(LatticeForgeError):
    """The store of artifacts refused something, did not answer, or holds a file that is not what was uploaded."""


class HubError(LatticeForgeError):
    """The model hub refused something or could not be reached. `temporary`: the same may go well a little later."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        self.temporary = temporary
        super().__init__(message)


class TrainerUnavailableError(LatticeForgeError):
    """The trainer's environment is missing or broken; says what to run."""
