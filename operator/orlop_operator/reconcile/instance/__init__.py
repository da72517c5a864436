"""The phases of an Instance: authorize, quota, image, network, volumes, schedule, assign, summarize."""
