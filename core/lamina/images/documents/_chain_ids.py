"""Names for a layer with all that is below it (OCI image spec, `config.md`, "Layer ChainID")."""

from __future__ import annotations

from collections.abc import Iterable


def chain_ids(diff_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the chain id of each layer, from the lowest up. That of the lowest is its diff id.

    Args:
        diff_ids: The digests of the uncompressed layers, from the lowest up.
    """
    from hashlib import sha256

    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(f"sha256:{sha256(f'{chain[-1]} {diff_id}'.encode()).hexdigest()}" if chain else diff_id)
    return tuple(chain)
