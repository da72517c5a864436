"""The ConfigMap in which the operator says which addresses are the cluster's own: nodes fetch nothing from there."""

from __future__ import annotations

INSIDE_NAMESPACE, INSIDE_NAME = "orlop-system", "orlop-cluster-networks"
INSIDE_KEY = "networks"
"""Networks (RFC 4632), one a line. Private ones are not among them: those are refused anyway."""
MOST_NETWORKS = 256
"""However many nodes there are: neighbours are then covered by one wider network."""
