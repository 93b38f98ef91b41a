"""The YAML as it is written: one model per kind of entry, the source of both validation and the JSON Schema.

These models know shapes only: keys, types, closed lists of words. What the words mean together (units, bounds,
references) is checked on the values of the language that `build` makes of them.
"""
