"""GPUs: how containers get at them, how they are shared, and which versions of the software between are installed.

What lives here: readers of the GPU Operator's objects and configuration texts. What may not: YAML; configuration texts
are read conservatively, word by word.
"""
