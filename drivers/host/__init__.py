"""The host: the process that holds devices, so that an engine may die without taking an act with it."""
