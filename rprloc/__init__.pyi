# What rprloc/__init__.py finds by name, for type checkers and editors.
from rprloc.locator.locator import Locator as Locator

__version__: str
