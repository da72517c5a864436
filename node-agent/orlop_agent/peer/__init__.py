"""Images from other nodes, and to them: over mutual TLS, verified by digest, and never more than a saving of time."""
