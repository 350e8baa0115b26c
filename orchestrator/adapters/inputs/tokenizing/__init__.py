"""Rows in a model's own tokens, as the trainer will make them. The tokenizer runs in a process of its own."""
