// SPDX-License-Identifier: MIT
#include "engine/preparation.hpp"

#include <pam/images/reorientation.hpp>

#include <fmt/format.h>

namespace pam::apps {

void parse_normalise(const std::string& name, CaseOptions& options) {
  if (window_from_string(name, options.window_low, options.window_high)) {
    options.normalise = Normalise::Window;
    return;
  }
  // The programs' words for the two z-scores; the library's names are those in weights files.
  const auto stored = name == "zscore" ? std::string("zscore-all") : name == "zscore-nonzero" ? "zscore" : name;
  const bool known = name != "zscore-all" && name != "window" && from_string(stored, options.normalise);
  check(known, "--normalise {}: must be {}", name, kNormaliseNames);
}

std::string normalise_sentence(const CaseOptions& options, bool volumes) {
  auto normalise = options.normalise;
  if (normalise == Normalise::Auto) normalise = volumes ? Normalise::ZScoreNonzero : Normalise::Unit;
  switch (normalise) {
    case Normalise::ZScoreNonzero:
      return "Intensities: z-score over the voxels that are not 0 (--normalise zscore-nonzero).";
    case Normalise::ZScoreAll:
      return "Intensities: z-score over all voxels (--normalise zscore).";
    case Normalise::Window:
      return fmt::format("Intensities: {} to {} becomes 0 to 1, and what lies outside is cut off (--normalise window).",
                         options.window_low, options.window_high);
    case Normalise::MinMax:
      return "Intensities: the smallest to the largest value becomes 0 to 1 (--normalise minmax).";
    case Normalise::Unit:
      return "Intensities: divided by the largest value that the file's type can hold (--normalise unit).";
    default:
      return "Intensities: as stored (--normalise none).";
  }
}

std::string parse_orient(const std::string& code) {
  check(code.empty() || Reorientation::is_code(code),
        "--orient {}: must be one letter each of L or R, P or A, I or S, such as RAS", code);
  return code;
}

MaskChannel parse_mask_channel(const std::string& name) {
  auto channel = MaskChannel::Grey;
  check(from_string(name, channel), "--mask-channel {}: must be grey, red, green, blue or alpha", name);
  return channel;
}

PlaneSize parse_plane(const std::string& flag, const std::string& text) {
  PlaneSize size;
  check(from_string(text, size), "{} {}: must be HEIGHTxWIDTH in pixels, such as 160x160", flag, text);
  return size;
}

}  // namespace pam::apps
