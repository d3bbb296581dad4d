"""A stand-in for the Hugging Face Hub: as much of it as sending and reading models and datasets
takes, kept until the process ends."""
