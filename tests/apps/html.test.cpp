// SPDX-License-Identifier: MIT
/// The HTML page: well-formed to a parser that is not ours, escaped, self-contained, and usable by keyboard and ear.
#include "report/html.hpp"

#include <pam/report/overlay.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <cstdlib>
#include <fstream>

namespace apps_html_test {
using namespace pam;
using namespace pam::apps;

HtmlPage page_with(const std::string& name) {
  HtmlPage page(name, name);
  Table table(name, {name, {"IoU", 3}});
  table.row({name, 0.5}).row({"b", std::nullopt}).note(name);
  page.section(name).paragraph(name).notice(name).subsection(name).code(name, name).facts({{name, name}});
  page.section("Pictures").overlay_legend().figures({{"png bytes", name, name}});
  page.begin_details(name).table(table).end_details();
  return page.chart("<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>", name, name);
}

TEST_CASE("The legend's colours are the overlay's", "[apps]") {
  const std::string legend = kOverlayLegendHtml;
  for (const auto& colour : {kTruePositiveColour, kFalseNegativeColour, kFalsePositiveColour}) {
    REQUIRE(legend.find(fmt::format("#{:02x}{:02x}{:02x}", colour[0], colour[1], colour[2])) != std::string::npos);
  }
}

TEST_CASE("base64 gives the vectors of RFC 4648, section 10", "[apps]") {
  REQUIRE(base64("").empty());
  REQUIRE(base64("f") == "Zg==");
  REQUIRE(base64("fo") == "Zm8=");
  REQUIRE(base64("foo") == "Zm9v");
  REQUIRE(base64("foob") == "Zm9vYg==");
  REQUIRE(base64("fooba") == "Zm9vYmE=");
  REQUIRE(base64("foobar") == "Zm9vYmFy");
  REQUIRE(base64(std::string("\xff\x00\xfe", 3)) == "/wD+");
}

TEST_CASE("HTML text is escaped, control characters and broken UTF-8 are replaced", "[apps]") {
  REQUIRE(html_escaped("a<b> & \"c\" 'd'") == "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  REQUIRE(html_escaped("é – ∞ 😀") == "é – ∞ 😀");
  const std::string bad = "\xEF\xBF\xBD";
  REQUIRE(html_escaped("a\xff"
                       "b") == "a" + bad + "b");
  REQUIRE(html_escaped("\xc3") == bad);
  REQUIRE(html_escaped("\xe2\x82<") == bad + bad + "&lt;");
  REQUIRE(html_escaped(std::string("\x1b[31m\0", 6)) == bad + "[31m" + bad);
}

TEST_CASE("No name of a case, network or folder becomes markup", "[apps]") {
  const auto html = page_with("</style><script>alert('x')</script>\"><img src=x onerror=alert(1)>").html();
  REQUIRE(html.find("<script") == std::string::npos);
  REQUIRE(html.find("<img src=x") == std::string::npos);
  REQUIRE(html.find("onerror=alert(1)&gt;") != std::string::npos);  // it is shown, as text
}

TEST_CASE("The page is self-contained and forbids scripts and outside references", "[apps]") {
  const auto html = page_with("brain 1").html();
  REQUIRE(html.find("default-src 'none'") != std::string::npos);
  for (const char* outside : {"<script", "<link", "src=\"http", "url(", "@import", "href=\"http"}) {
    INFO(outside);
    REQUIRE(html.find(outside) == std::string::npos);
  }
  REQUIRE(html.find("prefers-color-scheme: dark") != std::string::npos);
  REQUIRE(html.find("src=\"data:image/png;base64,cG5nIGJ5dGVz\"") != std::string::npos);
}

TEST_CASE("Python's parser finds balanced elements, captions, scopes, alternative texts and working links", "[apps]") {
  test::TempDir folder;
  page_with("a <b> & \"c\"").write(folder / "page.html");
  std::ofstream(folder / "check.py") << R"py(
import sys
from html.parser import HTMLParser
void = {"meta", "img", "link", "br"}
class P(HTMLParser):
    def __init__(self):
        super().__init__(); self.stack = []; self.ids = []; self.links = []; self.seen = {}
    def handle_starttag(self, tag, attrs):
        a = dict(attrs); self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in void: self.stack.append(tag)
        if "id" in a: self.ids.append(a["id"])
        if tag == "a": self.links.append(a["href"])
        if tag == "img": assert a["alt"], "img without alt"
        if tag == "svg": assert a["role"] == "img" and a["aria-label"], "svg without a name"
        if tag == "th": assert a["scope"] in ("row", "col"), "th without scope"
        if tag == "table": self.caption = False
        if tag == "caption": self.caption = True
        if tag == "html": assert a["lang"] == "en"
    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1] == tag, f"</{tag}> closes {self.stack[-1:]}"
        self.stack.pop()
        if tag == "table": assert self.caption, "table without caption"
p = P(); p.feed(open(sys.argv[1], encoding="utf-8").read()); p.close()
assert not p.stack, p.stack
assert len(set(p.ids)) == len(p.ids), "ids repeat"
assert all(l.startswith("#") and l[1:] in p.ids for l in p.links), p.links
for tag in ("main", "nav", "header", "h1", "h2", "section", "figure", "figcaption", "details", "summary", "dl"): assert p.seen.get(tag), tag
assert p.seen["h1"] == 1
)py";
  if (std::system("/usr/bin/python3 -c '' 2>/dev/null") != 0) PAM_SKIP("/usr/bin/python3 is missing");
  const auto command =
      fmt::format("/usr/bin/python3 {} {}", (folder / "check.py").string(), (folder / "page.html").string());
  REQUIRE(std::system(command.c_str()) == 0);
}

TEST_CASE("Only an SVG element is taken as a chart", "[apps]") {
  HtmlPage page("x");
  REQUIRE_THROWS_WITH(page.chart("<script>", "a", "b"), Catch::Contains("SVG"));
}

}  // namespace apps_html_test
