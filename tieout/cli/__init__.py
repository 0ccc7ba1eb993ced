"""The commands that need no orchestrator; each module is loaded when its command is called."""
