"""From the `config.json` of a model on a hub to its architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.config_values import MOST_PARAMETERS, ConfigValues, refused
from orchestrator.domain.cost.families import deepseek, hybrids, joined, mixtures, older, remote
from orchestrator.domain.cost.families.kinds import KINDS
from orchestrator.domain.cost.families.llama import dense
from orchestrator.domain.errors import InvalidInputError

FAMILIES: dict[str, Callable[[ConfigValues], Architecture]] = {
    **{model_type: partial(dense, kind) for model_type, kind in KINDS.items()},
    "mixtral": mixtures.mixtral,
    "olmoe": mixtures.olmoe,
    "granitemoe": mixtures.granite_moe,
    "gpt_oss": mixtures.gpt_oss,
    "qwen2_moe": mixtures.qwen2_moe,
    "qwen3_moe": mixtures.qwen3_moe,
    "llama4_text": mixtures.llama4,
    "glm4_moe": mixtures.glm4_moe,
    "qwen3_5_text": hybrids.qwen3_5,
    "qwen3_5_moe_text": hybrids.qwen3_5_moe,
    "qwen3_next": hybrids.qwen3_next,
    "deepseek_v2": deepseek.deepseek_v2,
    "deepseek_v3": deepseek.deepseek_v3,
    "gpt2": joined.gpt2,
    "gpt_bigcode": joined.gpt_bigcode,
    "gpt_neox": joined.gpt_neox,
    "falcon": joined.falcon,
    "RefinedWeb": joined.falcon,
    "RefinedWebModel": joined.falcon,
    "mpt": joined.mpt,
    "opt": older.opt,
    "bloom": older.bloom,
    "gptj": older.gptj,
    "gpt_neo": older.gpt_neo,
    "phi": joined.phi,
    "phi3": joined.phi3,
    "qwen": remote.qwen,
    "chatglm": remote.chatglm,
    "baichuan": remote.baichuan,
    "internlm2": remote.internlm2,
}
"""By `model_type`."""
_TEXT_OF = {"gemma3": "gemma3_text", "llama4": "llama4_text", "mistral3": "mistral", "llava": "llama"}
"""The text part of families that also see, where that part does not tell its own type."""


def architecture_of(name: str, config: Mapping[str, object]) -> Architecture:
    """The architecture of the model `name` from its config; of one that also sees or hears, its text part alone.

    What the config leaves out is what the config class in `transformers` fills in; a `quantization_config` changes
    nothing. Raises `InvalidInputError` naming `model`, with the key in the message, for a family that is not known, for
    a value that makes no sense, and for more than `MOST_PARAMETERS` parameters or sizes beyond those of
    `config_values`.
    """
    values = _values(name, config)
    family = FAMILIES.get(values.model_type)
    if family is None:
        raise refused("model_type", f"is {values.model_type[:40]!r}, whose architecture is not known")
    found = family(values)
    if found.parameters > MOST_PARAMETERS:
        raise InvalidInputError.of("model", f"its config.json makes more than {MOST_PARAMETERS:.0e} parameters")
    return found


def _values(name: str, config: Mapping[str, object]) -> ConfigValues:
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise refused("model_type", "is missing" if model_type is None else "is no word")
    text = config.get("text_config")
    if model_type in FAMILIES or not isinstance(text, Mapping):
        return ConfigValues(name, model_type, config)
    text_type = text.get("model_type", _TEXT_OF.get(model_type))
    if not isinstance(text_type, str):
        raise refused("text_config", f"of a {model_type[:40]!r} does not tell its model_type")
    return ConfigValues(name, text_type, text)
