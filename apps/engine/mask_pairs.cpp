// SPDX-License-Identifier: MIT
#include "engine/mask_pairs.hpp"

#include <pam/core/error.hpp>
#include <pam/datasets/data_files.hpp>
#include <pam/datasets/unicode_forms.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/label_volume.hpp>
#include <pam/images/labels.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/resample.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

namespace pam::apps {
namespace {

namespace fs = std::filesystem;

/// The name of a case: without extension, and without a suffix that tools append to masks.
std::string case_name(const fs::path& path) {
  static const std::array<const char*, 2> kSuffixes{"_pred", "_prediction"};
  return bare_label_stem(without_suffix(stem_of(path), kSuffixes));
}

/// Takes out of `files` the probabilities that `predict` writes beside its masks: NAME_probability, or one file a
/// class, NAME_probability_1, where NAME is there too.
void leave_out_probabilities(std::vector<fs::path>& files) {
  std::set<std::string> stems;
  for (const auto& path : files) stems.insert(stem_of(path));
  const auto is_probability = [&](const fs::path& path) {
    const auto stem = stem_of(path);
    const auto at = stem.rfind("_probability");
    return at != std::string::npos && stems.count(stem.substr(0, at)) > 0;
  };
  files.erase(std::remove_if(files.begin(), files.end(), is_probability), files.end());
}

std::vector<fs::path> masks_in(const fs::path& place, const char* option) {
  check(fs::exists(place), "{} {}: there is no such file or folder; check the path", option, place.string());
  auto files = fs::is_directory(place) ? data_files(place) : std::vector<fs::path>{place};
  leave_out_probabilities(files);
  check(!files.empty(), "{} {}: the folder holds no mask (.nii, .nii.gz, .png, .tif)", option, place.string());
  return files;
}

std::map<std::string, fs::path> by_name(const std::vector<fs::path>& files, std::string (*name_of)(const fs::path&)) {
  std::map<std::string, fs::path> masks;
  for (const auto& path : files) {
    const auto [other, fresh] = masks.emplace(name_of(path), path);
    check(fresh, "{} and {}: both would be case \"{}\"; keep one", other->second.string(), path.string(), other->first);
  }
  return masks;
}

/// Takes the files of equal stems out of both lists: they are pairs whatever their stems end in ("eye_l" is no label of
/// "eye" where both folders hold it).
std::vector<MaskPair> pairs_of_equal_stems(std::vector<fs::path>& predicted, std::vector<fs::path>& expected) {
  const auto truths = by_name(expected, stem_of);
  std::vector<MaskPair> pairs;
  for (const auto& [stem, path] : by_name(predicted, stem_of)) {
    const auto truth = truths.find(stem);
    if (truth != truths.end()) pairs.push_back({stem, path, truth->second});
  }
  const auto is_paired = [&](const fs::path& path) {
    return std::any_of(pairs.begin(), pairs.end(),
                       [&](const auto& pair) { return pair.prediction == path || pair.truth == path; });
  };
  for (auto* files : {&predicted, &expected}) {
    files->erase(std::remove_if(files->begin(), files->end(), is_paired), files->end());
  }
  return pairs;
}

std::string size_text(const torch::Tensor& labels) {
  std::vector<std::int64_t> sizes(labels.sizes().rbegin(), labels.sizes().rend());  // x first, as files have it
  return fmt::format("{}", joined(sizes, " x "));
}

/// Raw values as labels, and for NIfTI the spacing and the grid.
Mask read_raw(const fs::path& path, const MaskReading& how, bool accept_lossy, std::vector<std::string>& warnings) {
  if (!is_nifti_name(path)) {
    Mask mask;
    mask.labels = read_label_image(path, how.channel, accept_lossy, &mask.alpha);
    return mask;
  }
  check(how.channel == MaskChannel::Grey,
        "{}: is a volume, and only pictures have channels of colours and alpha (--mask-channel)", path.string());
  auto image = read_label_volume(path, how.zero_non_finite, warnings);
  check(image.voxels.dim() == 3, "{}: a mask is one volume, this file holds {}", path.string(),
        shape_string(image.voxels));
  return {image.voxels, {image.spacing.begin(), image.spacing.end()}, image};
}

/// The values that occur, rounded: the label map refuses fractions.
std::set<std::int64_t> values_of(const MaskSurvey& survey) {
  std::set<std::int64_t> values;
  for (const auto value : survey.values()) values.insert(std::llround(value));
  return values;
}

/// "1, 2, 3", at most ten.
std::string some_of(const std::set<std::int64_t>& values) {
  constexpr std::size_t kSome = 10;
  std::vector<std::int64_t> first(values.begin(), values.end());
  first.resize(std::min(kSome, first.size()));
  return joined(first, ", ") + (values.size() > kSome ? fmt::format(" and {} others", values.size() - kSome) : "");
}

/// The position of two masks in space. Masks whose headers do not say are assumed to have the same one.
void check_places(const MaskPair& pair, const Mask& prediction, const Mask& truth, bool ignore_affine,
                  std::vector<std::string>& warnings) {
  if (!prediction.geometry.is_placed() || !truth.geometry.is_placed()) return;
  const auto& size = truth.labels.sizes();
  if (same_grid(prediction.geometry, truth.geometry, {size[0], size[1], size[2]})) return;
  const auto axes = orientation(prediction.geometry.affine), expected = orientation(truth.geometry.affine);
  check(
      axes == expected || ignore_affine,
      "{}: its voxel axes run {}, those of its truth {} run {}: their voxels do not correspond; reorient one of them, "
      "or score voxel by voxel anyway (--ignore-affine)",
      pair.prediction.string(), axes, pair.truth.string(), expected);
  warnings.push_back(
      fmt::format("{}: lies elsewhere in space than its truth (their affines differ); scored voxel by voxel",
                  pair.prediction.string()));
}

}  // namespace

std::vector<MaskPair> pair_masks(const fs::path& predictions, const fs::path& truths, bool predicted_only,
                                 std::vector<std::string>* left_out) {
  auto predicted_files = masks_in(predictions, "--pred"), expected_files = masks_in(truths, "--truth");
  // Two single files need no common name: the user has paired them.
  if (!fs::is_directory(predictions) && !fs::is_directory(truths)) {
    check(!predicted_only,
          "--predicted-only: leaves out truths of a folder; --pred and --truth are two files: leave it "
          "out");
    const auto stem = stem_of(truths);
    return {{stem_of(predictions) == stem ? stem : case_name(truths), predictions, truths}};
  }
  auto pairs = pairs_of_equal_stems(predicted_files, expected_files);
  const auto predicted = by_name(predicted_files, case_name), expected = by_name(expected_files, case_name);
  std::vector<std::string> unpaired;
  for (const auto& [name, path] : expected) {
    const auto found = predicted.find(name);
    if (found != predicted.end()) {
      pairs.push_back({name, found->second, path});
    } else if (predicted_only) {
      if (left_out != nullptr) left_out->push_back(name);
    } else {
      unpaired.push_back(path.string() + " (no prediction)");
    }
  }
  for (const auto& [name, path] : predicted) {
    if (expected.count(name) == 0) unpaired.push_back(path.string() + " (no truth)");
  }
  check(
      unpaired.empty(),
      "{} file(s) have no partner of the same name: {}; a case without a partner cannot be scored, so add the missing "
      "file or take this one away (truths that were not to be predicted: --predicted-only){}",
      unpaired.size(), joined(unpaired, ", "), unicode_form_notice(predicted_files, expected_files));
  std::sort(pairs.begin(), pairs.end(), [](const auto& one, const auto& other) { return one.name < other.name; });
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    check(pairs[i].name != pairs[i - 1].name, "{} and {}: both would be case \"{}\"; keep one",
          pairs[i - 1].truth.string(), pairs[i].truth.string(), pairs[i].name);
  }
  return pairs;
}

std::int64_t MaskReader::classes() const {
  return values_.empty() ? 2 : std::max<std::int64_t>(2, LabelMap::parse(values_).classes());
}

std::string MaskReader::settle(const std::vector<fs::path>& paths) {
  MaskSurvey survey;
  for (const auto& path : paths) {
    std::vector<std::string> repeated;  // of `read`
    const auto raw = read_raw(path, how_, map().is_threshold(), repeated).labels;
    survey.add(raw, raw, path.string());
  }
  auto values = values_of(survey);
  values.erase(0);
  if (values.empty()) return {};
  const auto map = LabelMap::parse(values_);
  const auto class_of = [&](std::int64_t value) { return map.class_of(value, "the predictions"); };
  const bool named = std::any_of(values.begin(), values.end(), [&](auto value) { return class_of(value) != 0; }),
             numbers = *values.begin() > 0 && *values.rbegin() < classes(),
             alike = std::all_of(
                 values.begin(), values.end(), [&](auto value) { return class_of(value) == value; });
  check(!named || !numbers || alike,
        "the predictions hold the values {}, which could be values of --label-values {} or class numbers, as pam's "
        "programs write them, and mean different classes; say which: --pred-label-values {} or --pred-label-values "
        "identity",
        some_of(values), values_, values_);
  if (named) return {};
  const bool one_value = classes() == 2 && values.size() == 1;
  check(one_value || numbers,
        "the predictions hold the values {}, none of which --label-values {} names; say with --pred-label-values what "
        "they mean",
        some_of(values), values_);
  auto warning = fmt::format("the predictions hold {} and nothing of --label-values {}: taken as {}", some_of(values),
                             values_, one_value ? "foreground" : "class numbers");
  values_ = one_value ? "nonzero" : "identity";
  return warning;
}

Mask MaskReader::read(const fs::path& path, std::vector<std::string>& warnings) {
  const auto map = this->map();
  auto mask = read_raw(path, how_, map.is_threshold(), warnings);
  const auto raw = mask.labels;
  if (!mask.alpha.empty()) warnings.push_back(mask.alpha);
  mask.labels = map.apply(raw, path.string());
  survey_.add(raw, mask.labels, path.string(), mask.alpha);
  if (!values_.empty()) return mask;
  auto foreground = values_of(survey_);  // of the masks so far
  foreground.erase(0);
  if (foreground.empty()) return mask;
  check(*foreground.begin() > 0, "{}: holds the negative value {}; say with --label-values which values are foreground",
        path.string(), *foreground.begin());
  if (foreground.size() == 1) return mask;
  constexpr std::size_t kFewClasses = 10;
  check(foreground.size() <= kFewClasses, "{}", joined(survey_.warnings(map), "; "));
  fail(
      "{}: with it the masks hold the labels {}; say with --label-values which of them are foreground (e.g. "
      "--label-values {})",
      path.string(), some_of(foreground), *foreground.begin());
}

std::vector<std::string> MaskReader::doubts() const {
  auto found = survey_.warnings(map());
  const auto unusable = survey_.unusable(map());
  if (!unusable.empty()) found.insert(found.begin(), unusable);
  return found;
}

std::pair<Mask, Mask> read_pair(const MaskPair& pair, MaskReader& predictions, MaskReader& truths, bool ignore_affine,
                                std::vector<std::string>& warnings) {
  auto prediction = predictions.read(pair.prediction, warnings), truth = truths.read(pair.truth, warnings);
  check(prediction.labels.sizes() == truth.labels.sizes(),
        "{}: is {}, but its truth {} is {}; both masks must lie on one grid", pair.prediction.string(),
        size_text(prediction.labels), pair.truth.string(), size_text(truth.labels));
  for (std::size_t i = 0; i < std::min(prediction.spacing.size(), truth.spacing.size()); ++i) {
    check(std::abs(prediction.spacing[i] - truth.spacing[i]) <= 1e-3 * truth.spacing[i],
          "{}: has voxels of {:.4g} mm, its truth {} of {:.4g} mm; distances would be wrong: resample one of them",
          pair.prediction.string(), prediction.spacing[i], pair.truth.string(), truth.spacing[i]);
  }
  if (const auto doubt = spacing_doubt(truth.geometry); !doubt.empty()) {
    warnings.push_back(pair.truth.string() + ": " + doubt);
  }
  check_places(pair, prediction, truth, ignore_affine, warnings);
  return {std::move(prediction), std::move(truth)};
}

}  // namespace pam::apps
