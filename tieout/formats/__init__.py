"""How each outside system writes its extracts: declared in YAML, read by a few readers.

`models` says what a declaration may hold, `catalogue` reads them, `containers` and `readers` turn a
file into rows of text, `parsing` turns text into typed cells, `mapping` turns rows into canonical
lines. Nothing here knows the register or the store.
"""
