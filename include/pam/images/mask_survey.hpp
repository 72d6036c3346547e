// SPDX-License-Identifier: MIT
/// `MaskSurvey`: what numbers label files hold, looked at before training and scoring.
#pragma once

#include <pam/core/torch.hpp>
#include <pam/images/detail/value_counts.hpp>
#include <pam/images/labels.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam {

/// The values of some label files with their shares, and what about them is doubtful: masks without background,
/// with more values than the label map expects (blurred or JPEG-compressed edges), inverted, or with a second mask in
/// their alpha channel. `Case::masks` holds one file's.
class MaskSurvey {
 public:
  /// Counts one file: its numbers as stored, the same mapped to classes (int16 or int64), and `alpha`, what
  /// `read_label_image` says of its alpha channel. A file that has been counted (another hemisphere of one volume) is
  /// not counted again.
  void add(const torch::Tensor& raw, const torch::Tensor& labels, const std::string& file,
           const std::string& alpha = {});
  void add(const MaskSurvey& other);

  /// The different numbers of all files, ascending.
  [[nodiscard]] std::vector<double> values() const;

  /// The most foreground that a mask of one class is expected to have, as a share of its pixels.
  static constexpr double kMostForeground = 0.6;

  /// An error text if nothing can be learnt from these masks as `map` reads them (one class, and no pixel of any mask
  /// is background); it names a file, the values, their shares and a remedy. Otherwise empty.
  [[nodiscard]] std::string unusable(const LabelMap& map) const;

  /// What may be wrong, a sentence each, with a file, values, shares and remedies:
  /// - several classes, and no pixel of any mask is background;
  /// - more than two values where all but 0 are one class (`LabelMap::nonzero`); with named values, at least 16 over
  ///   a range of 64 or more, the two most frequent of which are at its ends (to 1/16) and twice as frequent as the
  ///   third: a blurred mask, and no atlas;
  /// - one class that takes more than `kMostForeground` of all pixels, or of those of single masks: inverted masks.
  /// Alpha channels are not among them: `load_case` gives a notice for each file.
  [[nodiscard]] std::vector<std::string> warnings(const LabelMap& map) const;

 private:
  struct Mask {
    std::string file;
    std::int64_t background = 0, foreground = 0;  ///< pixels; what is ignored is neither
    std::int64_t values = 0;                      ///< how many different ones
    [[nodiscard]] bool is_inverted() const;
  };

  [[nodiscard]] bool looks_blurred() const;
  [[nodiscard]] std::string subject() const;
  [[nodiscard]] std::string inverted(const LabelMap& map) const;

  std::vector<Mask> masks_;
  std::vector<std::string> alphas_;  ///< what was said of alpha channels
  detail::ValueCounts counts_;       ///< of all masks
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/mask_survey-inl.hpp>
#endif
