"""Qwen, from the first to the third."""

from __future__ import annotations

from orchestrator.domain.cost.known_models.entry import Entry, shape

SMALL_VOCAB = 151936
LARGE_VOCAB = 152064


def _qwen1(hidden: int, layers: int, heads: int, ffn: int, vocab: int, context: int) -> dict[str, object]:
    return {
        "model_type": "qwen",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": ffn,
        "kv_channels": 128,
        "vocab_size": vocab,
        "seq_length": context,
        "tie_word_embeddings": False,
    }


def _qwen2(
    hidden: int, layers: int, heads: int, kv_heads: int, ffn: int, vocab: int = LARGE_VOCAB, *, tied: bool = False
) -> dict[str, object]:
    return shape("qwen2", hidden, layers, heads, ffn, vocab, 32768, kv_heads, tied=tied)


def _qwen3(hidden: int, layers: int, heads: int, ffn: int, *, tied: bool = False) -> dict[str, object]:
    return shape("qwen3", hidden, layers, heads, ffn, SMALL_VOCAB, 40960, 8, tied=tied, head_dim=128)


def _qwen3_moe(hidden: int, layers: int, heads: int, ffn: int, expert: int) -> dict[str, object]:
    return shape(
        "qwen3_moe",
        hidden,
        layers,
        heads,
        ffn,
        SMALL_VOCAB,
        40960,
        4,
        head_dim=128,
        moe_intermediate_size=expert,
        num_experts=128,
        num_experts_per_tok=8,
    )


def _also(size: str) -> tuple[str, ...]:
    """Qwen 2.5's other models of a size, which are built the same."""
    return f"qwen2.5-coder-{size}", f"qwen2.5-math-{size}"


QWENS = (
    Entry("Qwen/Qwen-1_8B", _qwen1(2048, 24, 16, 11008, SMALL_VOCAB, 8192), 1836828672, ("qwen-1.8b", "qwen1-1.8b")),
    Entry("Qwen/Qwen-7B", _qwen1(4096, 32, 32, 22016, SMALL_VOCAB, 8192), 7721324544, ("qwen1-7b",)),
    Entry("Qwen/Qwen-14B", _qwen1(5120, 40, 40, 27392, LARGE_VOCAB, 8192), 14167290880, ("qwen1-14b",)),
    Entry("Qwen/Qwen-72B", _qwen1(8192, 80, 64, 49152, LARGE_VOCAB, 32768), 72287920128, ("qwen1-72b",)),
    Entry("Qwen/Qwen1.5-0.5B", _qwen2(1024, 24, 16, 16, 2816, SMALL_VOCAB, tied=True), 463987712),
    Entry("Qwen/Qwen1.5-1.8B", _qwen2(2048, 24, 16, 16, 5504, SMALL_VOCAB), 1836828672),
    Entry("Qwen/Qwen1.5-4B", _qwen2(2560, 40, 20, 20, 6912, SMALL_VOCAB), 3950369280),
    Entry("Qwen/Qwen1.5-7B", _qwen2(4096, 32, 32, 32, 11008, SMALL_VOCAB), 7721324544),
    Entry("Qwen/Qwen1.5-14B", _qwen2(5120, 40, 40, 40, 13696), 14167290880),
    Entry("Qwen/Qwen1.5-32B", _qwen2(5120, 64, 40, 8, 27392), 32512218112),
    Entry("Qwen/Qwen1.5-72B", _qwen2(8192, 80, 64, 64, 24576), 72287920128),
    Entry("Qwen/Qwen1.5-110B", _qwen2(8192, 80, 64, 8, 49152), 111209914368),
    Entry("Qwen/Qwen1.5-MoE-A2.7B", {"model_type": "qwen2_moe", "max_position_embeddings": 8192}, 14315784192),
    Entry("Qwen/Qwen2-0.5B", _qwen2(896, 24, 14, 2, 4864, SMALL_VOCAB, tied=True), 494032768),
    Entry("Qwen/Qwen2-1.5B", _qwen2(1536, 28, 12, 2, 8960, SMALL_VOCAB, tied=True), 1543714304),
    Entry("Qwen/Qwen2-7B", _qwen2(3584, 28, 28, 4, 18944), 7615616512),
    Entry("Qwen/Qwen2-72B", _qwen2(8192, 80, 64, 8, 29568), 72706203648),
    Entry(
        "Qwen/Qwen2-57B-A14B",
        shape(
            "qwen2_moe",
            3584,
            28,
            28,
            18944,
            SMALL_VOCAB,
            32768,
            4,
            moe_intermediate_size=2560,
            shared_expert_intermediate_size=20480,
            num_experts=64,
            num_experts_per_tok=8,
        ),
    ),
    Entry("Qwen/Qwen2.5-0.5B", _qwen2(896, 24, 14, 2, 4864, SMALL_VOCAB, tied=True), 494032768, _also("0.5b")),
    Entry("Qwen/Qwen2.5-1.5B", _qwen2(1536, 28, 12, 2, 8960, SMALL_VOCAB, tied=True), 1543714304, _also("1.5b")),
    Entry("Qwen/Qwen2.5-3B", _qwen2(2048, 36, 16, 2, 11008, SMALL_VOCAB, tied=True), 3085938688, _also("3b")),
    Entry(
        "Qwen/Qwen2.5-7B",
        _qwen2(3584, 28, 28, 4, 18944),
        7615616512,
        (*_also("7b"), "DeepSeek-R1-Distill-Qwen-7B"),
    ),
    Entry(
        "Qwen/Qwen2.5-14B",
        _qwen2(5120, 48, 40, 8, 13824),
        14770033664,
        (*_also("14b"), "DeepSeek-R1-Distill-Qwen-14B"),
    ),
    Entry(
        "Qwen/Qwen2.5-32B",
        _qwen2(5120, 64, 40, 8, 27648),
        32763876352,
        (*_also("32b"), "DeepSeek-R1-Distill-Qwen-32B", "QwQ-32B"),
    ),
    Entry("Qwen/Qwen2.5-72B", _qwen2(8192, 80, 64, 8, 29568), 72706203648, _also("72b")),
    Entry("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", _qwen2(1536, 28, 12, 2, 8960, SMALL_VOCAB), 1777088000),
    Entry("Qwen/Qwen3-0.6B", _qwen3(1024, 28, 16, 3072, tied=True), 596049920),
    Entry("Qwen/Qwen3-1.7B", _qwen3(2048, 28, 16, 6144, tied=True), 1720574976),
    Entry(
        "Qwen/Qwen3-4B", _qwen3(2560, 36, 32, 9728, tied=True), 4022468096, ("qwen3-4b-2507", "qwen3-4b-thinking-2507")
    ),
    Entry("Qwen/Qwen3-8B", _qwen3(4096, 36, 32, 12288), 8190735360),
    Entry("Qwen/Qwen3-14B", _qwen3(5120, 40, 40, 17408), 14768307200),
    Entry("Qwen/Qwen3-32B", _qwen3(5120, 64, 64, 25600), 32762123264),
    Entry(
        "Qwen/Qwen3-30B-A3B",
        _qwen3_moe(2048, 48, 32, 6144, 768),
        30532122624,
        ("qwen3-30b-a3b-2507", "qwen3-30b-a3b-thinking-2507", "qwen3-coder-30b-a3b"),
    ),
    Entry("Qwen/Qwen3-Next-80B-A3B-Instruct", {"model_type": "qwen3_next", "max_position_embeddings": 262144}),
    Entry("Qwen/Qwen3-235B-A22B", _qwen3_moe(4096, 94, 64, 12288, 1536), 235093634560, ("qwen3-235b-a22b-2507",)),
)
