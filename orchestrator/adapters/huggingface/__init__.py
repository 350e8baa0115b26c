"""The model hub at huggingface.co, or whatever speaks its API."""
