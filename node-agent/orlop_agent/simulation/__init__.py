"""Many nodes in one process: the agent's own code, and below it guests, disks and networks that only take time."""
