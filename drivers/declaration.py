"""From a driver class to its `ActionSpec`s: what annotations say, checked when the class is made."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from drivers.action import ActionMethod, Quantity, StructureArgument
from drivers.arguments import fault
from drivers.errors import DeclarationError
from drivers.protocol import ActionSpec, ArraySpec, ParameterSpec, Repeat, ResultSpec

FILLED = ("sample", "samples", "action")  # arguments taken from the request itself


@dataclass(frozen=True)
class Declared:
    """One action of a class: what it declares, and how its method is called."""

    method: str
    spec: ActionSpec
    fills: tuple[str, ...]  # which of FILLED the method asks for
    open: bool  # takes **arguments: the parameters come from `describe(settings)`
    testify: str | None


def declared_actions(owner: type, *, answers_for_all: bool) -> dict[str, Declared]:
    """The actions of `owner`, in order of definition, base classes first. Raises DeclarationError.

    `answers_for_all`: the class has a `testify` of its own, which may stand for the hooks of single actions.
    """
    methods: dict[str, ActionMethod[Any, Any, Any]] = {}
    for klass in reversed(owner.__mro__):
        for name, attribute in vars(klass).items():
            if isinstance(attribute, ActionMethod):
                methods[name] = attribute
            elif name in methods:
                raise DeclarationError(
                    f"{klass.__name__}.{name} replaces an action without being one: add @action to it"
                )
    for name, method in methods.items():
        _check_testify(f"{owner.__name__}.{name}", owner, method, answers_for_all)
    return {name: _declare(owner, method) for name, method in methods.items()}


def _declare(owner: type, method: ActionMethod[Any, Any, Any]) -> Declared:
    where = f"{owner.__name__}.{method.name}"
    if not inspect.iscoroutinefunction(method.function):
        raise DeclarationError(
            f"{where} must be 'async def'; blocking calls go into 'await asyncio.to_thread(...)'"
        )
    try:
        hints = get_type_hints(method.function, localns=dict(vars(owner)), include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"{where}: {error}; names in annotations must be importable at the top of the module"
        ) from error
    parameters: dict[str, ParameterSpec] = {}
    fills: list[str] = []
    is_open = False
    for argument in list(inspect.signature(method.function).parameters.values())[1:]:
        if argument.name in FILLED:
            fills.append(argument.name)
        elif argument.kind is inspect.Parameter.VAR_KEYWORD:
            is_open = True
        elif argument.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            raise DeclarationError(f"{where}: argument {argument.name!r} cannot be given by name")
        else:
            parameters[argument.name] = _parameter(
                f"{where}({argument.name})", hints.get(argument.name), argument.default
            )
    if method.n_samples > 1 and ("samples" not in fills or "sample" in fills):
        raise DeclarationError(f"{where} takes {method.n_samples} samples: it needs the argument 'samples'")
    for name in method.and_s:
        if name not in parameters or parameters[name].unit != "s":
            raise DeclarationError(f"{where}: and_s names {name!r}, which is no argument in seconds")
    spec = ActionSpec(
        parameters=parameters,
        results=_results(where, method, hints.get("return", inspect.Signature.empty)),
        arrays=_arrays(where, method, parameters),
        repeat=method.repeat,
        takes_s=method.takes_s,
        and_s=method.and_s,
        n_samples=method.n_samples,
        doc=inspect.cleandoc(method.__doc__ or ""),
    )
    return Declared(method.name, spec, tuple(fills), is_open, method.testify_name)


def _parameter(where: str, hint: Any, default: Any) -> ParameterSpec:
    given = None if default is inspect.Parameter.empty else default
    base, marks = hint, list[Any]()
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
    quantities = [mark for mark in marks if isinstance(mark, Quantity)]
    if len(quantities) > 1:
        raise DeclarationError(f"{where}: more than one Quantity")
    quantity = quantities[0] if quantities else None
    structures = [mark for mark in marks if isinstance(mark, StructureArgument)]
    if base in (float, int):
        if base is float and quantity is None:
            raise DeclarationError(
                f"{where}: a float needs its unit: Annotated[float, Quantity('K', at_least=290)]; "
                "'' is dimensionless"
            )
        quantity = quantity or Quantity("")
        _check_bounds(where, quantity.at_least, quantity.at_most)
        spec = ParameterSpec(
            kind="number" if base is float else "integer",
            unit=quantity.unit,
            at_least=quantity.at_least,
            at_most=quantity.at_most,
            default=given,
            doc=quantity.doc,
        )
    elif quantity is not None:
        raise DeclarationError(f"{where}: Quantity belongs to float or int, not to {base!r}")
    elif structures:
        if base is not Mapping and get_origin(base) is not Mapping:
            raise DeclarationError(
                f"{where}: StructureArgument belongs to Mapping[str, Any], not to {base!r}"
            )
        if given is not None:
            raise DeclarationError(f"{where}: a structure has no default")
        spec = ParameterSpec(kind="structure", doc=structures[0].doc)
    elif base is bool:
        spec = ParameterSpec(kind="flag", default=given)
    elif base is str:
        spec = ParameterSpec(kind="text", default=given)
    elif get_origin(base) is Literal:
        choices = get_args(base)
        if not all(isinstance(choice, str) for choice in choices):
            raise DeclarationError(f"{where}: the choices of a Literal must be texts, got {choices!r}")
        spec = ParameterSpec(kind="choice", choices=choices, default=given)
    else:
        wanted = (
            "Annotated[float, Quantity(...)], int, bool, str, Literal['a', 'b'] "
            "or Annotated[Mapping[str, Any], StructureArgument()]"
        )
        got = "no annotation" if hint is None else repr(hint)
        raise DeclarationError(f"{where}: wanted {wanted}, got {got}")
    if given is not None and (complaint := fault(spec, given)) is not None:
        raise DeclarationError(f"{where}: its own default: {complaint}")
    return spec


def _results(where: str, method: ActionMethod[Any, Any, Any], returns: Any) -> Mapping[str, ResultSpec]:
    nothing = returns is None or returns is type(None)
    if method.gives is None and not nothing:
        raise DeclarationError(
            f"{where} returns something and declares no result: "
            "@action(..., gives={'mass': Gives('g')}), or annotate it '-> None'"
        )
    if method.gives and nothing:
        raise DeclarationError(f"{where} declares {', '.join(method.gives)} and is annotated '-> None'")
    if not (math.isfinite(method.takes_s) and method.takes_s >= 0):
        raise DeclarationError(f"{where}: takes_s is {method.takes_s!r}, wanted zero or more seconds")
    for name, gives in (method.gives or {}).items():
        _check_bounds(f"{where} -> {name}", gives.at_least, gives.at_most)
    return {
        name: ResultSpec(unit=g.unit, at_least=g.at_least, at_most=g.at_most, doc=g.doc)
        for name, g in (method.gives or {}).items()
    }


def _arrays(
    where: str, method: ActionMethod[Any, Any, Any], parameters: Mapping[str, ParameterSpec]
) -> Mapping[str, ArraySpec]:
    structures = [name for name, one in parameters.items() if one.kind == "structure"]
    if method.arrays and len(structures) != 1:
        raise DeclarationError(
            f"{where} gives {', '.join(method.arrays)} per atom: it needs one structure among its arguments, "
            f"got {len(structures)}"
        )
    if both := [name for name in method.arrays if name in (method.gives or {})]:
        raise DeclarationError(f"{where} declares {both[0]} as one number and per atom")
    return {
        name: ArraySpec(unit=one.unit, components=one.components, doc=one.doc)
        for name, one in method.arrays.items()
    }


def _check_bounds(where: str, low: float | None, high: float | None) -> None:
    for bound in (low, high):
        if bound is not None and not math.isfinite(bound):
            raise DeclarationError(f"{where}: a bound is {bound!r}; leave it out instead")
    if low is not None and high is not None and low > high:
        raise DeclarationError(f"{where}: at_least {low:g} is above at_most {high:g}")


def _check_testify(
    where: str, owner: type, method: ActionMethod[Any, Any, Any], answers_for_all: bool
) -> None:
    hook = method.testify_name
    if method.repeat is Repeat.TESTABLE and hook is None and not answers_for_all:
        raise DeclarationError(
            f"{where} is TESTABLE and nothing asks the device: add '@{method.name}.testify', "
            "override testify(), or declare it OPAQUE"
        )
    if method.repeat is not Repeat.TESTABLE and hook is not None:
        raise DeclarationError(f"{where} has a testify hook and is declared {method.repeat.name}")
    if hook is not None and not inspect.iscoroutinefunction(getattr(owner, hook, None)):
        raise DeclarationError(f"{where}: its testify hook {hook!r} must be 'async def'")
