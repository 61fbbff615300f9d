"""Fixes: changes of objects that close a hole, each tried on the objects before anybody reads of it.

What lives here: proposals, which may be wrong, and the search that applies them and asks the rule again. What may not:
rules of channels, which know nothing of fixes but a sentence.
"""
