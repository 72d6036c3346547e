// SPDX-License-Identifier: MIT
/// The options of `explain`.
#pragma once

#include "cli/option_rules.hpp"
#include "explain/explain_field.hpp"

#include <pam/images/mask_channel.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

struct ExplainArguments {
  std::vector<std::string> weights, nets, inputs;
  std::vector<std::string> net, section, key_prefix;  // one for all weights, or one for each
  std::string labels, label_values = "nonzero", mask_channel = to_string(MaskChannel::Grey), out, reversed;
  std::optional<double> label_threshold;
  std::int64_t slice = -1, slices = 3, batch = 4, threads = 0, show_channel = 0;
  FieldOptions field;
};

/// The two commands of `explain`, with the rules of their options.
struct ExplainCommands {
  CLI::App *maps = nullptr, *field = nullptr;
  std::vector<OptionRule> maps_rules, field_rules;
};

/// Adds them to `app`. `arguments` must live as long as `app`.
ExplainCommands add_explain_options(CLI::App& app, ExplainArguments& arguments);

}  // namespace pam::apps
