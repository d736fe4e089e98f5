#include "base/error.h"
#include "report/chart.h"
#include "report/page.h"

namespace longhaul {

namespace {

constexpr const char* kStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --panel: #ffffff; --ink: #1b1d22; --soft: #5f636d; --faint: #8d919b; --rule: #e4e1da;
  --tint: #f5f2ec; --accent: #0b5c8e; --good: #00735a; --fair: #8a5a00; --bad: #b3400a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171b; --panel: #1b1e23; --ink: #e9e7e2; --soft: #a8abb3; --faint: #7d818b; --rule: #2f333a;
    --tint: #20242a; --accent: #6db8ea; --good: #4cc9a4; --fair: #e3b04b; --bad: #f2895a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}
main { max-width: 1010px; margin: 0 auto; padding: 56px 32px 72px; }
.eyebrow {
  margin: 0 0 14px; font-size: 13px; letter-spacing: .09em; text-transform: uppercase; color: var(--accent);
  font-weight: 600;
}
h1 {
  margin: 0 0 14px; max-width: 27em;
  font: 600 34px/1.22 ui-serif, "Iowan Old Style", "Palatino Linotype", "Source Serif 4", Georgia, serif;
  letter-spacing: -.012em; text-wrap: balance;
}
h2 {
  margin: 56px 0 6px;
  font: 600 23px/1.3 ui-serif, "Iowan Old Style", "Palatino Linotype", "Source Serif 4", Georgia, serif;
}
h2 + p { margin-top: 0; }
.word { white-space: nowrap; }
p { max-width: 52em; }
.lede { font-size: 17px; color: var(--soft); margin: 0 0 30px; }
code { font: .9em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(265px, 1fr)); gap: 14px; margin: 0 0 30px; }
.card {
  background: var(--panel); border: 1px solid var(--rule); border-top: 3px solid var(--series); border-radius: 8px;
  padding: 14px 18px 15px;
}
.card .name { display: flex; justify-content: space-between; gap: 10px; align-items: baseline; font-weight: 600; }
.card .position { color: var(--faint); font-size: 13px; overflow-wrap: anywhere; }
.card .figures {
  margin: 8px 0 2px; font-size: 28px; font-weight: 600; letter-spacing: -.02em; font-variant-numeric: tabular-nums;
  white-space: nowrap;
}
.card .figures .arrow { color: var(--faint); font-weight: 400; padding: 0 .22em; }
.card .lengths { color: var(--soft); font-size: 13px; }
.verdict { font-size: 12px; font-weight: 600; letter-spacing: .02em; white-space: nowrap; }
.holds { color: var(--good); } .drifts { color: var(--fair); } .breaks { color: var(--bad); }
figure { margin: 18px 0 26px; }
.plot { background: var(--panel); border: 1px solid var(--rule); border-radius: 8px; padding: 20px 20px 8px; }
.plot figcaption { color: var(--soft); font-size: 14px; padding: 4px 2px 10px; }
.chart { display: block; width: 100%; height: auto; font-family: inherit; }
.chart .grid { stroke: var(--rule); stroke-width: 1; }
.chart .axis { stroke: var(--faint); stroke-width: 1; }
.chart .tick { fill: var(--soft); font-size: 12.5px; font-variant-numeric: tabular-nums; }
.chart .label { fill: var(--soft); font-size: 13px; }
.chart .beyond { fill: var(--tint); }
.chart .mark { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 3 4; opacity: .6; }
.chart .mark-label { fill: var(--soft); font-size: 12.5px; }
.chart .line { fill: none; stroke: var(--series); stroke-width: 2.4; stroke-linejoin: round; stroke-linecap: round; }
.chart .again .line { stroke-dasharray: 7 5; }
.chart .band { fill: var(--series); opacity: .16; }
.chart .marker { fill: var(--series); stroke: var(--panel); stroke-width: 1.6; }
.chart .leader { stroke: var(--series); stroke-width: 1; opacity: .45; }
.chart .name { fill: var(--series); font-size: 13.5px; font-weight: 600; }
.table figcaption { font-weight: 600; font-size: 15px; margin-bottom: 8px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums lining-nums; }
th, td { padding: 7px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 600; font-size: 13px; border-bottom: 1.5px solid var(--faint); }
th:first-child { text-align: left; padding-left: 2px; }
tbody th { font-weight: 600; }
tbody tr:hover > * { background: var(--tint); }
.trained { background: var(--tint); }
.error { color: var(--faint); font-size: 12.5px; }
.stacked .error { display: block; }
.note { color: var(--soft); font-size: 13px; margin: 7px 2px 0; }
details { border-top: 1px solid var(--rule); padding: 11px 0; }
details:last-of-type { border-bottom: 1px solid var(--rule); }
summary { cursor: pointer; font-weight: 600; }
summary .when { color: var(--faint); font-size: 13px; font-weight: 400; margin-left: .6em; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 22px; margin: 12px 0 6px; font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 52px; color: var(--faint); font-size: 13px; }
@media (max-width: 640px) {
  main { padding: 32px 16px 48px; }
  h1 { font-size: 27px; }
  .plot { padding: 12px 12px 4px; overflow-x: auto; }
  .chart { min-width: 620px; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 8px; }
}
@media print { main { padding: 0; } .plot, .card { break-inside: avoid; } }
)css";

// The same hues, lighter, for dark paper.
constexpr const char* kDarkColours[] = {"#5cb3ee", "#f58b52", "#45c9a0", "#e08fd3",
                                        "#e0b53f", "#9ccdf0", "#b3b6bd", "#e07f9c"};

}  // namespace

std::string page_style() {
  std::string light, dark;
  for (size_t i = 0; i < chart_colours().size(); ++i) {
    light += str(".s", i, " { --series: ", chart_colours()[i], "; }\n");
    dark += str(".s", i, " { --series: ", kDarkColours[i], "; }\n");
  }
  return kStyle + light + "@media (prefers-color-scheme: dark) {\n" + dark + "}\n";
}

}  // namespace longhaul
