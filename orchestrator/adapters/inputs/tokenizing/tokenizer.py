"""A model's tokenizer from the files in its folder, with the tokens that transformers puts around a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from orchestrator.adapters.inputs.tokenizing.chat import CHATML, ChatTemplate

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIALS = "special_tokens_map.json"
TEMPLATE = "chat_template.jinja"

MOST_CONFIG_BYTES = 32 << 20


class ModelTokenizer:
    """Counts; `bos` and `eos` are ids, None for a tokenizer that has none."""

    def __init__(self, folder: Path) -> None:
        config = {**_object(folder / SPECIALS), **_object(folder / CONFIG)}
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._specials = _special_tokens(config)
        self._add_missing()
        self.bos, self.eos = self._id("bos_token"), self._id("eos_token")
        self._surround(config)
        self._source = _template(folder, config)

    def template(self) -> ChatTemplate:
        """`UnrenderedError` for a template that does not compile."""
        return ChatTemplate(self._source, self._specials)

    def encoded(self, texts: Sequence[str], *, surrounded: bool) -> list[list[int]]:
        """The ids of each text, with the tokens that begin and end one where `surrounded`."""
        return [each.ids for each in self._tokenizer.encode_batch_fast(texts, add_special_tokens=surrounded)]

    def _id(self, name: str) -> int | None:
        text = self._specials.get(name)
        found: int | None = None if text is None else self._tokenizer.token_to_id(text)
        return found

    def _add_missing(self) -> None:
        missing = [text for text in self._specials.values() if self._tokenizer.token_to_id(text) is None]
        self._tokenizer.add_special_tokens(missing)

    def _surround(self, config: Mapping[str, Any]) -> None:
        """What the configuration says outright takes the place of the tokenizer's own post-processor."""
        if "add_bos_token" not in config and "add_eos_token" not in config:
            return
        around = {
            name: (self._specials[f"{name}_token"], id_)
            for name, id_ in (("bos", self.bos), ("eos", self.eos))
            if config.get(f"add_{name}_token") and id_ is not None
        }
        begin, end = (around[name][0] if name in around else "" for name in ("bos", "eos"))
        single = " ".join(filter(None, (begin, "$A", end)))
        self._tokenizer.post_processor = processors.TemplateProcessing(
            single=single, special_tokens=list(around.values())
        )


def _object(path: Path) -> dict[str, Any]:
    """A small JSON file that may be missing; ValueError when it is no object."""
    if not path.is_file():
        return {}
    if path.stat().st_size > MOST_CONFIG_BYTES:
        raise ValueError(f"{path.name} has more than {MOST_CONFIG_BYTES >> 20} MiB")
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return found


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"):
        value = config.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str) and text:
            found[name] = text
    return found


def _template(folder: Path, config: Mapping[str, Any]) -> str:
    """The file of its own goes before the one in the configuration, which may be a list of named ones."""
    path = folder / TEMPLATE
    if path.is_file():
        return path.read_text(encoding="utf-8")[:MOST_CONFIG_BYTES]
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else CHATML
