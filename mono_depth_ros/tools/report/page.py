# SPDX-License-Identifier: Apache-2.0
"""A page with everything in it, for a browser without a network, and the elements that pages have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources

import numpy as np

from mono_depth_ros.tools.report.pictures import Scale, jpeg_uri


def page(title: str, body: str, script: str = "") -> str:
    """The whole document. It asks nothing of the network; `script` is HTML as well, with its own elements."""
    package = "mono_depth_ros.tools.report"
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    policy += "; script-src 'unsafe-inline'" if script else ""
    style = read(package, "page.css")
    parts = {"title": escape(title), "policy": policy, "style": style, "body": body.rstrip("\n"), "script": script}
    return fill(read(package, "page.html"), parts)


def fill(template: str, parts: Mapping[str, str]) -> str:
    """The template with every {{name}} replaced by the part of that name."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def read(package: str, name: str) -> str:
    """The text of a file beside the modules of a package."""
    return (resources.files(package) / name).read_text(encoding="utf-8")


def figure(text: str, picture: np.ndarray, width: int = 480) -> str:
    """A (H, W, 3) uint8 BGR picture with a line below it."""
    uri = jpeg_uri(picture, width)
    caption = f"<figcaption>{escape(text)}</figcaption>"
    return f'<figure><img src="{uri}" alt="{escape(text)}" loading="lazy">{caption}</figure>'


def scale_bar(name: str, scale: Scale) -> str:
    """A colour bar with its ticks."""
    ticks = "".join(
        f'<span class="{"first" if place < 0.03 else "last" if place > 0.97 else ""}" style="left:{100 * place:.1f}%">'
        f"{escape(text)}</span>"
        for place, text in scale.ticks
    )
    return f'<div class="scale">{name}<i style="background:{scale.gradient()}"></i><div>{ticks}</div></div>'


def chart_figure(title: str, explanation: str, svg: str) -> str:
    """A chart under its title; the explanation is HTML."""
    return f"<figure><figcaption>{escape(title)}<span>{explanation}</span></figcaption>{svg}</figure>"


def facts(pairs: Mapping[str, str]) -> str:
    """A list of names and what they are."""
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs.items())


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Cells are HTML already; the first `left` columns are texts."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag}{' class=text' if k < left else ''}>{cell}</{tag}>" for k, cell in enumerate(cells))

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{line(heads, 'th')}</tr></thead><tbody>{body}</tbody></table>"
