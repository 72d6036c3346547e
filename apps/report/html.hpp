// SPDX-License-Identifier: MIT
/// `HtmlPage`: one self-contained HTML file. Pictures are embedded (PNG as data URIs, charts as inline SVG), there is
/// no script and no outside reference (the page's Content-Security-Policy forbids both), every text is escaped, tables
/// have captions and scopes, pictures have alternative texts, colours follow the reader's dark or light setting, and
/// wide tables scroll and are reached by keyboard.
#pragma once

#include "report/html_escaped.hpp"
#include "report/html_style.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/report/table.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pam::apps {

/// Base64 with padding, as in RFC 4648.
[[nodiscard]] inline std::string base64(std::string_view bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0;
    };
    const auto word = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (int digit = 0; digit < 4; ++digit) out += kDigits[word >> (18 - 6 * digit) & 63];
  }
  for (std::size_t missing = (3 - bytes.size() % 3) % 3, k = 0; k < missing; ++k) out[out.size() - 1 - k] = '=';
  return out;
}

/// A picture of a page.
struct Figure {
  std::string png;      ///< the bytes of a PNG file
  std::string alt;      ///< what a reader who cannot see it needs to know
  std::string caption;  ///< under it; may be empty
};

/// See the head of this file. Content is added in reading order.
/// Example: `HtmlPage page("My run"); page.section("Scores").table(scores).write("report.html");`
class HtmlPage {
 public:
  /// `lead` is the sentence under the heading.
  explicit HtmlPage(std::string title, std::string lead = {}) : title_(std::move(title)), lead_(std::move(lead)) {}

  /// Begins a section, which gets a heading and an entry in the page's navigation.
  HtmlPage& section(const std::string& heading) {
    close_section();
    const auto id = fmt::format("section-{}", sections_.size() + 1);
    sections_.push_back(heading);
    body_ += fmt::format("<section aria-labelledby=\"{}\">\n<h2 id=\"{}\">{}</h2>\n", id, id, html_escaped(heading));
    return *this;
  }
  /// A heading within the section.
  HtmlPage& subsection(const std::string& heading) { return add("<h3>" + html_escaped(heading) + "</h3>\n"); }
  HtmlPage& paragraph(const std::string& text) { return add("<p>" + html_escaped(text) + "</p>\n"); }
  /// A highlighted paragraph: something is missing, or must not be overlooked.
  HtmlPage& notice(const std::string& text) {
    return add("<p class=\"notice\" role=\"note\">" + html_escaped(text) + "</p>\n");
  }
  /// Preformatted text in a box: a command, a configuration.
  HtmlPage& code(const std::string& text, const std::string& label) {
    return add(fmt::format("<pre tabindex=\"0\" role=\"region\" aria-label=\"{}\"><code>{}</code></pre>\n",
                           html_escaped(label), html_escaped(text)));
  }
  /// What follows, up to `end_details`, is folded under `summary`; a click or the Enter key opens it (no script).
  HtmlPage& begin_details(const std::string& summary) {
    return add("<details>\n<summary>" + html_escaped(summary) + "</summary>\n");
  }
  HtmlPage& end_details() { return add("</details>\n"); }

  /// `table` with its caption and notes. The first column names the row.
  HtmlPage& table(const Table& table) {
    add(
        fmt::format("<div class=\"table\" role=\"region\" tabindex=\"0\" "
                    "aria-label=\"{}\">\n<table>\n<caption>{}</caption>\n<thead><tr>",
                    html_escaped(table.caption()), html_escaped(table.caption())));
    const auto css = [&](std::size_t c) { return table.columns()[c].numeric ? " class=\"number\"" : ""; };
    for (std::size_t c = 0; c < table.columns().size(); ++c) {
      body_ += fmt::format("<th scope=\"col\"{}>{}</th>", css(c), html_escaped(table.columns()[c].name));
    }
    body_ += "</tr></thead>\n<tbody>\n";
    for (std::size_t r = 0; r < table.rows().size(); ++r) {
      body_ += "<tr>";
      for (std::size_t c = 0; c < table.columns().size(); ++c) {
        const auto text = html_escaped(table.formatted(r, c));
        body_ += c == 0 ? fmt::format("<th scope=\"row\"{}>{}</th>", css(c), text)
                        : fmt::format("<td{}>{}</td>", css(c), text);
      }
      body_ += "</tr>\n";
    }
    body_ += "</tbody>\n</table>\n</div>\n";
    for (const auto& sentence : table.notes()) body_ += "<p class=\"note\">" + html_escaped(sentence) + "</p>\n";
    return *this;
  }

  /// Pictures side by side: in rows of `columns` where the window is wide enough, as many as fit with 0.
  HtmlPage& figures(const std::vector<Figure>& pictures, std::int64_t columns = 0) {
    add(columns > 0 ? fmt::format("<div class=\"figures rows\" style=\"--columns:{}\">\n", columns)
                    : std::string("<div class=\"figures\">\n"));
    for (const auto& picture : pictures) {
      body_ += fmt::format("<figure><img alt=\"{}\" src=\"data:image/png;base64,{}\">", html_escaped(picture.alt),
                           base64(picture.png));
      if (!picture.caption.empty()) body_ += "<figcaption>" + html_escaped(picture.caption) + "</figcaption>";
      body_ += "</figure>\n";
    }
    return add("</div>\n");
  }

  /// A chart from `charts_svg`, which is trusted (pam made it); `alt` says in words what it shows.
  HtmlPage& chart(std::string svg, const std::string& alt, const std::string& caption) {
    check(svg.rfind("<svg", 0) == 0, "HtmlPage: a chart must be an SVG element, got '{}'", svg.substr(0, 40));
    svg.insert(std::string_view("<svg").size(), fmt::format(" role=\"img\" aria-label=\"{}\"", html_escaped(alt)));
    return add("<figure class=\"chart\">" + svg + "<figcaption>" + html_escaped(caption) + "</figcaption></figure>\n");
  }

  /// The legend of the overlays' colours.
  HtmlPage& overlay_legend() { return add(kOverlayLegendHtml); }

  /// Names and values: settings, versions, machine.
  HtmlPage& facts(const std::vector<std::pair<std::string, std::string>>& pairs) {
    add("<dl>\n");
    for (const auto& [name, value] : pairs) {
      body_ += "<dt>" + html_escaped(name) + "</dt><dd>" + html_escaped(value) + "</dd>\n";
    }
    return add("</dl>\n");
  }

  /// The whole page.
  [[nodiscard]] std::string html() const {
    std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    out += "<meta name=\"color-scheme\" content=\"light dark\">\n";
    out +=
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
        "data:\">\n";
    out += "<title>" + html_escaped(title_) + "</title>\n<style>\n" + kReportStyle + "</style>\n</head>\n<body>\n";
    out += "<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<header>\n<h1>" + html_escaped(title_) +
           "</h1>\n";
    if (!lead_.empty()) out += "<p class=\"lead\">" + html_escaped(lead_) + "</p>\n";
    out += "</header>\n<nav aria-label=\"Sections\">\n<ul>\n";
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      out += fmt::format("<li><a href=\"#section-{}\">{}</a></li>\n", i + 1, html_escaped(sections_[i]));
    }
    out += "</ul>\n</nav>\n<main id=\"content\">\n" + body_ + (sections_.empty() ? "" : "</section>\n");
    return out + "</main>\n</body>\n</html>\n";
  }

  /// Writes the page, atomically.
  void write(const std::filesystem::path& path) const {
    const auto page = html();
    write_atomically(path, page);
  }

 private:
  HtmlPage& add(const std::string& html) {
    body_ += html;
    return *this;
  }
  void close_section() {
    if (!sections_.empty()) body_ += "</section>\n";
  }

  std::string title_, lead_, body_;
  std::vector<std::string> sections_;
};

}  // namespace pam::apps
