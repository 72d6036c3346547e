// SPDX-License-Identifier: MIT
/// `LoadReport`: what `load_weights` found, name by name.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>
#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pam {

/// A name that has no partner on the other side, and the most similar names there.
struct UnmatchedName {
  std::string name;
  std::vector<std::string> nearest;
};

/// A name that both sides have with different shapes, or whose values do not fit the module's type (0.5 in an integer).
struct MismatchedTensor {
  std::string name;
  std::vector<std::int64_t> file_shape, net_shape;
  torch::ScalarType file_type, net_type;
};

/// The result of `load_weights`. Names are the module's (after `LoadOptions::key_map`).
struct LoadReport {
  std::vector<std::string> loaded;
  std::vector<UnmatchedName> missing;         ///< the module has it, the file does not
  std::vector<UnmatchedName> unexpected;      ///< the file has it, the module does not
  std::vector<MismatchedTensor> mismatched;   ///< both have it, but it does not fit
  std::optional<bool> reversed;               ///< trained on reversed labels, where file or caller said so
  Metadata metadata;                          ///< the file's
  std::string prefix;                         ///< what was taken off the front of all names: "model."
  std::vector<std::string> left_out;          ///< the file's entries that were not asked for, or carry no weights
  std::string section;                        ///< the section of the checkpoint that was taken; empty: the whole file
  std::vector<std::string> other_sections;    ///< those that hold weights too, such as "model_ema"
  std::vector<std::string> fitting_prefixes;  ///< prefixes that would give all of the module's names

  /// File and module have the same names and shapes.
  [[nodiscard]] bool complete() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }

  /// A sentence each for what was chosen or changed without being asked for: the section of a checkpoint, a prefix of
  /// all names, entries that were left out. Empty where the file has the module's tensors and nothing else.
  [[nodiscard]] std::vector<std::string> notes() const;

  /// Several lines of text: the counts, `notes`, then every name that was not loaded (at most 20 of a kind) with its
  /// remedy.
  [[nodiscard]] std::string text() const;

  /// Fills in the nearest names: missing against unexpected, and the other way round.
  void find_nearest();

 private:
  static constexpr std::size_t kShown = 20;

  static void append(std::string& lines, std::size_t count, const char* what);
  static void append(std::string& lines, const std::vector<UnmatchedName>& entries, const char* what,
                     const char* other_side);
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/weights/load_report-inl.hpp>
#endif
