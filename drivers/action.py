"""How a driver's author declares what a device can do: `@action` on a method, units in its annotations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from drivers.errors import DeclarationError
from drivers.protocol import Action, Reading, Repeat, Testimony

D = TypeVar("D")
P = ParamSpec("P")
R = TypeVar("R", bound="Mapping[str, float | Reading] | Given | None")
Hook = TypeVar("Hook", bound=Callable[[Any, Action], Awaitable[Testimony]])


@dataclass(frozen=True)
class Quantity:
    """Marks a number among a method's arguments: `Annotated[float, Quantity("K", at_least=290,
    at_most=600)]`.

    The unit is what the method receives; bounds are in it and inclusive. "" is dimensionless.
    """

    unit: str
    at_least: float | None = None
    at_most: float | None = None
    doc: str = ""


@dataclass(frozen=True)
class Gives:
    """One number an action gives back, in `unit`; readings outside the inclusive bounds are rejected."""

    unit: str
    at_least: float | None = None
    at_most: float | None = None
    doc: str = ""


@dataclass(frozen=True)
class PerAtom:
    """Numbers for each atom of the structure that an action is given, in its order, in `unit`; a vector each where
    `components` is more than 1. The method returns them in the record of its `Given`, under their name."""

    unit: str
    components: int = 1
    doc: str = ""


@dataclass(frozen=True)
class StructureArgument:
    """Marks a crystal among a method's arguments: `Annotated[Mapping[str, Any], StructureArgument()]`.

    The method gets the checked record: see `ParameterSpec`.
    """

    doc: str = ""


@dataclass(frozen=True)
class Given:
    """What a method returns that gives more than numbers: its readings, and a record in JSON types (no NaN).

    `used` says what the act took of consumables, by the names that the lab file gives them, with their units; what is
    not said counts as what was expected. A number without a unit counts pieces.
    """

    readings: Mapping[str, float | Reading]
    record: Mapping[str, Any]
    used: Mapping[str, float | Reading] = field(default_factory=dict)


class ActionMethod(Generic[D, P, R]):
    """A method declared with `@action`: on an instance the method, on the class its declaration."""

    def __init__(
        self,
        function: Callable[Concatenate[D, P], Awaitable[R]],
        repeat: Repeat,
        takes_s: float,
        gives: Mapping[str, Gives] | None,
        and_s: tuple[str, ...] = (),
        n_samples: int = 1,
        arrays: Mapping[str, PerAtom] | None = None,
    ) -> None:
        self.function = function
        self.name: str = function.__name__
        self.repeat = repeat
        self.takes_s = takes_s
        self.gives = gives
        self.and_s = and_s
        self.n_samples = n_samples
        self.arrays = arrays or {}
        self.testify_name: str | None = None
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type[D]) -> Self: ...
    @overload
    def __get__(self, instance: D, owner: type[D]) -> Callable[P, Awaitable[R]]: ...
    def __get__(self, instance: D | None, owner: type[D]) -> Self | Callable[P, Awaitable[R]]:
        return self if instance is None else self.function.__get__(instance, owner)

    def testify(self, hook: Hook) -> Hook:
        """Declare the method that asks the device whether an action of this verb was done.

        The hook is `async def name(self, action: Action) -> Testimony` under a name of its own. It may look
        only at the device (position, weight, temperature), never at what the software remembers.
        """
        if hook.__name__ == self.name:
            raise DeclarationError(
                f"the testify hook of {self.name!r} has the same name and would replace the action; "
                f"call it {self.name}_testimony"
            )
        self.testify_name = hook.__name__
        return hook


def action(
    repeat: Repeat,
    *,
    takes_s: float = 0.0,
    and_s: tuple[str, ...] = (),
    gives: Mapping[str, Gives] | None = None,
    n_samples: int = 1,
    arrays: Mapping[str, PerAtom] | None = None,
) -> Callable[[Callable[Concatenate[D, P], Awaitable[R]]], ActionMethod[D, P, R]]:
    """Declare an async method as an action of the device.

    `repeat` says what may be done when nobody saw it end; `takes_s` is the usual duration in lab seconds,
    to which the arguments named in `and_s` (seconds) add: deadlines are made from it;
    `gives` names every number that comes back and may be left out only where the method returns None; a method
    that has more to say than numbers returns `Given(readings, record)`; `arrays` names what the record holds for each
    atom of the structure that the action is given. The method's docstring becomes the action's
    `doc`. Arguments called `sample`, `samples` and `action` are filled from the request and are no parameters. An
    action that takes several samples at once says at most how many, `n_samples`, and has the argument `samples`. A
    method that ends in a known failure raises `ActionFailed`.
    """

    def declare(function: Callable[Concatenate[D, P], Awaitable[R]]) -> ActionMethod[D, P, R]:
        return ActionMethod(function, repeat, takes_s, gives, and_s, n_samples, arrays)

    return declare
