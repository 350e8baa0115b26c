"""A model's chat template, which is somebody's program: run in jinja's sandbox, inside a process with limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.adapters.inputs.tokenizing.row_texts import Turns

CHATML = (
    "{% for each in messages %}<|im_start|>{{ each['role'] }}\n{{ each['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""What the trainer falls back to for a model without a template (`tokenizer_default_fallback_chatml`)."""
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
"""Templates that tell the day take as many tokens on any other."""


class UnrenderedError(Exception):
    """The template could not render a conversation."""


class ChatTemplate:
    """As transformers renders it: its settings, filters and globals."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _SOME_DAY.strftime
        self._special_tokens = dict(special_tokens)
        try:
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError, MemoryError) as error:
            raise UnrenderedError(f"does not compile: {str(error)[:200]}") from error

    def render(self, turns: Turns, *, asks: bool = False) -> str:
        """The conversation as one text; with `asks`, up to where the model would go on."""
        try:
            return self._template.render(
                messages=turns, tools=None, documents=None, add_generation_prompt=asks, **self._special_tokens
            )
        except Exception as error:  # a stranger's program fails in any way it likes
            raise UnrenderedError(str(error)[:200] or type(error).__name__) from error


class _Generation(Extension):
    """`{% generation %}` marks what is trained, and renders as what it holds."""

    tags = {"generation"}  # noqa: RUF012 - jinja's own declaration

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _to_json(value: Any, ensure_ascii: bool = False, **form: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **form)
