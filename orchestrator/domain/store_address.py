"""The address of a store of artifacts."""

from __future__ import annotations

from urllib.parse import urlsplit

SCHEMES = {"": "file", "file": "file", "s3": "s3", "gs": "gs", "gcs": "gs", "memory": "memory"}
BUCKETS = frozenset({"s3", "gs"})
"""Kinds of store whose addresses begin with a bucket's name."""


def parse_store_url(url: str) -> tuple[str, str]:
    """The kind of store and the folder in it. `ValueError` for an address that cannot be one; it is not quoted, since
    somebody may have put a secret into it."""
    parts = urlsplit(url)
    kind = SCHEMES.get(parts.scheme)
    if kind is None:
        raise ValueError(f"a store is a folder or begins with file://, s3:// or gs://, not {parts.scheme}://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("a store's address holds no credentials and no options: those belong in the environment")
    if ".." in parts.path.split("/"):
        raise ValueError("a store's address holds no ..")
    root = f"{parts.netloc}{parts.path}".rstrip("/")
    if kind == "file" and (parts.netloc or not root.startswith("/")):
        raise ValueError("a store on this disk is an absolute path")
    if kind in BUCKETS and not parts.netloc:
        raise ValueError(f"a {kind}:// store names a bucket")
    return kind, f"/{root.lstrip('/')}" if kind == "memory" else root
