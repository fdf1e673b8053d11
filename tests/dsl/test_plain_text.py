"""Escape sequences, controls and half characters go; everything else stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.plain_text import plain

# What a terminal would obey: colours, a window's title, a cleared screen, the bell, the direction
# of writing; and half a character, which no file can hold.
FOREIGN = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\x9b1mC1\x07\x00\b \u202eback \ud800half\r\n"
CLEAN = "red C1 back \ufffdhalf\n"


def test_what_is_no_text_goes():
    assert plain(FOREIGN) == CLEAN


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[38;5;196mx", "x"),
        ("\x1b]8;;http://a\x1b\\x", "x"),
        ("\x1bPq payload\x1b\\x", "x"),
        ("\x1b]0;never closed", ""),
        ("\x1b]0;never closed\nx", "\nx"),
        ("\x1b(Bx\x1b", "x"),
        ("\x9b31mx", "x"),
        ("\x1b\x1b[31mx", "x"),
        ("a\tb\nc\r\n", "a\tb\nc\n"),
        ("\U0001f600 é \N{HANGUL SYLLABLE GA}", "\U0001f600 é \N{HANGUL SYLLABLE GA}"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("", ""),
    ],
)
def test_escape_sequences_go_whole(text, left):
    assert plain(text) == left


@given(st.text(st.characters(codec=None) | st.sampled_from("\x1b[]\x07\\m;0\ud800\x9b")))
def test_what_is_left_can_be_shown_and_written(text):
    found = plain(text)
    assert plain(found) == found
    found.encode("utf-8")
    assert not [c for c in found if (ord(c) < 32 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("\t\n")))
def test_a_text_stays_as_it_is(text):
    assert plain(text) is text
