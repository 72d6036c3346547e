// SPDX-License-Identifier: MIT
/// `OptionRule`: which option of a program means nothing beside another, or without it. A program declares its rules
/// where it declares its options, and `check_option_rules` refuses what they forbid: no option is ignored in silence.
/// tests/apps/option_pairs.test.cpp goes through every pair of options.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace pam::apps {

struct OptionRule {
  enum Kind { kNeeds, kExcludes };
  std::string option;  ///< as it is typed
  Kind kind;
  std::string other;
  std::string why;  ///< what the option is for, ends the sentence "--slice: "
};

/// Throws `Error` for the first rule that what was typed breaks: names both options, the reason and the remedy.
void check_option_rules(const CLI::App& command, const std::vector<OptionRule>& rules);

}  // namespace pam::apps
