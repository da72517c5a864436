"""Networks on this node: one namespace per Network, with everything of it inside."""
