"""Gemma and Phi."""

from __future__ import annotations

from orchestrator.domain.cost.known_models.entry import Entry, shape


def _gemma(
    hidden: int, layers: int, heads: int, kv_heads: int, ffn: int, *, version: int = 1, head_dim: int = 256
) -> dict[str, object]:
    model_type = "gemma" if version == 1 else "gemma2"
    return shape(model_type, hidden, layers, heads, ffn, 256000, 8192, kv_heads, tied=True, head_dim=head_dim)


def _gemma3(
    hidden: int,
    layers: int,
    heads: int,
    kv_heads: int,
    ffn: int,
    *,
    head_dim: int = 256,
    vocab: int = 262208,
    window: int = 1024,
    context: int = 131072,
) -> dict[str, object]:
    sizes = shape("gemma3_text", hidden, layers, heads, ffn, vocab, context, kv_heads, tied=True, head_dim=head_dim)
    return {**sizes, "sliding_window": window}


def _phi(hidden: int, layers: int, ffn: int) -> dict[str, object]:
    return shape("phi", hidden, layers, 32, ffn, 51200, 2048)


def _phi3(
    hidden: int, layers: int, heads: int, kv_heads: int, ffn: int, vocab: int, context: int, window: int | None
) -> dict[str, object]:
    return shape("phi3", hidden, layers, heads, ffn, vocab, context, kv_heads, sliding_window=window)


GEMMAS_AND_PHIS = (
    Entry("google/gemma-2b", _gemma(2048, 18, 8, 1, 16384), 2506172416, ("gemma-1.1-2b", "gemma-1-2b")),
    Entry("google/gemma-7b", _gemma(3072, 28, 16, 16, 24576), 8537680896, ("gemma-1.1-7b", "gemma-1-7b")),
    Entry("google/gemma-2-2b", _gemma(2304, 26, 8, 4, 9216, version=2), 2614341888),
    Entry("google/gemma-2-9b", _gemma(3584, 42, 16, 8, 14336, version=2), 9241705984),
    Entry("google/gemma-2-27b", _gemma(4608, 46, 32, 16, 36864, version=2, head_dim=128), 27227128320),
    Entry("google/gemma-3-270m", _gemma3(640, 18, 4, 1, 2048, vocab=262144, window=512, context=32768), 268098176),
    Entry("google/gemma-3-1b-pt", _gemma3(1152, 26, 4, 1, 6912, vocab=262144, window=512, context=32768), 999885952),
    Entry("google/gemma-3-4b-pt", _gemma3(2560, 34, 8, 4, 10240)),
    Entry("google/gemma-3-12b-pt", _gemma3(3840, 48, 16, 8, 15360)),
    Entry("google/gemma-3-27b-pt", _gemma3(5376, 62, 32, 16, 21504, head_dim=128)),
    Entry("microsoft/phi-1", _phi(2048, 24, 8192), 1418270720),
    Entry("microsoft/phi-1_5", _phi(2048, 24, 8192), 1418270720, ("phi-1.5", "phi-1.5-1.3b")),
    Entry("microsoft/phi-2", _phi(2560, 32, 10240), 2779683840, ("phi-2-2.7b",)),
    Entry(
        "microsoft/Phi-3-mini-4k-instruct",
        _phi3(3072, 32, 32, 32, 8192, 32064, 4096, 2047),
        3821079552,
        ("phi-3-mini", "phi-3-mini-3.8b"),
    ),
    Entry("microsoft/Phi-3-mini-128k-instruct", _phi3(3072, 32, 32, 32, 8192, 32064, 131072, 262144), 3821079552),
    Entry(
        "microsoft/Phi-3-medium-4k-instruct",
        _phi3(5120, 40, 40, 10, 17920, 32064, 4096, 2047),
        13960238080,
        ("phi-3-medium", "phi-3-medium-14b"),
    ),
    Entry("microsoft/Phi-3-medium-128k-instruct", _phi3(5120, 40, 40, 10, 17920, 32064, 131072, 131072), 13960238080),
    Entry(
        "microsoft/Phi-3.5-mini-instruct",
        _phi3(3072, 32, 32, 32, 8192, 32064, 131072, 262144),
        3821079552,
        ("phi-3.5-mini-3.8b",),
    ),
    Entry("microsoft/phi-4", _phi3(5120, 40, 40, 10, 17920, 100352, 16384, None), 14659507200, ("phi-4-14b",)),
    Entry(
        "microsoft/Phi-4-mini-instruct",
        {**_phi3(3072, 32, 24, 8, 8192, 200064, 131072, 262144), "tie_word_embeddings": True},
        3836021760,
        ("phi-4-mini-3.8b",),
    ),
)
