"""ReLoRA without a control plane: train an adapter, merge it, train on the result, as one command that can be resumed.

Every cycle is two ordinary jobs of docs/node-contract.md, run by the node's own supervisor: what `strategy relora` does
on a rented machine, `recipes/relora_train.sh` does on one's own.
"""
