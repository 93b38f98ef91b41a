from drivers.contract import *  # noqa: F403
