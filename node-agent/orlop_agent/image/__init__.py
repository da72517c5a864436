"""Images on this node: vet the URL, stream, hash, inspect; only then a file gets its digest as a name."""
