"""The API server as the agent sees it: who it is there, how it asks, how it watches."""
