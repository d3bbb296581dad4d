"""Nothing is scheduled here."""
