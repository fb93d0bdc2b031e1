"""What manifold methods mix: rows where they enter one layer of the net, drawn at random."""

from __future__ import annotations

from imbench import Batch, HiddenMix, Noise


def drawn_mix(stages: int, batch: Batch, noise: Noise, alpha: float) -> HiddenMix:
    """One stage, one permutation and one ``lam ~ Beta(alpha, alpha)`` a batch."""
    share = noise.beta(alpha, alpha)
    partners = noise.permutation(batch.size)
    return HiddenMix(noise.choice(stages), partners, share)
