"""Graph networks: the published CGCNN, a stronger one with edge updates, one for compositions."""

from surrogates.materials.networks.base import Network, Output
from surrogates.materials.networks.catalogue import DEFAULTS, NETWORKS, build
from surrogates.materials.networks.settings import NetworkSettings

__all__ = ["DEFAULTS", "NETWORKS", "Network", "NetworkSettings", "Output", "build"]
