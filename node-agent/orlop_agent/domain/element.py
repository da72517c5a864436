"""XML elements in one expression."""

from __future__ import annotations

from xml.etree.ElementTree import Element

Node = Element


def element(tag: str, *children: Node | None, text: str | None = None, **attributes: str | None) -> Node:
    """An element; None among children and attributes is left out. Values are escaped when written."""
    made = Element(tag, {name: value for name, value in attributes.items() if value is not None})
    made.text = text
    made.extend(child for child in children if child is not None)
    return made
