// SPDX-License-Identifier: MIT
/// `FileCases`: cases on disk as the engine scores them.
#pragma once

#include "tasks/task.hpp"

#include <pam/images/load_case.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace pam::apps {

/// Slices first … last (inclusive) of a volume; the default is all of them.
struct SliceRange {
  std::int64_t first = 0, last = std::numeric_limits<std::int64_t>::max();
};

/// The network sees a case as `options` prepare it (cropped, resized, one hemisphere). Scores and pictures are of the
/// whole input: what was cropped away counts as background; the other hemisphere is not scored.
class FileCases final : public CaseSource {
 public:
  /// `shown_channel`: the modality under the overlays; pictures of three channels are shown in colour. Slices outside
  /// `scored` are neither predicted nor scored. Without `full_size`, resized pictures are scored, shown and written at
  /// the size that they were resized to, distances in its pixels.
  FileCases(std::vector<CaseFiles> files, CaseOptions options, std::int64_t shown_channel = 0, SliceRange scored = {},
            bool full_size = true);

  [[nodiscard]] std::vector<std::string> names() const override;
  [[nodiscard]] EvalCase load(std::size_t index) const override;
  [[nodiscard]] EvalCase load_for_validation(std::size_t index) const override;

 private:
  std::vector<CaseFiles> files_;
  CaseOptions options_;
  std::int64_t shown_channel_;
  SliceRange scored_;
  bool full_size_;
};

}  // namespace pam::apps
