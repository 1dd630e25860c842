"""MoCo v2 and SimCLR: how the views of a batch are compared, and what follows a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from evalkit.config.pretraining import Contrastive, Moco, Simclr
from evalkit.pretraining.encoders import Encoder
from evalkit.pretraining.exchange import Shuffle, gather
from evalkit.pretraining.losses import ifa_loss, info_nce, nt_xent
from evalkit.pretraining.momentum import KeyQueue, follow, make_key_encoder
from evalkit.pretraining.pairs import Pairs
from evalkit.training.devices import Hardware
from evalkit.training.distributed import Ranks


@dataclass(frozen=True)
class Comparison:
    """What came of comparing the views of one step.

    Attributes
    ----------
    contrastive, ifa : Tensor, scalar
        This process's share of the two parts of the loss; the second is 0 where IFA is not asked for.
    first, second : Tensor, shape (n, d)
        Normalised projections of the two views of this process's images.
    """

    contrastive: Tensor
    ifa: Tensor
    first: Tensor
    second: Tensor

    @property
    def loss(self) -> Tensor:
        """What is made small."""
        return self.contrastive + self.ifa


class Method(Protocol):
    """One way to learn from pairs of views."""

    encoder: Encoder

    def compare(self, step: int) -> Comparison:
        """Load this process's share of a step's batch, encode its views and compare them."""
        ...

    def follow(self) -> None:
        """Do what is to be done after the optimiser's step."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs, and that the published checkpoint holds."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        ...


def make_method(entry: Contrastive, encoder: Encoder, pairs: Pairs, hardware: Hardware, ranks: Ranks) -> Method:
    """The method that a backbone's entry names.

    Parameters
    ----------
    entry : Moco or Simclr
    encoder : Encoder
        As initialised; it is moved to the device and changed by the training.
    pairs : Pairs
    hardware : Hardware
    ranks : Ranks
    """
    encoder = encoder.to(hardware.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    if isinstance(entry, Moco):
        return MocoMethod(entry, encoder, pairs, hardware, ranks)
    assert isinstance(entry, Simclr)
    return SimclrMethod(entry, encoder, pairs, hardware, ranks)


class SimclrMethod:
    """SimCLR: both views go through one encoder in one pass, and all views of the batch are compared.

    Where several processes run on cards, batch normalisation shares its statistics, as in Chen et al. 2020.
    """

    def __init__(self, entry: Simclr, encoder: Encoder, pairs: Pairs, hardware: Hardware, ranks: Ranks) -> None:
        self.encoder: Encoder = ranks.prepare(encoder)  # type: ignore[assignment]
        self._entry, self._pairs, self._hardware, self._ranks = entry, pairs, hardware, ranks

    def compare(self, step: int) -> Comparison:
        """See `Method`."""
        share = self._ranks.share(self._pairs.batch_size)
        places = np.arange(share.start, share.stop)
        views = torch.cat(self._pairs.load(step, places, places))
        with self._hardware.autocast():
            projected, maps = self.encoder(views)
        first, second = projected.chunk(2)
        whole = gather(torch.stack([first, second], dim=1), self._ranks, self._pairs.batch_size)
        contrastive = nt_xent(
            first,
            second,
            temperature=self._entry.temperature,
            whole=(whole[:, 0], whole[:, 1]),
            start=share.start,
        )
        halves = {block: each.chunk(2) for block, each in maps.items()}
        firsts = {block: half[0] for block, half in halves.items()}
        seconds = {block: half[1] for block, half in halves.items()}
        ifa = _approximate(self._entry, firsts, seconds, contrastive, images=self._pairs.batch_size)
        return Comparison(contrastive, ifa, first.detach(), second.detach())

    def follow(self) -> None:
        """Nothing follows."""

    def state(self) -> dict[str, Any]:
        """See `Method`."""
        return {"encoder": self.encoder.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Method`."""
        self.encoder.load_state_dict(state["encoder"])


class MocoMethod:
    """MoCo v2: the first views' queries are compared with the second views' keys and with a queue of earlier keys.

    Keys come from an encoder that follows the other slowly, and have no gradient. Where several processes run, each
    normalises with its own statistics, on cards too, and the keys' images are divided over them in another order:
    sharing the statistics would undo that (He et al. 2020, section 3.3).
    """

    def __init__(self, entry: Moco, encoder: Encoder, pairs: Pairs, hardware: Hardware, ranks: Ranks) -> None:
        self.encoder, self.key_encoder = encoder, make_key_encoder(encoder)
        self.queue = KeyQueue(entry.queue, entry.projection, seed=pairs.seed, device=hardware.device)
        self._entry, self._pairs, self._hardware, self._ranks = entry, pairs, hardware, ranks
        self._keys: Tensor | None = None

    def compare(self, step: int) -> Comparison:
        """See `Method`."""
        images = self._pairs.batch_size
        share = self._ranks.share(images)
        shuffle = Shuffle(self._ranks, images, seed=self._pairs.seed, step=step)
        views, key_views = self._pairs.load(step, np.arange(share.start, share.stop), shuffle.own)
        with self._hardware.autocast():
            queries, maps = self.encoder(views)
        with torch.no_grad():
            with self._hardware.autocast():
                shuffled_keys, shuffled_maps = self.key_encoder(key_views)
            self._keys = shuffle.restore_all(shuffled_keys)
            key_maps = {block: shuffle.restore_share(each) for block, each in shuffled_maps.items()}
        positives = self._keys[share]
        contrastive = info_nce(queries, positives, self.queue.keys, temperature=self._entry.temperature, images=images)
        ifa = _approximate(self._entry, maps, key_maps, contrastive, images=images)
        return Comparison(contrastive, ifa, queries.detach(), positives)

    def follow(self) -> None:
        """Let the key encoder follow, and put the step's keys into the queue."""
        follow(self.encoder, self.key_encoder, self._entry.momentum)
        if self._keys is not None:
            self.queue.enqueue(self._keys)
            self._keys = None

    def state(self) -> dict[str, Any]:
        """See `Method`."""
        return {
            "encoder": self.encoder.state_dict(),
            "key_encoder": self.key_encoder.state_dict(),
            "queue": self.queue.keys,
            "pointer": self.queue.pointer,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """See `Method`."""
        self.encoder.load_state_dict(state["encoder"])
        self.key_encoder.load_state_dict(state["key_encoder"])
        self.queue.keys.copy_(state["queue"])
        self.queue.pointer = state["pointer"]


def _approximate(
    entry: Contrastive, first: dict[int, Tensor], second: dict[int, Tensor], contrastive: Tensor, *, images: int
) -> Tensor:
    if entry.ifa is None:
        return torch.zeros_like(contrastive)
    return ifa_loss(first, second, entry.ifa.terms, images=images)
