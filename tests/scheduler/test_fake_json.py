"""What scripts read and write as JSON is what Redis' cjson reads and writes."""

import json

import pytest
import redis as redis_py
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.fake import fake_redis, fake_server


@pytest.fixture(scope="module")
def fake() -> redis_py.Redis:
    return fake_redis(fake_server())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b'{"a":null}', b'{"a":null}'),
        (b"[1,null]", b"[1,null]"),
        (b"[null,1]", b"[null,1]"),
        (b"[]", b"{}"),  # Lua has one empty table
        (b"[[]]", b"[{}]"),
        (b' { "a" : [ 1 , { } ] } ', b'{"a":[1,{}]}'),
        (b'{"1":2}', b'{"1":2}'),
        (b'{"":""}', b'{"":""}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b"5", b"5"),
        (b'"x"', b'"x"'),
        (b"true", b"true"),
        (b"null", b"null"),
        (b"1e3", b"1000"),
        (b"0.1", b"0.1"),
        (b"-0.0", b"-0"),
        (b"1795643203162", b"1795643203162"),
        (b"99999999999999", b"99999999999999"),
        (b"100000000000000", b"1e+14"),  # more than its 14 digits
        (b"123456789012345678", b"1.2345678901235e+17"),
        (b"9" * 30, b"1e+30"),
        ('"é€😀"'.encode(), '"é€😀"'.encode()),
        (b'"\\u00e9\\u20ac\\ud83d\\ude00"', '"é€😀"'.encode()),
        (b'"/\\u007f\\n\\t\\r\\b\\f\\u0001\\u0000\\"\\\\"', b'"\\/\\u007f\\n\\t\\r\\b\\f\\u0001\\u0000\\"\\\\"'),
        (b'{"/\\n":1}', b'{"\\/\\n":1}'),
    ],
)
def test_it_writes_what_it_has_read(redis: redis_py.Redis, text: bytes, written: bytes) -> None:
    assert redis.eval("return cjson.encode(cjson.decode(ARGV[1]))", 0, text) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("{[1] = 1, [3] = 2}", b"[1,null,2]"),
        ("{1, false, x = 2}", None),  # an object of these three, in any order
        ("{[1.5] = 1}", b'{"1.5":1}'),
        ("{[0] = 1}", b'{"0":1}'),
        ("{[-1] = 1}", b'{"-1":1}'),
        ("{a = {}}", b'{"a":{}}'),
        ("{a = cjson.null}", b'{"a":null}'),
        ("nil", b"null"),
        ("cjson.null", b"null"),
        ("false", b"false"),
        ("1/3", b"0.33333333333333"),
        ("2^53", b"9.007199254741e+15"),
        ("'a' .. string.char(0, 255)", b'"a\\u0000\xff"'),
    ],
)
def test_it_writes_tables_as_redis_does(redis: redis_py.Redis, value: str, written: bytes | None) -> None:
    text = redis.eval(f"return cjson.encode({value})", 0)

    if written is None:
        assert json.loads(text) == {"1": 1, "2": False, "x": 2}
    else:
        assert text == written


@pytest.mark.parametrize(
    "value",
    [
        "{[1] = 1, [20] = 2}",
        "{[true] = 1}",
        "0/0",
        "1/0",
        "math.floor",
        "{a = math.floor}",
        "(function() local deep = {} for _ = 1, 1001 do deep = {deep} end return deep end)()",
    ],
)
def test_it_refuses_what_json_cannot_say(redis: redis_py.Redis, value: str) -> None:
    with pytest.raises(redis_py.ResponseError, match="Cannot serialise"):
        redis.eval(f"return cjson.encode({value})", 0)


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":}', b"[1,]", b"tru", b"[1] 2", b'"\\ud800"', b'{"a":1}}', b"{1:2}"])
def test_it_refuses_what_is_no_json(redis: redis_py.Redis, text: bytes) -> None:
    with pytest.raises(redis_py.ResponseError):
        redis.eval("return cjson.decode(ARGV[1])", 0, text)

    assert redis.eval("return 'and the next one runs'", 0) == b"and the next one runs"


@pytest.mark.parametrize("value", ["nil", "false", "{}"])
def test_it_reads_nothing_but_texts(redis: redis_py.Redis, value: str) -> None:
    with pytest.raises(redis_py.ResponseError, match="bad argument #1 to"):
        redis.eval(f"return cjson.decode({value})", 0)


def test_null_is_one_value(redis: redis_py.Redis) -> None:
    script = (
        'local it = cjson.decode(\'{"a":null,"b":[null]}\') return {it.a == cjson.null, it.b[1] == it.a, it.c == nil}'
    )

    assert redis.eval(f"local found = {{}} {script.replace('return ', 'local all = ')} return #all", 0) == 3
    assert redis.eval(script, 0) == [1, 1, 1]


def test_names_and_texts_beyond_counting_are_not_kept(fake: redis_py.Redis) -> None:
    script = fake.register_script("""
        local object = {}
        for index = 1, 5000 do object[ARGV[1] .. index] = string.rep("x", 90) .. index end
        return cjson.encode(object)
    """)

    for run in range(3):
        assert json.loads(script(args=[f"{run} "]))[f"{run} 5000"].endswith("x5000")


_texts = st.text(st.characters(exclude_categories=["Cs"]))
_json = st.recursive(
    st.one_of(st.booleans(), _texts, st.integers(-(10**13), 10**13), st.just(0.5), st.none()),
    lambda inner: st.one_of(st.lists(inner, min_size=1), st.dictionaries(_texts, inner, min_size=1)),
)


@settings(max_examples=60, deadline=None)
@given(value=_json, spaced=st.booleans(), escaped=st.booleans())
def test_everything_comes_back(fake: redis_py.Redis, value: object, spaced: bool, escaped: bool) -> None:
    text = json.dumps(value, indent=1 if spaced else None, ensure_ascii=escaped)

    assert json.loads(fake.eval("return cjson.encode(cjson.decode(ARGV[1]))", 0, text)) == value
