"""What keeps a page to itself: response headers that allow nothing foreign.

That its forms are sent by our own pages only is seen to for the whole service, by `api.auth.RefuseForeignPages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'self'",
                "img-src 'self' data:",
                "object-src 'none'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            )
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }
)
"""On every page: no inline script or style is honoured, so a value that slipped through unescaped could do nothing."""
