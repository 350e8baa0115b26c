"""Models that a quote can be made for without a network: the sizes in their published configs."""
