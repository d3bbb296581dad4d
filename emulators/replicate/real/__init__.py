"""The real trainer on this machine's processor: its environment, and the box that runs it behind Cog's own server."""
