# The agent's sentences. Plain words; no jargon.

### Posture: what was found about this computer, and how to mend it

### Commands
