"""What the service knows of Axolotl 0.19 without importing it: its keys, its contradictions, its configuration.

`review.review_overrides` judges a user's overrides; `adoption.adopt_recipe` takes a user's own
configuration for a recipe; `render.render_train_config` writes what the node runs.
"""
