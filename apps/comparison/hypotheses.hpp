// SPDX-License-Identifier: MIT
/// The hypotheses of a comparison, fixed before its runs: what is tested against what. A file
///     {"hypotheses": [{"id": "H1", "claim": "FPA has fewer false negatives than U-Net", "metric": "FN", "net": "fpa",
///                      "against": "unet", "direction": "less"}],
///      "alpha": 0.05, "resamples": 10000, "seed": 0}
/// The last three are optional, with these defaults.
#pragma once

#include <pam/metrics/bootstrap_interval.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// Besides the names of `case_metrics`: the FN rate where the threshold of `net` is moved, on the validation cases, to
/// the one at which its FP rate equals that of `against` at 0.5.
inline const std::string kFnAtEqualFp = "fn_at_equal_fp";

enum class Direction { Less, Greater, Different };

struct Hypothesis {
  std::string id;      ///< letters, digits, "-" and "_": also part of a file's name
  std::string claim;   ///< in words
  std::string metric;  ///< as in `case_metrics`, or `kFnAtEqualFp`
  std::string net, against;
  Direction direction = Direction::Different;  ///< of the metric of `net`, compared with `against`
};

struct Hypotheses {
  std::vector<Hypothesis> list;
  double alpha = 0.05;         ///< over all of them together (Holm)
  BootstrapOptions bootstrap;  ///< of the intervals
  std::string file, text;      ///< where they are from, and what the file holds

  /// 16 hexadecimal digits (FNV-1a) of `text`: a short name for it, since the record keeps all of the text.
  [[nodiscard]] std::string fingerprint() const;
  /// Whether one of them is of `kFnAtEqualFp`.
  [[nodiscard]] bool need_validation() const;
};

/// Reads `path`, or `kept`, the copy in the comparison's folder, where `path` is gone. `nets` are those compared.
/// Throws `Error`, naming file and field, for what is not of this form, and with the nearest names for unknown nets,
/// metrics, directions and keys.
[[nodiscard]] Hypotheses read_hypotheses(const std::filesystem::path& path, const std::filesystem::path& kept,
                                         const std::vector<std::string>& nets);

/// Throws `Error` where the comparison in `out`, which is continued, was begun with other hypotheses than `now`
/// (nullptr: none): hypotheses are fixed before the runs.
void check_same_hypotheses(const std::filesystem::path& out, const Hypotheses* now);

/// Where a comparison keeps the text of its hypotheses.
[[nodiscard]] std::filesystem::path kept_hypotheses(const std::filesystem::path& out);

}  // namespace pam::apps
