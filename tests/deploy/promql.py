"""As much of PromQL as our panels and alerts are written in: reads an expression, and says which metrics it needs."""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?(?![\w:]))|(?P<name>[A-Za-z_:][\w:]*)|(?P<string>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<op>=~|!~|!=|==|<=|>=|[-+*/<>=(){},]))"""
)
_AGGREGATIONS = {"sum", "max", "min", "count", "avg"}
_FUNCTIONS = {"absent": 1, "rate": 1, "increase": 1, "histogram_quantile": 2}
_OF_RANGES = {"rate", "increase"}
_BINARY = {"+", "-", "*", "/", "==", "!=", "<", ">", "<=", ">="}


@dataclass
class Needed:
    """What an expression needs: labels by metric, those it selects by and those its aggregations keep."""

    labels: dict[str, set[str]] = field(default_factory=dict)


def needed(text: str) -> Needed:
    """Read an expression.

    Raises:
        ValueError: it is none that is known here.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._found = Needed()
        at, text = 0, text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise ValueError(f"cannot be read from here: {text[at:]!r}")
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        self._tokens.append(("end", ""))

    def parse(self) -> Needed:
        self._expression()
        self._take("end")
        return self._found

    def _peek(self) -> tuple[str, str]:
        return self._tokens[0]

    def _take(self, kind: str, text: str | None = None) -> str:
        found = self._tokens.pop(0)
        if found[0] != kind or text not in (None, found[1]):
            raise ValueError(f"{text or kind} was expected, and not {found[1]!r}")
        return found[1]

    def _expression(self, kept: frozenset[str] = frozenset()) -> None:
        self._operand(kept)
        while self._peek()[0] == "op" and self._peek()[1] in _BINARY:
            self._take("op")
            self._operand(kept)

    def _operand(self, kept: frozenset[str]) -> None:
        kind, text = self._peek()
        if kind == "number":
            self._take("number")
        elif text == "(":
            self._inside(kept)
        else:
            name = self._take("name")
            if name in _AGGREGATIONS:
                self._aggregation()
            elif name in _FUNCTIONS:
                self._call(name, kept)
            else:
                self._selector(name, kept)

    def _inside(self, kept: frozenset[str]) -> None:
        self._take("op", "(")
        self._expression(kept)
        self._take("op", ")")

    def _aggregation(self) -> None:
        kept: frozenset[str] = frozenset()
        if self._peek() == ("name", "by"):
            self._take("name")
            kept = frozenset(self._labels())
        self._inside(kept)

    def _labels(self) -> list[str]:
        self._take("op", "(")
        names = [self._take("name")]
        while self._peek()[1] == ",":
            self._take("op")
            names.append(self._take("name"))
        self._take("op", ")")
        return names

    def _call(self, name: str, kept: frozenset[str]) -> None:
        self._take("op", "(")
        for number in range(_FUNCTIONS[name]):
            if number:
                self._take("op", ",")
            self._expression(kept)
            if name in _OF_RANGES:
                self._take("range")
        self._take("op", ")")

    def _selector(self, metric: str, kept: frozenset[str]) -> None:
        labels = self._found.labels.setdefault(metric, set())
        labels |= kept
        if self._peek()[1] != "{":
            return
        self._take("op", "{")
        while True:
            labels.add(self._take("name"))
            if self._take("op") not in {"=", "!=", "=~", "!~"}:
                raise ValueError("a label is matched by =, !=, =~ or !~")
            self._take("string")
            if self._take("op") == "}":
                return
