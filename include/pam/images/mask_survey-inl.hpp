// SPDX-License-Identifier: MIT
/// The definitions of mask_survey.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/mask_survey.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace pam {
namespace detail {

/// The most frequent value among those that `map` makes foreground, or background.
PAM_FUNC double most_frequent(const ValueCounts& counts, const LabelMap& map, bool foreground) {
  double value = 0;
  std::int64_t most = 0;
  for (const auto& [each, count] : counts) {
    if ((map.class_of(std::llround(each), "mask") > 0) == foreground && count > most) value = each, most = count;
  }
  return value;
}

/// How to say that `value` is the foreground.
PAM_FUNC std::string as_foreground(double value) {
  return formatted("CaseOptions::labels = LabelMap::parse(\"{:.6g}\")", value);
}

}  // namespace detail

PAM_FUNC bool MaskSurvey::Mask::is_inverted() const {
  return static_cast<double>(foreground) > kMostForeground * static_cast<double>(background + foreground);
}

PAM_FUNC void MaskSurvey::add(const torch::Tensor& raw, const torch::Tensor& labels, const std::string& file,
                              const std::string& alpha) {
  const auto is_same = [&](const auto& mask) { return mask.file == file; };
  if (std::any_of(masks_.begin(), masks_.end(), is_same)) return;
  detail::ValueCounts own;
  detail::add_values(raw, own);
  masks_.push_back({file, labels.eq(0).sum().item<std::int64_t>(), labels.gt(0).sum().item<std::int64_t>(),
                    static_cast<std::int64_t>(own.size())});
  if (!alpha.empty()) alphas_.push_back(alpha);
  for (const auto& [value, count] : own) counts_[value] += count;
}

PAM_FUNC void MaskSurvey::add(const MaskSurvey& other) {
  bool is_new = false;
  for (const auto& mask : other.masks_) {
    const auto is_same = [&](const auto& each) { return each.file == mask.file; };
    if (std::any_of(masks_.begin(), masks_.end(), is_same)) continue;
    masks_.push_back(mask);
    is_new = true;
  }
  if (!is_new) return;
  alphas_.insert(alphas_.end(), other.alphas_.begin(), other.alphas_.end());
  for (const auto& [value, count] : other.counts_) counts_[value] += count;
}

PAM_FUNC std::vector<double> MaskSurvey::values() const {
  std::vector<double> found;
  for (const auto& item : counts_) found.push_back(item.first);
  return found;
}

/// "p0.png", or "p0.png and 5 other masks".
PAM_FUNC std::string MaskSurvey::subject() const {
  const auto& first = masks_.front().file;
  if (masks_.size() == 1) return first;
  return formatted("{} and {} other mask{}", first, masks_.size() - 1, masks_.size() == 2 ? "" : "s");
}

PAM_FUNC bool MaskSurvey::looks_blurred() const {
  constexpr std::size_t kFew = 16;  // of values; an atlas has more
  constexpr double kRange = 64;
  if (counts_.size() < kFew || counts_.rbegin()->first - counts_.begin()->first < kRange) return false;
  std::vector<std::pair<double, std::int64_t>> sorted(counts_.begin(), counts_.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& one, const auto& other) { return one.second > other.second; });
  const auto lowest = counts_.begin()->first, highest = counts_.rbegin()->first, near = (highest - lowest) / 16;
  const auto [low, high] = std::minmax(sorted[0].first, sorted[1].first);
  return low - lowest <= near && highest - high <= near && sorted[1].second >= 2 * sorted[2].second;
}

PAM_FUNC std::string MaskSurvey::unusable(const LabelMap& map) const {
  const auto has_background = [](const auto& mask) { return mask.background > 0 || mask.foreground == 0; };
  if (masks_.empty() || map.classes() > 2 || std::any_of(masks_.begin(), masks_.end(), has_background)) return {};
  std::string remedy = "are these the masks?";
  if (!alphas_.empty()) {
    remedy = alphas_.front();
  } else if (map.is_threshold()) {
    remedy = "take a higher threshold";
  } else if (counts_.size() > 1) {
    const auto rarest = std::min_element(counts_.begin(), counts_.end(),
                                         [](const auto& one, const auto& other) { return one.second < other.second; });
    remedy = formatted("say which of these values are foreground, such as {}", detail::as_foreground(rarest->first));
  }
  return formatted(
      "{}: no pixel of any mask is background, for they hold the values {}, and \"{}\" makes all of them "
      "foreground; {}",
      subject(), detail::shares_text(counts_), map.text(), remedy);
}

PAM_FUNC std::string MaskSurvey::inverted(const LabelMap& map) const {
  std::int64_t foreground = 0, all = 0;
  std::vector<std::string> names;
  for (const auto& mask : masks_) {
    foreground += mask.foreground;
    all += mask.foreground + mask.background;
    if (mask.is_inverted()) names.push_back(mask.file);
  }
  const bool on_the_whole = static_cast<double>(foreground) > kMostForeground * static_cast<double>(all);
  if (foreground == all || (!on_the_whole && names.empty())) return {};
  // Of a threshold, the values below it.
  const auto remedy =
      map.is_threshold()
          ? std::string("invert the files")
          : "take the other value, " + detail::as_foreground(detail::most_frequent(counts_, map, /*foreground=*/false));
  if (on_the_whole) {
    return formatted("{}: {} of all pixels are foreground, with the values {}; if the masks are inverted, {}",
                     subject(), detail::percent(foreground, all), detail::shares_text(counts_), remedy);
  }
  constexpr std::size_t kNames = 5;
  const auto more = names.size() > kNames ? formatted(" and {} more", names.size() - kNames) : std::string();
  names.resize(std::min(kNames, names.size()));
  return formatted("{}{}: more than {} of the pixels are foreground, {} in all masks together; are they inverted?",
                   joined(names, ", "), more, detail::percent(60, 100), detail::percent(foreground, all));
}

PAM_FUNC std::vector<std::string> MaskSurvey::warnings(const LabelMap& map) const {
  std::vector<std::string> found;
  if (masks_.empty()) return found;
  const bool no_background =
      std::none_of(masks_.begin(), masks_.end(), [](const auto& mask) { return mask.background > 0; });
  if (map.classes() > 2 && no_background) {
    found.push_back(
        formatted("{}: no pixel of any mask is background; they hold the values {}; class 0 is never learnt, "
                  "unless \"{}\" names a value for it",
                  subject(), detail::shares_text(counts_), map.text()));
  }
  const bool is_nonzero = map.text() == "nonzero";
  const bool is_blurred = looks_blurred();
  if ((is_nonzero && counts_.size() > 2) || (!is_nonzero && !map.is_threshold() && is_blurred)) {
    const auto most = std::max_element(masks_.begin(), masks_.end(),
                                       [](const auto& one, const auto& other) { return one.values < other.values; });
    const auto low = counts_.begin()->first, high = counts_.rbegin()->first;
    found.push_back(formatted(
        "{}: mask has {} values; {} were expected. {} mask{} hold{} {}. If each value is a class, name those that are "
        "foreground, such as {}; if edges are blurred or compressed, take all values from a threshold on (CaseOptions::"
        "labels = LabelMap::threshold({:.6g}))",
        most->file, most->values, std::max<std::int64_t>(map.classes(), 2),
        masks_.size() == 1 ? std::string("The") : formatted("The {}", masks_.size()), masks_.size() == 1 ? "" : "s",
        masks_.size() == 1 ? "s" : "", detail::shares_text(counts_),
        detail::as_foreground(detail::most_frequent(counts_, LabelMap::nonzero(), /*foreground=*/true)),
        std::ceil((low + high) / 2)));
  }
  if (map.classes() == 2) {
    auto sentence = inverted(map);
    if (!sentence.empty()) found.push_back(std::move(sentence));
  }
  return found;
}

}  // namespace pam
