"""What a person asks for. Types are loose where the domain says better what is wrong with a value."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from api.schemas.view import FreeJson
from orchestrator.domain.cost.told import ROW_TOKENS
from orchestrator.domain.formats import KNOWN_FORMATS
from orchestrator.domain.run import Prefer
from orchestrator.domain.strategies import STRATEGIES
from orchestrator.domain.techniques import TECHNIQUES
from orchestrator.services.draft import DEFAULT_SEED, MAX_GPUS, MAX_HOURS, MAX_NAME, RunDraft
from orchestrator.services.harness import MAX_LIMIT, MAX_TASKS, TASK_NAME
from orchestrator.services.quote import Where
from orchestrator.services.told_rows import ToldTokens

_MONEY = {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]{1,6})?$"}
_HARNESS = {
    "type": ["object", "null"],
    "properties": {
        "tasks": {
            "type": "array",
            "items": {"type": "string", "pattern": f"^{TASK_NAME}$"},
            "minItems": 1,
            "maxItems": MAX_TASKS,
        },
        "include_path": {"type": ["string", "null"]},
        "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_LIMIT},
    },
}
_TECHNIQUES = ", ".join(f"`{key}`" for key in TECHNIQUES)
_STRATEGIES = ", ".join(f"`{each.key}`" for each in STRATEGIES)


class RunDraftBody(BaseModel):
    """A run as it is wished for. Only `budget` and `strategy` (or `recipe`) are required."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"strategy": "dora_neftune", "budget": 50},
                {
                    "strategy": "lora",
                    "budget": "12.50",
                    "model": "HuggingFaceTB/SmolLM2-135M",
                    "dataset": "tatsu-lab/alpaca",
                    "max_hours": 1.5,
                    "overrides": {"learning_rate": 0.0002, "num_epochs": 1},
                    "seed": 7,
                    "name": "first try",
                },
                {"strategy": "relora", "budget": 32, "parameters": {"iterations": 3, "rank": 64}},
                {"strategy": "split", "budget": 48, "dataset": "rows.jsonl", "preferences": "pairs.jsonl"},
                {"strategy": "custom", "budget": 20, "techniques": ["dora", "neftune"], "merged": True},
                {"budget": 20, "recipe": "base_model: HuggingFaceTB/SmolLM2-135M\nadapter: lora\nlora_r: 32\n..."},
            ]
        },
    )

    strategy: Annotated[Any, WithJsonSchema({"type": ["string", "null"]})] = Field(
        None,
        description=f"A strategy's name, letter or alias, in any case: {_STRATEGIES}, or `A` to `D`. Required "
        "unless there is a `recipe`.",
    )
    budget: Annotated[Any, WithJsonSchema(_MONEY)] = Field(
        description="US dollars, as a number or a decimal string. Not one cent more is spent."
    )
    techniques: Annotated[Any, WithJsonSchema({"type": ["array", "null"], "items": {"type": "string"}})] = Field(
        None, description=f"For `custom`, any that go together: {_TECHNIQUES}."
    )
    parameters: FreeJson = Field(
        default_factory=dict, description="The strategy's and its techniques' own, as `GET /strategies` lists them."
    )
    recipe: Annotated[Any, WithJsonSchema({"type": ["string", "object", "null"]})] = Field(
        None,
        description="An Axolotl configuration of your own, as YAML text or as an object. The study book's spellings "
        "are translated, what the service decides is set aside with a note, an unknown key is refused.",
    )
    model: str | None = Field(None, description="A folder or a hub id; default: the demonstration's model.")
    dataset: str | None = Field(
        None,
        description="A JSONL or Parquet file, an uploaded dataset's id, or a hub id with its format if that is not "
        f"alpaca, `owner/name:messages`; default: the demonstration's dataset. Formats: {KNOWN_FORMATS}.",
    )
    preferences: str | None = Field(
        None, description="Preference pairs for a strategy that trains on them after another dataset (`split`)."
    )
    heldout: str | None = Field(
        None, description="A file or an uploaded dataset to evaluate on; default: rows split from the dataset."
    )
    max_hours: Annotated[Any, WithJsonSchema({"type": ["number", "null"], "exclusiveMinimum": 0})] = Field(
        None, description=f"The most machine time, in hours, at most {MAX_HOURS}."
    )
    gpus: Annotated[Any, WithJsonSchema({"type": ["integer", "null"], "minimum": 1, "maximum": MAX_GPUS})] = Field(
        None, description="How many accelerators; default: what the planner finds best."
    )
    overrides: FreeJson = Field(
        default_factory=dict, description="The trainer's own keys; they replace the strategy's values."
    )
    training_overrides: FreeJson = Field(
        default_factory=dict,
        description="Overrides for single trainings of the run by their number, after those for all: "
        '`{"2": {"learning_rate": 1e-5}}`.',
    )
    merged: bool = Field(False, description="Whether the adapter is merged into a whole model at the end.")
    harness: Annotated[Any, WithJsonSchema(_HARNESS)] = Field(
        None, description="Tasks of lm-evaluation-harness to run on the model before and after."
    )
    seed: Annotated[Any, WithJsonSchema({"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1})] = Field(
        None,
        description=f"Decides the split, the order of the rows and the initial weights; default {DEFAULT_SEED}.",
    )
    name: str = Field("", max_length=MAX_NAME, description="Shown in lists; anything.")
    accelerators: Annotated[Any, WithJsonSchema({"type": ["array", "string", "null"], "items": {"type": "string"}})] = (
        Field(None, description="Accelerators that may be used, for example `[H200, H100]`; default: any.")
    )
    spot: Annotated[Any, WithJsonSchema({"type": ["boolean", "null"]})] = Field(
        None, description="true: spot machines only; false: none; default: whichever is better."
    )
    prefer: Annotated[Any, WithJsonSchema({"type": ["string", "null"], "enum": [*Prefer, None]})] = Field(
        None, description="What decides between plans that train the same: `time` (default) or `dollars`."
    )

    def draft(self) -> RunDraft:
        """The same in the service's words."""
        return RunDraft(**{name: getattr(self, name) for name in RunDraftBody.model_fields})


class QuoteBody(RunDraftBody):
    """A wish, or several at once: with `strategies`, `budgets` or `gpu_counts` the answer is a table of all of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"strategy": "dora_neftune", "budget": 50},
                {
                    "strategy": "dora_neftune",
                    "budget": 50,
                    "model": "meta-llama/Llama-3.1-8B",
                    "dataset_tokens": "20M",
                    "where": "clouds",
                },
                {"strategies": ["lora", "full"], "budgets": [10, 25, 50], "gpu_counts": [1, 2, 4], "where": "clouds"},
            ]
        },
    )

    budget: Annotated[Any, WithJsonSchema(_MONEY)] = Field(
        None, description="US dollars, as a number or a decimal string. Required unless there are `budgets`."
    )
    where: Annotated[Any, WithJsonSchema({"type": ["string", "null"], "enum": [*Where, None]})] = Field(
        None,
        description="`here`: machines that this service can launch a run on (default); `clouds`: all that is known to "
        "be for rent; `anywhere`: both.",
    )
    dataset_tokens: Annotated[Any, WithJsonSchema({"type": ["integer", "string", "null"]})] = Field(
        None, description="In place of a dataset: how many tokens one pass over it has, for example `20M`."
    )
    row_tokens: Annotated[Any, WithJsonSchema({"type": ["integer", "string", "null"]})] = Field(
        None, description=f"Beside `dataset_tokens`: how many a row has on average; default {ROW_TOKENS}, assumed."
    )
    strategies: list[Any] | None = Field(None, min_length=1, max_length=20, description="Several, in place of one.")
    budgets: list[Any] | None = Field(None, min_length=1, max_length=100, description="Several, in place of one.")
    gpu_counts: list[Any] | None = Field(None, min_length=1, max_length=8, description="Several counts; null is any.")

    @property
    def is_table(self) -> bool:
        return any(each is not None for each in (self.strategies, self.budgets, self.gpu_counts))

    def told(self) -> ToldTokens | None:
        """The number of tokens in place of a dataset, if that is what was said."""
        if self.dataset_tokens is None and self.row_tokens is None:
            return None
        return ToldTokens.parse(self.dataset_tokens, self.row_tokens)


class BudgetBody(BaseModel):
    """Money on top of the cap that a run has."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"amount": 5}, {"amount": "0.50"}]})

    amount: Annotated[Any, WithJsonSchema(_MONEY)] = Field(
        description="US dollars to add, as a number or a decimal string."
    )
