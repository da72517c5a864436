"""The NoCloud seed: what a guest's cloud-init reads at boot (cloud-init documentation, "NoCloud")."""
