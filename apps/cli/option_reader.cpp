// SPDX-License-Identifier: MIT
#include "cli/option_reader.hpp"

#include <pam/core/options_json.hpp>
#include <pam/losses/segmentation_loss.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <utility>

namespace pam::apps {

std::filesystem::path config_path(const std::filesystem::path& out) { return out / "config.json"; }

namespace {

/// Gives options of an older pam the words of today. "zscore" was over the voxels that are not 0 until pam had
/// `orient`, which every complete configuration of one's own data has named since. Says so, once per file.
void update_older(nlohmann::json& options, const std::string& path) {
  if (!options.is_object() || options.contains("orient") || !options.contains("ignore_affine")) return;
  const auto normalise = options.find("normalise");
  if (normalise == options.end() || *normalise != "zscore") return;
  *normalise = "zscore-nonzero";
  static std::set<std::string> said;
  if (!said.insert(path).second) return;
  std::cerr << "note: " << path
            << ": is of an older pam, whose normalise zscore was over the voxels that are not 0: this stays so, as "
               "zscore-nonzero (zscore is over all voxels today)\n";
}

}  // namespace

nlohmann::json options_of_run(const std::string& out) {
  const auto path = config_path(out);
  if (out.empty() || !std::filesystem::exists(path)) return nullptr;
  auto json = nlohmann::json::parse(std::ifstream(path), nullptr, /*allow_exceptions=*/false);
  check(json.is_object(),
        "{}: is not the configuration of a run; restore the complete file, or delete it and start again with "
        "--overwrite, without --resume",
        path.string());
  // A run from before the losses had an option trained with that option's default.
  if (const auto own = json.find("loss_options"); own != json.end() && own->is_object()) {
    auto all = options_to_json(SegmentationLossOptions());
    all.update(*own);
    *own = std::move(all);
  }
  update_older(json, path.string());
  return json;
}

nlohmann::json nested_option(const std::string& key, nlohmann::json value) {
  const auto dot = key.find('.');
  if (dot == std::string::npos) return {{key, std::move(value)}};
  return {{key.substr(0, dot), nested_option(key.substr(dot + 1), std::move(value))}};
}

std::pair<std::string, std::string> split_assignment(const std::string& text) {
  const auto equals = text.find('=');
  check(equals != std::string::npos && equals > 0,
        "--set {}: must be KEY=VALUE, such as --set optimizer.weight_decay=1e-4", text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

nlohmann::json typed_words(const nlohmann::json& words, const nlohmann::json& before) {
  if (words.is_string()) {
    auto value = nlohmann::json::parse(words.get<std::string>(), nullptr, /*allow_exceptions=*/false);
    return value.is_discarded() || (before.is_string() && !value.is_string()) ? words : value;
  }
  auto typed = words;
  for (auto& item : typed.items()) {
    item.value() =
        typed_words(item.value(), before.is_object() ? before.value(item.key(), nlohmann::json()) : nlohmann::json());
  }
  return typed;
}

nlohmann::json load_options_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  check(in.is_open(), "{}: cannot be opened: {}; --config names a JSON file", path, std::strerror(errno));
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  try {
    auto options = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/true, /*ignore_comments=*/true);
    update_older(options, path);
    return options;
  } catch (const nlohmann::json::parse_error& error) {
    fail("{}: is not JSON: {}; --print-config shows what a configuration looks like", path, error.what());
  }
}

std::string help_with_default(const std::string& help, const nlohmann::json& defaults, const std::string& key) {
  auto path = "/" + key;
  std::replace(path.begin(), path.end(), '.', '/');
  const nlohmann::json::json_pointer pointer(path);
  if (!defaults.contains(pointer) || help.find("default") != std::string::npos) return help;
  const auto& value = defaults.at(pointer);
  std::string text;
  for (const auto& each : value.is_array() ? value : nlohmann::json::array({value})) {
    if (!text.empty()) text += " ";
    text += each.is_string()         ? each.get<std::string>()
            : each.is_number_float() ? fmt::format("{:g}", each.get<double>())
                                     : each.dump();
  }
  return text.empty() ? help : help + " (default: " + text + ")";
}

OptionReader::OptionReader(CLI::App& app, nlohmann::json defaults) : app_(&app), defaults_(std::move(defaults)) {
  app.add_option("--config", config_, "JSON file with any of the options (--print-config shows all)");
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [this](const std::vector<std::string>& assignments) {
           for (const auto& text : assignments) {
             const auto [key, value] = split_assignment(text);
             take(key, value, "--set", /*words=*/true);
           }
         },
         "KEY=VALUE: any option of --print-config, such as --set optimizer.weight_decay=1e-4")
      ->take_all();
  app.add_flag("--print-config", print_, "print all options as JSON and exit");
}

CLI::Option* OptionReader::add_switch(const std::string& flag, const std::string& key, const std::string& help) {
  return app_->add_flag_function(
      flag, [this, key, flag](std::int64_t) { take(key, true, flag); }, help);
}

void OptionReader::take(const std::string& key, nlohmann::json value, const std::string& where, bool words) {
  given_.push_back({where, nested_option(key, std::move(value)), words});
}

}  // namespace pam::apps
