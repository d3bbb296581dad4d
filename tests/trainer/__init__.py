"""What the real parser said of many configs, recorded: the judge of our own check."""
