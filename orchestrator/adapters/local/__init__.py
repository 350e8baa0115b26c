"""This machine, played as a provider. Empty on purpose: the keeper must start in a fraction of a second."""
