"""What the actions need from the outside world, by theme. Adapters implement these; ``services.py`` wires them."""
