// SPDX-License-Identifier: MIT
/// `SliceDataset`: turns cases on disk into 2-D training samples; every file is decoded once, and every slice carries
/// the name of its case.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/dataset.hpp>
#include <pam/data/ordered_workers.hpp>
#include <pam/images/case.hpp>
#include <pam/images/detail/slice_store.hpp>
#include <pam/images/load_case.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// Which slices of a volume become samples (a picture is always taken).
enum class SliceChoice {
  Foreground,  ///< with at least one foreground pixel
  Brain,       ///< with at least one pixel that is not 0
  All,
};

/// "foreground", "brain" or "all"; throws `Error` for anything else.
SliceChoice parse_slice_choice(const std::string& name);

/// How a `SliceDataset` is built.
struct SliceOptions {
  SliceChoice slices = SliceChoice::Foreground;
  bool skip_bad = false;     ///< leave out cases that cannot be loaded (`skipped()` lists them) instead of throwing
  std::int64_t threads = 2;  ///< threads that decode cases; 0 = on the caller's thread
  std::int64_t memory_mib = 4096;           ///< of prepared slices in memory; the rest is kept in a temporary file
  std::filesystem::path spill_folder = {};  ///< where that file lies; empty: the system's temporary folder (TMPDIR)
  /// Called after every case, in order, on the caller's thread, with: cases done, number of cases, the case's name.
  std::function<void(std::int64_t, std::int64_t, const std::string&)> progress = {};
};

/// What was taken from one case.
struct CaseSummary {
  std::string name;
  std::int64_t slices = 0;  ///< of the volume
  std::int64_t used = 0;    ///< slices that became samples
  std::int64_t channels = 0;
  PlaneSize plane;  ///< of its samples
  std::vector<std::string> notices;
  bool is_volume = true;
  std::string axes;             ///< `Case::axes`
  std::vector<double> spacing;  ///< `Case::image_spacing`
};

/// A case that was left out, and why.
struct SkippedCase {
  std::string name, reason;
};

namespace detail {

/// Whether slice `z` is wanted.
bool wants_slice(const Case& source, std::int64_t z, SliceChoice choice);

}  // namespace detail

/// The slices of `cases` as samples, in the order of the cases and of the slices. Cases are decoded when the data set
/// is built, on `threads` threads, so that every bad file is found before training starts.
class SliceDataset final : public Dataset {
 public:
  /// Throws `Error`: no cases, a case that cannot be loaded (unless `skip_bad`), cases with different numbers of
  /// channels, volumes beside pictures, no slice left, masks without a pixel of background (`MaskSurvey::unusable`), a
  /// temporary file that cannot be written.
  SliceDataset(const std::vector<CaseFiles>& cases, const CaseOptions& case_options = {},
               const SliceOptions& options = {})
      : store_(options.memory_mib << 20, options.spill_folder) {
    check(!cases.empty(), "the data set is empty: there are no cases");
    const auto total = static_cast<std::int64_t>(cases.size());
    OrderedWorkers<Case> workers(total, options.threads, options.threads, [&](std::int64_t i) {
      return load_case(cases[static_cast<std::size_t>(i)], case_options);
    });
    for (std::int64_t i = 0; i < total; ++i) {
      const auto& name = cases[static_cast<std::size_t>(i)].name;
      std::optional<Case> source;
      try {
        source = workers.next();
        check_usable(*source, options);
      } catch (const Error& error) {
        if (!options.skip_bad) throw;
        skipped_.push_back({name, error.what()});
        source.reset();
      }
      if (source) add(*source, options);  // an error from here on is the disk's, not the case's
      if (options.progress) options.progress(i + 1, total, name);
    }
    check(!cases_.empty(), "none of the {} cases can be used; the first: {}", total,
          skipped_.empty() ? "" : skipped_.front().reason);
    check(
        store_.size() > 0,
        "no slice of the {} cases has foreground; check the label map ({}), or take all slices (SliceOptions::slices)",
        cases_.size(), case_options.labels.text());
    const auto unusable = masks_.unusable(case_options.labels);
    check(unusable.empty(), "{}", unusable);
  }

  [[nodiscard]] std::int64_t size() const override { return store_.size(); }
  [[nodiscard]] Sample get(std::int64_t index) const override {
    auto sample = store_.get(index);
    const auto& place = places_.at(static_cast<std::size_t>(index));
    sample.case_name = cases_[place.first].name;
    sample.slice = place.second;
    return sample;
  }
  [[nodiscard]] std::string case_name(std::int64_t index) const override {
    return cases_[places_.at(static_cast<std::size_t>(index)).first].name;
  }

  [[nodiscard]] const std::vector<CaseSummary>& cases() const { return cases_; }
  [[nodiscard]] const std::vector<SkippedCase>& skipped() const { return skipped_; }
  /// What numbers the label files hold.
  [[nodiscard]] const MaskSurvey& masks() const { return masks_; }
  [[nodiscard]] std::int64_t channels() const { return cases_.front().channels; }
  /// Whether the cases are volumes; else they are pictures.
  [[nodiscard]] bool volumes() const { return cases_.front().is_volume; }
  /// The largest height and the largest width of the samples.
  [[nodiscard]] PlaneSize largest_plane() const {
    PlaneSize size;
    for (const auto& item : cases_) {
      size.height = std::max(size.height, item.plane.height);
      size.width = std::max(size.width, item.plane.width);
    }
    return size;
  }
  /// Bytes of prepared slices in memory, and in the temporary file.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> bytes() const {
    return {store_.memory_bytes(), store_.spilled_bytes()};
  }

 private:
  void check_usable(const Case& source, const SliceOptions& options) const {
    check(cases_.empty() || cases_.front().channels == source.image.size(0),
          "case {}: its number of channels is {}, that of the case {} is {}; {}", source.name, source.image.size(0),
          cases_.empty() ? "" : cases_.front().name, cases_.empty() ? 0 : cases_.front().channels,
          source.is_volume ? "give every case the same modalities"
                           : "to read grey and colour pictures alike, set CaseOptions::channels 3 (or 1 for grey)");
    check(cases_.empty() || cases_.front().is_volume == source.is_volume,
          "case {}: is a {}, but the case {} is a {}; take one kind", source.name,
          source.is_volume ? "volume" : "picture", cases_.empty() ? "" : cases_.front().name,
          source.is_volume ? "picture" : "volume");
    check(source.labels.defined() || options.slices != SliceChoice::Foreground || !source.is_volume,
          "case {}: has no labels, so its slices with foreground cannot be chosen; take all slices", source.name);
  }

  void add(const Case& source, const SliceOptions& options) {
    CaseSummary summary{source.name,          source.slices(), 0,
                        source.image.size(0), source.plane(),  source.notices,
                        source.is_volume,     source.axes(),   source.image_spacing()};
    for (std::int64_t z = 0; z < source.slices(); ++z) {
      if (!detail::wants_slice(source, z, options.slices)) continue;
      store_.add(source.image.select(1, z), source.labels.defined() ? source.labels[z] : torch::Tensor(),
                 source.eight_bit);
      places_.emplace_back(cases_.size(), z);
      ++summary.used;
    }
    masks_.add(source.masks);
    cases_.push_back(std::move(summary));
  }

  SliceStore store_;
  std::vector<std::pair<std::size_t, std::int64_t>> places_;  ///< of each sample: index in cases_, slice
  std::vector<CaseSummary> cases_;
  std::vector<SkippedCase> skipped_;
  MaskSurvey masks_;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/slice_dataset-inl.hpp>
#endif
