"""The frame of self-contained pages: one style, light and dark, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape

from tenantry import __version__

STYLE = """
:root{--bg:#fff;--fg:#1c2430;--dim:#5b6675;--line:#d8dee6;--card:#f6f8fa;--accent:#0b6bcb;--bad:#b42318;--warn:#9a6700;
--free:#e6eaef;--gpu:#dfe9f5;--slice:#cfe3d6;--shared:#f3e3c3}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e6ebf1;--dim:#98a4b3;--line:#303a46;--card:#1a2028;
--accent:#6cb2ff;--bad:#ff8a80;--warn:#f0c36d;--free:#2a323c;--gpu:#24405f;--slice:#254b36;--shared:#574522}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:27px;margin:0 0 2px}h2{font-size:19px;margin:36px 0 10px}h3{font-size:15px;margin:0 0 6px}
.lead,.dim{color:var(--dim)}.lead{margin:0 0 18px;font-size:16px}
code{font:13px/1.4 ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
td code{overflow-wrap:normal}tr.error code,tr.warning code,tr.note code{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:16px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px;min-width:0}
.facts{display:flex;flex-wrap:wrap;gap:10px 26px;margin:0 0 8px;padding:0;list-style:none}
.facts b{display:block;font-size:22px;line-height:1.2}.facts span{color:var(--dim);font-size:13px}
.waves{display:flex;flex-wrap:wrap;gap:8px;align-items:stretch;padding:0;margin:0;list-style:none}
.waves li{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:8px 12px;
min-width:128px;flex:1 1 128px}
.waves b{display:block;font-size:13px;color:var(--dim);font-weight:600}.waves .hot{border-color:var(--warn)}
.hot em{color:var(--warn);font-style:normal;font-size:12px}
.bar{display:flex;height:22px;border-radius:4px;overflow:hidden;background:var(--free);margin:3px 0 2px}
.bar span{display:block;overflow:hidden;white-space:nowrap;font-size:12px;line-height:22px;padding:0 5px;color:#fff;
text-overflow:ellipsis}
.note{border-left:3px solid var(--warn);padding:2px 0 2px 12px;margin:0 0 10px}
tr.error td:first-child{color:var(--bad);font-weight:600}tr.warning td:first-child{color:var(--warn);font-weight:600}
svg{max-width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--fg)}
svg .dimtext{fill:var(--dim)}
footer{margin-top:40px;color:var(--dim);font-size:13px}
.scroll{overflow-x:auto}
.dot{display:inline-block;width:10px;height:10px;border-radius:3px}
"""


def page(title: str, body: str, style: str = "") -> str:
    """Wrap a body into a complete HTML page; ``style`` is added to the common one."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f"<footer>Tenantry {escape(__version__)}</footer>\n</main>\n</body>\n</html>\n"
    )
