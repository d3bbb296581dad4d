"""A Replicate that runs on this machine: the same wire, a small real trainer behind it, and faults on request."""
