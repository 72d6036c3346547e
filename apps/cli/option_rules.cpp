// SPDX-License-Identifier: MIT
#include "cli/option_rules.hpp"

#include <pam/core/error.hpp>

namespace pam::apps {

void check_option_rules(const CLI::App& command, const std::vector<OptionRule>& rules) {
  for (const auto& rule : rules) {
    if (command.count(rule.option) == 0) continue;
    const bool beside = command.count(rule.other) > 0;
    if (rule.kind == OptionRule::kNeeds) {
      check(beside, "{}: {}; give {}, or leave it out", rule.option, rule.why, rule.other);
    } else {
      check(!beside, "{} and {}: {}; leave one of them out", rule.option, rule.other, rule.why);
    }
  }
}

}  // namespace pam::apps
