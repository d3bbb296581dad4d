"""XML out, XML in: the little that S3 needs, and nothing that an attacker could expand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias
from xml.parsers import expat

from local.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]')

# The longest request names 10,000 parts, each with a number, an ETag and a checksum.
_MOST_TAGS = 150_000
_LONGEST_TAG = 4096

Content: TypeAlias = "str | int | Sequence[Element]"
Element: TypeAlias = "tuple[str, Content]"


def render(name: str, content: Content, namespace: str | None = NAMESPACE) -> bytes:
    """The document without its declaration, which a slow answer has already sent by then."""
    attribute = f' xmlns="{namespace}"' if namespace else ""
    return f"<{name}{attribute}>{_inside(content)}</{name}>".encode()


def _inside(content: Content) -> str:
    if isinstance(content, str):
        # Characters that XML 1.0 cannot carry leave as references, as AWS does it; encoding-type=url avoids them.
        return _SPECIAL.sub(lambda match: f"&#x{ord(match[0]):x};", content)
    if isinstance(content, int):
        return str(content)
    # A name may carry attributes, which its end does not.
    return "".join(f"<{name}>{_inside(inner)}</{name.partition(' ')[0]}>" for name, inner in content)


class Tree:
    """A parsed element: its name without namespace, its text, its children."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.children: list[Tree] = []

    def all(self, name: str) -> list[Tree]:
        return [child for child in self.children if child.name == name]

    def value(self, name: str) -> str | None:
        found = self.all(name)
        return found[0].text if found else None


def parse(document: bytes, root: str) -> Tree:
    """The tree of ``document``; ``MalformedXML`` for anything but a plain UTF-8 document whose root is ``root``.

    Takes up to half a second, so it does not belong on the event loop.
    """
    _refuse_floods(document)
    top = Tree("")
    stack = [top]
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True

    def start(name: str, _attributes: dict[str, str]) -> None:
        if len(stack) > 16:
            raise S3Error("MalformedXML", "The XML is nested too deeply.")
        element = Tree(name.rpartition(":")[2])
        stack[-1].children.append(element)
        stack.append(element)

    def end(_name: str) -> None:
        stack.pop()

    def text(piece: str) -> None:
        stack[-1].text += piece

    def doctype(*_ignored: object) -> None:
        raise S3Error("MalformedXML", "A document type is not allowed.")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise S3Error("MalformedXML") from None
    if not top.children or top.children[0].name != root:
        raise S3Error("MalformedXML", f"The root element must be {root}.")
    return top.children[0]


def _refuse_floods(document: bytes) -> None:
    """Counts before anything is built: empty elements and attributes cost a hundred times their length in memory."""
    pieces = document.split(b"<", _MOST_TAGS)
    if len(pieces) > _MOST_TAGS or any(piece.find(b">", 0, _LONGEST_TAG) < 0 for piece in pieces[1:]):
        raise S3Error("MalformedXML", "The XML has more in it than any request needs.")
