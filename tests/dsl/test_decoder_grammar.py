"""The decoder's grammar, in lark and in llguidance, against each other and against the parser."""

from __future__ import annotations

import random
from functools import cache

import lark
import llguidance
import pytest

import dsl
from dsl.decoder_grammar import RESERVED_WORDS
from legion_bridge import Application, Machine, application_names


@cache
def text(application: str = "stencil") -> str:
    return dsl.grammar_for(Application.load(application), Machine.load("p100x4"))


@cache
def lark_parser(application: str = "stencil") -> lark.Lark:
    return lark.Lark(text(application), parser="lalr")


@cache
def tokenizer() -> llguidance.LLTokenizer:
    return llguidance.LLTokenizer("byte")


def matcher(application: str = "stencil") -> llguidance.LLMatcher:
    grammar = llguidance.LLMatcher.grammar_from_lark(text(application))
    made = llguidance.LLMatcher(tokenizer(), grammar)
    assert not made.is_error(), made.get_error()
    return made


def lark_accepts(mapper: str, application: str = "stencil") -> bool:
    try:
        lark_parser(application).parse(mapper)
    except lark.exceptions.UnexpectedInput:
        return False
    return True


def decoder_accepts(mapper: str, application: str = "stencil") -> bool:
    walk = matcher(application)
    for token in tokenizer().tokenize_bytes(mapper.encode()):
        if not walk.consume_token(token):
            return False
    return bool(walk.is_accepting())


ACCEPTED = [
    "Task * GPU,CPU;",
    "Task stencil, increment GPU , CPU ;",
    "Region stencil private GPU FBMEM,ZCMEM; Region * 1 * SYSMEM;",
    "Layout * * * SOA F_order Align == 128 Compact;",
    "Layout * * *;",
    "InstanceLimit stencil 4;",
    "CollectMemory stencil *; CollectMemory * private;",
    "IndexTaskMap stencil f; IndexTaskMap GPU f; IndexTaskMap stencil,increment block;",
    "SingleTaskMap CPU f;",
    "ControlReplicate stencil;",
    "tas = 3; Tas = tas; Tasks = Tas + 1; in_ = 2; i = 1; C = 3; A = C; sizes = 3;",
    "private = 3; stencil = private;",
    "def stencil(Task private) { return private; } IndexTaskMap stencil stencil;",
    "GPUs = 3; x = GPUs; m = Machine(GPU);",
    "def f(Task t) { return m[t.ipoint[0] % m.size[0], 0]; }",
    "def f(Task t) { return (m); } def g() { return -3; }",
    "def f(int a, Task t) { x = a < 3 ? a : 4; return m[*x, *]; }",
    "def f(Task t) { x = tuple(t.ipoint[i] for i in (0, 1)); return m[*x]; }",
    "# one\n// two\nx = 1; // three\ny = # four\n 2; # five",
    "x = a[1:2] + a[:-1] + a[:] + a[1:]; y = a[b ? c : d]; z = a[0 : c ? 1 : 2];",
    "x = m.split(0, 2).merge (0, 2) . size[0];",
    "x = a == b && c != d || e <= f;",
    'print("hello {}", 3);',
    "x = (1, 2); y = (1); z = (*x, 3, *);",
    "x = t.parent.processor(m)[0]; y = m [1, 2]; z = 1 - -t[0];",
    "x = True ? False : True;",
    "\n  x\t=\r\n3\t;\n\n",
]

REJECTED = [
    "",
    "Task stencilGPU;",
    "TaskstencilGPU;",
    "Task = 3;",
    "x = Task;",
    "x = Machine(GPUs);",
    "size = 3;",
    "Layout * * * SOAF_order;",
    "IndexTaskMap stencilf;",
    "def f(Task t) { returnm; }",
    "def f(Task t): return m;",
    "def f(Taskt) { return m; }",
    "deff(Task t) { return m; }",
    "def f(Task t) { x = tuple(t.sizefor i in (0, 1)); return m[*x]; }",
    "x = tuple(a for b in c);",
    "x = m.splitx(0);",
    "x = 3f;",
    "x = a & b;",
    "x = a // b;",
    "x = 1;;",
    "x = (1,);",
    "x = ();",
    "x = 1",
    "Task a.b GPU;",
]

# Well-formed, but about what is not there, or without any effect.
ABSENT = [
    "Task stencl GPU;",
    "Task * PY;",
    "Region stencil nowhere GPU FBMEM;",
    "Region stencil 7 GPU FBMEM;",
    "Region * * GPU SOCKMEM;",
    "Region * * GPU VIRTUAL;",
    "InstanceLimit stencils 1;",
    "IndexTaskMap * f;",
    "x = *a;",
]


@pytest.mark.parametrize("accepts", [lark_accepts, decoder_accepts])
class TestAcceptance:
    @pytest.mark.parametrize("mapper", ACCEPTED)
    def test_accepts_what_exists(self, accepts, mapper):
        assert accepts(mapper)
        dsl.parse(mapper)

    @pytest.mark.parametrize("mapper", REJECTED)
    def test_rejects_what_does_not_parse(self, accepts, mapper):
        assert not accepts(mapper)

    @pytest.mark.parametrize("mapper", ABSENT)
    def test_rejects_what_does_not_exist(self, accepts, mapper):
        dsl.parse(mapper)
        assert not accepts(mapper)

    @pytest.mark.parametrize("word", sorted(RESERVED_WORDS))
    def test_no_reserved_word_is_a_name(self, accepts, word):
        assert not accepts(f"{word} = 1;")
        for longer in (f"{word}s", f"{word}_", f"_{word}", word[:-1] + "0"):
            assert accepts(f"{longer} = 1;")

    @pytest.mark.parametrize("name", ["expert", "default"])
    @pytest.mark.parametrize("application", application_names())
    def test_accepts_the_reference_mappers(self, accepts, application, name):
        mapper = Application.load(application).mappers[name]
        # Some name socket memory first, which this machine does not have.
        assert accepts(mapper, application) == ("SOCKMEM" not in mapper)
        assert accepts(mapper.replace("SOCKMEM,", ""), application)


@pytest.mark.parametrize("word", sorted(RESERVED_WORDS - {"Machine"}))
def test_reserved_words_are_the_parser_s(word):
    with pytest.raises(dsl.MapperSyntaxError):
        dsl.parse(f"{word} = 1;")
    dsl.parse(f"{word}s = 1;")


def test_the_rejected_do_not_parse_either():
    for mapper in REJECTED:
        if mapper == "x = Machine(GPUs);":  # fails later, when it is loaded
            continue
        with pytest.raises(dsl.MapperError):
            dsl.parse(mapper)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_decoder_writes_parses(seed):
    """A decoder that picks its bytes at random writes a mapper, whenever it may stop."""
    choose = random.Random(seed)
    walk, written = matcher(), bytearray()
    parsed = 0
    for _ in range(400):
        bias = walk.compute_logit_bias()
        allowed = [byte for byte in b'"' + bytes(range(32, 127)) + b"\n" if bias[byte]]
        # Blanks and names can go on for ever: mostly move on.
        marks = [byte for byte in allowed if not chr(byte).isalnum() and byte not in b" \n#/"]
        byte = choose.choice(marks if marks and choose.random() < 0.5 else allowed)
        assert walk.consume_token(byte)
        written.append(byte)
        if walk.is_accepting():
            dsl.parse(written.decode())
            assert lark_accepts(written.decode())
            parsed += 1
    assert written


def test_machines_and_programs_change_the_grammar():
    one = text()
    other = dsl.grammar_for(Application.load("circuit"), Machine.load("p100x4"))
    assert '"calculate_new_currents"' in other
    assert '"calculate_new_currents"' not in one
    assert len(one) < 20_000
