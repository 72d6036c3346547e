// SPDX-License-Identifier: MIT
#include "engine/training_facts.hpp"

#include <pam/core/error.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

namespace pam::apps {
namespace {

/// Null where there is no such entry; discarded where it is no JSON.
nlohmann::json entry_of(const Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? nlohmann::json()
                                 : nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
}

bool is_range(const nlohmann::json& range) {
  return range.is_array() && range.size() == 2 && range[0].is_number() && range[1].is_number() &&
         range[0].get<double>() > 0 && range[0].get<double>() <= range[1].get<double>();
}

std::string range_text(const std::vector<std::pair<double, double>>& ranges) {
  std::vector<std::string> parts;
  for (const auto& [low, high] : ranges) {
    parts.push_back(low == high ? fmt::format("{:.4g}", low) : fmt::format("{:.4g} to {:.4g}", low, high));
  }
  return joined(parts, " x ");
}

}  // namespace

TrainingFacts training_facts(const Metadata& metadata, const std::string& file) {
  TrainingFacts facts;
  if (const auto json = entry_of(metadata, "pam.spacing"); !json.is_null()) {
    check(json.is_array() && json.size() == 3 && std::all_of(json.begin(), json.end(), is_range),
          "{}: its pam.spacing must be [[low, high], [low, high], [low, high]] in mm for the axes x, y, z, got {}; "
          "remove the entry, or write it anew",
          file, json.is_discarded() ? std::string("no JSON") : json.dump());
    for (const auto& range : json) facts.spacing.emplace_back(range[0].get<double>(), range[1].get<double>());
  }
  if (const auto json = entry_of(metadata, "pam.modalities"); !json.is_null()) {
    check(json.is_array() && std::all_of(json.begin(), json.end(), [](const auto& word) { return word.is_string(); }),
          "{}: its pam.modalities must be a list of words, such as [\"t1\", \"flair\"], got {}; remove the entry, or "
          "write it anew",
          file, json.is_discarded() ? std::string("no JSON") : json.dump());
    for (const auto& word : json) facts.modalities.push_back(word.get<std::string>());
  }
  return facts;
}

std::string spacing_warning(const Case& source, const TrainingFacts& facts) {
  const auto spacing = source.image_spacing();
  bool seen = true;
  std::vector<std::pair<double, double>> own;
  for (std::size_t axis = 0; axis < std::min(spacing.size(), facts.spacing.size()); ++axis) {
    const auto& [low, high] = facts.spacing[axis];
    seen = seen && spacing[axis] >= 0.8 * low && spacing[axis] <= 1.25 * high;
    own.emplace_back(spacing[axis], spacing[axis]);
  }
  if (seen) return {};
  return fmt::format(
      "{}: voxels of {} mm, those of the training were {} mm (x, y, z): the network saw other sizes, so its mask may "
      "be wrong; resample the image first",
      source.files.images.front().string(), range_text(own), range_text(facts.spacing));
}

void check_modalities(const std::vector<std::string>& given, const TrainingFacts& facts, const std::string& weights) {
  if (given.empty() || facts.modalities.empty()) return;
  const auto alike = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  const bool same = std::equal(
      given.begin(), given.end(), facts.modalities.begin(), facts.modalities.end(),
      [&](const auto& a, const auto& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end(), alike); });
  check(same,
        "--modalities {}: {} was trained on {}, in this order, and each channel must be the one that it was; leave "
        "--modalities out, and where the files have other names, give those of one case after --input in this order",
        joined(given, " "), weights, joined(facts.modalities, " "));
}

}  // namespace pam::apps
