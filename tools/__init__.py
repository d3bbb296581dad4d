"""What writes facts about the trainer into this repository anew."""
