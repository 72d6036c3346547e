// SPDX-License-Identifier: MIT
#include "programs/option_reader.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace pam::programs {

std::filesystem::path config_path(const std::filesystem::path& out) { return out / "config.json"; }

nlohmann::json options_of_run(const std::string& out) {
  const auto path = config_path(out);
  if (out.empty() || !std::filesystem::exists(path)) return nullptr;
  auto json = nlohmann::json::parse(std::ifstream(path), nullptr, /*allow_exceptions=*/false);
  check(json.is_object(), "{}: is not the configuration of a run; --overwrite begins afresh", path.string());
  return json;
}

OptionReader::OptionReader(CLI::App& app) : app_(&app) {
  app.add_option("--config", config_, "JSON file with any of the options (--print-config shows all)");
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [this](const std::vector<std::string>& assignments) {
           for (const auto& text : assignments) take_assignment(text);
         },
         "KEY=VALUE: any option of --print-config, such as --set optimizer.weight_decay=1e-4")
      ->take_all();
  app.add_flag("--print-config", print_, "print all options as JSON and end");
}

CLI::Option* OptionReader::add_switch(const std::string& flag, const std::string& key, const std::string& help) {
  return app_->add_flag_function(
      flag, [this, key, flag](std::int64_t) { take(key, true, flag); }, help);
}

nlohmann::json OptionReader::load_config() const {
  std::ifstream in(config_, std::ios::binary);
  check(in.is_open(), "{}: cannot be opened: {}; --config names a JSON file", config_, std::strerror(errno));
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  try {
    return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/true, /*ignore_comments=*/true);
  } catch (const nlohmann::json::parse_error& error) {
    fail("{}: is not JSON: {}; --print-config shows what a configuration looks like", config_, error.what());
  }
}

void OptionReader::take(const std::string& key, nlohmann::json value, const std::string& where) {
  auto object = std::move(value);
  for (auto end = key.size(); end != std::string::npos;) {  // "a.b" = v -> {"a": {"b": v}}, from the back
    const auto dot = end == 0 ? std::string::npos : key.rfind('.', end - 1);
    const auto begin = dot == std::string::npos ? 0 : dot + 1;
    auto outer = nlohmann::json::object();
    outer[key.substr(begin, end - begin)] = std::move(object);
    object = std::move(outer);
    end = dot;
  }
  given_.emplace_back(where, std::move(object));
}

void OptionReader::take_assignment(const std::string& text) {
  const auto equals = text.find('=');
  check(equals != std::string::npos && equals > 0,
        "--set {}: must be KEY=VALUE, such as --set optimizer.weight_decay=1e-4", text);
  auto value = nlohmann::json::parse(text.substr(equals + 1), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) value = text.substr(equals + 1);  // a word without quotes
  take(text.substr(0, equals), std::move(value), "--set");
}

}  // namespace pam::programs
