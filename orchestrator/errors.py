"""What the command line refuses, said as every error here is said: code, what, cure, and what did not happen."""

from __future__ import annotations

from campaigns.errors import sentence

CODES: dict[str, str] = {
    "E301": "the laboratory that the campaign names is not known",
    "E302": "the recipe asks for a device that the laboratory does not have",
    "E303": "the device has no such action",
    "E304": "the action has no such argument",
    "E305": "an argument of the action is missing",
    "E306": "an argument of the wrong kind",
    "E307": "an argument in a unit of the wrong dimension",
    "E308": "an argument, or a parameter's range, beyond what device or laboratory allow",
    "E309": "the action gives no such reading",
    "E310": "a reading in a unit that does not fit the objective",
    "E311": "a limit on something that the laboratory does not have",
    "E312": "a driver that is not installed or refuses its settings",
    "E313": "a real laboratory that is not armed",
    "E318": "a driver's package that cannot be written",
    "E319": "a time between two steps in a laboratory whose virtual hosts have no common time",
    "E320": "numbers for each atom where one number is wanted",
    "E401": "a laboratory file that is not as it should be",
    "E402": "a limit of the laboratory file that cannot be read",
    "E403": "a signal, rule or suspender of the laboratory file that does not fit its devices",
    "E405": "a consumable of the laboratory file that does not fit its devices or units",
    "E501": "a store that this version cannot open",
    "E502": "the store already holds a campaign",
    "E503": "the store holds no campaign",
    "E504": "there is no engine to ask",
    "E505": "the command does not fit the state of the campaign",
    "E510": "there is no log",
    "E511": "not a log of Alquimia",
    "E512": "another engine holds the log",
    "E513": "simulated and real data never meet",
    "E514": "a file that cannot be written",
    "E515": "a pool of structures that is gone, or another than the campaign began with",
    "E516": "a source of structures that cannot be read",
    "E517": "a generator of structures that is not installed or does not take its arguments",
    "E520": "a backtest in a laboratory that is no replay of a table",
    "E521": "a backtest without a table of allowed rows that were measured",
    "E522": "a backtest of objectives by which rows cannot be ranked",
    "E523": "a variant of a backtest that makes no sense",
    "E524": "a library to compare with that is not installed",
}


class Refused(Exception):
    """A request that cannot be met as it stands; nothing was changed and no action was sent. Exit code 2."""

    def __init__(self, code: str, message: str, *, cure: str = "") -> None:
        if code not in CODES:
            raise ValueError(f"unknown code {code}")
        self.code = code
        self.message = message
        self.cure = cure
        super().__init__(self.render())

    def render(self) -> str:
        """One line for a person."""
        cure = f" Cure: {sentence(self.cure)}" if self.cure else ""
        return f"{self.code} {sentence(self.message)}{cure} No action was sent."
