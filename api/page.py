"""The frame of a plain page: head, style, policy. No script of others, no font of others, nothing from elsewhere."""

import base64
import hashlib
from html import escape
from typing import Final

from litestar import Response

from api.messages import LANGUAGES

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --line: #d9dee6; --paper: #fff; --ground: #f4f6f9;
  --good: #10693b; --good-ground: #e2f4ea; --bad: #9c2a17; --bad-ground: #fdebe7; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b6; --line: #303a48; --paper: #171d26;
  --ground: #0f141b; --good: #7fd6a5; --good-ground: #12301f; --bad: #f3a28f; --bad-ground: #3a1a13;
  --link: #8ec1f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
main, header { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; display: flex; flex-wrap: wrap; justify-content: space-between; gap: .25rem 1rem;
  align-items: baseline; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .75rem; }
p { margin: 0 0 .75rem; }
a { color: var(--link); }
.lead { color: var(--soft); max-width: 44rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem;
  margin: 1rem 0; }
.state { display: inline-block; font-weight: 600; padding: .1rem .6rem; border-radius: 1rem; }
.good { color: var(--good); background: var(--good-ground); } .bad { color: var(--bad); background: var(--bad-ground); }
.facts { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: .75rem 0 0; color: var(--soft); }
.facts b { color: var(--ink); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));
  gap: .75rem 1.5rem; margin: 0; }
.figures div { display: flex; flex-direction: column; border-top: 1px solid var(--line); padding-top: .5rem; }
.figures dt { color: var(--soft); font-size: .8125rem; line-height: 1.35; }
.figures dd { order: -1; margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9375rem; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); vertical-align: top;
  white-space: nowrap; }
th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .8125rem; }
td.text { white-space: normal; } td.number, th.number { text-align: right; }
ul { margin: 0; padding-left: 1.1rem; } li { margin: .2rem 0; }
code { font: .875em ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.method { font-weight: 700; font-size: .8125rem; margin-right: .5rem; }
"""


def page(title: str, language: str, header: str, body: str, script: str = "") -> Response[bytes]:
    """Return a whole page.

    Args:
        title: plain text.
        header, body: HTML, escaped by the caller.
        script: JavaScript of ours, allowed by its hash; the page must be complete without it.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    policy += "frame-ancestors 'none'; connect-src 'self'"
    element = ""
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
        element = f"<script>{script}</script>"
    html = (
        f'<!doctype html>\n<html lang="{LANGUAGES[language]}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f'<link rel="icon" href="{ICON}">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f"<header>{header}</header>\n<main>\n{body}\n</main>\n{element}\n</body>\n</html>\n"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Vary": "Accept-Language",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(html.encode(), headers=headers)


ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%230b57a4' "
    "d='M8 1a4 4 0 0 0-4 4v4l-2 3h12l-2-3V5a4 4 0 0 0-4-4zM6 13a2 2 0 0 0 4 0z'/%3E%3C/svg%3E"
)
