"""Models and datasets, looked at before any money is set aside for them."""
