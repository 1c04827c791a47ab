"""Environments, behaviour, raw and prepared datasets, and the batches drawn from them."""
