"""Arithmetic on text: what an expression comes to, with nothing in it that could do more than calculate."""

import ast
import operator
from collections.abc import Callable, Mapping

Number = int | float

#: The most that a power may have in bits: 9 ** 9 ** 9 would keep a worker busy for ever.
_MAX_BITS = 4096

_BINARY: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda base, exponent: _power(base, exponent),
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def evaluate(expression: str) -> Number:
    """Return the value of an arithmetic expression: numbers, brackets and ``+ - * / // % **``.

    Raises:
        ValueError: it holds something else, or its value would be too large.
        ArithmeticError: it divides by zero, or leaves the range of floating-point numbers.
    """
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"{expression!r} is no arithmetic expression: {error.msg}.") from error


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left), _value(right))
    raise ValueError(f"{ast.unparse(node)!r} is no arithmetic: write numbers, brackets and + - * / // % **.")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _MAX_BITS:
        raise ValueError(f"A power of more than {_MAX_BITS} bits is too large.")
    power: object = base**exponent
    if not isinstance(power, int | float):
        raise ValueError(f"{base} ** {exponent} is no real number.")
    return power
