"""Profile tables: readers for published sets of measurements and for the format that ``tenantry probe`` writes.

One module per format, listed in ``formats.FORMATS``; what they share lives in ``cells.py`` and ``reading.py``. What
may not live here: what the measurements are used for.
"""

from tenantry.io.profiles.formats import FORMATS, read_profiles
from tenantry.io.profiles.own import COLUMNS
from tenantry.io.profiles.reading import ProfileReading

__all__ = ["COLUMNS", "FORMATS", "ProfileReading", "read_profiles"]
