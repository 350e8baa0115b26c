"""The families of Llama's kind, with what the config classes of transformers 5.16 fill in (read on 2026-11-24)."""

from __future__ import annotations

from orchestrator.domain.cost.families.llama import ATTENTION_BIAS, Kind, QkNorm
from orchestrator.domain.cost.families.windows import EVERYWHERE, Layers, Windows

_MLP_BIAS = ("mlp_bias", False)
_USE_BIAS = ("use_bias", False)
_AFTER = Windows(Layers.AFTER)


def _llama(context: int = 2048) -> Kind:
    return Kind(
        vocab=32000,
        hidden=4096,
        ffn=11008,
        layers=32,
        heads=32,
        context=context,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        mlp_bias=_MLP_BIAS,
    )


def _mistral(window: int | None) -> Kind:
    return Kind(
        vocab=32000,
        hidden=4096,
        ffn=14336,
        layers=32,
        heads=32,
        kv_heads=8,
        context=131072,
        windows=Windows(Layers.ALL, window),
    )


def _gemma(vocab: int, context: int, norms: int, windows: Windows, qk_norm: QkNorm = QkNorm.NONE) -> Kind:
    return Kind(
        vocab=vocab,
        hidden=2304,
        ffn=9216,
        layers=26,
        heads=8,
        kv_heads=4,
        head_dim=256,
        context=context,
        tied=True,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        norms=norms,
        qk_norm=qk_norm,
        windows=windows,
    )


def _olmo(qk_norm: QkNorm, windows: Windows = EVERYWHERE, *, plain_norms: bool = False) -> Kind:
    return Kind(
        vocab=50304,
        hidden=4096,
        ffn=11008,
        layers=32,
        heads=32,
        context=2048,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        plain_norms=plain_norms,
        qk_norm=qk_norm,
        windows=windows,
    )


def _cohere(windows: Windows, qk_norm: QkNorm) -> Kind:
    return Kind(
        vocab=256000,
        hidden=8192,
        ffn=22528,
        layers=40,
        heads=64,
        context=8192,
        tied=True,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        norms=1,
        qk_norm=qk_norm,
        qk_norm_key="use_qk_norm",
        windows=windows,
    )


def _glm(norms: int) -> Kind:
    return Kind(
        vocab=151552,
        hidden=4096,
        ffn=13696,
        layers=40,
        heads=32,
        kv_heads=2,
        head_dim=128,
        context=131072,
        qkv_bias=("attention_bias", True),
        norms=norms,
        joined="gate_up_proj",
    )


KINDS: dict[str, Kind] = {
    "llama": _llama(),
    "granite": _llama(),
    "mistral": _mistral(4096),
    "ministral": _mistral(4096),
    "ministral3": Kind(
        vocab=131072,
        hidden=4096,
        ffn=14336,
        layers=34,
        heads=32,
        kv_heads=8,
        head_dim=128,
        context=262144,
        windows=Windows(Layers.ALL),
    ),
    "qwen2": Kind(
        vocab=151936,
        hidden=4096,
        ffn=22016,
        layers=32,
        heads=32,
        kv_heads=32,
        context=32768,
        qkv_bias=True,
        windows=_AFTER,
    ),
    "qwen3": Kind(
        vocab=151936,
        hidden=4096,
        ffn=22016,
        layers=32,
        heads=32,
        kv_heads=32,
        head_dim=128,
        context=32768,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        qk_norm=QkNorm.HEAD,
        windows=_AFTER,
    ),
    "gemma": Kind(
        vocab=256000,
        hidden=3072,
        ffn=24576,
        layers=28,
        heads=16,
        kv_heads=16,
        head_dim=256,
        context=8192,
        tied=True,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
    ),
    "gemma2": _gemma(256000, 8192, 4, Windows(Layers.PATTERN, 4096)),
    "gemma3_text": _gemma(262208, 131072, 4, Windows(Layers.PATTERN, 4096, pattern=6), QkNorm.HEAD),
    "stablelm": Kind(
        vocab=50304,
        hidden=2560,
        ffn=6912,
        layers=32,
        heads=32,
        kv_heads=32,
        context=4096,
        qkv_bias=("use_qkv_bias", False),
        parallel_key="use_parallel_residual",
        norm_bias=True,
        qk_norm=QkNorm.WIDE,
        qk_norm_key="qk_layernorm",
    ),
    "olmo": _olmo(QkNorm.NONE, plain_norms=True),
    "olmo2": _olmo(QkNorm.WIDE),
    "olmo3": _olmo(QkNorm.WIDE, Windows(Layers.PATTERN, 4096, pattern=4)),
    "smollm3": Kind(
        vocab=128256,
        hidden=2048,
        ffn=11008,
        layers=36,
        heads=16,
        kv_heads=4,
        context=32768,
        tied=True,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        mlp_bias=_MLP_BIAS,
    ),
    "cohere": _cohere(EVERYWHERE, QkNorm.WIDE),
    "cohere2": _cohere(Windows(Layers.PATTERN, 4096, pattern=4), QkNorm.NONE),
    "glm": _glm(2),
    "glm4": _glm(4),
    "exaone4": Kind(
        vocab=102400,
        hidden=4096,
        ffn=16384,
        layers=32,
        heads=32,
        kv_heads=32,
        context=2048,
        qk_norm=QkNorm.HEAD,
        windows=Windows(Layers.PATTERN, 4096, pattern=4),
    ),
    "seed_oss": Kind(
        vocab=155136,
        hidden=4096,
        ffn=27648,
        layers=64,
        heads=80,
        kv_heads=8,
        head_dim=128,
        context=524288,
        qkv_bias=("attention_bias", True),
        out_bias=("attention_out_bias", False),
        mlp_bias=_MLP_BIAS,
    ),
    "ernie4_5": Kind(
        vocab=103424,
        hidden=1024,
        ffn=3072,
        layers=18,
        heads=16,
        kv_heads=2,
        head_dim=128,
        context=131072,
        tied=True,
        qkv_bias=_USE_BIAS,
        out_bias=_USE_BIAS,
        mlp_bias=_USE_BIAS,
    ),
    "arcee": Kind(
        vocab=32000,
        hidden=2560,
        ffn=18432,
        layers=32,
        heads=32,
        context=4096,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        mlp_bias=_MLP_BIAS,
        up=("up_proj",),
    ),
    "nemotron": Kind(
        vocab=256000,
        hidden=6144,
        ffn=24576,
        layers=32,
        heads=48,
        context=4096,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        mlp_bias=_MLP_BIAS,
        norm_bias=True,
        up=("up_proj",),
    ),
    "starcoder2": Kind(
        vocab=49152,
        hidden=3072,
        ffn=12288,
        layers=30,
        heads=24,
        kv_heads=2,
        context=4096,
        tied=True,
        qkv_bias=("use_bias", True),
        out_bias=("use_bias", True),
        mlp_bias=("use_bias", True),
        norm_bias=True,
        up=("c_fc",),
        down="c_proj",
        windows=Windows(Layers.ALL),
    ),
}
