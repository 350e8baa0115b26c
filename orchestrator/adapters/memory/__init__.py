"""Adapters that live in memory: they ship, and keep the same promises as the real ones."""
