"""The metadata that a guest may ask for at 169.254.169.254: its own, in OpenStack's and EC2's layouts."""
