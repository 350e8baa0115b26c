"""The demonstration input: a tiny language model and a data set, made here from a seed, without any model hub.

The model is pre-trained on generated prose about the villages of an invented vale, so it *knows* what each village
makes, but has never been asked. The rows ask. Fine-tuning on the questions about most villages teaches the model to
answer those about the rest: held-out villages appear in no training row, so a right answer there comes from what
pre-training stored and not from the rows. The preference pairs ask the questions of the training rows, each with its
answer and a wrong one of the same kind; the held-out rows serve both.

`python -m workers.node.demonstration --out DIR` makes `DIR/model`, `DIR/dataset` and, last, `DIR/manifest.json`.
"""
