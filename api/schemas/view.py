"""What all schemas share: how times and money are written, and that nothing unsaid gets in or out."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from orchestrator.domain.json_value import JsonValue

Timestamp: TypeAlias = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""RFC 3339 in UTC, with `Z`."""

Dollars: TypeAlias = Annotated[
    str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,6}$", description="US dollars, exact.", examples=["50.00"])
]

FreeJson: TypeAlias = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]
"""A JSON object that passes through unread."""


class View(BaseModel):
    """An answer. Not a table and not a domain object: it changes when the API does."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def finite(value: JsonValue) -> JsonValue:
    """`value` with null for every NaN and infinity, which JSON cannot carry."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    return value
