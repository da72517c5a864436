"""The command `orlop`: what takes more than one `kubectl get` to see."""
