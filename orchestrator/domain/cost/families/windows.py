"""In which layers attention sees a window only, and how wide it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.cost.config_values import MOST_CONTEXT, MOST_LAYERS, ConfigValues, refused

_WINDOWED = ("sliding_attention", "chunked_attention")
_KNOWN = (*_WINDOWED, "full_attention")


class Layers(StrEnum):
    """The layers that a window is for, where the config has no `layer_types`."""

    NONE = "none"
    ALL = "all"
    AFTER = "after"
    """`use_sliding_window`, from the layer `max_window_layers` on."""
    SWITCHED = "switched"
    """All of them, with `use_sliding_window`."""
    PATTERN = "pattern"
    """All but every n-th."""


@dataclass(frozen=True, slots=True)
class Windows:
    """A family's rule: which layers, the window that its config class has, and the n of its pattern."""

    layers: Layers = Layers.NONE
    width: int | None = None
    pattern: int = 2
    key: str = "sliding_window"

    def of(self, values: ConfigValues, layers: int) -> tuple[int | None, int]:
        """The window of a model in tokens, and in how many of its layers it limits attention."""
        if self.layers is Layers.NONE:
            return None, 0
        width = values.maybe(self.key, default=self.width, most=MOST_CONTEXT, least=0)
        if not width or self._is_off(values):
            return None, 0
        words = values.words("layer_types", layers)
        count = self._counted(values, layers) if words is None else _windowed(words)
        return (width, count) if count else (None, 0)

    def _is_off(self, values: ConfigValues) -> bool:
        switched = self.layers in (Layers.AFTER, Layers.SWITCHED)
        return switched and not values.flag("use_sliding_window", False)

    def _counted(self, values: ConfigValues, layers: int) -> int:
        if self.layers is Layers.AFTER:
            return max(0, layers - values.size("max_window_layers", default=28, least=0))
        if self.layers is Layers.PATTERN:
            every = values.size("sliding_window_pattern", default=self.pattern, most=MOST_LAYERS)
            return layers - layers // every
        return layers


EVERYWHERE = Windows()
"""No layer has a window."""


def _windowed(words: tuple[str, ...]) -> int:
    strange = next((word for word in words if word not in _KNOWN), None)
    if strange is not None:
        raise refused("layer_types", f"has {strange[:40]!r}; known are {', '.join(_KNOWN)}")
    return sum(word in _WINDOWED for word in words)
