// SPDX-License-Identifier: MIT
/// The definitions of load_report.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>
#include <pam/weights/load_report.hpp>
#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pam {
namespace detail {

/// The first few of `names`, in quotation marks.
PAM_FUNC std::string quoted(const std::vector<std::string>& names) {
  constexpr std::size_t kListed = 6;
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), kListed); ++i) {
    list += (i == 0 ? "'" : ", '") + printable(names[i]) + "'";
  }
  return names.size() > kListed ? formatted("{} and {} more", list, names.size() - kListed) : list;
}

}  // namespace detail

PAM_FUNC std::vector<std::string> LoadReport::notes() const {
  std::vector<std::string> all;
  if (!other_sections.empty()) {
    all.push_back(formatted(
        "the weights are those {}; the file also has weights under {}: choose by LoadOptions::section",
        section.empty() ? std::string("at the top of the file") : "of the section '" + detail::printable(section) + "'",
        detail::quoted(other_sections)));
  } else if (!section.empty()) {
    all.push_back(formatted("the weights are those of the section '{}'", detail::printable(section)));
  }
  if (!prefix.empty()) all.push_back(formatted("'{}' was taken off the front of all names", detail::printable(prefix)));
  if (!left_out.empty()) {
    all.push_back(formatted("left out, as they are no weights of this net: {}", detail::quoted(left_out)));
  }
  return all;
}

PAM_FUNC std::string LoadReport::text() const {
  std::string lines = formatted("{} loaded, {} missing, {} unexpected, {} of another shape", loaded.size(),
                                missing.size(), unexpected.size(), mismatched.size());
  for (const auto& note : notes()) lines += "\n  " + note;
  for (std::size_t i = 0; i < std::min(mismatched.size(), kShown); ++i) {
    const auto& [name, file_shape, net_shape, file_type, net_type] = mismatched[i];
    lines +=
        formatted("\n  '{}' has shape [{}] {} in the file, this net wants [{}] {}", detail::printable(name),
                  joined(file_shape, ", "), c10::toString(file_type), joined(net_shape, ", "), c10::toString(net_type));
  }
  append(lines, mismatched.size(), "more of another shape");
  append(lines, missing, "missing from the file", "the file has");
  append(lines, unexpected, "in the file but not in this net", "the net has");
  if (!mismatched.empty()) {
    lines += "\nBuild the net from the file's own options (width, classes, input channels), or load other weights.";
  } else if (!complete()) {
    if (!fitting_prefixes.empty()) {
      lines += formatted(
          "\nEvery name of this net is in the file behind the prefix {}: take one by "
          "LoadOptions::key_prefix.",
          detail::quoted(fitting_prefixes));
    }
    lines +=
        "\nBuild the net that the file was saved from, or name what its names begin with by "
        "LoadOptions::key_prefix. In C++, LoadOptions::key_map renames, and strict = false loads what fits.";
  }
  return lines;
}

PAM_FUNC void LoadReport::find_nearest() {
  const auto names = [](const std::vector<UnmatchedName>& entries) {
    constexpr std::size_t kMost = 1'000;  // bounds the work that a hostile file can cause
    std::vector<std::string> list;
    for (std::size_t i = 0; i < std::min(entries.size(), kMost); ++i) list.push_back(entries[i].name);
    return list;
  };
  const auto missing_names = names(missing), unexpected_names = names(unexpected);
  for (std::size_t i = 0; i < std::min(missing.size(), kShown); ++i) {
    missing[i].nearest = nearest_names(missing[i].name, unexpected_names, 2);
  }
  for (std::size_t i = 0; i < std::min(unexpected.size(), kShown); ++i) {
    unexpected[i].nearest = nearest_names(unexpected[i].name, missing_names, 2);
  }
}

PAM_FUNC void LoadReport::append(std::string& lines, std::size_t count, const char* what) {
  if (count > kShown) lines += formatted("\n  … and {} {}", count - kShown, what);
}

PAM_FUNC void LoadReport::append(std::string& lines, const std::vector<UnmatchedName>& entries, const char* what,
                                 const char* other_side) {
  for (std::size_t i = 0; i < std::min(entries.size(), kShown); ++i) {
    lines += formatted("\n  '{}' is {}", detail::printable(entries[i].name), what);
    std::string near;
    for (const auto& name : entries[i].nearest) near += (near.empty() ? "'" : ", '") + detail::printable(name) + "'";
    if (!near.empty()) lines += formatted("; nearest that {}: {}", other_side, near);
  }
  append(lines, entries.size(), what);
}

}  // namespace pam
