"""The machine behind a prediction: fetches the dataset, trains a small real model on it, publishes what came out."""
