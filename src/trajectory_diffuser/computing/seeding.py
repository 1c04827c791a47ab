"""Seeds derive from the parameters, so the same inputs give the same outputs."""

import hashlib


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**63) that is a stable function of `parts` (compared by their `repr`)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
