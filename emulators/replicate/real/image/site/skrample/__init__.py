"""Stands in for a package whose syntax needs Python 3.12. The trainer imports it, and asks it for nothing unless a
config wants scheduled sampling."""
