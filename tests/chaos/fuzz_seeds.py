"""Small bodies to start fuzzing with, and tokens to mutate them with."""

import json

ENVELOPES = [
    b'{"source":"s","data":[{"name":"Ada","email":"ada@example.com"},{"name":"Eve"},{"email":"x"}]}',
    b'\xef\xbb\xbf { "data" : [ 1 ,null, "x]", [1,[2]], -0.5e+3 ],"source": "\\u0073 \xc3\xa9" } ',
    b'{"s\\u006furce":"s","d\\u0061ta":[{"n\\u0061me":"\\ud83d\\ude00\\ud800"}],"z":"\\"}"}',
    b'{"data":[],"source":"s","data2":[[[]]],"n":12345678901234567890}',
    b'{"data":[1,2],"source":"s"} ""',
    b'{"x":[-1.%b,%b],"data":[%b],"source":"s"}' % (b"9" * 4290, b"1" * 4300, b"7" * 30),
    b'{"data":[{"name":1e999},{"email":["a"]},{"name":"a\\u0000b"},{"name":" "}],"source":"s"}',
    '{"source":"s","data":[{"email":"zoë@exämple.org"},{"email":"a@b.co","x":"}{]["}]}'.encode(),
    b'{"x":[[],{"data":[1]}],"data":[{"a":{"b":[{"c":"d"}]}},{"a":1}\n,\t{"a":2} ],"source":"s"}',
]
ARRAYS = [
    b'[{"name":"Ada","email":"ada@example.com"},\n{"name":"Eve"}, {"email":"x"}]\n',
    b"\xef\xbb\xbf [ ] ",
    b'[1,-0,1E+2,"\\ud800",null,[{"name":"[}"}],{"name":"\\\\\\"","email":null}]',
    json.dumps(
        [{"name": f"N{n}", "email": f"n{n}@x.org", "tags": ["a", {}]} for n in range(9)]
    ).encode(),
    b"[" * 40 + b"]" * 40,
    b'[{"x":' + b"9" * 300 + b"},{}]",
]
LINES = [
    b'{"name":"Ada","email":"ada@example.com"}\n{"name":"Eve"}\r\n\n{"email":"x"}',
    b'\xef\xbb\xbf\n [1, 2]\t\n"x]"\n-0.5e+3\nnull\n{"name":"\\ud800"}\n',
    b'{"name":{"a":"}\\n{"}}\n{}{}\n',
    b'{"name":\n"x"}\n{"x":1e999}\n1 2\n',
]
CSVS = [
    b'name,email\nAda,ada@example.com\n"Eve, the ""first""","e\r\nf"\n\nonly\n',
    b'\xef\xbb\xbf\r\nFull Name,E-Mail,Id\r\n"a\r\nb",a@b.co,1\r\nx"y,"z"w,2\r\n',
    b"email\ra@b.co\r\rb@b.co\r",
    b'name\r"a\nb"\rcc\r\nddd\r\re\r\r\n"f\r\n"\r',
    b'mail,contact\n"a","b"\n"c\nd,e\n',
    "name\nZoë\nЖ\n😀\x00\n".encode(),
    b'name,email\n"",""\n,\n" "\n""""\n',
]
BYTES = b'[]{},:"\\0x1-.eE+ntfu \t\r\n\x00\x0c\x7f\xff\xc3\xed\xa0\x80\xf0\x9f'
WORDS = r"""
    NaN -Infinity true null 1e99 1e999999999999999999 0001 [[[ ]]] },{ ],[ "" \""" ",
    "data" "source": "name": "email": \ud800 \udc00 \ud83d\ude00 \u12 \u0000
    é 😀 İ name,email @ a@b.co ﬁ@ex.org xn--a @[127.0.0.1] "a(b"@x.org
"""
TOKENS = [
    *(bytes([byte]) for byte in BYTES),
    *(word.encode() for word in WORDS.split()),
    *(b"\r\n", b"\r\r", b"\n\n", b'"\r\n"', b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"),
    *("\x85".encode(), "\u2028".encode(), b"9" * 400, b"[" * 100, b'{"a":' * 60),
]
"""Structure, what resembles it, and what must be escaped."""
