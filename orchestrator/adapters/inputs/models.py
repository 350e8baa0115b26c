"""Model folders, in the layout of the transformers library."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.adapters.inputs.architectures import read_shape
from orchestrator.adapters.inputs.parameters import count_parameters
from orchestrator.domain.errors import InvalidInputError
from orchestrator.ports.inputs import ModelFacts

CONFIG = "config.json"
MOST_CONFIG_BYTES = 4 << 20
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "spiece.model")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def look_at_model(folder: Path) -> ModelFacts:
    """The facts of the model in `folder`; `InvalidInputError` naming `model` for one that could not be trained."""
    if not folder.is_dir():
        raise InvalidInputError.of("model", "is a file; name the model's folder")
    config = _config(folder)
    if not any((folder / name).exists() for name in TOKENIZERS):
        raise InvalidInputError.of("model", f"has no tokenizer (one of {', '.join(TOKENIZERS)})")
    parameters = _read(folder)
    if parameters is None and not any((folder / name).exists() for name in PICKLED):
        raise InvalidInputError.of("model", "has no weights (model.safetensors or its index)")
    # The packed weights of a quantised model hold several parameters in one element: the sum would be wrong.
    stored = parameters if config.get("quantization_config") is None else None
    shape = read_shape(folder.name, config, stored)
    made = None if shape.architecture is None else shape.architecture.parameters
    return ModelFacts(
        str(folder),
        is_local=True,
        parameters=made if stored is None else stored,
        max_sequence_len=_longest(config),
        architecture=shape.architecture,
        architecture_note=shape.note,
    )


def _read(folder: Path) -> int | None:
    try:
        return count_parameters(folder)
    except OSError as error:
        raise InvalidInputError.of("model", f"cannot be read: {error.strerror}") from error


def _config(folder: Path) -> dict[str, object]:
    path = folder / CONFIG
    if not path.is_file():
        adapter = (folder / "adapter_config.json").exists()
        what = "is an adapter; name the base model that it belongs to" if adapter else f"has no {CONFIG}"
        raise InvalidInputError.of("model", what)
    try:
        config = json.loads(path.read_bytes()) if path.stat().st_size <= MOST_CONFIG_BYTES else None
    except (OSError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise InvalidInputError.of("model", f"{CONFIG} cannot be read")
    return config


def _longest(config: dict[str, object]) -> int | None:
    """The longest sequence in tokens; models that also see keep it with their text part."""
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        length = part.get("max_position_embeddings")
        if isinstance(length, int) and not isinstance(length, bool) and length > 0:
            return length
    return None
