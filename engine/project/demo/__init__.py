"""Made-up TagoCore projects that grow day by day, for the demo and for tests.

`write_instance` writes a folder just as TagoCore 0.7.0 with its SQLite plugin would, and `grow`
adds a day to it. Both are deterministic: the same arguments give the same bytes in every database.
No wall clock is read and nothing is downloaded. The tokens and passwords are made up too.
"""

from engine.project.demo.days import grow
from engine.project.demo.flavours import Flavour
from engine.project.demo.instance import write_instance

__all__ = ["Flavour", "grow", "write_instance"]
