"""A stand-in for the Hugging Face Hub: as much of it as publishing a model takes, kept until the process ends."""
