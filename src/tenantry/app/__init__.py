"""Use cases: one module per verb. Each reads through adapters, calls engines and returns a result.

Nothing here prints, parses options or draws; nothing here holds a rule about the platform.
"""
