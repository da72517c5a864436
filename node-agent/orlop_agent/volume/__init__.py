"""Disks: the Instance's own root disk, and Volumes by their class's driver."""
