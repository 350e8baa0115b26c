"""Celery as an alarm clock: it says when to look at a run, never what is true about it."""
