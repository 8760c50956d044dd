"""Query parameters: a misspelt one is refused, not ignored, and one that comes twice would leave open which counts."""

from collections.abc import Collection
from urllib.parse import parse_qsl

from api.bodies import invalid_number, of_errors
from domain.identifiers import InvalidNumber, parse_number

_PARAMETERS_MAX = 100


def refuse_others(query: bytes, known: Collection[str]) -> None:
    if not query:
        return
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_PARAMETERS_MAX)
    except ValueError:
        raise of_errors([("query", f"at most {_PARAMETERS_MAX} parameters are taken")]) from None
    names = [name for name, _ in pairs]
    faults = [(name, "there is no such query parameter") for name in dict.fromkeys(names) if name not in known]
    faults += [(name, "comes twice") for name in dict.fromkeys(names) if name in known and names.count(name) > 1]
    if faults:
        raise of_errors(faults)


def beneficiary_number(number: str) -> str:
    """The digits of the parameter `number`."""
    try:
        return parse_number(number).digits
    except InvalidNumber as error:
        raise invalid_number("number", error) from None
