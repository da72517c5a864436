"""What admission adds to an object and says about it. Pure.

Refusing is not done here: what must hold also while the operator is down is in the CRDs and policies.
"""
