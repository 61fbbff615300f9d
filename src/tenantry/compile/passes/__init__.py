"""One module per pass. A pass takes the resolved cluster and yields pieces, charts, texts and notes.

The order in which passes run is the tuple ``PASSES`` in :mod:`tenantry.compile.compiler`; it decides nothing but the
order of documents inside a file.
"""
