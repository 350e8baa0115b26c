"""What the config classes of mixtures fill in (transformers 5.16, read on 2026-11-24), their experts apart."""

from __future__ import annotations

from orchestrator.domain.cost.families.llama import ATTENTION_BIAS, Kind, QkNorm
from orchestrator.domain.cost.families.windows import Layers, Windows

QWEN2_MOE = Kind(
    vocab=151936,
    hidden=2048,
    ffn=5632,
    layers=24,
    heads=16,
    kv_heads=16,
    context=32768,
    qkv_bias=("qkv_bias", True),
)
QWEN3_MOE = Kind(
    vocab=151936,
    hidden=2048,
    ffn=6144,
    layers=24,
    heads=32,
    kv_heads=4,
    context=32768,
    qkv_bias=ATTENTION_BIAS,
    out_bias=ATTENTION_BIAS,
    qk_norm=QkNorm.HEAD,
    windows=Windows(Layers.SWITCHED),
)
MIXTRAL = Kind(
    vocab=32000,
    hidden=4096,
    ffn=14336,
    layers=32,
    heads=32,
    kv_heads=8,
    context=131072,
    windows=Windows(Layers.ALL),
)
OLMOE = Kind(
    vocab=50304,
    hidden=2048,
    ffn=2048,
    layers=16,
    heads=16,
    context=4096,
    qkv_bias=ATTENTION_BIAS,
    out_bias=ATTENTION_BIAS,
    qk_norm=QkNorm.WIDE,
)
GRANITE_MOE = Kind(
    vocab=32000,
    hidden=4096,
    ffn=11008,
    layers=32,
    heads=32,
    context=2048,
    qkv_bias=ATTENTION_BIAS,
    out_bias=ATTENTION_BIAS,
)
GPT_OSS = Kind(
    vocab=201088,
    hidden=2880,
    ffn=2880,
    layers=36,
    heads=64,
    kv_heads=8,
    head_dim=64,
    context=131072,
    qkv_bias=("attention_bias", True),
    out_bias=("attention_bias", True),
    windows=Windows(Layers.PATTERN, 128),
)
GLM4_MOE = Kind(
    vocab=151552,
    hidden=4096,
    ffn=10944,
    layers=46,
    heads=96,
    kv_heads=8,
    context=131072,
    evenly=False,
    qkv_bias=ATTENTION_BIAS,
    qk_norm=QkNorm.HEAD,
    qk_norm_key="use_qk_norm",
)
LLAMA4 = Kind(
    vocab=202048,
    hidden=5120,
    ffn=8192,
    layers=48,
    heads=40,
    kv_heads=8,
    head_dim=128,
    context=131072,
    qkv_bias=ATTENTION_BIAS,
    out_bias=ATTENTION_BIAS,
    windows=Windows(Layers.PATTERN, 8192, pattern=4, key="attention_chunk_size"),
)
