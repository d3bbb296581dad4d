"""What ``stcloud`` can do, one function a command: arguments in, exit code out."""
