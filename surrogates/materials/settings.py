"""What describes an ensemble, in JSON types."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from surrogates.materials.augmentation import Volumes
from surrogates.materials.bootstrap import Draw
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.prediction import Centre
from surrogates.materials.training import Training
from surrogates.materials.transfer import Transfer


@dataclass(frozen=True)
class EnsembleSettings:
    """members   networks
    network, training  of each
    draw, share  what of the data each learns from: see `bootstrap.member_rows`
    held_out  share of the structures, by composition, that calibrates the intervals: see `bootstrap.held_out`
    finish    whether the members then learn from those as well, in a few epochs: nothing that was paid for is unused
    centre    of the members: mean or median
    volumes   learn from copies at other volumes too; None for none
    transfer  how members go on from those of an ensemble with other targets
    """

    members: int = 5
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: Training = field(default_factory=Training)
    draw: Draw = "all"
    share: float = 0.8
    held_out: float = 0.1
    finish: bool = True
    centre: Centre = "mean"
    volumes: Volumes | None = None
    transfer: Transfer = field(default_factory=Transfer)

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ValueError(f"wanted one member at least, got {self.members}")
        if not 0.0 < self.share <= 1.0 or not 0.0 <= self.held_out <= 0.5:
            got = f"{self.share:g} and {self.held_out:g}"
            raise ValueError(f"wanted a share from 0 to 1 and at most 0.5 held out, got {got}")
        if self.volumes is not None and self.network.neighbours is None and self.network.kind == "structure":
            raise ValueError(
                "wanted nearest neighbours with volumes (neighbours: 12): a cutoff's change with the scale"
            )

    def to_json(self) -> dict[str, Any]:
        """JSON types; `from_json` gives an equal one back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EnsembleSettings:
        """Raises TypeError or KeyError for fields that are missing or unknown."""
        parts = {
            "network": NetworkSettings(**{"falloff": 0.0, **data["network"]}),  # of a file that does not say
            "training": Training(**data["training"]),
            "volumes": None if data["volumes"] is None else Volumes(**data["volumes"]),
            "transfer": Transfer(**data.get("transfer", {})),  # files written before have none
        }
        return cls(**{**data, **parts})
