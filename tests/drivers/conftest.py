"""Property tests run without a deadline: how long an example takes says more of the machine than of the code."""

from hypothesis import settings

settings.register_profile("alquimia", deadline=None)
settings.load_profile("alquimia")
