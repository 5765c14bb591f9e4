"""Self-contained HTML pages: no scripts, nothing fetched, readable on a screen of any width, light or dark."""

import base64
from collections.abc import Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #616e7c; --line: #d9e2ec; --paper: #fff; --tint: #f5f7fa;
  --mark: #e8f1f7; --shade: #1f293340; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa5b1; --line: #3e4c59; --paper: #161b22;
  --tint: #1f2730; --mark: #20364a; --shade: #000c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .5rem 0; max-width: 44rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.notice { border-left: 4px solid #d1495b; background: var(--tint); border-radius: 0 6px 6px 0; padding: .4rem 1rem;
  margin: 1rem 0; }
.side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 0 1.25rem; }
.side > * { min-width: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.card { background: var(--tint); border-radius: 8px; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.6rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; }
.card span { display: block; font-size: .82rem; color: var(--soft); }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); }
figcaption { font-size: .85rem; color: var(--soft); margin-top: .4rem; max-width: 44rem; }
.picture { margin: 0; }
.picture > summary { list-style: none; overflow-x: auto; cursor: zoom-in; }
.picture > summary::-webkit-details-marker { display: none; }
.picture[open] > summary { cursor: zoom-out; }
.picture[open] img { max-width: none; }
.tap { display: none; }
.wide { overflow-x: auto; max-width: max-content; /* a shade on the right as long as there is more to scroll to */
  background: linear-gradient(to left, var(--paper) .5rem, transparent) right / 1.5rem 100% no-repeat local,
    linear-gradient(to left, var(--shade), transparent) right / .8rem 100% no-repeat scroll; }
table { border-collapse: separate; border-spacing: 0; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 0 .3rem .9rem; text-align: right; white-space: nowrap; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); white-space: normal; vertical-align: bottom; max-width: 6.5rem; }
th:first-child, td:first-child { padding-left: 0; position: sticky; left: 0; background: var(--paper); }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
td small { display: block; font-size: .72rem; color: var(--soft); font-weight: 400; }
tr.marked td { background: var(--mark); font-weight: 600; }
.swatch { display: inline-block; width: .85rem; height: .85rem; border: 1px solid var(--soft); border-radius: 3px;
  margin-right: .45rem; vertical-align: -.1rem; }
pre { background: var(--tint); border-radius: 6px; padding: .7rem .9rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font-size: .85rem; }
ol { max-width: 44rem; padding-left: 1.4rem; }
li { margin: .35rem 0; overflow-wrap: anywhere; }
summary { cursor: pointer; }
details { margin: .75rem 0; }
@media (max-width: 40rem) {
  body { padding: 1.25rem .9rem 3rem; }
  .tap { display: inline; }
  table { font-size: .78rem; }
  th, td { padding-left: .4rem; }
  td small { font-size: .66rem; }
}
"""


def page(title: str, *parts: str) -> str:
    """A whole page; the parts are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """A heading and what belongs under it; nothing where there is nothing."""
    return f"<h2>{escape(heading)}</h2>\n" + "\n".join(parts) if any(parts) else ""


def subheading(text: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def notice(*texts: str) -> str:
    """Paragraphs of plain text that have to be read first."""
    return f'<div class="notice">{"".join(paragraph(text) for text in texts)}</div>'


def side_by_side(*figures: str) -> str:
    """Figures beside one another, two in a row where the screen is wide enough."""
    return f'<div class="side">{"".join(figures)}</div>'


def paragraph(text: str, soft: bool = False) -> str:
    """A paragraph of plain text."""
    return f'<p class="soft">{escape(text)}</p>' if soft else f"<p>{escape(text)}</p>"


def steps(texts: Sequence[str]) -> str:
    """A numbered list of plain texts."""
    return "<ol>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ol>"


def code(text: str) -> str:
    """Plain text to be copied, such as a command, in letters of one width."""
    return f"<pre>{escape(text)}</pre>"


def cards(values: Sequence[tuple[str, str, str]]) -> str:
    """Large numbers side by side: (name, number, remark) each."""
    inner = "".join(
        f'<div class="card"><span>{escape(name)}</span><b>{escape(number)}</b><span>{escape(remark)}</span></div>'
        for name, number, remark in values
    )
    return f'<div class="cards">{inner}</div>'


def picture(png: bytes | None, caption: str) -> str:
    """A PNG as wide as the page at most, a click shows its full size, with its caption; nothing without a picture."""
    if png is None:
        return ""
    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))  # of the PNG's header
    data = base64.b64encode(png).decode()
    return (
        f'<figure><details class="picture"><summary><img alt="{escape(caption)}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{data}"></summary></details>'
        f'<figcaption>{escape(caption)}<span class="tap"> Tap it for its full size.</span></figcaption></figure>'
    )


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], marked: int | None = None, text: Sequence[int] = ()
) -> str:
    """A table that scrolls sideways where the screen is narrow; its first column stays in view.

    Args:
        header: plain text.
        rows: HTML.
        marked: the row that stands out.
        text: columns of words, beside the first one, which wrap and stand on the left.
    """

    def kind(column: int) -> str:
        return ' class="text"' if column in text else ""

    head = "".join(f"<th{kind(c)}>{escape(name)}</th>" for c, name in enumerate(header))
    body = "".join(
        ('<tr class="marked">' if number == marked else "<tr>")
        + "".join(f"<td{kind(c)}>{cell}</td>" for c, cell in enumerate(row))
        + "</tr>\n"
        for number, row in enumerate(rows)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def number(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A fraction with three decimals, a dash for none, its interval in small letters below it."""
    interval = "" if low is None or high is None else f"<small>{low:.3f}–{high:.3f}</small>"
    return ("–" if value is None else f"{value:.3f}") + interval


def swatch(colour: Sequence[int]) -> str:
    """A small square in an RGB colour."""
    red, green, blue = colour
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def details(heading: str, content: str) -> str:
    """Content that opens at a click."""
    return f"<details><summary>{escape(heading)}</summary>\n{content}\n</details>"
