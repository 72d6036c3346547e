// SPDX-License-Identifier: MIT
/// The look of pam's HTML reports, and the legend of their overlays. Plain CSS, embedded in every page.
#pragma once

namespace pam::apps {

/// System fonts, one accent, two colour schemes, room on wide screens, and sensible print.
constexpr const char* kReportStyle = R"css(
:root { --ground: #ffffff; --raised: #f5f6f8; --text: #1b1f24; --soft: #57606a; --line: #d5d9df; --accent: #0b5cad; --warn: #8a5a00; --warn-ground: #fff6e0; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --raised: #1d2126; --text: #e4e7eb; --soft: #a2abb5; --line: #363c44; --accent: #7ab8ff; --warn: #ffce6b; --warn-ground: #33290f; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header, nav, main { max-width: 1160px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 1.35rem; margin: 44px 0 10px; padding-top: 10px; border-top: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 26px 0 8px; overflow-wrap: anywhere; }
p { max-width: 75ch; margin: 8px 0; }
.lead { font-size: 1.1rem; color: var(--soft); }
a { color: var(--accent); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 12px; padding: 8px 14px; background: var(--ground); z-index: 2; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 10px 0; margin: 12px 0 0; border-bottom: 1px solid var(--line); }
.table { overflow-x: auto; margin: 14px 0 6px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 4px 0 8px; }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { border-bottom: 2px solid var(--soft); font-size: .92rem; }
tbody th { font-weight: 600; }
.number { text-align: right; padding-left: 14px; }
tbody tr:hover { background: var(--raised); }
.note { color: var(--soft); font-size: .92rem; }
.notice { background: var(--warn-ground); border-left: 4px solid var(--warn); padding: 10px 14px; }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px; overflow-x: auto; font: .88rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
details { margin: 12px 0; }
summary { cursor: pointer; color: var(--accent); padding: 2px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 250px), 1fr)); gap: 18px; align-items: start; margin: 12px 0; }
@media (min-width: 700px) { .figures.rows { grid-template-columns: repeat(var(--columns), minmax(0, 270px)); } }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .92rem; padding-top: 6px; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; height: auto; image-rendering: pixelated; background: #000; border-radius: 4px; }
.chart { max-width: 820px; margin: 12px 0; }
.chart svg { width: 100%; height: auto; color: var(--text); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 24px; list-style: none; padding: 0; margin: 10px 0; }
.legend span { display: inline-block; width: 1.1em; height: 1.1em; vertical-align: -0.2em; margin-right: 8px; border: 1px solid var(--soft); border-radius: 3px; }
@media print { nav, .skip { display: none; } .table { overflow: visible; } figure, tr { break-inside: avoid; } }
)css";

/// Colours and words for kTruePositiveColour, kFalseNegativeColour and kFalsePositiveColour (report/overlay.hpp; a test
/// compares the two).
constexpr const char* kOverlayLegendHtml = R"html(<ul class="legend" aria-label="Colours of the overlays">
<li><span style="background:#ffd60a"></span>true positive: found (yellow)</li>
<li><span style="background:#2979ff"></span>false negative: missed (blue)</li>
<li><span style="background:#e53030"></span>false positive: invented (red)</li>
</ul>
)html";

}  // namespace pam::apps
