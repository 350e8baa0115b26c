"""Every error as an RFC 9457 problem. One table says which domain error is which problem; nothing else decides."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from api.field_problems import field_problems
from api.schemas.problem import PROBLEM_MEDIA_TYPE, FieldProblemView, Problem
from orchestrator.domain import errors
from orchestrator.domain.errors import FieldProblem, InvalidInputError, LatticeForgeError
from orchestrator.domain.money import Money

log = logging.getLogger(__name__)

MOST_PROBLEMS = 100
"""A body can be wrong in thousands of places; the first hundred are told."""


class MalformedBodyError(InvalidInputError):
    """The body is not JSON that means one thing: broken syntax, not UTF-8, a name given twice, NaN, or too deep."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem: its HTTP status, the end of its type URI and its title. Without a slug it is no more than
    its status says (RFC 9457, 4.2.1)."""

    status: int
    slug: str | None
    title: str

    @property
    def uri(self) -> str:
        """Relative to the service's root, where it can be looked up."""
        return "about:blank" if self.slug is None else f"/problems/{self.slug}"


STATUS_OF: Mapping[type[LatticeForgeError], ProblemType] = MappingProxyType(
    {
        MalformedBodyError: ProblemType(400, "malformed-body", "The body cannot be read"),
        InvalidInputError: ProblemType(422, "invalid-input", "The input cannot be accepted as it is"),
        errors.UnaffordableError: ProblemType(402, "unaffordable", "The budget does not pay for any training"),
        errors.NotFoundError: ProblemType(404, "not-found", "No such thing"),
        errors.ConflictError: ProblemType(409, "conflict", "The present state does not allow this"),
        errors.StaleVersionError: ProblemType(409, "changed-meanwhile", "Somebody else changed it first; try again"),
        errors.LedgerError: ProblemType(409, "ledger-refused", "The ledger refuses this movement of money"),
        errors.IllegalTransitionError: ProblemType(409, "illegal-transition", "The run's status does not allow this"),
        errors.ComputeError: ProblemType(503, "compute-unavailable", "The compute backend does not answer"),
        errors.ArtifactStoreError: ProblemType(502, "artifact-store-failed", "The store of artifacts failed"),
        errors.HubError: ProblemType(502, "hub-failed", "The model hub refused or did not answer"),
        errors.StorageError: ProblemType(507, "insufficient-storage", "The service's disk does not take it"),
        errors.TrainerUnavailableError: ProblemType(503, "trainer-unavailable", "The trainer is not installed"),
        LatticeForgeError: ProblemType(500, "internal-error", "Something went wrong inside the service"),
    }
)
IMPOSSIBLE = ProblemType(422, "impossible", "No budget makes this training possible on the machines on offer")
"""`UnaffordableError` when no sum would help: payment is not what is required."""
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""RFC 9110's words where Python's are older."""
INTERNAL = STATUS_OF[LatticeForgeError]


def problem_type_of(error: LatticeForgeError) -> ProblemType:
    """The row of the nearest class in the table."""
    if isinstance(error, errors.UnaffordableError) and error.cheapest_micros is None:
        return IMPOSSIBLE
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def http_problem_type(status: int) -> ProblemType:
    """The problem type of a plain HTTP error, such as 405."""
    try:
        phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        phrase = "HTTP error"
    return ProblemType(status, None, phrase)


def problem_response(
    kind: ProblemType, detail: str, instance: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The answer for `kind`; `more` holds the extension members of `Problem`."""
    problem = Problem(type=kind.uri, title=kind.title, status=kind.status, detail=detail, instance=instance, **more)
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True),
        kind.status,
        dict(headers or {}),
        media_type=PROBLEM_MEDIA_TYPE,
    )


async def _answer_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LatticeForgeError)
    kind = problem_type_of(error)
    if kind is INTERNAL:
        return await _answer_unexpected(request, error)
    return problem_response(kind, _detail(error), request.scope["path"], **_extensions(error))


def _detail(error: LatticeForgeError) -> str:
    if isinstance(error, InvalidInputError) and len(error.problems) > 1:
        return f"{len(error.problems)} fields cannot be accepted; nothing was started"
    return str(error)


def _extensions(error: LatticeForgeError) -> dict[str, Any]:
    if isinstance(error, InvalidInputError):
        return {"errors": _views(error.problems)}
    if not isinstance(error, errors.UnaffordableError):
        return {}
    if error.cheapest_micros is None:
        return {"refusals": list(error.refusals)}
    cheapest = Money(error.cheapest_micros).dollars()
    wanted = FieldProblem("budget", f"the least that trains is {cheapest} dollars")
    return {"errors": _views((wanted,)), "cheapest_budget": cheapest, "refusals": list(error.refusals)}


def _views(problems: tuple[FieldProblem, ...]) -> list[FieldProblemView]:
    return [FieldProblemView(field=each.field, message=each.message) for each in problems[:MOST_PROBLEMS]]


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _answer_domain_error(request, InvalidInputError(field_problems(error.errors(), known=())))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_response(
        http_problem_type(error.status_code), str(error.detail), request.scope["path"], headers=error.headers
    )


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %r failed", request.method, request.scope["path"], exc_info=error)
    return problem_response(INTERNAL, "the service's log says more", request.scope["path"])


def add_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer every error as a problem."""
    app.add_exception_handler(LatticeForgeError, _answer_domain_error)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_unexpected)
