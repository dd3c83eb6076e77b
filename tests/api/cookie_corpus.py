"""Cookie headers as browsers, proxies and attackers write them, and what each one holds.

Written by hand from contract §4: only space and tab are stripped, names are exact, nothing is
unquoted, a name that comes twice counts as absent.
"""

SESSION = "__Host-igauth_session"
PLAIN = "igauth_session"
ATTEMPT = "__Host-igauth_login_0123456789abcdef"

Case = tuple[tuple[bytes, ...], dict[str, str]]
"""The lines of one request, and name to value of all that they hold."""

ORDINARY: list[Case] = [
    ((), {}),
    ((b"a=1",), {"a": "1"}),
    ((b"a=1; b=2",), {"a": "1", "b": "2"}),
    ((b"a=1;b=2",), {"a": "1", "b": "2"}),
    ((b"a=1 ;b=2",), {"a": "1", "b": "2"}),
    ((b"a=1 ; b=2 ",), {"a": "1", "b": "2"}),
    ((b"a=1\t;\tb=2\t",), {"a": "1", "b": "2"}),
    ((b"a =1",), {"a": "1"}),
    ((b"a= 1",), {"a": "1"}),
    ((b"a\t=\t1",), {"a": "1"}),
    ((b"a = 1 ",), {"a": "1"}),
    ((b"a=1;",), {"a": "1"}),
    ((b";a=1",), {"a": "1"}),
    ((b";;a=1;;",), {"a": "1"}),
    ((b" ; ; a=1",), {"a": "1"}),
    ((b"a=",), {"a": ""}),
    ((b"a=;b=",), {"a": "", "b": ""}),
    ((b"a= ",), {"a": ""}),
    ((b"a==",), {"a": "="}),
    ((b"a=b=c",), {"a": "b=c"}),
    ((b"a=1==",), {"a": "1=="}),
    ((b"a=b c",), {"a": "b c"}),
    ((b"a=b\tc",), {"a": "b\tc"}),
    ((b"a b=c",), {"a b": "c"}),
    ((b"a=1,b=2",), {"a": "1,b=2"}),
    ((b"a=1, b=2; c=3",), {"a": "1, b=2", "c": "3"}),
    ((b"a=1&b=2",), {"a": "1&b=2"}),
    ((b"a:1; b=2",), {"b": "2"}),
    ((b"a=%20%3B",), {"a": "%20%3B"}),
    ((b"a%3D1=2",), {"a%3D1": "2"}),
    ((b"a=1", b"b=2"), {"a": "1", "b": "2"}),
    ((b"a=1;", b";b=2"), {"a": "1", "b": "2"}),
    ((b"a=1", b"", b"b=2"), {"a": "1", "b": "2"}),
    ((b"a=1", b"b"), {"a": "1"}),
    ((b"A=1; a=2",), {"A": "1", "a": "2"}),
    ((b"a=1; Path=/; Secure",), {"a": "1", "Path": "/"}),
    ((b"$Version=1; a=1; $Path=/",), {"$Version": "1", "a": "1", "$Path": "/"}),
]

NAMELESS: list[Case] = [
    ((b"",), {}),
    ((b" ",), {}),
    ((b";",), {}),
    ((b"=",), {}),
    ((b"==",), {}),
    ((b"=1",), {}),
    ((b" =1",), {}),
    ((b"\t=1",), {}),
    ((b"a",), {}),
    ((b"a;b",), {}),
    ((b"a; b=2",), {"b": "2"}),
    ((b"igauth_session",), {}),
    ((b"__Host-igauth_session",), {}),
    ((b"=igauth_session=x",), {}),
    ((b"=__Host-igauth_session=x",), {}),
    ((b" =__Host-igauth_session=x",), {}),
    ((b";=__Host-igauth_session=x;",), {}),
    ((b"__Host-igauth_session; a=1",), {"a": "1"}),
    ((b"__Host-igauth_session;=x",), {}),
    ((b"__Host-igauth_session ;= x",), {}),
]

QUOTED: list[Case] = [
    ((b'a="1"',), {"a": '"1"'}),
    ((b'a=" 1 "',), {"a": '" 1 "'}),
    ((b'a=""',), {"a": '""'}),
    ((b'a="',), {"a": '"'}),
    ((b'a="1',), {"a": '"1'}),
    ((b'a=1"',), {"a": '1"'}),
    ((b'a="1;b=2"',), {"a": '"1', "b": '2"'}),
    ((b'a="1; b=2; c=3"',), {"a": '"1', "b": "2", "c": '3"'}),
    ((b'a="\\""',), {"a": '"\\""'}),
    ((b'a="\\073"',), {"a": '"\\073"'}),
    ((b'a="\\101"',), {"a": '"\\101"'}),
    ((b"a=\\073",), {"a": "\\073"}),
    ((b"a='1'",), {"a": "'1'"}),
    ((b'"a"=1',), {'"a"': "1"}),
    ((b'"a=1"',), {'"a': '1"'}),
    ((b'x="; __Host-igauth_session=y; z="',), {"x": '"', SESSION: "y", "z": '"'}),
    ((b'__Host-igauth_session="y"',), {SESSION: '"y"'}),
    ((b'"__Host-igauth_session"=y',), {f'"{SESSION}"': "y"}),
    ((b'igauth_session="a\\"b"',), {PLAIN: '"a\\"b"'}),
]

TWICE: list[Case] = [
    ((b"a=1; a=2",), {}),
    ((b"a=1; a=1",), {}),
    ((b"a=; a=",), {}),
    ((b"a=1", b"a=2"), {}),
    ((b"a=1; b=2; a=3",), {"b": "2"}),
    ((b"a=1; a=2; a=3",), {}),
    ((b"a=1; a=2; a=3; a=4; b=5",), {"b": "5"}),
    ((b"a=1;a =2",), {}),
    ((b"a=1;\ta\t=2",), {}),
    ((b"a=1; A=2",), {"a": "1", "A": "2"}),
    ((b"a=1; a",), {"a": "1"}),
    ((b"a; a=1; a",), {"a": "1"}),
    ((b"a=1; b=2; b=3; a=4; c=5",), {"c": "5"}),
    ((b"igauth_session=x; igauth_session=y",), {}),
    ((b"igauth_session=x; igauth_session=x",), {}),
    ((b"igauth_session=x", b"igauth_session=y"), {}),
    ((b"__Host-igauth_session=x; __Host-igauth_session=y",), {}),
    ((b"__Host-igauth_session=x; igauth_session=y",), {SESSION: "x", PLAIN: "y"}),
    ((b"__Host-igauth_session=x; __host-igauth_session=y",), {SESSION: "x", SESSION.lower(): "y"}),
    ((f"{ATTEMPT}=x; {ATTEMPT}=y; a=1".encode(),), {"a": "1"}),
]

PREFIXES: list[Case] = [
    ((b"__Host-igauth_session=x",), {SESSION: "x"}),
    ((b" __Host-igauth_session=x",), {SESSION: "x"}),
    ((b"\t__Host-igauth_session\t=x",), {SESSION: "x"}),
    ((b"__host-igauth_session=x",), {"__host-igauth_session": "x"}),
    ((b"__HOST-IGAUTH_SESSION=x",), {"__HOST-IGAUTH_SESSION": "x"}),
    ((b"__Host-Http-igauth_session=x",), {"__Host-Http-igauth_session": "x"}),
    ((b"__Secure-igauth_session=x",), {"__Secure-igauth_session": "x"}),
    ((b"_Host-igauth_session=x",), {"_Host-igauth_session": "x"}),
    ((b"___Host-igauth_session=x",), {"___Host-igauth_session": "x"}),
    ((b"__Host-igauth_session_=x",), {"__Host-igauth_session_": "x"}),
    ((b"__Host-igauth_sessio=x",), {"__Host-igauth_sessio": "x"}),
    ((b"__Host-igauth_session.=x",), {"__Host-igauth_session.": "x"}),
    ((b"%5F_Host-igauth_session=x",), {"%5F_Host-igauth_session": "x"}),
    ((b"__Host%2Digauth_session=x",), {"__Host%2Digauth_session": "x"}),
    ((b"__Host\xadigauth_session=x",), {"__Host\xadigauth_session": "x"}),
    ((b"__Host-igauth_\xc5\x9fession=x",), {"__Host-igauth_\xc5\x9fession": "x"}),
    ((b"\xe2\x80\x8b__Host-igauth_session=x",), {"\xe2\x80\x8b__Host-igauth_session": "x"}),
    ((b"\xef\xbb\xbf__Host-igauth_session=x",), {"\xef\xbb\xbf__Host-igauth_session": "x"}),
    ((b"\xc2\xa0__Host-igauth_session=x",), {"\xc2\xa0__Host-igauth_session": "x"}),
    ((b"\xe3\x80\x80__Host-igauth_session=x",), {"\xe3\x80\x80__Host-igauth_session": "x"}),
    ((b"igauth_login_=x",), {"igauth_login_": "x"}),
    ((b"__Host-igauth_login_@=x",), {"__Host-igauth_login_@": "x"}),
    ((b"__Host-igauth_login_0123456789ABCDEF=x",), {"__Host-igauth_login_0123456789ABCDEF": "x"}),
    ((f"{ATTEMPT}=x".encode(),), {ATTEMPT: "x"}),
    ((f"{ATTEMPT} =x;{PLAIN}=y".encode(),), {ATTEMPT: "x", PLAIN: "y"}),
]

LONG: list[Case] = [
    ((b"a=" + b"x" * 4_096,), {"a": "x" * 4_096}),
    ((b"a" * 4_096 + b"=x",), {"a" * 4_096: "x"}),
    ((b"a=1; " + b"b=" + b"y" * 60_000,), {"a": "1", "b": "y" * 60_000}),
    ((b"a=1;" + b";" * 60_000 + b"b=2",), {"a": "1", "b": "2"}),
    ((b"a=1;" + b" " * 60_000 + b"b=2",), {"a": "1", "b": "2"}),
    ((b"a=" + b"=" * 60_000,), {"a": "=" * 60_000}),
    ((b'a="' + b'\\"' * 30_000 + b'"',), {"a": '"' + '\\"' * 30_000 + '"'}),
    ((b"x;" * 30_000 + b"b=2",), {"b": "2"}),
    ((b"x=;" * 20_000 + b"b=2",), {"b": "2"}),
    ((b"; ".join(b"n%d=v" % n for n in range(4_000)),), {f"n{n}": "v" for n in range(4_000)}),
    ((b"igauth_login_(" + b"1" * 30_000 + b"=1",), {"igauth_login_(" + "1" * 30_000: "1"}),
    ((b"a=" + b"x" * 65_534,), {"a": "x" * 65_534}),
    ((b"a=" + b"x" * 65_535,), {}),
    ((b"a=1", b"b=" + b"x" * 65_534), {}),
    ((b"__Host-igauth_session=x; a=" + b"x" * 100_000,), {}),
    ((b"a=1;" + b" " * 100_000,), {}),
    ((b'a="' + b'\\"' * 50_000 + b'"',), {}),
    ((b";" * 100_000 + b"a=1",), {}),
]


def _odd_blanks() -> list[Case]:
    """A byte that others strip or drop, before and behind a name, and around a value."""
    cases: list[Case] = []
    for byte in (*range(0x80, 0xB0), 0xC2, 0xE2, 0xFE, 0xFF):
        odd, letter = bytes([byte]), chr(byte)
        cases += [
            ((odd + b"__Host-igauth_session=x",), {letter + SESSION: "x"}),
            ((b"a=1; " + odd + b"igauth_session=x",), {"a": "1", letter + PLAIN: "x"}),
            ((b"__Host-igauth_session" + odd + b"=x",), {SESSION + letter: "x"}),
            ((b"igauth_session=" + odd + b"x" + odd,), {PLAIN: letter + "x" + letter}),
        ]
    return cases


CORPUS: list[Case] = [
    *ORDINARY,
    *NAMELESS,
    *QUOTED,
    *TWICE,
    *PREFIXES,
    *LONG,
    *_odd_blanks(),
]
