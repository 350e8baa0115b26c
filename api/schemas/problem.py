"""RFC 9457 problem details, and how a route documents those it may answer with."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.view import Dollars, View

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldProblemView(View):
    """One thing wrong with one field."""

    field: str = Field(
        description="The field as it was written, dotted: `budget`, `overrides.lora_r`, `dataset:17` (line 17)."
    )
    message: str


class Problem(View):
    """What went wrong (RFC 9457). Members that do not apply are left out."""

    type: str = Field(description="URI of the problem type, relative to the service's root.")
    title: str
    status: int
    detail: str
    instance: str | None = Field(default=None, description="The path that was asked for.")
    errors: list[FieldProblemView] | None = Field(default=None, description="Every field that cannot be accepted.")
    cheapest_budget: Dollars | None = Field(default=None, description="With 402: the least budget that trains.")
    refusals: list[str] | None = Field(default=None, description="With 402: why each offer was refused.")


class ProblemTypeView(View):
    """A kind of problem."""

    type: str
    title: str
    status: int
    meaning: str


PROBLEM_EXAMPLES: dict[int, Problem] = {
    400: Problem(
        type="/problems/malformed-body",
        title="The body cannot be read",
        status=400,
        detail="budget: NaN is not a JSON number",
        instance="/runs",
        errors=[FieldProblemView(field="budget", message="NaN is not a JSON number")],
    ),
    401: Problem(
        type="about:blank",
        title="Unauthorized",
        status=401,
        detail="send the service's token: Authorization: Bearer <token>",
        instance="/runs",
    ),
    402: Problem(
        type="/problems/unaffordable",
        title="The budget does not pay for any training",
        status=402,
        detail="no machine on offer can train within this budget and its limits",
        instance="/runs",
        errors=[FieldProblemView(field="budget", message="the least that trains is 0.041112 dollars")],
        cheapest_budget="0.041112",
        refusals=["local/here/this-machine:1:on-demand: 37 s is the least that trains, which costs 0.041112 dollars"],
    ),
    403: Problem(
        type="about:blank",
        title="Forbidden",
        status=403,
        detail="the request came from another site",
        instance="/runs",
    ),
    404: Problem(
        type="/problems/not-found",
        title="No such thing",
        status=404,
        detail="no run 'run_000000000000'",
        instance="/runs/run_000000000000",
    ),
    409: Problem(
        type="/problems/conflict",
        title="The present state does not allow this",
        status=409,
        detail="the run has ended already (completed)",
        instance="/runs/run_3f9c1a7be204/cancel",
    ),
    413: Problem(
        type="about:blank",
        title="Content Too Large",
        status=413,
        detail="a body may have at most 1048576 bytes",
        instance="/runs",
    ),
    415: Problem(
        type="about:blank",
        title="Unsupported Media Type",
        status=415,
        detail="the body must be JSON, with Content-Type: application/json",
        instance="/runs",
    ),
    422: Problem(
        type="/problems/invalid-input",
        title="The input cannot be accepted as it is",
        status=422,
        detail="budget: must be above zero dollars",
        instance="/runs",
        errors=[FieldProblemView(field="budget", message="must be above zero dollars")],
    ),
    500: Problem(
        type="/problems/internal-error",
        title="Something went wrong inside the service",
        status=500,
        detail="the service's log says more",
        instance="/runs",
    ),
    503: Problem(
        type="/problems/compute-unavailable",
        title="The compute backend does not answer",
        status=503,
        detail="the provider did not answer within 20 s",
        instance="/offers",
    ),
    507: Problem(
        type="/problems/insufficient-storage",
        title="The service's disk does not take it",
        status=507,
        detail="the dataset cannot be stored: No space left on device",
        instance="/datasets",
    ),
}
_MEANINGS = {
    400: "The body is not JSON that means one thing.",
    401: "The service has a token and the request does not bear it.",
    402: "No plan fits the budget; `cheapest_budget` would.",
    403: "A page of another site sent it.",
    404: "No such thing.",
    409: "The present state does not allow it.",
    413: "The body is too large.",
    415: "The body is not declared as what is taken here: JSON, or rows for a dataset.",
    422: "The input cannot be accepted; every field is named. Nothing was started or reserved.",
    500: "A defect of the service.",
    503: "Something that the service depends on does not answer.",
    507: "The disk does not take it. Nothing was kept.",
}


def documented(*problems: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with `problems`."""
    return {status: problem_document(status) for status in problems}


def problem_document(status: int) -> dict[str, Any]:
    """The OpenAPI response object of the problems with `status`."""
    example = PROBLEM_EXAMPLES[status].model_dump(mode="json", exclude_none=True)
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    return {"description": _MEANINGS[status], "content": {PROBLEM_MEDIA_TYPE: content}}
