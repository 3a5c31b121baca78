"""Equations as MathML: no script, no font and no network is needed to read them.

Browsers draw MathML themselves. docutils translates the subset of LaTeX that the pages
and docstrings use; what it does not know becomes a warning with its place.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

_logger = logging.getLogger(__name__)


def _translated(node: nodes.Element, as_block: bool) -> str:
    text = node.astext()
    try:
        return latex2mathml.tex2mathml(text, as_block=as_block)
    except Exception as error:
        _logger.warning("equation %r: %s", text, error, location=node)
        return f"<code>{nodes.make_id(text)}</code>"


def visit_inline(translator: Any, node: nodes.Element) -> None:
    """Write an equation within a line."""
    translator.body.append(_translated(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.Element) -> None:
    """Write an equation that has lines of its own, and its number if it has a label."""
    identifier = f' id="{node["ids"][0]}"' if node["ids"] else ""
    number = f'<span class="eqno">({node["number"]})</span>' if node["number"] else ""
    equation = _translated(node, as_block=True)
    translator.body.append(f'<div class="math"{identifier}>{number}{equation}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer with sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
