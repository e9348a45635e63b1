"""Durable execution threads for agent graphs, on Celery and Redis: every public name, loaded when it is first used.

The names and where they come from stand in the stub beside this file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
