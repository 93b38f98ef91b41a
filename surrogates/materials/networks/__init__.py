"""Graph networks: the published CGCNN, a stronger one with edge updates, one for compositions."""

from surrogates.materials.networks.base import Network, Output
from surrogates.materials.networks.catalogue import NETWORKS, build
from surrogates.materials.networks.settings import NetworkSettings

__all__ = ["NETWORKS", "Network", "NetworkSettings", "Output", "build"]
